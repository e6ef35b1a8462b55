#include "async/timer.h"

#include "base/clock.h"
#include "base/fault.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void gw_timers_dispose(struct gw_timers *timers)
{
  for (size_t i = 1; i <= timers->count; i++)
    timers->heap[i]->slot = 0;
  free(timers->heap);
  memset(timers, 0, sizeof(*timers));
}

static bool is_before(const struct gw_timer *a, const struct gw_timer *b)
{
  return a->due < b->due || (a->due == b->due && a->seq < b->seq);
}

static void put(struct gw_timers *timers, size_t slot, struct gw_timer *timer)
{
  timers->heap[slot] = timer;
  timer->slot = slot;
}

static void sift_up(struct gw_timers *timers, size_t slot)
{
  struct gw_timer *timer = timers->heap[slot];

  for (; slot > 1 && is_before(timer, timers->heap[slot / 2]); slot /= 2)
    put(timers, slot, timers->heap[slot / 2]);
  put(timers, slot, timer);
}

static void sift_down(struct gw_timers *timers, size_t slot)
{
  struct gw_timer *timer = timers->heap[slot];

  for (;;) {
    size_t child = slot * 2;
    if (child > timers->count)
      break;
    if (child < timers->count &&
        is_before(timers->heap[child + 1], timers->heap[child]))
      child++;
    if (!is_before(timers->heap[child], timer))
      break;
    put(timers, slot, timers->heap[child]);
    slot = child;
  }
  put(timers, slot, timer);
}

static int grow(struct gw_timers *timers, struct gw_err *err)
{
  size_t cap = timers->cap ? timers->cap * 2 : 16;
  struct gw_timer **heap =
      gw_fault("timer.start")
          ? NULL
          : realloc(timers->heap, cap * sizeof(struct gw_timer *));

  if (!heap)
    return gw_err_set(err, GW_ENOMEM, "timer.start", "out of memory");
  timers->heap = heap;
  timers->cap = cap;
  return 0;
}

/* Rounded up, so that nothing fires early; 0 stays "in the next turn". */
static uint64_t due_in(uint64_t ms)
{
  uint64_t now = gw_clock_ms();

  if (ms == 0)
    return now;
  return ms < UINT64_MAX - now - 1 ? now + ms + 1 : UINT64_MAX;
}

int gw_timers_start(struct gw_timers *timers, struct gw_timer *timer,
                    uint64_t ms, struct gw_err *err)
{
  gw_timers_stop(timers, timer);
  if (timers->count + 1 >= timers->cap && grow(timers, err) != 0)
    return -1;
  timer->due = due_in(ms);
  timer->seq = ++timers->seq;
  timers->heap[++timers->count] = timer;
  sift_up(timers, timers->count);
  return 0;
}

void gw_timers_stop(struct gw_timers *timers, struct gw_timer *timer)
{
  size_t slot = timer->slot;
  struct gw_timer *last;

  if (slot == 0)
    return;
  assert(slot <= timers->count && timers->heap[slot] == timer);
  timer->slot = 0;
  last = timers->heap[timers->count--];
  if (last == timer)
    return;
  put(timers, slot, last);
  sift_down(timers, slot);
  sift_up(timers, last->slot);
}

int gw_timers_wait(const struct gw_timers *timers)
{
  uint64_t now, due;

  if (timers->count == 0)
    return -1;
  now = gw_clock_ms();
  due = timers->heap[1]->due;
  if (due <= now)
    return 0;
  return due - now < INT_MAX ? (int)(due - now) : INT_MAX;
}

void gw_timers_run(struct gw_timers *timers)
{
  uint64_t now = gw_clock_ms();
  uint64_t limit = timers->seq;

  while (timers->count > 0) {
    struct gw_timer *timer = timers->heap[1];
    if (timer->due > now || timer->seq > limit)
      return;
    gw_timers_stop(timers, timer);
    timer->fn(timer); /* may free it */
  }
}
