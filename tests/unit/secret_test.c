/*
 * secret: where its text may go, and how it stands in the body of a request.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/redact.h"
#include "net/http.h"
#include "net/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- a server that remembers the body ----------------------------------- */

struct rig {
  struct gw_loop *loop;
  struct gw_guard *guard;
  struct gw_http *http;
  struct gw_server *server;
  struct gw_request *request;
  struct gw_buf seen;
  int requests;
  bool done;
  char origin[64];
  struct gw_http_req req;
  struct gw_exchange *x;
};

static void take_body(void *arg)
{
  struct rig *rig = arg;
  enum gw_request_state state;
  char *data;
  size_t len;

  while ((state = gw_request_read(rig->request, &data, &len)) ==
         GW_REQUEST_READY) {
    assert_int_equal(gw_buf_append(&rig->seen, data, len, NULL), 0);
    free(data);
  }
  if (state == GW_REQUEST_WAIT)
    return;
  gw_request_respond(rig->request, 200, NULL, "ok", 2, NULL);
  gw_request_free(rig->request);
  rig->request = NULL;
}

static void on_request(void *arg, struct gw_request *r)
{
  struct rig *rig = arg;

  rig->requests++;
  rig->request = r;
  gw_request_watch(r, take_body, rig);
  take_body(rig);
}

static void on_done(void *arg)
{
  ((struct rig *)arg)->done = true;
}

static int set_up(void **state)
{
  struct rig *rig = calloc(1, sizeof(*rig));
  struct gw_serve_opts opts = {.request = on_request, .arg = rig};

  assert_int_equal(gw_loop_new(&rig->loop, NULL), 0);
  rig->guard = gw_guard_new(NULL);
  assert_int_equal(gw_http_new(&rig->http, rig->loop, rig->guard, NULL), 0);
  assert_int_equal(gw_serve_start(&rig->server, rig->loop, &opts, NULL), 0);
  snprintf(rig->origin, sizeof(rig->origin), "http://127.0.0.1:%d",
           gw_serve_port(rig->server));
  rig->req.method = "POST";
  rig->req.url = rig->origin;
  rig->req.done = on_done;
  rig->req.arg = rig;
  *state = rig;
  return 0;
}

static int tear_down(void **state)
{
  struct rig *rig = *state;

  gw_serve_free(rig->server);
  gw_http_free_client(rig->http);
  gw_guard_free(rig->guard);
  gw_loop_free(rig->loop);
  gw_buf_dispose(&rig->seen);
  free(rig);
  return 0;
}

static int start(struct rig *rig, struct gw_err *err)
{
  rig->done = false;
  gw_buf_clear(&rig->seen);
  return gw_http_start(&rig->x, rig->http, &rig->req, err);
}

static void deliver(struct rig *rig)
{
  uint64_t end = gw_clock_ms() + 20000;

  assert_int_equal(start(rig, NULL), 0);
  while (!rig->done && gw_clock_ms() < end)
    assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
  assert_true(rig->done);
  assert_int_equal(gw_http_result(rig->x)->status, 200);
  gw_http_free(rig->x);
  rig->x = NULL;
}

static void refused(struct rig *rig, enum gw_errkind kind, const char *text)
{
  struct gw_err err = {0};
  int before = rig->requests;

  assert_int_equal(start(rig, &err), -1);
  assert_int_equal(err.kind, kind);
  assert_non_null(strstr(err.message, text));
  assert_null(rig->x);
  assert_int_equal(rig->requests, before);
}

static struct gw_secret *secret_for(const struct rig *rig, const char *text)
{
  struct gw_secret *s = gw_secret_new(text, strlen(text), "token", NULL);

  assert_non_null(s);
  if (rig)
    assert_int_equal(gw_secret_allow(s, rig->origin, NULL), 0);
  return s;
}

/* --- as a JSON string ---------------------------------------------------- */

