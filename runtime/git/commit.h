/*
 * commit: reading commits, making them, walking first parents.
 *
 * Making one is a pure function of its parts: no clock, no configuration, no
 * environment. The same parts give the same id in any store.
 *
 * Threads: a worker, with a repo of its own.
 */
#ifndef GW_GIT_COMMIT_H
#define GW_GIT_COMMIT_H

#include "git/rows.h"
#include "git/store.h"

struct gw_person {
  char *name, *email; /* owned */
  int64_t time;       /* seconds since 1970 */
  int offset;         /* minutes east of UTC */
};

struct gw_commit {
  char id[GW_GIT_HEX];
  char tree[GW_GIT_HEX];
  char (*parents)[GW_GIT_HEX]; /* owned */
  size_t parent_count;
  struct gw_person author, committer;
  char *message;  /* owned */
  char *encoding; /* owned; NULL: UTF-8 */
};

int gw_commit_read(struct gw_repo *repo, const char *id, struct gw_commit *out,
                   struct gw_err *err);
/* Writes it; its id is filled in. Tree and parents must be in the store. */
int gw_commit_write(struct gw_repo *repo, struct gw_commit *commit,
                    struct gw_err *err);
void gw_commit_dispose(struct gw_commit *commit);

/* First parents from `id` on, newest first, at most `limit` (0: all): rows
 * with id, tree and the committer's time. */
int gw_commit_history(struct gw_repo *repo, const char *id, size_t limit,
                      struct gw_rows *rows, struct gw_err *err);

/* Whether `old` is `id` or an ancestor of it. */
int gw_commit_contains(struct gw_repo *repo, const char *id, const char *old,
                       bool *is, struct gw_err *err);

#endif
