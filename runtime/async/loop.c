#include "async/loop.h"

#include "async/timer.h"
#include "base/fault.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gw_loop {
  CURLM *multi;
  struct gw_timers timers;

  pthread_mutex_t lock; /* guards the posts, nothing else */
  struct gw_post *posts, **posts_end;

  struct gw_watch *watches;
  size_t watch_count;
  /* What this step waits for. polled[i] is NULL once its watch was stopped. */
  struct curl_waitfd *waits;
  struct pollfd *fds;
  struct gw_watch **polled;
  size_t polled_count;
  size_t polled_cap;

  bool has_signals;
  struct gw_watch signal_watch;
  gw_signal_fn *signal_fn;
  void *signal_arg;
};

/* --- posts ------------------------------------------------------------- */

void gw_loop_wake(struct gw_loop *loop)
{
  (void)curl_multi_wakeup(loop->multi);
}

void gw_loop_post(struct gw_loop *loop, struct gw_post *post)
{
  bool first;

  post->next = NULL;
  (void)pthread_mutex_lock(&loop->lock);
  first = loop->posts == NULL;
  *loop->posts_end = post;
  loop->posts_end = &post->next;
  /* Under the lock: once it is free, the loop may run the post, find nothing
   * else to do and be freed by its owner. */
  if (first)
    gw_loop_wake(loop);
  (void)pthread_mutex_unlock(&loop->lock);
}

bool gw_loop_unpost(struct gw_loop *loop, struct gw_post *post)
{
  struct gw_post **at;
  bool found;

  (void)pthread_mutex_lock(&loop->lock);
  for (at = &loop->posts; *at && *at != post; at = &(*at)->next)
    ;
  found = *at != NULL;
  if (found) {
    *at = post->next;
    if (!*at)
      loop->posts_end = at;
  }
  (void)pthread_mutex_unlock(&loop->lock);
  return found;
}

static struct gw_post *take_post(struct gw_loop *loop)
{
  struct gw_post *post;

  (void)pthread_mutex_lock(&loop->lock);
  post = loop->posts;
  if (post) {
    loop->posts = post->next;
    if (!loop->posts)
      loop->posts_end = &loop->posts;
  }
  (void)pthread_mutex_unlock(&loop->lock);
  return post;
}

static bool has_posts(struct gw_loop *loop)
{
  bool answer;

  (void)pthread_mutex_lock(&loop->lock);
  answer = loop->posts != NULL;
  (void)pthread_mutex_unlock(&loop->lock);
  return answer;
}

/* Those queued now; one that a post makes waits for the next step. One at a
 * time from the queue, so that gw_loop_unpost works from a post. */
static void run_posts(struct gw_loop *loop)
{
  size_t count = 0;

  (void)pthread_mutex_lock(&loop->lock);
  for (const struct gw_post *p = loop->posts; p; p = p->next)
    count++;
  (void)pthread_mutex_unlock(&loop->lock);
  for (; count > 0; count--) {
    struct gw_post *post = take_post(loop);
    if (!post)
      return;
    post->fn(post);
  }
}

/* --- timers ------------------------------------------------------------ */

int gw_timer_start(struct gw_loop *loop, struct gw_timer *timer, uint64_t ms,
                   struct gw_err *err)
{
  return gw_timers_start(&loop->timers, timer, ms, err);
}

void gw_timer_stop(struct gw_loop *loop, struct gw_timer *timer)
{
  gw_timers_stop(&loop->timers, timer);
}

/* --- descriptors ------------------------------------------------------- */

void gw_watch_start(struct gw_loop *loop, struct gw_watch *watch)
{
  if (watch->on)
    return;
  watch->on = true;
  watch->turn = 0;
  watch->prev = NULL;
  watch->next = loop->watches;
  if (loop->watches)
    loop->watches->prev = watch;
  loop->watches = watch;
  loop->watch_count++;
}

void gw_watch_stop(struct gw_loop *loop, struct gw_watch *watch)
{
  if (!watch->on)
    return;
  watch->on = false;
  if (watch->turn) {
    loop->polled[watch->turn - 1] = NULL;
    watch->turn = 0;
  }
  if (watch->prev)
    watch->prev->next = watch->next;
  else
    loop->watches = watch->next;
  if (watch->next)
    watch->next->prev = watch->prev;
  watch->next = watch->prev = NULL;
  loop->watch_count--;
}

