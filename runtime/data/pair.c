/*
 * pair: one file on its way: when its parts begin, go on and end.
 *
 * What is small enough for the ring is written once all of it is there; more
 * than that is passed on as it comes, but for its last byte (or the end of a
 * body without a length, or the rename), which waits for the source to have
 * ended well. So a failure on either side leaves no whole file behind.
 */
#include "data/data_impl.h"

#include "base/clock.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

#define HASH_STEP ((size_t)128 << 10) /* less is not worth a worker's time */

/* --- the ring ---------------------------------------------------------- */

static uint64_t low(const struct gw_pair *p)
{
  const struct gw_ring *r = &p->ring;

  return p->to && r->out < r->hashed ? r->out : r->hashed;
}

uint64_t gw_pair_room(const struct gw_pair *p)
{
  return p->ring.cap - (p->ring.in - low(p));
}

char *gw_ring_at(struct gw_ring *r, uint64_t from, uint64_t n, size_t *len)
{
  size_t at = r->cap ? (size_t)(from % r->cap) : 0;
  size_t left = r->cap - at;

  *len = n < left ? (size_t)n : left;
  return r->data ? r->data + at : NULL;
}

bool gw_pair_whole(const struct gw_pair *p)
{
  return p->ring.out == 0 && p->source_ended && p->ring.in <= p->ring.cap;
}

uint64_t gw_pair_ready(const struct gw_pair *p)
{
  uint64_t end = p->ring.in;

  if (!p->released && p->size > 0 && end >= (uint64_t)p->size)
    end = (uint64_t)p->size - 1;
  return end > p->ring.out ? end - p->ring.out : 0;
}

/* So many bytes, less those it was listed with. */
static uint64_t beyond(const struct gw_pair *p, uint64_t bytes)
{
  uint64_t listed = p->job->size > 0 ? (uint64_t)p->job->size : 0;

  return bytes > listed ? bytes - listed : 0;
}

bool gw_pair_may_hold(struct gw_pair *p, uint64_t bytes)
{
  struct gw_quota *quota = gw_copier_opts(p->c)->quota;
  uint64_t extra = beyond(p, bytes);
  struct gw_err err = {0};

  if (!quota || extra <= p->extra)
    return true;
  if (gw_quota_take(quota, extra - p->extra)) {
    p->extra = extra;
    return true;
  }
  p->job->over = true;
  if (p->job->announced < (long long)bytes)
    p->job->announced = (long long)bytes;
  gw_err_set(&err, GW_ELIMIT, GW_DATA_READ_OP,
             "%.120s: it has more bytes than may still be transferred",
             p->job->name);
  gw_pair_fail(p, GW_DATA_READ, &err);
  return false;
}

/* What it took from the quota and did not need. */
static void give_back(struct gw_pair *p)
{
  uint64_t used = beyond(p, p->ring.in);

  if (p->extra > used)
    gw_quota_charge(gw_copier_opts(p->c)->quota,
                    -(long long)(p->extra - used));
  p->extra = 0;
}

int gw_pair_head(struct gw_pair *p, long long size)
{
  size_t most = gw_copier_buffer(p->c);
  size_t want = size >= 0 && (uint64_t)size < most ? (size_t)size : most;
  struct gw_err err = {0};

  p->head = true;
  p->size = p->job->announced = size;
  if (size > 0 && !gw_pair_may_hold(p, (uint64_t)size))
    return -1;
  if (size >= GW_DATA_LARGE)
    gw_copier_is_large(p);
  p->ring.cap = gw_copier_grant(p, want);
  if (p->ring.cap == 0)
    return 0;
  p->ring.data = gw_fault("data.ring") ? NULL : malloc(p->ring.cap);
  if (p->ring.data)
    return 0;
  gw_err_set(&err, GW_ENOMEM, "data", "out of memory");
  gw_pair_fail(p, GW_DATA_READ, &err);
  return -1;
}

/* --- life -------------------------------------------------------------- */

void gw_pair_fail(struct gw_pair *p, enum gw_data_stage stage,
                  const struct gw_err *err)
{
  if (!p->c)
    return;
  if (!p->job->err.kind) {
    p->job->err = *err;
    p->job->stage = stage;
  }
  gw_copier_mark(p);
}

