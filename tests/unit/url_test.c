/* url, secret and guard: who may be told what, and by which address. */
#include "base/base64.h"
#include "base/buf.h"
#include "net/guard.h"
#include "net/jwt.h"
#include "net/secret.h"
#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_url(const char *text, const char *origin, const char *path,
                      const char *query)
{
  struct gw_url url;
  struct gw_err err = {0};
  struct gw_buf out = GW_BUF_INIT;

  assert_int_equal(gw_url_parse(&url, text, &err), 0);
  assert_int_equal(gw_url_origin(&url, &out, &err), 0);
  assert_string_equal(out.data, origin);
  assert_string_equal(url.path, path);
  if (query)
    assert_string_equal(url.query, query);
  else
    assert_null(url.query);
  gw_buf_dispose(&out);
  gw_url_dispose(&url);
}

static void test_url__parts(void **state)
{
  (void)state;
  check_url("https://API.Example.com", "https://api.example.com:443", "/",
            NULL);
  check_url("http://h:8080/a%2Fb?x=1&y", "http://h:8080", "/a%2Fb", "x=1&y");
  check_url("http://[::1]:1/x#frag", "http://[::1]:1", "/x", NULL);
  check_url("HTTP://me@h/..//a", "http://h:80", "//a", NULL);
}

static void test_url__refuses(void **state)
{
  static const char *const bad[] = {
      "",           "example.com",    "ftp://h/",      "file:///etc/passwd",
      "http://",    "http:///x",      "http://h:0/",   "http://h:70000/",
      "http://a b", "http://h/\x01x", "http://h/\xc3", "http://h/a\nb",
      "https:/h",   "javascript:1",
      /* would be another host when it is read again */
      "http://h%2533/x", "http://%33333%33331/", "http://u:p@%68/"};

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct gw_url url;
    struct gw_err err = {0};
    if (gw_url_parse(&url, bad[i], &err) == 0) {
      print_error("accepted: %s\n", bad[i]);
      gw_url_dispose(&url);
      fail();
    }
    assert_int_equal(err.kind, GW_EUSAGE);
  }
}

static void test_url__error_hides_password(void **state)
{
  struct gw_url url;
  struct gw_err err = {0};

  (void)state;
  assert_int_equal(gw_url_parse(&url, "ftp://me:hunter22@h/", &err), -1);
  assert_null(strstr(err.message, "hunter22"));
}

static void check_resolve(const char *base, const char *location,
                          const char *want)
{
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err = {0};

  assert_int_equal(gw_url_resolve(base, location, &out, &err), 0);
  assert_string_equal(out.data, want);
  gw_buf_dispose(&out);
}

static void test_url__resolve(void **state)
{
  (void)state;
  check_resolve("https://h/a/b?q", "c", "https://h/a/c");
  check_resolve("https://h/a/b?q", "/c?d#e", "https://h/c?d");
  check_resolve("https://h/a", "//other/x", "https://other/x");
  check_resolve("https://h/a", "http://o:8/x y\xc3\xa9",
                "http://o:8/x%20y%C3%A9");
}

static void test_url__loopback(void **state)
{
  static const struct {
    const char *text;
    bool is;
  } cases[] = {{"http://127.0.0.1/", true},   {"http://127.9.8.7/", true},
               {"http://localhost/", true},   {"http://[::1]/", true},
               {"http://127.0.0.1.x/", false}, {"http://10.0.0.1/", false},
               {"http://localhost.evil/", false}, {"http://[::2]/", false}};

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct gw_url url;
    assert_int_equal(gw_url_parse(&url, cases[i].text, NULL), 0);
    assert_int_equal(gw_url_is_loopback(&url), cases[i].is);
    gw_url_dispose(&url);
  }
}

static int check_secret(const struct gw_secret *secret, const char *text)
{
  struct gw_url url;
  struct gw_err err = {0};
  int rc;

  assert_int_equal(gw_url_parse(&url, text, &err), 0);
  rc = gw_secret_check(secret, &url, &err);
  if (rc != 0) {
    assert_int_equal(err.kind, GW_EDENIED);
    assert_null(strstr(err.message, "simABCDEF"));
  }
  gw_url_dispose(&url);
  return rc;
}

