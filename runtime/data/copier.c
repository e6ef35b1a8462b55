/*
 * copier: the queue, how many pairs run, what they may hold in memory, and
 * what came of them.
 *
 * Large files have a queue of their own, so that a few of them do not hold up
 * many small ones, and only a few run at a time: more brings no speed.
 */
#include "data/data_impl.h"

#include "base/clock.h"
#include "base/fault.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define START 32
#define MAX 256
#define LARGE_AT_A_TIME 4
#define BUFFER ((size_t)512 << 10)
#define BUFFER_LEAST ((size_t)64 << 10)
#define MEMORY ((size_t)16 << 20) /* of all rings together */
#define RESULTS 4096              /* not taken: nothing more begins */
#define IDLE_MS 3600000u
#define PAUSE_MAX 120 /* s; who asks for it has to decide about more */

struct list {
  struct gw_data_job *head, **end;
  size_t count;
};

struct gw_copier {
  struct gw_loop *loop;
  struct gw_http *http;
  struct gw_pool *pool;
  struct gw_end *from, *to;
  struct gw_data_opts opts;
  struct gw_timer kick, clock; /* step what is marked; the next moment */
  bool kicked;

  struct list small, large, results;
  struct gw_data_job *delayed; /* by `delay`, which is when it is due now */
  size_t delayed_count;

  struct gw_pair *active;
  struct gw_pair *todo, **todo_end;
  unsigned in_flight, large_in_flight;
  size_t memory;

  struct gw_window window;
  struct gw_rate rate;
  bool full;      /* more would run if the window were larger */
  bool throttled; /* a pair waits for the bucket */
  uint64_t pause_until;
  uint64_t done, bytes;
};

/* --- lists ------------------------------------------------------------- */

static void list_init(struct list *list)
{
  list->head = NULL;
  list->end = &list->head;
  list->count = 0;
}

static void push(struct list *list, struct gw_data_job *job)
{
  job->next = NULL;
  *list->end = job;
  list->end = &job->next;
  list->count++;
}

static struct gw_data_job *shift(struct list *list)
{
  struct gw_data_job *job = list->head;

  if (!job)
    return NULL;
  list->head = job->next;
  if (!list->head)
    list->end = &list->head;
  list->count--;
  job->next = NULL;
  return job;
}

static void free_all(struct list *list)
{
  struct gw_data_job *job;

  while ((job = shift(list)) != NULL)
    gw_data_job_free(job);
}

static void enqueue(struct gw_copier *c, struct gw_data_job *job)
{
  push(job->size >= GW_DATA_LARGE ? &c->large : &c->small, job);
}

static void delay(struct gw_copier *c, struct gw_data_job *job)
{
  struct gw_data_job **at = &c->delayed;

  job->delay += gw_clock_ms();
  while (*at && (*at)->delay <= job->delay)
    at = &(*at)->next;
  job->next = *at;
  *at = job;
  c->delayed_count++;
}

static struct gw_data_job *shift_delayed(struct gw_copier *c)
{
  struct gw_data_job *job = c->delayed;

  if (job) {
    c->delayed = job->next;
    c->delayed_count--;
    job->next = NULL;
  }
  return job;
}

/* --- timers ------------------------------------------------------------ */

/* Their places in the loop's heap are there: see gw_data_new. */
static void kick(struct gw_copier *c)
{
  if (!c->kicked)
    (void)gw_timer_start(c->loop, &c->kick, 0, NULL);
  c->kicked = true;
}

static void set_clock(struct gw_copier *c, uint64_t now)
{
  uint64_t due = now + IDLE_MS;

  if (c->delayed && c->delayed->delay < due)
    due = c->delayed->delay;
  if (c->pause_until > now && c->pause_until < due)
    due = c->pause_until;
  if (c->throttled && now + gw_rate_wait(&c->rate) < due)
    due = now + gw_rate_wait(&c->rate);
  (void)gw_timer_start(c->loop, &c->clock, due > now ? due - now : 0, NULL);
}

/* --- what pairs ask ---------------------------------------------------- */

