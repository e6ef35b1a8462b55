#include "data/rate.h"

#define BURST_MS 100.0

static void settle(struct gw_rate *r, uint64_t now)
{
  double full = r->per_ms * BURST_MS;

  r->left += (double)(now - r->at) * r->per_ms;
  r->at = now;
  if (r->left > full)
    r->left = full;
}

void gw_rate_set(struct gw_rate *r, double bytes_a_second, uint64_t now)
{
  settle(r, now);
  r->per_ms = bytes_a_second / 1000;
  settle(r, now); /* no more than the new bucket holds */
}

bool gw_rate_open(struct gw_rate *r, uint64_t now)
{
  if (r->per_ms <= 0)
    return true;
  settle(r, now);
  return r->left > 0;
}

void gw_rate_spend(struct gw_rate *r, double bytes)
{
  if (r->per_ms > 0)
    r->left -= bytes;
}

double gw_rate_owed(const struct gw_rate *r)
{
  return r->per_ms > 0 && r->left < 0 ? -r->left : 0;
}

uint64_t gw_rate_wait(const struct gw_rate *r)
{
  if (r->per_ms <= 0 || r->left > 0)
    return 0;
  return (uint64_t)(-r->left / r->per_ms) + 1;
}
