/*
 * git_tree: the store's methods about trees and blobs.
 */
#include "git/merge.h"
#include "git/tree.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_MAX (64u << 20)

struct view { /* of a tree or a blob */
  char id[GW_GIT_HEX], other[GW_GIT_HEX]; /* "": none */
  char path[4096];
  size_t max;
  bool sizes, missing;
  struct gw_buf out;
  struct gw_rows rows;
};

static void view_dispose(void *data)
{
  struct view *v = data;

  gw_buf_dispose(&v->out);
  gw_rows_dispose(&v->rows);
}

static struct view *push_view(lua_State *L, const char *id)
{
  struct view *v = gw_lua_git_new(L, sizeof(*v), view_dispose);

  (void)snprintf(v->id, sizeof(v->id), "%s", id);
  return v;
}

static size_t opt_max(lua_State *L, int idx)
{
  lua_Integer max = luaL_optinteger(L, idx, READ_MAX);

  luaL_argcheck(L, max > 0 && max <= ((lua_Integer)2 << 30), idx,
                "no usable limit");
  return (size_t)max;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* --- reading ----------------------------------------------------------- */

static int push_data(lua_State *L, const struct gw_buf *out)
{
  lua_pushlstring(L, out->data ? out->data : "", out->len);
  return 1;
}

static int blob_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct view *v = data;

  return gw_blob_read(repo, v->id, v->max, &v->out, err);
}

static int blob_result(lua_State *L, void *data)
{
  return push_data(L, &((struct view *)data)->out);
}

static int l_blob(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2);
  size_t max = opt_max(L, 3);
  struct view *v = push_view(L, id);

  v->max = max;
  return gw_lua_git_call(L, v, store, blob_work, blob_result);
}

static int read_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct view *v = data;
  struct gw_err e = {0};

  if (gw_tree_read(repo, v->id, v->path, v->max, &v->out, &e) == 0)
    return 0;
  v->missing = e.kind == GW_ENOTFOUND && strcmp(e.op, "git.tree") == 0 &&
               strncmp(e.message, "no file", 7) == 0;
  if (v->missing)
    return 0;
  *err = e;
  return -1;
}

static int read_result(lua_State *L, void *data)
{
  struct view *v = data;

  if (!v->missing)
    return push_data(L, &v->out);
  lua_pushnil(L);
  return 1;
}

static int l_read(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2), *path = luaL_checkstring(L, 3);
  size_t max = opt_max(L, 4);
  struct view *v;

  luaL_argcheck(L, strlen(path) < sizeof(v->path), 3, "too long a path");
  v = push_view(L, id);
  v->max = max;
  (void)snprintf(v->path, sizeof(v->path), "%s", path);
  return gw_lua_git_call(L, v, store, read_work, read_result);
}

/* --- lists ------------------------------------------------------------- */

static int entries_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct view *v = data;

  return gw_tree_entries(repo, v->id, v->sizes, &v->rows, err);
}

static int entries_result(lua_State *L, void *data)
{
  const struct gw_rows *rows = &((struct view *)data)->rows;

  lua_createtable(L, (int)rows->count, 0);
  for (size_t i = 0; i < rows->count; i++) {
    const struct gw_row *row = &rows->at[i];
    lua_createtable(L, 0, 5);
    set_text(L, "path", row->path);
    set_text(L, "type", row->word);
    set_text(L, "id", row->id);
    lua_pushinteger(L, row->mode);
    lua_setfield(L, -2, "mode");
    if (row->number >= 0) {
      lua_pushinteger(L, (lua_Integer)row->number);
      lua_setfield(L, -2, "size");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_entries(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2);
  bool sizes = false;
  struct view *v;

  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    sizes = gw_opt_bool(L, 3, "sizes", false);
  }
  v = push_view(L, id);
  v->sizes = sizes;
  return gw_lua_git_call(L, v, store, entries_work, entries_result);
}

static int diff_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct view *v = data;

  return gw_tree_diff(repo, v->id[0] ? v->id : NULL,
                      v->other[0] ? v->other : NULL, &v->rows, err);
}

