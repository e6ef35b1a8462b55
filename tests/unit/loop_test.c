/*
 * loop: timers, posts, watches, transfers, signals; and that it sleeps.
 */
#include "check.h"

#include "async/loop.h"
#include "base/clock.h"
#include "base/fault.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static struct gw_loop *new_loop(void)
{
  struct gw_loop *loop = NULL;
  struct gw_err err;

  assert_ok(gw_loop_new(&loop, &err), err);
  return loop;
}

static void step(struct gw_loop *loop, bool block)
{
  struct gw_err err;

  assert_ok(gw_loop_step(loop, block, &err), err);
}

/* --- timers ------------------------------------------------------------ */

struct tick {
  struct gw_timer timer; /* first member */
  struct gw_loop *loop;
  struct gw_timer *stops;
  int again;
};

static char order[64];

static void note(struct gw_timer *timer)
{
  struct tick *tick = (struct tick *)timer;
  size_t len = strlen(order);

  order[len] = (char)('a' + tick->again);
  order[len + 1] = '\0';
  if (tick->stops)
    gw_timer_stop(tick->loop, tick->stops);
}

static void test_timer__runs_in_order_of_time(void **state)
{
  static const uint64_t ms[] = {30, 1, 20, 1, 0, 10};
  struct gw_loop *loop = new_loop();
  struct tick ticks[6];
  struct gw_err err;
  uint64_t start = gw_clock_ms();

  (void)state;
  order[0] = '\0';
  for (int i = 0; i < 6; i++) {
    ticks[i] = (struct tick){.timer.fn = note, .again = i};
    assert_ok(gw_timer_start(loop, &ticks[i].timer, ms[i], &err), err);
  }
  while (strlen(order) < 6)
    step(loop, true);
  assert_string_equal(order, "ebdfca");
  assert_true(gw_clock_ms() - start >= 30);
  gw_loop_free(loop);
}

static void test_timer__may_be_stopped_and_restarted(void **state)
{
  struct gw_loop *loop = new_loop();
  struct tick a = {.timer.fn = note, .again = 0};
  struct tick b = {.timer.fn = note, .again = 1, .loop = loop};
  struct tick c = {.timer.fn = note, .again = 2};
  struct gw_err err;

  (void)state;
  order[0] = '\0';
  b.stops = &a.timer; /* both are due in the same turn */
  assert_ok(gw_timer_start(loop, &b.timer, 0, &err), err);
  assert_ok(gw_timer_start(loop, &a.timer, 0, &err), err);
  assert_ok(gw_timer_start(loop, &c.timer, 0, &err), err);
  assert_ok(gw_timer_start(loop, &c.timer, 5, &err), err);
  step(loop, true);
  assert_string_equal(order, "b");
  step(loop, true);
  while (strlen(order) < 2)
    step(loop, true);
  assert_string_equal(order, "bc");
  gw_timer_stop(loop, &c.timer); /* not started: nothing happens */
  gw_loop_free(loop);
}

static void restart(struct gw_timer *timer)
{
  struct tick *tick = (struct tick *)timer;

  tick->again++;
  (void)gw_timer_start(tick->loop, timer, 0, NULL);
}

static void test_timer__restarting_itself_does_not_hold_the_loop(void **state)
{
  struct gw_loop *loop = new_loop();
  struct tick tick = {.timer.fn = restart, .loop = loop};
  struct gw_err err;

  (void)state;
  assert_ok(gw_timer_start(loop, &tick.timer, 0, &err), err);
  for (int i = 1; i <= 5; i++) {
    step(loop, true);
    assert_int_equal(tick.again, i);
  }
  gw_loop_free(loop);
}

static void test_timer__many_in_any_order(void **state)
{
  enum { COUNT = 500 };
  static struct tick ticks[COUNT];
  struct gw_loop *loop = new_loop();
  struct gw_err err;
  unsigned seed = 7;

  (void)state;
  for (int i = 0; i < COUNT; i++) {
    ticks[i] = (struct tick){.timer.fn = restart, .loop = loop};
    seed = seed * 1103515245 + 12345;
    assert_ok(gw_timer_start(loop, &ticks[i].timer, 60000 + seed % 1000, &err),
              err);
  }
  for (int i = 0; i < COUNT; i += 3)
    gw_timer_stop(loop, &ticks[i].timer);
  for (int i = 0; i < COUNT; i++) /* some are running, some not */
    assert_ok(gw_timer_start(loop, &ticks[i].timer, (uint64_t)(i % 5), &err),
              err);
  for (int i = 0; i < COUNT;)
    if (ticks[i].again)
      i++;
    else
      step(loop, true);
  gw_loop_free(loop);
}

