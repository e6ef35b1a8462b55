/*
 * data_impl: what the files of this room share. Nobody else includes it.
 *
 * A pair is one file on its way: its source fills the ring, the hash and the
 * sink follow behind. Callbacks of curl and of the pool only note what came
 * and mark the pair; everything else happens in gw_pair_step, from the
 * copier's timer, at the end of the same turn of the loop.
 */
#ifndef GW_DATA_DATA_IMPL_H
#define GW_DATA_DATA_IMPL_H

#include "data/data.h"
#include "data/rate.h"
#include "data/window.h"

#include "base/hash.h"

#include <sys/stat.h>

#define GW_DATA_READ_OP "data.read"
#define GW_DATA_WRITE_OP "data.write"
#define GW_DATA_SMALL ((size_t)64 << 10) /* hashed and moved in one go */
#define GW_DATA_LARGE ((long long)8 << 20) /* only few of them at a time */
#define GW_DATA_NAME_MAX 1024
#define GW_DATA_CODED (3 * GW_DATA_NAME_MAX + 1)

/* An end, shared by the copier and the jobs on the pool. */
struct gw_end {
  int refs; /* loop thread */
  struct gw_http_req http; /* url NULL: a folder; texts are `owned` */
  char **owned;
  size_t owned_count;
  int folder, temp; /* -1: none */
  bool is_private;
  char stamp[20]; /* of names of parts */
  uint64_t parts;
};

/* Bytes by their place in the file; the ring holds [low, in). */
struct gw_ring {
  char *data;
  size_t cap;
  uint64_t in, hashed, out;
};

enum gw_front_kind { GW_FRONT_OPEN, GW_FRONT_READ, GW_FRONT_HASH };

/* What a worker is to do for a pair, and what came of it. */
struct gw_front {
  struct gw_job job;
  bool busy;
  enum gw_front_kind kind;
  char *data; /* part of the ring */
  size_t len, got;
  uint64_t before; /* bytes of the file in front of it */
  bool to_end;     /* its last piece */
  size_t paid;     /* for its bytes, before they were read */
  struct gw_err err;
};
struct gw_back {
  struct gw_job job;
  bool busy, last;
  const char *data;
  size_t len;
  double modified; /* of the file, once it is whole */
  struct gw_err err;
};

struct gw_pair {
  struct gw_copier *c; /* NULL: given up, only a worker still has it */
  struct gw_end *from, *to;
  struct gw_data_job *job; /* the loop's only: it is handed out at the end */
  char *name, *to_name;    /* of files; for the workers */
  struct gw_pair *next, *prev; /* the active ones */
  struct gw_pair *todo;
  bool marked, large;
  uint64_t began; /* ms */
  uint64_t extra; /* bytes beyond the listed size, taken from the quota */
  struct gw_ring ring;
  size_t reserved; /* of the copier's memory */
  long long size;  /* -1: not known */
  bool has_md5, has_sha, any_etag;
  char md5_hex[33], sha_hex[65];

  /* the source; head: size and name are known, ended: all of it is there */
  bool head, source_waits, source_ended;
  struct gw_exchange *get;
  int in_fd;
  struct stat st;
  struct gw_hash *md5, *sha;
  struct gw_front front;

  /* released: the source was whole, so the last piece may go */
  bool released, sink_began, sink_waits, sink_ended;
  struct gw_exchange *put;
  int out_fd;
  char part[64]; /* the temporary name; empty: none */
  struct gw_back back;
};

/* end.c */
int gw_end_new(struct gw_end **out, const struct gw_data_end *end,
               struct gw_err *err);
struct gw_end *gw_end_ref(struct gw_end *end);
void gw_end_unref(struct gw_end *end); /* accepts NULL */
/* A name that was checked (gw_data_job_new), percent-encoded. */
void gw_end_encode(const char *name, char out[GW_DATA_CODED]);

/* copier.c */
void gw_copier_mark(struct gw_pair *pair); /* step it soon */
bool gw_copier_may_read(struct gw_copier *c);
/* They were read; so many of them had been paid for. */
void gw_copier_spend(struct gw_copier *c, size_t bytes, size_t paid);
/* Before they are read, so that not all pairs go on at once. */
void gw_copier_pay(struct gw_copier *c, size_t bytes);
/* The pair's share of the memory: `want` if that is left, else less. */
size_t gw_copier_grant(struct gw_pair *pair, size_t want);
void gw_copier_is_large(struct gw_pair *pair);
size_t gw_copier_buffer(const struct gw_copier *c);
struct gw_http *gw_copier_http(const struct gw_copier *c);
int gw_copier_work(struct gw_copier *c, struct gw_job *job,
                   struct gw_err *err);
const struct gw_data_opts *gw_copier_opts(const struct gw_copier *c);

/* pair.c. start takes the job, also when it fails (then the pair has). */
struct gw_pair *gw_pair_new(struct gw_copier *c, struct gw_end *from,
                            struct gw_end *to, struct gw_data_job *job);
void gw_pair_start(struct gw_pair *pair);
bool gw_pair_step(struct gw_pair *pair); /* false: it has ended */
/* The job with what became of it, the caller's. */
struct gw_data_job *gw_pair_result(struct gw_pair *pair);
void gw_pair_drop(struct gw_pair *pair); /* stops and frees, or leaves it */
void gw_pair_unbusy(struct gw_pair *pair); /* a worker let go of it */
void gw_pair_fail(struct gw_pair *pair, enum gw_data_stage stage,
                  const struct gw_err *err);
/* Room for the bytes of a source of that size; 0, or -1 with the pair failed. */
int gw_pair_head(struct gw_pair *pair, long long size);
/* Takes from the quota what is more than the listed size. False when there is
 * less: the pair failed. */
bool gw_pair_may_hold(struct gw_pair *pair, uint64_t bytes);
/* What the sink may take now, from ring.out on. */
uint64_t gw_pair_ready(const struct gw_pair *pair);
uint64_t gw_pair_room(const struct gw_pair *pair);
bool gw_pair_whole(const struct gw_pair *pair); /* all of it is in the ring */
char *gw_ring_at(struct gw_ring *ring, uint64_t from, uint64_t n,
                 size_t *len); /* as much of it as lies in one piece */

/* hash.c: any thread, one at a time. */
int gw_pair_hash(struct gw_pair *pair, const void *data, size_t len,
                 struct gw_err *err);
int gw_pair_digest(struct gw_pair *pair, const void *data, size_t len,
                   struct gw_err *err); /* all of it at once */
int gw_pair_hex(struct gw_pair *pair, struct gw_err *err);
/* Does what the source said fit with what was read? */
int gw_pair_compare(struct gw_pair *pair, struct gw_err *err);

/* side_http.c and side_file.c: begin, go on, and (file) what a worker does. */
void gw_get_start(struct gw_pair *pair);
void gw_get_step(struct gw_pair *pair);
void gw_put_start(struct gw_pair *pair);
void gw_put_step(struct gw_pair *pair);
void gw_read_start(struct gw_pair *pair);
void gw_read_step(struct gw_pair *pair);
void gw_read_run(struct gw_pair *pair);
void gw_read_done(struct gw_pair *pair);
void gw_write_step(struct gw_pair *pair);
void gw_write_run(struct gw_pair *pair);
void gw_part_drop(struct gw_pair *pair);

#endif
