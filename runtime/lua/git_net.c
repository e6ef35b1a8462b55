/*
 * git_net: git.ls_remote, git.fetch and git.push. A fetch or push without a
 * list of references asks for it first; with one it makes no second request.
 */
#include "git/local.h"
#include "git/lsremote.h"
#include "git/op.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/secret.h"
#include "lua/task.h"

#include <math.h>
#include <string.h>

#define NET_META "godwit.git.net"
#define ADVERT_META "godwit.git.advert"
#define TICK_MS 100

enum kind { LIST, FETCH, PUSH };

/* Arguments stay at these places of the stack while it waits. */
enum { ARG_STORE = 1, ARG_REMOTE = 2, ARG_OPTS = 3 };

struct net {
  enum kind kind;
  struct gw_host *host;
  uint64_t ticket;
  struct gw_lsremote *ls;
  struct gw_git_op *op;
  struct gw_advert *advert;
  struct gw_timer tick;
  bool ticking, cancelled, in_doubt;
  bool listed;  /* ls has called back */
  size_t told;  /* bytes of the server's messages handed on */
  struct gw_git_progress shown;
};

/* --- the list of references -------------------------------------------- */

static int advert_gc(lua_State *L)
{
  struct gw_advert **box = lua_touserdata(L, 1);

  gw_advert_unref(*box);
  *box = NULL;
  return 0;
}

static struct gw_advert *opt_advert(lua_State *L, int idx)
{
  struct gw_advert **box = NULL;

  if (gw_rawfield(L, idx, "advert") != LUA_TNIL) {
    box = luaL_testudata(L, -1, ADVERT_META);
    if (!box)
      luaL_error(L, "bad option 'advert' (of ls_remote expected)");
  }
  lua_pop(L, 1);
  return box ? *box : NULL;
}

static void push_caps(lua_State *L, const struct gw_advert *a)
{
  lua_newtable(L);
  for (const char *p = a->caps; p && *p;) {
    size_t word = strcspn(p, " "), name = strcspn(p, " =");
    lua_pushlstring(L, p, name);
    if (name == word)
      lua_pushboolean(L, true);
    else
      lua_pushlstring(L, p + name + 1, word - name - 1);
    lua_rawset(L, -3);
    p += word;
    p += strspn(p, " ");
  }
}

void gw_lua_push_advert(lua_State *L, struct gw_advert *a)
{
  struct gw_advert **box;

  lua_createtable(L, 0, 7);
  lua_createtable(L, 0, (int)(a->count < 100000 ? a->count : 100000));
  for (size_t i = 0; i < a->count; i++) {
    lua_pushstring(L, a->refs[i].id);
    lua_setfield(L, -2, a->refs[i].name);
  }
  lua_setfield(L, -2, "refs");
  lua_newtable(L);
  for (size_t i = 0; i < a->count; i++) {
    if (a->refs[i].peeled[0]) {
      lua_pushstring(L, a->refs[i].peeled);
      lua_setfield(L, -2, a->refs[i].name);
    }
  }
  lua_setfield(L, -2, "peeled");
  push_caps(L, a);
  lua_setfield(L, -2, "caps");
  if (a->head) {
    lua_pushstring(L, a->head);
    lua_setfield(L, -2, "head");
  }
  if (a->head_id[0]) {
    lua_pushstring(L, a->head_id);
    lua_setfield(L, -2, "head_id");
  }
  if (a->base) {
    lua_pushstring(L, a->base);
    lua_setfield(L, -2, "url");
  }
  box = lua_newuserdatauv(L, sizeof(struct gw_advert *), 0);
  *box = NULL;
  luaL_setmetatable(L, ADVERT_META);
  *box = gw_advert_ref_take(a);
  lua_setfield(L, -2, "advert");
}

/* --- options ----------------------------------------------------------- */

static long opt_ms(lua_State *L, int idx, const char *name)
{
  double s = gw_opt_number(L, idx, name, 0);

  if (isnan(s) || s < 0 || s > 1e7)
    luaL_error(L, "bad option '%s' (seconds expected)", name);
  return s > 0 && s < 0.001 ? 1 : (long)(s * 1000);
}

static struct gw_secret *opt_secret(lua_State *L, int idx)
{
  struct gw_secret *secret = NULL;

