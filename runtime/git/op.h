/*
 * op: one fetch or one push, from its start on the loop to its result there;
 * in between it runs on a worker.
 *
 * Threads:   all functions on the loop thread, but for those that say so.
 * Ownership: reference counted; the running job holds one. Freeing a running
 *            one cancels it: its end is then seen by nobody.
 */
#ifndef GW_GIT_OP_H
#define GW_GIT_OP_H

#include "async/pool.h"
#include "base/buf.h"
#include "git/git.h"
#include "git/pkt.h"
#include "git/store.h"
#include "net/http.h"

struct gw_git_op;

struct gw_git_env {
  struct gw_loop *loop;
  struct gw_http *http;
  struct gw_pool *pool;
  struct gw_guard *guard;
};

struct gw_fetch_opts {
  struct gw_store *store;
  const struct gw_git_remote *remote;
  struct gw_advert *advert; /* of upload-pack; not needed with a path */
  const char *commit;       /* NULL: no certain one */
  const char *const *refs;  /* full names, NULL ends; NULL: what holds the
                               commit, or all branches and tags */
  const char *into;         /* where they are kept: "refs/godwit/KEY" */
  uint64_t max_bytes;       /* 0: 4 GiB */
};

struct gw_push_opts {
  struct gw_store *store;
  const struct gw_git_remote *remote;
  struct gw_advert *advert; /* of receive-pack; not needed with a path */
  const char *commit;
  const char *ref;
  const char *expected; /* NULL: the ref must not exist */
  long answer_ms;       /* 0: 1 800 000 */
};

struct gw_git_progress {
  uint64_t objects, total; /* received or packed, of how many */
  uint64_t bytes_up, bytes_down;
  bool sent; /* all of the request: the server is at work on it */
};

int gw_fetch_start(struct gw_git_op **out, const struct gw_git_env *env,
                   const struct gw_fetch_opts *opts, void (*done)(void *arg),
                   void *arg, struct gw_err *err);
int gw_push_start(struct gw_git_op **out, const struct gw_git_env *env,
                  const struct gw_push_opts *opts, void (*done)(void *arg),
                  void *arg, struct gw_err *err);

/* Cancels what runs; done is not called any more. */
void gw_git_op_cancel(struct gw_git_op *op);
void gw_git_op_free(struct gw_git_op *op); /* accepts NULL */
bool gw_git_op_ended(const struct gw_git_op *op);

/* 0, or -1 and why. */
int gw_git_op_result(const struct gw_git_op *op, struct gw_err *err);
/* A push that failed may have been done by the server all the same. */
bool gw_git_op_in_doubt(const struct gw_git_op *op);

void gw_git_op_progress(struct gw_git_op *op, struct gw_git_progress *out);
/* What the server said (sideband) beyond the first `from` bytes is appended
 * to out; at most 1 MiB of it is kept. */
int gw_git_op_messages(struct gw_git_op *op, size_t from, struct gw_buf *out,
                       struct gw_err *err);

#endif
