/*
 * git_store: git.open_store and the store's methods about refs and commits.
 */
#include "base/buf.h"
#include "git/commit.h"
#include "git/store.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_META "godwit.git.store"

struct box {
  struct gw_store *store; /* NULL: closed */
};

struct gw_store *gw_lua_check_store(lua_State *L, int idx)
{
  struct box *box = luaL_checkudata(L, idx, STORE_META);

  luaL_argcheck(L, box->store, idx, "the store is closed");
  return box->store;
}

static int l_close(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, STORE_META);
  struct gw_store *store = box->store;

  box->store = NULL;
  if (!store)
    return 0;
  /* Calls that ended hold the store until they are collected: its lock must
   * not wait for that. */
  gw_store_close(store);
  gw_store_unref(store);
  return 0;
}

static int l_path(lua_State *L)
{
  lua_pushstring(L, gw_store_path(gw_lua_check_store(L, 1)));
  return 1;
}

/* --- opening ----------------------------------------------------------- */

struct opening {
  char path[4096];
  struct gw_store_opts opts;
  struct gw_store *store;
};

static void opening_dispose(void *data)
{
  gw_store_unref(((struct opening *)data)->store);
}

static int opening_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct opening *o = data;

  (void)repo;
  return gw_store_open(&o->store, o->path, &o->opts, err);
}

static int opening_result(lua_State *L, void *data)
{
  struct opening *o = data;
  struct box *box;

  box = lua_newuserdatauv(L, sizeof(*box), 0);
  box->store = NULL;
  luaL_setmetatable(L, STORE_META);
  box->store = o->store; /* the box's now */
  o->store = NULL;
  return 1;
}

static int l_open(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  struct opening *o;

  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, *path && strlen(path) < sizeof(o->path), 1,
                "no usable path");
  struct gw_store_opts opts = {
      .create = gw_opt_bool(L, 2, "create", true),
      .lock = gw_opt_bool(L, 2, "lock", true),
  };
  o = gw_lua_git_new(L, sizeof(*o), opening_dispose);
  (void)snprintf(o->path, sizeof(o->path), "%s", path);
  o->opts = opts;
  return gw_lua_git_call(L, o, NULL, opening_work, opening_result);
}

/* --- refs -------------------------------------------------------------- */

struct ref {
  char name[1100];
  char id[GW_GIT_HEX];
  char expected[GW_GIT_HEX];
  bool compare, found;
};

static struct ref *push_ref(lua_State *L)
{
  const char *name = luaL_checkstring(L, 2);
  struct ref *r;

  luaL_argcheck(L, strlen(name) < sizeof(r->name), 2, "too long a name");
  r = gw_lua_git_new(L, sizeof(*r), NULL);
  (void)snprintf(r->name, sizeof(r->name), "%s", name);
  return r;
}

/* nil: whatever is there; "": it must not exist; an id: it must be that. */
static void take_expected(lua_State *L, int idx, struct ref *r)
{
  const char *text = luaL_optstring(L, idx, NULL);

  r->compare = text != NULL;
  if (text && *text)
    (void)snprintf(r->expected, sizeof(r->expected), "%s",
                   gw_lua_check_id(L, idx));
}

static int ref_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct ref *r = data;
  struct gw_err e = {0};

  r->found = gw_repo_ref(repo, r->name, r->id, &e) == 0;
  if (r->found || e.kind == GW_ENOTFOUND)
    return 0;
  *err = e;
  return -1;
}

static int ref_result(lua_State *L, void *data)
{
  struct ref *r = data;

  if (r->found)
    lua_pushstring(L, r->id);
  else
    lua_pushnil(L);
  return 1;
}

static int true_result(lua_State *L, void *data)
{
  (void)data;
  lua_pushboolean(L, true);
  return 1;
}

static int set_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct ref *r = data;

  return gw_repo_set_ref(repo, r->name, r->id, r->compare ? r->expected : NULL,
                         err);
}

static int delete_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct ref *r = data;

  return gw_repo_delete_ref(repo, r->name, r->compare ? r->expected : NULL,
                            err);
}

static int head_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct ref *r = data;

  return gw_repo_head(repo, r->name, sizeof(r->name), err);
}

static int head_result(lua_State *L, void *data)
{
  struct ref *r = data;

  if (r->name[0])
    lua_pushstring(L, r->name);
  else
    lua_pushnil(L);
  return 1;
}

static int set_head_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  return gw_repo_set_head(repo, ((struct ref *)data)->name, err);
}

static int has_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct ref *r = data;

  (void)err;
  r->found = gw_repo_has(repo, r->id);
  return 0;
}

