/*
 * http_base: what many requests have in common, checked and composed once.
 */
#include "net/http_impl.h"

#include "base/fault.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What is put behind it must be the last segment of its path. */
static int check_path(const struct gw_exchange *x, struct gw_err *err)
{
  if (!x->url.query && x->url.path[strlen(x->url.path) - 1] == '/')
    return 0;
  return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                    "an address to put names behind ends with a slash: %.150s",
                    x->address);
}

int gw_http_base_new(struct gw_http_base **out, const struct gw_http_req *req,
                     struct gw_err *err)
{
  struct gw_http_base *base =
      gw_fault("http.base") ? NULL : calloc(1, sizeof(*base));
  struct gw_exchange x = {0};

  *out = NULL;
  if (!base)
    return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
  base->refs = 1;
  x.has_body = true; /* its lines do no harm where there is none */
  if (gw_http_copy_common(&x, req, err) != 0 || check_path(&x, err) != 0) {
    gw_http_drop_common(&x);
    free(base);
    return -1;
  }
  base->url = x.url;
  base->address = x.address;
  base->where = x.where;
  base->headers = x.headers;
  base->len = strlen(base->address);
  *out = base;
  return 0;
}

void gw_http_base_unref(struct gw_http_base *base)
{
  struct gw_exchange x = {0};

  if (!base || --base->refs > 0)
    return;
  x.url = base->url;
  x.address = base->address;
  x.where = base->where;
  x.headers = base->headers;
  gw_http_drop_common(&x);
  free(base);
}

/* One segment of a path, as it goes out: nothing in it ends the path. */
static bool is_segment(const char *text)
{
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (!(c < 0x80 && isalnum(c)) && !strchr("-._~%", c))
      return false;
  }
  return true;
}

int gw_http_share(struct gw_exchange *x, const struct gw_http_req *req,
                  struct gw_err *err)
{
  struct gw_http_base *base = req->base;
  size_t tail = strlen(req->url);

  if (!is_segment(req->url))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "not a segment of an address: %.100s", req->url);
  x->address = malloc(base->len + tail + 1);
  if (!x->address)
    return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
  memcpy(x->address, base->address, base->len);
  memcpy(x->address + base->len, req->url, tail + 1);
  base->refs++;
  x->base = base;
  x->url = base->url;
  x->url.path = x->address + base->len - strlen(base->url.path);
  x->where = base->where;
  x->headers = base->headers;
  return 0;
}
