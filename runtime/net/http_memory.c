/*
 * http_memory: how much the bodies of all requests and answers may take
 * together. Each has its own cap; how many there are at once is a script's to
 * say, and its own memory is bounded, too.
 */
#include "net/http_impl.h"

static size_t most, used;

void gw_http_memory(size_t bytes)
{
  most = bytes;
}

int gw_http_hold(struct gw_exchange *x, size_t len, struct gw_err *err)
{
  if (most && (used > most || len > most - used))
    return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP,
                      "the bodies of requests and answers have %zu bytes of "
                      "memory together, and that is used up",
                      most);
  used += len;
  x->held += len;
  return 0;
}

void gw_http_let_go(struct gw_exchange *x)
{
  used -= x->held;
  x->held = 0;
}
