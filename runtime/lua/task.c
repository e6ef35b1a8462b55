#include "lua/task_impl.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/guard.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BITS 24
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

struct slot {
  struct gw_task *task;
  uint64_t wait; /* counts the waits of this slot, over all its tasks */
  uint32_t next_free;
};

struct gw_tasks {
  struct gw_task_place place; /* of the main state */
  struct gw_host *host;
  struct slot *slots; /* slot 0 is never used */
  uint32_t nslots, free;
  struct gw_task *first_ready, *last_ready;
  struct gw_task *all;
  size_t live;
  const char *loading;
  bool stress; /* a full collection at every resume */
};

static struct gw_task_place *place_of(lua_State *L)
{
  return *(struct gw_task_place **)lua_getextraspace(L);
}

static void set_place(lua_State *L, struct gw_task_place *place)
{
  *(struct gw_task_place **)lua_getextraspace(L) = place;
}

struct gw_task *gw_task_current(lua_State *L)
{
  return place_of(L)->task;
}

struct gw_host *gw_lua_host(lua_State *L)
{
  return place_of(L)->host;
}

static bool acts_for_person(lua_State *L)
{
  struct gw_task *task = gw_task_current(L);

  return task && task->persons;
}

struct gw_http *gw_lua_client(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);

  return acts_for_person(L) ? host->own_http : host->http;
}

struct gw_guard *gw_lua_sentry(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);

  return acts_for_person(L) ? host->own_guard : host->guard;
}

/* --- the queue ---------------------------------------------------------- */

static void enqueue(struct gw_task *task)
{
  struct gw_tasks *tasks = task->tasks;

  if (task->queued)
    return;
  task->queued = true;
  task->next_ready = NULL;
  if (tasks->last_ready)
    tasks->last_ready->next_ready = task;
  else
    tasks->first_ready = task;
  tasks->last_ready = task;
}

struct gw_task *gw_task_by_ticket(struct gw_tasks *tasks, uint64_t ticket)
{
  uint32_t slot = (uint32_t)(ticket & SLOT_MASK);

  if (slot == 0 || slot >= tasks->nslots ||
      tasks->slots[slot].wait != ticket >> SLOT_BITS)
    return NULL;
  return tasks->slots[slot].task;
}

uint64_t gw_task_ticket_of(const struct gw_task *task)
{
  return task->tasks->slots[task->slot].wait << SLOT_BITS | task->slot;
}

static bool take_slot(struct gw_tasks *tasks, struct gw_task *task)
{
  if (!tasks->free) {
    uint32_t n = tasks->nslots ? tasks->nslots * 2 : 64;
    struct slot *slots;

    if (n > SLOT_MASK)
      return false;
    slots = realloc(tasks->slots, n * sizeof(*slots));
    if (!slots)
      return false;
    tasks->slots = slots;
    memset(slots + tasks->nslots, 0, (n - tasks->nslots) * sizeof(*slots));
    for (uint32_t i = n - 1; i >= tasks->nslots && i > 0; i--) {
      slots[i].next_free = tasks->free;
      tasks->free = i;
    }
    tasks->nslots = n;
  }
  task->slot = tasks->free;
  tasks->free = tasks->slots[task->slot].next_free;
  tasks->slots[task->slot].task = task;
  return true;
}

static void leave_slot(struct gw_task *task)
{
  struct slot *slot = &task->tasks->slots[task->slot];

  slot->task = NULL;
  slot->wait++; /* tickets of the dead are stale */
  slot->next_free = task->tasks->free;
  task->tasks->free = task->slot;
}

/* --- waiting ------------------------------------------------------------ */

/* Whether the function on top of the stack is that one of a library; pops. */
static bool is_function(lua_State *L, const char *library, const char *name)
{
  bool yes;

  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, library);
  lua_getfield(L, -1, name);
  yes = lua_rawequal(L, -1, -4);
  lua_pop(L, 4);
  return yes;
}

