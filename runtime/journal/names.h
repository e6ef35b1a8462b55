/*
 * names: the names of a listing, to compare another one with, in a few MB of
 * memory however many they are.
 *
 * A temporary SQLite table in a file that nobody else can open and that is
 * gone with the process. It is in TMPDIR, or /var/tmp.
 *
 * Threads: any; blocking; one call at a time enters the table.
 * Failure: a table that could not be written is of no use any more: every
 *          later call fails, too.
 */
#ifndef GW_JOURNAL_NAMES_H
#define GW_JOURNAL_NAMES_H

#include "journal/rows.h"

struct gw_names;

/* Faults: names.open, names.put (ENOSPC), names.take. */
int gw_names_open(struct gw_names **out, struct gw_err *err);
void gw_names_close(struct gw_names *names); /* accepts NULL */

/* Adds name, size and time; a name that is there is replaced. *added is how
 * many were not. */
int gw_names_put(struct gw_names *names, const struct gw_file_rows *rows,
                 size_t *added, struct gw_err *err);

/* Fills in size, time, found and again of each row, and marks its name as
 * taken, whether it was put or not. */
int gw_names_take(struct gw_names *names, struct gw_file_rows *rows,
                  struct gw_err *err);

/* At most limit names behind `after` (NULL: from the first) that were put and
 * never taken, in the order of their bytes. */
int gw_names_rest(struct gw_names *names, const char *after, size_t limit,
                  struct gw_file_rows *out, struct gw_err *err);

/* Of what `rest` gives, but for names with that time (NULL: none): how many,
 * and the sum of the sizes that are known. Servers say these: a sum stays at
 * its largest, which still has room for others to be added to it. */
#define GW_NAMES_SUM_MAX ((uint64_t)1 << 62)
int gw_names_sum(struct gw_names *names, const char *but, uint64_t *count,
                 uint64_t *bytes, struct gw_err *err);

/* How many were put, and how many of these were taken. */
void gw_names_count(struct gw_names *names, size_t *all, size_t *taken);

#endif
