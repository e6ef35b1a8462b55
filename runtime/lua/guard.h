/*
 * guard (runaway): stops a task that computes too long without waiting.
 *
 * A timer of this thread's own CPU time interrupts the running Lua code; its
 * signal handler sets a count hook on the coroutine that runs, which raises.
 * It costs nothing until then. After a Ctrl-C a second is the limit. A call
 * into C cannot be stopped so: when it does not come back within the same time
 * again, the process ends.
 *
 * Threads: the loop thread; one per process.
 */
#ifndef GW_LUA_GUARD_H
#define GW_LUA_GUARD_H

#include "base/err.h"

#include <lua.h>

struct gw_runaway;

int gw_runaway_new(struct gw_runaway **out, double cpu_seconds,
                   struct gw_err *err);
void gw_runaway_free(struct gw_runaway *guard); /* accepts NULL */

/* Around every resume; NULL is accepted and does nothing. */
void gw_runaway_begin(struct gw_runaway *guard, lua_State *co);
void gw_runaway_end(struct gw_runaway *guard);

/* Between these: this resume may use so much, of a budget named in the error;
 * and what it has used. */
void gw_runaway_limit(struct gw_runaway *guard, double left, double budget);
double gw_runaway_used(const struct gw_runaway *guard);

/* A coroutine inside the task runs from enter to leave. The frame lives on
 * the C stack; nothing may jump over leave. */
struct gw_runaway_frame {
  lua_State *co;
  struct gw_runaway_frame *outer;
};
void gw_runaway_enter(struct gw_runaway *guard, struct gw_runaway_frame *frame,
                      lua_State *co);
void gw_runaway_leave(struct gw_runaway *guard);

/* True from the moment the running task is stopped until it has ended. */
bool gw_runaway_expired(const struct gw_runaway *guard);

#endif
