/*
 * serve: an HTTP server on the loop, for the sandbox. No threads: the
 * server's epoll descriptor is one of the loop's.
 *
 * Threads:   loop thread only.
 * Ownership: a request is its handler's from `request` until gw_request_free.
 *            It outlives its connection and its server; calls on it then say
 *            "gone". The server is its maker's.
 * Callbacks: `request` and `changed` run while the server is at work: they
 *            may call everything below but gw_serve_free.
 */
#ifndef GW_NET_SERVE_H
#define GW_NET_SERVE_H

#include "async/loop.h"

#include <sys/types.h>

struct gw_server;
struct gw_request;

struct gw_serve_opts {
  const char *address; /* numeric; NULL: 127.0.0.1 */
  int port;            /* 0: a free one */
  unsigned connections; /* at most; 0: 512 */
  unsigned idle_s;      /* a silent connection is closed; 0: 75 */
  /* The headers of a request came; its body may follow. */
  void (*request)(void *arg, struct gw_request *request);
  /* No request is running any more (see gw_serve_quiesce). May be NULL. */
  void (*idle)(void *arg);
  void *arg;
};

int gw_serve_start(struct gw_server **out, struct gw_loop *loop,
                   const struct gw_serve_opts *opts, struct gw_err *err);
int gw_serve_port(const struct gw_server *server);
/* Requests that have not been answered to their last byte. */
size_t gw_serve_running(const struct gw_server *server);
void gw_serve_quiesce(struct gw_server *server); /* takes no new connection */
void gw_serve_free(struct gw_server *server); /* cuts what runs; NULL is ok */

/* --- what was asked ---------------------------------------------------- */
const char *gw_request_method(const struct gw_request *r);
const char *gw_request_path(const struct gw_request *r);  /* as received */
const char *gw_request_query(const struct gw_request *r); /* or NULL */
const char *gw_request_remote(const struct gw_request *r); /* "addr:port" */
/* "name: value\n" lines, names lower case, repeated ones joined by ", ". */
const char *gw_request_headers(const struct gw_request *r);

/* Called when one of the calls below would now say something else. */
void gw_request_watch(struct gw_request *r, void (*changed)(void *arg),
                      void *arg);

enum gw_request_state {
  GW_REQUEST_READY, /* *data holds bytes, or the write was taken */
  GW_REQUEST_WAIT,  /* not now: wait for `changed` */
  GW_REQUEST_END,   /* the body is over */
  GW_REQUEST_GONE   /* the connection is */
};

/* Takes what came of the body; *data is the caller's to free. While nobody
 * takes, the client is not read from. */
enum gw_request_state gw_request_read(struct gw_request *r, char **data,
                                      size_t *len);

/* --- the answer -------------------------------------------------------- */
/* Headers are "Name: value", NULL ends. A Content-Length given to start is
 * kept; without one the answer is sent in chunks. */
int gw_request_respond(struct gw_request *r, int status,
                       const char *const *headers, const void *body,
                       size_t len, struct gw_err *err);
int gw_request_start(struct gw_request *r, int status,
                     const char *const *headers, struct gw_err *err);
/* All of the bytes or (WAIT) none. A write larger than the buffer is taken
 * when it is empty. */
enum gw_request_state gw_request_write(struct gw_request *r, const void *data,
                                       size_t len);
void gw_request_finish(struct gw_request *r);
bool gw_request_answered(const struct gw_request *r); /* responded, started */
/* The client went away. Looks at the connection, so that it is noticed while
 * the answer is still being made. */
bool gw_request_gone(struct gw_request *r);

/* The handler is done with it. An answer that was not finished is cut, so
 * that the client sees it. Accepts NULL. */
void gw_request_free(struct gw_request *r);

#endif
