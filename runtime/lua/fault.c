/*
 * fault: arms failures from Lua tests. Only in builds with GODWIT_FAULTS.
 */
#include "base/fault.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/task.h"

/* arm(n): the n-th call that can fail, fails (from 0). */
static int l_arm(lua_State *L)
{
  gw_fault_arm((int)luaL_checkinteger(L, 1));
  return 0;
}

static int l_disarm(lua_State *L)
{
  lua_pushboolean(L, gw_fault_disarm());
  return 1;
}

/* alloc(n): Lua's n-th allocation from now and all after it fail, until
 * alloc() is called; that returns whether one did. */
static int l_alloc(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  bool reached = host->starving && host->starve_after == 0;

  host->starving = !lua_isnoneornil(L, 1);
  host->starve_after = host->starving ? (long)luaL_checkinteger(L, 1) : 0;
  lua_pushboolean(L, reached);
  return 1;
}

int gw_luaopen_fault(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"arm", l_arm}, {"disarm", l_disarm}, {"alloc", l_alloc}, {NULL, NULL}};

  luaL_newlib(L, funcs);
  return 1;
}