static int has_result(lua_State *L, void *data)
{
  lua_pushboolean(L, ((struct ref *)data)->found);
  return 1;
}

static int l_ref(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);

  return gw_lua_git_call(L, push_ref(L), store, ref_work, ref_result);
}

static int l_set_ref(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 3);
  struct ref *r;

  lua_settop(L, 4);
  r = push_ref(L);
  (void)snprintf(r->id, sizeof(r->id), "%s", id);
  take_expected(L, 4, r);
  return gw_lua_git_call(L, r, store, set_work, true_result);
}

static int l_delete_ref(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  struct ref *r;

  lua_settop(L, 3);
  r = push_ref(L);
  take_expected(L, 3, r);
  return gw_lua_git_call(L, r, store, delete_work, true_result);
}

static int l_head(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  struct ref *r = gw_lua_git_new(L, sizeof(*r), NULL);

  return gw_lua_git_call(L, r, store, head_work, head_result);
}

static int l_set_head(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);

  return gw_lua_git_call(L, push_ref(L), store, set_head_work, true_result);
}

static int l_has(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2);
  struct ref *r = gw_lua_git_new(L, sizeof(*r), NULL);

  (void)snprintf(r->id, sizeof(r->id), "%s", id);
  return gw_lua_git_call(L, r, store, has_work, has_result);
}

/* --- commits ----------------------------------------------------------- */

struct commit {
  struct gw_commit commit; /* first */
  char asked[GW_GIT_HEX];
  struct gw_rows rows;
  size_t limit;
  bool is;
};

static void commit_dispose(void *data)
{
  struct commit *c = data;

  gw_commit_dispose(&c->commit);
  gw_rows_dispose(&c->rows);
}

static struct commit *push_commit(lua_State *L)
{
  return gw_lua_git_new(L, sizeof(struct commit), commit_dispose);
}

static int read_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct commit *c = data;

  return gw_commit_read(repo, c->asked, &c->commit, err);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
  if (!text)
    return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void push_person(lua_State *L, const struct gw_person *p)
{
  lua_createtable(L, 0, 4);
  set_text(L, "name", p->name);
  set_text(L, "email", p->email);
  lua_pushinteger(L, (lua_Integer)p->time);
  lua_setfield(L, -2, "time");
  lua_pushinteger(L, p->offset);
  lua_setfield(L, -2, "offset");
}

static int read_result(lua_State *L, void *data)
{
  const struct gw_commit *c = &((struct commit *)data)->commit;

  lua_createtable(L, 0, 7);
  set_text(L, "id", c->id);
  set_text(L, "tree", c->tree);
  set_text(L, "message", c->message);
  set_text(L, "encoding", c->encoding);
  lua_createtable(L, (int)c->parent_count, 0);
  for (size_t i = 0; i < c->parent_count; i++) {
    lua_pushstring(L, c->parents[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "parents");
  push_person(L, &c->author);
  lua_setfield(L, -2, "author");
  push_person(L, &c->committer);
  lua_setfield(L, -2, "committer");
  return 1;
}

static int l_commit(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2);
  struct commit *c = push_commit(L);

  (void)snprintf(c->asked, sizeof(c->asked), "%s", id);
  return gw_lua_git_call(L, c, store, read_work, read_result);
}

static int make_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  return gw_commit_write(repo, &((struct commit *)data)->commit, err);
}

static int make_result(lua_State *L, void *data)
{
  lua_pushstring(L, ((struct commit *)data)->commit.id);
  return 1;
}

static const char *need_text(lua_State *L, int idx, const char *name)
{
  const char *text = gw_opt_string(L, idx, name, NULL);
  size_t len;

  if (!text)
    luaL_error(L, "missing option '%s'", name);
  gw_rawfield(L, idx, name);
  (void)lua_tolstring(L, -1, &len);
  lua_pop(L, 1);
  if (strlen(text) != len)
    luaL_error(L, "bad option '%s' (it has a NUL in it)", name);
  return text;
}

static int64_t whole(lua_State *L, int idx, const char *name, bool needed)
{
  int ok = 0;
  lua_Integer n = 0;

  if (gw_rawfield(L, idx, name) != LUA_TNIL || needed) {
    n = lua_tointegerx(L, -1, &ok);
    if (!ok)
      luaL_error(L, "bad option '%s' (a whole number expected)", name);
  }
  lua_pop(L, 1);
  return n;
}

static void read_person(lua_State *L, int idx, const char *name,
                        struct gw_person *p)
{
  int64_t offset;

