/*
 * http against serve on one loop, and against a server that sends bytes of
 * our choice and then keeps silent or cuts.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "net/http.h"
#include "net/serve.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a server that says what it is told -------------------------------- */

struct raw {
  struct gw_watch watch;
  const char *says;
  bool cut;
  int peer, port, accepted;
};

struct rig {
  struct gw_loop *loop;
  struct gw_guard *guard;
  struct gw_http *http;
  struct gw_server *server;
  struct raw raw;
  int requests;
  int port;
  char folder[64];
};

static void raw_accept(struct gw_watch *watch, short revents)
{
  struct raw *raw = (struct raw *)watch;
  int fd = accept(watch->fd, NULL, NULL);
  char buf[4096];

  (void)revents;
  usleep(20000);
  if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 0) { /* curl let it be */
    close(fd);
    return;
  }
  raw->accepted++;
  if (raw->peer >= 0)
    close(raw->peer);
  raw->peer = fd;
  if (raw->says)
    assert_int_equal(write(fd, raw->says, strlen(raw->says)),
                     (ssize_t)strlen(raw->says));
  if (raw->cut) {
    shutdown(fd, SHUT_WR);
    close(fd);
    raw->peer = -1;
  }
}

static void raw_start(struct rig *rig, const char *says, bool cut)
{
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof(address);
  struct raw *raw = &rig->raw;

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  raw->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(raw->watch.fd, (void *)&address, sizeof(address)), 0);
  assert_int_equal(listen(raw->watch.fd, 16), 0);
  getsockname(raw->watch.fd, (void *)&address, &len);
  raw->port = ntohs(address.sin_port);
  raw->watch.events = POLLIN;
  raw->watch.fn = raw_accept;
  raw->says = says;
  raw->cut = cut;
  raw->accepted = 0;
  gw_watch_start(rig->loop, &raw->watch);
}

static void raw_stop(struct rig *rig)
{
  gw_watch_stop(rig->loop, &rig->raw.watch);
  close(rig->raw.watch.fd);
  if (rig->raw.peer >= 0)
    close(rig->raw.peer);
  rig->raw.peer = -1;
}

/* --- our server's answers ---------------------------------------------- */

struct echo {
  struct rig *rig;
  struct gw_request *request;
  struct gw_buf body;
  size_t left;
};

static void echo_end(struct echo *e)
{
  gw_request_free(e->request);
  gw_buf_dispose(&e->body);
  free(e);
}

static void echo_read(void *arg)
{
  struct echo *e = arg;
  char *data;
  size_t len;
  enum gw_request_state state;

  while ((state = gw_request_read(e->request, &data, &len)) ==
         GW_REQUEST_READY) {
    gw_buf_append(&e->body, data, len, NULL);
    free(data);
  }
  if (state == GW_REQUEST_WAIT)
    return;
  if (state == GW_REQUEST_END)
    gw_request_respond(e->request, 200, NULL, e->body.data, e->body.len, NULL);
  echo_end(e);
}

static void stream_more(void *arg)
{
  static char block[32768];
  struct echo *e = arg;
  enum gw_request_state state = GW_REQUEST_READY;

  while (e->left > 0 && state == GW_REQUEST_READY) {
    size_t n = e->left < sizeof(block) ? e->left : sizeof(block);
    state = gw_request_write(e->request, block, n);
    if (state == GW_REQUEST_READY)
      e->left -= n;
  }
  if (state == GW_REQUEST_WAIT)
    return;
  gw_request_finish(e->request);
  echo_end(e);
}

static void hold(void *arg)
{
  struct echo *e = arg;

  if (gw_request_gone(e->request))
    echo_end(e);
}

