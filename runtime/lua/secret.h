/*
 * secret: a credential as an opaque value of Lua.
 */
#ifndef GW_LUA_SECRET_H
#define GW_LUA_SECRET_H

#include "net/secret.h"

#include <lua.h>

/* The secret at idx (still the box's), or NULL when it is none. */
struct gw_secret *gw_lua_tosecret(lua_State *L, int idx);

#endif
