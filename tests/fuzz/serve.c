/*
 * serve: a client's request of any bytes leaves the server alive and its
 * requests well-formed.
 */
#include "fuzz.h"
#include "peer.h"

#include "net/serve.h"

static struct gw_loop *loop;
static struct gw_server *server;

static void answer(struct gw_request *r, bool whole)
{
  static const char *const headers[] = {"Content-Type: text/plain", NULL};

  if (whole) {
    (void)gw_request_respond(r, 200, headers, "page", 4, NULL);
  } else if (gw_request_start(r, 200, headers, NULL) == 0) {
    (void)gw_request_write(r, "page", 4);
    gw_request_finish(r);
  }
  gw_request_free(r);
}

static void on_more(void *arg)
{
  struct gw_request *r = arg;
  enum gw_request_state state;
  char *data;
  size_t len;

  while ((state = gw_request_read(r, &data, &len)) == GW_REQUEST_READY)
    free(data);
  if (state != GW_REQUEST_WAIT)
    answer(r, strcmp(gw_request_method(r), "POST") != 0);
}

static void check_headers(const char *lines)
{
  while (lines && *lines) {
    const char *end = strchr(lines, '\n');
    const char *colon = strchr(lines, ':');
    MUST(end && colon && colon < end);
    for (const char *p = lines; p < colon; p++)
      MUST(!(*p >= 'A' && *p <= 'Z'));
    lines = end + 1;
  }
}

static void on_request(void *arg, struct gw_request *r)
{
  (void)arg;
  MUST(gw_request_method(r) && gw_request_path(r) && gw_request_remote(r));
  (void)gw_request_query(r);
  check_headers(gw_request_headers(r));
  gw_request_watch(r, on_more, r);
  on_more(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (!loop) {
    struct gw_serve_opts opts = {.request = on_request};
    MUST(gw_loop_new(&loop, NULL) == 0);
    MUST(gw_serve_start(&server, loop, &opts, NULL) == 0);
  }
  (void)peer_ask(loop, gw_serve_port(server), data, size, 20);
  for (int i = 0; i < 100 && gw_serve_running(server) > 0; i++)
    MUST(gw_loop_step(loop, false, NULL) == 0);
  return 0;
}