static void on_request(void *arg, struct gw_request *r)
{
  struct rig *rig = arg;
  const char *path = gw_request_path(r);
  struct echo *e;

  rig->requests++;
  if (strcmp(path, "/headers") == 0) {
    const char *h = gw_request_headers(r);
    gw_request_respond(r, 200, NULL, h, strlen(h), NULL);
  } else if (strncmp(path, "/status/", 8) == 0) {
    gw_request_respond(r, atoi(path + 8), NULL, "page", 4, NULL);
  } else {
    e = calloc(1, sizeof(*e));
    e->rig = rig;
    e->request = r;
    if (strcmp(path, "/stream") == 0) {
      e->left = strtoul(gw_request_query(r), NULL, 10);
      gw_request_start(r, 200, NULL, NULL);
      gw_request_watch(r, stream_more, e);
      stream_more(e);
    } else if (strcmp(path, "/hold") == 0) {
      gw_request_watch(r, hold, e);
    } else {
      gw_request_watch(r, echo_read, e);
      echo_read(e);
    }
    return;
  }
  gw_request_free(r);
}

static int set_up(void **state)
{
  struct rig *rig = calloc(1, sizeof(*rig));
  struct gw_serve_opts opts = {.request = on_request, .arg = rig};

  rig->raw.peer = -1;
  assert_int_equal(gw_loop_new(&rig->loop, NULL), 0);
  rig->guard = gw_guard_new(NULL);
  assert_int_equal(gw_http_new(&rig->http, rig->loop, rig->guard, NULL), 0);
  assert_int_equal(gw_serve_start(&rig->server, rig->loop, &opts, NULL), 0);
  rig->port = gw_serve_port(rig->server);
  strcpy(rig->folder, "/tmp/godwit-http-XXXXXX");
  assert_non_null(mkdtemp(rig->folder));
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
  assert_int_equal(rmdir(rig->folder), 0); /* no temporary file stays */
  free(rig);
  return 0;
}

/* --- one exchange, waited for ------------------------------------------ */

struct call {
  struct gw_http_req req;
  struct gw_exchange *x;
  const struct gw_http_result *result;
  char url[128];
  bool done;
};

static void call_done(void *arg)
{
  struct call *c = arg;

  c->done = true;
  c->result = gw_http_result(c->x);
}

static void call_init(struct call *c, const char *method, int port,
                      const char *path)
{
  memset(c, 0, sizeof(*c));
  snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%d%s", port, path);
  c->req.method = method;
  c->req.url = c->url;
  c->req.done = call_done;
  c->req.arg = c;
}

static void run_until(struct rig *rig, const bool *flag, uint64_t ms)
{
  uint64_t end = gw_clock_ms() + ms;
  while (!*flag && gw_clock_ms() < end)
    assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
}

static void tick(struct gw_timer *timer)
{
  (void)timer;
}

static void run_for(struct rig *rig, uint64_t ms)
{
  struct gw_timer timer = {.fn = tick};
  uint64_t end = gw_clock_ms() + ms;

  gw_timer_start(rig->loop, &timer, ms, NULL);
  while (gw_clock_ms() < end)
    assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
  gw_timer_stop(rig->loop, &timer);
}

static void call_run(struct rig *rig, struct call *c)
{
  struct gw_err err = {0};

  if (gw_http_start(&c->x, rig->http, &c->req, &err) != 0) {
    print_error("start: %s\n", err.message);
    fail();
  }
  run_until(rig, &c->done, 15000);
  assert_true(c->done);
}

static void expect_error(const struct call *c, enum gw_errkind kind,
                         const char *words)
{
  if (c->result->err.kind != kind ||
      !strstr(c->result->err.message, words)) {
    print_error("got %s: %s\n", gw_err_name(c->result->err.kind),
                c->result->err.message);
    fail();
  }
}

/* --- the tests --------------------------------------------------------- */

