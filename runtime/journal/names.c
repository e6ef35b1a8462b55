#include "journal/names.h"

#include "base/fault.h"
#include "journal/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct gw_db_about about = {"the table of names", "names.open"};

/* The cache is the memory that a table takes. Nothing is ever rolled back. */
static const char *const set_up =
    "PRAGMA cache_size = -2048; PRAGMA journal_mode = OFF;"
    "PRAGMA synchronous = OFF;"
    "CREATE TABLE names (name TEXT PRIMARY KEY, size INTEGER, time TEXT,"
    " taken INTEGER NOT NULL) WITHOUT ROWID;";

enum taken { PUT = 0, TAKEN = 1, ONLY_TAKEN = 2 };

enum statement { ADD, REPLACE, FIND, MARK, REST, SUM, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    "INSERT OR IGNORE INTO names VALUES (?1, ?2, ?3, ?4)",
    "UPDATE names SET size = ?2, time = ?3, taken = min(taken, 1)"
    " WHERE name = ?1",
    "SELECT size, time, taken FROM names WHERE name = ?1",
    "UPDATE names SET taken = 1 WHERE name = ?1",
    "SELECT name, size, time FROM names WHERE taken = 0 AND name > ?1"
    " ORDER BY name LIMIT ?2",
    /* In halves: SQLite's sum() of whole sizes may overflow, which is an error,
     * and its total() is not exact. */
    "SELECT count(*), coalesce(sum(size >> 32), 0),"
    " coalesce(sum(size & 4294967295), 0) FROM names WHERE taken = 0"
    " AND (?1 IS NULL OR time IS NOT ?1)",
};

struct gw_names {
  sqlite3 *db;
  sqlite3_stmt *stmt[STATEMENTS];
  pthread_mutex_t lock;
  size_t all, taken;
  bool broken;
};

static int fail(struct gw_names *t, const char *op, struct gw_err *err)
{
  return gw_db_fail(t->db, &about, op, err);
}

/* --- open, close --------------------------------------------------------- */

int gw_names_open(struct gw_names **out, struct gw_err *err)
{
  struct gw_names *t = gw_fault("names.open") ? NULL : calloc(1, sizeof(*t));

  if (!t)
    return gw_err_set(err, GW_ENOMEM, about.open, "out of memory");
  (void)pthread_mutex_init(&t->lock, NULL);
  if (sqlite3_open_v2("", &t->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                          SQLITE_OPEN_FULLMUTEX,
                      NULL) != SQLITE_OK) {
    fail(t, about.open, err);
    goto fail;
  }
  if (gw_db_exec(t->db, set_up, &about, err) != 0)
    goto fail;
  for (int i = 0; i < STATEMENTS; i++)
    if (sqlite3_prepare_v3(t->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                           &t->stmt[i], NULL) != SQLITE_OK) {
      fail(t, about.open, err);
      goto fail;
    }
  *out = t;
  return 0;
fail:
  gw_names_close(t);
  return -1;
}

void gw_names_close(struct gw_names *t)
{
  if (!t)
    return;
  for (int i = 0; i < STATEMENTS; i++)
    (void)sqlite3_finalize(t->stmt[i]);
  (void)sqlite3_close(t->db);
  (void)pthread_mutex_destroy(&t->lock);
  free(t);
}

/* --- a batch ------------------------------------------------------------- */

static int begin(struct gw_names *t, const char *op, struct gw_err *err)
{
  (void)pthread_mutex_lock(&t->lock);
  if (t->broken) {
    (void)pthread_mutex_unlock(&t->lock);
    return gw_err_set(err, GW_EIO, op, "%s could not be written before",
                      about.what);
  }
  if (sqlite3_exec(t->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK)
    return 0;
  fail(t, op, err);
  (void)pthread_mutex_unlock(&t->lock);
  return -1;
}

static int end(struct gw_names *t, int rc, const char *op, struct gw_err *err)
{
  if (rc == 0 && sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
    rc = fail(t, op, err);
  t->broken = rc != 0; /* without a journal half a batch may be in it */
  (void)pthread_mutex_unlock(&t->lock);
  return rc;
}

static int bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
  return text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC)
              : sqlite3_bind_null(stmt, i);
}

