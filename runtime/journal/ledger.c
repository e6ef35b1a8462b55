#include "journal/ledger.h"

#include "base/fault.h"
#include "journal/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1, MD5_BYTES = 16, SHA256_BYTES = 32 };

static const struct gw_db_about about = {"the ledger", "ledger.open"};

static const char *const create =
    "CREATE TABLE places (id INTEGER PRIMARY KEY, place TEXT NOT NULL UNIQUE);"
    "CREATE TABLE files (place INTEGER NOT NULL, name TEXT NOT NULL,"
    " size INTEGER, time TEXT, md5 BLOB, sha256 BLOB, written_at TEXT,"
    " PRIMARY KEY (place, name)) WITHOUT ROWID;";

enum statement {
  FIND_PLACE,
  ADD_PLACE,
  PUT,
  GET,
  FORGET,
  FORGET_ALL,
  STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    "SELECT id FROM places WHERE place = ?1",
    "INSERT INTO places (place) VALUES (?1)",
    "INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    ("SELECT size, time, lower(hex(md5)), lower(hex(sha256)), written_at"
     " FROM files WHERE place = ?1 AND name = ?2"),
    "DELETE FROM files WHERE place = ?1 AND name = ?2",
    "DELETE FROM files WHERE place = ?1",
};

struct gw_ledger {
  sqlite3 *db;
  sqlite3_stmt *stmt[STATEMENTS];
  pthread_mutex_t lock; /* sqlite's error text belongs to the connection */
};

static int fail(struct gw_ledger *l, const char *op, struct gw_err *err)
{
  return gw_db_fail(l->db, &about, op, err);
}

/* --- open, close --------------------------------------------------------- */

int gw_ledger_open(struct gw_ledger **out, const char *path, struct gw_err *err)
{
  struct gw_ledger *l = gw_fault("ledger.open") ? NULL : calloc(1, sizeof(*l));

  if (!l)
    return gw_err_set(err, GW_ENOMEM, about.open, "out of memory");
  (void)pthread_mutex_init(&l->lock, NULL);
  /* What a power cut takes is read again: no need to wait for the disk. */
  if (gw_db_open(&l->db, path, &about, err) != 0 ||
      gw_db_exec(l->db, "PRAGMA synchronous = NORMAL", &about, err) != 0 ||
      gw_db_schema(l->db, SCHEMA, create, &about, err) != 0)
    goto fail;
  for (int i = 0; i < STATEMENTS; i++)
    if (sqlite3_prepare_v3(l->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                           &l->stmt[i], NULL) != SQLITE_OK) {
      fail(l, about.open, err);
      goto fail;
    }
  *out = l;
  return 0;
fail:
  gw_ledger_close(l);
  return -1;
}

void gw_ledger_close(struct gw_ledger *l)
{
  if (!l)
    return;
  for (int i = 0; i < STATEMENTS; i++)
    (void)sqlite3_finalize(l->stmt[i]);
  (void)sqlite3_close(l->db);
  (void)pthread_mutex_destroy(&l->lock);
  free(l);
}

/* --- statements ---------------------------------------------------------- */

static void rest(sqlite3_stmt *stmt)
{
  (void)sqlite3_reset(stmt);
  (void)sqlite3_clear_bindings(stmt);
}

static int bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
  return text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC)
              : sqlite3_bind_null(stmt, i);
}

/* *id is 0 when there is none. */
static int find_place(struct gw_ledger *l, const char *place, sqlite3_int64 *id,
                      const char *op, struct gw_err *err)
{
  sqlite3_stmt *stmt = l->stmt[FIND_PLACE];
  int code = bind_text(stmt, 1, place);

  *id = 0;
  if (code == SQLITE_OK)
    code = sqlite3_step(stmt);
  if (code == SQLITE_ROW)
    *id = sqlite3_column_int64(stmt, 0);
  else if (code != SQLITE_DONE)
    fail(l, op, err);
  rest(stmt);
  return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -1;
}

static int need_place(struct gw_ledger *l, const char *place, sqlite3_int64 *id,
                      struct gw_err *err)
{
  sqlite3_stmt *stmt = l->stmt[ADD_PLACE];
  int rc = 0;

  if (find_place(l, place, id, "ledger.put", err) != 0)
    return -1;
  if (*id != 0)
    return 0;
  if (bind_text(stmt, 1, place) != SQLITE_OK ||
      sqlite3_step(stmt) != SQLITE_DONE)
    rc = fail(l, "ledger.put", err);
  rest(stmt);
  *id = sqlite3_last_insert_rowid(l->db);
  return rc;
}

static int begin(struct gw_ledger *l, const char *how, const char *op,
                 struct gw_err *err)
{
  (void)pthread_mutex_lock(&l->lock);
  if (sqlite3_exec(l->db, how, NULL, NULL, NULL) == SQLITE_OK)
    return 0;
  fail(l, op, err);
  (void)pthread_mutex_unlock(&l->lock);
  return -1;
}

