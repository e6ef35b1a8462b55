#include "lua/modules.h"

#include "base/log.h"
#include "base/path.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SOURCE (8u << 20)
#define MAX_REP (256.0 * 1024 * 1024)

/* Registry keys. */
static const char LOADED[] = "godwit.loaded";   /* name -> value */
static const char PATH[] = "godwit.path";       /* array: GODWIT_PATH */
static const char FOLDERS[] = "godwit.folders"; /* array: the host's own */
static const char ENV[] = "godwit.env";         /* the library's globals */
static const char OPEN_ENV[] = "godwit.open";   /* other people's modules' */

/* One line per C module; the name is what Lua requires. */
static const luaL_Reg core_modules[] = {
    {"godwit.core.closed", gw_luaopen_closed},
    {"godwit.core.data", gw_luaopen_data},
    {"godwit.core.edit", gw_luaopen_edit},
    {"godwit.core.err", gw_luaopen_err},
    {"godwit.core.file", gw_luaopen_file},
    {"godwit.core.folder", gw_luaopen_folder},
    {"godwit.core.fs", gw_luaopen_fs},
    {"godwit.core.git", gw_luaopen_git},
    {"godwit.core.http", gw_luaopen_http},
    {"godwit.core.json", gw_luaopen_json},
    {"godwit.core.ledger", gw_luaopen_ledger},
    {"godwit.core.modules", gw_luaopen_modules},
    {"godwit.core.names", gw_luaopen_names},
    {"godwit.core.process", gw_luaopen_process},
    {"godwit.core.secret", gw_luaopen_secret},
    {"godwit.core.serve", gw_luaopen_serve},
    {"godwit.core.sys", gw_luaopen_sys},
    {"godwit.core.task", gw_luaopen_task},
    {"godwit.core.vmap", gw_luaopen_vmap},
#ifdef GODWIT_FAULTS
    {"godwit.core.fault", gw_luaopen_fault},
#endif
    {NULL, NULL},
};

/* Written by CMake: name, first byte, end; a NULL name ends. */
struct embedded {
  const char *name, *begin, *end;
};
extern const struct embedded gw_embedded[];

const char *gw_embed_find(const char *path, size_t *len)
{
  for (const struct embedded *e = gw_embedded; e->name; e++) {
    if (strcmp(e->name, path) == 0) {
      *len = (size_t)(e->end - e->begin);
      return e->begin;
    }
  }
  return NULL;
}

const char *gw_embed_name(size_t i)
{
  return gw_embedded[i].name; /* callers stop at the NULL */
}

/* --- loading ------------------------------------------------------------ */

/* Pushes the chunk compiled from text, with the environment of that name. */
static void load_text(lua_State *L, const char *text, size_t len,
                      const char *chunk, const char *env)
{
  if (luaL_loadbufferx(L, text, len, chunk, "t") != LUA_OK)
    lua_error(L);
  lua_getfield(L, LUA_REGISTRYINDEX, env);
  lua_setupvalue(L, -2, 1);
}

static int load_embedded(lua_State *L, const char *path)
{
  size_t len;
  const char *text = gw_embed_find(path, &len);

  if (!text)
    return 0;
  /* The name a trace shows: where the file is in the source tree. */
  if (strncmp(path, "godwit/", 7) == 0)
    lua_pushfstring(L, "@lualib/%s", path);
  else
    lua_pushfstring(L, "@%s", path);
  load_text(L, text, len, lua_tostring(L, -1),
            strcmp(path, "argparse.lua") == 0 ? OPEN_ENV : ENV);
  lua_remove(L, -2);
  return 1;
}

static int load_file(lua_State *L, const char *path, const char *env)
{
  struct gw_buf *buf;
  struct gw_err err = {0};

  if (access(path, R_OK) != 0)
    return 0;
  buf = gw_lua_newbuf(L, 0);
  if (gw_path_read(path, MAX_SOURCE, buf, &err) != 0)
    gw_lua_raise(L, &err);
  lua_pushfstring(L, "@%s", path);
  load_text(L, buf->data ? buf->data : "", buf->len, lua_tostring(L, -1), env);
  gw_buf_dispose(buf);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return 1;
}

