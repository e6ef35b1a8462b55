#include "journal/rows.h"

#include <stdlib.h>

int gw_file_rows_init(struct gw_file_rows *rows, size_t count, const char *op,
                      struct gw_err *err)
{
  rows->count = 0;
  rows->rows = calloc(count ? count : 1, sizeof(*rows->rows));
  if (!rows->rows)
    return gw_err_set(err, GW_ENOMEM, op, "out of memory");
  rows->count = count;
  for (size_t i = 0; i < count; i++)
    rows->rows[i].size = -1;
  return 0;
}

void gw_file_rows_dispose(struct gw_file_rows *rows)
{
  for (size_t i = 0; i < rows->count; i++) {
    free(rows->rows[i].name);
    free(rows->rows[i].time);
    free(rows->rows[i].md5);
    free(rows->rows[i].sha256);
    free(rows->rows[i].written_at);
  }
  free(rows->rows);
  rows->rows = NULL;
  rows->count = 0;
}
