#include "async/pool.h"

#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct queue {
  struct gw_job *head, **end;
};

struct gw_pool {
  struct gw_loop *loop;
  struct gw_post post; /* in the loop's queue while `finished` has jobs */
  pthread_t *threads;
  unsigned max;
  unsigned started; /* loop thread only */

  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t wake;
  struct queue waiting;
  struct queue finished;
  unsigned waiting_count;
  unsigned idle;
  bool closing;
};

static void push(struct queue *q, struct gw_job *job)
{
  job->next = NULL;
  *q->end = job;
  q->end = &job->next;
}

static struct gw_job *shift(struct queue *q)
{
  struct gw_job *job = q->head;

  if (job) {
    q->head = job->next;
    if (!q->head)
      q->end = &q->head;
    job->next = NULL;
  }
  return job;
}

static bool take_out(struct queue *q, const struct gw_job *job)
{
  struct gw_job **at = &q->head;

  while (*at && *at != job)
    at = &(*at)->next;
  if (!*at)
    return false;
  *at = job->next;
  if (!*at)
    q->end = at;
  return true;
}

/* --- workers ----------------------------------------------------------- */

/* With the lock held. */
static void hand_back(struct gw_pool *pool, struct gw_job *job)
{
  bool first = pool->finished.head == NULL;

  push(&pool->finished, job);
  if (first)
    gw_loop_post(pool->loop, &pool->post);
}

static void *work(void *arg)
{
  struct gw_pool *pool = arg;
  struct gw_job *job;

  (void)pthread_mutex_lock(&pool->lock);
  for (;;) {
    while (!pool->closing && !pool->waiting.head) {
      pool->idle++;
      (void)pthread_cond_wait(&pool->wake, &pool->lock);
      pool->idle--;
    }
    if (pool->closing)
      break;
    job = shift(&pool->waiting);
    pool->waiting_count--;
    (void)pthread_mutex_unlock(&pool->lock);
    job->run(job);
    (void)pthread_mutex_lock(&pool->lock);
    hand_back(pool, job);
  }
  (void)pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* Workers take no signals: handlers run on the loop thread. */
static int start_worker(struct gw_pool *pool, struct gw_err *err)
{
  sigset_t all, old;
  int rc;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  rc = pthread_create(&pool->threads[pool->started], NULL, work, pool);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (rc != 0)
    return gw_err_set(err, GW_ENOMEM, "pool", "no thread could be started");
  pool->started++;
  return 0;
}

/* --- loop thread ------------------------------------------------------- */

static void end_job(struct gw_job *job)
{
  if (!job->detached)
    job->done(job);
  job->destroy(job);
}

/* Those finished now; one at a time, for a done() may detach another. */
static void finish_jobs(struct gw_post *post)
{
  struct gw_pool *pool =
      (struct gw_pool *)(void *)((char *)post - offsetof(struct gw_pool, post));
  struct queue batch;

  (void)pthread_mutex_lock(&pool->lock);
  batch = pool->finished;
  pool->finished.head = NULL;
  pool->finished.end = &pool->finished.head;
  (void)pthread_mutex_unlock(&pool->lock);
  while (batch.head) {
    struct gw_job *job = batch.head;
    batch.head = job->next;
    end_job(job);
  }
}

int gw_pool_new(struct gw_pool **out, struct gw_loop *loop, unsigned threads,
                struct gw_err *err)
{
  struct gw_pool *pool = gw_fault("pool.new") ? NULL : calloc(1, sizeof(*pool));

  if (pool)
    pool->threads = calloc(threads ? threads : 1, sizeof(*pool->threads));
  if (!pool || !pool->threads) {
    free(pool);
    return gw_err_set(err, GW_ENOMEM, "pool", "out of memory");
  }
  pool->loop = loop;
  pool->post.fn = finish_jobs;
  pool->max = threads ? threads : 1;
  pool->waiting.end = &pool->waiting.head;
  pool->finished.end = &pool->finished.head;
  (void)pthread_mutex_init(&pool->lock, NULL);
  (void)pthread_cond_init(&pool->wake, NULL);
  *out = pool;
  return 0;
}

static void destroy_all(struct queue *q)
{
  struct gw_job *job;

  while ((job = shift(q)) != NULL)
    job->destroy(job);
}

void gw_pool_free(struct gw_pool *pool)
{
  if (!pool)
    return;
  (void)pthread_mutex_lock(&pool->lock);
  pool->closing = true;
  (void)pthread_cond_broadcast(&pool->wake);
  (void)pthread_mutex_unlock(&pool->lock);
  for (unsigned i = 0; i < pool->started; i++)
    (void)pthread_join(pool->threads[i], NULL);
  (void)gw_loop_unpost(pool->loop, &pool->post);
  destroy_all(&pool->finished);
  destroy_all(&pool->waiting);
  (void)pthread_cond_destroy(&pool->wake);
  (void)pthread_mutex_destroy(&pool->lock);
  free(pool->threads);
  free(pool);
}

int gw_pool_submit(struct gw_pool *pool, struct gw_job *job, struct gw_err *err)
{
  bool more;

  if (gw_fault("pool.submit"))
    return gw_err_set(err, GW_ENOMEM, "pool", "out of memory");
  (void)pthread_mutex_lock(&pool->lock);
  more = pool->waiting_count + 1 > pool->idle;
  (void)pthread_mutex_unlock(&pool->lock);
  /* Any worker will come to it sooner or later; without one it is an error. */
  if (more && pool->started < pool->max && start_worker(pool, err) != 0 &&
      pool->started == 0)
    return -1;
  job->pool = pool;
  job->detached = false;
  (void)pthread_mutex_lock(&pool->lock);
  push(&pool->waiting, job);
  pool->waiting_count++;
  (void)pthread_cond_signal(&pool->wake);
  (void)pthread_mutex_unlock(&pool->lock);
  return 0;
}

void gw_pool_detach(struct gw_job *job)
{
  struct gw_pool *pool = job->pool;

  job->detached = true;
  (void)pthread_mutex_lock(&pool->lock);
  if (take_out(&pool->waiting, job)) {
    pool->waiting_count--;
    hand_back(pool, job);
  }
  (void)pthread_mutex_unlock(&pool->lock);
}
