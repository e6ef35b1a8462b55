/*
 * http: one HTTP exchange on the loop's multi handle.
 *
 * Threads:   loop thread only.
 * Ownership: gw_http_start copies the request. The exchange is the caller's
 *            until gw_http_free, which ends a running one without callbacks.
 * Policy:    redirects are never followed, nothing is ever repeated: that is
 *            decided above. Refused before anything is sent: what the guard or
 *            the secret's origins forbid, other schemes than http and https.
 */
#ifndef GW_NET_HTTP_H
#define GW_NET_HTTP_H

#include "async/loop.h"
#include "net/guard.h"
#include "net/secret.h"

struct gw_http;     /* the client: loop, guard, connection cache */
struct gw_exchange; /* one request and its answer */
struct gw_http_base; /* what many requests have in common */

struct gw_http_tls { /* all may be NULL; paths */
  const char *ca;    /* own CA bundle, instead of the system's */
  const char *cert, *key;
  bool insecure;
};

/* A piece of a body: bytes, or a secret, sent as a JSON string. */
struct gw_http_part {
  const void *bytes; /* NULL: the secret */
  size_t len;
  struct gw_secret *secret;
};

struct gw_http_req {
  const char *method;
  const char *url;
  const char *const *headers; /* "Name: value", NULL ends; NULL: none */
  struct gw_secret *auth;     /* NULL: none */
  const char *auth_scheme;    /* see gw_secret_header */
  const char *auth_header;    /* NULL: "Authorization" */
  const char *auth_user;
  /* If given, url is one more segment of its address, percent-encoded, and
   * headers and auth are its own. */
  struct gw_http_base *base;

  /* Body: none, bytes, parts, a file, or pulled. */
  const void *body;
  size_t body_len;
  const struct gw_http_part *parts;
  size_t part_count;
  const char *body_file;
  /* Pulled: fill up to len bytes; return bytes, 0 at the end, -1 for "not
   * now" (then gw_http_resume) and -2 to abort. Sent chunked unless body_len
   * is set. */
  ssize_t (*pull)(void *arg, char *out, size_t len);

  /* Answer: collected in memory up to max_body, or to a file (temp + rename
   * when complete; only for 2xx), or handed over. */
  size_t max_body; /* 0: 64 MiB; also the cap of a file */
  const char *sink_file;
  /* Handed over: return len, or -1 for "not now" (then gw_http_resume; the
   * same bytes come again) or -2 to abort. Headers are complete by then. */
  ssize_t (*push)(void *arg, const char *data, size_t len);
  bool push_any_status; /* else non-2xx is collected (64 KiB), not pushed */

  void (*done)(void *arg); /* once, from the loop; see gw_http_result */
  void *arg;

  long connect_ms;     /* 0: 30 000 */
  long stall_ms;       /* no byte in either direction; 0: 60 000 */
  long total_ms;       /* 0: none */
  long answer_ms;      /* instead of stall_ms from the last request byte to
                          the first answer byte; 0: as stall_ms */
  long rest_ms;        /* instead of stall_ms once the answer has begun, for
                          servers that work while they answer; 0: stall_ms */
  struct gw_http_tls tls;
  const char *proxy;   /* NULL: from the environment; "": none */
  const char *no_proxy;
  size_t buffer;       /* curl's, for each direction; 0: 256 KiB */
  bool fresh;          /* a new connection, not a kept one */
  bool facts;          /* also tells what the connection was like; goes with
                          `fresh`, a kept one shows no certificate */
};

/* What a connection was like, as far as it came. */
struct gw_http_facts {
  bool resolved, connected, secured; /* name, TCP, TLS */
  char ip[46]; /* of the peer: a proxy, if there is one; may be empty */
  long port;
  long proxy_status;       /* the answer to CONNECT; 0: none */
  long verify;             /* what OpenSSL found (X509_V_…, 62: another name); 0:
                              nothing */
  char tls[16];            /* "TLSv1.3"; empty: none, or refused */
  const char *certificate; /* the server's: "name: value\n" lines of subject,
                              issuer, start, end, names; empty: not seen */
};

struct gw_http_result {
  long status;             /* 0: no answer */
  const char *headers;     /* "name: value\n" lines, names lower case */
  const char *body;        /* collected bytes, NUL terminated */
  size_t body_len;
  bool sent;               /* the request may have reached the server */
  uint64_t bytes_up, bytes_down;
  const struct gw_http_facts *facts; /* NULL: not asked for */
  struct gw_err err;       /* kind GW_OK when an answer came whole */
};

int gw_http_new(struct gw_http **out, struct gw_loop *loop,
                struct gw_guard *guard, struct gw_err *err);
/* Bytes of all bodies in memory together, sent and received; 0: no bound. What
 * a script asks for must not be all that the machine has. */
void gw_http_memory(size_t most);
/* The same for another guard; freed before `other`. */
int gw_http_new_beside(struct gw_http **out, struct gw_http *other,
                       struct gw_guard *guard, struct gw_err *err);
void gw_http_free_client(struct gw_http *http);

/* From url, headers and auth of a request: checked and composed once, shared
 * by those that name it. Held by them, too. */
int gw_http_base_new(struct gw_http_base **out, const struct gw_http_req *req,
                     struct gw_err *err);
void gw_http_base_unref(struct gw_http_base *base); /* accepts NULL */

int gw_http_start(struct gw_exchange **out, struct gw_http *http,
                  const struct gw_http_req *req, struct gw_err *err);
/* Valid once done was called, until gw_http_free. */
const struct gw_http_result *gw_http_result(const struct gw_exchange *x);
/* The status line and headers so far (from push). */
long gw_http_status(const struct gw_exchange *x);
const char *gw_http_headers(const struct gw_exchange *x);
/* Whether the server may have seen the request, at any time. */
bool gw_http_sent(const struct gw_exchange *x);
/* Whether all of the request was handed to the network. */
bool gw_http_uploaded(const struct gw_exchange *x);
void gw_http_resume(struct gw_exchange *x); /* after a "not now" */
void gw_http_free(struct gw_exchange *x);   /* accepts NULL */

#endif
