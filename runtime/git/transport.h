/*
 * transport: carries libgit2's smart protocol over the loop's HTTP client.
 *
 * A wire is one conversation with one remote. libgit2 runs on a worker and
 * reads and writes two bounded rings; the exchange runs on the loop. The list
 * of references is never asked for here: it was read before (lsremote) and is
 * handed to libgit2 from memory.
 *
 * Threads:   new, cancel: loop. transport, failed: the worker. ref, unref:
 *            any, but the last unref must be on the loop thread.
 * Blocking:  the worker waits only for the loop. Stalls and cancelling are
 *            decided there, so it always comes back.
 */
#ifndef GW_GIT_TRANSPORT_H
#define GW_GIT_TRANSPORT_H

#include "git/git.h"
#include "git/pkt.h"
#include "net/http.h"

struct gw_wire;

struct gw_wire_opts {
  struct gw_loop *loop;
  struct gw_http *http;
  const struct gw_git_remote *remote; /* copied */
  struct gw_advert *advert;           /* a reference is taken */
  const char *op;                     /* "git.fetch"; a constant */
  long answer_ms;    /* from the last byte sent to the first of the answer */
  uint64_t max_down; /* bytes; 0: no limit */
};

int gw_wire_new(struct gw_wire **out, const struct gw_wire_opts *opts,
                struct gw_err *err);
struct gw_wire *gw_wire_ref(struct gw_wire *wire);
void gw_wire_unref(struct gw_wire *wire); /* accepts NULL */

/* Ends the exchange now and wakes the worker, which fails with GW_ECANCELLED
 * unless it had failed before. Also called when all is over. */
void gw_wire_cancel(struct gw_wire *wire);
bool gw_wire_cancelled(struct gw_wire *wire); /* any thread */

/* The git_transport_cb of git_remote_callbacks; its payload is the wire. */
struct git_transport;
struct git_remote;
int gw_wire_transport(struct git_transport **out, struct git_remote *remote,
                      void *wire);

/* The address libgit2 is told; never asked for. */
const char *gw_wire_url(const struct gw_wire *wire);

/* If the conversation itself failed: true, and *err says how. */
bool gw_wire_failed(struct gw_wire *wire, struct gw_err *err);

/* Whether a whole request has gone out and its answer did not come whole: the
 * server may have done what it asked for. */
bool gw_wire_in_doubt(struct gw_wire *wire);

/* Whether the server has all of the request. On the loop thread. */
bool gw_wire_uploaded(const struct gw_wire *wire);
void gw_wire_bytes(struct gw_wire *wire, uint64_t *up, uint64_t *down);

#endif
