/*
 * rows: a growing list of what was found in a repository.
 */
#ifndef GW_GIT_ROWS_H
#define GW_GIT_ROWS_H

#include "git/git.h"

struct gw_row {
  char *path;           /* owned; NULL when rows have none */
  const char *word;     /* a constant: what kind of row */
  unsigned mode;        /* as in the tree, e.g. 0100644 */
  char id[GW_GIT_HEX];
  char tree[GW_GIT_HEX];
  int64_t number;       /* size or time */
};

struct gw_rows {
  struct gw_row *at;
  size_t count, cap;
};

/* A zeroed row at the end, or NULL. Past a million: GW_ELIMIT. */
struct gw_row *gw_rows_add(struct gw_rows *rows, const char *path,
                           struct gw_err *err);
void gw_rows_dispose(struct gw_rows *rows);

#endif
