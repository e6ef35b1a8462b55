/*
 * process: children, their pipes and their end.
 */
#include "check.h"

#include "async/process.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

struct world {
  struct gw_loop *loop;
  struct gw_process *p;
  struct gw_buf out, err;
  bool out_eof, err_eof;
  int changes;
};

static void changed(void *arg)
{
  ((struct world *)arg)->changes++;
}

static void start(struct world *w, const struct gw_process_opts *opts)
{
  struct gw_process_opts o = *opts;
  struct gw_err err;

  memset(w, 0, sizeof(*w));
  assert_ok(gw_loop_new(&w->loop, &err), err);
  o.changed = changed;
  o.arg = w;
  assert_ok(gw_process_start(&w->p, w->loop, &o, &err), err);
}

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

static void stop(struct world *w)
{
  gw_process_free(w->p);
  gw_loop_free(w->loop);
  gw_buf_dispose(&w->out);
  gw_buf_dispose(&w->err);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie stays */
  assert_int_equal(errno, ECHILD);
}

static void collect(struct world *w, int fd, struct gw_buf *to, bool *eof)
{
  const char *data;
  struct gw_err err;
  size_t n;

  while ((n = gw_process_read(w->p, fd, &data, eof)) > 0)
    assert_ok(gw_buf_append(to, data, n, &err), err);
}

/* Turns the loop until both outputs have ended and the child has. */
static int finish(struct world *w)
{
  int code = -1;

  for (;;) {
    struct gw_err err;
    collect(w, 1, &w->out, &w->out_eof);
    collect(w, 2, &w->err, &w->err_eof);
    if (w->out_eof && w->err_eof && gw_process_ended(w->p, &code))
      return code;
    assert_ok(gw_loop_step(w->loop, true, &err), err);
  }
}

static void write_all(struct world *w, const char *text)
{
  struct gw_err err;

  assert_int_equal(gw_process_write(w->p, text, strlen(text), &err),
                   strlen(text));
}

static void test_process__echoes_through_cat(void **state)
{
  struct world w;

  (void)state;
  start(&w,
        &(struct gw_process_opts){.argv = (const char *const[]){"cat", NULL},
                                  .pipe_in = true,
                                  .pipe_out = true});
  write_all(&w, "hello ");
  write_all(&w, "world");
  assert_int_equal(w.changes, 0);
  gw_process_close_in(w.p);
  assert_int_equal(finish(&w), 0);
  assert_string_equal(w.out.data, "hello world");
  assert_true(w.changes > 0);
  stop(&w);
}

static void test_process__keeps_outputs_apart_and_tells_its_code(void **state)
{
  struct world w;

  (void)state;
  start(&w,
        &(struct gw_process_opts){.argv = SH("echo out; echo err >&2; exit 7"),
                                  .pipe_out = true,
                                  .pipe_err = true});
  assert_int_equal(finish(&w), 7);
  assert_string_equal(w.out.data, "out\n");
  assert_string_equal(w.err.data, "err\n");
  stop(&w);
}

static void test_process__has_nothing_it_was_not_given(void **state)
{
  static const char *const env[] = {"ONLY=this", "PATH=/usr/bin:/bin", NULL};
  struct world w;
  int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

  (void)state;
  start(&w, &(struct gw_process_opts){
                .argv = SH("cat; ls /proc/self/fd | tr '\\n' ' '; pwd; "
                           "env | grep ONLY; trap"),
                .env = env,
                .cwd = "/usr",
                .pipe_out = true});
  assert_int_equal(finish(&w), 0);
  /* 3 is ls reading the folder */
  assert_string_equal(w.out.data, "0 1 2 3 /usr\nONLY=this\n");
  stop(&w);
  (void)close(leaked);
}

static void test_process__has_default_signals(void **state)
{
  struct world w;
  sigset_t set, old;
  char *ignored;

  (void)state;
  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGTERM);
  (void)pthread_sigmask(SIG_BLOCK, &set, &old);
  start(&w, &(struct gw_process_opts){
                .argv = SH("sed -n 's/^SigBlk:\\t//p; s/^SigIgn:\\t/ /p' "
                           "/proc/self/status | tr -d '\\n'"),
                .pipe_out = true});
  assert_int_equal(finish(&w), 0);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  assert_int_equal(strtoull(w.out.data, &ignored, 16), 0);
  /* 32 and 33 are the C library's own. */
  assert_int_equal(strtoull(ignored, NULL, 16) & 0x7fffffff, 0);
  stop(&w);
}

static void test_process__can_be_killed(void **state)
{
  struct world w;
  int code = -1;
  struct gw_err err;

  (void)state;
  start(&w, &(struct gw_process_opts){
                .argv = (const char *const[]){"sleep", "60", NULL}});
  assert_false(gw_process_ended(w.p, &code));
  gw_process_kill(w.p, SIGTERM);
  while (!gw_process_ended(w.p, &code))
    assert_ok(gw_loop_step(w.loop, true, &err), err);
  assert_int_equal(code, 128 + SIGTERM);
  gw_process_kill(w.p, SIGTERM); /* no more: another may have the number */
  stop(&w);
}

