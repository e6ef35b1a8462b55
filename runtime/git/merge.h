/*
 * merge: three trees made into one, in memory, without a work tree.
 *
 * Threads: a worker, with a repo of its own.
 */
#ifndef GW_GIT_MERGE_H
#define GW_GIT_MERGE_H

#include "git/store.h"

/* What a side did to a path since the base: constants of merge.c. "none"
 * "added" "deleted" "changed" "mode", or what it was turned into: "link"
 * "file" "submodule" "folder". */
struct gw_conflict {
  char *path; /* owned */
  const char *ours, *theirs;
  bool binary; /* its contents cannot be merged line by line */
};

struct gw_conflicts {
  struct gw_conflict *at; /* sorted by path */
  size_t count, cap;
};

/*
 * Merges what `ours` and `theirs` did since `base` ("": the empty tree).
 * Without a conflict out is the merged tree's id; else out is "" and the
 * conflicts are listed.
 *
 * The trees are walked here and libgit2 merges contents only: its own merge of
 * trees (1.5) loses a file that one side put in the place of a folder in which
 * the other made a new file, and merges where two links point as if that were
 * a text. Renames are not looked for: a guess by likeness could put one side's
 * change into a file the other side never meant. A file moved here and changed
 * there is a conflict, then. Contents are merged by lines that do not touch;
 * attributes and drivers have no say; binary files, files over 64 MiB and
 * links are never merged. Fault: git.merge.
 */
int gw_tree_merge(struct gw_repo *repo, const char *base, const char *ours,
                  const char *theirs, char out[GW_GIT_HEX],
                  struct gw_conflicts *conflicts, struct gw_err *err);

void gw_conflicts_dispose(struct gw_conflicts *conflicts);

#endif
