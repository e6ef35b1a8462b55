/*
 * redact: a secret is found in every form it may take on its way out.
 */
#include "check.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/redact.h"

#include <pthread.h>
#include <time.h>

static const char key[] = "simK+9/aB3\"q\\z%41Tail";

static void add(const char *text)
{
  struct gw_err err;

  assert_ok(gw_redact_add(text, strlen(text), &err), err);
}

static char *redact(const char *text)
{
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err;

  assert_ok(gw_redact(text, strlen(text), &out, &err), err);
  return gw_buf_steal(&out, NULL);
}

static void check(const char *text, const char *expected)
{
  char *got = redact(text);

  assert_string_equal(got, expected);
  free(got);
}

static void test_redact__leaves_other_text_alone(void **state)
{
  (void)state;
  check("", "");
  check("nothing here, 100% of it \\ plain %zz \\u12",
        "nothing here, 100% of it "
        "\\ plain %zz \\u12");
  check("simK+9/aB3", "simK+9/aB3"); /* a part is not the whole */
}

static void test_redact__finds_the_text_itself(void **state)
{
  char text[200];

  (void)state;
  check(key, "[secret]");
  (void)snprintf(text, sizeof(text), "a %s, %s%s.", key, key, key);
  check(text, "a [secret], [secret][secret].");
}

static void test_redact__finds_percent_encodings(void **state)
{
  (void)state;
  check("k=simK%2B9%2FaB3%22q%5Cz%2541Tail&", "k=[secret]&");
  check("k=simK%2b9%2faB3%22q%5cz%2541Tail&", "k=[secret]&");
  check("k=simK%2B9/aB3\"q\\z%2541Tail", "k=[secret]"); /* only some of it */
  check("k=%73%69%6d%4b%2b%39%2f%61%42%33%22%71%5c%7a%25%34%31%54%61%69%6c",
        "k=[secret]");
  check("k=simK%2B9%2FaB3%22q%5Cz%2541Tai", "k=simK%2B9%2FaB3%22q%5Cz%2541Tai");
}

static void test_redact__finds_json_escapes(void **state)
{
  (void)state;
  check("{\"k\":\"simK+9\\/aB3\\\"q\\\\z%41Tail\"}", "{\"k\":\"[secret]\"}");
  check("{\"k\":\"simK\\u002b9\\u002FaB3\\\"q\\\\z%41Tail\"}",
        "{\"k\":\"[secret]\"}");
  add("p\xc3\xa4sswort\xf0\x9f\x98\x80");
  check("\"p\\u00e4sswort\\ud83d\\ude00\"", "\"[secret]\"");
  check("p\xc3\xa4sswort\xf0\x9f\x98\x80", "[secret]");
  check("p%C3%A4sswort%F0%9f%98%80", "[secret]");
  check("\"p\\u00e4sswort\\ud83d\"", "\"p\\u00e4sswort\\ud83d\"");
}

static void make_url_alphabet(char *text, bool padded)
{
  for (; *text; text++) {
    if (*text == '+')
      *text = '-';
    if (*text == '/')
      *text = '_';
    if (*text == '=' && !padded)
      *text = '\0';
  }
}

/* Digits that stand for six bits of the secret must all be gone. */
static void check_base64(const char *plain, bool url, bool padded)
{
  struct gw_buf coded = GW_BUF_INIT;
  struct gw_err err;
  char *got;

  assert_ok(gw_base64_encode(plain, strlen(plain), &coded, &err), err);
  if (url)
    make_url_alphabet(coded.data, padded);
  got = redact(coded.data);
  assert_non_null(strstr(got, "[secret]"));
  /* What stays is what stands for the text around the secret: 4 for 3. */
  assert_true(strlen(got) < strlen("[secret]") +
                                (strlen(plain) - strlen(key) + 2) * 4 / 3 + 4);
  free(got);
  gw_buf_dispose(&coded);
}

