/*
 * closed: what the closed environment of scripts needs from C. The rest is
 * lualib/godwit/closed.lua.
 */
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/guard.h"
#include "lua/modules.h"
#include "lua/task.h"

#include <lua-cjson.h>

/* A coroutine of the script's own: never one of ours, which only the
 * scheduler may resume or close. */
static lua_State *check_own(lua_State *L)
{
  lua_State *co = lua_tothread(L, 1);

  luaL_argexpected(L, co, 1, "coroutine");
  luaL_argcheck(L, !gw_task_is(co), 1,
                "this is a task, no coroutine of the "
                "script's own");
  return co;
}

/* coroutine.resume (upvalue 1) that tells the runaway guard who runs. */
static int l_resume(lua_State *L)
{
  lua_State *co = check_own(L);
  struct gw_runaway *runaway = gw_lua_host(L)->runaway;
  struct gw_runaway_frame frame;
  int status;

  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  gw_runaway_enter(runaway, &frame, co);
  status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  gw_runaway_leave(runaway);
  if (status != LUA_OK)
    return lua_error(L);
  if (!lua_toboolean(L, 1) && gw_lua_iserr(L, -1))
    gw_lua_wraperr(L, co); /* while the calls that led to it are known */
  return lua_gettop(L);
}

/* coroutine.close (upvalue 1), the same way: __close handlers run in it. */
static int l_close(lua_State *L)
{
  lua_State *co = check_own(L);
  struct gw_runaway *runaway = gw_lua_host(L)->runaway;
  struct gw_runaway_frame frame;
  int status;

  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  gw_runaway_enter(runaway, &frame, co);
  status = lua_pcall(L, 1, LUA_MULTRET, 0);
  gw_runaway_leave(runaway);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* run(chunk, name): a module's top level, where nothing can wait. */
static int l_run(lua_State *L)
{
  const char *name = luaL_checkstring(L, 2);

  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  gw_modules_run(L, name);
  return 1;
}

/* Is the running task being stopped? */
static int l_expired(lua_State *L)
{
  lua_pushboolean(L, gw_runaway_expired(gw_lua_host(L)->runaway));
  return 1;
}

/* A new instance of lua-cjson, with settings of its own. */
static int l_cjson(lua_State *L)
{
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "new");
  lua_call(L, 0, 1);
  return 1;
}

static void coroutine_function(lua_State *L, const char *name, lua_CFunction fn)
{
  lua_getglobal(L, "coroutine");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, -2, name);
}

int gw_luaopen_closed(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"run", l_run}, {"cjson", l_cjson}, {"expired", l_expired}, {NULL, NULL}};

  luaL_newlib(L, funcs);
  coroutine_function(L, "resume", l_resume);
  coroutine_function(L, "close", l_close);
  return 1;
}