static void test_process__a_group_dies_as_a_whole(void **state)
{
  struct world w;

  (void)state;
  start(&w,
        &(struct gw_process_opts){.argv = SH("sleep 60 & echo started; wait"),
                                  .pipe_out = true,
                                  .group = true});
  while (w.out.len == 0) {
    struct gw_err err;
    assert_ok(gw_loop_step(w.loop, true, &err), err);
    collect(&w, 1, &w.out, &w.out_eof);
  }
  gw_process_kill(w.p, SIGKILL);
  /* The end of output shows that the grandchild, who holds the pipe, died. */
  assert_int_equal(finish(&w), 128 + SIGKILL);
  stop(&w);
}

static void test_process__free_kills_what_runs(void **state)
{
  struct world w;
  uint64_t begin = gw_clock_ms();

  (void)state;
  start(&w, &(struct gw_process_opts){.argv = SH("trap '' TERM; exec sleep 60"),
                                      .pipe_in = true});
  stop(&w);
  assert_true(gw_clock_ms() - begin < 40000);
}

/* More than all pipes and queues hold, both ways at once. */
static void test_process__moves_much_both_ways(void **state)
{
  enum { TOTAL = 4 << 20 };
  struct world w;
  char *text = malloc(TOTAL);
  size_t sent = 0;
  struct gw_err err;
  bool was_full = false;

  (void)state;
  assert_non_null(text);
  for (size_t i = 0; i < TOTAL; i++)
    text[i] = (char)(i * 7 + i / 251);
  start(&w,
        &(struct gw_process_opts){.argv = (const char *const[]){"cat", NULL},
                                  .pipe_in = true,
                                  .pipe_out = true});
  while (sent < TOTAL) {
    ssize_t n = gw_process_write(w.p, text + sent, TOTAL - sent, &err);
    assert_true(n >= 0);
    sent += (size_t)n;
    was_full = was_full || n == 0;
    if (n == 0)
      assert_ok(gw_loop_step(w.loop, true, &err), err);
    collect(&w, 1, &w.out, &w.out_eof);
  }
  gw_process_close_in(w.p);
  assert_int_equal(finish(&w), 0);
  assert_true(was_full);
  assert_int_equal(w.out.len, TOTAL);
  assert_memory_equal(w.out.data, text, TOTAL);
  stop(&w);
  free(text);
}

static void test_process__stops_reading_while_nobody_asks(void **state)
{
  struct world w;
  const char *data;
  bool eof;
  size_t n;

  (void)state;
  start(&w, &(struct gw_process_opts){.argv = SH("head -c 4000000 /dev/zero"),
                                      .pipe_out = true});
  for (int i = 0; i < 50; i++) {
    (void)gw_loop_step(w.loop, false, NULL);
    (void)usleep(1000);
  }
  n = gw_process_read(w.p, 1, &data, &eof);
  assert_true(n >= 64 * 1024 && n <= 192 * 1024);
  w.out.len = 0;
  (void)finish(&w);
  assert_int_equal(w.out.len + n, 4000000);
  stop(&w);
}

static void test_process__tells_of_a_closed_input(void **state)
{
  struct world w;
  struct gw_err err = {0};
  ssize_t n = 0;

  (void)state;
  start(&w, &(struct gw_process_opts){.argv = SH("exec <&-; sleep 0.2"),
                                      .pipe_in = true});
  while (n >= 0) {
    n = gw_process_write(w.p, "xxxxxxxx", 8, &err);
    if (n >= 0)
      assert_ok(gw_loop_step(w.loop, true, &err), err);
  }
  assert_int_equal(err.kind, GW_EIO);
  assert_int_equal(finish(&w), 0);
  stop(&w);
}

static void test_process__closes_its_input_once_all_is_written(void **state)
{
  struct world w;
  struct gw_err err;
  char *text = calloc(1, 256 * 1024);

  (void)state;
  assert_non_null(text);
  start(&w, &(struct gw_process_opts){.argv = SH("sleep 0.05; wc -c"),
                                      .pipe_in = true,
                                      .pipe_out = true});
  assert_int_equal(gw_process_write(w.p, text, 256 * 1024, &err), 256 * 1024);
  assert_int_equal(gw_process_write(w.p, text, 1, &err), 0);
  gw_process_close_in(w.p);
  assert_int_equal(gw_process_write(w.p, text, 1, &err), -1);
  assert_int_equal(finish(&w), 0);
  assert_string_equal(w.out.data, "262144\n");
  stop(&w);
  free(text);
}

/* It makes vfork a fork, so that a failed exec looks like a child's end. */
static bool is_valgrind(void)
{
  const char *preload = getenv("LD_PRELOAD");

  return preload && strstr(preload, "vgpreload");
}