  if (gw_rawfield(L, idx, "auth") != LUA_TNIL) {
    secret = gw_lua_tosecret(L, -1); /* the table keeps it */
    if (!secret)
      luaL_error(L, "bad option 'auth' (secret expected)");
  }
  lua_pop(L, 1);
  return secret;
}

/* Strings are borrowed from the table at idx. */
static void read_remote(lua_State *L, int idx, struct gw_git_remote *r,
                        char url[4096])
{
  const char *text;

  luaL_checktype(L, idx, LUA_TTABLE);
  memset(r, 0, sizeof(*r));
  text = gw_opt_string(L, idx, "url", NULL);
  r->path = (char *)gw_opt_string(L, idx, "path", NULL);
  if (!text == !r->path)
    luaL_error(L, "a remote has either a url or a path");
  if (text) {
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
      len--;
    if (len == 0 || len >= 4000)
      luaL_error(L, "bad option 'url' (an address expected)");
    memcpy(url, text, len);
    url[len] = '\0';
    r->url = url;
  }
  r->auth = opt_secret(L, idx);
  r->auth_user = (char *)gw_opt_string(L, idx, "auth_user", NULL);
  r->auth_scheme = (char *)gw_opt_string(L, idx, "auth_scheme", NULL);
  r->auth_header = (char *)gw_opt_string(L, idx, "auth_header", NULL);
  r->proxy = (char *)gw_opt_string(L, idx, "proxy", NULL);
  r->no_proxy = (char *)gw_opt_string(L, idx, "no_proxy", NULL);
  r->connect_ms = opt_ms(L, idx, "connect_timeout");
  if (gw_rawfield(L, idx, "tls") == LUA_TTABLE) {
    r->ca = (char *)gw_opt_string(L, -1, "ca", NULL);
    r->cert = (char *)gw_opt_string(L, -1, "cert", NULL);
    r->cert_key = (char *)gw_opt_string(L, -1, "cert_key", NULL);
    r->insecure = gw_opt_bool(L, -1, "insecure", false);
  }
  lua_pop(L, 1);
}

static void read_limits(lua_State *L, int idx, struct gw_git_remote *r)
{
  r->stall_ms = opt_ms(L, idx, "stall");
  r->total_ms = opt_ms(L, idx, "timeout");
}

/* --- one operation's life ---------------------------------------------- */

static void stop(struct net *net)
{
  gw_lsremote_free(net->ls);
  net->ls = NULL;
  if (net->ticking)
    gw_timer_stop(net->host->loop, &net->tick);
  net->ticking = false;
  if (net->op && !gw_git_op_ended(net->op)) {
    net->in_doubt = gw_git_op_in_doubt(net->op);
    gw_git_op_cancel(net->op);
  }
}

static int net_gc(lua_State *L)
{
  struct net *net = lua_touserdata(L, 1);

  stop(net);
  gw_git_op_free(net->op);
  net->op = NULL;
  gw_advert_unref(net->advert);
  net->advert = NULL;
  return 0;
}

static void on_cancel(void *ctx)
{
  struct net *net = ctx;

  net->cancelled = true;
  stop(net);
}

static void on_listed(void *arg)
{
  struct net *net = arg;

  net->listed = true;
  gw_task_ready(net->host->tasks, net->ticket);
}

static void on_op(void *arg)
{
  struct net *net = arg;

  gw_task_ready(net->host->tasks, net->ticket);
}

static void on_tick(struct gw_timer *timer)
{
  struct net *net =
      (struct net *)((char *)timer - offsetof(struct net, tick));

  gw_task_ready(net->host->tasks, net->ticket);
}

static struct net *push_net(lua_State *L, enum kind kind)
{
  struct net *net = lua_newuserdatauv(L, sizeof(*net), 0);

  memset(net, 0, sizeof(*net));
  net->kind = kind;
  net->host = gw_lua_host(L);
  net->tick.fn = on_tick;
  luaL_setmetatable(L, NET_META);
  return net;
}

/* --- progress ---------------------------------------------------------- */

static bool wants_progress(lua_State *L)
{
  bool is = gw_rawfield(L, ARG_OPTS, "progress") == LUA_TFUNCTION;

  lua_pop(L, 1);
  return is;
}

