/*
 * fs: files and folders for Lua. Only write() waits: it syncs to the disk on
 * the cpu pool.
 */
#include "base/lock.h"
#include "base/path.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/task.h"
#include "tree/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_READ (64u << 20)
#define LOCK_META "godwit.lock"

static int succeed(lua_State *L, int rc, const struct gw_err *err)
{
  if (rc != 0)
    return gw_lua_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* A path without NUL bytes. */
static const char *check_path(lua_State *L, int arg)
{
  size_t len;
  const char *path = luaL_checklstring(L, arg, &len);

  luaL_argcheck(L, strlen(path) == len && len > 0, arg, "not a path");
  return path;
}

static int l_read(lua_State *L)
{
  const char *path = check_path(L, 1);
  lua_Integer max = luaL_optinteger(L, 2, MAX_READ);
  struct gw_buf *buf;
  struct gw_err err = {0};

  luaL_argcheck(L, max >= 0, 2, "not negative");
  buf = gw_lua_newbuf(L, 0);
  if (gw_path_read(path, (size_t)max, buf, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  gw_buf_dispose(buf);
  return 1;
}

struct write_job {
  struct gw_lua_job base;
  char *path, *data;
  size_t len;
  mode_t mode;
};

static void write_work(struct gw_lua_job *base)
{
  struct write_job *job = (struct write_job *)base;

  gw_path_write(job->path, job->data, job->len, job->mode, &job->base.err);
}

static void write_dispose(struct gw_lua_job *base)
{
  struct write_job *job = (struct write_job *)base;

  free(job->path);
  free(job->data);
}

static int push_true(lua_State *L, struct gw_lua_job *job)
{
  (void)job;
  lua_pushboolean(L, 1);
  return 1;
}

static int l_write(lua_State *L)
{
  const char *path = check_path(L, 1);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  lua_Integer mode = luaL_optinteger(L, 3, 0600);
  struct write_job *job =
      gw_lua_job(L, sizeof(*job), write_work, push_true, write_dispose);

  job->path = gw_lua_copy(L, path);
  job->data = gw_lua_copy_bytes(L, data, len);
  job->len = len;
  job->mode = (mode_t)mode;
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

void gw_lua_push_dir_entry(lua_State *L, const struct gw_dir_entry *entry)
{
  lua_createtable(L, 0, 5);
  if (entry->name) {
    lua_pushstring(L, entry->name);
    lua_setfield(L, -2, "name");
  }
  lua_pushstring(L, gw_dir_type_name(entry->type));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)entry->size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, entry->mtime);
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, (lua_Integer)entry->mode);
  lua_setfield(L, -2, "mode");
}

static int dir_gc(lua_State *L)
{
  gw_dir_dispose(lua_touserdata(L, 1));
  return 0;
}

static int l_list(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct gw_dir *dir = lua_newuserdatauv(L, sizeof(*dir), 0);
  struct gw_err err = {0};

  memset(dir, 0, sizeof(*dir));
  luaL_setmetatable(L, "godwit.dir");
  if (gw_dir_list(dir, path, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_newtable(L);
  for (size_t i = 0; i < dir->count; i++) {
    gw_lua_push_dir_entry(L, &dir->entries[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_stat(lua_State *L)
{
  struct gw_dir_entry entry = {0};
  struct gw_err err = {0};

  if (gw_dir_stat(&entry, check_path(L, 1), &err) != 0)
    return gw_lua_fail(L, &err);
  gw_lua_push_dir_entry(L, &entry);
  lua_pushnumber(L, entry.ctime);
  lua_setfield(L, -2, "ctime");
  lua_pushinteger(L, (lua_Integer)entry.inode);
  lua_setfield(L, -2, "inode");
  return 1;
}

static int l_mkdir(lua_State *L)
{
  const char *path = check_path(L, 1);
  mode_t mode = (mode_t)luaL_optinteger(L, 2, 0700);
  struct gw_err err = {0};

  return succeed(L, gw_path_mkdirs(path, mode, &err), &err);
}

static int l_remove(lua_State *L)
{
  struct gw_err err = {0};

  return succeed(L, gw_dir_remove(check_path(L, 1), &err), &err);
}

static int l_remove_tree(lua_State *L)
{
  struct gw_err err = {0};

  return succeed(L, gw_path_remove_tree(check_path(L, 1), &err), &err);
}

static int l_rename(lua_State *L)
{
  struct gw_err err = {0};

  return succeed(L, gw_dir_rename(check_path(L, 1), check_path(L, 2), &err),
                 &err);
}

static int l_symlink(lua_State *L)
{
  struct gw_err err = {0};
  const char *target = check_path(L, 1), *path = check_path(L, 2);
  int rc = symlink(target, path);

  if (rc != 0)
    gw_err_errno(&err, "fs.symlink", path);
  return succeed(L, rc, &err);
}

static int l_mktemp(lua_State *L)
{
  const char *dir = check_path(L, 1), *prefix = check_path(L, 2);
  struct gw_err err = {0};
  char *path, copy[PATH_MAX];

  if (gw_dir_temp(&path, dir, prefix, &err) != 0)
    return gw_lua_fail(L, &err);
  snprintf(copy, sizeof(copy), "%s", path);
  free(path); /* before anything can raise */
  lua_pushstring(L, copy);
  return 1;
}

/* may_write(path): whether this process may, without trying. */
static int l_may_write(lua_State *L)
{
  const char *path = check_path(L, 1);

  lua_pushboolean(L, faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0);
  return 1;
}

/* space(path): bytes free for this user on its file system. */
static int l_space(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct statvfs fs;
  struct gw_err err = {0};

  if (statvfs(path, &fs) != 0) {
    gw_err_errno(&err, "fs.space", path);
    return gw_lua_fail(L, &err);
  }
  lua_pushinteger(L, (lua_Integer)(fs.f_bavail * fs.f_frsize));
  return 1;
}

static int l_cwd(lua_State *L)
{
  char path[PATH_MAX];
  struct gw_err err = {0};

  if (!getcwd(path, sizeof(path))) {
    gw_err_errno(&err, "fs.cwd", "current folder");
    return gw_lua_fail(L, &err);
  }
  lua_pushstring(L, path);
  return 1;
}

static int l_realpath(lua_State *L)
{
  const char *path = check_path(L, 1);
  char real[PATH_MAX];
  struct gw_err err = {0};

  if (!realpath(path, real)) {
    gw_err_errno(&err, "fs.realpath", path);
    return gw_lua_fail(L, &err);
  }
  lua_pushstring(L, real);
  return 1;
}

/* --- locks -------------------------------------------------------------- */

struct lock_box {
  struct gw_lock *lock; /* NULL: closed */
};

static int lock_close(lua_State *L)
{
  struct lock_box *box = luaL_checkudata(L, 1, LOCK_META);

  gw_lock_close(box->lock);
  box->lock = NULL;
  return 0;
}

static int l_lock(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct lock_box *box = lua_newuserdatauv(L, sizeof(*box), 0);
  struct gw_err err = {0};

  box->lock = NULL;
  luaL_setmetatable(L, LOCK_META);
  if (gw_lock_open(&box->lock, path, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

/* Leaves a line in the file for who looks at it later. */
static int lock_note(lua_State *L)
{
  struct lock_box *box = luaL_checkudata(L, 1, LOCK_META);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  struct gw_err err = {0};

  luaL_argcheck(L, box->lock, 1, "lock is closed");
  luaL_argcheck(L, len < 256 && strlen(text) == len, 2, "a short text expected");
  return succeed(L, gw_lock_note(box->lock, text, &err), &err);
}

/* Whether a tree may hold a file of that name. */
static int l_is_name(lua_State *L)
{
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);

  lua_pushboolean(L, gw_path_is_name(name, len));
  return 1;
}

/* locked(path): whether somebody holds it, without taking it. */
static int l_locked(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct gw_err err = {0};
  bool held;

  if (gw_lock_held(&held, path, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushboolean(L, held);
  return 1;
}

int gw_luaopen_fs(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"read", l_read},
      {"write", l_write},
      {"list", l_list},
      {"stat", l_stat},
      {"mkdir", l_mkdir},
      {"remove", l_remove},
      {"remove_tree", l_remove_tree},
      {"rename", l_rename},
      {"symlink", l_symlink},
      {"mktemp", l_mktemp},
      {"cwd", l_cwd},
      {"realpath", l_realpath},
      {"lock", l_lock},
      {"locked", l_locked},
      {"may_write", l_may_write},
      {"space", l_space},
      {"is_name", l_is_name},
      {NULL, NULL},
  };
  static const luaL_Reg dir_metas[] = {{"__gc", dir_gc}, {NULL, NULL}};
  static const luaL_Reg lock_metas[] = {
      {"__gc", lock_close}, {"__close", lock_close}, {NULL, NULL}};
  static const luaL_Reg lock_methods[] = {
      {"close", lock_close}, {"note", lock_note}, {NULL, NULL}};

  gw_lua_class(L, "godwit.dir", dir_metas, NULL);
  gw_lua_class(L, LOCK_META, lock_metas, lock_methods);
  luaL_newlib(L, funcs);
  return 1;
}
