/*
 * quota: bytes that several copiers may transfer together.
 */
#include "data/data.h"

#include "base/fault.h"

#include <stdlib.h>

struct gw_quota {
  int refs;
  long long left; /* negative: more than that was transferred */
};

struct gw_quota *gw_quota_new(long long bytes)
{
  struct gw_quota *q = gw_fault("data.quota") ? NULL : calloc(1, sizeof(*q));

  if (q)
    *q = (struct gw_quota){.refs = 1, .left = bytes};
  return q;
}

struct gw_quota *gw_quota_ref(struct gw_quota *q)
{
  if (q)
    q->refs++;
  return q;
}

void gw_quota_unref(struct gw_quota *q)
{
  if (q && --q->refs == 0)
    free(q);
}

bool gw_quota_take(struct gw_quota *q, unsigned long long bytes)
{
  if (q->left < 0 || bytes > (unsigned long long)q->left)
    return false;
  q->left -= (long long)bytes;
  return true;
}

void gw_quota_charge(struct gw_quota *q, long long bytes)
{
  if (__builtin_sub_overflow(q->left, bytes, &q->left))
    q->left = bytes > 0 ? -1 : 0;
}

long long gw_quota_left(const struct gw_quota *q)
{
  return q->left;
}
