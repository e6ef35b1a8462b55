/*
 * host: owns the loop, the pools, the HTTP client, the guard, the tasks and
 * the Lua state; starts them in order and stops them in the reverse.
 *
 * Threads: the loop thread only.
 */
#ifndef GW_HOST_H
#define GW_HOST_H

#include "async/loop.h"
#include "async/pool.h"

#include <lua.h>

struct gw_guard;
struct gw_http;
struct gw_tasks;
struct gw_runaway;

struct gw_host {
  struct gw_loop *loop;
  struct gw_pool *cpu; /* hashing, tree walks, small files: as many as cores */
  struct gw_pool *git; /* blocking libgit2 calls: at most 32 */
  struct gw_guard *guard;  /* what scripts may send */
  struct gw_http *http;
  struct gw_guard *own_guard; /* what a person's policies may send */
  struct gw_http *own_http;
  struct gw_tasks *tasks;
  struct gw_runaway *runaway;
  int signo;    /* the one that cancelled the main task, if Lua handles none */
  lua_State *L; /* the main state; nothing of a script runs on it */
  size_t memory_used, memory_max; /* of Lua's own allocator */
  bool starving; /* tests: allocations fail after that many more */
  long starve_after;
};

struct gw_host_opts {
  size_t memory_max;  /* bytes for Lua; 0: GODWIT_MEMORY (MiB) or 1 GiB */
  double cpu_seconds; /* of one task between two waits; 0: 30 */
  const char *const *folders; /* more places for modules, NULL ends; tests */
};

int gw_host_new(struct gw_host **out, const struct gw_host_opts *opts,
                struct gw_err *err);

/* Runs require(module).run(argv) as the main task until it has ended; its
 * result is the exit code. A raised error is printed and gives 1. */
int gw_host_run(struct gw_host *host, const char *module, int argc,
                char *const argv[]);

/* Cancels and drains what still runs, then frees all. Accepts NULL. */
void gw_host_free(struct gw_host *host);

/*
 * Calls fn in protected mode on the main state, with arg as a light userdata:
 * the way into Lua from a callback of the loop. Nothing is returned.
 */
int gw_host_call(struct gw_host *host, lua_CFunction fn, void *arg,
                 struct gw_err *err);

#endif
