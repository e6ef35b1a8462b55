/*
 * bind: what binding files share: how they are opened, and small helpers to
 * read option tables.
 */
#ifndef GW_LUA_BIND_H
#define GW_LUA_BIND_H

#include "base/buf.h"

#include <lauxlib.h>
#include <lua.h>

#define GW_ERR_META "godwit.err"

/* The core modules; modules.c lists them. */
int gw_luaopen_closed(lua_State *L);
int gw_luaopen_data(lua_State *L);
int gw_luaopen_edit(lua_State *L);
int gw_luaopen_err(lua_State *L);
int gw_luaopen_fault(lua_State *L); /* tests only */
int gw_luaopen_file(lua_State *L);
int gw_luaopen_folder(lua_State *L);
int gw_luaopen_fs(lua_State *L);
int gw_luaopen_git(lua_State *L);
int gw_luaopen_http(lua_State *L);
int gw_luaopen_json(lua_State *L);
int gw_luaopen_ledger(lua_State *L);
int gw_luaopen_modules(lua_State *L);
int gw_luaopen_names(lua_State *L);
int gw_luaopen_process(lua_State *L);
int gw_luaopen_secret(lua_State *L);
int gw_luaopen_serve(lua_State *L);
int gw_luaopen_sys(lua_State *L);
int gw_luaopen_task(lua_State *L);
int gw_luaopen_vmap(lua_State *L);

/* Pushes a field of the table at idx without asking its metatable, and returns
 * its type. A script's __index could answer twice in two ways, hand out a text
 * that nothing keeps, or close what is being used. */
int gw_rawfield(lua_State *L, int idx, const char *name);

/* Fields of the option table at idx; a wrong type raises "bad option 'x'". A
 * missing one gives the default. Strings stay the table's. */
const char *gw_opt_string(lua_State *L, int idx, const char *name,
                          const char *def);
bool gw_opt_bool(lua_State *L, int idx, const char *name, bool def);
double gw_opt_number(lua_State *L, int idx, const char *name, double def);

/* Pushes a buffer that Lua frees; what can raise may be filled into it. */
struct gw_buf *gw_lua_newbuf(lua_State *L, size_t max);

/* Pushes an entry of a folder's list as scripts see it (fs.c). */
struct gw_dir_entry;
void gw_lua_push_dir_entry(lua_State *L, const struct gw_dir_entry *entry);

/* Pushes a walk that is closed; what is opened into it is Lua's (file.c). */
struct gw_file_walk;
struct gw_file_walk **gw_lua_new_walk(lua_State *L);

/* Creates the metatable `name`: methods behind __index, metamethods beside
 * it, __metatable locked. Leaves the stack as it was. */
void gw_lua_class(lua_State *L, const char *name, const luaL_Reg *metas,
                  const luaL_Reg *methods);

#endif