static void test_secret__goes_to_its_origins_only(void **state)
{
  struct gw_secret *s = gw_secret_new("simABCDEF", 9, "prod", NULL);

  (void)state;
  assert_non_null(s);
  assert_int_equal(check_secret(s, "https://api.x/"), -1);
  assert_int_equal(gw_secret_allow(s, "https://API.x", NULL), 0);
  assert_int_equal(gw_secret_allow(s, "http://plain.x", NULL), 0);
  assert_int_equal(gw_secret_allow(s, "http://127.0.0.1:80", NULL), 0);
  assert_int_equal(check_secret(s, "https://api.x/v1"), 0);
  assert_int_equal(check_secret(s, "https://api.x:8443/"), -1);
  assert_int_equal(check_secret(s, "http://api.x/"), -1);
  assert_int_equal(check_secret(s, "https://api.x.evil/"), -1);
  assert_int_equal(check_secret(s, "http://plain.x/"), -1);
  assert_int_equal(check_secret(s, "http://127.0.0.1/"), 0);
  gw_secret_unref(s);
}

static void check_header(const char *text, const char *scheme,
                         const char *user, const char *want)
{
  struct gw_secret *s = gw_secret_new(text, strlen(text), "k", NULL);
  struct gw_buf out = GW_BUF_INIT;
  struct gw_err err = {0};
  int rc = gw_secret_header(s, scheme, user, &out, &err);

  if (want) {
    assert_int_equal(rc, 0);
    assert_string_equal(out.data, want);
  } else {
    assert_int_equal(rc, -1);
    assert_null(strstr(err.message, text));
  }
  gw_buf_dispose(&out);
  gw_secret_unref(s);
}

static void test_secret__header(void **state)
{
  (void)state;
  check_header("simABCDEF", "Simple", NULL, "Simple simABCDEF");
  check_header("simABCDEF", "", NULL, "simABCDEF");
  check_header("simABCDEF", "Basic", "ada", "Basic YWRhOnNpbUFCQ0RFRg==");
  check_header("simABCDEF", "Basic", "a:b", NULL);
  check_header("sim\nX: y", "Simple", NULL, NULL);
}

static void test_secret__has_a_manner_of_its_own(void **state)
{
  struct gw_secret *s = gw_secret_new("simABCDEF", 9, "k", NULL);
  struct gw_buf out = GW_BUF_INIT;

  (void)state;
  assert_int_equal(gw_secret_header(s, NULL, NULL, &out, NULL), 0);
  assert_string_equal(out.data, "Bearer simABCDEF");
  gw_buf_clear(&out);
  assert_int_equal(gw_secret_manner(s, "Basic", "ada", NULL), 0);
  assert_int_equal(gw_secret_header(s, NULL, NULL, &out, NULL), 0);
  assert_string_equal(out.data, "Basic YWRhOnNpbUFCQ0RFRg==");
  gw_buf_clear(&out);
  assert_int_equal(gw_secret_header(s, "token", NULL, &out, NULL), 0);
  assert_string_equal(out.data, "token simABCDEF");
  gw_buf_dispose(&out);
  gw_secret_unref(s);
}

static int guard_says(const struct gw_guard *guard, const char *method,
                      const char *text, const char *type)
{
  struct gw_url url;
  struct gw_err err = {0};
  int rc;

  assert_int_equal(gw_url_parse(&url, text, &err), 0);
  rc = gw_guard_check(guard, method, &url, type, &err);
  if (rc != 0)
    assert_int_equal(err.kind, GW_EDENIED);
  gw_url_dispose(&url);
  return rc;
}

#define FETCH "application/x-git-upload-pack-request"

static void test_guard__plan_sends_reads_only(void **state)
{
  struct gw_guard *g = gw_guard_new(NULL);

  (void)state;
  assert_int_equal(guard_says(g, "POST", "https://h/x", NULL), 0);
  gw_guard_plan(g);
  assert_true(gw_guard_is_plan(g));
  assert_int_equal(gw_guard_allow_write(g, "https://h", NULL), 0);
  assert_int_equal(guard_says(g, "GET", "https://h/x", NULL), 0);
  assert_int_equal(guard_says(g, "HEAD", "https://h/x", NULL), 0);
  assert_int_equal(guard_says(g, "POST", "https://h/x", NULL), -1);
  assert_int_equal(guard_says(g, "get", "https://h/x", NULL), -1);
  assert_int_equal(guard_says(g, "OPTIONS", "https://h/x", NULL), -1);
  assert_int_equal(
      guard_says(g, "POST", "https://h/a.git/git-upload-pack", FETCH), 0);
  assert_int_equal(
      guard_says(g, "POST", "https://h/a.git/git-upload-pack", NULL), -1);
  assert_int_equal(
      guard_says(g, "POST", "https://h/a.git/git-receive-pack", FETCH), -1);
  assert_int_equal(
      guard_says(g, "POST", "https://h/x?/git-upload-pack", FETCH), -1);
  gw_guard_free(g);
}

