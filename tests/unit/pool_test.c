/*
 * pool: jobs run elsewhere and come back to the loop, once each.
 */
#include "check.h"

#include "async/pool.h"
#include "base/fault.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a worker may be made to wait for. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int at_gate;

struct job {
  struct gw_job base; /* first member */
  bool waits;
  atomic_int *ran;
  int *done, *destroyed;
  struct job *detaches;
};

static void run(struct gw_job *base)
{
  struct job *job = (struct job *)base;

  if (job->waits) {
    (void)pthread_mutex_lock(&gate_lock);
    at_gate++;
    (void)pthread_cond_broadcast(&gate_cond);
    while (!gate_open)
      (void)pthread_cond_wait(&gate_cond, &gate_lock);
    (void)pthread_mutex_unlock(&gate_lock);
  }
  atomic_fetch_add(job->ran, 1);
}

static void done(struct gw_job *base)
{
  struct job *job = (struct job *)base;

  (*job->done)++;
  if (job->detaches)
    gw_pool_detach(&job->detaches->base);
}

static void destroy(struct gw_job *base)
{
  struct job *job = (struct job *)base;

  (*job->destroyed)++;
  free(job);
}

struct world {
  struct gw_loop *loop;
  struct gw_pool *pool;
  atomic_int ran;
  int done, destroyed;
};

static void open_world(struct world *w, unsigned threads)
{
  struct gw_err err;

  memset(w, 0, sizeof(*w));
  gate_open = false;
  at_gate = 0;
  assert_ok(gw_loop_new(&w->loop, &err), err);
  assert_ok(gw_pool_new(&w->pool, w->loop, threads, &err), err);
}

static void close_world(struct world *w)
{
  gw_pool_free(w->pool);
  gw_loop_free(w->loop);
}

static struct job *make_job(struct world *w, bool waits)
{
  struct job *job = calloc(1, sizeof(*job));

  assert_non_null(job);
  job->base = (struct gw_job){.run = run, .done = done, .destroy = destroy};
  job->waits = waits;
  job->ran = &w->ran;
  job->done = &w->done;
  job->destroyed = &w->destroyed;
  return job;
}

static struct job *submit(struct world *w, bool waits)
{
  struct job *job = make_job(w, waits);
  struct gw_err err;

  assert_ok(gw_pool_submit(w->pool, &job->base, &err), err);
  return job;
}

static void wait_at_gate(int count)
{
  (void)pthread_mutex_lock(&gate_lock);
  while (at_gate < count)
    (void)pthread_cond_wait(&gate_cond, &gate_lock);
  (void)pthread_mutex_unlock(&gate_lock);
}

static void open_gate(void)
{
  (void)pthread_mutex_lock(&gate_lock);
  gate_open = true;
  (void)pthread_cond_broadcast(&gate_cond);
  (void)pthread_mutex_unlock(&gate_lock);
}

static void run_until_destroyed(struct world *w, int count)
{
  struct gw_err err;

  while (w->destroyed < count)
    assert_ok(gw_loop_step(w->loop, true, &err), err);
}

static void test_pool__hands_every_job_back_once(void **state)
{
  struct world w;

  (void)state;
  open_world(&w, 4);
  for (int i = 0; i < 1000; i++)
    (void)submit(&w, false);
  assert_int_equal(w.done, 0);
  run_until_destroyed(&w, 1000);
  assert_int_equal(w.ran, 1000);
  assert_int_equal(w.done, 1000);
  assert_int_equal(w.destroyed, 1000);
  close_world(&w);
}

static void test_pool__runs_as_many_at_once_as_it_has_threads(void **state)
{
  struct world w;

  (void)state;
  open_world(&w, 3);
  for (int i = 0; i < 5; i++)
    (void)submit(&w, true);
  wait_at_gate(3);
  (void)usleep(10000);
  assert_int_equal(at_gate, 3);
  open_gate();
  run_until_destroyed(&w, 5);
  assert_int_equal(w.done, 5);
  close_world(&w);
}

