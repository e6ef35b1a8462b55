#include "git/rows.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1000000

struct gw_row *gw_rows_add(struct gw_rows *rows, const char *path,
                           struct gw_err *err)
{
  if (rows->count >= ROWS_MAX) {
    gw_err_set(err, GW_ELIMIT, "git", "more than %d entries", ROWS_MAX);
    return NULL;
  }
  if (rows->count == rows->cap) {
    size_t cap = rows->cap ? rows->cap * 2 : 32;
    struct gw_row *more = realloc(rows->at, cap * sizeof(*more));
    if (!more)
      goto nomem;
    rows->at = more;
    rows->cap = cap;
  }
  struct gw_row *row = &rows->at[rows->count];
  memset(row, 0, sizeof(*row));
  if (path && !(row->path = strdup(path)))
    goto nomem;
  rows->count++;
  return row;
nomem:
  gw_err_set(err, GW_ENOMEM, "git", "out of memory");
  return NULL;
}

void gw_rows_dispose(struct gw_rows *rows)
{
  for (size_t i = 0; i < rows->count; i++)
    free(rows->at[i].path);
  free(rows->at);
  *rows = (struct gw_rows){0};
}