  if (gw_rawfield(L, idx, name) != LUA_TTABLE)
    luaL_error(L, "bad option '%s' (table expected)", name);
  p->name = gw_lua_copy(L, need_text(L, -1, "name"));
  p->email = gw_lua_copy(L, need_text(L, -1, "email"));
  p->time = whole(L, -1, "time", true);
  offset = whole(L, -1, "offset", false);
  if (p->time < 0 || offset < -6000 || offset > 6000)
    luaL_error(L, "bad option '%s' (an impossible time)", name);
  p->offset = (int)offset;
  lua_pop(L, 1);
}

static void read_parents(lua_State *L, int idx, struct gw_commit *c)
{
  lua_Integer n = 0;

  if (gw_rawfield(L, idx, "parents") == LUA_TTABLE)
    n = (lua_Integer)lua_rawlen(L, -1);
  else if (!lua_isnil(L, -1))
    luaL_error(L, "bad option 'parents' (table expected)");
  if (n < 0 || n > 64)
    luaL_error(L, "bad option 'parents' (too many)");
  c->parents = calloc((size_t)n + 1, sizeof(*c->parents));
  if (!c->parents)
    luaL_error(L, "not enough memory");
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    (void)snprintf(c->parents[i], GW_GIT_HEX, "%s", gw_lua_check_id(L, -1));
    lua_pop(L, 1);
  }
  c->parent_count = (size_t)n;
  lua_pop(L, 1);
}

static int l_make_commit(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *encoding, *tree;
  struct gw_commit *c;

  luaL_checktype(L, 2, LUA_TTABLE);
  tree = gw_lua_opt_id(L, 2, "tree");
  if (!tree)
    luaL_error(L, "missing option 'tree'");
  c = &push_commit(L)->commit;
  (void)snprintf(c->tree, sizeof(c->tree), "%s", tree);
  read_parents(L, 2, c);
  read_person(L, 2, "author", &c->author);
  read_person(L, 2, "committer", &c->committer);
  c->message = gw_lua_copy(L, need_text(L, 2, "message"));
  encoding = gw_opt_string(L, 2, "encoding", NULL);
  if (encoding)
    c->encoding = gw_lua_copy(L, encoding);
  return gw_lua_git_call(L, c, store, make_work, make_result);
}

static int history_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct commit *c = data;

  return gw_commit_history(repo, c->asked, c->limit, &c->rows, err);
}

static int history_result(lua_State *L, void *data)
{
  const struct gw_rows *rows = &((struct commit *)data)->rows;

  lua_createtable(L, (int)rows->count, 0);
  for (size_t i = 0; i < rows->count; i++) {
    lua_createtable(L, 0, 3);
    set_text(L, "id", rows->at[i].id);
    set_text(L, "tree", rows->at[i].tree);
    lua_pushinteger(L, (lua_Integer)rows->at[i].number);
    lua_setfield(L, -2, "time");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_history(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2);
  double limit = 0;
  struct commit *c;

  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    limit = gw_opt_number(L, 3, "limit", 0);
    luaL_argcheck(L, limit >= 0 && limit <= 1e6, 3, "no usable limit");
  }
  c = push_commit(L);
  (void)snprintf(c->asked, sizeof(c->asked), "%s", id);
  c->limit = (size_t)limit;
  return gw_lua_git_call(L, c, store, history_work, history_result);
}

static int contains_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct commit *c = data;

  return gw_commit_contains(repo, c->asked, c->commit.id, &c->is, err);
}

static int contains_result(lua_State *L, void *data)
{
  lua_pushboolean(L, ((struct commit *)data)->is);
  return 1;
}

static int l_contains(lua_State *L)
{
  struct gw_store *store = gw_lua_check_store(L, 1);
  const char *id = gw_lua_check_id(L, 2), *old = gw_lua_check_id(L, 3);
  struct commit *c = push_commit(L);

  (void)snprintf(c->asked, sizeof(c->asked), "%s", id);
  (void)snprintf(c->commit.id, sizeof(c->commit.id), "%s", old);
  return gw_lua_git_call(L, c, store, contains_work, contains_result);
}

/* git_tree.c adds its methods to these. */
void gw_lua_open_git_store(lua_State *L)
{
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"close", l_close},           {"path", l_path},
      {"ref", l_ref},               {"set_ref", l_set_ref},
      {"delete_ref", l_delete_ref}, {"head", l_head},
      {"set_head", l_set_head},     {"has", l_has},
      {"commit", l_commit},         {"make_commit", l_make_commit},
      {"history", l_history},       {"contains", l_contains},
      {NULL, NULL},
  };

  gw_lua_class(L, STORE_META, metas, methods);
  lua_pushcfunction(L, l_open);
  lua_setfield(L, -2, "open_store");
}