/* Pushes "dir/name.lua" or "name.lua", dots as slashes. */
static const char *file_of(lua_State *L, const char *dir, const char *name,
                           const char *tail)
{
  name = luaL_gsub(L, name, ".", "/");
  if (dir)
    lua_pushfstring(L, "%s/%s%s", dir, name, tail);
  else
    lua_pushfstring(L, "%s%s", name, tail);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

static bool is_ours(const char *name)
{
  return strcmp(name, "argparse") == 0 || strcmp(name, "godwit") == 0 ||
         strncmp(name, "godwit.", 7) == 0;
}

/* Pushes the chunk of module `name` from the folder `dir`, or returns 0. */
static int load_from(lua_State *L, const char *dir, const char *name,
                     const char *env)
{
  static const char *const tails[] = {".lua", "/init.lua"};

  for (size_t i = 0; i < 2; i++) {
    const char *path = file_of(L, dir, name, tails[i]);
    if (load_file(L, path, env)) {
      lua_remove(L, -2);
      return 1;
    }
    lua_pop(L, 1);
  }
  return 0;
}

static int load_from_embedded(lua_State *L, const char *name)
{
  static const char *const tails[] = {".lua", "/init.lua"};

  for (size_t i = 0; i < 2; i++) {
    if (load_embedded(L, file_of(L, NULL, name, tails[i]))) {
      lua_remove(L, -2);
      return 1;
    }
    lua_pop(L, 1);
  }
  return 0;
}

/* As load_from, over all folders under that registry key. */
static int load_from_folders(lua_State *L, const char *key, const char *name,
                             const char *env)
{
  lua_Integer n;

  lua_getfield(L, LUA_REGISTRYINDEX, key);
  n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    if (load_from(L, lua_tostring(L, -1), name, env)) {
      lua_insert(L, -3);
      lua_pop(L, 2);
      return 1;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 0;
}

static void announce(lua_State *L, const char *name)
{
  lua_Debug ar;

  if (!load_from_embedded(L, name))
    return; /* a new one: nothing is hidden */
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">S", &ar);
  gw_log_line("module %s is taken from %s (GODWIT_PATH)", name, ar.short_src);
}

/* Pushes the chunk of that module, or returns 0. */
static int find_module(lua_State *L, const char *name)
{
  for (const luaL_Reg *reg = core_modules; reg->name; reg++) {
    if (strcmp(reg->name, name) == 0) {
      lua_pushcfunction(L, reg->func);
      return 1;
    }
  }
  if (is_ours(name)) {
    if (load_from_folders(L, PATH, name, ENV)) {
      announce(L, name);
      return 1;
    }
    if (load_from_embedded(L, name))
      return 1;
  }
  return load_from_folders(L, FOLDERS, name, OPEN_ENV);
}

/* An error object learns where it was raised before that is gone. */
static int on_error(lua_State *L)
{
  if (gw_lua_iserr(L, -1))
    gw_lua_wraperr(L, L);
  return 1;
}

/* Leaves what the chunk on top returned, or its error. */
static int run_chunk(lua_State *L, const char *name)
{
  struct gw_tasks *tasks = gw_lua_host(L)->tasks;
  const char *before = gw_tasks_loading(tasks, name);
  int status;

  lua_pushcfunction(L, on_error);
  lua_insert(L, -2);
  lua_pushstring(L, name);
  status = lua_pcall(L, 1, 1, -3); /* not yieldable */
  lua_remove(L, -2);
  gw_tasks_loading(tasks, before);
  if (status == LUA_OK && lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  return status;
}

void gw_modules_run(lua_State *L, const char *name)
{
  if (run_chunk(L, name) != LUA_OK)
    lua_error(L);
}

static int l_require(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  int status;

  lua_settop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, LOADED);
  if (lua_getfield(L, 2, name) != LUA_TNIL) {
    if (lua_touserdata(L, 3) == (const void *)LOADED)
      return luaL_error(L, "module '%s' requires itself", name);
    return 1;
  }
  lua_pop(L, 1);
  if (!find_module(L, name))
    return luaL_error(L, "module '%s' not found", name);
  lua_pushlightuserdata(L, (void *)(uintptr_t)LOADED); /* is loading */
  lua_setfield(L, 2, name);
  status = run_chunk(L, name);
  if (status == LUA_OK)
    lua_pushvalue(L, -1);
  else
    lua_pushnil(L); /* it may be asked for again */
  lua_setfield(L, 2, name);
  return status == LUA_OK ? 1 : lua_error(L);
}

void gw_modules_require(lua_State *L, const char *name)
{
  lua_pushcfunction(L, l_require);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

/* --- the library's globals ---------------------------------------------- */

static int undefined(lua_State *L)
{
  return luaL_error(L, "undefined variable '%s'", luaL_tolstring(L, 2, NULL));
}

static int no_globals(lua_State *L)
{
  return luaL_error(L, "assignment to global '%s'", luaL_tolstring(L, 2, NULL));
}

/* Copies fields named in a NULL-ended list from the table on top into a new
 * one, which replaces it. An empty list copies all. */
static void only(lua_State *L, const char *const *names)
{
  lua_newtable(L);
  for (; *names; names++) {
    lua_getfield(L, -2, *names);
    lua_setfield(L, -2, *names);
  }
  lua_remove(L, -2);
}

static void make_env(lua_State *L)
{
  static const char *const base[] = {
      "assert", "error",  "getmetatable",   "ipairs",    "next",
      "pairs",  "pcall",  "rawequal",       "rawget",    "rawlen",
      "rawset", "select", "setmetatable",   "tonumber",  "tostring",
      "type",   "xpcall", "collectgarbage", "_VERSION",  "string",
      "table",  "math",   "utf8",           "coroutine", NULL};
  static const char *const os[] = {"clock", "date", "difftime", "time", NULL};
  static const char *const debug[] = {"traceback", NULL};

  lua_pushglobaltable(L);
  only(L, base);
  lua_getglobal(L, "os");
  only(L, os);
  lua_setfield(L, -2, "os");
  lua_getglobal(L, "debug");
  only(L, debug);
  lua_setfield(L, -2, "debug");
  lua_pushcfunction(L, l_require);
  lua_setfield(L, -2, "require");
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, undefined);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, no_globals);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
}