/* --- no busy waiting --------------------------------------------------- */

static void stop_waiting(struct gw_timer *timer)
{
  ((struct tick *)timer)->again = 1;
}

static int steps_in_100_ms(struct gw_loop *loop)
{
  struct tick end = {.timer.fn = stop_waiting};
  struct gw_err err;
  int steps = 0;

  assert_ok(gw_timer_start(loop, &end.timer, 100, &err), err);
  while (!end.again) {
    step(loop, true);
    steps++;
  }
  return steps;
}

static void count_watch(struct gw_watch *watch, short revents)
{
  (void)revents;
  watch->events = 0; /* a hang-up would be told again and again */
}

static void test_loop__sleeps_when_nothing_is_ready(void **state)
{
  struct gw_loop *loop = new_loop();
  int idle[2], gone[2], ready[2];
  struct gw_watch watches[3];

  (void)state;
  assert_int_equal(pipe(idle) | pipe(gone) | pipe(ready), 0);
  (void)close(gone[1]);
  assert_int_equal(write(ready[1], "x", 1), 1);
  watches[0] = (struct gw_watch){idle[0], POLLIN, count_watch, 0, 0, 0, 0};
  watches[1] = (struct gw_watch){gone[0], POLLIN, count_watch, 0, 0, 0, 0};
  watches[2] = (struct gw_watch){ready[0], 0, count_watch, 0, 0, 0, 0};
  for (int i = 0; i < 3; i++)
    gw_watch_start(loop, &watches[i]);
  assert_true(steps_in_100_ms(loop) <= 5);
  assert_int_equal(watches[1].events, 0); /* was told of the hang-up */
  for (int i = 0; i < 3; i++)
    gw_watch_stop(loop, &watches[i]);
  assert_true(steps_in_100_ms(loop) <= 4);
  gw_loop_free(loop);
  (void)close(idle[0]);
  (void)close(idle[1]);
  (void)close(gone[0]);
  (void)close(ready[0]);
  (void)close(ready[1]);
}

static void test_loop__does_not_wait_unless_told_to(void **state)
{
  struct gw_loop *loop = new_loop();

  (void)state;
  for (int i = 0; i < 10; i++) /* nothing would ever end a wait */
    step(loop, false);
  gw_loop_free(NULL);
  gw_loop_free(loop);
}

/* --- posts ------------------------------------------------------------- */

struct message {
  struct gw_post post; /* first member */
  int sender, number;
};

enum { SENDERS = 4, EACH = 500 };
static int received[SENDERS];
static bool in_order = true;
static struct gw_loop *post_loop;

static void receive(struct gw_post *post)
{
  struct message *m = (struct message *)post;

  in_order = in_order && m->number == received[m->sender];
  received[m->sender]++;
  free(m);
}

static void *send_messages(void *arg)
{
  int sender = *(int *)arg;

  for (int i = 0; i < EACH; i++) {
    struct message *m = malloc(sizeof(*m));
    if (!m)
      abort();
    *m = (struct message){.post.fn = receive, .sender = sender, .number = i};
    gw_loop_post(post_loop, &m->post);
    if (i % 100 == 0)
      (void)usleep(200);
  }
  return NULL;
}

static int received_in_all(void)
{
  int sum = 0;

  for (int i = 0; i < SENDERS; i++)
    sum += received[i];
  return sum;
}

static void test_post__comes_from_any_thread_in_order(void **state)
{
  pthread_t threads[SENDERS];
  int numbers[SENDERS];

  (void)state;
  post_loop = new_loop();
  for (int i = 0; i < SENDERS; i++) {
    numbers[i] = i;
    assert_int_equal(
        pthread_create(&threads[i], NULL, send_messages, &numbers[i]), 0);
  }
  while (received_in_all() < SENDERS * EACH)
    step(post_loop, true);
  for (int i = 0; i < SENDERS; i++)
    pthread_join(threads[i], NULL);
  assert_true(in_order);
  gw_loop_free(post_loop);
}

