/*
 * folder: folders of this machine for Lua, below which no link is followed
 * (tree/root.h), and which of them a script may open (tree/access.h).
 */
#include "base/path.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/folder.h"
#include "lua/job.h"
#include "lua/task.h"
#include "tree/access.h"
#include "tree/root.h"

#include <stdlib.h>
#include <string.h>

#define ROOT_META "godwit.folder.root"

struct box {
  struct gw_root *root; /* NULL: closed */
};

static struct gw_root *check_root(lua_State *L, int idx)
{
  struct box *box = luaL_checkudata(L, idx, ROOT_META);

  luaL_argcheck(L, box->root, idx, "the folder is closed");
  return box->root;
}

int gw_lua_folder_fd(lua_State *L, int idx, bool write, struct gw_err *err)
{
  return gw_root_fd(check_root(L, idx), write, err);
}

/* A text without NUL bytes. */
static const char *check_text(lua_State *L, int idx)
{
  size_t len;
  const char *text = luaL_checklstring(L, idx, &len);

  luaL_argcheck(L, strlen(text) == len, idx, "has a NUL in it");
  return text;
}

static int l_close(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, ROOT_META);
  struct gw_root *root = box->root;

  box->root = NULL;
  gw_root_unref(root);
  return 0;
}

static int l_path(lua_State *L)
{
  lua_pushstring(L, gw_root_path(check_root(L, 1)));
  return 1;
}

/* --- opening and access ------------------------------------------------ */

static int done(lua_State *L, int rc, const struct gw_err *err)
{
  if (rc != 0)
    return gw_lua_fail(L, err);
  lua_pushboolean(L, true);
  return 1;
}