void gw_copier_mark(struct gw_pair *p)
{
  struct gw_copier *c = p->c;

  if (!c || p->marked)
    return;
  p->marked = true;
  p->todo = NULL;
  *c->todo_end = p;
  c->todo_end = &p->todo;
  kick(c);
}

bool gw_copier_may_read(struct gw_copier *c)
{
  if (gw_rate_open(&c->rate, gw_clock_ms()))
    return true;
  c->throttled = true;
  kick(c);
  return false;
}

void gw_copier_spend(struct gw_copier *c, size_t bytes, size_t paid)
{
  c->bytes += bytes;
  gw_rate_spend(&c->rate, (double)bytes - (double)paid);
}

void gw_copier_pay(struct gw_copier *c, size_t bytes)
{
  gw_rate_spend(&c->rate, (double)bytes);
}

size_t gw_copier_grant(struct gw_pair *p, size_t want)
{
  struct gw_copier *c = p->c;
  size_t others = c->memory - p->reserved;

  if (want > GW_DATA_SMALL && others + want > MEMORY) {
    size_t left = others < MEMORY ? MEMORY - others : 0;
    want = left > GW_DATA_SMALL ? left : GW_DATA_SMALL;
  }
  p->reserved = want;
  c->memory = others + want;
  return want;
}

void gw_copier_is_large(struct gw_pair *p)
{
  if (p->large)
    return;
  p->large = true;
  p->c->large_in_flight++;
}

size_t gw_copier_buffer(const struct gw_copier *c)
{
  return c->opts.buffer;
}

struct gw_http *gw_copier_http(const struct gw_copier *c)
{
  return c->http;
}

const struct gw_data_opts *gw_copier_opts(const struct gw_copier *c)
{
  return &c->opts;
}

int gw_copier_work(struct gw_copier *c, struct gw_job *job,
                   struct gw_err *err)
{
  return gw_pool_submit(c->pool, job, err);
}

/* --- ends -------------------------------------------------------------- */

/* Is the server, or the way to it, the reason? */
static bool is_busy(const struct gw_data_job *job)
{
  if (job->status == 429 || job->status == 503)
    return true;
  return job->err.retryable &&
         (job->err.kind == GW_ENET || job->err.kind == GW_ETIMEOUT);
}

static void learn(struct gw_copier *c, const struct gw_data_job *job,
                  bool full)
{
  uint64_t now = gw_clock_ms(), until;
  long wait = job->retry_after;

  if (!job->err.kind) {
    gw_window_done(&c->window, now, job->bytes, full);
    return;
  }
  if (!is_busy(job))
    return;
  gw_window_busy(&c->window, now);
  if (wait <= 0 || wait > PAUSE_MAX)
    return;
  until = now + (uint64_t)wait * 1000;
  if (until > c->pause_until)
    c->pause_until = until;
}

static void leave(struct gw_copier *c, struct gw_pair *p)
{
  if (p->prev)
    p->prev->next = p->next;
  else
    c->active = p->next;
  if (p->next)
    p->next->prev = p->prev;
  c->in_flight--;
  c->large_in_flight -= p->large;
  c->memory -= p->reserved;
  gw_pair_drop(p);
}

static void report(struct gw_copier *c, struct gw_data_job *job)
{
  push(&c->results, job);
  c->done++;
}

static void end(struct gw_copier *c, struct gw_pair *p)
{
  struct gw_data_job *job = gw_pair_result(p);

  learn(c, job, !p->large && c->full);
  report(c, job);
  leave(c, p);
}

/* --- beginning --------------------------------------------------------- */

static size_t share_of(const struct gw_copier *c, const struct gw_data_job *job)
{
  if (job->size < 0)
    return GW_DATA_SMALL;
  return (size_t)job->size < c->opts.buffer ? (size_t)job->size
                                            : c->opts.buffer;
}