static int bind_size(sqlite3_stmt *stmt, int i, int64_t size)
{
  return size >= 0 ? sqlite3_bind_int64(stmt, i, size)
                   : sqlite3_bind_null(stmt, i);
}

/* Runs a statement that gives no row. */
static int run(struct gw_names *t, enum statement which,
               const struct gw_file_row *row, enum taken taken, const char *op,
               struct gw_err *err)
{
  sqlite3_stmt *stmt = t->stmt[which];
  int rc = 0;

  if (bind_text(stmt, 1, row->name) != SQLITE_OK ||
      (which != MARK && bind_size(stmt, 2, row->size) != SQLITE_OK) ||
      (which != MARK && bind_text(stmt, 3, row->time) != SQLITE_OK) ||
      (which == ADD && sqlite3_bind_int(stmt, 4, (int)taken) != SQLITE_OK) ||
      sqlite3_step(stmt) != SQLITE_DONE)
    rc = fail(t, op, err);
  (void)sqlite3_reset(stmt);
  (void)sqlite3_clear_bindings(stmt);
  return rc;
}

/* --- put ----------------------------------------------------------------- */

static int find(struct gw_names *t, struct gw_file_row *row, int *taken,
                const char *op, struct gw_err *err);

static int put_row(struct gw_names *t, const struct gw_file_row *row,
                   size_t *added, struct gw_err *err)
{
  struct gw_file_row was = {.name = row->name, .size = -1};
  int taken = PUT, rc;

  if (run(t, ADD, row, PUT, "names.put", err) != 0)
    return -1;
  if (sqlite3_changes(t->db) > 0) {
    t->all++;
    (*added)++;
    return 0;
  }
  rc = find(t, &was, &taken, "names.put", err);
  free(was.time);
  if (rc == 0 && taken == ONLY_TAKEN) {
    t->all++;
    t->taken++;
    (*added)++;
  }
  return rc == 0 ? run(t, REPLACE, row, PUT, "names.put", err) : -1;
}

int gw_names_put(struct gw_names *t, const struct gw_file_rows *rows,
                 size_t *added, struct gw_err *err)
{
  size_t fresh = 0;
  int rc;

  if (begin(t, "names.put", err) != 0)
    return -1;
  if (gw_fault("names.put")) {
    errno = ENOSPC;
    rc = gw_err_errno(err, "names.put", about.what);
  } else {
    rc = 0;
    for (size_t i = 0; i < rows->count && rc == 0; i++)
      rc = put_row(t, &rows->rows[i], &fresh, err);
  }
  if (added)
    *added = fresh;
  return end(t, rc, "names.put", err);
}

/* --- take ---------------------------------------------------------------- */

static int read_row(sqlite3_stmt *stmt, int first, struct gw_file_row *row,
                    const char *op, struct gw_err *err)
{
  const char *time = (const char *)sqlite3_column_text(stmt, first + 1);

  if (sqlite3_column_type(stmt, first) != SQLITE_NULL)
    row->size = sqlite3_column_int64(stmt, first);
  if (!time)
    return 0;
  free(row->time);
  row->time = strdup(time);
  return row->time ? 0 : gw_err_set(err, GW_ENOMEM, op, "out of memory");
}

static int find(struct gw_names *t, struct gw_file_row *row, int *taken,
                const char *op, struct gw_err *err)
{
  sqlite3_stmt *stmt = t->stmt[FIND];
  int code = bind_text(stmt, 1, row->name), rc = 0;

  if (code == SQLITE_OK)
    code = sqlite3_step(stmt);
  row->found = false;
  if (code == SQLITE_ROW) {
    row->found = true;
    *taken = sqlite3_column_int(stmt, 2);
    rc = read_row(stmt, 0, row, op, err);
  } else if (code != SQLITE_DONE) {
    rc = fail(t, op, err);
  }
  (void)sqlite3_reset(stmt);
  (void)sqlite3_clear_bindings(stmt);
  return rc;
}

static int take_row(struct gw_names *t, struct gw_file_row *row,
                    struct gw_err *err)
{
  int taken = PUT;