static void tell(lua_State *L)
{
  gw_rawfield(L, ARG_OPTS, "progress");
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

/* Whole lines only, unless `all`; a line may end with a return. */
static void tell_messages(lua_State *L, struct net *net, bool all)
{
  struct gw_buf *text = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};
  size_t at = 0;

  if (gw_git_op_messages(net->op, net->told, text, &err) != 0)
    gw_lua_raise(L, &err);
  while (at < text->len) {
    size_t len = 0;
    while (at + len < text->len && !strchr("\r\n", text->data[at + len]))
      len++;
    if (at + len == text->len && !all)
      break;
    net->told += len + (at + len < text->len);
    if (len > 0) {
      lua_createtable(L, 0, 1);
      lua_pushlstring(L, text->data + at, len);
      lua_setfield(L, -2, "message");
      tell(L);
    }
    at += len + 1;
  }
  lua_pop(L, 1);
}

static void push_progress(lua_State *L, const struct gw_git_progress *p)
{
  lua_createtable(L, 0, 5);
  lua_pushboolean(L, p->sent);
  lua_setfield(L, -2, "sent");
  lua_pushinteger(L, (lua_Integer)p->objects);
  lua_setfield(L, -2, "objects");
  lua_pushinteger(L, (lua_Integer)p->total);
  lua_setfield(L, -2, "total");
  lua_pushinteger(L, (lua_Integer)p->bytes_up);
  lua_setfield(L, -2, "bytes_up");
  lua_pushinteger(L, (lua_Integer)p->bytes_down);
  lua_setfield(L, -2, "bytes_down");
}

static bool same(const struct gw_git_progress *a,
                 const struct gw_git_progress *b)
{
  return a->objects == b->objects && a->total == b->total &&
         a->bytes_up == b->bytes_up && a->bytes_down == b->bytes_down &&
         a->sent == b->sent;
}

static void tell_progress(lua_State *L, struct net *net, bool all)
{
  struct gw_git_progress now;

  if (!wants_progress(L))
    return;
  gw_git_op_progress(net->op, &now);
  if (!same(&now, &net->shown)) {
    net->shown = now;
    push_progress(L, &now);
    tell(L);
  }
  tell_messages(L, net, all);
}

/* --- steps ------------------------------------------------------------- */

static int step(lua_State *L, int status, lua_KContext ctx);

static int fail(lua_State *L, const struct net *net, const struct gw_err *err,
                bool sent)
{
  gw_lua_fail(L, err);
  lua_pushboolean(L, sent);
  lua_setfield(L, -2, "sent");
  if (net->advert && net->advert->base) {
    lua_pushstring(L, net->advert->base);
    lua_setfield(L, -2, "url");
  }
  return 2;
}

static void push_messages(lua_State *L, const struct net *net)
{
  struct gw_buf *text = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};
  lua_Integer n = 0;

  lua_newtable(L);
  if (gw_git_op_messages(net->op, 0, text, &err) != 0)
    gw_lua_raise(L, &err);
  for (size_t at = 0; at < text->len;) {
    size_t len = strcspn(text->data + at, "\r\n");
    if (len > 0) {
      lua_pushlstring(L, text->data + at, len);
      lua_rawseti(L, -2, ++n);
    }
    at += len + 1;
  }
  lua_remove(L, -2);
}

static int finish_op(lua_State *L, struct net *net)
{
  struct gw_err err = {0};
  struct gw_git_progress p;

  tell_progress(L, net, true);
  if (gw_git_op_result(net->op, &err) != 0) {
    fail(L, net, &err, gw_git_op_in_doubt(net->op));
    if (net->kind == PUSH) {
      push_messages(L, net);
      lua_setfield(L, -2, "messages");
    }
    return 2;
  }
  gw_git_op_progress(net->op, &p);
  push_progress(L, &p);
  lua_pushinteger(L, (lua_Integer)(p.bytes_up + p.bytes_down));
  lua_setfield(L, -2, "bytes");
  if (net->kind == PUSH) {
    push_messages(L, net);
    lua_setfield(L, -2, "messages");
  }
  return 1;
}

