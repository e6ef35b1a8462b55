/*
 * err: struct gw_err as the error object scripts see (class godwit.err).
 */
#ifndef GW_LUA_ERR_H
#define GW_LUA_ERR_H

#include "base/err.h"

#include <lua.h>
#include <stdbool.h>

/* Pushes the error object: fields kind, message, op, status, retryable. More
 * fields can be set on it by the caller. */
void gw_lua_pusherr(lua_State *L, const struct gw_err *err);

/* Pushes nil and the error object; returns 2. */
int gw_lua_fail(lua_State *L, const struct gw_err *err);

/* Raises the error object. */
int gw_lua_raise(lua_State *L, const struct gw_err *err);

/* Raises kind and a formatted text at once; op may be NULL. */
int gw_lua_throw(lua_State *L, enum gw_errkind kind, const char *op,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Whether the value at idx is an error object. */
bool gw_lua_iserr(lua_State *L, int idx);

/* Turns whatever was raised (on top of the stack) into an error object in
 * place. Its traceback field is set from `of` unless it has one. */
void gw_lua_wraperr(lua_State *L, lua_State *of);

/* Fills *err from the error object or any other value at idx. */
void gw_lua_toerr(lua_State *L, int idx, struct gw_err *err);

#endif