static void test_http__bodies_both_ways(void **state)
{
  struct rig *rig = *state;
  struct call c;
  char *big = malloc(3000000);

  memset(big, 'x', 3000000);
  call_init(&c, "POST", rig->port, "/echo");
  c.req.body = big;
  c.req.body_len = 3000000;
  call_run(rig, &c);
  assert_int_equal(c.result->status, 200);
  assert_int_equal(c.result->body_len, 3000000);
  assert_memory_equal(c.result->body, big, 3000000);
  assert_true(c.result->sent);
  assert_int_equal(c.result->bytes_up, 3000000);
  assert_non_null(strstr(c.result->headers, "content-length: 3000000\n"));
  assert_non_null(strstr(c.result->headers, "date: "));
  gw_http_free(c.x);
  free(big);
}

static void test_http__headers_and_secret(void **state)
{
  struct rig *rig = *state;
  struct call c;
  char origin[64];
  const char *const headers[] = {"X-One: 1", "X-Empty:", NULL};
  struct gw_secret *s = gw_secret_new("simSECRET99", 11, "dev", NULL);

  snprintf(origin, sizeof(origin), "http://127.0.0.1:%d", rig->port);
  gw_secret_allow(s, origin, NULL);
  call_init(&c, "GET", rig->port, "/headers");
  c.req.headers = headers;
  c.req.auth = s;
  c.req.auth_scheme = "Simple";
  call_run(rig, &c);
  assert_non_null(strstr(c.result->body, "authorization: Simple simSECRET99"));
  assert_non_null(strstr(c.result->body, "x-one: 1\n"));
  assert_non_null(strstr(c.result->body, "x-empty: \n"));
  assert_null(strstr(c.result->body, "expect:"));
  assert_null(strstr(c.result->body, "accept-encoding:"));
  gw_http_free(c.x);
  gw_secret_unref(s);
}

static void refuse(struct rig *rig, struct call *c, enum gw_errkind kind)
{
  struct gw_err err = {0};
  int before = rig->requests;

  assert_int_equal(gw_http_start(&c->x, rig->http, &c->req, &err), -1);
  assert_int_equal(err.kind, kind);
  assert_null(c->x);
  run_for(rig, 5);
  assert_int_equal(rig->requests, before);
}

static void test_http__refused_before_sending(void **state)
{
  struct rig *rig = *state;
  struct call c;
  const char *const host[] = {"Host: other", NULL};
  const char *const split[] = {"X: a\r\nY: b", NULL};
  struct gw_secret *s = gw_secret_new("simSECRET99", 11, "dev", NULL);

  call_init(&c, "GET", rig->port, "/");
  c.req.headers = host;
  refuse(rig, &c, GW_EUSAGE);
  c.req.headers = split;
  refuse(rig, &c, GW_EUSAGE);
  call_init(&c, "GET /x", rig->port, "/");
  refuse(rig, &c, GW_EUSAGE);
  call_init(&c, "POST", rig->port, "/"); /* only what is in memory is read */
  c.req.headers = (const char *const[]){
      "Content-Type: application/x-www-form-urlencoded", NULL};
  c.req.body_file = "/etc/hostname";
  refuse(rig, &c, GW_EUSAGE);
  call_init(&c, "GET", rig->port, "/");
  c.req.auth = s; /* allowed nowhere */
  refuse(rig, &c, GW_EDENIED);
  gw_secret_unref(s);
  c.req.auth = NULL;
  c.req.url = "http://u:p@127.0.0.1/";
  refuse(rig, &c, GW_EUSAGE);
  c.req.url = "file:///etc/passwd";
  refuse(rig, &c, GW_EUSAGE);
  gw_guard_plan(rig->guard);
  call_init(&c, "POST", rig->port, "/");
  refuse(rig, &c, GW_EDENIED);
  call_init(&c, "GET", rig->port, "/");
  c.req.headers = (const char *const[]){"x-http-method-override: PUT", NULL};
  refuse(rig, &c, GW_EDENIED);
}

