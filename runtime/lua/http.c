/*
 * http: godwit.core.http. One exchange for Lua, the guard's switches, and
 * addresses. Decides nothing: redirects, retries and what a status means are
 * lualib/godwit/http.lua.
 */
#include "net/http.h"

#include "base/budget.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/http.h"
#include "lua/task.h"

#include <ctype.h>
#include <string.h>

#define SEND_META "godwit.http.send"

struct send_op {
  struct gw_tasks *tasks;
  struct gw_exchange *x; /* NULL: not started, or over */
  uint64_t ticket;
  bool sent; /* of one that was cancelled */
  struct gw_err err;
};

static int send_gc(lua_State *L)
{
  struct send_op *op = luaL_checkudata(L, 1, SEND_META);

  gw_http_free(op->x);
  op->x = NULL;
  return 0;
}

static struct send_op *push_op(lua_State *L)
{
  struct send_op *op = lua_newuserdatauv(L, sizeof(*op), 1);

  memset(op, 0, sizeof(*op));
  luaL_setmetatable(L, SEND_META);
  return op;
}

/* --- the answer -------------------------------------------------------- */

/* "name: value\n" lines as a table; a name's values are joined. */
static void push_headers(lua_State *L, const char *text)
{
  lua_newtable(L);
  while (*text) {
    size_t line = strcspn(text, "\n");
    const char *colon = memchr(text, ':', line);
    const char *value = colon ? colon + 2 : NULL;
    if (value && value <= text + line) {
      lua_pushlstring(L, text, (size_t)(colon - text));
      lua_pushvalue(L, -1);
      if (lua_rawget(L, -3) == LUA_TSTRING) {
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value, (size_t)(text + line - value));
        lua_concat(L, 3);
      } else {
        lua_pop(L, 1);
        lua_pushlstring(L, value, (size_t)(text + line - value));
      }
      lua_rawset(L, -3);
    }
    text += line + (text[line] == '\n');
  }
}

static void set_flag(lua_State *L, const char *name, bool value)
{
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, long value)
{
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* Into the table on top, as its field `facts`. */
static void set_facts(lua_State *L, const struct gw_http_facts *f)
{
  if (!f)
    return;
  lua_createtable(L, 0, 9);
  set_flag(L, "resolved", f->resolved);
  set_flag(L, "connected", f->connected);
  set_flag(L, "secured", f->secured);
  set_number(L, "port", f->port);
  set_number(L, "proxy_status", f->proxy_status);
  set_number(L, "verify", f->verify);
  lua_pushstring(L, f->ip);
  lua_setfield(L, -2, "ip");
  lua_pushstring(L, f->tls);
  lua_setfield(L, -2, "tls");
  push_headers(L, f->certificate);
  lua_setfield(L, -2, "certificate");
  lua_setfield(L, -2, "facts");
}

static void push_answer(lua_State *L, const struct gw_http_result *r)
{
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, r->status);
  lua_setfield(L, -2, "status");
  push_headers(L, r->headers);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, r->body, r->body_len);
  lua_setfield(L, -2, "body");
  lua_pushinteger(L, (lua_Integer)r->bytes_up);
  lua_setfield(L, -2, "bytes_up");
  lua_pushinteger(L, (lua_Integer)r->bytes_down);
  lua_setfield(L, -2, "bytes_down");
  set_facts(L, r->facts);
}

/* nil and the error, which says of which request. */
static int send_fail(lua_State *L, const struct gw_err *err, bool sent)
{
  gw_lua_fail(L, err);
  lua_pushboolean(L, sent);
  lua_setfield(L, -2, "sent");
  gw_rawfield(L, 1, "url");
  lua_setfield(L, -2, "url");
  lua_pushstring(L, gw_opt_string(L, 1, "method", "GET"));
  lua_setfield(L, -2, "method");
  return 2;
}

/* Of the request and its result: the answer, or nil and the error. */
static int push_result(lua_State *L)
{
  const struct gw_http_result *r = lua_touserdata(L, 2);

  if (r->err.kind) {
    send_fail(L, &r->err, r->sent);
    set_facts(L, r->facts);
    return 2;
  }
  push_answer(L, r);
  return 1;
}

static int send_result(lua_State *L, int status, lua_KContext ctx)
{
  struct send_op *op = (struct send_op *)ctx;
  const struct gw_http_result *r;
  bool failed;
  int rc;

  (void)status;
  if (op->err.kind)
    return send_fail(L, &op->err, op->sent);
  r = gw_http_result(op->x);
  failed = r->err.kind != GW_OK;
  lua_pushcfunction(L, push_result);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)r);
  rc = lua_pcall(L, 2, failed ? 2 : 1, 0);
  /* Its memory is others' from here on, and does not wait for the collector,
   * also where Lua has none for what came. */
  gw_http_free(op->x);
  op->x = NULL;
  return rc != LUA_OK ? lua_error(L) : failed ? 2 : 1;
}