static void expect_json(const char *text, size_t len, const char *json)
{
  struct gw_secret *s = gw_secret_new(text, len, "token", NULL);
  char out[200];
  size_t measured = 0, written = 0;

  assert_int_equal(gw_secret_json(s, NULL, &measured, NULL), 0);
  assert_true(measured <= sizeof(out));
  assert_int_equal(gw_secret_json(s, out, &written, NULL), 0);
  assert_int_equal(measured, written);
  assert_int_equal(written, strlen(json));
  assert_memory_equal(out, json, written);
  gw_secret_unref(s);
}

static void test_secret__json(void **state)
{
  (void)state;
  expect_json("", 0, "\"\"");
  expect_json("plain text", 10, "\"plain text\"");
  expect_json("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
  expect_json("a\nb\tc\x7f\0d", 8, "\"a\\u000ab\\u0009c\x7f\\u0000d\"");
  expect_json("\x1f\x01", 2, "\"\\u001f\\u0001\"");
  expect_json("sch\xc3\xb6n \xf0\x9f\x98\x80", 11,
              "\"sch\xc3\xb6n \xf0\x9f\x98\x80\"");
}

static void test_secret__json_is_utf8(void **state)
{
  static const char *const bad[] = {"\xff", "abc\xc3", "\xed\xa0\x80",
                                    "\xc0\xaf", "\xf4\x90\x80\x80"};
  (void)state;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct gw_secret *s = secret_for(NULL, bad[i]);
    struct gw_err err = {0};
    size_t len;
    assert_int_equal(gw_secret_json(s, NULL, &len, &err), -1);
    assert_int_equal(err.kind, GW_EUSAGE);
    assert_non_null(strstr(err.message, "token"));
    assert_null(strstr(err.message, bad[i]));
    gw_secret_unref(s);
  }
}

/* --- in a body ----------------------------------------------------------- */

static void test_secret__body_of_parts(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = secret_for(rig, "line 1\n\"two\"");
  const struct gw_http_part parts[] = {{"{\"a\":", 5, NULL},
                                       {NULL, 0, s},
                                       {"", 0, NULL},
                                       {",\"b\":", 5, NULL},
                                       {NULL, 0, s},
                                       {"}", 1, NULL}};
  const char *expected = "{\"a\":\"line 1\\u000a\\\"two\\\"\","
                         "\"b\":\"line 1\\u000a\\\"two\\\"\"}";

  rig->req.parts = parts;
  rig->req.part_count = 6;
  deliver(rig);
  assert_int_equal(rig->seen.len, strlen(expected));
  assert_memory_equal(rig->seen.data, expected, rig->seen.len);
  gw_secret_unref(s);
}

static void test_secret__body_goes_to_its_origins_only(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = secret_for(NULL, "not for everybody");
  struct gw_secret *other;
  const struct gw_http_part part = {NULL, 0, s};
  struct gw_http_part copied = {NULL, 0, NULL};

  rig->req.parts = &part;
  rig->req.part_count = 1;
  refused(rig, GW_EDENIED, "must not be sent to http://127.0.0.1");
  assert_int_equal(gw_secret_allow(s, "https://api.example.com", NULL), 0);
  refused(rig, GW_EDENIED, "the secret token");
  rig->req.url = "http://api.example.com/";
  assert_int_equal(gw_secret_allow(s, "http://api.example.com", NULL), 0);
  refused(rig, GW_EDENIED, "plain http");
  rig->req.url = rig->origin;
  assert_int_equal(gw_secret_allow(s, rig->origin, NULL), 0);
  deliver(rig);
  assert_int_equal(rig->seen.len, 19);

  other = gw_secret_copy(s, NULL); /* bound to nothing, whatever s is */
  copied.secret = other;
  rig->req.parts = &copied;
  refused(rig, GW_EDENIED, "must not be sent to");
  gw_secret_unref(other);
  gw_secret_unref(s);
}

