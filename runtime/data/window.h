/*
 * window: how many pairs run at a time. It grows fourfold while that brings
 * more, then tries a little more now and then; a server that is busy halves
 * it.
 */
#ifndef GW_DATA_WINDOW_H
#define GW_DATA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct gw_window {
  unsigned limit, max;
  unsigned before;    /* the limit that brought `best` */
  bool rising;        /* fourfold still */
  unsigned quiet;     /* rounds without a try */
  double best;        /* what the round before brought, a millisecond */
  uint64_t began;     /* this round, ms; 0: not yet */
  unsigned pairs;     /* of this round */
  double work;
  uint64_t cut_at;    /* ms; 0: never */
};

void gw_window_init(struct gw_window *w, unsigned start, unsigned max);
void gw_window_cap(struct gw_window *w, unsigned max);
/* As many run as may, and more wait. */
void gw_window_full(struct gw_window *w, uint64_t now);
/* A pair ended well; full: while more waited. */
void gw_window_done(struct gw_window *w, uint64_t now, uint64_t bytes,
                    bool full);
/* The server is busy, or cannot be reached. */
void gw_window_busy(struct gw_window *w, uint64_t now);

#endif
