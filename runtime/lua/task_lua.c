/*
 * task_lua: tasks as the module godwit.core.task.
 */
#include "lua/task_impl.h"

#include "base/log.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/guard.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static struct gw_task *check_task(lua_State *L, int arg)
{
  return luaL_checkudata(L, arg, TASK_META);
}

static int l_spawn(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TFUNCTION);
  gw_task_spawn(gw_lua_host(L)->tasks, L, lua_gettop(L) - 1);
  return 1;
}

static int push_result(lua_State *L, int idx)
{
  struct gw_task *task = check_task(L, idx);
  int n;

  task->joined = true;
  lua_settop(L, idx);
  lua_pushboolean(L, !task->failed);
  if (lua_getiuservalue(L, idx, UV_RESULT) == LUA_TNIL) {
    lua_pop(L, 1); /* there was no memory for the error */
    lua_pushliteral(L, "not enough memory");
    gw_lua_wraperr(L, NULL);
  }
  if (task->failed)
    return 2;
  lua_getfield(L, -1, "n");
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, n + 1, "too many results");
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, idx + 2, i);
  lua_remove(L, idx + 2);
  return n + 1;
}

bool gw_task_result(lua_State *L, int idx)
{
  bool ok;

  lua_pushvalue(L, idx);
  idx = lua_gettop(L);
  push_result(L, idx);
  ok = lua_toboolean(L, idx + 1);
  lua_remove(L, idx + 1);
  lua_remove(L, idx);
  return ok;
}

static int join_end(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  (void)ctx;
  return push_result(L, 1);
}

static int l_join(lua_State *L)
{
  struct gw_task *task = check_task(L, 1);
  uint64_t ticket, *joiners;

  lua_settop(L, 1);
  if (!task->co)
    return push_result(L, 1);
  if (task == gw_task_current(L))
    return luaL_error(L, "a task cannot wait for itself");
  ticket = gw_task_ticket(task->tasks, L);
  joiners = realloc(task->joiners, (task->njoiners + 1) * sizeof(*joiners));
  if (!joiners)
    return gw_lua_throw(L, GW_ENOMEM, "task.join", "out of memory");
  task->joiners = joiners;
  joiners[task->njoiners++] = ticket;
  task->joined = true;
  return gw_task_yield(L, NULL, join_end, NULL);
}

void gw_task_cancel(lua_State *L, int idx)
{
  gw_task_cancel_it(check_task(L, idx));
}

static int l_cancel(lua_State *L)
{
  gw_task_cancel(L, 1);
  return 0;
}

static int l_ended(lua_State *L)
{
  lua_pushboolean(L, !check_task(L, 1)->co);
  return 1;
}

static int l_cancelled(lua_State *L)
{
  struct gw_task *task =
      lua_isnoneornil(L, 1) ? gw_task_current(L) : check_task(L, 1);

  lua_pushboolean(L, task && task->cancelled);
  return 1;
}

static int l_self(lua_State *L)
{
  struct gw_task *task = gw_task_current(L);

  if (task)
    lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  else
    lua_pushnil(L);
  return 1;
}

/* limit(seconds): so much may this task compute from here on, waiting not
 * counted, in all its resumes. A task within a limit only gets less. */
static int l_limit(lua_State *L)
{
  double seconds = luaL_checknumber(L, 1);
  struct gw_task *task = gw_task_current(L);
  struct gw_runaway *runaway = gw_lua_host(L)->runaway;
  double left;

  luaL_argcheck(L, seconds > 0 && seconds < 1e6, 1, "seconds");
  if (!task)
    return luaL_error(L, "only a task can be limited");
  left = gw_runaway_used(runaway) + seconds;
  if (task->cpu_budget > 0 && task->cpu_left < left)
    return 0;
  task->cpu_budget = seconds;
  task->cpu_left = left;
  gw_runaway_limit(runaway, left, seconds);
  return 0;
}

/* From here on this task acts for a person, whatever limits scripts. */
static int l_act_for_person(lua_State *L)
{
  struct gw_task *task = gw_task_current(L);

  if (!task)
    return luaL_error(L, "only a task can act for a person");
  task->persons = true;
  return 0;
}

static int l_acts_for_person(lua_State *L)
{
  struct gw_task *task = gw_task_current(L);

  lua_pushboolean(L, task && task->persons);
  return 1;
}

static int l_waitable(lua_State *L)
{
  char buf[256];
  const char *why = gw_task_no_wait(gw_lua_host(L)->tasks, L, buf, sizeof(buf));

  lua_pushboolean(L, !why);
  lua_pushstring(L, why);
  return 2;
}

static int l_live(lua_State *L)
{
  lua_pushinteger(L, (lua_Integer)gw_tasks_live(gw_lua_host(L)->tasks));
  return 1;
}

/* Tickets for Lua: semaphores and queues are made of these. */
static int l_ticket(lua_State *L)
{
  uint64_t ticket = gw_task_ticket(gw_lua_host(L)->tasks, L);
  struct gw_task *task = gw_task_current(L);

  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  lua_pushnil(L);
  lua_setiuservalue(L, -2, UV_WAKE);
  lua_pushinteger(L, (lua_Integer)ticket);
  return 1;
}