static int open_with(lua_State *L, int (*fn)(struct gw_root **, const char *,
                                             bool, struct gw_err *))
{
  const char *path = check_text(L, 1);
  bool write = lua_toboolean(L, 2);
  struct box *box = lua_newuserdatauv(L, sizeof(*box), 0);
  struct gw_err err = {0};

  box->root = NULL;
  luaL_setmetatable(L, ROOT_META);
  luaL_argcheck(L, *path, 1, "no path");
  if (fn(&box->root, path, write, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

static int l_open(lua_State *L)
{
  return open_with(L, gw_root_open);
}

static int l_own(lua_State *L)
{
  return open_with(L, gw_root_open_own);
}

static int l_may_open(lua_State *L)
{
  const char *path = check_text(L, 1);
  struct gw_err err = {0};

  return done(L, gw_root_may_open(path, lua_toboolean(L, 2), &err), &err);
}

static int l_allow(lua_State *L)
{
  const char *path = check_text(L, 1);
  struct gw_err err = {0};

  return done(L, gw_access_allow(path, lua_toboolean(L, 2), &err), &err);
}

static int l_restrict(lua_State *L)
{
  gw_access_restrict(lua_toboolean(L, 1));
  return 0;
}

static int l_plan(lua_State *L)
{
  (void)L;
  gw_access_plan();
  return 0;
}

/* --- jobs -------------------------------------------------------------- */

struct folder_job {
  struct gw_lua_job base;
  struct gw_root *root, *from;
  char *path, *data;
  size_t len, max;
  bool executable;
  struct gw_put_opts opts;
  struct gw_dir dir;
  struct gw_buf out;
  mode_t mode;
  enum gw_put done;
  uint64_t bytes;
};

static void job_dispose(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  gw_root_unref(job->root);
  gw_root_unref(job->from);
  free(job->path);
  free(job->data);
  gw_dir_dispose(&job->dir);
  gw_buf_dispose(&job->out);
}

/* For the root at 1 and the path at 2. */
static struct folder_job *new_job(lua_State *L,
                                  void (*work)(struct gw_lua_job *),
                                  int (*push)(lua_State *, struct gw_lua_job *))
{
  struct gw_root *root = check_root(L, 1);
  const char *path = check_text(L, 2);
  struct folder_job *job = gw_lua_job(L, sizeof(*job), work, push, job_dispose);

  job->root = gw_root_ref(root);
  job->path = gw_lua_copy(L, path);
  return job;
}

static int wait(lua_State *L, struct folder_job *job)
{
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int push_true(lua_State *L, struct gw_lua_job *base)
{
  (void)base;
  lua_pushboolean(L, true);
  return 1;
}

static void list_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_list(job->root, job->path, &job->dir, &base->err);
}

static int list_push(lua_State *L, struct gw_lua_job *base)
{
  const struct gw_dir *dir = &((struct folder_job *)base)->dir;

  lua_createtable(L, (int)dir->count, 0);
  for (size_t i = 0; i < dir->count; i++) {
    gw_lua_push_dir_entry(L, &dir->entries[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_list(lua_State *L)
{
  return wait(L, new_job(L, list_work, list_push));
}

static int l_walk(lua_State *L)
{
  struct gw_root *root = check_root(L, 1);
  struct gw_file_walk **walk = gw_lua_new_walk(L);
  struct gw_err err = {0};

  if (gw_root_entries(root, walk, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

static void read_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_read(job->root, job->path, job->max, &job->out, &job->mode,
                     &base->err);
}

static int read_push(lua_State *L, struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  lua_pushlstring(L, job->out.data ? job->out.data : "", job->out.len);
  lua_pushinteger(L, job->mode);
  return 2;
}

static int l_read(lua_State *L)
{
  lua_Integer max = luaL_checkinteger(L, 3);
  struct folder_job *job;

  luaL_argcheck(L, max > 0, 3, "no usable limit");
  job = new_job(L, read_work, read_push);
  job->max = (size_t)max;
  return wait(L, job);
}

static void readlink_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_readlink(job->root, job->path, &job->out, &base->err);
}

static int l_readlink(lua_State *L)
{
  return wait(L, new_job(L, readlink_work, read_push));
}

/* The options at idx: new, dry, executable. */
static void take_opts(lua_State *L, int idx, struct gw_put_opts *opts,
                      bool *executable)
{
  *opts = (struct gw_put_opts){0};
  *executable = false;
  if (lua_isnoneornil(L, idx))
    return;
  luaL_checktype(L, idx, LUA_TTABLE);
  opts->is_new = gw_opt_bool(L, idx, "new", false);
  opts->dry = gw_opt_bool(L, idx, "dry", false);
  *executable = gw_opt_bool(L, idx, "executable", false);
}

static int put_push(lua_State *L, struct gw_lua_job *base)
{
  static const char *const words[] = {"unchanged", "mode", "written"};
  struct folder_job *job = (struct folder_job *)base;

  lua_pushstring(L, words[job->done]);
  lua_pushinteger(L, (lua_Integer)job->bytes);
  return 2;
}

static void write_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  if (gw_root_write(job->root, job->path, job->data, job->len, job->executable,
                    job->opts, &job->done, &base->err) == 0 &&
      job->done == GW_PUT_WRITTEN)
    job->bytes = job->len;
}

static int l_write(lua_State *L)
{
  size_t len;
  const char *data = luaL_checklstring(L, 3, &len);
  struct gw_put_opts opts;
  struct folder_job *job;
  bool executable;

  take_opts(L, 4, &opts, &executable);
  job = new_job(L, write_work, put_push);
  job->data = gw_lua_copy_bytes(L, data, len);
  job->len = len;
  job->opts = opts;
  job->executable = executable;
  return wait(L, job);
}

static void copy_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_copy(job->root, job->from, job->path, job->opts, &job->done,
                     &job->bytes, &base->err);
}

/* root:copy(path, from, opts) */
static int l_copy(lua_State *L)
{
  struct gw_root *from = check_root(L, 3);
  struct gw_put_opts opts;
  struct folder_job *job;
  bool executable;

  take_opts(L, 4, &opts, &executable);
  job = new_job(L, copy_work, put_push);
  job->from = gw_root_ref(from);
  job->opts = opts;
  return wait(L, job);
}

static void link_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_link(job->root, job->path, job->data, job->opts, &job->done,
                     &base->err);
}

static int l_link(lua_State *L)
{
  const char *target = check_text(L, 3);
  struct gw_put_opts opts;
  struct folder_job *job;
  bool executable;

  take_opts(L, 4, &opts, &executable);
  job = new_job(L, link_work, put_push);
  job->data = gw_lua_copy(L, target);
  job->opts = opts;
  return wait(L, job);
}

static void remove_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_remove(job->root, job->path, &base->err);
}

static int l_remove(lua_State *L)
{
  return wait(L, new_job(L, remove_work, push_true));
}

static void sync_work(struct gw_lua_job *base)
{
  struct folder_job *job = (struct folder_job *)base;

  (void)gw_root_sync(job->root, job->path, &base->err);
}

static int l_sync(lua_State *L)
{
  return wait(L, new_job(L, sync_work, push_true));
}

/* is_temporary(name): of what is still being written, or was left so. */
static int l_is_temporary(lua_State *L)
{
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, strlen(name) == len && gw_path_is_temp(name));
  return 1;
}

int gw_luaopen_folder(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"open", l_open}, {"may_open", l_may_open}, {"allow", l_allow},
      {"plan", l_plan}, {"restrict", l_restrict}, {"own", l_own},
      {"is_temporary", l_is_temporary},
      {NULL, NULL},
  };
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"close", l_close}, {"path", l_path},         {"list", l_list},
      {"read", l_read},   {"readlink", l_readlink}, {"write", l_write},
      {"copy", l_copy},   {"link", l_link},         {"remove", l_remove},
      {"sync", l_sync},   {"walk", l_walk},         {NULL, NULL},
  };

  gw_lua_class(L, ROOT_META, metas, methods);
  luaL_newlib(L, funcs);
  return 1;
}
