#include "data/window.h"

#define ROUND_MS 30      /* shorter rounds say nothing */
#define BUSY_MS 250      /* failures at the same time count once */
#define QUIET_ROUNDS 12  /* between two tries */
#define RISE 1.3         /* what a fourfold window must bring to be kept */
#define GAIN 1.04        /* and what a try must */
#define UNIT 65536.0     /* so many bytes are the work of one request */

void gw_window_init(struct gw_window *w, unsigned start, unsigned max)
{
  *w = (struct gw_window){.limit = start < max ? start : max,
                          .max = max,
                          .rising = true};
}

void gw_window_cap(struct gw_window *w, unsigned max)
{
  w->max = max;
  if (w->limit > max)
    w->limit = max;
  if (w->before > max) /* a slow round goes back to it */
    w->before = max;
}

static void begin(struct gw_window *w, uint64_t now)
{
  w->began = now;
  w->pairs = 0;
  w->work = 0;
}

static unsigned more(const struct gw_window *w, unsigned by)
{
  unsigned limit = w->limit + (by > 0 ? by : 1);

  return limit < w->max ? limit : w->max;
}

static void judge_rise(struct gw_window *w, double speed)
{
  if (w->best > 0 && speed < w->best * RISE) {
    w->limit = w->before ? w->before : w->limit;
    w->rising = false;
    w->before = 0;
    return;
  }
  w->best = speed;
  w->before = w->limit;
  w->limit = more(w, 3 * w->limit);
}

/* A try that is running has `before` set. */
static void judge_try(struct gw_window *w, double speed)
{
  if (w->before) {
    if (speed < w->best * GAIN)
      w->limit = w->before;
    w->before = 0;
    w->quiet = 0;
  } else if (++w->quiet >= QUIET_ROUNDS) {
    w->best = speed;
    w->before = w->limit;
    w->limit = more(w, w->limit / 4);
  }
}

void gw_window_full(struct gw_window *w, uint64_t now)
{
  if (!w->began)
    begin(w, now);
}

void gw_window_done(struct gw_window *w, uint64_t now, uint64_t bytes,
                    bool full)
{
  if (!full) { /* too little to do: nothing can be learned */
    w->began = 0;
    return;
  }
  if (!w->began) {
    begin(w, now);
    return;
  }
  w->pairs++;
  w->work += 1 + (double)bytes / UNIT;
  if (w->pairs < w->limit || now < w->began + ROUND_MS)
    return;
  double speed = w->work / (double)(now - w->began);
  if (w->rising)
    judge_rise(w, speed);
  else
    judge_try(w, speed);
  begin(w, now);
}

void gw_window_busy(struct gw_window *w, uint64_t now)
{
  if (w->cut_at && now < w->cut_at + BUSY_MS)
    return;
  w->cut_at = now;
  w->limit = w->limit > 1 ? w->limit / 2 : 1;
  w->rising = false;
  w->before = 0;
  w->quiet = 0;
  w->began = 0;
}
