/*
 * base: errors, buffers, clock, base64, hashes, faults.
 */
#include "check.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

static void test_err__is_one_printable_line(void **state)
{
  struct gw_err err;

  (void)state;
  assert_int_equal(
      gw_err_set(&err, GW_EREMOTE, "http", "said \"%s\"", "a\r\n\x1b[2J\x7f"),
      -1);
  assert_string_equal(err.message, "said \"a   [2J \"");
  assert_int_equal(err.kind, GW_EREMOTE);
  assert_false(err.retryable);
  assert_int_equal(gw_err_set(NULL, GW_EBUG, "x", "y"), -1);
}

static void test_err__cuts_what_is_too_long(void **state)
{
  struct gw_err err;
  char text[1000];

  (void)state;
  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  gw_err_set(&err, GW_ENET, text, "%s", text);
  assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
  assert_int_equal(strlen(err.op), sizeof(err.op) - 1);
  assert_true(err.retryable);
  assert_non_null(strstr(err.message, "x\xe2\x80\xa6"));
  for (size_t i = 0; i + 1 < sizeof(text); i++)
    text[i] = "\xc3\xa4"[i % 2];
  gw_err_set(&err, GW_ENET, "op", "%s", text);
  assert_non_null(strstr(err.message, "\xc3\xa4\xe2\x80\xa6"));
}

static void test_err__knows_kinds_by_errno_and_name(void **state)
{
  struct gw_err err;

  (void)state;
  errno = ENOENT;
  assert_int_equal(gw_err_errno(&err, "op", "file"), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_int_equal(err.status, ENOENT);
  assert_string_equal(err.message, "file: No such file or directory");
  errno = ENOSPC;
  gw_err_errno(&err, "op", "file");
  assert_int_equal(err.kind, GW_EIO);
  for (int k = GW_OK; k <= GW_EBUG; k++) {
    const char *name = gw_err_name((enum gw_errkind)k);
    assert_non_null(name);
    assert_int_equal(gw_err_kind(name), k);
  }
  assert_string_equal(gw_err_name(GW_ELOCKED), "locked");
  assert_string_equal(gw_err_name(GW_EBUDGET), "budget");
  assert_string_equal(gw_err_name((enum gw_errkind)99), "bug");
  assert_int_equal(gw_err_kind("no such kind"), GW_OK);
}

static void test_buf__grows_and_stays_terminated(void **state)
{
  struct gw_buf buf = GW_BUF_INIT;
  struct gw_err err;
  size_t len;
  char *text;

  (void)state;
  assert_ok(gw_buf_append(&buf, "", 0, &err), err);
  assert_string_equal(buf.data, "");
  for (int i = 0; i < 1000; i++)
    assert_ok(gw_buf_printf(&buf, &err, "%d,", i), err);
  assert_int_equal(buf.len, 3890);
  assert_int_equal(strlen(buf.data), buf.len);
  gw_buf_consume(&buf, buf.len - 4);
  assert_string_equal(buf.data, "999,");
  text = gw_buf_steal(&buf, &len);
  assert_int_equal(len, 4);
  assert_string_equal(text, "999,");
  assert_null(buf.data);
  free(text);
  gw_buf_consume(&buf, 0);
  gw_buf_clear(&buf);
  gw_buf_dispose(&buf);
}

static void test_buf__stops_at_its_cap_unchanged(void **state)
{
  struct gw_buf buf;
  struct gw_err err;

  (void)state;
  gw_buf_init(&buf, 8);
  assert_ok(gw_buf_puts(&buf, "12345678", &err), err);
  assert_int_equal(gw_buf_append(&buf, "9", 1, &err), -1);
  assert_int_equal(err.kind, GW_ELIMIT);
  assert_int_equal(gw_buf_printf(&buf, &err, "%s", "9"), -1);
  assert_int_equal(gw_buf_append(&buf, "x", SIZE_MAX, &err), -1);
  assert_string_equal(buf.data, "12345678");
  gw_buf_dispose(&buf);
  assert_int_equal(buf.max, 8);
}

static void test_buf__survives_every_fault(void **state)
{
  (void)state;
  for (int n = 0;; n++) {
    struct gw_buf buf = GW_BUF_INIT;
    struct gw_err err = {0};
    int rc = 0;
    gw_fault_arm(n);
    for (int i = 0; i < 100 && rc == 0; i++)
      rc = gw_buf_puts(&buf, "0123456789", &err);
    assert_true(rc == 0 || err.kind == GW_ENOMEM);
    assert_true(rc != 0 || buf.len == 1000);
    gw_buf_dispose(&buf);
    if (!gw_fault_disarm())
      return;
  }
}

static void test_clock__formats_and_clamps(void **state)
{
  char text[25];

  (void)state;
  gw_clock_format(text, 1627668131.093);
  assert_string_equal(text, "2021-07-30T18:02:11.093Z");
  gw_clock_format(text, 0);
  assert_string_equal(text, "1970-01-01T00:00:00.000Z");
  gw_clock_format(text, -5);
  assert_string_equal(text, "1970-01-01T00:00:00.000Z");
  gw_clock_format(text, 1e300);
  assert_string_equal(text, "9999-12-31T23:59:59.999Z");
  gw_clock_format(text, (double)NAN);
  assert_string_equal(text, "1970-01-01T00:00:00.000Z");
  assert_true(gw_clock_wall() > 1.6e9);
}

static void test_clock__does_not_go_back(void **state)
{
  uint64_t then = gw_clock_ms();

  (void)state;
  for (int i = 0; i < 1000; i++) {
    uint64_t now = gw_clock_ms();
    assert_true(now >= then);
    then = now;
  }
}

static void check_base64(const char *plain, size_t len, const char *coded)
{
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err;

  assert_ok(gw_base64_encode(plain, len, &out, &err), err);
  if (len)
    assert_string_equal(out.data, coded);
  gw_buf_clear(&out);
  assert_ok(gw_base64_decode(coded, strlen(coded), &out, &err), err);
  assert_int_equal(out.len, len);
  if (len)
    assert_memory_equal(out.data, plain, len);
  gw_buf_dispose(&out);
}

static void test_base64__goes_both_ways(void **state)
{
  (void)state;
  check_base64("", 0, "");
  check_base64("f", 1, "Zg==");
  check_base64("fo", 2, "Zm8=");
  check_base64("foo", 3, "Zm9v");
  check_base64("foobar", 6, "Zm9vYmFy");
  check_base64("\xfb\xff\x00", 3, "+/8A");
}

static int decode(const char *text, struct gw_buf *out)
{
  return gw_base64_decode(text, strlen(text), out, NULL);
}

static void test_base64__refuses_what_is_none(void **state)
{
  struct gw_buf out = GW_BUF_INIT;

  (void)state;
  assert_int_equal(decode("-_8A", &out), 0);
  assert_memory_equal(out.data, "\xfb\xff\x00", 3);
  assert_int_equal(decode(" Z m\n8 ", &out), 0);
  assert_int_equal(decode("Z", &out), -1);
  assert_int_equal(decode("Zg==Zg==", &out), -1);
  assert_int_equal(decode("Zm9v!", &out), -1);
  gw_buf_dispose(&out);
}

static void test_hash__knows_the_published_digests(void **state)
{
  char hex[65];
  struct gw_err err;

  (void)state;
  assert_ok(gw_hash_bytes(GW_HASH_MD5, "abc", 3, hex, &err), err);
  assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
  assert_ok(gw_hash_bytes(GW_HASH_SHA1, "abc", 3, hex, &err), err);
  assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert_ok(gw_hash_bytes(GW_HASH_SHA256, "", 0, hex, &err), err);
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4"
                           "95991b7852b855");
}

