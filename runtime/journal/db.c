#include "journal/db.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 15000 };

int gw_db_fail(sqlite3 *db, const struct gw_db_about *about, const char *op,
               struct gw_err *err)
{
  int code = sqlite3_errcode(db);

  if ((code & 0xff) == SQLITE_NOMEM)
    return gw_err_set(err, GW_ENOMEM, op, "out of memory");
  gw_err_set(err, GW_EIO, op, "%s: %s", about->what, sqlite3_errmsg(db));
  if (err)
    err->retryable = (code & 0xff) == SQLITE_BUSY;
  return -1;
}

int gw_db_exec(sqlite3 *db, const char *sql, const struct gw_db_about *about,
               struct gw_err *err)
{
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
    return gw_db_fail(db, about, about->open, err);
  return 0;
}

/* --- schema -------------------------------------------------------------- */

static int read_version(sqlite3 *db, int *version,
                        const struct gw_db_about *about, struct gw_err *err)
{
  sqlite3_stmt *stmt = NULL;
  int rc = -1;

  if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) ==
          SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW) {
    *version = sqlite3_column_int(stmt, 0);
    rc = 0;
  } else {
    gw_db_fail(db, about, about->open, err);
  }
  (void)sqlite3_finalize(stmt);
  return rc;
}

static int create_all(sqlite3 *db, int version, const char *create,
                      const struct gw_db_about *about, struct gw_err *err)
{
  char pragma[48];

  (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
  if (gw_db_exec(db, create, about, err) != 0)
    return -1;
  return gw_db_exec(db, pragma, about, err);
}

/* Under a write lock: two processes may both find an empty file. */
int gw_db_schema(sqlite3 *db, int version, const char *create,
                 const struct gw_db_about *about, struct gw_err *err)
{
  int found = 0;

  if (gw_db_exec(db, "BEGIN IMMEDIATE", about, err) != 0)
    return -1;
  if (read_version(db, &found, about, err) != 0 ||
      (found == 0 && create_all(db, version, create, about, err) != 0)) {
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
  }
  if (gw_db_exec(db, "COMMIT", about, err) != 0)
    return -1;
  if (found > version)
    return gw_err_set(err, GW_EUSAGE, about->open,
                      "%s was written by a newer godwit", about->what);
  return 0;
}

/* --- open ---------------------------------------------------------------- */

/* SQLite gives its -wal and -shm files the mode of the file itself. */
static int make_file(const char *path, const struct gw_db_about *about,
                     struct gw_err *err)
{
  const char *slash = strrchr(path, '/');
  int fd;

  if (slash && slash != path) {
    char *folder = strndup(path, (size_t)(slash - path));
    int rc = folder ? gw_path_mkdirs(folder, 0700, err)
                    : gw_err_set(err, GW_ENOMEM, about->open, "out of memory");
    free(folder);
    if (rc != 0)
      return -1;
  }
  fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return gw_err_errno(err, about->open, path);
  (void)close(fd);
  return 0;
}

/* The busy handler is not asked when the change to WAL would deadlock. */
static int set_wal(sqlite3 *db, const struct gw_db_about *about,
                   struct gw_err *err)
{
  for (int tries = 0;; tries++) {
    if (sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) ==
        SQLITE_OK)
      return 0;
    if ((sqlite3_errcode(db) & 0xff) != SQLITE_BUSY || tries == 100)
      return gw_db_fail(db, about, about->open, err);
    (void)sqlite3_sleep(20);
  }
}

int gw_db_open(sqlite3 **out, const char *path, const struct gw_db_about *about,
               struct gw_err *err)
{
  if (make_file(path, about, err) != 0)
    return -1;
  if (sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX,
                      NULL) != SQLITE_OK)
    return gw_db_fail(*out, about, about->open, err);
  (void)sqlite3_extended_result_codes(*out, 1);
  (void)sqlite3_busy_timeout(*out, BUSY_MS);
  return set_wal(*out, about, err);
}