/* The C function that called back into Lua and cannot be waited in. */
static const char *callback_owner(lua_State *L)
{
  static const char *const known[][2] = {{"table", "sort"},
                                         {"string", "gsub"},
                                         {"_G", "tostring"},
                                         {"_G", "load"},
                                         {"table", "concat"}};
  lua_Debug ar;

  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    for (size_t i = 0; i < 5 && strcmp(ar.what, "C") == 0; i++) {
      lua_getinfo(L, "f", &ar);
      if (is_function(L, known[i][0], known[i][1]))
        return known[i][1];
    }
  }
  return NULL;
}

/* Why L cannot wait, or NULL. */
const char *gw_task_no_wait(struct gw_tasks *tasks, lua_State *L, char *buf,
                            size_t size)
{
  struct gw_task *task = gw_task_current(L);
  const char *owner;

  if (!task) {
    bool is_main = lua_pushthread(L);

    lua_pop(L, 1);
    return is_main ? "this call waits, so it needs a task to run in"
                   : "cannot wait inside a coroutine of the script's own: "
                     "make this call outside of it";
  }
  if (lua_isyieldable(L))
    return NULL;
  if (tasks->loading)
    snprintf(buf, size,
             "cannot wait at the top level of module '%s': make "
             "this call inside a function",
             tasks->loading);
  else if ((owner = callback_owner(L)) != NULL)
    snprintf(buf, size,
             "cannot wait in a callback of '%s': make this call "
             "outside of it",
             owner);
  else
    snprintf(buf, size,
             "cannot wait in a callback of sort, gsub or a "
             "metamethod: make this call outside of it");
  return buf;
}

uint64_t gw_task_ticket(struct gw_tasks *tasks, lua_State *L)
{
  char buf[256];
  const char *why = gw_task_no_wait(tasks, L, buf, sizeof(buf));
  struct gw_task *task = gw_task_current(L);

  if (why)
    gw_lua_throw(L, GW_EUSAGE, NULL, "%s", why);
  if (task->cancel_pending) {
    task->cancel_pending = false;
    gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  }
  task->woken = false;
  tasks->slots[task->slot].wait++;
  return gw_task_ticket_of(task);
}

void gw_task_ready(struct gw_tasks *tasks, uint64_t ticket)
{
  struct gw_task *task = gw_task_by_ticket(tasks, ticket);

  if (!task || task->woken)
    return;
  task->woken = true;
  if (task->waiting)
    enqueue(task); /* else it has not yielded yet: see resume() */
}

bool gw_task_is(lua_State *co)
{
  return place_of(co)->task != NULL;
}

bool gw_task_waits(struct gw_tasks *tasks, uint64_t ticket)
{
  struct gw_task *task = gw_task_by_ticket(tasks, ticket);

  return task && task->waiting && !task->woken;
}

static int on_wake(lua_State *L, int status, lua_KContext unused)
{
  struct gw_task *task = gw_task_current(L);

  (void)status;
  (void)unused;
  if (task->raise) {
    task->raise = false;
    return gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  }
  return task->k(L, LUA_YIELD, (lua_KContext)task->ctx);
}

int gw_task_yield(lua_State *L, void *ctx, lua_KFunction k,
                  void (*cancel)(void *ctx))
{
  struct gw_task *task = gw_task_current(L);

  assert(task);
  task->ctx = ctx;
  task->k = k;
  task->cancel = cancel;
  task->yielding = true;
  return lua_yieldk(L, 0, 0, on_wake);
}

/* The task waits or is about to: it learns of its cancellation now. */
static void deliver_cancel(struct gw_task *task)
{
  task->cancel_pending = false;
  if (task->cancel)
    task->cancel(task->ctx);
  else
    task->raise = true;
  task->woken = true;
  enqueue(task);
}

/* Once: what cleans up after the first is not cut short by a second. */
void gw_task_cancel_it(struct gw_task *task)
{
  if (!task->co || task->cancelled)
    return;
  task->cancelled = true;
  if (task->waiting && !task->queued)
    deliver_cancel(task);
  else
    task->cancel_pending = true; /* at its next wait; or it never starts */
}