  if (find(t, row, &taken, "names.take", err) != 0)
    return -1;
  if (!row->found)
    return run(t, ADD, row, ONLY_TAKEN, "names.take", err);
  row->again = taken != PUT;
  row->found = taken != ONLY_TAKEN;
  if (row->again)
    return 0;
  t->taken++;
  return run(t, MARK, row, TAKEN, "names.take", err);
}

int gw_names_take(struct gw_names *t, struct gw_file_rows *rows,
                  struct gw_err *err)
{
  int rc = 0;

  if (begin(t, "names.take", err) != 0)
    return -1;
  if (gw_fault("names.take"))
    rc =
        gw_err_set(err, GW_EIO, "names.take", "%s: cannot be read", about.what);
  for (size_t i = 0; i < rows->count && rc == 0; i++)
    rc = take_row(t, &rows->rows[i], err);
  return end(t, rc, "names.take", err);
}

/* --- rest ---------------------------------------------------------------- */

static int rest_row(sqlite3_stmt *stmt, struct gw_file_row *row,
                    struct gw_err *err)
{
  const char *name = (const char *)sqlite3_column_text(stmt, 0);

  row->name = name ? strdup(name) : NULL;
  if (!row->name)
    return gw_err_set(err, GW_ENOMEM, "names.rest", "out of memory");
  row->found = true;
  return read_row(stmt, 1, row, "names.rest", err);
}

static int read_rest(struct gw_names *t, struct gw_file_rows *out,
                     struct gw_err *err)
{
  sqlite3_stmt *stmt = t->stmt[REST];
  size_t limit = out->count, n = 0;
  int code = SQLITE_ROW, rc = 0;

  while (rc == 0 && n < limit && (code = sqlite3_step(stmt)) == SQLITE_ROW)
    rc = rest_row(stmt, &out->rows[n++], err);
  if (rc == 0 && code != SQLITE_ROW && code != SQLITE_DONE)
    rc = fail(t, "names.rest", err);
  if (rc == 0)
    out->count = n;
  return rc;
}

int gw_names_rest(struct gw_names *t, const char *after, size_t limit,
                  struct gw_file_rows *out, struct gw_err *err)
{
  sqlite3_stmt *stmt = t->stmt[REST];
  int rc = -1;

  if (gw_file_rows_init(out, limit, "names.rest", err) != 0 ||
      begin(t, "names.rest", err) != 0)
    return -1;
  if (bind_text(stmt, 1, after ? after : "") == SQLITE_OK &&
      sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit) == SQLITE_OK)
    rc = read_rest(t, out, err);
  else
    fail(t, "names.rest", err);
  (void)sqlite3_reset(stmt);
  (void)sqlite3_clear_bindings(stmt);
  return end(t, rc, "names.rest", err);
}

static uint64_t joined(uint64_t high, uint64_t low)
{
  high += low >> 32;
  if (high >= GW_NAMES_SUM_MAX >> 32)
    return GW_NAMES_SUM_MAX;
  return high << 32 | (low & UINT32_MAX);
}

int gw_names_sum(struct gw_names *t, const char *but, uint64_t *count,
                 uint64_t *bytes, struct gw_err *err)
{
  sqlite3_stmt *stmt = t->stmt[SUM];
  int rc = -1;

  if (begin(t, "names.sum", err) != 0)
    return -1;
  if (bind_text(stmt, 1, but) == SQLITE_OK &&
      sqlite3_step(stmt) == SQLITE_ROW) {
    *count = (uint64_t)sqlite3_column_int64(stmt, 0);
    *bytes = joined((uint64_t)sqlite3_column_int64(stmt, 1),
                    (uint64_t)sqlite3_column_int64(stmt, 2));
    rc = 0;
  } else {
    fail(t, "names.sum", err);
  }
  (void)sqlite3_reset(stmt);
  (void)sqlite3_clear_bindings(stmt);
  return end(t, rc, "names.sum", err);
}

void gw_names_count(struct gw_names *t, size_t *all, size_t *taken)
{
  (void)pthread_mutex_lock(&t->lock);
  *all = t->all;
  *taken = t->taken;
  (void)pthread_mutex_unlock(&t->lock);
}
