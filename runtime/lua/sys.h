/*
 * sys: the machine and the process, for Lua.
 */
#ifndef GW_LUA_SYS_H
#define GW_LUA_SYS_H

#include <lua.h>
#include <stdbool.h>

/* A signal reached the loop: calls what Lua registered for it. False when
 * there is nothing, or it failed. */
bool gw_sys_signal(lua_State *L, int signo);

#endif