static void free_pair(struct gw_pair *p)
{
  gw_part_drop(p);
  gw_hash_free(p->md5);
  gw_hash_free(p->sha);
  gw_end_unref(p->from);
  gw_end_unref(p->to);
  free(p->ring.data);
  free(p->name);
  free(p->to_name);
  free(p);
}

/* The two that a worker may still read or write. */
void gw_pair_unbusy(struct gw_pair *p)
{
  if (p->c)
    gw_copier_mark(p);
  else if (!p->front.busy && !p->back.busy)
    free_pair(p);
}

void gw_pair_drop(struct gw_pair *p)
{
  gw_http_free(p->get);
  gw_http_free(p->put);
  p->get = p->put = NULL;
  p->c = NULL;
  if (!p->front.busy && !p->back.busy) {
    free_pair(p);
    return;
  }
  if (p->front.busy)
    gw_pool_detach(&p->front.job);
  if (p->back.busy)
    gw_pool_detach(&p->back.job);
}

/* --- workers ----------------------------------------------------------- */

static struct gw_pair *of_front(struct gw_job *job)
{
  return (struct gw_pair *)(void *)((char *)job -
                                    offsetof(struct gw_pair, front.job));
}

static struct gw_pair *of_back(struct gw_job *job)
{
  return (struct gw_pair *)(void *)((char *)job -
                                    offsetof(struct gw_pair, back.job));
}

static void front_run(struct gw_job *job)
{
  struct gw_pair *p = of_front(job);

  if (p->front.kind == GW_FRONT_HASH)
    (void)gw_pair_hash(p, p->front.data, p->front.len, &p->front.err);
  else
    gw_read_run(p);
}

static void front_done(struct gw_job *job)
{
  struct gw_pair *p = of_front(job);
  struct gw_front *f = &p->front;

  if (f->err.kind)
    gw_pair_fail(p, GW_DATA_READ, &f->err);
  else if (f->kind == GW_FRONT_HASH)
    p->ring.hashed += f->len;
  else
    gw_read_done(p);
}

static void front_destroy(struct gw_job *job)
{
  struct gw_pair *p = of_front(job);

  p->front.busy = false;
  gw_pair_unbusy(p);
}

static void back_run(struct gw_job *job)
{
  gw_write_run(of_back(job));
}

static void back_done(struct gw_job *job)
{
  struct gw_pair *p = of_back(job);
  struct gw_back *b = &p->back;

  if (b->err.kind) {
    gw_pair_fail(p, GW_DATA_WRITE, &b->err);
    return;
  }
  p->ring.out += b->len;
  p->sink_ended = b->last;
  p->job->modified = b->modified;
}

static void back_destroy(struct gw_job *job)
{
  struct gw_pair *p = of_back(job);

  p->back.busy = false;
  gw_pair_unbusy(p);
}

static char *name_of(const struct gw_end *end, const char *name, bool *failed)
{
  char *copy;

  if (!end || end->http.url)
    return NULL;
  copy = gw_fault("data.pair") ? NULL : strdup(name);
  if (!copy)
    *failed = true;
  return copy;
}

struct gw_pair *gw_pair_new(struct gw_copier *c, struct gw_end *from,
                            struct gw_end *to, struct gw_data_job *job)
{
  struct gw_pair *p = gw_fault("data.pair") ? NULL : calloc(1, sizeof(*p));
  const struct gw_data_opts *opts = gw_copier_opts(c);
  bool failed = false;

  if (!p)
    return NULL;
  p->c = c;
  p->in_fd = p->out_fd = -1;
  p->from = gw_end_ref(from);
  p->to = to ? gw_end_ref(to) : NULL;
  p->name = name_of(from, job->name, &failed);
  p->to_name = name_of(to, job->to ? job->to : job->name, &failed);
  if (failed) {
    free_pair(p);
    return NULL;
  }
  p->job = job; /* ours now */
  p->began = gw_clock_ms();
  p->size = -1;
  p->has_md5 = !opts->no_md5;
  p->has_sha = opts->sha256;
  p->any_etag = opts->any_etag || job->any_etag;
  p->front.job = (struct gw_job){
      .run = front_run, .done = front_done, .destroy = front_destroy};
  p->back.job = (struct gw_job){
      .run = back_run, .done = back_done, .destroy = back_destroy};
  return p;
}

