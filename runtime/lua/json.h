/*
 * json: JSON for metadata that must survive the journey (design.md 7).
 *
 * jansson parses, strictly; writing is ours: sorted keys, integers apart from
 * floats, floats in shortest form. Arrays carry a metatable, empty ones too.
 */
#ifndef GW_LUA_JSON_H
#define GW_LUA_JSON_H

#include "base/buf.h"

#include <lua.h>

#define GW_JSON_DEPTH 512

/* Memory that parsing may take, beside Lua's own; process-wide. */
void gw_json_memory(size_t max);

/* Pushes the value, or returns -1 (the stack is then as before). May raise
 * for want of memory. Limits of 0 are the defaults: 64 MiB, GW_JSON_DEPTH. */
int gw_json_decode(lua_State *L, const char *text, size_t len, size_t max,
                   int depth, struct gw_err *err);

/* Appends the value at idx; raises what cannot be written. */
void gw_json_encode(lua_State *L, int idx, bool pretty, struct gw_buf *out);

#endif