static void send_done(void *arg)
{
  struct send_op *op = arg;

  gw_task_ready(op->tasks, op->ticket);
}

static void send_cancel(void *arg)
{
  struct send_op *op = arg;

  op->sent = op->x && gw_http_sent(op->x);
  gw_http_free(op->x);
  op->x = NULL;
  gw_err_set(&op->err, GW_ECANCELLED, "http", "cancelled");
}

static int l_send(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  struct gw_http_req req;
  struct send_op *op;

  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L); /* keeps what the request points to until it is copied */
  gw_lua_read_request(L, 1, &req, 2);
  op = push_op(L);
  op->tasks = host->tasks;
  op->ticket = gw_task_ticket(host->tasks, L);
  req.done = send_done;
  req.arg = op;
  if (gw_http_start(&op->x, gw_lua_client(L), &req, &op->err) != 0)
    return send_fail(L, &op->err, false);
  return gw_task_yield(L, op, send_result, send_cancel);
}

/* --- the guard --------------------------------------------------------- */

static int done(lua_State *L, int rc, const struct gw_err *err)
{
  if (rc != 0)
    return gw_lua_fail(L, err);
  lua_pushboolean(L, true);
  return 1;
}

static int l_plan(lua_State *L)
{
  gw_guard_plan(gw_lua_host(L)->guard);
  gw_guard_plan(gw_lua_host(L)->own_guard);
  return 0;
}

static int l_is_plan(lua_State *L)
{
  lua_pushboolean(L, gw_guard_is_plan(gw_lua_host(L)->guard));
  return 1;
}

static int l_allow_write(lua_State *L)
{
  const char *origin = luaL_optstring(L, 1, NULL);
  struct gw_host *host = gw_lua_host(L);
  struct gw_err err = {0};
  int rc = gw_guard_allow_write(host->guard, origin, &err);

  if (rc == 0)
    rc = gw_guard_allow_write(host->own_guard, origin, &err);
  return done(L, rc, &err);
}

/* shut(why): nothing leaves; shut(): as before again. */
static int l_shut(lua_State *L)
{
  const char *why = luaL_optstring(L, 1, NULL);
  struct gw_err err = {0};

  return done(L, gw_guard_shut(gw_lua_host(L)->guard, why, &err), &err);
}

static int l_rule(lua_State *L)
{
  const char *place = luaL_optstring(L, 1, NULL);
  const char *verbs = luaL_optstring(L, 2, "");
  const char *says = luaL_optstring(L, 3, "");
  struct gw_err err = {0};

  return done(L, gw_guard_rule(gw_lua_host(L)->guard, place, verbs, says, &err),
              &err);
}

static int l_know(lua_State *L)
{
  struct gw_err err = {0};

  return done(L,
              gw_guard_know(gw_lua_host(L)->guard, luaL_optstring(L, 1, NULL),
                            &err),
              &err);
}

/* --- the run's budget -------------------------------------------------- */

/* budget{ requests=, writes=, deletes=, bytes=, minutes= } */
static int l_budget(lua_State *L)
{
  double minutes;

  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 0; gw_budget_name((enum gw_budget)i); i++) {
    double most = gw_opt_number(L, 1, gw_budget_name((enum gw_budget)i), -1);
    if (most >= 0)
      gw_budget_limit((enum gw_budget)i, most < 9e15 ? (uint64_t)most
                                                     : UINT64_MAX);
  }
  minutes = gw_opt_number(L, 1, "minutes", -1);
  if (minutes >= 0)
    gw_budget_minutes(minutes < 1e9 ? minutes : 1e9);
  return 0;
}

/* What was used, and of a budget that was used up the error's text. */
static int l_used(lua_State *L)
{
  char spent[256];

  lua_newtable(L);
  for (int i = 0; gw_budget_name((enum gw_budget)i); i++) {
    lua_pushinteger(L, (lua_Integer)gw_budget_used((enum gw_budget)i));
    lua_setfield(L, -2, gw_budget_name((enum gw_budget)i));
  }
  gw_budget_spent(spent);
  if (spent[0]) {
    lua_pushstring(L, spent);
    lua_setfield(L, -2, "spent");
  }
  return 1;
}

