/*
 * rate: a bucket of bytes. Who takes from it while there is something in it
 * may take more than that; the others wait until it is paid back.
 */
#ifndef GW_DATA_RATE_H
#define GW_DATA_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_rate {
  double per_ms; /* 0: no limit */
  double left;   /* negative: owed */
  uint64_t at;   /* when `left` was right, ms */
};

/* What is owed stays owed; a bucket that was none is empty at first. */
void gw_rate_set(struct gw_rate *r, double bytes_a_second, uint64_t now);
bool gw_rate_open(struct gw_rate *r, uint64_t now);
/* Fewer than none: they had been taken before, and were not needed. */
void gw_rate_spend(struct gw_rate *r, double bytes);
double gw_rate_owed(const struct gw_rate *r);
/* Milliseconds until it is open. */
uint64_t gw_rate_wait(const struct gw_rate *r);

#endif
