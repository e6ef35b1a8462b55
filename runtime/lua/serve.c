/*
 * serve: godwit.core.serve. Every request is a task that calls the server's
 * handler with it.
 *
 * A request's box may outlive its connection, its server and its task. It is
 * closed when the handler returns: what still uses it then is told so.
 */
#include "net/serve.h"

#include "base/log.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#define OP "serve"
#define SERVER_META "godwit.serve.server"
#define REQUEST_META "godwit.serve.request"
#define BODY_MAX ((lua_Integer)64 << 20)

struct server_box {
  struct gw_server *server; /* NULL: closed */
  struct gw_host *host;
  struct gw_timer limit; /* of close */
  uint64_t closer;       /* ticket of who waits in close */
  bool late, cancelled;
};

struct request_box {
  struct gw_request *request; /* NULL: the handler has returned */
  struct gw_tasks *tasks;
  uint64_t reader, writer; /* tickets: one task may read, another write */
  char *chunk;             /* taken, not yet Lua's */
};

/* --- requests ---------------------------------------------------------- */

static struct request_box *to_request(lua_State *L)
{
  return luaL_checkudata(L, 1, REQUEST_META);
}

static struct gw_request *check_request(lua_State *L)
{
  struct request_box *box = to_request(L);

  luaL_argcheck(L, box->request, 1, "this request is over");
  return box->request;
}

static void on_changed(void *arg)
{
  struct request_box *box = arg;

  gw_task_ready(box->tasks, box->reader);
  gw_task_ready(box->tasks, box->writer);
}

static void close_request(struct request_box *box)
{
  struct gw_request *request = box->request;

  free(box->chunk);
  box->chunk = NULL;
  if (!request)
    return;
  box->request = NULL;
  gw_request_watch(request, NULL, NULL);
  gw_request_free(request);
  on_changed(box); /* other tasks that wait on it */
}

static int request_gc(lua_State *L)
{
  close_request(to_request(L));
  return 0;
}

static int gone(lua_State *L)
{
  struct gw_err err = {0};

  gw_err_set(&err, GW_ENET, OP, "the client went away");
  return gw_lua_fail(L, &err);
}

static void wait_reader(lua_State *L, struct request_box *box)
{
  box->reader = gw_task_ticket(box->tasks, L);
}

static int l_read(lua_State *L);

static int read_k(lua_State *L, int status, lua_KContext ctx)
{
  (void)status, (void)ctx;
  return l_read(L);
}

static int l_read(lua_State *L)
{
  struct request_box *box = to_request(L);
  size_t len;

  lua_settop(L, 1);
  if (!box->request)
    return gone(L);
  switch (gw_request_read(box->request, &box->chunk, &len)) {
  case GW_REQUEST_READY:
    lua_pushlstring(L, box->chunk, len);
    free(box->chunk);
    box->chunk = NULL;
    return 1;
  case GW_REQUEST_END:
    lua_pushnil(L);
    return 1;
  case GW_REQUEST_GONE:
    return gone(L);
  default:
    wait_reader(L, box);
    return gw_task_yield(L, box, read_k, NULL);
  }
}

static int body_k(lua_State *L, int status, lua_KContext ctx)
{
  struct request_box *box = to_request(L);
  struct gw_buf *buf = lua_touserdata(L, 3);
  struct gw_err err = {0};
  size_t len;

  (void)status, (void)ctx;
  for (;;) {
    enum gw_request_state state =
        box->request ? gw_request_read(box->request, &box->chunk, &len)
                     : GW_REQUEST_GONE;
    int rc;
    if (state == GW_REQUEST_WAIT) {
      wait_reader(L, box);
      return gw_task_yield(L, box, body_k, NULL);
    }
    if (state == GW_REQUEST_GONE)
      return gone(L);
    if (state == GW_REQUEST_END)
      break;
    rc = gw_buf_append(buf, box->chunk, len, &err);
    free(box->chunk);
    box->chunk = NULL;
    if (rc != 0)
      return gw_lua_fail(L, &err);
  }
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  gw_buf_dispose(buf);
  return 1;
}

static int l_body(lua_State *L)
{
  lua_Integer max = luaL_optinteger(L, 2, BODY_MAX);

  check_request(L);
  luaL_argcheck(L, max > 0, 2, "a size expected");
  lua_settop(L, 2);
  gw_lua_newbuf(L, (size_t)max);
  return body_k(L, LUA_OK, 0);
}

