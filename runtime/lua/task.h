/*
 * task: coroutines that wait. One function resumes them, here and nowhere
 * else; completions only queue.
 *
 * A binding that waits:
 *   op = push an operation userdata (lives on this stack), born closed
 *   op->ticket = gw_task_ticket(tasks, L);
 *   start it, with a callback that calls gw_task_ready(tasks, op->ticket)
 *   return gw_task_yield(L, op, finish, cancel);       nothing after this
 *
 * Threads:   the loop thread only.
 * Tickets:   name one wait. A ready for a wait that is over wakes nobody; one
 *            that comes before the yield is kept.
 * Ownership: what the loop can stop at once may live in the userdata whose
 *            __gc stops it; a job on a worker owns itself and is detached.
 */
#ifndef GW_LUA_TASK_H
#define GW_LUA_TASK_H

#include "base/err.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct gw_guard;
struct gw_host;
struct gw_http;
struct gw_tasks;

/* The host of a state, from any of its coroutines. */
struct gw_host *gw_lua_host(lua_State *L);

/* The client that requests of this coroutine go through, and its guard: the
 * scripts', but in a task that acts for a person (a policy's). */
struct gw_http *gw_lua_client(lua_State *L);
struct gw_guard *gw_lua_sentry(lua_State *L);

/*
 * Begins a wait. Raises one clear error where waiting is impossible (a
 * coroutine of the script's own, a callback of sort or gsub, the top level of
 * a module), and `cancelled` if this task was cancelled before it could wait.
 */
uint64_t gw_task_ticket(struct gw_tasks *tasks, lua_State *L);

/* The operation of that ticket has ended: queues its task. */
void gw_task_ready(struct gw_tasks *tasks, uint64_t ticket);

/* Whether this coroutine is a task's own. */
bool gw_task_is(lua_State *co);

/* Whether a task still waits with that ticket. */
bool gw_task_waits(struct gw_tasks *tasks, uint64_t ticket);

/*
 * Waits; the last line of a binding. On wake k(L, LUA_YIELD, ctx) is called.
 * When the task is cancelled first, cancel(ctx) is called on the loop thread,
 * outside Lua: it must stop the operation and leave GW_ECANCELLED where k
 * looks, then k runs. With cancel NULL the cancelled error is raised and k is
 * not called.
 */
int gw_task_yield(lua_State *L, void *ctx, lua_KFunction k,
                  void (*cancel)(void *ctx));

/*
 * Starts a task: pops the function and its nargs arguments from L, pushes the
 * task's handle. It first runs when the loop comes to it. May raise (memory).
 * Nobody needs to keep the handle; an error nobody joined is logged.
 */
void gw_task_spawn(struct gw_tasks *tasks, lua_State *L, int nargs);

/* --- for the host ------------------------------------------------------ */
int gw_tasks_new(struct gw_tasks **out, struct gw_host *host,
                 struct gw_err *err);
void gw_tasks_free(struct gw_tasks *tasks); /* after lua_close */

/* Resumes what is queued now, once each. True if more was queued meanwhile. */
bool gw_tasks_run(struct gw_tasks *tasks);
size_t gw_tasks_live(const struct gw_tasks *tasks);
void gw_tasks_cancel_all(struct gw_tasks *tasks);

/* Whether the task whose handle is at idx has ended. */
bool gw_task_ended(lua_State *L, int idx);

/* Cancels the task whose handle is at idx. */
void gw_task_cancel(lua_State *L, int idx);

/* Pushes the results of an ended task, or its error. True if it succeeded. */
bool gw_task_result(lua_State *L, int idx);

/* While a module's top level runs; nests. Returns the one before. */
const char *gw_tasks_loading(struct gw_tasks *tasks, const char *module);

#endif