static int reserve_polled(struct gw_loop *loop, struct gw_err *err)
{
  size_t cap = loop->watch_count * 2 + 8;
  struct curl_waitfd *waits;
  struct pollfd *fds;
  struct gw_watch **polled;

  if (loop->watch_count <= loop->polled_cap)
    return 0;
  if ((waits = realloc(loop->waits, cap * sizeof(*waits))) != NULL)
    loop->waits = waits;
  if ((fds = realloc(loop->fds, cap * sizeof(*fds))) != NULL)
    loop->fds = fds;
  if ((polled = realloc(loop->polled, cap * sizeof(*polled))) != NULL)
    loop->polled = polled;
  if (!waits || !fds || !polled)
    return gw_err_set(err, GW_ENOMEM, "loop", "out of memory");
  loop->polled_cap = cap;
  return 0;
}

static int collect_watches(struct gw_loop *loop, struct gw_err *err)
{
  size_t n = 0;

  if (reserve_polled(loop, err) != 0)
    return -1;
  for (struct gw_watch *w = loop->watches; w; w = w->next) {
    short want = 0;
    w->turn = 0;
    if (w->events == 0)
      continue;
    if (w->events & POLLIN)
      want |= CURL_WAIT_POLLIN;
    if (w->events & POLLOUT)
      want |= CURL_WAIT_POLLOUT;
    loop->waits[n] = (struct curl_waitfd){.fd = w->fd, .events = want};
    loop->fds[n] = (struct pollfd){.fd = w->fd, .events = w->events};
    loop->polled[n] = w;
    w->turn = ++n;
  }
  loop->polled_count = n;
  return 0;
}

/* curl_multi_poll wakes for a hang-up but does not tell: ask once more. */
static void ask_watches(struct gw_loop *loop)
{
  if (loop->polled_count == 0)
    return;
  if (poll(loop->fds, (nfds_t)loop->polled_count, 0) < 0)
    for (size_t i = 0; i < loop->polled_count; i++)
      loop->fds[i].revents = 0; /* EINTR: the next step asks again */
}

static void run_watches(struct gw_loop *loop)
{
  for (size_t i = 0; i < loop->polled_count; i++) {
    struct gw_watch *w = loop->polled[i];
    short got = loop->fds[i].revents;
    if (!w || w->events == 0)
      continue;
    got &= (short)(w->events | POLLHUP | POLLERR | POLLNVAL);
    w->turn = 0;
    if (got)
      w->fn(w, got); /* may free it, and others */
  }
  loop->polled_count = 0;
}

/* --- HTTP transfers ---------------------------------------------------- */

CURLM *gw_loop_multi(struct gw_loop *loop)
{
  return loop->multi;
}

int gw_loop_add(struct gw_loop *loop, CURL *easy, struct gw_err *err)
{
  CURLMcode code = gw_fault("loop.add")
                       ? CURLM_OUT_OF_MEMORY
                       : curl_multi_add_handle(loop->multi, easy);

  if (code != CURLM_OK)
    return gw_err_set(err, code == CURLM_OUT_OF_MEMORY ? GW_ENOMEM : GW_EBUG,
                      "loop.add", "%s", curl_multi_strerror(code));
  return 0;
}

void gw_loop_remove(struct gw_loop *loop, CURL *easy)
{
  (void)curl_multi_remove_handle(loop->multi, easy);
}

static void finish_transfers(struct gw_loop *loop)
{
  CURLMsg *msg;
  int left;

  while ((msg = curl_multi_info_read(loop->multi, &left)) != NULL) {
    CURL *easy = msg->easy_handle;
    CURLcode code = msg->data.result;
    char *private = NULL;
    struct gw_transfer *transfer;

    if (msg->msg != CURLMSG_DONE)
      continue;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    (void)curl_multi_remove_handle(loop->multi, easy); /* msg is gone now */
    transfer = (struct gw_transfer *)(void *)private;
    transfer->done(transfer, code);
  }
}

/* --- signals ----------------------------------------------------------- */

/* The handler's world: a pipe to the loop, and whether one has asked us to
 * stop. One loop of the process has the signals. */
static int signal_pipe[2] = {-1, -1};
static volatile sig_atomic_t stop_asked;
static void (*volatile on_leave)(void);
static const int caught[] = {SIGINT, SIGTERM, SIGUSR1};
enum { CAUGHT = sizeof(caught) / sizeof(caught[0]) };

/* Real handlers, not a signalfd: the second Ctrl-C must work while Lua or a
 * library computes and the loop does not turn. */
static void on_signal(int signo)
{
  int saved = errno;
  unsigned char byte = (unsigned char)signo;

  if (signo != SIGUSR1) {
    if (stop_asked) {
      if (on_leave)
        on_leave();
      _exit(128 + signo);
    }
    stop_asked = 1;
  }
  while (write(signal_pipe[1], &byte, 1) < 0 && errno == EINTR)
    ;
  errno = saved;
}

bool gw_loop_stop_asked(void)
{
  return stop_asked != 0;
}

void gw_loop_stop_dealt(void)
{
  stop_asked = 0;
}

