/*
 * modules: the private `require`, the C modules behind it, and the sources
 * compiled into the program.
 */
#ifndef GW_LUA_MODULES_H
#define GW_LUA_MODULES_H

#include <lua.h>
#include <stddef.h>

struct gw_host;

/* Installs the loader and the library's private environment. `folders` are
 * more places to look in, after GODWIT_PATH; NULL ends. May raise. */
void gw_modules_open(lua_State *L, const char *const *folders);

/* Pushes require(name). May raise. */
void gw_modules_require(lua_State *L, const char *name);

/* Pops a module's chunk, runs its top level (which cannot wait), pushes what
 * it returned (true for
 * nil). May raise. */
void gw_modules_run(lua_State *L, const char *name);

/* A file compiled in ("godwit/err.lua", "scripts/promote.lua"), or NULL. */
const char *gw_embed_find(const char *path, size_t *len);

/* The i-th file compiled in, or NULL past the end. */
const char *gw_embed_name(size_t i);

#endif