static void test_redact__finds_base64_at_every_alignment(void **state)
{
  static const char *const around[][2] = {
      {"", ""},       {"u:", ""},      {"me:", ""},     {"user:", ""},
      {"name7:", ""}, {"", "x"},       {"a", "bc"},     {"ab", "cde"},
      {"abc", "d"},   {"abcd", "efg"}, {"user:", "\n"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
    char plain[100];
    (void)snprintf(plain, sizeof(plain), "%s%s%s", around[i][0], key,
                   around[i][1]);
    check_base64(plain, false, true);
    check_base64(plain, true, true);
    check_base64(plain, true, false);
  }
}

static void test_redact__finds_a_basic_header(void **state)
{
  struct gw_buf text = GW_BUF_INIT;
  struct gw_err err;
  char plain[100];
  char *got;

  (void)state;
  (void)snprintf(plain, sizeof(plain), "alice:%s", key);
  assert_ok(gw_buf_puts(&text, "Authorization: Basic ", &err), err);
  assert_ok(gw_base64_encode(plain, strlen(plain), &text, &err), err);
  assert_ok(gw_buf_puts(&text, "\r\nHost: x", &err), err);
  got = redact(text.data);
  assert_string_equal(got, "Authorization: Basic YWxpY2U6[secret]\r\nHost: x");
  free(got);
  gw_buf_dispose(&text);
}

static void test_redact__ignores_short_texts(void **state)
{
  (void)state;
  add("short");
  add("");
  check("a short text", "a short text");
}

static void test_redact__finds_what_was_cut(void **state)
{
  (void)state;
  add("abcdefghijklmnopqrstuvwxyz/+\"0123456789");
  check("x abcdefgh\xe2\x80\xa6 (y)", "x [secret]\xe2\x80\xa6 (y)");
  check("x abcdefghijklmnopqrstuvwxyz%2F%2\xe2\x80\xa6",
        "x [secret]%2\xe2\x80\xa6");
  check("abcdefghijklmnopqrstuvwxyz/+\\u002\xe2\x80\xa6",
        "[secret]\\u002\xe2\x80\xa6");
  check("YWJjZGVmZ2hpamts\xe2\x80\xa6", "[secret]\xe2\x80\xa6");
  check("abcdefgh and more", "abcdefgh and more");
  check("abcde\xe2\x80\xa6", "abcde\xe2\x80\xa6");
  check("abcdefgh", "abcdefgh");
}

static void test_redact__finds_what_was_put_on_one_line(void **state)
{
  (void)state;
  add("--one--\n  two words\r\nthree\n");
  check("a --one-- two words three b", "a [secret]b");
  check("a --one--   two words  three ", "a [secret]");
  check("--one--\n  two words\r\nthree\n", "[secret]");
  check("--one--\\n  two words\\r\\nthree\\n", "[secret]");
  check("--one-- two\xe2\x80\xa6", "[secret]\xe2\x80\xa6");
  check("--one-- two words three", "[secret]");
  check("\"--one--\\n  two words\\r\\nthree\"", "\"[secret]\"");
  check("--one--two words", "--one--two words");
}

static void test_redact__prefers_the_longest(void **state)
{
  (void)state;
  add("prefix-key");
  add("prefix-key-and-more");
  check("<prefix-key-and-more> <prefix-key-an>", "<[secret]> <[secret]-an>");
}

static void test_redact__survives_every_fault(void **state)
{
  (void)state;
  for (int n = 0;; n++) {
    struct gw_err err = {0};
    struct gw_buf out = GW_BUF_INIT;
    char text[40];
    int rc;
    (void)snprintf(text, sizeof(text), "fault-key-%d", n);
    gw_fault_arm(n);
    rc = gw_redact_add(text, strlen(text), &err);
    if (rc == 0)
      rc = gw_redact(text, strlen(text), &out, &err);
    if (rc == 0)
      assert_string_equal(out.data, "[secret]");
    else
      assert_int_equal(err.kind, GW_ENOMEM);
    gw_buf_dispose(&out);
    if (!gw_fault_disarm())
      return;
  }
}

static void *add_many(void *arg)
{
  for (int i = 0; i < 100; i++) {
    char text[40];
    (void)snprintf(text, sizeof(text), "%s-key-%d", (const char *)arg, i);
    (void)gw_redact_add(text, strlen(text), NULL);
    free(redact("text with thread-a-key-7 in it"));
  }
  return NULL;
}

static void test_redact__is_used_by_threads(void **state)
{
  static char names[2][16] = {"thread-a", "thread-b"};
  pthread_t a, b;

  (void)state;
  assert_int_equal(pthread_create(&a, NULL, add_many, names[0]), 0);
  assert_int_equal(pthread_create(&b, NULL, add_many, names[1]), 0);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  check("thread-a-key-99 thread-b-key-0x", "[secret] [secret]x");
}

/* Runs last, with some 200 secrets known: a large result is not held up. */
/* Adds keys [from, to), each twice, and gives the time that took here. */
static double add_alike(int from, int to)
{
  clock_t begun = clock();
  char text[40];

  for (int i = from; i < to; i++) {
    (void)snprintf(text, sizeof(text), "alike%024d", i);
    add(text);
    add(text);
  }
  return (double)(clock() - begun) / CLOCKS_PER_SEC;
}

/* Keys of one kind begin alike: one more of them costs what the first did. */
static void test_redact__takes_many_that_begin_alike(void **state)
{
  double first, last;

  (void)state;
  first = add_alike(0, 5000);
  (void)add_alike(5000, 15000);
  last = add_alike(15000, 20000);
  assert_true(last < 3 * first + 0.05);
  check("alike000000000000000000019999", "[secret]");
}

static void test_redact__is_quick(void **state)
{
  size_t len = 8u << 20;
  char *text = malloc(len);
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err;
  uint64_t start;

  (void)state;
  assert_non_null(text);
  for (size_t i = 0; i < len; i++)
    text[i] = "{\"name\": \"simple text\", \"n\": 1%}\n"[i % 33];
  start = gw_clock_ms();
  assert_ok(gw_redact(text, len, &out, &err), err);
  print_message("8 MB in %u ms\n", (unsigned)(gw_clock_ms() - start));
  assert_true(gw_clock_ms() - start < 10000); /* sanitizers, busy machines */
  assert_int_equal(out.len, len);
  gw_buf_dispose(&out);
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_redact__leaves_other_text_alone),
      cmocka_unit_test(test_redact__finds_the_text_itself),
      cmocka_unit_test(test_redact__finds_percent_encodings),
      cmocka_unit_test(test_redact__finds_json_escapes),
      cmocka_unit_test(test_redact__finds_base64_at_every_alignment),
      cmocka_unit_test(test_redact__finds_a_basic_header),
      cmocka_unit_test(test_redact__ignores_short_texts),
      cmocka_unit_test(test_redact__finds_what_was_cut),
      cmocka_unit_test(test_redact__finds_what_was_put_on_one_line),
      cmocka_unit_test(test_redact__prefers_the_longest),
      cmocka_unit_test(test_redact__survives_every_fault),
      cmocka_unit_test(test_redact__is_used_by_threads),
      cmocka_unit_test(test_redact__is_quick),
      cmocka_unit_test(test_redact__takes_many_that_begin_alike),
  };

  if (gw_redact_add(key, strlen(key), NULL) != 0)
    return 1;
  return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
