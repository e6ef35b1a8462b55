/*
 * http: a server's answer of any bytes ends the exchange, either with an
 * answer whose headers are well-formed lines or with an error of one line.
 */
#include "fuzz.h"
#include "peer.h"

#include "net/http.h"

static struct gw_loop *loop;
static struct gw_http *http;
static struct peer_server *server;

static void set_up(void)
{
  struct gw_guard *guard;

  MUST(gw_loop_new(&loop, NULL) == 0);
  guard = gw_guard_new(NULL);
  MUST(guard);
  MUST(gw_http_new(&http, loop, guard, NULL) == 0);
  server = peer_listen(loop);
}

static void on_done(void *arg)
{
  *(bool *)arg = true;
}

static void check_headers(const char *lines)
{
  while (lines && *lines) {
    const char *end = strchr(lines, '\n');
    const char *colon = strchr(lines, ':');
    MUST(end && colon && colon < end && colon > lines);
    MUST(colon[1] == ' ');
    for (const char *p = lines; p < colon; p++)
      MUST((unsigned char)*p > ' ' && !(*p >= 'A' && *p <= 'Z'));
    for (const char *p = colon; p < end; p++)
      MUST(*p != '\r');
    lines = end + 1;
  }
}

static void check_result(const struct gw_http_result *r)
{
  if (r->err.kind != GW_OK) {
    MUST(r->err.message[0] && !strpbrk(r->err.message, "\r\n"));
    return;
  }
  MUST(r->status >= 200 && r->status <= 999);
  MUST(strlen(r->body) <= r->body_len && r->body[r->body_len] == '\0');
  MUST(r->body_len <= 100000);
  check_headers(r->headers);
}

/* The first byte chooses the method, and the address: 127.0.0.x in turn, so
 * that ports do not run out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static unsigned turn;
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT"};
  struct gw_http_req req = {.max_body = 100000, .stall_ms = 2000};
  struct gw_exchange *x = NULL;
  bool ended = false;
  char url[64];

  if (!loop)
    set_up();
  if (size == 0)
    return 0;
  (void)snprintf(url, sizeof(url), "http://127.0.%u.%u:%d/x", turn / 200 % 200,
                 turn % 200 + 1, peer_port(server));
  turn++;
  req.method = methods[data[0] % 4];
  req.url = url;
  req.proxy = "";
  if (data[0] % 4 > 1) {
    req.body = "body";
    req.body_len = 4;
  }
  req.fresh = true;
  req.done = on_done;
  req.arg = &ended;
  peer_say(server, data + 1, size - 1);
  MUST(gw_http_start(&x, http, &req, NULL) == 0);
  while (!ended)
    MUST(gw_loop_step(loop, true, NULL) == 0);
  check_result(gw_http_result(x));
  gw_http_free(x);
  peer_drop(server);
  return 0;
}