static void begin(struct gw_copier *c, struct gw_data_job *job)
{
  struct gw_pair *p = gw_pair_new(c, c->from, c->to, job);

  if (!p) {
    gw_err_set(&job->err, GW_ENOMEM, "data", "out of memory");
    report(c, job);
    return;
  }
  p->next = c->active;
  if (c->active)
    c->active->prev = p;
  c->active = p;
  c->in_flight++;
  if (job->size >= GW_DATA_LARGE)
    gw_copier_is_large(p);
  (void)gw_copier_grant(p, share_of(c, job));
  gw_pair_start(p);
}

/* The queue whose turn it is; NULL: nothing may begin. */
static struct list *next_queue(struct gw_copier *c)
{
  unsigned small = c->in_flight - c->large_in_flight;

  if (c->large.head && c->large_in_flight < LARGE_AT_A_TIME &&
      c->large_in_flight < c->window.limit)
    return &c->large;
  if (!c->small.head || small >= c->window.limit)
    return NULL;
  if (c->in_flight > 0 &&
      c->memory + share_of(c, c->small.head) > MEMORY)
    return NULL;
  return &c->small;
}

static void begin_more(struct gw_copier *c, uint64_t now)
{
  struct list *queue;

  c->full = false;
  if (now < c->pause_until)
    return;
  while (c->results.count < RESULTS && (queue = next_queue(c)) != NULL)
    begin(c, shift(queue));
  c->full = c->small.head &&
            c->in_flight - c->large_in_flight >= c->window.limit;
  if (c->full)
    gw_window_full(&c->window, now);
}

/* It stays marked while it is stepped: it cannot be in the list again when it
 * ends. */
static void step_marked(struct gw_copier *c)
{
  struct gw_pair *p;

  while ((p = c->todo) != NULL) {
    c->todo = p->todo;
    if (!c->todo)
      c->todo_end = &c->todo;
    if (gw_pair_step(p))
      p->marked = false;
    else
      end(c, p);
  }
}

static void on_kick(struct gw_timer *timer)
{
  struct gw_copier *c =
      (struct gw_copier *)(void *)((char *)timer -
                                   offsetof(struct gw_copier, kick));
  size_t results = c->results.count, queued = c->small.count + c->large.count;
  uint64_t now = gw_clock_ms();

  c->kicked = false;
  step_marked(c);
  begin_more(c, now);
  set_clock(c, now);
  if (c->opts.changed && (c->results.count != results ||
                          c->small.count + c->large.count != queued))
    c->opts.changed(c->opts.arg);
}

static void on_clock(struct gw_timer *timer)
{
  struct gw_copier *c =
      (struct gw_copier *)(void *)((char *)timer -
                                   offsetof(struct gw_copier, clock));
  uint64_t now = gw_clock_ms();

  while (c->delayed && c->delayed->delay <= now)
    enqueue(c, shift_delayed(c));
  if (c->throttled && gw_rate_open(&c->rate, now)) {
    c->throttled = false;
    for (struct gw_pair *p = c->active; p; p = p->next)
      gw_copier_mark(p);
  }
  kick(c);
}

/* --- what others call -------------------------------------------------- */

static int start_timers(struct gw_copier *c, struct gw_err *err)
{
  c->kick.fn = on_kick;
  c->clock.fn = on_clock;
  if (gw_timer_start(c->loop, &c->clock, IDLE_MS, err) != 0)
    return -1;
  return gw_timer_start(c->loop, &c->kick, 0, err);
}

int gw_data_new(struct gw_copier **out, struct gw_loop *loop,
                struct gw_http *http, struct gw_pool *pool,
                const struct gw_data_end *from, const struct gw_data_end *to,
                const struct gw_data_opts *opts, struct gw_err *err)
{
  struct gw_copier *c = gw_fault("data.new") ? NULL : calloc(1, sizeof(*c));
  unsigned max = opts->max ? opts->max : MAX;

  *out = NULL;
  if (!c)
    return gw_err_set(err, GW_ENOMEM, "data", "out of memory");
  c->loop = loop;
  c->http = http;
  c->pool = pool;
  c->opts = *opts;
  c->opts.quota = gw_quota_ref(opts->quota);
  if (!c->opts.buffer)
    c->opts.buffer = BUFFER;
  if (c->opts.buffer < BUFFER_LEAST)
    c->opts.buffer = BUFFER_LEAST;
  list_init(&c->small);
  list_init(&c->large);
  list_init(&c->results);
  c->todo_end = &c->todo;
  gw_window_init(&c->window, opts->start ? opts->start : START, max);
  gw_rate_set(&c->rate, opts->rate, gw_clock_ms());
  if (gw_end_new(&c->from, from, err) != 0 ||
      (to && gw_end_new(&c->to, to, err) != 0) || start_timers(c, err) != 0) {
    gw_data_free(c);
    return -1;
  }
  c->kicked = true;
  *out = c;
  return 0;
}

