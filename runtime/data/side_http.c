/*
 * side_http: the GET that fills a pair's ring, the PUT that empties it.
 */
#include "data/data_impl.h"

#include "net/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- what answers say -------------------------------------------------- */

/* A copy of that header's value, NULL if it is not there. */
static char *header(const struct gw_exchange *x, const char *name)
{
  const char *line = gw_http_headers(x);
  size_t len = strlen(name);

  while (*line) {
    size_t all = strcspn(line, "\n");
    if (all > len + 2 && strncmp(line, name, len) == 0 && line[len] == ':')
      return strndup(line + len + 2, all - len - 2);
    line += all + (line[all] == '\n');
  }
  return NULL;
}

static long long announced(const struct gw_exchange *x)
{
  char *text = header(x, "content-length");
  long long n = text ? strtoll(text, NULL, 10) : -1;

  free(text);
  return n >= 0 ? n : -1;
}

/* Seconds, or a date. */
static long retry_after(const struct gw_exchange *x)
{
  char *text = header(x, "retry-after");
  struct tm tm = {0};
  char *end;
  long n;

  if (!text)
    return -1;
  n = strtol(text, &end, 10);
  if (end == text || n < 0) {
    n = -1;
    if (strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
      n = (long)(timegm(&tm) - time(NULL));
    if (n < -1)
      n = 0;
  }
  free(text);
  return n;
}

static enum gw_errkind kind_of(long status)
{
  switch (status) {
  case 401:
  case 403:
    return GW_EAUTH;
  case 404:
    return GW_ENOTFOUND;
  case 409:
    return GW_ECONFLICT;
  case 429:
    return GW_ELIMIT;
  default:
    return GW_EREMOTE;
  }
}

static void keep_body(struct gw_data_job *job, const struct gw_http_result *r)
{
  if (r->body_len > 0 && (job->body = malloc(r->body_len))) {
    memcpy(job->body, r->body, r->body_len);
    job->body_len = r->body_len;
  }
}

/* Where a redirect leads, as far as that may be shown: the rest of an address
 * may open what is there. NULL for what is none. */
static char *pointed_to(const struct gw_exchange *x, long status)
{
  char *location = status / 100 == 3 ? header(x, "location") : NULL;
  struct gw_url url = {0};
  struct gw_buf origin = {0};
  struct gw_err err = {0};
  char *to = NULL;

  if (location && gw_url_parse(&url, location, &err) == 0 &&
      gw_url_origin(&url, &origin, &err) == 0)
    to = strndup(origin.data, 80);
  else if (location)
    to = strdup("another address");
  gw_buf_dispose(&origin);
  gw_url_dispose(&url);
  free(location);
  return to;
}

/* The answer was not the one hoped for. */
static void refuse(struct gw_pair *p, enum gw_data_stage stage,
                   const struct gw_exchange *x)
{
  const struct gw_http_result *r = gw_http_result(x);
  struct gw_data_job *job = p->job;
  char *to = pointed_to(x, r->status);
  struct gw_err err = {0};

  gw_err_set(&err, kind_of(r->status),
             stage == GW_DATA_READ ? GW_DATA_READ_OP : GW_DATA_WRITE_OP,
             "%.100s: the %s answered %ld%s%s%s", job->name,
             stage == GW_DATA_READ ? "source" : "destination", r->status,
             to ? " and points to " : "", to ? to : "",
             to ? ", which is not followed" : "");
  free(to);
  err.status = (int)r->status;
  err.retryable = r->status == 429 || (r->status >= 500 && r->status != 501 &&
                                       r->status != 505);
  job->status = r->status;
  job->retry_after = retry_after(x);
  keep_body(job, r);
  gw_pair_fail(p, stage, &err);
}

static void broken(struct gw_pair *p, enum gw_data_stage stage,
                   const struct gw_exchange *x)
{
  const struct gw_http_result *r = gw_http_result(x);

  p->job->status = r->status;
  gw_pair_fail(p, stage, &r->err);
}

/* --- the source -------------------------------------------------------- */

static void take_head(struct gw_pair *p)
{
  p->job->status = gw_http_status(p->get);
  p->job->source_etag = header(p->get, "etag");
  (void)gw_pair_head(p, announced(p->get));
}

/* A length beside a chunked body binds nobody; the ring was made for it. */
static bool is_too_much(struct gw_pair *p, size_t len)
{
  struct gw_err err = {0};

  if (p->size < 0 || p->ring.in + len <= (uint64_t)p->size)
    return false;
  gw_err_set(&err, GW_EREMOTE, GW_DATA_READ_OP,
             "%.120s: %lld bytes were announced, more came", p->job->name,
             p->size);
  gw_pair_fail(p, GW_DATA_READ, &err);
  return true;
}

/* Inside curl. */
static ssize_t on_push(void *arg, const char *data, size_t len)
{
  struct gw_pair *p = arg;
  struct gw_ring *r = &p->ring;

  if (!p->head)
    take_head(p);
  if (p->job->err.kind || gw_http_status(p->get) != 200 ||
      is_too_much(p, len) || !gw_pair_may_hold(p, p->ring.in + len))
    return -2;
  if (gw_pair_room(p) < len || !gw_copier_may_read(p->c)) {
    p->source_waits = true;
    gw_copier_mark(p);
    return -1;
  }
  for (size_t done = 0, n; done < len; done += n, r->in += n) {
    char *at = gw_ring_at(r, r->in, len - done, &n);
    memcpy(at, data + done, n);
  }
  gw_copier_spend(p->c, len, 0);
  gw_copier_mark(p);
  return (ssize_t)len;
}

/* Nobody asked for a coded body. That is how the file is stored if it is as
 * long as it was listed, else it was made on the way and is not the file. */
static bool is_coded(struct gw_pair *p)
{
  char *how = header(p->get, "content-encoding");
  bool coded = how && *how && strcasecmp(how, "identity") != 0 &&
               (long long)p->ring.in != p->job->size;
  struct gw_err err = {0};

  if (coded) {
    gw_err_set(&err, GW_EREMOTE, GW_DATA_READ_OP,
               "%.120s: it came encoded (%.40s), not as it is stored",
               p->job->name, how);
    gw_pair_fail(p, GW_DATA_READ, &err);
  }
  free(how);
  return coded;
}

static void on_got(void *arg)
{
  struct gw_pair *p = arg;
  const struct gw_http_result *r = gw_http_result(p->get);

  gw_copier_mark(p);
  if (p->job->err.kind)
    return;
  if (r->status != 200 && r->status != 0 &&
      (r->status > 299 || !r->err.kind || r->err.kind == GW_ECANCELLED)) {
    refuse(p, GW_DATA_READ, p->get);
    return;
  }
  if (r->err.kind) {
    broken(p, GW_DATA_READ, p->get);
    return;
  }
  if (!p->head)
    take_head(p); /* an empty one */
  p->source_ended = !is_coded(p);
}

/* Of curl, for what comes and what goes: no more than a small file needs. */
static size_t buffer_for(const struct gw_pair *p)
{
  long long size = p->size >= 0 ? p->size : p->job->size;

  if (size < 0)
    return GW_DATA_SMALL;
  if (size > (long long)GW_DATA_SMALL)
    return 4 * GW_DATA_SMALL;
  return (size_t)(size < 3072 ? 4096 : size + 1024);
}

void gw_get_start(struct gw_pair *p)
{
  struct gw_http_req req = p->from->http;
  char name[GW_DATA_CODED];
  struct gw_err err = {0};

  req.method = "GET";
  gw_end_encode(p->job->name, name);
  req.url = name;
  req.push = on_push;
  req.done = on_got;
  req.arg = p;
  req.buffer = buffer_for(p);
  if (gw_http_start(&p->get, gw_copier_http(p->c), &req, &err) != 0)
    gw_pair_fail(p, GW_DATA_READ, &err);
}

/* What curl hands over comes in pieces of 16 KiB at most. */
static bool has_room(const struct gw_pair *p)
{
  uint64_t quarter = p->ring.cap / 4, room = gw_pair_room(p);

  if (room >= (quarter < GW_DATA_SMALL ? quarter : GW_DATA_SMALL))
    return true;
  return p->size >= 0 && room >= (uint64_t)p->size - p->ring.in;
}

void gw_get_step(struct gw_pair *p)
{
  if (!p->source_waits || !has_room(p) || !gw_copier_may_read(p->c))
    return;
  p->source_waits = false;
  gw_http_resume(p->get);
}

/* --- the sink ---------------------------------------------------------- */

/* Inside curl. */
static ssize_t on_pull(void *arg, char *out, size_t len)
{
  struct gw_pair *p = arg;
  struct gw_ring *r = &p->ring;
  uint64_t ready = gw_pair_ready(p);
  size_t done = 0, want = ready < len ? (size_t)ready : len;

  if (want == 0 && p->released)
    return 0;
  if (want == 0) {
    p->sink_waits = true;
    return -1;
  }
  for (size_t n; done < want; done += n, r->out += n) {
    const char *at = gw_ring_at(r, r->out, want - done, &n);
    memcpy(out + done, at, n);
  }
  gw_copier_mark(p);
  return (ssize_t)done;
}

static void on_put(void *arg)
{
  struct gw_pair *p = arg;
  const struct gw_http_result *r = gw_http_result(p->put);
  struct gw_err err = {0};

  gw_copier_mark(p);
  if (p->job->err.kind)
    return;
  if (r->err.kind && r->status <= 299) {
    broken(p, GW_DATA_WRITE, p->put);
    return;
  }
  if (r->status < 200 || r->status > 299) {
    refuse(p, GW_DATA_WRITE, p->put);
    return;
  }
  if (!p->released) {
    gw_err_set(&err, GW_EREMOTE, GW_DATA_WRITE_OP,
               "%.120s: the destination answered %ld before it had all of it",
               p->job->name, r->status);
    gw_pair_fail(p, GW_DATA_WRITE, &err);
    return;
  }
  p->job->status = r->status;
  p->job->date = header(p->put, "date");
  /* Some say what went wrong under a status that says it did not. */
  if (r->body_len > 0 && memmem(r->body, r->body_len, "\"error\"", 7))
    keep_body(p->job, r);
  p->sink_ended = true;
}

void gw_put_start(struct gw_pair *p)
{
  struct gw_http_req req = p->to->http;
  char name[GW_DATA_CODED];
  struct gw_err err = {0};

  req.method = "PUT";
  gw_end_encode(p->job->to ? p->job->to : p->job->name, name);
  req.url = name;
  req.done = on_put;
  req.max_body = GW_DATA_SMALL; /* nothing there takes more to say */
  req.arg = p;
  if (gw_pair_whole(p)) {
    req.body = p->ring.data ? p->ring.data : "";
    req.body_len = (size_t)p->ring.in;
    req.buffer = 4096; /* of an answer that says little */
  } else {
    req.buffer = buffer_for(p);
    req.pull = on_pull;
    req.body_len = p->size > 0 ? (size_t)p->size : 0;
  }
  if (gw_http_start(&p->put, gw_copier_http(p->c), &req, &err) != 0) {
    gw_pair_fail(p, GW_DATA_WRITE, &err);
  } else if (!req.pull) { /* it has a copy */
    free(p->ring.data);
    p->ring.data = NULL;
    p->ring.out = p->ring.in;
  }
}

void gw_put_step(struct gw_pair *p)
{
  if (!p->sink_waits || (gw_pair_ready(p) == 0 && !p->released))
    return;
  p->sink_waits = false;
  gw_http_resume(p->put);
}