static int diff_result(lua_State *L, void *data)
{
  const struct gw_rows *rows = &((struct view *)data)->rows;

  lua_createtable(L, (int)rows->count, 0);
  for (size_t i = 0; i < rows->count; i++) {
    lua_createtable(L, 0, 2);
    set_text(L, "status", rows->at[i].word);
    set_text(L, "path", rows->at[i].path);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* nil is the empty tree. */
static int l_diff(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *a = lua_isnil(L, 2) ? "" : gw_lua_check_id(L, 2);
  const char *b = lua_isnoneornil(L, 3) ? "" : gw_lua_check_id(L, 3);
  struct view *v = push_view(L, a);

  (void)snprintf(v->other, sizeof(v->other), "%s", b);
  return gw_lua_git_call(L, v, store, diff_work, diff_result);
}

static int scan_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct view *v = data;

  return gw_tree_scan(repo, v->id, &v->rows, err);
}

static void push_paths(lua_State *L, const struct gw_rows *rows,
                       const char *word)
{
  lua_Integer n = 0;

  lua_newtable(L);
  for (size_t i = 0; i < rows->count; i++) {
    if (strcmp(rows->at[i].word, word) != 0)
      continue;
    lua_pushstring(L, rows->at[i].path);
    lua_rawseti(L, -2, ++n);
  }
}

static int scan_result(lua_State *L, void *data)
{
  const struct gw_rows *rows = &((struct view *)data)->rows;

  lua_createtable(L, 0, 2);
  push_paths(L, rows, "lfs");
  lua_setfield(L, -2, "lfs");
  push_paths(L, rows, "submodule");
  lua_setfield(L, -2, "submodules");
  return 1;
}

static int l_scan(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  struct view *v = push_view(L, gw_lua_check_id(L, 2));

  return gw_lua_git_call(L, v, store, scan_work, scan_result);
}

static int check_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  return gw_tree_check(repo, ((struct view *)data)->id, err);
}

static int check_result(lua_State *L, void *data)
{
  (void)data;
  lua_pushboolean(L, true);
  return 1;
}

static int l_check_tree(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  struct view *v = push_view(L, gw_lua_check_id(L, 2));

  return gw_lua_git_call(L, v, store, check_work, check_result);
}

/* --- writing ----------------------------------------------------------- */

struct edit {
  char tree[GW_GIT_HEX];
  char out[GW_GIT_HEX];
  struct gw_edit *edits;
  size_t count;
};

static void edit_dispose(void *data)
{
  struct edit *e = data;

  for (size_t i = 0; i < e->count; i++) {
    free(e->edits[i].path);
    free((char *)e->edits[i].id);
    free((char *)e->edits[i].data);
  }
  free(e->edits);
}

static int edit_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct edit *e = data;

  return gw_tree_edit(repo, e->tree, e->edits, e->count, e->out, err);
}

static int edit_result(lua_State *L, void *data)
{
  lua_pushstring(L, ((struct edit *)data)->out);
  return 1;
}

static unsigned read_mode(lua_State *L)
{
  int ok = 0;
  lua_Integer mode = 0;

  if (gw_rawfield(L, -1, "mode") != LUA_TNIL) {
    mode = lua_tointegerx(L, -1, &ok);
    if (!ok || mode < 0 || mode > 0777777)
      luaL_error(L, "bad field 'mode' of an edit");
  }
  lua_pop(L, 1);
  return (unsigned)mode;
}

/* The edit at the top of the stack. */
static void read_edit(lua_State *L, struct gw_edit *e)
{
  const char *text;
  size_t len;

  if (!lua_istable(L, -1))
    luaL_error(L, "an edit is a table");
  gw_rawfield(L, -1, "path");
  text = lua_tolstring(L, -1, &len);
  if (!text || lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "an edit needs a path");
  if (strlen(text) != len)
    luaL_error(L, "the path of an edit has a NUL in it");
  e->path = gw_lua_copy_bytes(L, text, len);
  lua_pop(L, 1);
  e->remove = gw_opt_bool(L, -1, "remove", false);
  e->mode = read_mode(L);
  text = gw_lua_opt_id(L, lua_absindex(L, -1), "id");
  if (text)
    e->id = gw_lua_copy_bytes(L, text, strlen(text));
  if (gw_rawfield(L, -1, "data") == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &e->len);
    e->data = gw_lua_copy_bytes(L, text, e->len);
  } else if (!lua_isnil(L, -1)) {
    luaL_error(L, "the data of an edit is a string");
  }
  lua_pop(L, 1);
}

