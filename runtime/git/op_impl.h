/*
 * op_impl: what op.c, fetch.c, push.c and local.c share.
 */
#ifndef GW_GIT_OP_IMPL_H
#define GW_GIT_OP_IMPL_H

#include "git/internal.h"
#include "git/local.h"
#include "git/op.h"
#include "git/transport.h"

#include <pthread.h>

struct gw_git_op {
  struct gw_job job; /* first */
  int held;          /* loop thread */
  bool submitted, ended;
  void (*done)(void *arg);
  void *arg;
  const char *name;  /* "git.fetch" */
  int (*work)(struct gw_git_op *op, struct gw_err *err); /* worker */

  struct gw_store *store;
  struct gw_repo *repo; /* while work runs */
  struct gw_wire *wire; /* NULL: a local repository at path */
  char *path;
  struct gw_advert *advert;

  char commit[GW_GIT_HEX]; /* "": none */
  char **refs;             /* NULL ends */
  char *into;
  char *ref;
  char expected[GW_GIT_HEX]; /* "": must not exist */
  bool failed;
  bool in_doubt;
  const char *source; /* push.c's name of the commit, while it sends */
  void *answer; /* push.c's, while it waits for the server's */
  struct gw_err err;

  pthread_mutex_t lock; /* guards what follows */
  bool cancelled;
  struct gw_git_progress progress;
  struct gw_buf messages;
};

struct gw_git_op *gw_git_op_new(const char *name, struct gw_store *store,
                                const struct gw_git_remote *remote,
                                struct gw_advert *advert, struct gw_err *err);
int gw_git_op_submit(struct gw_git_op *op, const struct gw_git_env *env,
                     void (*done)(void *arg), void *arg, struct gw_err *err);

/* --- for a worker ------------------------------------------------------ */
/* libgit2's callbacks; payload is the op. They stop a cancelled one. */
int gw_git_on_transport(git_transport **out, git_remote *remote, void *op);
int gw_git_on_indexed(const git_indexer_progress *stats, void *op);
int gw_git_on_packed(int stage, uint32_t current, uint32_t total, void *op);
int gw_git_on_sideband(const char *text, int len, void *op);

/* After a failed call of libgit2: the wire's reason, or libgit2's. */
int gw_git_op_fail(struct gw_git_op *op, int code, struct gw_err *err);
int gw_git_new_remote(git_remote **out, struct gw_git_op *op,
                      struct gw_err *err);

/* The objects of `id` that `to` lacks, from one repository on this machine to
 * another: one pack, there when it is whole. */
int gw_git_copy_objects(struct gw_git_op *op, git_repository *from,
                        git_repository *to, const git_oid *id,
                        struct gw_err *err);

#endif
