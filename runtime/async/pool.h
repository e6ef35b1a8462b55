/*
 * pool: runs blocking jobs on worker threads and hands each back to the loop.
 *
 * Threads:   run() executes on a worker and touches only its own job;
 *            everything else here belongs to the loop thread.
 * Ownership: submit takes the job if it succeeds. destroy() then runs exactly
 *            once, on the loop thread, after done() or instead of it.
 * Failure:   run() cannot fail; what went wrong is written into the job.
 *
 * Workers are started when needed, up to `threads`.
 */
#ifndef GW_ASYNC_POOL_H
#define GW_ASYNC_POOL_H

#include "async/loop.h"

struct gw_pool;
struct gw_job {
  void (*run)(struct gw_job *job);
  void (*done)(struct gw_job *job);    /* not called once detached */
  void (*destroy)(struct gw_job *job);
  struct gw_pool *pool;                /* private from here */
  struct gw_job *next;
  bool detached;
};

int gw_pool_new(struct gw_pool **out, struct gw_loop *loop, unsigned threads,
                struct gw_err *err);
/* Waits for running jobs; queued ones are destroyed without running, and for
 * none is done() called any more. Not from a done(). Accepts NULL. */
void gw_pool_free(struct gw_pool *pool);

int gw_pool_submit(struct gw_pool *pool, struct gw_job *job,
                   struct gw_err *err);
/* The submitter lost interest: done() will not be called, destroy() will. A
 * job that has not begun does not run. destroy() never runs in here. */
void gw_pool_detach(struct gw_job *job);

#endif
