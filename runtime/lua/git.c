/*
 * git: the binding's module table, and calls that run on a worker. Stores and
 * trees are in git_store.c and git_tree.c, servers in git_net.c.
 */
#include "git/git.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/job.h"
#include "lua/task.h"

#include <stddef.h>
#include <string.h>

struct call {
  struct gw_lua_job base; /* first */
  struct gw_store *store; /* a reference; NULL: none is needed */
  gw_git_work *work;
  gw_git_result *result;
  gw_git_dispose *dispose;
  _Alignas(max_align_t) char data[];
};

static void call_work(struct gw_lua_job *job)
{
  struct call *call = (struct call *)job;
  struct gw_repo *repo = NULL;

  if (call->store && gw_store_take(&repo, call->store, &job->err) != 0)
    return;
  (void)call->work(call->data, repo, &job->err);
  if (call->store)
    gw_store_give(call->store, repo);
}

static int call_push(lua_State *L, struct gw_lua_job *job)
{
  struct call *call = (struct call *)job;

  return call->result(L, call->data);
}

static void call_dispose(struct gw_lua_job *job)
{
  struct call *call = (struct call *)job;

  if (call->dispose)
    call->dispose(call->data);
  gw_store_unref(call->store);
}

void *gw_lua_git_new(lua_State *L, size_t size, gw_git_dispose *dispose)
{
  struct call *call = gw_lua_job(L, sizeof(*call) + size, call_work, call_push,
                                 call_dispose);

  call->dispose = dispose;
  return call->data;
}

int gw_lua_git_call(lua_State *L, void *data, struct gw_store *store,
                    gw_git_work *work, gw_git_result *result)
{
  struct call *call =
      (struct call *)((char *)data - offsetof(struct call, data));

  call->store = store ? gw_store_ref(store) : NULL;
  call->work = work;
  call->result = result;
  return gw_lua_job_wait(L, &call->base, gw_lua_host(L)->cpu);
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
  static const luaL_Reg functions[] = {
      {"is_id", l_is_id}, {"check_ref", l_check_ref}, {NULL, NULL}};
  struct gw_err err = {0};

  if (gw_git_init(&err) != 0)
    return gw_lua_raise(L, &err);
  luaL_newlib(L, functions);
  gw_lua_open_git_store(L);
  gw_lua_open_git_tree(L);
  gw_lua_open_git_net(L);
  return 1;
}
