/*
 * folder: the open folders of Lua, for other bindings.
 */
#ifndef GW_LUA_FOLDER_H
#define GW_LUA_FOLDER_H

#include "base/err.h"

#include <lua.h>

/* The descriptor of the folder at idx, which stays the folder's; -1 with *err
 * filled when it may not be written to. Raises for another value. */
int gw_lua_folder_fd(lua_State *L, int idx, bool write, struct gw_err *err);

#endif
