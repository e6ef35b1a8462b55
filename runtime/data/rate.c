#include "data/rate.h"

#define BURST_MS 100.0

void gw_rate_set(struct gw_rate *r, double bytes_a_second, uint64_t now)
{
  r->per_ms = bytes_a_second / 1000;
  r->left = r->per_ms * BURST_MS;
  r->at = now;
}

bool gw_rate_open(struct gw_rate *r, uint64_t now)
{
  double full = r->per_ms * BURST_MS;

  if (r->per_ms <= 0)
    return true;
  r->left += (double)(now - r->at) * r->per_ms;
  r->at = now;
  if (r->left > full)
    r->left = full;
  return r->left > 0;
}

void gw_rate_spend(struct gw_rate *r, size_t bytes)
{
  if (r->per_ms > 0)
    r->left -= (double)bytes;
}

uint64_t gw_rate_wait(const struct gw_rate *r)
{
  if (r->per_ms <= 0 || r->left > 0)
    return 0;
  return (uint64_t)(-r->left / r->per_ms) + 1;
}
