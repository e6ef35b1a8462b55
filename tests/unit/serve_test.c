/*
 * serve against a client that speaks bytes: what curl would never send.
 */
#include "base/clock.h"
#include "net/serve.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
  struct gw_loop *loop;
  struct gw_server *server;
  struct gw_request *kept; /* /keep: nobody answers it */
  char body[256];
  int requests;
};

static void read_all(void *arg);

/* /read collects the body and answers with it, /refuse answers at once, /keep
 * does nothing. */
static void on_request(void *arg, struct gw_request *r)
{
  struct rig *rig = arg;
  const char *path = gw_request_path(r);

  rig->requests++;
  if (strcmp(path, "/keep") == 0) {
    rig->kept = r;
    return;
  }
  if (strcmp(path, "/read") == 0) {
    rig->kept = r;
    rig->body[0] = '\0';
    gw_request_watch(r, read_all, rig);
    read_all(rig);
    return;
  }
  gw_request_respond(r, strcmp(path, "/refuse") == 0 ? 401 : 200, NULL, "ok",
                     2, NULL);
  gw_request_free(r);
}

static void read_all(void *arg)
{
  struct rig *rig = arg;
  struct gw_request *r = rig->kept;
  enum gw_request_state state;
  char *data;
  size_t len;

  while ((state = gw_request_read(r, &data, &len)) == GW_REQUEST_READY) {
    if (strlen(rig->body) + len < sizeof(rig->body))
      strncat(rig->body, data, len);
    free(data);
  }
  if (state == GW_REQUEST_WAIT)
    return;
  if (state == GW_REQUEST_END)
    gw_request_respond(r, 200, NULL, rig->body, strlen(rig->body), NULL);
  rig->kept = NULL;
  gw_request_free(r);
}

static int set_up(void **state)
{
  struct rig *rig = calloc(1, sizeof(*rig));
  struct gw_serve_opts opts = {.request = on_request, .arg = rig, .idle_s = 1,
                               .connections = 4};

  assert_int_equal(gw_loop_new(&rig->loop, NULL), 0);
  assert_int_equal(gw_serve_start(&rig->server, rig->loop, &opts, NULL), 0);
  *state = rig;
  return 0;
}

static int tear_down(void **state)
{
  struct rig *rig = *state;

  gw_request_free(rig->kept);
  gw_serve_free(rig->server);
  gw_loop_free(rig->loop);
  free(rig);
  return 0;
}

/* --- the client -------------------------------------------------------- */

struct client {
  int port;
  const char *says[3]; /* sent 50 ms apart */
  size_t flood;        /* then so many bytes */
  bool hang_up;        /* without reading */
  char heard[8192];
  size_t len;
  atomic_bool done;
  pthread_t thread;
};

static void *talk(void *arg)
{
  struct client *c = arg;
  struct sockaddr_in address = {.sin_family = AF_INET};
  struct timeval limit = {30, 0};
  static char block[65536];
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  ssize_t n;

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)c->port);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
    goto out;
  for (size_t i = 0; i < 3 && c->says[i]; i++) {
    if (i > 0)
      usleep(50000);
    if (send(fd, c->says[i], strlen(c->says[i]), MSG_NOSIGNAL) < 0)
      break;
  }
  for (size_t left = c->flood; left > 0; left -= (size_t)n) {
    n = send(fd, block, left < sizeof(block) ? left : sizeof(block),
             MSG_NOSIGNAL);
    if (n <= 0)
      break;
  }
  usleep(50000);
  while (!c->hang_up && c->len + 1 < sizeof(c->heard) &&
         (n = recv(fd, c->heard + c->len, sizeof(c->heard) - 1 - c->len, 0)) >
             0)
    c->len += (size_t)n;
out:
  close(fd);
  atomic_store(&c->done, true);
  return NULL;
}

static void tick(struct gw_timer *timer)
{
  (void)timer;
}

