/*
 * http: requests that Lua describes, for the bindings that send them.
 */
#ifndef GW_LUA_HTTP_H
#define GW_LUA_HTTP_H

#include "net/http.h"

#include <lua.h>

/* Reads the table at idx. What the request points to is kept by it and by the
 * table at `keep`, so both must live until the request is copied. Raises. */
void gw_lua_read_request(lua_State *L, int idx, struct gw_http_req *req,
                         int keep);

#endif
