/*
 * tree: reading trees and blobs, and writing new trees without a checkout.
 *
 * Threads: a worker, with a repo of its own.
 */
#ifndef GW_GIT_TREE_H
#define GW_GIT_TREE_H

#include "base/buf.h"
#include "git/rows.h"
#include "git/store.h"

/* All entries below a tree but the trees themselves, in Git's order; word is
 * "file", "link" or "submodule". Sizes cost a look at each blob. */
int gw_tree_entries(struct gw_repo *repo, const char *tree, bool sizes,
                    struct gw_rows *rows, struct gw_err *err);

/* The blob at a path; GW_ENOTFOUND when there is none, GW_ELIMIT past max. */
int gw_tree_read(struct gw_repo *repo, const char *tree, const char *path,
                 size_t max, struct gw_buf *out, struct gw_err *err);
int gw_blob_read(struct gw_repo *repo, const char *id, size_t max,
                 struct gw_buf *out, struct gw_err *err);
int gw_blob_write(struct gw_repo *repo, const void *data, size_t len,
                  char id[GW_GIT_HEX], struct gw_err *err);

/*
 * Refuses what must not travel: names that are no ordinary file names (".git"
 * in any spelling, "..", with '/'), unknown modes, entries twice or out of
 * order, missing objects. One sentence names the path.
 */
int gw_tree_check(struct gw_repo *repo, const char *tree, struct gw_err *err);

/* What must be known before a promotion: word "lfs" for pointers of Git LFS,
 * "submodule" for links to other repositories. */
int gw_tree_scan(struct gw_repo *repo, const char *tree, struct gw_rows *rows,
                 struct gw_err *err);

/* Files: word is "added", "deleted", "modified" or "mode". NULL is empty. */
int gw_tree_diff(struct gw_repo *repo, const char *a, const char *b,
                 struct gw_rows *rows, struct gw_err *err);

struct gw_edit {
  char *path;
  bool remove;     /* a file, or a folder with all in it */
  unsigned mode;   /* 0: as it is, 0100644 if new */
  const char *id;  /* an object that is there, instead of data */
  const char *data;
  size_t len;
};

/*
 * The tree with the edits done, written. Removing what is not there is
 * GW_ENOTFOUND; a file where a folder is needed is GW_ECONFLICT unless an
 * edit removes it. A folder that gets empty goes. "" is the empty tree. The
 * edits are sorted.
 */
int gw_tree_edit(struct gw_repo *repo, const char *tree, struct gw_edit *edits,
                 size_t count, char out[GW_GIT_HEX], struct gw_err *err);

#endif
