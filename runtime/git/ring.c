#include "git/ring.h"

#include <stdlib.h>
#include <string.h>

int gw_ring_init(struct gw_ring *ring, size_t cap, struct gw_err *err)
{
  *ring = (struct gw_ring){.data = malloc(cap), .cap = cap};
  if (!ring->data)
    return gw_err_set(err, GW_ENOMEM, "git.ring", "out of memory");
  return 0;
}

void gw_ring_dispose(struct gw_ring *ring)
{
  free(ring->data);
  *ring = (struct gw_ring){0};
}

void gw_ring_clear(struct gw_ring *ring)
{
  ring->head = ring->len = 0;
}

size_t gw_ring_room(const struct gw_ring *ring)
{
  return ring->cap - ring->len;
}

size_t gw_ring_put(struct gw_ring *ring, const char *data, size_t len)
{
  size_t room = gw_ring_room(ring);
  size_t take = len < room ? len : room;
  size_t tail = (ring->head + ring->len) % ring->cap;
  size_t first = ring->cap - tail;

  if (first > take)
    first = take;
  memcpy(ring->data + tail, data, first);
  memcpy(ring->data, data + first, take - first);
  ring->len += take;
  return take;
}

size_t gw_ring_get(struct gw_ring *ring, char *out, size_t len)
{
  size_t take = len < ring->len ? len : ring->len;
  size_t first = ring->cap - ring->head;

  if (first > take)
    first = take;
  memcpy(out, ring->data + ring->head, first);
  memcpy(out + first, ring->data, take - first);
  ring->head = (ring->head + take) % ring->cap;
  ring->len -= take;
  return take;
}