/* --- the answer -------------------------------------------------------- */

static void add_header(lua_State *L, lua_Integer *n, const char *name)
{
  const char *value = lua_tostring(L, -1);

  if (!value)
    luaL_error(L, "bad header '%s' (text expected, got %s)", name,
               luaL_typename(L, -1));
  lua_pushfstring(L, "%s: %s", name, value);
  lua_rawseti(L, -5, ++*n);
}

/* The table at idx as an array of "Name: value"; leaves on the stack what
 * keeps it alive. A value may be an array of values. */
static const char *const *read_headers(lua_State *L, int idx)
{
  const char **list;
  lua_Integer n = 0;

  if (lua_isnoneornil(L, idx))
    return NULL;
  luaL_checktype(L, idx, LUA_TTABLE);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
    if (!name)
      luaL_argerror(L, idx, "header names are texts");
    if (!lua_istable(L, -1)) {
      lua_pushvalue(L, -1);
      add_header(L, &n, name);
      lua_pop(L, 1);
      continue;
    }
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
      add_header(L, &n, name);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*list), 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -2, i);
    list[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  list[n] = NULL;
  return list;
}

static int answer_result(lua_State *L, int rc, const struct gw_err *err)
{
  if (rc != 0)
    return err->kind == GW_EUSAGE ? gw_lua_raise(L, err) : gw_lua_fail(L, err);
  lua_pushboolean(L, true);
  return 1;
}

static int l_respond(lua_State *L)
{
  struct gw_request *request = check_request(L);
  int status = (int)luaL_checkinteger(L, 2);
  size_t len = 0;
  const char *body = luaL_optlstring(L, 4, "", &len);
  const char *const *headers;
  struct gw_err err = {0};

  lua_settop(L, 4);
  headers = read_headers(L, 3);
  return answer_result(
      L, gw_request_respond(request, status, headers, body, len, &err), &err);
}

static int l_start(lua_State *L)
{
  struct gw_request *request = check_request(L);
  int status = (int)luaL_checkinteger(L, 2);
  const char *const *headers;
  struct gw_err err = {0};

  lua_settop(L, 3);
  headers = read_headers(L, 3);
  return answer_result(L, gw_request_start(request, status, headers, &err),
                       &err);
}

static int l_write(lua_State *L);

static int write_k(lua_State *L, int status, lua_KContext ctx)
{
  (void)status, (void)ctx;
  return l_write(L);
}

static int l_write(lua_State *L)
{
  struct request_box *box = to_request(L);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);

  lua_settop(L, 2);
  if (!box->request)
    return gone(L);
  luaL_argcheck(L, gw_request_answered(box->request), 1,
                "write before start");
  switch (gw_request_write(box->request, data, len)) {
  case GW_REQUEST_READY:
    lua_pushboolean(L, true);
    return 1;
  case GW_REQUEST_WAIT:
    box->writer = gw_task_ticket(box->tasks, L);
    return gw_task_yield(L, box, write_k, NULL);
  default:
    return gone(L);
  }
}

static int l_finish(lua_State *L)
{
  struct request_box *box = to_request(L);

  if (box->request)
    gw_request_finish(box->request);
  return 0;
}

static int l_closed(lua_State *L)
{
  struct request_box *box = to_request(L);

  lua_pushboolean(L, !box->request || gw_request_gone(box->request));
  return 1;
}

/* --- a request as a task ----------------------------------------------- */

/* The handler's error as the platform's error document. */
static void answer_error(lua_State *L, struct gw_request *request,
                         const struct gw_err *err)
{
  static const char *const headers[] = {"Content-Type: application/json",
                                        NULL};
  struct gw_buf *body = gw_lua_newbuf(L, 0);
  int status = err->kind == GW_ECANCELLED ? 503 : 500;

  gw_buf_puts(body, "{\"error\":{\"message\":\"", NULL);
  for (const char *p = err->message; *p; p++) {
    if (*p == '"' || *p == '\\')
      gw_buf_append(body, "\\", 1, NULL);
    gw_buf_append(body, (unsigned char)*p < 0x20 ? " " : p, 1, NULL);
  }
  gw_buf_puts(body, "\"}}", NULL);
  (void)gw_request_respond(request, status, headers, body->data, body->len,
                           NULL);
}

