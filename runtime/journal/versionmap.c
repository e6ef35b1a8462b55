#include "journal/versionmap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "journal/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1, MAX_BINDS = GW_VMAP_FIELDS + 10 };

static const struct gw_db_about about = {"the version map", "versionmap.open"};

struct gw_vmap {
  sqlite3 *db;
  pthread_mutex_t lock; /* sqlite's error text belongs to the connection */
};

const char *const gw_vmap_names[GW_VMAP_FIELDS] = {
    "source_cluster",
    "source_owner",
    "source_name",
    "source_version",
    "source_commit",
    "source_tree",
    "expected_tree",
    "policy_digest",
    "settings_digest",
    "dest_cluster",
    "dest_owner",
    "dest_name",
    "dest_version",
    "dest_commit",
    "created_at",
    "run",
    "who",
};

static bool is_key(int field)
{
  return field == GW_VMAP_SOURCE_CLUSTER || field == GW_VMAP_SOURCE_OWNER ||
         field == GW_VMAP_SOURCE_NAME || field == GW_VMAP_SOURCE_COMMIT ||
         field == GW_VMAP_DEST_CLUSTER || field == GW_VMAP_DEST_OWNER ||
         field == GW_VMAP_DEST_NAME || field == GW_VMAP_DEST_COMMIT;
}

/* --- SQL, made from the list of fields --------------------------------- */

static int fail(sqlite3 *db, const char *op, struct gw_err *err)
{
  return gw_db_fail(db, &about, op, err);
}

static int put_names(struct gw_buf *sql, const char *around, bool keys_only,
                     struct gw_err *err)
{
  const char *comma = "";

  for (int i = 0; i < GW_VMAP_FIELDS; i++) {
    if (keys_only && !is_key(i))
      continue;
    if (gw_buf_printf(sql, err, "%s%s%s", comma, gw_vmap_names[i], around) != 0)
      return -1;
    comma = ", ";
  }
  return 0;
}

static int set_up_schema(sqlite3 *db, struct gw_err *err)
{
  struct gw_buf sql = GW_BUF_INIT;
  int rc = -1;

  if (gw_buf_puts(&sql,
                  "CREATE TABLE IF NOT EXISTS versions "
                  "(id INTEGER PRIMARY KEY, ",
                  err) == 0 &&
      put_names(&sql, " TEXT NOT NULL DEFAULT ''", false, err) == 0 &&
      gw_buf_puts(&sql, ", UNIQUE (", err) == 0 &&
      put_names(&sql, "", true, err) == 0 &&
      gw_buf_puts(&sql,
                  "));"
                  "CREATE INDEX IF NOT EXISTS versions_dest ON versions "
                  "(dest_cluster, dest_owner, dest_name);",
                  err) == 0)
    rc = gw_db_schema(db, SCHEMA, sql.data, &about, err);
  gw_buf_dispose(&sql);
  return rc;
}

/* --- open, close ------------------------------------------------------- */

int gw_vmap_open(struct gw_vmap **out, const char *path, struct gw_err *err)
{
  struct gw_vmap *map = gw_fault("vmap.open") ? NULL : calloc(1, sizeof(*map));

  if (!map)
    return gw_err_set(err, GW_ENOMEM, about.open, "out of memory");
  (void)pthread_mutex_init(&map->lock, NULL);
  if (gw_db_open(&map->db, path, &about, err) != 0 ||
      gw_db_exec(map->db, "PRAGMA synchronous = FULL", &about, err) != 0 ||
      set_up_schema(map->db, err) != 0) {
    gw_vmap_close(map);
    return -1;
  }
  *out = map;
  return 0;
}

void gw_vmap_close(struct gw_vmap *map)
{
  if (!map)
    return;
  (void)sqlite3_close(map->db);
  (void)pthread_mutex_destroy(&map->lock);
  free(map);
}

/* --- put --------------------------------------------------------------- */

static int build_put(struct gw_buf *sql, struct gw_err *err)
{
  const char *comma = "";

  if (gw_buf_puts(sql, "INSERT INTO versions (", err) != 0 ||
      put_names(sql, "", false, err) != 0 ||
      gw_buf_puts(sql, ") VALUES (", err) != 0)
    return -1;
  for (int i = 0; i < GW_VMAP_FIELDS; i++)
    if (gw_buf_puts(sql, i ? ", ?" : "?", err) != 0)
      return -1;
  if (gw_buf_puts(sql, ") ON CONFLICT (", err) != 0 ||
      put_names(sql, "", true, err) != 0 ||
      gw_buf_puts(sql, ") DO UPDATE SET ", err) != 0)
    return -1;
  for (int i = 0; i < GW_VMAP_FIELDS; i++) {
    const char *name = gw_vmap_names[i];
    if (is_key(i))
      continue;
    if (gw_buf_printf(sql, err, "%s%s = COALESCE(NULLIF(excluded.%s, ''), %s)",
                      comma, name, name, name) != 0)
      return -1;
    comma = ", ";
  }
  return 0;
}