/* Also the beginning of the array of names; it dies with the stack. */
static const char **read_refs(lua_State *L)
{
  const char **refs;
  lua_Integer n;

  if (gw_rawfield(L, ARG_OPTS, "refs") == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  luaL_checktype(L, -1, LUA_TTABLE);
  n = (lua_Integer)lua_rawlen(L, -1);
  if (n < 0 || n > 100000)
    luaL_error(L, "bad option 'refs' (too many)");
  refs = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*refs), 0);
  for (lua_Integer i = 0; i < n; i++) {
    if (lua_rawgeti(L, -2, i + 1) != LUA_TSTRING)
      luaL_error(L, "bad option 'refs' (names expected)");
    refs[i] = lua_tostring(L, -1); /* the table keeps it */
    lua_pop(L, 1);
  }
  refs[n] = NULL;
  return refs;
}

static int start_fetch(lua_State *L, struct net *net,
                       const struct gw_git_env *env,
                       const struct gw_git_remote *remote, struct gw_err *err)
{
  struct gw_fetch_opts opts = {
      .store = gw_lua_check_store(L, ARG_STORE),
      .remote = remote,
      .advert = net->advert,
      .commit = gw_lua_opt_id(L, ARG_OPTS, "commit"),
      .into = gw_opt_string(L, ARG_OPTS, "into", NULL),
      .max_bytes = (uint64_t)gw_opt_number(L, ARG_OPTS, "max_bytes", 0),
      .refs = (const char *const *)read_refs(L),
  };

  return gw_fetch_start(&net->op, env, &opts, on_op, net, err);
}

static int start_push(lua_State *L, struct net *net,
                      const struct gw_git_env *env,
                      const struct gw_git_remote *remote, struct gw_err *err)
{
  struct gw_push_opts opts = {
      .store = gw_lua_check_store(L, ARG_STORE),
      .remote = remote,
      .advert = net->advert,
      .commit = gw_lua_opt_id(L, ARG_OPTS, "commit"),
      .ref = gw_opt_string(L, ARG_OPTS, "ref", NULL),
      .expected = gw_lua_opt_id(L, ARG_OPTS, "expected"),
      .answer_ms = opt_ms(L, ARG_OPTS, "build_timeout"),
  };

  return gw_push_start(&net->op, env, &opts, on_op, net, err);
}

static int wait_more(lua_State *L, struct net *net)
{
  struct gw_err err = {0};

  net->ticket = gw_task_ticket(net->host->tasks, L);
  if (net->op && wants_progress(L)) {
    if (gw_timer_start(net->host->loop, &net->tick, TICK_MS, &err) != 0)
      return gw_lua_fail(L, &err);
    net->ticking = true;
  }
  return gw_task_yield(L, net, step, on_cancel);
}

static int start_op(lua_State *L, struct net *net)
{
  struct gw_git_env env = {net->host->loop, gw_lua_client(L), net->host->git,
                           gw_lua_sentry(L)};
  struct gw_git_remote remote;
  struct gw_err err = {0};
  char url[4096];
  int rc;

  read_remote(L, ARG_REMOTE, &remote, url);
  read_limits(L, ARG_OPTS, &remote);
  rc = net->kind == FETCH ? start_fetch(L, net, &env, &remote, &err)
                          : start_push(L, net, &env, &remote, &err);
  if (rc != 0)
    return fail(L, net, &err, false);
  return wait_more(L, net);
}

static int take_list(lua_State *L, struct net *net)
{
  struct gw_err err = {0};
  int rc = gw_lsremote_result(net->ls, &net->advert, &err);

  gw_lsremote_free(net->ls);
  net->ls = NULL;
  if (rc != 0)
    return fail(L, net, &err, false);
  if (net->kind != LIST)
    return start_op(L, net);
  gw_lua_push_advert(L, net->advert);
  return 1;
}

static int step(lua_State *L, int status, lua_KContext ctx)
{
  struct net *net = (struct net *)ctx;
  struct gw_err err = {0};

  (void)status;
  if (net->cancelled) {
    gw_err_set(&err, GW_ECANCELLED, net->kind == PUSH ? "git.push" : "git",
               "cancelled");
    return fail(L, net, &err, net->in_doubt);
  }
  if (net->ls)
    return net->listed ? take_list(L, net) : wait_more(L, net);
  if (gw_git_op_ended(net->op))
    return finish_op(L, net);
  tell_progress(L, net, false);
  return wait_more(L, net);
}

static int list(lua_State *L, struct net *net, int remote_at, int opts_at,
                const char *service)
{
  struct gw_git_remote remote;
  struct gw_err err = {0};
  char url[4096];

  read_remote(L, remote_at, &remote, url);
  read_limits(L, opts_at, &remote);
  net->ticket = gw_task_ticket(net->host->tasks, L);
  if (gw_lsremote_start(&net->ls, gw_lua_client(L), &remote, service, on_listed,
                        net, &err) != 0)
    return fail(L, net, &err, false);
  return gw_task_yield(L, net, step, on_cancel);
}

