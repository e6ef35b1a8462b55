/*
 * data: files streamed from one end to another, many at a time. A GET (or a
 * file of this machine) feeds a PUT (or a file) through a bounded buffer,
 * hashed on the way; what is written is never whole unless its source was.
 *
 * Threads:   the loop thread. Files are read, written and hashed on the pool.
 * Ownership: ends, options and names are copied. A job that was submitted is
 *            the copier's until it is taken back as a result.
 * Policy:    nothing is repeated here: a pair that failed is reported, and may
 *            be submitted again.
 */
#ifndef GW_DATA_DATA_H
#define GW_DATA_DATA_H

#include "async/pool.h"
#include "net/http.h"

struct gw_copier;

/* Bytes that copiers may transfer in all. Whoever submits a job takes what it
 * is listed with; what comes beyond that is taken as it comes. */
struct gw_quota;
struct gw_quota *gw_quota_new(long long bytes); /* NULL: no memory */
struct gw_quota *gw_quota_ref(struct gw_quota *quota); /* accepts NULL */
void gw_quota_unref(struct gw_quota *quota);           /* accepts NULL */
/* False, and nothing is taken, when fewer are left. */
bool gw_quota_take(struct gw_quota *quota, unsigned long long bytes);
/* They were transferred, whatever is left; negative: they were not. */
void gw_quota_charge(struct gw_quota *quota, long long bytes);
long long gw_quota_left(const struct gw_quota *quota);

/* Where bytes come from or go to: an address, or an open folder. */
struct gw_data_end {
  /* A request as for every file: the url is followed by the file's name,
   * percent-encoded. Of the rest, headers, auth, limits and ways count. */
  struct gw_http_req http;
  int folder; /* when http.url is NULL; its descriptor is duplicated */
  int temp;   /* where parts are written, on the same file system; -1: folder */
  bool is_private; /* files for their owner only (0600) */
};

struct gw_data_opts {
  unsigned start, max; /* pairs at a time at first and at most; 0: 32, 256 */
  size_t buffer;       /* bytes of a pair at most; 0: 512 KiB */
  double rate;         /* bytes a second over all pairs; 0: no limit */
  bool no_md5, sha256; /* digests that are made */
  bool any_etag;       /* one that looks like an MD5 need not be it */
  struct gw_quota *quota; /* NULL: no limit */
  void (*changed)(void *arg); /* there are results, or room for jobs */
  void *arg;
};

enum gw_data_stage { GW_DATA_READ, GW_DATA_WRITE };

/* One file; once it is a result, what became of it. */
struct gw_data_job {
  struct gw_data_job *next;
  char *name;      /* as it is, not encoded */
  char *to;        /* its name at the other end; NULL: the same */
  long long size;  /* as it was listed; -1: not known */
  uint64_t delay;  /* ms before it begins */
  bool any_etag;   /* of this file, as of all in the options */

  struct gw_err err; /* GW_OK: it arrived, or was read, whole */
  enum gw_data_stage stage; /* of the error */
  long status;     /* of the answer that counts: the error's, or the last */
  long retry_after; /* seconds the server asked for; -1: it did not */
  bool sent;       /* the destination may have been changed */
  bool over;       /* more came than was listed, and than the quota had left */
  long long announced; /* its size as its source said it; -1: not said. Of one
                        * that is over: what it has at least */
  bool other_etag; /* all that came has another MD5 than the source's ETag */
  uint64_t bytes;
  uint64_t took;   /* ms from its beginning to its end */
  double modified; /* time of the file it became in a folder; 0: not known */
  char md5[33], sha256[65]; /* empty: not made */
  char *source_etag; /* NULL: not said, or no server's */
  char *date;        /* of the answer to what was written; NULL as above */
  char *body;      /* of an answer that is an error or speaks of one */
  size_t body_len;
};

struct gw_data_job *gw_data_job_new(const char *name, const char *to,
                                    struct gw_err *err);
void gw_data_job_free(struct gw_data_job *job); /* accepts NULL */

/* `to` NULL: files are read and hashed only. */
int gw_data_new(struct gw_copier **out, struct gw_loop *loop,
                struct gw_http *http, struct gw_pool *pool,
                const struct gw_data_end *from, const struct gw_data_end *to,
                const struct gw_data_opts *opts, struct gw_err *err);
/* Ends what runs without results. Accepts NULL. */
void gw_data_free(struct gw_copier *c);

void gw_data_submit(struct gw_copier *c, struct gw_data_job *job);
/* A result, in the order they came; NULL: none yet. The caller's. */
struct gw_data_job *gw_data_take(struct gw_copier *c);
/* All that waits or runs ends as a result of kind GW_ECANCELLED. */
void gw_data_cancel(struct gw_copier *c);

/* 0: none. What this copier owes to an earlier rate stays owed; `owed` are
 * bytes that another one owed when it ended. */
void gw_data_rate(struct gw_copier *c, double bytes_a_second, double owed);
void gw_data_limit(struct gw_copier *c, unsigned max);

struct gw_data_stats {
  unsigned in_flight, limit;
  size_t queued;  /* not begun */
  size_t results; /* not taken */
  bool full;      /* so many of them that nothing begins, and nothing runs */
  uint64_t done;  /* ended, well or not */
  uint64_t bytes; /* read */
  double owed;    /* bytes read that the rate did not allow yet */
};
void gw_data_stats(const struct gw_copier *c, struct gw_data_stats *out);

/* The destination folder's descriptor, the caller's; -1: it is none, or *err
 * is filled. */
int gw_data_folder(const struct gw_copier *c, struct gw_err *err);
/* All that was written to its file system survives a power cut. Any thread. */
int gw_data_sync(int folder, struct gw_err *err);

#endif
