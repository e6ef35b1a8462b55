/*
 * ledger: digests of files in collections, remembered from run to run.
 *
 * A place is a text that names a collection ("CLUSTER-ID OWNER/COLLECTION").
 * A row says what a file had in it when its size and time were such, or when
 * we had written it at that date; who asks decides whether that still counts.
 * What is lost of it (a power cut, the file removed) is read again.
 *
 * Threads: any; blocking; one call at a time enters the store. Several
 * processes may have it open.
 */
#ifndef GW_JOURNAL_LEDGER_H
#define GW_JOURNAL_LEDGER_H

#include "journal/rows.h"

struct gw_ledger;

/* Makes folder (0700) and file (0600) if missing. Faults: ledger.open,
 * ledger.put (ENOSPC), ledger.get. */
int gw_ledger_open(struct gw_ledger **out, const char *path,
                   struct gw_err *err);
void gw_ledger_close(struct gw_ledger *ledger); /* accepts NULL */

/* A row takes the place of what was known of that name, whole. A digest that
 * is none is GW_EUSAGE. */
int gw_ledger_put(struct gw_ledger *ledger, const char *place,
                  const struct gw_file_rows *rows, struct gw_err *err);

/* Fills in what is known of each row's name, and found. */
int gw_ledger_get(struct gw_ledger *ledger, const char *place,
                  struct gw_file_rows *rows, struct gw_err *err);

/* rows NULL: all of that place. */
int gw_ledger_forget(struct gw_ledger *ledger, const char *place,
                     const struct gw_file_rows *rows, struct gw_err *err);

#endif