static int handled(lua_State *L, int status, lua_KContext ctx)
{
  struct request_box *box = (struct request_box *)ctx;
  struct gw_err err = {0};

  if (!box->request)
    return 0;
  if (status != LUA_OK && status != LUA_YIELD) {
    gw_lua_toerr(L, -1, &err);
    if (err.kind != GW_ECANCELLED)
      gw_log_line("%s %s: %s", gw_request_method(box->request),
                  gw_request_path(box->request), err.message);
  } else if (!gw_request_answered(box->request)) {
    gw_err_set(&err, GW_EBUG, OP, "the handler gave no answer");
  } else {
    gw_request_finish(box->request);
  }
  if (!gw_request_answered(box->request))
    answer_error(L, box->request, &err);
  close_request(box); /* what was started and not finished is cut */
  return 0;
}

static int handle(lua_State *L) /* handler, request */
{
  struct request_box *box = luaL_checkudata(L, 2, REQUEST_META);
  int status;

  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  status = lua_pcallk(L, 1, 0, 0, (lua_KContext)box, handled);
  return handled(L, status, (lua_KContext)box);
}

static void set_field(lua_State *L, const char *name, const char *text)
{
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void push_fields(lua_State *L, const struct gw_request *request)
{
  const char *line = gw_request_headers(request);

  lua_createtable(L, 0, 5);
  set_field(L, "method", gw_request_method(request));
  set_field(L, "path", gw_request_path(request));
  set_field(L, "query", gw_request_query(request));
  set_field(L, "remote", gw_request_remote(request));
  lua_newtable(L);
  while (*line) {
    size_t len = strcspn(line, "\n");
    const char *colon = memchr(line, ':', len);
    lua_pushlstring(L, line, (size_t)(colon - line));
    lua_pushlstring(L, colon + 2, len - (size_t)(colon + 2 - line));
    lua_rawset(L, -3);
    line += len + 1;
  }
  lua_setfield(L, -2, "headers");
}

struct arrival {
  struct server_box *server;
  struct gw_request *request;
  struct request_box *box;
};

static int spawn_handler(lua_State *L)
{
  struct arrival *a = lua_touserdata(L, 1);
  struct request_box *box;

  lua_pushcfunction(L, handle);
  lua_rawgetp(L, LUA_REGISTRYINDEX, a->server);
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
  box = lua_newuserdatauv(L, sizeof(*box), 1);
  memset(box, 0, sizeof(*box));
  box->tasks = a->server->host->tasks;
  luaL_setmetatable(L, REQUEST_META);
  push_fields(L, a->request);
  lua_setiuservalue(L, -2, 1);
  box->request = a->request; /* the box's now, unless what follows fails */
  a->box = box;
  gw_request_watch(a->request, on_changed, box);
  gw_task_spawn(box->tasks, L, 2);
  return 0;
}

static void on_request(void *arg, struct gw_request *request)
{
  struct arrival a = {arg, request, NULL};
  struct gw_err err = {0};

  if (gw_host_call(a.server->host, spawn_handler, &a, &err) == 0)
    return;
  gw_log_line("a request could not be handled: %s", err.message);
  if (a.box)
    a.box->request = NULL;
  gw_request_watch(request, NULL, NULL);
  (void)gw_request_respond(request, 503, NULL, "", 0, NULL);
  gw_request_free(request);
}

/* --- the server -------------------------------------------------------- */

static void on_idle(void *arg)
{
  struct server_box *box = arg;

  gw_task_ready(box->host->tasks, box->closer);
}

static void stop(lua_State *L, struct server_box *box)
{
  struct gw_server *server = box->server;

  box->server = NULL;
  if (!server)
    return;
  gw_timer_stop(box->host->loop, &box->limit);
  gw_serve_free(server);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, box);
}

static int server_gc(lua_State *L)
{
  stop(L, luaL_checkudata(L, 1, SERVER_META));
  return 0;
}

static void on_limit(struct gw_timer *timer)
{
  struct server_box *box =
      (struct server_box *)((char *)timer - offsetof(struct server_box, limit));

  box->late = true;
  gw_task_ready(box->host->tasks, box->closer);
}

static void close_cancel(void *arg)
{
  struct server_box *box = arg;

  box->cancelled = true;
}

