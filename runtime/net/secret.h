/*
 * secret: a text that may go to certain origins, as a credential, and nowhere
 * else. Making one adds it to the output filter.
 *
 * Threads: made and freed on the loop thread; reference counted, the count is
 * atomic. The text is wiped when the last reference goes.
 */
#ifndef GW_NET_SECRET_H
#define GW_NET_SECRET_H

#include "net/url.h"

struct gw_secret;

struct gw_secret *gw_secret_new(const char *text, size_t len,
                                const char *label, struct gw_err *err);
/* The same text, bound to no origin yet. */
struct gw_secret *gw_secret_copy(const struct gw_secret *secret,
                                 struct gw_err *err);
struct gw_secret *gw_secret_ref(struct gw_secret *secret);
void gw_secret_unref(struct gw_secret *secret); /* accepts NULL */

/* Allows an origin ("https://host:port"). */
int gw_secret_allow(struct gw_secret *secret, const char *origin,
                    struct gw_err *err);

/* How it is sent where the request does not say: scheme and user name of
 * gw_secret_header. Either may be NULL. */
int gw_secret_manner(struct gw_secret *secret, const char *scheme,
                     const char *user, struct gw_err *err);

/* The proxy of the secret's profile: that one may even end the TLS connection
 * with a certificate of its own; see check_tunnel in http_setup.c. */
int gw_secret_allow_proxy(struct gw_secret *secret, const char *proxy,
                          struct gw_err *err);
bool gw_secret_knows_proxy(const struct gw_secret *secret, const char *proxy);

/* GW_EDENIED unless the url's origin is allowed and is https or loopback. */
int gw_secret_check(const struct gw_secret *secret, const struct gw_url *url,
                    struct gw_err *err);

/* A header value; scheme NULL: the secret's own, else "Bearer". "Simple" or "Bearer" or any word: "WORD text"; "":
 * the bare text; "Basic": base64 of user:text. The buffer is wiped by the
 * caller. Only net/http.c calls this, after gw_secret_check. */
int gw_secret_header(const struct gw_secret *secret, const char *scheme,
                     const char *user, struct gw_buf *out,
                     struct gw_err *err);
/* The text as a JSON string, quotes included, written to `out` when that is
 * not NULL; *len is its length either way. GW_EUSAGE when it is not UTF-8.
 * Only net/http_setup.c calls this, after gw_secret_check. */
int gw_secret_json(const struct gw_secret *secret, char *out, size_t *len,
                   struct gw_err *err);
/* The text, for a private file of the user's own, and its length. Only
 * lua/secret.c calls these, in save. */
size_t gw_secret_length(const struct gw_secret *secret);
int gw_secret_append(const struct gw_secret *secret, struct gw_buf *out,
                     struct gw_err *err);
/* When it ends, if it is a token that says so; see jwt.h. */
bool gw_secret_expiry(const struct gw_secret *secret, double *out);
const char *gw_secret_label(const struct gw_secret *secret);

#endif