static int put_row(sqlite3 *db, const char *sql, const struct gw_vmap_row *row,
                   struct gw_err *err)
{
  sqlite3_stmt *stmt = NULL;
  char now[25];
  int rc = -1;

  gw_clock_format(now, gw_clock_wall());
  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
    fail(db, "versionmap.put", err);
    goto out;
  }
  for (int i = 0; i < GW_VMAP_FIELDS; i++) {
    const char *text = row->field[i] ? row->field[i] : "";
    if (i == GW_VMAP_CREATED_AT && !*text)
      text = now;
    if (sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT) !=
        SQLITE_OK) {
      fail(db, "versionmap.put", err);
      goto out;
    }
  }
  rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(db, "versionmap.put", err);
out:
  (void)sqlite3_finalize(stmt);
  return rc;
}

int gw_vmap_put(struct gw_vmap *map, const struct gw_vmap_row *row,
                struct gw_err *err)
{
  struct gw_buf sql = GW_BUF_INIT;
  int rc = -1;

  if (gw_fault("vmap.put")) {
    errno = ENOSPC;
    return gw_err_errno(err, "versionmap.put", "the version map");
  }
  if (build_put(&sql, err) == 0) {
    (void)pthread_mutex_lock(&map->lock);
    rc = put_row(map->db, sql.data, row, err);
    (void)pthread_mutex_unlock(&map->lock);
  }
  gw_buf_dispose(&sql);
  return rc;
}

/* --- find and clear ---------------------------------------------------- */

struct where {
  struct gw_buf sql;
  const char *binds[MAX_BINDS];
  int count;
};

static int add_term(struct where *w, const char *glue, const char *column,
                    const char *value, struct gw_err *err)
{
  w->binds[w->count++] = value;
  return gw_buf_printf(&w->sql, err, "%s%s = ?", glue, column);
}

/* "(source_owner = ? AND ...)" for the five that look on either side. */
static int add_side(struct where *w, const struct gw_vmap_filter *filter,
                    const char *side, struct gw_err *err)
{
  const char *names[] = {"cluster", "owner", "name", "version", "commit"};
  const char *values[] = {filter->cluster, filter->owner, filter->name,
                          filter->version, filter->commit};
  const char *glue = "(";

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char column[24];
    if (!values[i])
      continue;
    (void)snprintf(column, sizeof(column), "%s_%s", side, names[i]);
    if (add_term(w, glue, column, values[i], err) != 0)
      return -1;
    glue = " AND ";
  }
  return gw_buf_puts(&w->sql, ")", err);
}

static int build_where(struct where *w, const struct gw_vmap_filter *filter,
                       struct gw_err *err)
{
  const char *glue = " WHERE ";

  for (int i = 0; i < GW_VMAP_FIELDS; i++) {
    if (!filter->field[i])
      continue;
    if (add_term(w, glue, gw_vmap_names[i], filter->field[i], err) != 0)
      return -1;
    glue = " AND ";
  }
  if (!filter->cluster && !filter->owner && !filter->name && !filter->version &&
      !filter->commit)
    return 0;
  if (gw_buf_printf(&w->sql, err, "%s(", glue) != 0 ||
      add_side(w, filter, "source", err) != 0 ||
      gw_buf_puts(&w->sql, " OR ", err) != 0 ||
      add_side(w, filter, "dest", err) != 0)
    return -1;
  return gw_buf_puts(&w->sql, ")", err);
}

static sqlite3_stmt *prepare(sqlite3 *db, const struct where *w, const char *op,
                             struct gw_err *err)
{
  sqlite3_stmt *stmt = NULL;

  if (sqlite3_prepare_v2(db, w->sql.data, -1, &stmt, NULL) != SQLITE_OK) {
    fail(db, op, err);
    return NULL;
  }
  for (int i = 0; i < w->count; i++)
    if (sqlite3_bind_text(stmt, i + 1, w->binds[i], -1, SQLITE_TRANSIENT) !=
        SQLITE_OK) {
      fail(db, op, err);
      (void)sqlite3_finalize(stmt);
      return NULL;
    }
  return stmt;
}

