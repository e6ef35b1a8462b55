/*
 * job: a binding that hands blocking work to a pool and waits for it.
 *
 *   struct my_job *job = gw_lua_job(L, sizeof(*job), work, push, dispose);
 *   fill it with copies of the arguments
 *   return gw_lua_job_wait(L, &job->base, pool);       nothing after this
 *
 * Threads:   work() runs on a worker and touches only its own job; push() and
 *            dispose() on the loop thread.
 * Ownership: the job belongs to the box gw_lua_job pushed, and to the pool
 *            while that has it; dispose() runs once, when neither has. A job
 *            whose task is cancelled is detached and finishes unseen.
 */
#ifndef GW_LUA_JOB_H
#define GW_LUA_JOB_H

#include "async/pool.h"

#include <lua.h>

struct gw_lua_job { /* first member of every such job */
  struct gw_job pool_job;
  struct gw_err err; /* work() fills it */
  void (*work)(struct gw_lua_job *job);
  int (*push)(lua_State *L, struct gw_lua_job *job); /* if err is empty */
  void (*dispose)(struct gw_lua_job *job);           /* what it points to; may
                                                        be NULL */
  void *box;                                         /* private from here */
  bool in_pool;
};

/* Pushes its box. Zeroed memory of that size. */
void *gw_lua_job(lua_State *L, size_t size,
                 void (*work)(struct gw_lua_job *job),
                 int (*push)(lua_State *L, struct gw_lua_job *job),
                 void (*dispose)(struct gw_lua_job *job));

/* Copies for a job; raise for want of memory. NULL stays NULL. */
char *gw_lua_copy(lua_State *L, const char *text);
void *gw_lua_copy_bytes(lua_State *L, const void *data, size_t len);

/* Waits; the binding's last line. Gives what push() returns, or nil, err. */
int gw_lua_job_wait(lua_State *L, struct gw_lua_job *job, struct gw_pool *pool);

#endif
