/*
 * url: an address that is taken has an origin that means the same, and what
 * is resolved from it is either an address, too, or refused.
 */
#include "fuzz.h"

#include "net/url.h"

static void check_origin(const struct gw_url *url)
{
  struct gw_buf origin = GW_BUF_INIT;
  struct gw_url again;

  MUST(url->scheme && url->host && url->path);
  MUST(strcmp(url->scheme, "http") == 0 || strcmp(url->scheme, "https") == 0);
  MUST(url->host[0] && url->path[0] == '/');
  MUST(url->port > 0 && url->port < 65536);
  for (const char *p = url->host; *p; p++)
    MUST((unsigned char)*p > ' ' && !strchr("/?#@\\\"<>", *p));
  MUST(gw_url_origin(url, &origin, NULL) == 0);
  MUST(gw_url_parse(&again, origin.data, NULL) == 0);
  MUST(strcmp(again.scheme, url->scheme) == 0);
  MUST(strcmp(again.host, url->host) == 0);
  MUST(again.port == url->port);
  MUST(!again.user && !again.password);
  if (gw_url_is_loopback(url))
    MUST(strncmp(url->host, "127.", 4) == 0 ||
         strcmp(url->host, "[::1]") == 0 ||
         strcmp(url->host, "localhost") == 0);
  gw_url_dispose(&again);
  gw_buf_dispose(&origin);
}

/* The input is an address, a line end and a Location. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = fuzz_text(data, size);
  char *location = strchr(text, '\n');
  struct gw_buf out = GW_BUF_INIT;
  struct gw_url url, next;

  if (location)
    *location++ = '\0';
  if (gw_url_parse(&url, text, NULL) == 0) {
    check_origin(&url);
    gw_url_dispose(&url);
  }
  if (location && gw_url_resolve(text, location, &out, NULL) == 0) {
    MUST(strlen(out.data) == out.len);
    if (gw_url_parse(&next, out.data, NULL) == 0) {
      check_origin(&next);
      gw_url_dispose(&next);
    }
  }
  gw_buf_dispose(&out);
  free(text);
  return 0;
}