/* take{ writes=, deletes=, … }, what: of something that is no request. */
static int l_take(lua_State *L)
{
  const char *what = luaL_checkstring(L, 2);
  uint64_t use[GW_BUDGET_KINDS] = {0};
  struct gw_err err = {0};

  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 0; gw_budget_name((enum gw_budget)i); i++)
    use[i] =
        (uint64_t)gw_opt_number(L, 1, gw_budget_name((enum gw_budget)i), 0);
  return done(L, gw_budget_take(use, "budget", what, &err), &err);
}

/* --- addresses --------------------------------------------------------- */

#define URL_META "godwit.http.url"

static int url_gc(lua_State *L)
{
  gw_url_dispose(luaL_checkudata(L, 1, URL_META));
  return 0;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
  if (!text)
    return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static int l_url_parse(lua_State *L)
{
  const char *text = luaL_checkstring(L, 1);
  struct gw_url *url = lua_newuserdatauv(L, sizeof(*url), 0);
  struct gw_buf *origin;
  struct gw_err err = {0};

  memset(url, 0, sizeof(*url));
  luaL_setmetatable(L, URL_META);
  origin = gw_lua_newbuf(L, 0);
  if (gw_url_parse(url, text, &err) != 0 ||
      gw_url_origin(url, origin, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_createtable(L, 0, 8);
  set_text(L, "scheme", url->scheme);
  set_text(L, "host", url->host);
  lua_pushinteger(L, url->port);
  lua_setfield(L, -2, "port");
  set_text(L, "path", url->path);
  set_text(L, "query", url->query);
  set_text(L, "user", url->user);
  set_text(L, "origin", origin->data);
  lua_pushboolean(L, url->password != NULL);
  lua_setfield(L, -2, "has_password");
  lua_pushboolean(L, gw_url_is_loopback(url));
  lua_setfield(L, -2, "loopback");
  return 1;
}

static int l_url_resolve(lua_State *L)
{
  const char *base = luaL_checkstring(L, 1);
  const char *location = luaL_checkstring(L, 2);
  struct gw_buf *out = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};

  if (gw_url_resolve(base, location, out, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushlstring(L, out->data, out->len);
  return 1;
}

static int l_url_encode(lua_State *L)
{
  static const char hex[] = "0123456789ABCDEF";
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  luaL_Buffer b;

  luaL_buffinit(L, &b);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < 0x80 && (isalnum(c) || strchr("-._~", c)) && c) {
      luaL_addchar(&b, text[i]);
    } else {
      luaL_addchar(&b, '%');
      luaL_addchar(&b, hex[c >> 4]);
      luaL_addchar(&b, hex[c & 15]);
    }
  }
  luaL_pushresult(&b);
  return 1;
}

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c = (char)tolower((unsigned char)c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int l_url_decode(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  luaL_Buffer b;

  luaL_buffinit(L, &b);
  for (size_t i = 0; i < len; i++) {
    int high = -1, low = -1;
    if (text[i] == '%' && i + 2 < len) {
      high = hex_digit(text[i + 1]);
      low = hex_digit(text[i + 2]);
    }
    if (high >= 0 && low >= 0) {
      luaL_addchar(&b, (char)(high << 4 | low));
      i += 2;
    } else {
      luaL_addchar(&b, text[i]);
    }
  }
  luaL_pushresult(&b);
  return 1;
}

int gw_luaopen_http(lua_State *L)
{
  static const luaL_Reg send_metas[] = {{"__gc", send_gc}, {NULL, NULL}};
  static const luaL_Reg url_metas[] = {{"__gc", url_gc}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"send", l_send}, {NULL, NULL}};
  static const luaL_Reg guard[] = {{"plan", l_plan},
                                   {"is_plan", l_is_plan},
                                   {"allow_write", l_allow_write},
                                   {"shut", l_shut},
                                   {"rule", l_rule},
                                   {"know", l_know},
                                   {"budget", l_budget},
                                   {"used", l_used},
                                   {"take", l_take},
                                   {NULL, NULL}};
  static const luaL_Reg url[] = {{"parse", l_url_parse},
                                 {"resolve", l_url_resolve},
                                 {"encode", l_url_encode},
                                 {"decode", l_url_decode},
                                 {NULL, NULL}};

  gw_lua_class(L, SEND_META, send_metas, NULL);
  gw_lua_class(L, URL_META, url_metas, NULL);
  luaL_newlib(L, funcs);
  luaL_newlib(L, guard);
  lua_setfield(L, -2, "guard");
  luaL_newlib(L, url);
  lua_setfield(L, -2, "url");
  return 1;
}