static int reposted;

static void post_again(struct gw_post *post)
{
  if (++reposted < 3)
    gw_loop_post(post_loop, post);
}

static void test_post__made_by_a_post_waits_for_the_next_step(void **state)
{
  struct gw_post post = {.fn = post_again};
  struct gw_post never = {.fn = post_again};

  (void)state;
  post_loop = new_loop();
  gw_loop_post(post_loop, &post);
  gw_loop_post(post_loop, &never);
  assert_true(gw_loop_unpost(post_loop, &never));
  assert_false(gw_loop_unpost(post_loop, &never));
  for (int i = 1; i <= 3; i++) {
    step(post_loop, true);
    assert_int_equal(reposted, i);
  }
  gw_loop_free(post_loop);
}

static void *wake_soon(void *arg)
{
  (void)usleep(20000);
  gw_loop_wake(arg);
  return NULL;
}

static void test_loop__is_woken(void **state)
{
  struct gw_loop *loop = new_loop();
  pthread_t thread;

  (void)state;
  assert_int_equal(pthread_create(&thread, NULL, wake_soon, loop), 0);
  step(loop, true); /* would sleep for ever */
  pthread_join(thread, NULL);
  gw_loop_free(loop);
}

/* --- watches ----------------------------------------------------------- */

struct pair {
  struct gw_watch watch; /* first member */
  struct gw_loop *loop;
  struct pair *other;
  int calls;
  short got;
};

static void free_both(struct gw_watch *watch, short revents)
{
  struct pair *a = (struct pair *)watch;
  struct pair *b = a->other;

  (void)revents;
  gw_watch_stop(a->loop, &a->watch);
  gw_watch_stop(a->loop, &b->watch);
  (void)close(a->watch.fd);
  (void)close(b->watch.fd);
  free(a);
  free(b);
}

static void test_watch__may_free_itself_and_others(void **state)
{
  struct gw_loop *loop = new_loop();
  int ends[2][2];
  struct pair *pairs[2];

  (void)state;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pipe(ends[i]), 0);
    assert_int_equal(write(ends[i][1], "x", 1), 1);
    pairs[i] = calloc(1, sizeof(*pairs[i]));
    assert_non_null(pairs[i]);
    pairs[i]->loop = loop;
    pairs[i]->watch =
        (struct gw_watch){.fd = ends[i][0], .events = POLLIN, .fn = free_both};
    gw_watch_start(loop, &pairs[i]->watch);
    gw_watch_start(loop, &pairs[i]->watch); /* twice is once */
  }
  pairs[0]->other = pairs[1];
  pairs[1]->other = pairs[0];
  step(loop, true);
  step(loop, false);
  (void)close(ends[0][1]);
  (void)close(ends[1][1]);
  gw_loop_free(loop);
}

static void pause_other(struct gw_watch *watch, short revents)
{
  struct pair *a = (struct pair *)watch;

  a->got = revents;
  a->calls++;
  a->other->watch.events = 0;
  watch->events = 0;
}