static void test_process__says_what_cannot_be_started(void **state)
{
  struct gw_loop *loop;
  struct gw_process *p = NULL;
  struct gw_process_opts opts = {
      .argv = (const char *const[]){"no-such-program-here", NULL}};
  struct gw_err err;

  (void)state;
  if (is_valgrind())
    skip();
  assert_ok(gw_loop_new(&loop, &err), err);
  assert_int_equal(gw_process_start(&p, loop, &opts, &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_non_null(strstr(err.message, "no-such-program-here"));
  opts.argv = SH("true");
  opts.cwd = "/no/such/folder";
  assert_int_equal(gw_process_start(&p, loop, &opts, &err), -1);
  assert_non_null(strstr(err.message, "/no/such/folder"));
  gw_process_free(NULL);
  gw_loop_free(loop);
}

static int count_fds(void)
{
  int count = 0;

  for (int fd = 0; fd < 200; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void test_process__start_survives_every_fault(void **state)
{
  struct gw_loop *loop;
  struct gw_err err = {0};
  int fds;

  (void)state;
  assert_ok(gw_loop_new(&loop, &err), err);
  fds = count_fds();
  for (int n = 0;; n++) {
    struct gw_process *p = NULL;
    struct gw_process_opts opts = {.argv = SH("true"),
                                   .pipe_in = true,
                                   .pipe_out = true,
                                   .pipe_err = true};
    int rc;
    memset(&err, 0, sizeof(err));
    gw_fault_arm(n);
    rc = gw_process_start(&p, loop, &opts, &err);
    if (!gw_fault_disarm()) {
      assert_int_equal(rc, 0);
      gw_process_free(p);
      break;
    }
    assert_int_equal(rc, -1);
    assert_true(err.kind != GW_OK);
    assert_null(p);
    assert_int_equal(count_fds(), fds);
  }
  assert_int_equal(count_fds(), fds);
  gw_loop_free(loop);
}

/* With 0 to 2 closed, the pipes would take their numbers. */
static void test_process__starts_without_standard_descriptors(void **state)
{
  pid_t pid;
  int status;

  (void)state;
  (void)fflush(NULL);
  pid = fork();
  if (pid == 0) {
    struct world w = {0};
    struct gw_process_opts opts = {.argv = SH("cat; echo e >&2"),
                                   .pipe_in = true,
                                   .pipe_out = true,
                                   .pipe_err = true};
    for (int fd = 0; fd < 3; fd++)
      (void)close(fd);
    if (gw_loop_new(&w.loop, NULL) != 0 ||
        gw_process_start(&w.p, w.loop, &opts, NULL) != 0 ||
        gw_process_write(w.p, "in", 2, NULL) != 2)
      _exit(1);
    gw_process_close_in(w.p);
    if (finish(&w) != 0)
      _exit(2);
    _exit(strcmp(w.out.data, "in") || strcmp(w.err.data, "e\n") ? 3 : 42);
  }
  (void)waitpid(pid, &status, 0);
  assert_int_equal(WEXITSTATUS(status), 42);
}

static void free_it(void *arg)
{
  struct world *w = arg;

  gw_process_free(w->p);
  w->p = NULL;
}

static void test_process__may_be_freed_from_its_callback(void **state)
{
  struct world w = {0};
  struct gw_process_opts opts = {.argv = SH("echo a; echo b >&2"),
                                 .pipe_out = true,
                                 .pipe_err = true,
                                 .changed = free_it,
                                 .arg = &w};
  struct gw_err err;

  (void)state;
  assert_ok(gw_loop_new(&w.loop, &err), err);
  assert_ok(gw_process_start(&w.p, w.loop, &opts, &err), err);
  (void)usleep(50000); /* so that everything is ready in one step */
  while (w.p)
    assert_ok(gw_loop_step(w.loop, true, &err), err);
  (void)gw_loop_step(w.loop, false, NULL);
  stop(&w);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_process__echoes_through_cat),
      cmocka_unit_test(test_process__keeps_outputs_apart_and_tells_its_code),
      cmocka_unit_test(test_process__has_nothing_it_was_not_given),
      cmocka_unit_test(test_process__has_default_signals),
      cmocka_unit_test(test_process__can_be_killed),
      cmocka_unit_test(test_process__a_group_dies_as_a_whole),
      cmocka_unit_test(test_process__free_kills_what_runs),
      cmocka_unit_test(test_process__moves_much_both_ways),
      cmocka_unit_test(test_process__stops_reading_while_nobody_asks),
      cmocka_unit_test(test_process__tells_of_a_closed_input),
      cmocka_unit_test(test_process__closes_its_input_once_all_is_written),
      cmocka_unit_test(test_process__says_what_cannot_be_started),
      cmocka_unit_test(test_process__start_survives_every_fault),
      cmocka_unit_test(test_process__starts_without_standard_descriptors),
      cmocka_unit_test(test_process__may_be_freed_from_its_callback),
  };

  /* A folder that only others may enter makes "not found" a "not allowed". */
  (void)setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