static int end(struct gw_ledger *l, int rc, const char *op, struct gw_err *err)
{
  if (rc == 0 && sqlite3_exec(l->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
    rc = fail(l, op, err);
  if (rc != 0)
    (void)sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
  (void)pthread_mutex_unlock(&l->lock);
  return rc;
}

/* --- put ----------------------------------------------------------------- */

static int digit(char c)
{
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

/* False for what is not the hex of so many bytes. */
static bool unhex(unsigned char *out, size_t bytes, const char *hex)
{
  if (strlen(hex) != 2 * bytes)
    return false;
  for (size_t i = 0; i < bytes; i++) {
    int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    out[i] = (unsigned char)(high * 16 + low);
  }
  return true;
}

static int put_row(struct gw_ledger *l, sqlite3_int64 place,
                   const struct gw_file_row *row, struct gw_err *err)
{
  sqlite3_stmt *stmt = l->stmt[PUT];
  unsigned char md5[MD5_BYTES], sha256[SHA256_BYTES];
  int rc = 0;

  if ((row->md5 && !unhex(md5, sizeof(md5), row->md5)) ||
      (row->sha256 && !unhex(sha256, sizeof(sha256), row->sha256)))
    return gw_err_set(err, GW_EUSAGE, "ledger.put", "not a digest in hex");
  if (sqlite3_bind_int64(stmt, 1, place) != SQLITE_OK ||
      bind_text(stmt, 2, row->name) != SQLITE_OK ||
      (row->size >= 0 && sqlite3_bind_int64(stmt, 3, row->size) != SQLITE_OK) ||
      bind_text(stmt, 4, row->time) != SQLITE_OK ||
      (row->md5 && sqlite3_bind_blob(stmt, 5, md5, sizeof(md5),
                                     SQLITE_STATIC) != SQLITE_OK) ||
      (row->sha256 && sqlite3_bind_blob(stmt, 6, sha256, sizeof(sha256),
                                        SQLITE_STATIC) != SQLITE_OK) ||
      bind_text(stmt, 7, row->written_at) != SQLITE_OK ||
      sqlite3_step(stmt) != SQLITE_DONE)
    rc = fail(l, "ledger.put", err);
  rest(stmt);
  return rc;
}

int gw_ledger_put(struct gw_ledger *l, const char *place,
                  const struct gw_file_rows *rows, struct gw_err *err)
{
  sqlite3_int64 id = 0;
  int rc;

  if (gw_fault("ledger.put")) {
    errno = ENOSPC;
    return gw_err_errno(err, "ledger.put", about.what);
  }
  if (begin(l, "BEGIN IMMEDIATE", "ledger.put", err) != 0)
    return -1;
  rc = need_place(l, place, &id, err);
  for (size_t i = 0; i < rows->count && rc == 0; i++)
    rc = put_row(l, id, &rows->rows[i], err);
  return end(l, rc, "ledger.put", err);
}

/* --- get ----------------------------------------------------------------- */

static int take_text(sqlite3_stmt *stmt, int column, char **out,
                     struct gw_err *err)
{
  const char *text = (const char *)sqlite3_column_text(stmt, column);

  free(*out);
  *out = NULL;
  if (!text || !*text) /* hex() of NULL is empty */
    return 0;
  *out = strdup(text);
  return *out ? 0 : gw_err_set(err, GW_ENOMEM, "ledger.get", "out of memory");
}

static int get_row(struct gw_ledger *l, sqlite3_int64 place,
                   struct gw_file_row *row, struct gw_err *err)
{
  sqlite3_stmt *stmt = l->stmt[GET];
  int code, rc = 0;

  row->found = false;
  if (sqlite3_bind_int64(stmt, 1, place) != SQLITE_OK ||
      bind_text(stmt, 2, row->name) != SQLITE_OK)
    code = SQLITE_ERROR;
  else
    code = sqlite3_step(stmt);
  if (code == SQLITE_ROW) {
    row->found = true;
    row->size = sqlite3_column_type(stmt, 0) == SQLITE_NULL
                    ? -1
                    : sqlite3_column_int64(stmt, 0);
    if (take_text(stmt, 1, &row->time, err) != 0 ||
        take_text(stmt, 2, &row->md5, err) != 0 ||
        take_text(stmt, 3, &row->sha256, err) != 0 ||
        take_text(stmt, 4, &row->written_at, err) != 0)
      rc = -1;
  } else if (code != SQLITE_DONE) {
    rc = fail(l, "ledger.get", err);
  }
  rest(stmt);
  return rc;
}

int gw_ledger_get(struct gw_ledger *l, const char *place,
                  struct gw_file_rows *rows, struct gw_err *err)
{
  sqlite3_int64 id = 0;
  int rc;

  if (gw_fault("ledger.get"))
    return gw_err_set(err, GW_EIO, "ledger.get", "%s: cannot be read",
                      about.what);
  if (begin(l, "BEGIN", "ledger.get", err) != 0)
    return -1;
  rc = find_place(l, place, &id, "ledger.get", err);
  for (size_t i = 0; i < rows->count && rc == 0 && id != 0; i++)
    rc = get_row(l, id, &rows->rows[i], err);
  return end(l, rc, "ledger.get", err);
}

/* --- forget -------------------------------------------------------------- */

static int forget(struct gw_ledger *l, enum statement which,
                  sqlite3_int64 place, const char *name, struct gw_err *err)
{
  sqlite3_stmt *stmt = l->stmt[which];
  int rc = 0;

  if (sqlite3_bind_int64(stmt, 1, place) != SQLITE_OK ||
      (which == FORGET && bind_text(stmt, 2, name) != SQLITE_OK) ||
      sqlite3_step(stmt) != SQLITE_DONE)
    rc = fail(l, "ledger.forget", err);
  rest(stmt);
  return rc;
}

int gw_ledger_forget(struct gw_ledger *l, const char *place,
                     const struct gw_file_rows *rows, struct gw_err *err)
{
  sqlite3_int64 id = 0;
  int rc;

  if (begin(l, "BEGIN IMMEDIATE", "ledger.forget", err) != 0)
    return -1;
  rc = find_place(l, place, &id, "ledger.forget", err);
  if (rc == 0 && id != 0 && !rows)
    rc = forget(l, FORGET_ALL, id, NULL, err);
  for (size_t i = 0; rows && i < rows->count && rc == 0 && id != 0; i++)
    rc = forget(l, FORGET, id, rows->rows[i].name, err);
  return end(l, rc, "ledger.forget", err);
}
