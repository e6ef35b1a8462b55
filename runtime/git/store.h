/*
 * store: a bare repository on disk, ours alone while it is open.
 *
 * Threads:   a store may be used by several jobs at once: each takes its own
 *            repo from it. Everything here may run on any thread; open and
 *            take touch the disk and belong on a worker.
 * Ownership: reference counted; the lock is given back with the last one, or
 *            when the store is closed and no job is at work in it.
 */
#ifndef GW_GIT_STORE_H
#define GW_GIT_STORE_H

#include "git/git.h"

struct gw_store;
struct gw_repo; /* an open repository: one thread at a time */

struct gw_store_opts {
  bool create; /* make it (0700) if it is missing; with `lock` it is all
                  ours, and what a killed run left in it is removed */
  bool lock;   /* base/lock.h; GW_ELOCKED when another run has it */
};

/*
 * Opens a bare repository. A new one, and one that we lock, gets what our
 * stores need in its config (pack.deltaCacheSize=1 turns the delta search of
 * libgit2 1.5 off, which costs four times the CPU for one per cent of size).
 */
int gw_store_open(struct gw_store **out, const char *path,
                  const struct gw_store_opts *opts, struct gw_err *err);
struct gw_store *gw_store_ref(struct gw_store *store);
void gw_store_unref(struct gw_store *store); /* accepts NULL */
/* Nobody starts anything in it any more. What still runs keeps the lock. */
void gw_store_close(struct gw_store *store);
const char *gw_store_path(const struct gw_store *store);

/* A repo of this store: an idle one or a new one. */
int gw_store_take(struct gw_repo **out, struct gw_store *store,
                  struct gw_err *err);
void gw_store_give(struct gw_store *store, struct gw_repo *repo);

/* Without a store: opens, for one job. */
int gw_repo_open(struct gw_repo **out, const char *path, struct gw_err *err);
void gw_repo_free(struct gw_repo *repo); /* accepts NULL */

/* Refs. A missing ref is GW_ENOTFOUND. */
int gw_repo_ref(struct gw_repo *repo, const char *name, char id[GW_GIT_HEX],
                struct gw_err *err);

/*
 * Compare and swap. expected: NULL: whatever is there; "": must not exist;
 * else the id it must have. GW_ECONFLICT when it is different.
 */
int gw_repo_set_ref(struct gw_repo *repo, const char *name, const char *id,
                    const char *expected, struct gw_err *err);
int gw_repo_delete_ref(struct gw_repo *repo, const char *name,
                       const char *expected, struct gw_err *err);

/* Where HEAD points, as text; "" if nowhere. */
int gw_repo_head(struct gw_repo *repo, char *out, size_t size,
                 struct gw_err *err);
int gw_repo_set_head(struct gw_repo *repo, const char *name,
                     struct gw_err *err);
bool gw_repo_has(struct gw_repo *repo, const char *id);

#endif
