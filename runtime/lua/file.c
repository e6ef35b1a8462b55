/*
 * file: files in pieces for Lua (tree/file.h). Small steps are done at once;
 * md5 and names wait for a worker.
 */
#include "tree/file.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/task.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_META "godwit.file.reader"
#define OUT_META "godwit.file.writer"
#define WALK_META "godwit.file.walker"
#define MAX_PIECE (16 << 20)

/* A path without NUL bytes. */
static const char *check_path(lua_State *L, int arg)
{
  size_t len;
  const char *path = luaL_checklstring(L, arg, &len);

  luaL_argcheck(L, strlen(path) == len && len > 0, arg, "not a path");
  return path;
}

static double mtime_of(const struct stat *st)
{
  return (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9;
}

/* What is another when the file is. */
static void push_stamp(lua_State *L, const struct stat *st)
{
  lua_pushfstring(L, "%I:%I:%I.%I", (LUAI_UACINT)st->st_ino,
                  (LUAI_UACINT)st->st_size, (LUAI_UACINT)st->st_mtim.tv_sec,
                  (LUAI_UACINT)st->st_mtim.tv_nsec);
}

/* --- reading ----------------------------------------------------------- */

struct in_box {
  int fd; /* -1: closed */
};

static struct in_box *check_in(lua_State *L)
{
  struct in_box *box = luaL_checkudata(L, 1, IN_META);

  luaL_argcheck(L, box->fd >= 0, 1, "the file is closed");
  return box;
}

static int in_close(lua_State *L)
{
  struct in_box *box = luaL_checkudata(L, 1, IN_META);

  if (box->fd >= 0)
    (void)close(box->fd);
  box->fd = -1;
  return 0;
}

/* open(path): the file, its size, time and stamp. */
static int l_open(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct in_box *box = lua_newuserdatauv(L, sizeof(*box), 0);
  struct gw_err err = {0};
  struct stat st;

  box->fd = -1;
  luaL_setmetatable(L, IN_META);
  if (gw_file_open(&box->fd, &st, path, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushinteger(L, (lua_Integer)st.st_size);
  lua_pushnumber(L, mtime_of(&st));
  push_stamp(L, &st);
  return 4;
}

/* read(max): what comes next, nil at the end. */
static int in_read(lua_State *L)
{
  struct in_box *box = check_in(L);
  lua_Integer max = luaL_checkinteger(L, 2);
  struct gw_err err = {0};
  luaL_Buffer b;
  ssize_t n;

  luaL_argcheck(L, max > 0 && max <= MAX_PIECE, 2, "no usable size");
  n = gw_file_read(box->fd, luaL_buffinitsize(L, &b, (size_t)max), (size_t)max,
                   &err);
  luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
  if (n < 0)
    return gw_lua_fail(L, &err);
  if (n == 0)
    lua_pushnil(L);
  return 1;
}

struct md5_job {
  struct gw_lua_job base;
  int fd;
  char hex[65];
};

static void md5_work(struct gw_lua_job *base)
{
  struct md5_job *job = (struct md5_job *)base;

  (void)gw_file_md5(job->fd, job->hex, &base->err);
}

static int md5_push(lua_State *L, struct gw_lua_job *base)
{
  lua_pushstring(L, ((struct md5_job *)base)->hex);
  return 1;
}

static void md5_dispose(struct gw_lua_job *base)
{
  struct md5_job *job = (struct md5_job *)base;

  if (job->fd >= 0)
    (void)close(job->fd);
}

static int in_md5(lua_State *L)
{
  struct in_box *box = check_in(L);
  struct md5_job *job =
      gw_lua_job(L, sizeof(*job), md5_work, md5_push, md5_dispose);
  struct gw_err err = {0};

  job->fd = fcntl(box->fd, F_DUPFD_CLOEXEC, 3);
  if (job->fd < 0) {
    gw_err_errno(&err, "file.md5", "a file");
    return gw_lua_fail(L, &err);
  }
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

/* --- writing ----------------------------------------------------------- */

struct out_box {
  struct gw_file_new *file; /* NULL: closed */
};

static int out_close(lua_State *L)
{
  struct out_box *box = luaL_checkudata(L, 1, OUT_META);
  struct gw_file_new *file = box->file;

  box->file = NULL;
  gw_file_drop(file);
  return 0;
}

static struct gw_file_new *check_out(lua_State *L)
{
  struct out_box *box = luaL_checkudata(L, 1, OUT_META);

  luaL_argcheck(L, box->file, 1, "the file is closed");
  return box->file;
}

static int l_create(lua_State *L)
{
  const char *path = check_path(L, 1);
  struct out_box *box = lua_newuserdatauv(L, sizeof(*box), 0);
  struct gw_err err = {0};

  box->file = NULL;
  luaL_setmetatable(L, OUT_META);
  if (gw_file_create(&box->file, path, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

static int out_write(lua_State *L)
{
  struct gw_file_new *file = check_out(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  struct gw_err err = {0};

  if (gw_file_append(file, data, len, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushboolean(L, true);
  return 1;
}

/* place(path): its MD5, size, time and stamp; the file is closed. */
static int out_place(lua_State *L)
{
  struct gw_file_new *file = check_out(L);
  const char *path = check_path(L, 2);
  struct gw_err err = {0};
  struct stat st;
  char md5[65];

  if (gw_file_place(file, path, md5, &st, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_settop(L, 1);
  out_close(L);
  lua_pushstring(L, md5);
  lua_pushinteger(L, (lua_Integer)st.st_size);
  lua_pushnumber(L, mtime_of(&st));
  push_stamp(L, &st);
  return 4;
}

/* --- folders ----------------------------------------------------------- */

struct names_job {
  struct gw_lua_job base;
  char *dir;
  struct gw_buf names;
  size_t count;
};

static void names_work(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  (void)gw_file_names(&job->names, &job->count, job->dir, &base->err);
}

static int names_push(lua_State *L, struct gw_lua_job *base)
{
  const struct names_job *job = (struct names_job *)base;
  const char *at = job->names.data;

  lua_createtable(L, (int)job->count, 0);
  for (size_t i = 0; i < job->count; i++) {
    size_t len = strlen(at);
    lua_pushlstring(L, at, len);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    at += len + 1;
  }
  return 1;
}

static void names_dispose(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  free(job->dir);
  gw_buf_dispose(&job->names);
}

static int l_names(lua_State *L)
{
  const char *dir = check_path(L, 1);
  struct names_job *job =
      gw_lua_job(L, sizeof(*job), names_work, names_push, names_dispose);

  job->dir = gw_lua_copy(L, dir);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

struct walk_box {
  struct gw_file_walk *walk; /* NULL: closed */
};

static int walk_close(lua_State *L)
{
  struct walk_box *box = luaL_checkudata(L, 1, WALK_META);
  struct gw_file_walk *walk = box->walk;

  box->walk = NULL;
  gw_file_walk_close(walk);
  return 0;
}

static void push_entry(lua_State *L, const char *name, const struct stat *st)
{
  lua_createtable(L, 0, 4);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushinteger(L, (lua_Integer)st->st_size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, mtime_of(st));
  lua_setfield(L, -2, "time");
  if (S_ISREG(st->st_mode))
    return;
  lua_pushstring(L, S_ISDIR(st->st_mode)   ? "dir"
                    : S_ISLNK(st->st_mode) ? "link"
                                           : "other");
  lua_setfield(L, -2, "other");
}

/* next(max): so many entries at most; nil at the end. */
static int walk_next(lua_State *L)
{
  struct walk_box *box = luaL_checkudata(L, 1, WALK_META);
  lua_Integer max = luaL_checkinteger(L, 2), n = 0;
  struct gw_err err = {0};
  const char *name;
  struct stat st;
  int rc = 0;

  luaL_argcheck(L, box->walk, 1, "the folder is closed");
  luaL_argcheck(L, max > 0, 2, "no usable number");
  lua_newtable(L);
  while (n < max && (rc = gw_file_walk_next(box->walk, &name, &st, &err)) > 0) {
    push_entry(L, name, &st);
    lua_rawseti(L, -2, ++n);
  }
  if (rc < 0)
    return gw_lua_fail(L, &err);
  if (n == 0)
    lua_pushnil(L);
  return 1;
}

static void walk_class(lua_State *L)
{
  static const luaL_Reg metas[] = {
      {"__gc", walk_close}, {"__close", walk_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"next", walk_next}, {"close", walk_close}, {NULL, NULL}};

  gw_lua_class(L, WALK_META, metas, methods);
}

struct gw_file_walk **gw_lua_new_walk(lua_State *L)
{
  struct walk_box *box = lua_newuserdatauv(L, sizeof(*box), 0);

  box->walk = NULL;
  if (luaL_getmetatable(L, WALK_META) == LUA_TNIL)
    walk_class(L);
  lua_pop(L, 1);
  luaL_setmetatable(L, WALK_META);
  return &box->walk;
}

static int l_walk(lua_State *L)
{
  const char *dir = check_path(L, 1);
  struct gw_file_walk **walk = gw_lua_new_walk(L);
  struct gw_err err = {0};

  if (gw_file_walk_open(walk, dir, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

int gw_luaopen_file(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"open", l_open},
                                   {"create", l_create},
                                   {"names", l_names},
                                   {"walk", l_walk},
                                   {NULL, NULL}};
  static const luaL_Reg in_metas[] = {
      {"__gc", in_close}, {"__close", in_close}, {NULL, NULL}};
  static const luaL_Reg in_methods[] = {
      {"read", in_read}, {"md5", in_md5}, {"close", in_close}, {NULL, NULL}};
  static const luaL_Reg out_metas[] = {
      {"__gc", out_close}, {"__close", out_close}, {NULL, NULL}};
  static const luaL_Reg out_methods[] = {{"write", out_write},
                                         {"place", out_place},
                                         {"close", out_close},
                                         {NULL, NULL}};

  gw_lua_class(L, IN_META, in_metas, in_methods);
  gw_lua_class(L, OUT_META, out_metas, out_methods);
  walk_class(L);
  luaL_newlib(L, funcs);
  return 1;
}
