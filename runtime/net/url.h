/*
 * url: what godwit needs to know of an address, by libcurl's own parser.
 */
#ifndef GW_NET_URL_H
#define GW_NET_URL_H

#include "base/buf.h"

struct gw_url {
  char *scheme;   /* lower case: "http" or "https", nothing else is accepted */
  char *user;     /* decoded; NULL if none */
  char *password; /* decoded; NULL if none */
  char *host;     /* lower case; IPv6 with brackets */
  int port;       /* the scheme's default if none was written */
  char *path;     /* as written, at least "/" */
  char *query;    /* as written without '?'; NULL if none */
};

int gw_url_parse(struct gw_url *url, const char *text, struct gw_err *err);
void gw_url_dispose(struct gw_url *url);

/* "https://host:port", the port always written. */
int gw_url_origin(const struct gw_url *url, struct gw_buf *out,
                  struct gw_err *err);

/* `location` seen from `base`, as a whole address. */
int gw_url_resolve(const char *base, const char *location, struct gw_buf *out,
                   struct gw_err *err);

/* 127.0.0.0/8, [::1] or localhost. */
bool gw_url_is_loopback(const struct gw_url *url);

#endif
