/*
 * git: the binding's module table. Stores and trees are in git_store.c and
 * git_tree.c, servers in git_net.c, what they share in git_call.c.
 */
#include "git/git.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"

static int l_is_id(lua_State *L)
{
  lua_pushboolean(L, lua_type(L, 1) == LUA_TSTRING &&
                         gw_git_is_id(lua_tostring(L, 1)));
  return 1;
}

static int l_check_ref(lua_State *L)
{
  struct gw_err err = {0};

  if (gw_git_check_ref(luaL_checkstring(L, 1), "git", &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushboolean(L, true);
  return 1;
}

int gw_luaopen_git(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"is_id", l_is_id}, {"check_ref", l_check_ref}, {NULL, NULL}};
  struct gw_err err = {0};

  if (gw_git_init(&err) != 0)
    return gw_lua_raise(L, &err);
  luaL_newlib(L, functions);
  gw_lua_open_git_store(L);
  gw_lua_open_git_tree(L);
  gw_lua_open_git_net(L);
  return 1;
}
