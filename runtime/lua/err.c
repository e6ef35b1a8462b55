#include "lua/err.h"

#include "lua/bind.h"
#include "lua/trace.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_TRACE 16384 /* bytes; a longer one grows no more */

void gw_lua_pusherr(lua_State *L, const struct gw_err *err)
{
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, 8);
  lua_pushstring(L, gw_err_name(err->kind));
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, err->message);
  lua_setfield(L, -2, "message");
  if (err->op[0]) {
    lua_pushstring(L, err->op);
    lua_setfield(L, -2, "op");
  }
  if (err->status) {
    lua_pushinteger(L, err->status);
    lua_setfield(L, -2, "status");
  }
  lua_pushboolean(L, err->retryable);
  lua_setfield(L, -2, "retryable");
  if (err->busy) {
    lua_pushinteger(L, err->retry_after);
    lua_setfield(L, -2, "retry_after");
  }
  luaL_setmetatable(L, GW_ERR_META);
}

int gw_lua_fail(lua_State *L, const struct gw_err *err)
{
  luaL_checkstack(L, 2, NULL);
  lua_pushnil(L);
  gw_lua_pusherr(L, err);
  return 2;
}

int gw_lua_raise(lua_State *L, const struct gw_err *err)
{
  gw_lua_pusherr(L, err);
  return lua_error(L);
}

int gw_lua_throw(lua_State *L, enum gw_errkind kind, const char *op,
                 const char *fmt, ...)
{
  struct gw_err err = {.kind = kind};
  va_list args;

  va_start(args, fmt);
  vsnprintf(err.message, sizeof(err.message), fmt, args);
  va_end(args);
  if (op)
    snprintf(err.op, sizeof(err.op), "%s", op);
  return gw_lua_raise(L, &err);
}

bool gw_lua_iserr(lua_State *L, int idx)
{
  bool yes = false;

  if (lua_istable(L, idx) && lua_getmetatable(L, idx)) {
    luaL_getmetatable(L, GW_ERR_META);
    yes = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  return yes;
}

/* Replaces the value on top by an error object that says the same. */
static void make_err(lua_State *L)
{
  const char *text = luaL_tolstring(L, -1, NULL);

  lua_createtable(L, 0, 4);
  /* Lua's own text: it has no object when memory has ended. */
  lua_pushstring(L, strcmp(text, "not enough memory") == 0 ? "nomem" : "bug");
  lua_setfield(L, -2, "kind");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "message");
  if (!lua_isstring(L, -3)) {
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "value");
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  luaL_setmetatable(L, GW_ERR_META);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void gw_lua_wraperr(lua_State *L, lua_State *of)
{
  luaL_checkstack(L, 6, NULL);
  if (!gw_lua_iserr(L, -1))
    make_err(L);
  if (!of)
    return;
  lua_pushliteral(L, "traceback");
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    gw_lua_trace(L, of, of == L ? 1 : 0);
    lua_setfield(L, -2, "traceback");
  } else {
    lua_pop(L, 1);
  }
}

static void copy_field(lua_State *L, const char *name, char *out, size_t size)
{
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  if (lua_type(L, -1) == LUA_TSTRING)
    snprintf(out, size, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

void gw_lua_toerr(lua_State *L, int idx, struct gw_err *err)
{
  char kind[32] = "";

  memset(err, 0, sizeof(*err));
  err->kind = GW_EBUG;
  idx = lua_absindex(L, idx);
  if (!gw_lua_iserr(L, idx)) {
    const char *text = luaL_tolstring(L, idx, NULL);
    snprintf(err->message, sizeof(err->message), "%s", text);
    lua_pop(L, 1);
    return;
  }
  lua_pushvalue(L, idx);
  copy_field(L, "kind", kind, sizeof(kind));
  copy_field(L, "message", err->message, sizeof(err->message));
  copy_field(L, "op", err->op, sizeof(err->op));
  lua_pop(L, 1);
  if (gw_err_kind(kind) != GW_OK)
    err->kind = gw_err_kind(kind);
}

static int isobject(lua_State *L)
{
  lua_pushboolean(L, gw_lua_iserr(L, 1));
  return 1;
}

/* wrap(value, traceback?): whatever was raised, as an error object */
static int from(lua_State *L)
{
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  gw_lua_wraperr(L, NULL);
  return 1;
}

static int traced(lua_State *L)
{
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  gw_lua_wraperr(L, L);
  return 1;
}

/* through(value, name): as traced, and where it came through a task that
 * `name` ("task.each") started, the calls that led there. */
static int through(lua_State *L)
{
  const char *name = luaL_checkstring(L, 2);
  size_t len = 0;

  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  gw_lua_wraperr(L, NULL);
  lua_pushliteral(L, "traceback");
  if (lua_rawget(L, 3) == LUA_TSTRING)
    (void)lua_tolstring(L, 4, &len);
  if (len < MAX_TRACE) {
    lua_pushfstring(L, "%s\n\t[%s] ", len > 0 ? lua_tostring(L, 4) : "", name);
    gw_lua_trace(L, L, 1);
    lua_concat(L, 2);
    lua_setfield(L, 3, "traceback");
  }
  lua_settop(L, 3);
  return 1;
}

int gw_luaopen_err(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"is_object", isobject},
      {"from", from},
      {"traced", traced},
      {"through", through},
      {NULL, NULL},
  };

  luaL_newlib(L, funcs);
  luaL_newmetatable(L, GW_ERR_META);
  lua_setfield(L, -2, "meta");
  return 1;
}