static int l_edit(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *tree = lua_isnil(L, 2) ? "" : gw_lua_check_id(L, 2);
  struct edit *e;
  lua_Integer n;

  luaL_checktype(L, 3, LUA_TTABLE);
  n = (lua_Integer)lua_rawlen(L, 3);
  luaL_argcheck(L, n >= 0 && n <= 1000000, 3, "too many edits");
  e = gw_lua_git_new(L, sizeof(*e), edit_dispose);
  (void)snprintf(e->tree, sizeof(e->tree), "%s", tree);
  e->edits = calloc((size_t)n + 1, sizeof(*e->edits));
  if (!e->edits)
    luaL_error(L, "not enough memory");
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, 3, i + 1);
    e->count = (size_t)i + 1; /* also a half-read one is freed */
    read_edit(L, &e->edits[i]);
    lua_pop(L, 1);
  }
  return gw_lua_git_call(L, e, store, edit_work, edit_result);
}

struct merge {
  char base[GW_GIT_HEX], ours[GW_GIT_HEX], theirs[GW_GIT_HEX];
  char out[GW_GIT_HEX]; /* "": there are conflicts */
  struct gw_conflicts conflicts;
};

static void merge_dispose(void *data)
{
  gw_conflicts_dispose(&((struct merge *)data)->conflicts);
}

static int merge_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct merge *m = data;

  return gw_tree_merge(repo, m->base, m->ours, m->theirs, m->out,
                       &m->conflicts, err);
}

static int merge_result(lua_State *L, void *data)
{
  const struct merge *m = data;

  if (m->out[0]) {
    lua_pushstring(L, m->out);
    return 1;
  }
  lua_pushboolean(L, false);
  lua_createtable(L, (int)m->conflicts.count, 0);
  for (size_t i = 0; i < m->conflicts.count; i++) {
    const struct gw_conflict *c = &m->conflicts.at[i];
    lua_createtable(L, 0, 4);
    set_text(L, "path", c->path);
    set_text(L, "ours", c->ours);
    set_text(L, "theirs", c->theirs);
    lua_pushboolean(L, c->binary);
    lua_setfield(L, -2, "binary");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 2;
}

/* A base of nil is the empty tree. */
static int l_merge(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *base = lua_isnil(L, 2) ? "" : gw_lua_check_id(L, 2);
  const char *ours = gw_lua_check_id(L, 3), *theirs = gw_lua_check_id(L, 4);
  struct merge *m = gw_lua_git_new(L, sizeof(*m), merge_dispose);

  (void)snprintf(m->base, sizeof(m->base), "%s", base);
  (void)snprintf(m->ours, sizeof(m->ours), "%s", ours);
  (void)snprintf(m->theirs, sizeof(m->theirs), "%s", theirs);
  return gw_lua_git_call(L, m, store, merge_work, merge_result);
}

struct blob {
  char *data;
  size_t len;
  char id[GW_GIT_HEX];
};

static void write_dispose(void *data)
{
  free(((struct blob *)data)->data);
}

static int write_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct blob *b = data;

  return gw_blob_write(repo, b->data, b->len, b->id, err);
}

static int write_result(lua_State *L, void *data)
{
  lua_pushstring(L, ((struct blob *)data)->id);
  return 1;
}

static int l_write_blob(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  struct blob *b = gw_lua_git_new(L, sizeof(*b), write_dispose);

  b->data = gw_lua_copy_bytes(L, data, len);
  b->len = len;
  return gw_lua_git_call(L, b, store, write_work, write_result);
}

void gw_lua_open_git_tree(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"entries", l_entries},
      {"blob", l_blob},
      {"read", l_read},
      {"diff", l_diff},
      {"scan", l_scan},
      {"check_tree", l_check_tree},
      {"edit", l_edit},
      {"merge", l_merge},
      {"write_blob", l_write_blob},
      {NULL, NULL},
  };

  luaL_getmetatable(L, "godwit.git.store");
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 2);
}
