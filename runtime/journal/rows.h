/*
 * rows: files of a collection as the stores of this room know them, a batch
 * at a time.
 */
#ifndef GW_JOURNAL_ROWS_H
#define GW_JOURNAL_ROWS_H

#include "base/err.h"

#include <stdint.h>

struct gw_file_row { /* NULL and -1: not known */
  char *name;
  int64_t size;
  char *time; /* as the listing spells it; of what we wrote: when we began */
  char *md5;  /* lower case hex; the ledger's from here */
  char *sha256;
  char *written_at; /* the server's date when we had written it */
  bool found;       /* take, get: there is such a row */
  bool again;       /* take: it had been taken before */
};

struct gw_file_rows {
  struct gw_file_row *rows;
  size_t count;
};

/* Room for count empty rows. */
int gw_file_rows_init(struct gw_file_rows *rows, size_t count, const char *op,
                      struct gw_err *err);
void gw_file_rows_dispose(struct gw_file_rows *rows);

#endif
