/*
 * git_call: calls of the Git binding that run on a worker, and the arguments
 * they have in common.
 */
#include "git/git.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/git_impl.h"
#include "lua/job.h"
#include "lua/task.h"

#include <stddef.h>

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
  if (call->work(call->data, repo, &job->err) == 0)
    job->err.kind = GW_OK; /* what was overcome on the way is no failure */
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
