/*
 * timer: the loop's timers, a binary heap ordered by due time, then by start.
 *
 * Threads: loop thread. Only loop.c includes this; others use loop.h.
 */
#ifndef GW_ASYNC_TIMER_H
#define GW_ASYNC_TIMER_H

#include "async/loop.h"

struct gw_timers {
  struct gw_timer **heap; /* heap[1] is the next one; heap[0] is not used */
  size_t count;
  size_t cap;
  uint64_t seq;
};

void gw_timers_dispose(struct gw_timers *timers);
int gw_timers_start(struct gw_timers *timers, struct gw_timer *timer,
                    uint64_t ms, struct gw_err *err);
void gw_timers_stop(struct gw_timers *timers, struct gw_timer *timer);

/* Milliseconds to the next one: 0 when due, -1 when there is none. */
int gw_timers_wait(const struct gw_timers *timers);

/* Calls what is due now; what is started meanwhile waits for the next turn. */
void gw_timers_run(struct gw_timers *timers);

#endif
