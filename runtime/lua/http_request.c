/*
 * http_request: a request as Lua writes it, as C wants it.
 */
#include "lua/http.h"

#include "lua/bind.h"
#include "lua/secret.h"

#include <string.h>

#define MAX_PARTS 1000

static long milliseconds(lua_State *L, int idx, const char *name)
{
  double seconds = gw_opt_number(L, idx, name, 0);

  if (!(seconds >= 0 && seconds <= 1e7))
    luaL_error(L, "bad option '%s' (seconds expected)", name);
  return seconds > 0 && seconds < 0.001 ? 1 : (long)(seconds * 1000 + 0.5);
}

/* An array of "Name: value" for C; its strings stay in the table at `keep`. */
static const char *const *read_headers(lua_State *L, int idx, int keep)
{
  const char **list;
  lua_Integer n = 0;

  if (gw_rawfield(L, idx, "headers") == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  luaL_argcheck(L, lua_istable(L, -1), idx, "headers must be a table");
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING ||
        (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER))
      luaL_error(L, "bad option 'headers' (names and texts expected)");
    lua_pushvalue(L, -1);
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -3), lua_tostring(L, -1));
    if (lua_rawlen(L, -2) != strlen(lua_tostring(L, -2)))
      luaL_error(L, "bad option 'headers' (a NUL in it)");
    lua_rawseti(L, keep, ++n);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*list), 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, keep, i);
    list[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  list[n] = NULL;
  lua_rawseti(L, keep, n + 1);
  return list;
}

static struct gw_secret *read_secret(lua_State *L, int idx)
{
  struct gw_secret *secret = NULL;

  if (gw_rawfield(L, idx, "auth") != LUA_TNIL)
    secret = gw_lua_tosecret(L, -1);
  luaL_argcheck(L, secret || lua_isnil(L, -1), idx, "auth must be a secret");
  lua_pop(L, 1);
  return secret;
}

static void read_part(lua_State *L, struct gw_http_part *part)
{
  memset(part, 0, sizeof(*part));
  if (lua_type(L, -1) == LUA_TSTRING)
    part->bytes = lua_tolstring(L, -1, &part->len);
  else
    part->secret = gw_lua_tosecret(L, -1);
  if (!part->bytes && !part->secret)
    luaL_error(L, "bad option 'body' (a list of texts and secrets expected, "
                  "with a %s in it)",
               luaL_typename(L, -1));
}

/* The list is copied to `keep`, so that nothing in it goes meanwhile. */
static void read_parts(lua_State *L, struct gw_http_req *req, int keep)
{
  lua_Unsigned n = lua_rawlen(L, -1);
  struct gw_http_part *parts;

  if (n == 0 || n > MAX_PARTS)
    luaL_error(L, "bad option 'body' (1 to %d parts expected)", MAX_PARTS);
  parts = lua_newuserdatauv(L, (size_t)n * sizeof(*parts), 0);
  lua_setfield(L, keep, "parts");
  lua_createtable(L, (int)n, 0);
  for (lua_Unsigned i = 0; i < n; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    read_part(L, &parts[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, keep, "kept");
  req->parts = parts;
  req->part_count = (size_t)n;
}

static void read_body(lua_State *L, int idx, struct gw_http_req *req, int keep)
{
  int type = gw_rawfield(L, idx, "body");

  if (type == LUA_TSTRING)
    req->body = lua_tolstring(L, -1, &req->body_len);
  else if (type == LUA_TTABLE)
    read_parts(L, req, keep);
  else if (type != LUA_TNIL)
    luaL_error(L, "bad option 'body' (string expected, got %s)",
               luaL_typename(L, -1));
  lua_pop(L, 1);
  req->body_file = gw_opt_string(L, idx, "body_file", NULL);
  if (type != LUA_TNIL && req->body_file)
    luaL_error(L, "both body and body_file are given");
}

void gw_lua_read_request(lua_State *L, int idx, struct gw_http_req *req,
                         int keep)
{
  double max = gw_opt_number(L, idx, "max_body", 0);

  memset(req, 0, sizeof(*req));
  req->method = gw_opt_string(L, idx, "method", "GET");
  req->url = gw_opt_string(L, idx, "url", NULL);
  luaL_argcheck(L, req->url, idx, "no url");
  luaL_argcheck(L, max >= 0 && max < 9e15, idx, "max_body is not a size");
  req->headers = read_headers(L, idx, keep);
  read_body(L, idx, req, keep);
  req->auth = read_secret(L, idx);
  req->auth_scheme = gw_opt_string(L, idx, "auth_scheme", NULL);
  req->auth_user = gw_opt_string(L, idx, "auth_user", NULL);
  req->auth_header = gw_opt_string(L, idx, "auth_header", NULL);
  req->sink_file = gw_opt_string(L, idx, "sink_file", NULL);
  req->max_body = (size_t)max;
  req->connect_ms = milliseconds(L, idx, "connect_timeout");
  req->stall_ms = milliseconds(L, idx, "stall_timeout");
  req->total_ms = milliseconds(L, idx, "timeout");
  req->answer_ms = milliseconds(L, idx, "answer_timeout");
  req->tls.ca = gw_opt_string(L, idx, "ca", NULL);
  req->tls.cert = gw_opt_string(L, idx, "cert", NULL);
  req->tls.key = gw_opt_string(L, idx, "cert_key", NULL);
  req->tls.insecure = gw_opt_bool(L, idx, "insecure", false);
  req->proxy = gw_opt_string(L, idx, "proxy", NULL);
  req->no_proxy = gw_opt_string(L, idx, "no_proxy", NULL);
  req->fresh = gw_opt_bool(L, idx, "fresh", false);
  req->facts = gw_opt_bool(L, idx, "facts", false);
}