/* string.rep (upvalue 1) without texts that take seconds to make. */
static int l_rep(lua_State *L)
{
  size_t len, sep = 0;
  lua_Integer n = luaL_checkinteger(L, 2);

  luaL_checklstring(L, 1, &len);
  luaL_optlstring(L, 3, "", &sep);
  if (n > 0 && (double)(len + sep) * (double)n > MAX_REP)
    return luaL_error(L, "resulting string too large");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* The string metatable is everybody's: what it leads to cannot be changed by
 * a script, and holds nothing that makes bytecode. */
static void lock_strings(lua_State *L)
{
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "rep");
  lua_pushcclosure(L, l_rep, 1);
  lua_setfield(L, -2, "rep");
  lua_pushnil(L);
  lua_setfield(L, -2, "dump");
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushliteral(L, "string");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

static void set_path(lua_State *L)
{
  const char *path = getenv("GODWIT_PATH");
  lua_Integer n = 0;

  lua_newtable(L);
  while (path && *path) {
    size_t len = strcspn(path, ":");
    if (len > 0) {
      lua_pushlstring(L, path, len);
      lua_rawseti(L, -2, ++n);
    }
    path += len + (path[len] == ':');
  }
  lua_setfield(L, LUA_REGISTRYINDEX, PATH);
}

void gw_modules_open(lua_State *L, const char *const *folders)
{
  lua_Integer n = 0;

  luaL_openlibs(L);
  lock_strings(L);
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LOADED);
  set_path(L);
  lua_newtable(L);
  for (; folders && *folders; folders++) {
    lua_pushstring(L, *folders);
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, FOLDERS);
  make_env(L);
  lua_setfield(L, LUA_REGISTRYINDEX, ENV);
  lua_pushglobaltable(L);
  lua_pushcfunction(L, l_require);
  lua_setfield(L, -2, "require");
  lua_setfield(L, LUA_REGISTRYINDEX, OPEN_ENV);
  gw_modules_require(L, "godwit.core.task"); /* its class */
  gw_modules_require(L, "godwit.err"); /* errors print well from here on */
  lua_pop(L, 2);
}

/* --- what Lua sees ------------------------------------------------------ */

static int l_source(lua_State *L)
{
  size_t len;
  const char *text = gw_embed_find(luaL_checkstring(L, 1), &len);

  if (text)
    lua_pushlstring(L, text, len);
  else
    lua_pushnil(L);
  return 1;
}

static int l_names(lua_State *L)
{
  const char *prefix = luaL_optstring(L, 1, "");
  lua_Integer n = 0;

  lua_newtable(L);
  for (size_t i = 0; gw_embed_name(i); i++) {
    if (strncmp(gw_embed_name(i), prefix, strlen(prefix)) == 0) {
      lua_pushstring(L, gw_embed_name(i));
      lua_rawseti(L, -2, ++n);
    }
  }
  return 1;
}

static int l_path(lua_State *L)
{
  lua_getfield(L, LUA_REGISTRYINDEX, PATH);
  return 1;
}

int gw_luaopen_modules(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"source", l_source},   {"names", l_names}, {"path", l_path},
      {"require", l_require}, {NULL, NULL},
  };

  luaL_newlib(L, funcs);
  return 1;
}