/* --- running ------------------------------------------------------------ */

static int on_error(lua_State *L)
{
  gw_lua_wraperr(L, L);
  return 1;
}

static int body_end(lua_State *L, int status, lua_KContext ctx)
{
  struct gw_task *task = (struct gw_task *)ctx;

  luaL_checkstack(L, 4, NULL);
  if (status != LUA_OK && status != LUA_YIELD) {
    task->failed = true;
    gw_lua_wraperr(L, NULL); /* out of memory has seen no handler */
  } else {
    int n = lua_gettop(L) - 1;

    lua_createtable(L, n, 1);
    lua_insert(L, 2);
    for (int i = n; i > 0; i--)
      lua_rawseti(L, 2, i);
    lua_pushinteger(L, n);
    lua_setfield(L, 2, "n");
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, UV_RESULT);
  return 0;
}

/* The first function of every coroutine of ours: errors are caught inside, so
 * that <close> variables of a failed task can still wait. */
static int body(lua_State *L)
{
  struct gw_task *task = gw_task_current(L);
  int status;

  if (task->cancel_pending) { /* before it began */
    task->cancel_pending = false;
    return gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  }
  lua_pushcfunction(L, on_error);
  lua_insert(L, 1);
  status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, (lua_KContext)task,
                      body_end);
  return body_end(L, status, (lua_KContext)task);
}

/* Protected, on the main state: what body_end could not do. */
static int keep_error(lua_State *L)
{
  struct gw_task *task = lua_touserdata(L, 1);

  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  if (lua_gettop(task->co) > 0)
    lua_xmove(task->co, L, 1);
  else
    lua_pushliteral(L, "the task ended without an error value");
  gw_lua_wraperr(L, task->co);
  lua_setiuservalue(L, -2, UV_RESULT);
  return 0;
}

static int foreign_yield(lua_State *L)
{
  struct gw_task *task = lua_touserdata(L, 1);
  struct gw_err err = {.kind = GW_EUSAGE};

  snprintf(err.message, sizeof(err.message),
           "coroutine.yield outside a coroutine of the script's own");
  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  gw_lua_pusherr(L, &err);
  gw_lua_wraperr(L, task->co);
  lua_setiuservalue(L, -2, UV_RESULT);
  return 0;
}

static void protected(struct gw_task *task, lua_CFunction fn)
{
  lua_State *L = task->tasks->host->L;

  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, task);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1); /* no memory for the error: the result stays empty */
}

/* The task is over; its handle may be garbage when this returns. */
static void end_task(struct gw_task *task)
{
  struct gw_tasks *tasks = task->tasks;
  lua_State *L = tasks->host->L;

  set_place(task->co, &tasks->place);
  task->co = NULL;
  task->waiting = false;
  if (task->prev)
    task->prev->next = task->next;
  else
    tasks->all = task->next;
  if (task->next)
    task->next->prev = task->prev;
  tasks->live--;
  leave_slot(task);
  for (size_t i = 0; i < task->njoiners; i++)
    gw_task_ready(tasks, task->joiners[i]);
  free(task->joiners);
  task->joiners = NULL;
  task->njoiners = 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, task);
  lua_pushnil(L); /* the thread is not needed for the result */
  lua_setiuservalue(L, -2, UV_THREAD);
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, task);
}

/* The only caller of lua_resume. */
static void resume(struct gw_task *task)
{
  struct gw_tasks *tasks = task->tasks;
  int nres = 0, status, nargs = task->nargs;

  task->queued = false;
  task->waiting = false;
  task->nargs = 0;
  if (tasks->stress)
    lua_gc(tasks->host->L, LUA_GCCOLLECT);
  gw_runaway_begin(tasks->host->runaway, task->co);
  if (task->cpu_budget > 0)
    gw_runaway_limit(tasks->host->runaway, task->cpu_left, task->cpu_budget);
  status = lua_resume(task->co, tasks->host->L, nargs, &nres);
  if (task->cpu_budget > 0)
    task->cpu_left -= gw_runaway_used(tasks->host->runaway);
  gw_runaway_end(tasks->host->runaway);

  if (status == LUA_YIELD && task->yielding) {
    task->yielding = false;
    task->waiting = true;
    if (task->woken)
      enqueue(task); /* ended before the yield */
    else if (task->cancel_pending)
      deliver_cancel(task);
    return;
  }
  if (status != LUA_OK) {
    task->failed = true;
    protected(task, status == LUA_YIELD ? foreign_yield : keep_error);
    lua_resetthread(task->co);
  }
  end_task(task);
}