static void test_guard__writes_go_where_allowed(void **state)
{
  struct gw_guard *g = gw_guard_new(NULL);
  struct gw_err err = {0};

  (void)state;
  assert_int_equal(gw_guard_allow_write(g, NULL, NULL), 0);
  assert_int_equal(guard_says(g, "PUT", "https://h/x", NULL), -1);
  assert_int_equal(gw_guard_allow_write(g, "https://h", NULL), 0);
  assert_int_equal(guard_says(g, "PUT", "https://h:443/x", NULL), 0);
  assert_int_equal(guard_says(g, "PUT", "http://h/x", NULL), -1);
  assert_int_equal(guard_says(g, "GET", "http://other/x", NULL), 0);
  assert_int_equal(gw_guard_allow_write(g, "nonsense", &err), -1);
  gw_guard_free(g);
}

/* {"alg":"none"}.PAYLOAD.x, the payload in base64url by the test itself. */
static bool expiry_of(const char *payload, double *out)
{
  struct gw_buf text = GW_BUF_INIT;
  bool found;

  assert_int_equal(gw_buf_puts(&text, "eyJhbGciOiJub25lIn0.", NULL), 0);
  assert_int_equal(gw_base64_encode(payload, strlen(payload), &text, NULL), 0);
  assert_int_equal(gw_buf_puts(&text, ".c2ln", NULL), 0);
  found = gw_jwt_expiry(text.data, text.len, out);
  gw_buf_dispose(&text);
  return found;
}

static void test_jwt__expiry(void **state)
{
  static const char *const without[] = {
      "{}",
      "{\"exp\":\"1700000000\"}",
      "{\"exp\":null}",
      "{\"exp\":-5}",
      "{\"exp\":1e99}",
      "{\"exp\":",
      "{\"a\":{\"exp\":1700000000}}",
      "{\"a\":\"\\\",\\\"exp\\\":1700000000\"}",
      "[1700000000]",
      "{\"a",
      "{\"a\":[[[",
      "nonsense",
  };
  double when = 0;

  (void)state;
  assert_true(expiry_of("{\"exp\":1700000000}", &when));
  assert_true(when > 1699999999 && when < 1700000001);
  assert_true(expiry_of(" { \"sub\" : \"a\\\"b\", \"roles\":[1,{\"exp\":5},[]],"
                        "\"n\":{}, \"t\":true, \"exp\" : 1.8e9 } ",
                        &when));
  assert_true(when > 1.7e9 && when < 1.9e9);
  for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
    if (expiry_of(without[i], &when)) {
      print_error("found in: %s\n", without[i]);
      fail();
    }
  assert_false(gw_jwt_expiry("simKEY", 6, &when));
  assert_false(gw_jwt_expiry("a.b", 3, &when));
  assert_false(gw_jwt_expiry("a..c", 4, &when));
  assert_false(gw_jwt_expiry("a.%%.c", 6, &when));
  assert_false(gw_jwt_expiry("..", 2, &when));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_url__parts),
      cmocka_unit_test(test_url__refuses),
      cmocka_unit_test(test_url__error_hides_password),
      cmocka_unit_test(test_url__resolve),
      cmocka_unit_test(test_url__loopback),
      cmocka_unit_test(test_secret__goes_to_its_origins_only),
      cmocka_unit_test(test_secret__header),
      cmocka_unit_test(test_secret__has_a_manner_of_its_own),
      cmocka_unit_test(test_jwt__expiry),
      cmocka_unit_test(test_guard__plan_sends_reads_only),
      cmocka_unit_test(test_guard__writes_go_where_allowed),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