static void test_http__head_and_status(void **state)
{
  struct rig *rig = *state;
  struct call c;

  call_init(&c, "HEAD", rig->port, "/status/404");
  call_run(rig, &c);
  assert_int_equal(c.result->err.kind, GW_OK);
  assert_int_equal(c.result->status, 404);
  assert_int_equal(c.result->body_len, 0);
  assert_non_null(strstr(c.result->headers, "content-length: 4\n"));
  gw_http_free(c.x);
  call_init(&c, "POST", rig->port, "/headers");
  call_run(rig, &c);
  assert_non_null(strstr(c.result->body, "content-length: 0\n"));
  gw_http_free(c.x);
}

static void test_http__connection_is_kept(void **state)
{
  struct rig *rig = *state;
  const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  struct call c;

  raw_start(rig, answer, false);
  call_init(&c, "GET", rig->raw.port, "/");
  call_run(rig, &c);
  assert_int_equal(c.result->err.kind, GW_OK);
  gw_http_free(c.x);
  call_init(&c, "GET", rig->raw.port, "/"); /* same connection: silence */
  c.req.stall_ms = 300;
  call_run(rig, &c);
  expect_error(&c, GW_ETIMEOUT, "no answer");
  assert_int_equal(rig->raw.accepted, 1);
  gw_http_free(c.x);
  call_init(&c, "GET", rig->raw.port, "/");
  c.req.fresh = true;
  call_run(rig, &c);
  assert_int_equal(rig->raw.accepted, 2);
  gw_http_free(c.x);
  raw_stop(rig);
}

/* A limit ends a call after ms, not before: the rough clock that says when
 * something moved may be a tick (10 ms at most) behind. Which limit it was, the
 * words say; the others are further away than a busy machine is late. */
static void time_call(struct rig *rig, struct call *c, enum gw_errkind kind,
                      const char *words, uint64_t ms)
{
  uint64_t began = gw_clock_ms(), took;

  call_run(rig, c);
  took = gw_clock_ms() - began;
  expect_error(c, kind, words);
  if (took + 12 < ms || took > ms + 20000) {
    print_error("took %lu, not %lu ms\n", (unsigned long)took,
                (unsigned long)ms);
    fail();
  }
  gw_http_free(c->x);
}

static void test_http__limits_of_time_are_exact(void **state)
{
  struct rig *rig = *state;
  struct call c;

  raw_start(rig, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", false);
  call_init(&c, "GET", rig->raw.port, "/");
  c.req.stall_ms = 300;
  c.req.answer_ms = 60000;
  time_call(rig, &c, GW_ETIMEOUT, "nothing moved for 0.3 s", 300);
  call_init(&c, "GET", rig->raw.port, "/");
  c.req.total_ms = 200;
  time_call(rig, &c, GW_ETIMEOUT, "not finished within 0.2 s", 200);
  raw_stop(rig);
  raw_start(rig, NULL, false);
  call_init(&c, "GET", rig->raw.port, "/");
  c.req.stall_ms = 60000;
  c.req.answer_ms = 250;
  time_call(rig, &c, GW_ETIMEOUT, "no answer for 0.2 s", 250);
  call_init(&c, "POST", rig->raw.port, "/");
  c.req.body = "abc";
  c.req.body_len = 3;
  c.req.stall_ms = 200;
  c.req.answer_ms = 500;
  time_call(rig, &c, GW_ETIMEOUT, "no answer for 0.5 s", 500);
  raw_stop(rig);
}

static void test_http__bad_answers(void **state)
{
  static const struct {
    const char *says;
    bool cut;
    enum gw_errkind kind;
    const char *words;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", true, GW_ENET,
       "cut off before its end"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", true,
       GW_ENET, "cut"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true,
       GW_ENET, ""},
      {"ceci n'est pas du HTTP\r\n\r\n", true, GW_EREMOTE, "HTTP"},
      {"", true, GW_ENET, "without answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3000000000\r\n\r\n", false,
       GW_ELIMIT, "3000000000 bytes long"},
  };
  struct rig *rig = *state;

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct call c;
    raw_start(rig, cases[i].says, cases[i].cut);
    call_init(&c, "GET", rig->raw.port, "/");
    call_run(rig, &c);
    expect_error(&c, cases[i].kind, cases[i].words);
    assert_true(c.result->sent);
    gw_http_free(c.x);
    raw_stop(rig);
  }
}

