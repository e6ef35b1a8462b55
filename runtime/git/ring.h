/*
 * ring: bytes in order, in bounded memory. No locks: its owner has one.
 */
#ifndef GW_GIT_RING_H
#define GW_GIT_RING_H

#include "base/err.h"

struct gw_ring {
  char *data;
  size_t cap, head, len;
};

int gw_ring_init(struct gw_ring *ring, size_t cap, struct gw_err *err);
void gw_ring_dispose(struct gw_ring *ring);
void gw_ring_clear(struct gw_ring *ring);
size_t gw_ring_room(const struct gw_ring *ring);
/* As much as fits, or as much as there is; returns how much. */
size_t gw_ring_put(struct gw_ring *ring, const char *data, size_t len);
size_t gw_ring_get(struct gw_ring *ring, char *out, size_t len);

#endif