void gw_pair_start(struct gw_pair *p)
{
  if (p->from->http.url)
    gw_get_start(p);
  else
    gw_read_start(p);
}

/* --- steps ------------------------------------------------------------- */

/* Small ones here and now; the rest on a worker. */
static void hash_step(struct gw_pair *p)
{
  struct gw_ring *r = &p->ring;
  struct gw_front *f = &p->front;
  uint64_t left = r->in - r->hashed;

  if (f->busy || left == 0)
    return;
  if (!p->has_md5 && !p->has_sha) {
    r->hashed = r->in;
    return;
  }
  if (p->source_ended && r->hashed == 0 && r->in <= GW_DATA_SMALL &&
      r->in <= r->cap) {
    if (gw_pair_digest(p, r->data, (size_t)r->in, &f->err) != 0)
      gw_pair_fail(p, GW_DATA_READ, &f->err);
    r->hashed = r->in;
    return;
  }
  if (left < HASH_STEP && !p->source_ended && gw_pair_room(p) > HASH_STEP)
    return;
  f->kind = GW_FRONT_HASH;
  f->data = gw_ring_at(r, r->hashed, left, &f->len);
  f->busy = gw_copier_work(p->c, &f->job, &f->err) == 0;
  if (!f->busy)
    gw_pair_fail(p, GW_DATA_READ, &f->err);
}

static int finish_hash(struct gw_pair *p, struct gw_err *err)
{
  if (p->ring.in == 0 && !p->md5 && !p->sha)
    return gw_pair_digest(p, "", 0, err);
  return gw_pair_hex(p, err);
}

/* Once all of it was read and hashed: is it what the source meant? */
static void settle(struct gw_pair *p)
{
  struct gw_err err = {0};

  if (p->released || !p->source_ended || p->front.busy ||
      p->ring.hashed < p->ring.in)
    return;
  if (finish_hash(p, &err) != 0 || gw_pair_compare(p, &err) != 0) {
    gw_pair_fail(p, GW_DATA_READ, &err);
    return;
  }
  p->released = true;
  if (!p->to)
    p->sink_ended = true;
}

/* What does not fit into the ring begins before all of it is there. */
static bool may_begin(const struct gw_pair *p)
{
  if (p->released)
    return true;
  if (!p->head || p->source_ended)
    return false;
  if (p->size >= 0)
    return (uint64_t)p->size > p->ring.cap;
  return p->ring.in >= GW_DATA_SMALL || gw_pair_room(p) < p->ring.cap / 2;
}

static void sink_step(struct gw_pair *p)
{
  if (!p->to || p->sink_ended)
    return;
  if (!p->sink_began && !may_begin(p))
    return;
  if (!p->to->http.url)
    gw_write_step(p);
  else if (!p->sink_began)
    gw_put_start(p);
  else
    gw_put_step(p);
  p->sink_began = true;
}

bool gw_pair_step(struct gw_pair *p)
{
  const struct gw_data_job *job = p->job;

  if (!job->err.kind)
    hash_step(p);
  if (!job->err.kind)
    settle(p);
  if (!job->err.kind)
    sink_step(p);
  if (!job->err.kind && !p->source_ended) {
    if (p->from->http.url)
      gw_get_step(p);
    else
      gw_read_step(p);
  }
  return !job->err.kind && !p->sink_ended;
}

struct gw_data_job *gw_pair_result(struct gw_pair *p)
{
  struct gw_data_job *job = p->job;

  job->bytes = p->ring.in;
  job->took = gw_clock_ms() - p->began;
  give_back(p);
  if (!p->front.busy) { /* else they are a worker's */
    memcpy(job->md5, p->md5_hex, sizeof(job->md5));
    memcpy(job->sha256, p->sha_hex, sizeof(job->sha256));
  }
  job->sent = job->sent || (p->put && gw_http_sent(p->put));
  p->job = NULL;
  return job;
}