static void test_watch__paused_by_another_is_not_called(void **state)
{
  struct gw_loop *loop = new_loop();
  struct pair pairs[2] = {0};
  int ends[2];

  (void)state;
  assert_int_equal(pipe(ends), 0);
  assert_int_equal(write(ends[1], "x", 1), 1);
  for (int i = 0; i < 2; i++) { /* both on one descriptor */
    pairs[i].other = &pairs[1 - i];
    pairs[i].watch =
        (struct gw_watch){.fd = ends[0], .events = POLLIN, .fn = pause_other};
    gw_watch_start(loop, &pairs[i].watch);
  }
  step(loop, true);
  assert_int_equal(pairs[0].calls + pairs[1].calls, 1);
  step(loop, false);
  assert_int_equal(pairs[0].calls + pairs[1].calls, 1);
  pairs[0].watch.events = POLLIN;
  step(loop, true);
  assert_int_equal(pairs[0].calls + pairs[1].calls, 2);
  gw_watch_stop(loop, &pairs[0].watch);
  gw_watch_stop(loop, &pairs[0].watch);
  gw_watch_stop(loop, &pairs[1].watch);
  gw_loop_free(loop);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

static void test_watch__is_told_of_hangups_and_errors(void **state)
{
  struct gw_loop *loop = new_loop();
  struct pair in = {0}, out = {0};
  int a[2], b[2];

  (void)state;
  assert_int_equal(pipe(a) | pipe(b), 0);
  (void)close(a[1]); /* the writer of a is gone, and the reader of b */
  (void)close(b[0]);
  in.other = out.other = &out;
  in.watch = (struct gw_watch){a[0], POLLIN, pause_other, 0, 0, 0, 0};
  out.watch = (struct gw_watch){b[1], POLLOUT, pause_other, 0, 0, 0, 0};
  gw_watch_start(loop, &in.watch);
  step(loop, true);
  assert_true(in.got & POLLHUP);
  gw_watch_start(loop, &out.watch);
  out.watch.events = POLLOUT;
  step(loop, true);
  assert_true(out.got & POLLERR);
  gw_watch_stop(loop, &in.watch);
  gw_watch_stop(loop, &out.watch);
  gw_loop_free(loop);
  (void)close(a[0]);
  (void)close(b[1]);
}

/* --- transfers --------------------------------------------------------- */

struct fetch {
  struct gw_transfer transfer; /* first member */
  struct gw_loop *loop;
  CURL *easy;
  CURL *removes;
  int done;
  CURLcode code;
  size_t bytes;
};

static void fetch_done(struct gw_transfer *transfer, CURLcode code)
{
  struct fetch *f = (struct fetch *)transfer;

  f->done++;
  f->code = code;
  if (f->removes)
    gw_loop_remove(f->loop, f->removes);
}

static size_t count_bytes(char *data, size_t size, size_t n, void *arg)
{
  (void)data;
  ((struct fetch *)arg)->bytes += size * n;
  return size * n;
}

static void start_fetch(struct fetch *f, struct gw_loop *loop, const char *url)
{
  struct gw_err err;

  memset(f, 0, sizeof(*f));
  f->transfer.done = fetch_done;
  f->loop = loop;
  f->easy = curl_easy_init();
  assert_non_null(f->easy);
  (void)curl_easy_setopt(f->easy, CURLOPT_URL, url);
  (void)curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
  (void)curl_easy_setopt(f->easy, CURLOPT_NOPROXY, "*");
  (void)curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, count_bytes);
  (void)curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
  assert_ok(gw_loop_add(loop, f->easy, &err), err);
}

static void test_transfer__ends_with_its_code(void **state)
{
  struct gw_loop *loop = new_loop();
  struct fetch good, bad;
  struct gw_err err;
  char url[600];

  (void)state;
  assert_ok(gw_path_write(tmp_path("page"), "hello", 5, 0600, &err), err);
  (void)snprintf(url, sizeof(url), "file://%s", tmp_path("page"));
  start_fetch(&good, loop, url);
  start_fetch(&bad, loop, "file:///no/such/file");
  assert_int_equal(good.done + bad.done, 0); /* never inside the start */
  while (!good.done || !bad.done)
    step(loop, true);
  assert_int_equal(good.code, CURLE_OK);
  assert_int_equal(good.bytes, 5);
  assert_int_equal(bad.code, CURLE_FILE_COULDNT_READ_FILE);
  curl_easy_cleanup(good.easy);
  curl_easy_cleanup(bad.easy);
  gw_loop_free(loop);
}

static void test_transfer__removed_by_another_is_not_done(void **state)
{
  struct gw_loop *loop = new_loop();
  struct fetch a, b;

  (void)state;
  start_fetch(&a, loop, "file:///no/such/a");
  start_fetch(&b, loop, "file:///no/such/b");
  a.removes = b.easy;
  b.removes = a.easy;
  for (int i = 0; i < 10; i++)
    step(loop, false);
  assert_int_equal(a.done + b.done, 1);
  curl_easy_cleanup(a.easy);
  curl_easy_cleanup(b.easy);
  gw_loop_free(loop);
}