static void step(struct rig *rig)
{
  struct gw_timer timer = {.fn = tick};

  gw_timer_start(rig->loop, &timer, 5, NULL);
  assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
  gw_timer_stop(rig->loop, &timer);
}

static void client_start(struct rig *rig, struct client *c)
{
  c->port = gw_serve_port(rig->server);
  assert_int_equal(pthread_create(&c->thread, NULL, talk, c), 0);
}

static void client_wait(struct rig *rig, struct client *c)
{
  while (!atomic_load(&c->done))
    step(rig);
  pthread_join(c->thread, NULL);
  for (int i = 0; i < 5; i++)
    step(rig);
}

/* Says it all and returns what was heard until the server closed. */
static const char *ask(struct rig *rig, struct client *c, const char *a,
                       const char *b, const char *d)
{
  memset(c, 0, sizeof(*c));
  c->says[0] = a;
  c->says[1] = b;
  c->says[2] = d;
  client_start(rig, c);
  client_wait(rig, c);
  return c->heard;
}

static void assert_has(const char *text, const char *part)
{
  if (!strstr(text, part)) {
    print_error("no \"%s\" in:\n%s\n", part, text);
    fail();
  }
}

/* --- the tests --------------------------------------------------------- */

static void test_serve__nonsense_is_refused(void **state)
{
  static const char *const bad[] = {
      "nonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
      "GET /x HTTP/1.1\r\n\r\n" /* no Host */, "\r\n\r\n\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n"
      "\r\n",
      "GET /x HTTP/1.1\r\nHost: h\r\n broken\r\nno colon\r\n\r\n",
      "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "zz\r\n"};
  struct rig *rig = *state;
  struct client c;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    (void)ask(rig, &c, bad[i], NULL, NULL);
  assert_has(ask(rig, &c, "GET /a HTTP/1.0\r\n\r\n", NULL, NULL), "200 OK");
}

static void test_serve__headers_are_capped(void **state)
{
  struct rig *rig = *state;
  struct client c;
  char *huge = malloc(300001);

  memset(huge, 'h', 300000);
  huge[300000] = '\0';
  ask(rig, &c, "GET / HTTP/1.1\r\nHost: h\r\nX: ", huge, "\r\n\r\n");
  assert_int_equal(rig->requests, 0);
  ask(rig, &c, "GET /", huge, " HTTP/1.1\r\nHost: h\r\n\r\n");
  assert_int_equal(rig->requests, 0);
  free(huge);
}

static void test_serve__chunked_upload(void **state)
{
  struct rig *rig = *state;
  struct client c;

  ask(rig, &c,
      "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
      "Connection: close\r\n\r\n3\r\nabc\r\n",
      "2\r\nde\r\n0\r", "\n\r\n");
  assert_has(c.heard, "200 OK");
  assert_has(c.heard, "\r\n\r\nabcde");
}

/* What stands before us may have read the other length. */
static void test_serve__two_lengths_are_refused(void **state)
{
  static const char *const bad[] = {
      "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
      "Transfer-Encoding: chunked\r\n\r\n",
      "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
      "Content-Length: 0\r\n\r\n"};
  struct rig *rig = *state;
  struct client c;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    ask(rig, &c, bad[i], "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
        NULL);
    assert_has(c.heard, "400 ");
  }
  assert_int_equal(rig->requests, 0);
}