static int wait_end(lua_State *L, int status, lua_KContext ctx)
{
  struct gw_task *task = gw_task_current(L);
  int n;

  (void)status;
  (void)ctx;
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  if (lua_getiuservalue(L, 2, UV_WAKE) == LUA_TNIL)
    return 0;
  lua_pushnil(L);
  lua_setiuservalue(L, 2, UV_WAKE);
  n = (int)lua_rawlen(L, 3);
  luaL_checkstack(L, n, "too many values");
  lua_getfield(L, 3, "n");
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  for (int i = 1; i <= n; i++)
    lua_rawgeti(L, 3, i);
  return n;
}

static int l_wait(lua_State *L)
{
  uint64_t ticket = (uint64_t)luaL_checkinteger(L, 1);
  struct gw_task *task = gw_task_current(L);
  char buf[256];
  const char *why = gw_task_no_wait(gw_lua_host(L)->tasks, L, buf, sizeof(buf));

  if (why)
    return gw_lua_throw(L, GW_EUSAGE, NULL, "%s", why);
  if (ticket != gw_task_ticket_of(task))
    return luaL_error(L, "this ticket's wait is over");
  if (task->woken)
    return wait_end(L, LUA_OK, 0);
  return gw_task_yield(L, NULL, wait_end, NULL);
}

static int l_wake(lua_State *L)
{
  struct gw_tasks *tasks = gw_lua_host(L)->tasks;
  uint64_t ticket = (uint64_t)luaL_checkinteger(L, 1);
  struct gw_task *task = gw_task_by_ticket(tasks, ticket);
  int n = lua_gettop(L) - 1;

  if (!task || task->woken) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (n > 0) {
    lua_createtable(L, n, 1);
    lua_insert(L, 2);
    for (int i = n; i > 0; i--)
      lua_rawseti(L, 2, i);
    lua_pushinteger(L, n);
    lua_setfield(L, 2, "n");
    lua_rawgetp(L, LUA_REGISTRYINDEX, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, UV_WAKE);
  }
  gw_task_ready(tasks, ticket);
  lua_pushboolean(L, 1);
  return 1;
}

struct sleep_op {
  struct gw_timer timer; /* first member */
  struct gw_host *host;
  uint64_t ticket;
  bool cancelled;
};

static void sleep_fired(struct gw_timer *timer)
{
  struct sleep_op *op = (struct sleep_op *)timer;

  gw_task_ready(op->host->tasks, op->ticket);
}

static void sleep_cancel(void *ctx)
{
  struct sleep_op *op = ctx;

  gw_timer_stop(op->host->loop, &op->timer);
  op->cancelled = true;
}

static int sleep_end(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  if (((struct sleep_op *)ctx)->cancelled)
    return gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  return 0;
}

static int sleep_gc(lua_State *L)
{
  struct sleep_op *op = lua_touserdata(L, 1);

  gw_timer_stop(op->host->loop, &op->timer);
  return 0;
}

static int l_sleep(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  double seconds = luaL_checknumber(L, 1);
  struct gw_err err;
  struct sleep_op *op;

  luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1,
                "between 0 and 1e9 seconds");
  op = lua_newuserdatauv(L, sizeof(*op), 0);
  memset(op, 0, sizeof(*op));
  op->host = host;
  op->timer.fn = sleep_fired;
  luaL_setmetatable(L, "godwit.sleep");
  op->ticket = gw_task_ticket(host->tasks, L);
  if (gw_timer_start(host->loop, &op->timer, (uint64_t)(seconds * 1000 + 0.999),
                     &err) != 0)
    return gw_lua_raise(L, &err);
  return gw_task_yield(L, op, sleep_end, sleep_cancel);
}

/* A failure that nobody asked for must not vanish. */
static int task_gc(lua_State *L)
{
  struct gw_task *task = check_task(L, 1);

  free(task->joiners);
  task->joiners = NULL;
  if (task->failed && !task->joined && !task->cancelled) {
    task->joined = true;
    if (lua_getiuservalue(L, 1, UV_RESULT) == LUA_TNIL)
      lua_pushliteral(L, "not enough memory");
    gw_log_line("a task failed: %s", luaL_tolstring(L, -1, NULL));
  }
  return 0;
}

static int task_tostring(lua_State *L)
{
  struct gw_task *task = check_task(L, 1);

  lua_pushfstring(L, "task (%s)",
                  task->co       ? "running"
                  : task->failed ? "failed"
                                 : "ended");
  return 1;
}

int gw_luaopen_task(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"spawn", l_spawn}, {"join", l_join}, {"cancel", l_cancel},
      {"ended", l_ended}, {"self", l_self}, {"cancelled", l_cancelled},
      {"sleep", l_sleep}, {"wait", l_wait}, {"ticket", l_ticket},
      {"wake", l_wake},   {"live", l_live}, {"waitable", l_waitable},
      {"limit", l_limit}, {"act_for_person", l_act_for_person},
      {"acts_for_person", l_acts_for_person},
      {NULL, NULL},
  };
  static const luaL_Reg task_metas[] = {
      {"__gc", task_gc}, {"__tostring", task_tostring}, {NULL, NULL}};
  static const luaL_Reg sleep_metas[] = {{"__gc", sleep_gc}, {NULL, NULL}};

  gw_lua_class(L, TASK_META, task_metas, NULL);
  gw_lua_class(L, "godwit.sleep", sleep_metas, NULL);
  luaL_newlib(L, funcs);
  return 1;
}