#ifdef GODWIT_FAULTS
static void test_loop__starts_fail_cleanly(void **state)
{
  struct gw_loop *loop = NULL;
  struct tick tick = {.timer.fn = note};
  struct gw_err err = {0};
  CURL *easy = curl_easy_init();

  (void)state;
  gw_fault_arm(0);
  assert_int_equal(gw_loop_new(&loop, &err), -1);
  assert_int_equal(err.kind, GW_ENOMEM);
  loop = new_loop();
  gw_fault_arm(0);
  assert_int_equal(gw_timer_start(loop, &tick.timer, 1, &err), -1);
  assert_int_equal(tick.timer.slot, 0);
  gw_fault_arm(0);
  assert_int_equal(gw_loop_add(loop, easy, &err), -1);
  (void)gw_fault_disarm();
  curl_easy_cleanup(easy);
  gw_loop_free(loop);
}
#endif

/* --- signals ----------------------------------------------------------- */

static int signals[3];

static void on_signal(void *arg, int signo)
{
  (void)arg;
  signals[signo == SIGINT ? 0 : signo == SIGTERM ? 1 : 2]++;
}

static void test_signal__arrives_on_the_loop(void **state)
{
  struct gw_loop *loop = new_loop();
  struct gw_err err;

  (void)state;
  (void)signal(SIGINT, SIG_DFL);
  assert_ok(gw_loop_signals(loop, on_signal, NULL, &err), err);
  (void)raise(SIGUSR1);
  (void)raise(SIGUSR1);
  (void)raise(SIGTERM);
  assert_int_equal(signals[1] + signals[2], 0);
  step(loop, true);
  assert_int_equal(signals[1], 1);
  assert_int_equal(signals[2], 2);
  gw_loop_free(loop);
}

static int end_of_child(void (*act)(struct gw_loop *loop))
{
  int status = 0;
  pid_t pid;

  (void)fflush(NULL);
  pid = fork();
  if (pid == 0) {
    struct gw_loop *loop = NULL;
    (void)signal(SIGINT, SIG_DFL);
    if (gw_loop_new(&loop, NULL) != 0 ||
        gw_loop_signals(loop, on_signal, NULL, NULL) != 0)
      _exit(1);
    act(loop);
    _exit(99);
  }
  (void)waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void interrupt_twice(struct gw_loop *loop)
{
  (void)loop; /* which does not turn any more */
  (void)raise(SIGINT);
  (void)raise(SIGINT);
}

static void terminate_after_int(struct gw_loop *loop)
{
  (void)raise(SIGINT);
  (void)gw_loop_step(loop, false, NULL);
  (void)raise(SIGUSR1);
  (void)raise(SIGTERM);
}

static void write_to_nobody(struct gw_loop *loop)
{
  int ends[2];

  (void)loop;
  if (pipe(ends) == 0 && close(ends[0]) == 0 && write(ends[1], "x", 1) == -1)
    _exit(42);
}

static void test_signal__the_second_ends_the_process(void **state)
{
  (void)state;
  assert_int_equal(end_of_child(interrupt_twice), 130);
  assert_int_equal(end_of_child(terminate_after_int), 143);
  assert_int_equal(end_of_child(write_to_nobody), 42);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_timer__runs_in_order_of_time),
      cmocka_unit_test(test_timer__may_be_stopped_and_restarted),
      cmocka_unit_test(test_timer__restarting_itself_does_not_hold_the_loop),
      cmocka_unit_test(test_timer__many_in_any_order),
      cmocka_unit_test(test_loop__sleeps_when_nothing_is_ready),
      cmocka_unit_test(test_loop__does_not_wait_unless_told_to),
      cmocka_unit_test(test_post__comes_from_any_thread_in_order),
      cmocka_unit_test(test_post__made_by_a_post_waits_for_the_next_step),
      cmocka_unit_test(test_loop__is_woken),
      cmocka_unit_test(test_watch__may_free_itself_and_others),
      cmocka_unit_test(test_watch__paused_by_another_is_not_called),
      cmocka_unit_test(test_watch__is_told_of_hangups_and_errors),
      cmocka_unit_test(test_transfer__ends_with_its_code),
      cmocka_unit_test(test_transfer__removed_by_another_is_not_done),
#ifdef GODWIT_FAULTS
      cmocka_unit_test(test_loop__starts_fail_cleanly),
#endif
      cmocka_unit_test(test_signal__arrives_on_the_loop),
      cmocka_unit_test(test_signal__the_second_ends_the_process),
  };

  return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