static int add_row(struct gw_vmap_rows *rows, sqlite3_stmt *stmt,
                   struct gw_err *err)
{
  struct gw_vmap_row *grown =
      realloc(rows->rows, (rows->count + 1) * sizeof(*grown));
  struct gw_vmap_row *row;

  if (!grown)
    return gw_err_set(err, GW_ENOMEM, "versionmap.find", "out of memory");
  rows->rows = grown;
  row = &grown[rows->count++];
  memset(row, 0, sizeof(*row));
  for (int i = 0; i < GW_VMAP_FIELDS; i++) {
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    if (!text || !*text)
      continue;
    row->field[i] = strdup(text);
    if (!row->field[i])
      return gw_err_set(err, GW_ENOMEM, "versionmap.find", "out of memory");
  }
  return 0;
}

static int read_rows(sqlite3 *db, sqlite3_stmt *stmt, struct gw_vmap_rows *out,
                     struct gw_err *err)
{
  int code;

  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    if (add_row(out, stmt, err) != 0)
      return -1;
  return code == SQLITE_DONE ? 0 : fail(db, "versionmap.find", err);
}

static int build_find(struct where *w, const struct gw_vmap_filter *filter,
                      size_t limit, struct gw_err *err)
{
  if (gw_buf_puts(&w->sql, "SELECT ", err) != 0 ||
      put_names(&w->sql, "", false, err) != 0 ||
      gw_buf_puts(&w->sql, " FROM versions", err) != 0 ||
      build_where(w, filter, err) != 0 ||
      gw_buf_puts(&w->sql, " ORDER BY created_at DESC, id DESC", err) != 0)
    return -1;
  return limit ? gw_buf_printf(&w->sql, err, " LIMIT %zu", limit) : 0;
}

int gw_vmap_find(struct gw_vmap *map, const struct gw_vmap_filter *filter,
                 size_t limit, struct gw_vmap_rows *out, struct gw_err *err)
{
  struct where w = {GW_BUF_INIT, {NULL}, 0};
  struct gw_vmap_rows rows = {NULL, 0};
  sqlite3_stmt *stmt;
  int rc = -1;

  if (gw_fault("vmap.find"))
    return gw_err_set(err, GW_EIO, "versionmap.find", "cannot be read");
  (void)pthread_mutex_lock(&map->lock);
  if (build_find(&w, filter, limit, err) == 0 &&
      (stmt = prepare(map->db, &w, "versionmap.find", err)) != NULL) {
    rc = read_rows(map->db, stmt, &rows, err);
    (void)sqlite3_finalize(stmt);
  }
  (void)pthread_mutex_unlock(&map->lock);
  if (rc == 0)
    *out = rows; /* the caller's now */
  else
    gw_vmap_rows_dispose(&rows);
  gw_buf_dispose(&w.sql);
  return rc;
}

void gw_vmap_rows_dispose(struct gw_vmap_rows *rows)
{
  for (size_t i = 0; i < rows->count; i++)
    for (int f = 0; f < GW_VMAP_FIELDS; f++)
      free((char *)(uintptr_t)rows->rows[i].field[f]);
  free(rows->rows);
  rows->rows = NULL;
  rows->count = 0;
}

int gw_vmap_clear(struct gw_vmap *map, const struct gw_vmap_filter *filter,
                  size_t *removed, struct gw_err *err)
{
  struct where w = {GW_BUF_INIT, {NULL}, 0};
  sqlite3_stmt *stmt = NULL;
  int rc = -1;

  (void)pthread_mutex_lock(&map->lock);
  if (gw_buf_puts(&w.sql, "DELETE FROM versions", err) != 0 ||
      build_where(&w, filter, err) != 0)
    goto out;
  if (w.count == 0) {
    gw_err_set(err, GW_EUSAGE, "versionmap.clear", "nothing is named");
    goto out;
  }
  stmt = prepare(map->db, &w, "versionmap.clear", err);
  if (!stmt)
    goto out;
  if (sqlite3_step(stmt) != SQLITE_DONE) {
    fail(map->db, "versionmap.clear", err);
    goto out;
  }
  if (removed)
    *removed = (size_t)sqlite3_changes(map->db);
  rc = 0;
out:
  (void)sqlite3_finalize(stmt);
  (void)pthread_mutex_unlock(&map->lock);
  gw_buf_dispose(&w.sql);
  return rc;
}