static void test_secret__body_and_proxy(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = secret_for(rig, "not for a proxy");
  const struct gw_http_part part = {NULL, 0, s};

  rig->req.parts = &part;
  rig->req.part_count = 1;
  rig->req.proxy = "http://proxy.example.com:3128";
  refused(rig, GW_EDENIED, "through a proxy over plain http");
  rig->req.url = "https://api.example.com/";
  rig->req.tls.insecure = true;
  assert_int_equal(gw_secret_allow(s, "https://api.example.com", NULL), 0);
  refused(rig, GW_EDENIED, "the usual check of certificates");
  gw_secret_unref(s);
}

static void test_secret__body_is_text(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = secret_for(rig, "bytes \xff\xfe");
  const struct gw_http_part part = {NULL, 0, s};

  rig->req.parts = &part;
  rig->req.part_count = 1;
  refused(rig, GW_EUSAGE, "not UTF-8");
  gw_secret_unref(s);
}

static void test_secret__every_form_is_filtered(void **state)
{
  struct gw_secret *s = secret_for(NULL, "p\"q\\r\nstuv");
  struct gw_buf out = GW_BUF_INIT;
  char json[80];
  size_t len = 0;

  (void)state;
  assert_int_equal(gw_secret_json(s, json, &len, NULL), 0);
  assert_int_equal(gw_redact(json, len, &out, NULL), 0);
  assert_string_equal(out.data, "\"[secret]\"");
  gw_buf_dispose(&out);
  gw_secret_unref(s);
}

static void test_secret__every_fault_is_an_error(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = secret_for(rig, "survives all of them");
  const struct gw_http_part parts[] = {{"[", 1, NULL}, {NULL, 0, s},
                                       {"]", 1, NULL}};

  rig->req.parts = parts;
  rig->req.part_count = 3;
  for (int n = 0; n < 200; n++) {
    struct gw_err err = {0};
    int rc;
    gw_fault_arm(n);
    rc = start(rig, &err);
    if (!gw_fault_disarm()) {
      assert_int_equal(rc, 0);
      gw_http_free(rig->x);
      gw_secret_unref(s);
      return;
    }
    assert_true(rc == 0 || err.kind != GW_OK);
    gw_http_free(rig->x);
    rig->x = NULL;
  }
  fail();
}

/* How often a buffer grows while a header is made, or a token read. */
static int growths(size_t len, const char *scheme)
{
  char *text = malloc(len);
  int n = 0;

  assert_non_null(text);
  memset(text, 'Q', len);
  text[1] = text[len - 2] = '.';
  for (bool again = true; again; n += again) {
    struct gw_secret *s = gw_secret_new(text, len, "s", NULL);
    struct gw_buf out = GW_BUF_INIT;
    double when;
    assert_non_null(s);
    gw_fault_arm(n);
    if (scheme)
      (void)gw_secret_header(s, scheme, "user", &out, NULL);
    else
      (void)gw_secret_expiry(s, &when);
    again = gw_fault_disarm();
    gw_buf_dispose(&out);
    gw_secret_unref(s);
  }
  free(text);
  return n;
}

/* A block that grows leaves the old one behind, with pieces of it. */
static void test_secret__is_copied_in_one_piece(void **state)
{
  (void)state;
#ifdef GODWIT_FAULTS
  assert_int_equal(growths(20000, NULL), 1);
#endif
  assert_int_equal(growths(20000, NULL), growths(200, NULL));
  assert_int_equal(growths(20000, "Basic"), growths(200, "Basic"));
  assert_int_equal(growths(20000, "Bearer"), growths(200, "Bearer"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_secret__json),
      cmocka_unit_test(test_secret__json_is_utf8),
      cmocka_unit_test(test_secret__is_copied_in_one_piece),
      cmocka_unit_test(test_secret__every_form_is_filtered),
      T(test_secret__body_of_parts),
      T(test_secret__body_goes_to_its_origins_only),
      T(test_secret__body_and_proxy),
      T(test_secret__body_is_text),
      T(test_secret__every_fault_is_an_error),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