bool gw_tasks_run(struct gw_tasks *tasks)
{
  struct gw_task *task = tasks->first_ready;

  tasks->first_ready = tasks->last_ready = NULL;
  while (task) { /* a queued task cannot end but in resume() */
    struct gw_task *next = task->next_ready;
    resume(task);
    task = next;
  }
  return tasks->first_ready != NULL;
}

void gw_task_spawn(struct gw_tasks *tasks, lua_State *L, int nargs)
{
  struct gw_task *task;

  luaL_checkstack(L, 6, NULL);
  task = lua_newuserdatauv(L, sizeof(*task), UV_COUNT);
  memset(task, 0, sizeof(*task));
  task->place.host = tasks->host;
  task->place.task = task;
  task->tasks = tasks;
  task->nargs = nargs + 1;
  if (gw_task_current(L)) { /* who is limited starts nothing that is not */
    task->cpu_budget = gw_task_current(L)->cpu_budget;
    task->cpu_left = gw_task_current(L)->cpu_left;
    task->persons = gw_task_current(L)->persons;
  }
  luaL_setmetatable(L, TASK_META);
  task->co = lua_newthread(L);
  lua_setiuservalue(L, -2, UV_THREAD);
  if (!lua_checkstack(task->co, nargs + 4)) {
    task->co = NULL;
    gw_lua_throw(L, GW_ENOMEM, NULL, "not enough memory for a task");
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, task);
  if (!take_slot(tasks, task)) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, task);
    task->co = NULL;
    gw_lua_throw(L, GW_ENOMEM, NULL, "too many tasks");
  }
  /* Nothing below can fail. */
  set_place(task->co, &task->place);
  lua_insert(L, -nargs - 2);
  lua_pushcfunction(task->co, body);
  lua_xmove(L, task->co, nargs + 1);
  task->next = tasks->all;
  if (tasks->all)
    tasks->all->prev = task;
  tasks->all = task;
  tasks->live++;
  enqueue(task);
}

/* --- for the host ------------------------------------------------------- */

int gw_tasks_new(struct gw_tasks **out, struct gw_host *host,
                 struct gw_err *err)
{
  struct gw_tasks *tasks = calloc(1, sizeof(*tasks));

  if (!tasks)
    return gw_err_set(err, GW_ENOMEM, "task.new", "out of memory");
  tasks->host = host;
  tasks->place.host = host;
#ifdef GODWIT_FAULTS
  tasks->stress = getenv("GODWIT_GC_STRESS") != NULL;
#endif
  set_place(host->L, &tasks->place);
  *out = tasks;
  return 0;
}

void gw_tasks_free(struct gw_tasks *tasks)
{
  if (!tasks)
    return;
  free(tasks->slots);
  free(tasks);
}

size_t gw_tasks_live(const struct gw_tasks *tasks)
{
  return tasks->live;
}

void gw_tasks_cancel_all(struct gw_tasks *tasks)
{
  for (struct gw_task *task = tasks->all; task; task = task->next)
    gw_task_cancel_it(task);
}

const char *gw_tasks_loading(struct gw_tasks *tasks, const char *module)
{
  const char *before = tasks->loading;

  tasks->loading = module;
  return before;
}

bool gw_task_ended(lua_State *L, int idx)
{
  struct gw_task *task = luaL_checkudata(L, idx, TASK_META);

  return !task->co;
}