static void test_serve__expect_100(void **state)
{
  struct rig *rig = *state;
  struct client c;

  ask(rig, &c,
      "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
      "Expect: 100-continue\r\nConnection: close\r\n\r\n",
      "abc", NULL);
  assert_has(c.heard, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK");
  assert_has(c.heard, "\r\n\r\nabc");
  ask(rig, &c,
      "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n"
      "Expect: 100-continue\r\n\r\n",
      NULL, NULL);
  assert_true(strncmp(c.heard, "HTTP/1.1 401 ", 13) == 0);
}

static void test_serve__kept_connection(void **state)
{
  struct rig *rig = *state;
  struct client c;

  ask(rig, &c,
      "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /refuse HTTP/1.1\r\nHost: h\r\n"
      "\r\n",
      "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", NULL);
  assert_int_equal(rig->requests, 3);
  assert_has(c.heard, "401 ");
  assert_has(c.heard, "Date: ");
}

static void test_serve__unwanted_body_ends(void **state)
{
  struct rig *rig = *state;
  struct client c = {0};

  c.says[0] = "POST /refuse HTTP/1.1\r\nHost: h\r\n"
              "Content-Length: 1000000000\r\n\r\n";
  c.flood = 300000000;
  client_start(rig, &c);
  client_wait(rig, &c);
  assert_int_equal(gw_serve_running(rig->server), 0);
}

static void test_serve__client_goes(void **state)
{
  struct rig *rig = *state;
  struct client c = {.says = {"GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"},
                     .hang_up = true};

  client_start(rig, &c);
  client_wait(rig, &c);
  assert_non_null(rig->kept);
  assert_true(gw_request_gone(rig->kept));
  gw_request_free(rig->kept);
  rig->kept = NULL;
  for (int i = 0; i < 5; i++)
    step(rig);
  assert_int_equal(gw_serve_running(rig->server), 0);
}

static void test_serve__server_goes_first(void **state)
{
  struct rig *rig = *state;
  struct client c = {.says = {"GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"}};
  char *data;
  size_t len;

  client_start(rig, &c);
  while (!rig->kept)
    step(rig);
  gw_serve_free(rig->server);
  rig->server = NULL;
  assert_true(gw_request_gone(rig->kept));
  assert_int_equal(gw_request_read(rig->kept, &data, &len), GW_REQUEST_END);
  assert_int_equal(gw_request_start(rig->kept, 200, NULL, NULL), 0);
  assert_int_equal(gw_request_write(rig->kept, "x", 1), GW_REQUEST_GONE);
  client_wait(rig, &c);
  assert_int_equal(c.len, 0);
}

static void test_serve__silence_is_closed(void **state)
{
  struct rig *rig = *state;
  struct client c;
  uint64_t began = gw_clock_ms();

  ask(rig, &c, "GET /half HT", NULL, NULL);
  assert_true(gw_clock_ms() - began < 28000); /* not by the client's limit */
  assert_int_equal(rig->requests, 0);
}

static void test_serve__connections_are_capped(void **state)
{
  struct rig *rig = *state;
  struct client c[6] = {{0}};
  int heard = 0;

  for (int i = 0; i < 6; i++) {
    c[i].says[0] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    client_start(rig, &c[i]);
  }
  for (int i = 0; i < 6; i++) {
    client_wait(rig, &c[i]);
    heard += c[i].len > 0;
  }
  assert_true(heard >= 4); /* the others wait, or are sent away */
}

static void test_serve__address_in_use(void **state)
{
  struct rig *rig = *state;
  struct gw_serve_opts opts = {.request = on_request,
                               .port = gw_serve_port(rig->server)};
  struct gw_server *second;
  struct gw_err err = {0};

  assert_int_equal(gw_serve_start(&second, rig->loop, &opts, &err), -1);
  assert_null(second);
  assert_has(err.message, "127.0.0.1:");
  opts.address = "localhost.invalid";
  assert_int_equal(gw_serve_start(&second, rig->loop, &opts, &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
      T(test_serve__nonsense_is_refused), T(test_serve__headers_are_capped),
      T(test_serve__chunked_upload),      T(test_serve__expect_100),
      T(test_serve__kept_connection),     T(test_serve__unwanted_body_ends),
      T(test_serve__client_goes),         T(test_serve__server_goes_first),
      T(test_serve__silence_is_closed),   T(test_serve__connections_are_capped),
      T(test_serve__address_in_use),      T(test_serve__two_lengths_are_refused),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
