/*
 * log: what reaches stdout and stderr.
 */
#include "check.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

/* Redirects fd to a new pipe; returns its reading end. *saved is for undo. */
static int capture(int fd, int *saved)
{
  int ends[2];

  (void)fflush(NULL);
  assert_int_equal(pipe(ends), 0);
  *saved = dup(fd);
  assert_true(dup2(ends[1], fd) == fd);
  (void)close(ends[1]);
  return ends[0];
}

static void undo(int fd, int saved)
{
  (void)dup2(saved, fd);
  (void)close(saved);
}

static void read_text(int fd, char *out, size_t size)
{
  ssize_t n = read(fd, out, size - 1);

  out[n > 0 ? n : 0] = '\0';
}

static void test_log__filters_secrets(void **state)
{
  char text[200];
  struct gw_err err;
  int saved;
  int fd = capture(2, &saved);
  int rc;

  (void)state;
  (void)gw_redact_add("log-secret", 10, NULL);
  rc = gw_log_write(2, "key log-secret\n", 15, &err);
  undo(2, saved);
  assert_ok(rc, err);
  read_text(fd, text, sizeof(text));
  assert_string_equal(text, "key [secret]\n");
  (void)close(fd);
}

static void test_log__line_is_one_clean_line(void **state)
{
  char text[200];
  int saved;
  int fd = capture(2, &saved);

  (void)state;
  gw_log_line("%s is \x1b[31mred", "log-secret");
  undo(2, saved);
  read_text(fd, text, sizeof(text));
  assert_string_equal(text, "godwit: [secret] is \\x1b[31mred\n");
  (void)close(fd);
}

static void test_log__tells_of_a_closed_reader(void **state)
{
  struct gw_err err = {0};
  int saved;
  int fd = capture(1, &saved);
  int rc;

  (void)state;
  (void)close(fd);
  rc = gw_log_write(1, "x", 1, &err);
  undo(1, saved);
  assert_int_equal(rc, -1);
  assert_int_equal(err.kind, GW_EIO);
  assert_int_equal(err.status, EPIPE);
}

#ifdef GODWIT_FAULTS
static void test_log__tells_of_a_full_disk(void **state)
{
  struct gw_err err = {0};

  (void)state;
  gw_fault_arm(1); /* the buffer's growth is asked first */
  assert_int_equal(gw_log_write(2, "x", 1, &err), -1);
  assert_true(gw_fault_disarm());
  assert_int_equal(err.status, ENOSPC);
}
#endif

static void *read_slowly(void *arg)
{
  size_t *total = arg;
  int fd = (int)*total;
  char chunk[70000];
  ssize_t n;

  *total = 0;
  while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
    *total += (size_t)n;
    (void)usleep(1000);
  }
  return NULL;
}

static void test_log__waits_for_a_slow_reader(void **state)
{
  size_t len = 1u << 20;
  char *text = calloc(1, len);
  struct gw_err err;
  pthread_t thread;
  int saved;
  int fd = capture(1, &saved);
  size_t total = (size_t)fd;
  int rc;

  (void)state;
  assert_non_null(text);
  (void)fcntl(1, F_SETFL, O_NONBLOCK);
  assert_int_equal(pthread_create(&thread, NULL, read_slowly, &total), 0);
  rc = gw_log_write(1, text, len, &err);
  undo(1, saved);
  pthread_join(thread, NULL);
  (void)close(fd);
  free(text);
  assert_ok(rc, err);
  assert_int_equal(total, len);
}

static void check_clean(const char *text, const char *expected)
{
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err;

  assert_ok(gw_log_clean(text, strlen(text), &out, &err), err);
  assert_string_equal(out.data, expected);
  gw_buf_dispose(&out);
}

static void test_log__clean_shows_what_steers_a_terminal(void **state)
{
  (void)state;
  check_clean("plain\ttext\n", "plain\ttext\n");
  check_clean("\x1b]0;title\x07", "\\x1b]0;title\\x07");
  check_clean("a\rb\x7f", "a\\x0db\\x7f");
  check_clean("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  check_clean("\xc2\x9b", "\\u{9b}");
  check_clean("a\xe2\x80\xae"
              "b",
              "a\\u{202e}b");
  check_clean("\xff\xc0\xaf\xed\xa0\x80\xc3", "\\xff\\xc0\\xaf\\xed\\xa0\\x80"
                                              "\\xc3");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_log__filters_secrets),
      cmocka_unit_test(test_log__line_is_one_clean_line),
      cmocka_unit_test(test_log__tells_of_a_closed_reader),
#ifdef GODWIT_FAULTS
      cmocka_unit_test(test_log__tells_of_a_full_disk),
#endif
      cmocka_unit_test(test_log__waits_for_a_slow_reader),
      cmocka_unit_test(test_log__clean_shows_what_steers_a_terminal),
  };

  (void)signal(SIGPIPE, SIG_IGN);
  return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