/* --- ls_remote of a repository on this machine -------------------------- */

struct local {
  char path[4096];
  char service[20];
  struct gw_advert *advert;
};

static void local_dispose(void *data)
{
  gw_advert_unref(((struct local *)data)->advert);
}

static int local_work(void *data, struct gw_repo *repo, struct gw_err *err)
{
  struct local *local = data;

  (void)repo;
  return gw_local_advert(&local->advert, local->path, local->service, err);
}

static int local_result(lua_State *L, void *data)
{
  gw_lua_push_advert(L, ((struct local *)data)->advert);
  return 1;
}

static int list_local(lua_State *L, const char *path, const char *service)
{
  struct local *local;

  if (strlen(path) >= sizeof(local->path))
    return luaL_error(L, "bad option 'path' (too long)");
  local = gw_lua_git_new(L, sizeof(*local), local_dispose);
  (void)snprintf(local->path, sizeof(local->path), "%s", path);
  (void)snprintf(local->service, sizeof(local->service), "%s", service);
  return gw_lua_git_call(L, local, NULL, local_work, local_result);
}

/* --- functions --------------------------------------------------------- */

static const char *service_of(lua_State *L, int idx)
{
  const char *name = gw_opt_string(L, idx, "service", "upload-pack");

  if (strcmp(name, "upload-pack") == 0)
    return "git-upload-pack";
  if (strcmp(name, "receive-pack") == 0)
    return "git-receive-pack";
  luaL_error(L, "bad option 'service' (upload-pack or receive-pack expected)");
  return NULL;
}

static int l_ls_remote(lua_State *L)
{
  const char *path, *service;

  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  service = service_of(L, 2);
  path = gw_opt_string(L, 1, "path", NULL);
  if (path)
    return list_local(L, path, service);
  return list(L, push_net(L, LIST), 1, 2, service);
}

/* Before the first request, not after it. */
static void check_opts(lua_State *L, enum kind kind)
{
  const char *commit = gw_lua_opt_id(L, ARG_OPTS, "commit");
  const char *ref = gw_opt_string(L, ARG_OPTS, "ref", NULL);

  (void)gw_lua_opt_id(L, ARG_OPTS, "expected");
  (void)opt_ms(L, ARG_OPTS, "stall");
  (void)opt_ms(L, ARG_OPTS, "timeout");
  (void)opt_ms(L, ARG_OPTS, "build_timeout");
  if (kind == PUSH && (!commit || !ref))
    luaL_error(L, "a push needs the options 'commit' and 'ref'");
}

static int transfer(lua_State *L, enum kind kind)
{
  struct gw_git_remote remote;
  struct net *net;
  char url[4096];

  gw_lua_check_store(L, ARG_STORE);
  read_remote(L, ARG_REMOTE, &remote, url);
  luaL_checktype(L, ARG_OPTS, LUA_TTABLE);
  check_opts(L, kind);
  lua_settop(L, ARG_OPTS);
  net = push_net(L, kind);
  net->advert = opt_advert(L, ARG_OPTS);
  if (net->advert)
    gw_advert_ref_take(net->advert);
  if (net->advert || remote.path)
    return start_op(L, net);
  return list(L, net, ARG_REMOTE, ARG_OPTS,
              kind == FETCH ? "git-upload-pack" : "git-receive-pack");
}

static int l_fetch(lua_State *L)
{
  return transfer(L, FETCH);
}

static int l_push(lua_State *L)
{
  return transfer(L, PUSH);
}

void gw_lua_open_git_net(lua_State *L)
{
  static const luaL_Reg net_metas[] = {{"__gc", net_gc}, {NULL, NULL}};
  static const luaL_Reg advert_metas[] = {{"__gc", advert_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"ls_remote", l_ls_remote},
                                       {"fetch", l_fetch},
                                       {"push", l_push},
                                       {NULL, NULL}};

  gw_lua_class(L, NET_META, net_metas, NULL);
  gw_lua_class(L, ADVERT_META, advert_metas, NULL);
  luaL_setfuncs(L, functions, 0);
}
