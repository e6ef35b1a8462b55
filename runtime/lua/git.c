/*
 * git: the binding's module table, and calls that run on a worker. Stores and
 * trees are in git_store.c and git_tree.c, servers in git_net.c.
 */
#include "async/pool.h"
#include "git/git.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#define CALL_META "godwit.git.call"

/* Lives on the heap: the worker may outlive the task that wanted it. */
struct gw_git_call {
  struct gw_job job; /* first */
  struct gw_tasks *tasks;
  uint64_t ticket;
  bool submitted, ended, failed;
  struct gw_store *store;
  gw_git_work *work;
  gw_git_result *result;
  gw_git_dispose *dispose;
  struct gw_err err;
  int held; /* the box, the job */
  _Alignas(max_align_t) char data[];
};

struct box {
  struct gw_git_call *call;
};

static void drop(struct gw_git_call *call)
{
  if (--call->held > 0)
    return;
  if (call->dispose)
    call->dispose(call->data);
  gw_store_unref(call->store);
  free(call);
}

static int box_gc(lua_State *L)
{
  struct box *box = lua_touserdata(L, 1);
  struct gw_git_call *call = box->call;

  box->call = NULL;
  if (!call)
    return 0;
  if (call->submitted && !call->ended)
    gw_pool_detach(&call->job);
  drop(call);
  return 0;
}

static void on_run(struct gw_job *job)
{
  struct gw_git_call *call = (struct gw_git_call *)job;
  struct gw_repo *repo = NULL;

  if (call->store && gw_store_take(&repo, call->store, &call->err) != 0) {
    call->failed = true;
    return;
  }
  call->failed = call->work(call->data, repo, &call->err) != 0;
  if (call->store)
    gw_store_give(call->store, repo);
}

static void on_done(struct gw_job *job)
{
  struct gw_git_call *call = (struct gw_git_call *)job;

  call->ended = true;
  gw_task_ready(call->tasks, call->ticket);
}

static void on_destroy(struct gw_job *job)
{
  struct gw_git_call *call = (struct gw_git_call *)job;

  call->ended = true;
  drop(call);
}

void *gw_lua_git_new(lua_State *L, size_t size, gw_git_dispose *dispose)
{
  struct box *box = lua_newuserdatauv(L, sizeof(*box), 0);

  box->call = NULL;
  luaL_setmetatable(L, CALL_META);
  box->call = calloc(1, sizeof(*box->call) + size);
  if (!box->call)
    luaL_error(L, "not enough memory");
  box->call->held = 1;
  box->call->dispose = dispose;
  return box->call->data;
}

static int finish(lua_State *L, int status, lua_KContext ctx)
{
  struct gw_git_call *call = ((struct box *)ctx)->call;

  (void)status;
  if (call->failed)
    return gw_lua_fail(L, &call->err);
  return call->result(L, call->data);
}

int gw_lua_git_call(lua_State *L, void *data, struct gw_store *store,
                    gw_git_work *work, gw_git_result *result)
{
  struct gw_host *host = gw_lua_host(L);
  struct box *box = luaL_checkudata(L, -1, CALL_META);
  struct gw_git_call *call = box->call;
  struct gw_err err = {0};

  (void)data;
  call->tasks = host->tasks;
  call->ticket = gw_task_ticket(host->tasks, L);
  call->store = store ? gw_store_ref(store) : NULL;
  call->work = work;
  call->result = result;
  call->job.run = on_run;
  call->job.done = on_done;
  call->job.destroy = on_destroy;
  if (gw_pool_submit(host->cpu, &call->job, &err) != 0)
    return gw_lua_fail(L, &err);
  call->submitted = true;
  call->held++; /* the job's */
  return gw_task_yield(L, box, finish, NULL);
}

const char *gw_lua_check_id(lua_State *L, int idx)
{
  const char *id = luaL_checkstring(L, idx);

  luaL_argcheck(L, gw_git_is_id(id), idx, "no object id");
  return id;
}

const char *gw_lua_opt_id(lua_State *L, int idx, const char *name)
{
  const char *id = gw_opt_string(L, idx, name, NULL);

  if (id && !gw_git_is_id(id))
    luaL_error(L, "bad option '%s' (no object id)", name);
  return id;
}

static int l_is_id(lua_State *L)
{
  lua_pushboolean(L, lua_type(L, 1) == LUA_TSTRING &&
                         gw_git_is_id(lua_tostring(L, 1)));
  return 1;
}

static int l_check_ref(lua_State *L)
{
  struct gw_err err = {0};

  if (gw_git_check_ref(luaL_checkstring(L, 1), "git", &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushboolean(L, true);
  return 1;
}

int gw_luaopen_git(lua_State *L)
{
  static const luaL_Reg metas[] = {{"__gc", box_gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"is_id", l_is_id}, {"check_ref", l_check_ref}, {NULL, NULL}};
  struct gw_err err = {0};

  if (gw_git_init(&err) != 0)
    return gw_lua_raise(L, &err);
  gw_lua_class(L, CALL_META, metas, NULL);
  luaL_newlib(L, functions);
  gw_lua_open_git_store(L);
  gw_lua_open_git_tree(L);
  gw_lua_open_git_net(L);
  return 1;
}