static void drop_pairs(struct gw_copier *c, const struct gw_err *why)
{
  c->todo = NULL;
  c->todo_end = &c->todo;
  while (c->active) {
    struct gw_pair *p = c->active;
    if (why) {
      gw_pair_fail(p, p->sink_began ? GW_DATA_WRITE : GW_DATA_READ, why);
      report(c, gw_pair_result(p));
      c->todo = NULL;
      c->todo_end = &c->todo;
    } else {
      gw_data_job_free(gw_pair_result(p));
    }
    leave(c, p);
  }
}

void gw_data_free(struct gw_copier *c)
{
  struct gw_data_job *job;

  if (!c)
    return;
  drop_pairs(c, NULL);
  gw_timer_stop(c->loop, &c->kick);
  gw_timer_stop(c->loop, &c->clock);
  free_all(&c->small);
  free_all(&c->large);
  free_all(&c->results);
  while ((job = shift_delayed(c)) != NULL)
    gw_data_job_free(job);
  gw_end_unref(c->from);
  gw_end_unref(c->to);
  gw_quota_unref(c->opts.quota);
  free(c);
}

void gw_data_submit(struct gw_copier *c, struct gw_data_job *job)
{
  if (job->delay > 0) {
    delay(c, job);
    set_clock(c, gw_clock_ms());
  } else {
    enqueue(c, job);
    kick(c);
  }
}

struct gw_data_job *gw_data_take(struct gw_copier *c)
{
  struct gw_data_job *job = shift(&c->results);

  if (job && c->results.count + 1 == RESULTS)
    kick(c);
  return job;
}

static void cancel_job(struct gw_copier *c, struct gw_data_job *job,
                       const struct gw_err *why)
{
  job->err = *why;
  report(c, job);
}

void gw_data_cancel(struct gw_copier *c)
{
  struct gw_data_job *job;
  struct gw_err why = {0};

  gw_err_set(&why, GW_ECANCELLED, "data", "cancelled");
  drop_pairs(c, &why);
  while ((job = shift(&c->large)) || (job = shift(&c->small)) ||
         (job = shift_delayed(c)))
    cancel_job(c, job, &why);
  if (c->opts.changed)
    c->opts.changed(c->opts.arg);
}

void gw_data_rate(struct gw_copier *c, double bytes_a_second, double owed)
{
  gw_rate_set(&c->rate, bytes_a_second, gw_clock_ms());
  gw_rate_spend(&c->rate, owed);
  set_clock(c, gw_clock_ms());
}

void gw_data_limit(struct gw_copier *c, unsigned max)
{
  gw_window_cap(&c->window, max);
  kick(c);
}

void gw_data_stats(const struct gw_copier *c, struct gw_data_stats *out)
{
  *out = (struct gw_data_stats){
      .in_flight = c->in_flight,
      .limit = c->window.limit,
      .queued = c->small.count + c->large.count + c->delayed_count,
      .results = c->results.count,
      .full = c->results.count >= RESULTS && c->in_flight == 0,
      .done = c->done,
      .bytes = c->bytes,
      .owed = gw_rate_owed(&c->rate),
  };
}

int gw_data_folder(const struct gw_copier *c, struct gw_err *err)
{
  int fd;

  if (!c->to || c->to->folder < 0)
    return -1;
  fd = fcntl(c->to->folder, F_DUPFD_CLOEXEC, 0);
  return fd >= 0 ? fd : gw_err_errno(err, "data.flush", "folder");
}
