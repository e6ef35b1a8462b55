/*
 * db: what the stores of this room share around SQLite: opening a file that
 * lasts, its schema, and how a failure becomes an error.
 *
 * Threads: any; blocking.
 */
#ifndef GW_JOURNAL_DB_H
#define GW_JOURNAL_DB_H

#include "base/err.h"

#include <sqlite3.h>

/* How a store speaks of itself in errors. */
struct gw_db_about {
  const char *what; /* "the version map" */
  const char *open; /* "versionmap.open" */
};

/* Fills *err from the connection (NULL: no memory) and returns -1. */
int gw_db_fail(sqlite3 *db, const struct gw_db_about *about, const char *op,
               struct gw_err *err);

int gw_db_exec(sqlite3 *db, const char *sql, const struct gw_db_about *about,
               struct gw_err *err);

/* Makes folder (0700) and file (0600) if missing; WAL, and waits for others.
 * *out is filled for gw_db_fail's sake also when this fails: close it. */
int gw_db_open(sqlite3 **out, const char *path, const struct gw_db_about *about,
               struct gw_err *err);

/* Runs create, once, and remembers the version; a newer file is refused. */
int gw_db_schema(sqlite3 *db, int version, const char *create,
                 const struct gw_db_about *about, struct gw_err *err);

#endif