static void test_http__nobody_listens(void **state)
{
  struct rig *rig = *state;
  struct call c;

  raw_start(rig, NULL, false);
  raw_stop(rig);
  call_init(&c, "POST", rig->raw.port, "/");
  call_run(rig, &c);
  expect_error(&c, GW_ENET, "connection refused");
  assert_false(c.result->sent);
  assert_true(c.result->err.retryable);
  gw_http_free(c.x);
}

/* What a server did with a request it never answered is not known: a POST is
 * not sent again by curl's own means, a GET is. */
static void test_http__dead_connection_repeats_reads_only(void **state)
{
  struct rig *rig = *state;
  const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  for (int post = 0; post < 2; post++) {
    struct call c;
    raw_start(rig, answer, false);
    call_init(&c, "GET", rig->raw.port, "/");
    call_run(rig, &c);
    gw_http_free(c.x);
    call_init(&c, post ? "POST" : "GET", rig->raw.port, "/");
    c.req.stall_ms = 60000;
    assert_int_equal(gw_http_start(&c.x, rig->http, &c.req, NULL), 0);
    run_for(rig, 100); /* it went out on the kept connection */
    assert_int_equal(rig->raw.accepted, 1);
    close(rig->raw.peer);
    rig->raw.peer = -1;
    run_until(rig, &c.done, 5000);
    assert_true(c.done);
    if (post) {
      assert_int_equal(c.result->err.kind, GW_ENET);
      assert_true(c.result->sent);
    } else {
      assert_int_equal(c.result->status, 200);
      assert_int_equal(rig->raw.accepted, 2);
    }
    gw_http_free(c.x);
    raw_stop(rig);
  }
}

static void test_http__body_cap(void **state)
{
  struct rig *rig = *state;
  struct call c;

  call_init(&c, "GET", rig->port, "/stream?5000000");
  c.req.max_body = 100000;
  call_run(rig, &c);
  expect_error(&c, GW_ELIMIT, "larger than the 100000 bytes allowed");
  gw_http_free(c.x);
  call_init(&c, "GET", rig->port, "/stream?100000");
  c.req.max_body = 100000;
  call_run(rig, &c);
  assert_int_equal(c.result->err.kind, GW_OK);
  gw_http_free(c.x);
}

static void sink_name(struct rig *rig, char *out, size_t len)
{
  snprintf(out, len, "%s/out", rig->folder);
}