static void test_hash__takes_pieces(void **state)
{
  struct gw_err err = {0};
  struct gw_hash *hash = gw_hash_new(GW_HASH_SHA1, &err);
  char hex[65];

  (void)state;
  assert_non_null(hash);
  assert_ok(gw_hash_update(hash, "a", 1, &err), err);
  assert_ok(gw_hash_update(hash, NULL, 0, &err), err);
  assert_ok(gw_hash_update(hash, "bc", 2, &err), err);
  assert_ok(gw_hash_hex(hash, hex, &err), err);
  assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
  gw_hash_free(hash);
  gw_hash_free(NULL);
}

static void test_random__differs(void **state)
{
  unsigned char a[16] = {0}, b[16] = {0};
  struct gw_err err;

  (void)state;
  assert_ok(gw_random(a, sizeof(a), &err), err);
  assert_ok(gw_random(b, sizeof(b), &err), err);
  assert_memory_not_equal(a, b, sizeof(a));
}

#ifdef GODWIT_FAULTS
static void test_fault__fails_only_the_armed_question(void **state)
{
  (void)state;
  gw_fault_arm(2);
  assert_false(gw_fault("a"));
  assert_false(gw_fault("b"));
  assert_true(gw_fault("c"));
  assert_false(gw_fault("c"));
  assert_true(gw_fault_disarm());
  assert_false(gw_fault_disarm());
  gw_fault_arm(5);
  assert_false(gw_fault("a"));
  assert_false(gw_fault_disarm());
}

/* Read once, at the first question: main() sets it before any. */
static void test_fault__obeys_the_environment(void **state)
{
  (void)state;
  assert_true(gw_fault("env.now"));
  assert_true(gw_fault("env.now"));
  assert_false(gw_fault("env.later"));
  assert_false(gw_fault("env.later"));
  assert_true(gw_fault("env.later"));
  assert_true(gw_fault("env.later"));
  assert_false(gw_fault("env"));
}

static void *ask_often(void *arg)
{
  int *hits = arg;

  for (int i = 0; i < 1000; i++)
    *hits += gw_fault("shared");
  return NULL;
}

static void test_fault__is_hit_once_among_threads(void **state)
{
  pthread_t threads[4];
  int hits[4] = {0};

  (void)state;
  gw_fault_arm(1234);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &hits[i]), 0);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  assert_true(gw_fault_disarm());
  assert_int_equal(hits[0] + hits[1] + hits[2] + hits[3], 1);
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_err__is_one_printable_line),
      cmocka_unit_test(test_err__cuts_what_is_too_long),
      cmocka_unit_test(test_err__knows_kinds_by_errno_and_name),
      cmocka_unit_test(test_buf__grows_and_stays_terminated),
      cmocka_unit_test(test_buf__stops_at_its_cap_unchanged),
      cmocka_unit_test(test_buf__survives_every_fault),
      cmocka_unit_test(test_clock__formats_and_clamps),
      cmocka_unit_test(test_clock__does_not_go_back),
      cmocka_unit_test(test_base64__goes_both_ways),
      cmocka_unit_test(test_base64__refuses_what_is_none),
      cmocka_unit_test(test_hash__knows_the_published_digests),
      cmocka_unit_test(test_hash__takes_pieces),
      cmocka_unit_test(test_random__differs),
#ifdef GODWIT_FAULTS
      cmocka_unit_test(test_fault__fails_only_the_armed_question),
      cmocka_unit_test(test_fault__obeys_the_environment),
      cmocka_unit_test(test_fault__is_hit_once_among_threads),
#endif
  };

  (void)setenv("GODWIT_FAULT", "env.now,env.later:2,:3,", 1);
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