static void test_pool__detached_before_its_start_does_not_run(void **state)
{
  struct world w;
  struct job *queued;

  (void)state;
  open_world(&w, 1);
  (void)submit(&w, true);
  queued = submit(&w, false);
  wait_at_gate(1);
  gw_pool_detach(&queued->base);
  assert_int_equal(w.destroyed, 0); /* never inside the call */
  run_until_destroyed(&w, 1);       /* without waiting for the other */
  assert_int_equal(w.ran, 0);
  open_gate();
  run_until_destroyed(&w, 2);
  assert_int_equal(w.ran, 1);
  assert_int_equal(w.done, 1);
  close_world(&w);
}

static void
test_pool__detached_after_its_start_is_destroyed_unseen(void **state)
{
  struct world w;
  struct job *running;

  (void)state;
  open_world(&w, 1);
  running = submit(&w, true);
  wait_at_gate(1);
  gw_pool_detach(&running->base);
  gw_pool_detach(&running->base); /* twice is once */
  open_gate();
  run_until_destroyed(&w, 1);
  assert_int_equal(w.ran, 1);
  assert_int_equal(w.done, 0);
  close_world(&w);
}

static void test_pool__a_done_may_detach_another(void **state)
{
  struct world w;
  struct job *a, *b;

  (void)state;
  open_world(&w, 1);
  (void)submit(&w, true);
  wait_at_gate(1);
  a = submit(&w, false);
  b = submit(&w, false);
  a->detaches = b;
  open_gate();
  while (w.ran < 3)
    (void)usleep(1000); /* both are finished when the loop turns */
  run_until_destroyed(&w, 3);
  assert_int_equal(w.done, 2);
  close_world(&w);
}

static void test_pool__free_destroys_what_is_queued(void **state)
{
  struct world w;

  (void)state;
  open_world(&w, 1);
  (void)submit(&w, true);
  (void)submit(&w, false);
  (void)submit(&w, false);
  wait_at_gate(1);
  open_gate();
  gw_pool_free(w.pool); /* the loop never turned */
  assert_int_equal(w.destroyed, 3);
  assert_int_equal(w.done, 0);
  assert_true(w.ran >= 1);
  w.pool = NULL;
  close_world(&w);
}

static void test_pool__free_leaves_nothing_in_the_loop(void **state)
{
  struct world w;
  struct gw_err err;

  (void)state;
  open_world(&w, 2);
  for (int i = 0; i < 20; i++)
    (void)submit(&w, false);
  while (w.ran < 20)
    (void)usleep(1000);
  gw_pool_free(w.pool);
  w.pool = NULL;
  assert_int_equal(w.destroyed, 20);
  assert_ok(gw_loop_step(w.loop, false, &err), err);
  assert_int_equal(w.done, 0);
  close_world(&w);
}

#ifdef GODWIT_FAULTS
static void test_pool__a_refused_job_stays_the_callers(void **state)
{
  struct world w;
  struct gw_err err = {0};
  struct job *job;

  (void)state;
  open_world(&w, 1);
  job = make_job(&w, false);
  gw_fault_arm(0);
  assert_int_equal(gw_pool_submit(w.pool, &job->base, &err), -1);
  assert_true(gw_fault_disarm());
  assert_int_equal(err.kind, GW_ENOMEM);
  assert_int_equal(w.destroyed, 0);
  free(job);
  close_world(&w);
}
#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pool__hands_every_job_back_once),
      cmocka_unit_test(test_pool__runs_as_many_at_once_as_it_has_threads),
      cmocka_unit_test(test_pool__detached_before_its_start_does_not_run),
      cmocka_unit_test(test_pool__detached_after_its_start_is_destroyed_unseen),
      cmocka_unit_test(test_pool__a_done_may_detach_another),
      cmocka_unit_test(test_pool__free_destroys_what_is_queued),
      cmocka_unit_test(test_pool__free_leaves_nothing_in_the_loop),
#ifdef GODWIT_FAULTS
      cmocka_unit_test(test_pool__a_refused_job_stays_the_callers),
#endif
  };

  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