static void test_http__file_sink(void **state)
{
  struct rig *rig = *state;
  struct call c;
  struct stat st;
  char name[100];

  sink_name(rig, name, sizeof(name));
  call_init(&c, "GET", rig->port, "/stream?200000000");
  c.req.sink_file = name;
  c.req.max_body = (size_t)1 << 30;
  call_run(rig, &c);
  assert_int_equal(c.result->err.kind, GW_OK);
  assert_int_equal(stat(name, &st), 0);
  assert_int_equal(st.st_size, 200000000);
  gw_http_free(c.x);
  unlink(name);
  call_init(&c, "GET", rig->port, "/status/404"); /* a page is no file */
  c.req.sink_file = name;
  call_run(rig, &c);
  assert_int_equal(c.result->status, 404);
  assert_string_equal(c.result->body, "page");
  assert_int_equal(stat(name, &st), -1);
  gw_http_free(c.x);
  raw_start(rig, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", true);
  call_init(&c, "GET", rig->raw.port, "/");
  c.req.sink_file = name;
  call_run(rig, &c);
  expect_error(&c, GW_ENET, "cut off");
  assert_int_equal(stat(name, &st), -1);
  gw_http_free(c.x);
  raw_stop(rig);
}

static void test_http__file_source(void **state)
{
  struct rig *rig = *state;
  struct call c;
  char name[100];
  FILE *f;

  sink_name(rig, name, sizeof(name));
  f = fopen(name, "w");
  for (int i = 0; i < 100000; i++)
    fputs("0123456789", f);
  fclose(f);
  call_init(&c, "PUT", rig->port, "/echo");
  c.req.body_file = name;
  call_run(rig, &c);
  assert_int_equal(c.result->status, 200);
  assert_int_equal(c.result->body_len, 1000000);
  assert_int_equal(c.result->bytes_up, 1000000);
  gw_http_free(c.x);
  unlink(name);
}

/* --- streaming --------------------------------------------------------- */

struct flow {
  struct call c;
  struct gw_timer timer;
  size_t given, taken;
  int pauses;
  bool open; /* one transfer of bytes is allowed, then "not now" */
};

static ssize_t flow_pull(void *arg, char *out, size_t len)
{
  struct flow *f = arg;

  if (!f->open) {
    f->pauses++;
    return -1;
  }
  f->open = false;
  if (f->given >= 500000)
    return 0;
  if (len > 50000)
    len = 50000;
  memset(out, 'y', len);
  f->given += len;
  return (ssize_t)len;
}

static ssize_t flow_push(void *arg, const char *data, size_t len)
{
  struct flow *f = arg;

  (void)data;
  if (!f->open) {
    f->pauses++;
    return -1;
  }
  f->open = false;
  f->taken += len;
  return (ssize_t)len;
}

static void flow_open(struct gw_timer *timer)
{
  struct flow *f = (struct flow *)((char *)timer - offsetof(struct flow, timer));

  f->open = true;
  if (f->c.x && !f->c.done)
    gw_http_resume(f->c.x);
}

static void flow_done(void *arg)
{
  struct flow *f = arg;

  call_done(&f->c);
}

static void flow_run(struct rig *rig, struct flow *f)
{
  f->c.req.done = flow_done;
  f->c.req.arg = f;
  f->timer.fn = flow_open;
  assert_int_equal(gw_http_start(&f->c.x, rig->http, &f->c.req, NULL), 0);
  for (int i = 0; i < 3000 && !f->c.done; i++) {
    gw_timer_start(rig->loop, &f->timer, 1, NULL);
    run_for(rig, 2);
  }
  gw_timer_stop(rig->loop, &f->timer);
  assert_true(f->c.done);
}

static void test_http__pulled_with_pauses(void **state)
{
  struct rig *rig = *state;
  struct flow f = {0};

  call_init(&f.c, "POST", rig->port, "/echo");
  f.c.req.pull = flow_pull;
  flow_run(rig, &f);
  assert_int_equal(f.c.result->status, 200);
  assert_int_equal(f.c.result->body_len, 500000);
  assert_true(f.pauses > 5);
  gw_http_free(f.c.x);
}

static void test_http__pushed_with_pauses(void **state)
{
  struct rig *rig = *state;
  struct flow f = {0};

  call_init(&f.c, "GET", rig->port, "/stream?1000000");
  f.c.req.push = flow_push;
  f.c.req.stall_ms = 500; /* our own pauses do not count */
  flow_run(rig, &f);
  assert_int_equal(f.c.result->err.kind, GW_OK);
  assert_int_equal(f.taken, 1000000);
  assert_true(f.pauses > 5);
  gw_http_free(f.c.x);
}

static ssize_t abort_push(void *arg, const char *data, size_t len)
{
  (void)arg, (void)data, (void)len;
  return -2;
}

static ssize_t freeing_push(void *arg, const char *data, size_t len)
{
  struct call *c = arg;

  (void)data, (void)len;
  gw_http_free(c->x);
  c->x = NULL;
  return -1;
}

static void test_http__ended_from_inside(void **state)
{
  struct rig *rig = *state;
  struct call c;

  call_init(&c, "GET", rig->port, "/stream?1000000");
  c.req.push = abort_push;
  call_run(rig, &c);
  expect_error(&c, GW_ECANCELLED, "receiver");
  gw_http_free(c.x);
  call_init(&c, "GET", rig->port, "/stream?1000000");
  c.req.push = freeing_push;
  assert_int_equal(gw_http_start(&c.x, rig->http, &c.req, NULL), 0);
  run_for(rig, 100);
  assert_false(c.done);
  assert_null(c.x);
}

static void test_http__freed_while_running(void **state)
{
  struct rig *rig = *state;
  struct call c;

  call_init(&c, "GET", rig->port, "/hold");
  assert_int_equal(gw_http_start(&c.x, rig->http, &c.req, NULL), 0);
  run_for(rig, 50);
  assert_int_equal(rig->requests, 1);
  gw_http_free(c.x);
  run_for(rig, 50);
  assert_false(c.done);
}

static void test_http__every_fault_is_an_error(void **state)
{
  struct rig *rig = *state;
  char name[100];

  sink_name(rig, name, sizeof(name));
  for (int n = 0; n < 200; n++) {
    struct call c;
    struct gw_err err = {0};
    int rc;
    call_init(&c, "GET", rig->port, "/stream?100000");
    c.req.sink_file = name;
    gw_fault_arm(n);
    rc = gw_http_start(&c.x, rig->http, &c.req, &err);
    if (rc == 0)
      run_until(rig, &c.done, 5000);
    if (!gw_fault_disarm()) {
      assert_int_equal(c.result->err.kind, GW_OK);
      gw_http_free(c.x);
      unlink(name);
      return;
    }
    if (rc == 0)
      assert_true(c.done);
    if (rc != 0 || c.result->err.kind)
      assert_int_equal(access(name, F_OK), -1);
    gw_http_free(c.x);
    unlink(name);
  }
  fail();
}

/* The environment's proxy is for the outside, and NO_PROXY counts. */
static void test_http__proxy_of_the_environment(void **state)
{
  struct rig *rig = *state;
  const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy";
  struct call c;
  char proxy[64];

  raw_start(rig, answer, true);
  snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", rig->raw.port);
  setenv("http_proxy", proxy, 1);
  setenv("NO_PROXY", "inside.invalid", 1);
  call_init(&c, "GET", 1, "/");
  c.req.url = "http://outside.invalid/";
  call_run(rig, &c);
  assert_string_equal(c.result->body, "proxy");
  gw_http_free(c.x);
  c.done = false;
  c.req.url = "http://inside.invalid/";
  call_run(rig, &c);
  assert_int_equal(c.result->err.kind, GW_ENET);
  gw_http_free(c.x);
  call_init(&c, "GET", rig->port, "/status/200");
  call_run(rig, &c);
  assert_string_equal(c.result->body, "page");
  gw_http_free(c.x);
  unsetenv("http_proxy");
  setenv("HTTP_PROXY", proxy, 1);
  call_init(&c, "GET", 1, "/");
  c.req.url = "http://outside.invalid/";
  call_run(rig, &c);
  assert_string_equal(c.result->body, "proxy");
  gw_http_free(c.x);
  unsetenv("HTTP_PROXY");
  unsetenv("NO_PROXY");
  raw_stop(rig);
}

static void test_http__no_secret_through_a_plain_proxy(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = gw_secret_new("simSECRET99", 11, "dev", NULL);
  struct call c;
  char origin[64];

  snprintf(origin, sizeof(origin), "http://127.0.0.1:%d", rig->port);
  gw_secret_allow(s, origin, NULL);
  call_init(&c, "GET", rig->port, "/");
  c.req.auth = s;
  c.req.proxy = "http://proxy.example.com:3128";
  refuse(rig, &c, GW_EDENIED);
  gw_secret_unref(s);
}

/* Who chooses both the proxy and what its certificate is checked against
 * could read the secret. */
static void test_http__no_secret_through_a_foreign_tunnel(void **state)
{
  struct rig *rig = *state;
  struct gw_secret *s = gw_secret_new("simSECRET99", 11, "prod", NULL);
  const char *proxy = "http://127.0.0.1:1";
  struct call c;

  gw_secret_allow(s, "https://api.example.com", NULL);
  call_init(&c, "GET", rig->port, "/");
  c.req.url = "https://api.example.com/";
  c.req.auth = s;
  c.req.proxy = proxy;
  c.req.tls.insecure = true;
  refuse(rig, &c, GW_EDENIED);
  c.req.tls.insecure = false;
  c.req.tls.ca = "/nowhere/ca.pem";
  refuse(rig, &c, GW_EDENIED);
  gw_secret_allow_proxy(s, proxy, NULL);
  assert_int_equal(gw_http_start(&c.x, rig->http, &c.req, NULL), 0);
  gw_http_free(c.x);
  gw_secret_unref(s);
}

/* How far a connection came is told whether or not an answer did. */
static void test_http__facts_of_a_connection(void **state)
{
  struct rig *rig = *state;
  const struct gw_http_facts *f;
  struct call c;

  call_init(&c, "GET", rig->port, "/status/200");
  call_run(rig, &c);
  assert_null(c.result->facts);
  gw_http_free(c.x);
  call_init(&c, "GET", rig->port, "/status/200");
  c.req.facts = c.req.fresh = true;
  call_run(rig, &c);
  f = c.result->facts;
  assert_true(f->resolved && f->connected && !f->secured);
  assert_string_equal(f->ip, "127.0.0.1");
  assert_int_equal(f->port, rig->port);
  assert_string_equal(f->tls, "");
  assert_string_equal(f->certificate, "");
  assert_int_equal(f->proxy_status, 0);
  gw_http_free(c.x);
  call_init(&c, "GET", 1, "/");
  c.req.facts = true;
  call_run(rig, &c);
  assert_true(c.result->facts->resolved && !c.result->facts->connected);
  gw_http_free(c.x);
  c.done = false;
  c.req.url = "http://nowhere.invalid/";
  call_run(rig, &c);
  assert_false(c.result->facts->resolved || c.result->facts->connected);
  expect_error(&c, GW_ENET, "cannot be resolved");
  gw_http_free(c.x);
}

/* curl keeps trailers, so somebody has to count them. */
static void test_http__endless_trailers(void **state)
{
  struct rig *rig = *state;
  struct call c;
  struct gw_buf says = GW_BUF_INIT;

  gw_buf_puts(&says,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
              NULL);
  for (int i = 0; i < 4000; i++)
    gw_buf_printf(&says, NULL, "X-%d: %090d\r\n", i, i);
  raw_start(rig, says.data, false);
  call_init(&c, "GET", rig->raw.port, "/");
  call_run(rig, &c);
  expect_error(&c, GW_ELIMIT, "too many trailers");
  gw_http_free(c.x);
  raw_stop(rig);
  gw_buf_dispose(&says);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      T(test_http__bodies_both_ways),
      T(test_http__headers_and_secret),
      T(test_http__refused_before_sending),
      T(test_http__head_and_status),
      T(test_http__connection_is_kept),
      T(test_http__limits_of_time_are_exact),
      T(test_http__bad_answers),
      T(test_http__nobody_listens),
      T(test_http__dead_connection_repeats_reads_only),
      T(test_http__body_cap),
      T(test_http__file_sink),
      T(test_http__file_source),
      T(test_http__pulled_with_pauses),
      T(test_http__pushed_with_pauses),
      T(test_http__ended_from_inside),
      T(test_http__freed_while_running),
      T(test_http__proxy_of_the_environment),
      T(test_http__no_secret_through_a_plain_proxy),
      T(test_http__no_secret_through_a_foreign_tunnel),
      T(test_http__endless_trailers),
      T(test_http__facts_of_a_connection),
      T(test_http__every_fault_is_an_error),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
