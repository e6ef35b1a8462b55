#include "lua/bind.h"

static int bad_option(lua_State *L, const char *name, const char *wanted)
{
  return luaL_error(L, "bad option '%s' (%s expected, got %s)", name, wanted,
                    luaL_typename(L, -1));
}

int gw_rawfield(lua_State *L, int idx, const char *name)
{
  idx = lua_absindex(L, idx);
  luaL_checktype(L, idx, LUA_TTABLE);
  lua_pushstring(L, name);
  return lua_rawget(L, idx);
}

const char *gw_opt_string(lua_State *L, int idx, const char *name,
                          const char *def)
{
  const char *value = def;
  int type = gw_rawfield(L, idx, name);

  if (type == LUA_TSTRING)
    value = lua_tostring(L, -1); /* the table keeps it alive */
  else if (type != LUA_TNIL)
    bad_option(L, name, "string");
  lua_pop(L, 1);
  return value;
}

bool gw_opt_bool(lua_State *L, int idx, const char *name, bool def)
{
  bool value = def;
  int type = gw_rawfield(L, idx, name);

  if (type == LUA_TBOOLEAN)
    value = lua_toboolean(L, -1);
  else if (type != LUA_TNIL)
    bad_option(L, name, "boolean");
  lua_pop(L, 1);
  return value;
}

double gw_opt_number(lua_State *L, int idx, const char *name, double def)
{
  double value = def;
  int type = gw_rawfield(L, idx, name);

  if (type == LUA_TNUMBER)
    value = lua_tonumber(L, -1);
  else if (type != LUA_TNIL)
    bad_option(L, name, "number");
  lua_pop(L, 1);
  return value;
}

void gw_lua_class(lua_State *L, const char *name, const luaL_Reg *metas,
                  const luaL_Reg *methods)
{
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, metas, 0);
  if (methods) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

static int buf_gc(lua_State *L)
{
  gw_buf_dispose(luaL_checkudata(L, 1, "godwit.buf"));
  return 0;
}

struct gw_buf *gw_lua_newbuf(lua_State *L, size_t max)
{
  static const luaL_Reg metas[] = {{"__gc", buf_gc}, {NULL, NULL}};
  struct gw_buf *buf;

  if (luaL_getmetatable(L, "godwit.buf") == LUA_TNIL)
    gw_lua_class(L, "godwit.buf", metas, NULL);
  lua_pop(L, 1);
  buf = lua_newuserdatauv(L, sizeof(*buf), 0);
  gw_buf_init(buf, max);
  luaL_setmetatable(L, "godwit.buf");
  return buf;
}
