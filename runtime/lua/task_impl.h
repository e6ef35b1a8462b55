/*
 * task_impl: what the scheduler (task.c) and its module for Lua (task_lua.c)
 * share, and nobody else.
 */
#ifndef GW_LUA_TASK_IMPL_H
#define GW_LUA_TASK_IMPL_H

#include "lua/task.h"

#define TASK_META "godwit.task"

/* Uservalues of a task's handle. */
enum { UV_THREAD = 1, UV_RESULT, UV_WAKE, UV_COUNT = UV_WAKE };

/* What the extra space of a coroutine points to. A new coroutine copies the
 * main state's, which names no task: so a script's own cannot wait. */
struct gw_task_place {
  struct gw_host *host;
  struct gw_task *task;
};

struct gw_task { /* lives in its handle, which the registry keeps */
  struct gw_task_place place;
  struct gw_tasks *tasks;
  lua_State *co; /* NULL once it ended */
  struct gw_task *next_ready, *next, *prev;
  uint32_t slot;
  int nargs; /* of the first resume; 0 later */
  bool queued, woken;
  bool yielding; /* the yield just seen is ours */
  bool waiting;
  bool cancelled;      /* at any time */
  bool cancel_pending; /* not yet told */
  bool raise;          /* told by raising on wake */
  bool failed, joined;
  bool persons; /* acts for a person; so do the tasks it starts */
  void *ctx;
  lua_KFunction k;
  void (*cancel)(void *ctx);
  double cpu_budget, cpu_left; /* seconds; a budget of 0 is none */
  uint64_t *joiners;
  size_t njoiners;
};

/* The running task, NULL in a coroutine of the script's own. */
struct gw_task *gw_task_current(lua_State *L);

struct gw_task *gw_task_by_ticket(struct gw_tasks *tasks, uint64_t ticket);
uint64_t gw_task_ticket_of(const struct gw_task *task);

/* Why L cannot wait (buf may hold the text), or NULL. */
const char *gw_task_no_wait(struct gw_tasks *tasks, lua_State *L, char *buf,
                            size_t size);

void gw_task_cancel_it(struct gw_task *task);

#endif