void gw_loop_on_leave(void (*fn)(void))
{
  on_leave = fn;
}

static void deliver_signals(struct gw_watch *watch, short revents)
{
  struct gw_loop *loop =
      (struct gw_loop *)(void *)((char *)watch -
                                 offsetof(struct gw_loop, signal_watch));
  unsigned char byte;

  (void)revents;
  while (read(watch->fd, &byte, 1) == 1)
    loop->signal_fn(loop->signal_arg, byte);
}

static int catch_signals(struct gw_err *err)
{
  struct sigaction sa, old;

  memset(&sa, 0, sizeof(sa));
  sa.sa_handler = on_signal;
  sa.sa_flags = SA_RESTART;
  (void)sigfillset(&sa.sa_mask);
  for (size_t i = 0; i < CAUGHT; i++) {
    if (sigaction(caught[i], NULL, &old) == 0 && caught[i] == SIGINT &&
        old.sa_handler == SIG_IGN)
      continue;
    if (sigaction(caught[i], &sa, NULL) != 0)
      return gw_err_errno(err, "loop.signals", "sigaction");
  }
  return 0;
}

static void drop_signals(struct gw_loop *loop)
{
  if (!loop->has_signals)
    return;
  for (size_t i = 0; i < CAUGHT; i++) {
    struct sigaction old;
    if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler == on_signal)
      (void)signal(caught[i], SIG_DFL);
  }
  gw_watch_stop(loop, &loop->signal_watch);
  (void)close(signal_pipe[0]);
  (void)close(signal_pipe[1]);
  signal_pipe[0] = signal_pipe[1] = -1;
  stop_asked = 0;
}

int gw_loop_signals(struct gw_loop *loop, gw_signal_fn *fn, void *arg,
                    struct gw_err *err)
{
  assert(signal_pipe[0] < 0);
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
    return gw_err_errno(err, "loop.signals", "pipe");
  loop->has_signals = true;
  loop->signal_fn = fn;
  loop->signal_arg = arg;
  loop->signal_watch = (struct gw_watch){
      .fd = signal_pipe[0], .events = POLLIN, .fn = deliver_signals};
  gw_watch_start(loop, &loop->signal_watch);
  return catch_signals(err);
}

/* --- the loop ---------------------------------------------------------- */

int gw_loop_new(struct gw_loop **out, struct gw_err *err)
{
  struct gw_loop *loop;

  if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
    return gw_err_set(err, GW_ENOMEM, "loop", "curl does not start");
  loop = gw_fault("loop.new") ? NULL : calloc(1, sizeof(*loop));
  if (!loop)
    return gw_err_set(err, GW_ENOMEM, "loop", "out of memory");
  loop->posts_end = &loop->posts;
  (void)pthread_mutex_init(&loop->lock, NULL);
  loop->multi = curl_multi_init();
  if (!loop->multi) {
    gw_loop_free(loop);
    return gw_err_set(err, GW_ENOMEM, "loop", "out of memory");
  }
  (void)signal(SIGPIPE, SIG_IGN);
  (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error */
  *out = loop;
  return 0;
}

void gw_loop_free(struct gw_loop *loop)
{
  if (!loop)
    return;
  drop_signals(loop);
  gw_timers_dispose(&loop->timers);
  if (loop->multi)
    (void)curl_multi_cleanup(loop->multi);
  (void)pthread_mutex_destroy(&loop->lock);
  free(loop->waits);
  free(loop->fds);
  free(loop->polled);
  free(loop);
}

static int time_to_wait(struct gw_loop *loop, bool block)
{
  int ms;

  if (!block || has_posts(loop))
    return 0;
  ms = gw_timers_wait(&loop->timers);
  return ms < 0 ? INT_MAX : ms;
}

static int fail(struct gw_err *err, CURLMcode code)
{
  return gw_err_set(err, code == CURLM_OUT_OF_MEMORY ? GW_ENOMEM : GW_EBUG,
                    "loop", "%s", curl_multi_strerror(code));
}

int gw_loop_step(struct gw_loop *loop, bool block, struct gw_err *err)
{
  CURLMcode code;
  int running;

  if (collect_watches(loop, err) != 0)
    return -1;
  /* curl shortens the wait by its own timers; a transfer just added or
   * unpaused makes it 0. */
  code = curl_multi_poll(loop->multi, loop->waits, (unsigned)loop->polled_count,
                         time_to_wait(loop, block), NULL);
  if (code != CURLM_OK)
    return fail(err, code);
  ask_watches(loop);
  code = curl_multi_perform(loop->multi, &running);
  if (code != CURLM_OK)
    return fail(err, code);
  finish_transfers(loop);
  run_watches(loop);
  run_posts(loop);
  gw_timers_run(&loop->timers);
  return 0;
}