static int wait_idle(lua_State *L, struct server_box *box);

static int close_k(lua_State *L, int status, lua_KContext ctx)
{
  struct server_box *box = (struct server_box *)ctx;
  struct gw_err err = {0};

  (void)status;
  if (box->server && !box->late && !box->cancelled &&
      gw_serve_running(box->server) > 0)
    return wait_idle(L, box);
  stop(L, box);
  if (!box->cancelled)
    return 0;
  gw_err_set(&err, GW_ECANCELLED, OP, "cancelled");
  return gw_lua_raise(L, &err);
}

static int wait_idle(lua_State *L, struct server_box *box)
{
  box->closer = gw_task_ticket(box->host->tasks, L);
  return gw_task_yield(L, box, close_k, close_cancel);
}

/* close([seconds]): takes no new requests, waits for those that run, at most
 * so long. */
static int l_close(lua_State *L)
{
  struct server_box *box = luaL_checkudata(L, 1, SERVER_META);
  double seconds = luaL_optnumber(L, 2, -1);
  struct gw_err err = {0};

  if (!box->server)
    return 0;
  gw_serve_quiesce(box->server);
  if (seconds >= 0 && seconds < 1e6 &&
      gw_timer_start(box->host->loop, &box->limit, (uint64_t)(seconds * 1000),
                     &err) != 0)
    return gw_lua_raise(L, &err);
  return close_k(L, LUA_OK, (lua_KContext)box);
}

static int l_running(lua_State *L)
{
  struct server_box *box = luaL_checkudata(L, 1, SERVER_META);

  lua_pushinteger(
      L, box->server ? (lua_Integer)gw_serve_running(box->server) : 0);
  return 1;
}

static int l_listen(lua_State *L)
{
  struct server_box *box;
  struct gw_serve_opts opts = {.request = on_request, .idle = on_idle};
  struct gw_err err = {0};

  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  opts.address = gw_opt_string(L, 1, "address", "127.0.0.1");
  opts.port = (int)gw_opt_number(L, 1, "port", 0);
  opts.connections = (unsigned)gw_opt_number(L, 1, "connections", 0);
  luaL_argcheck(L, opts.port >= 0 && opts.port < 65536, 1, "not a port");
  luaL_argcheck(L, lua_getfield(L, 1, "handler") == LUA_TFUNCTION, 1,
                "no handler");
  box = lua_newuserdatauv(L, sizeof(*box), 2);
  memset(box, 0, sizeof(*box));
  box->host = gw_lua_host(L);
  box->limit.fn = on_limit;
  luaL_setmetatable(L, SERVER_META);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 2);
  lua_pushvalue(L, -1); /* it serves until it is closed */
  lua_rawsetp(L, LUA_REGISTRYINDEX, box);
  opts.arg = box;
  if (gw_serve_start(&box->server, box->host->loop, &opts, &err) != 0) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, box);
    return gw_lua_fail(L, &err);
  }
  lua_getiuservalue(L, -1, 2);
  lua_pushinteger(L, gw_serve_port(box->server));
  lua_setfield(L, -2, "port");
  lua_pop(L, 1);
  return 1;
}

/* --- classes ----------------------------------------------------------- */

/* Methods first (upvalue 1), then the fields in uservalue (upvalue 2). */
static int index_box(lua_State *L)
{
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return 1;
  lua_getiuservalue(L, 1, (int)lua_tointeger(L, lua_upvalueindex(2)));
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static void make_class(lua_State *L, const char *name, int fields,
                       lua_CFunction gc, const luaL_Reg *methods)
{
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_pushinteger(L, fields);
  lua_pushcclosure(L, index_box, 2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__close");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

int gw_luaopen_serve(lua_State *L)
{
  static const luaL_Reg server[] = {
      {"close", l_close}, {"running", l_running}, {NULL, NULL}};
  static const luaL_Reg request[] = {
      {"read", l_read},     {"body", l_body},   {"respond", l_respond},
      {"start", l_start},   {"write", l_write}, {"finish", l_finish},
      {"closed", l_closed}, {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"listen", l_listen}, {NULL, NULL}};

  make_class(L, SERVER_META, 2, server_gc, server);
  make_class(L, REQUEST_META, 1, request_gc, request);
  luaL_newlib(L, funcs);
  return 1;
}
