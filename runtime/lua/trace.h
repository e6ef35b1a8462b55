/*
 * trace: the calls that led to an error, as text. The shape is Lua's own
 * ("\n\tFILE:LINE: in WHAT"), but files have their whole names, so that
 * lualib/godwit/trace.lua finds their source.
 */
#ifndef GW_LUA_TRACE_H
#define GW_LUA_TRACE_H

#include <lua.h>

/* Pushes onto L the calls of `of` from that level outwards; the middle of a
 * deep recursion is left out. */
void gw_lua_trace(lua_State *L, lua_State *of, int level);

#endif
