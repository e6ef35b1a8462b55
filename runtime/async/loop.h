/*
 * loop: the one loop of the process. It waits in curl_multi_poll for HTTP
 * transfers, watched descriptors, timers, signals and posts from workers.
 *
 * Threads:   everything belongs to the loop thread but gw_loop_post and
 *            gw_loop_wake.
 * Callbacks: never run inside the call that starts something; they run from
 *            gw_loop_step. They may start and stop anything, themselves too.
 */
#ifndef GW_ASYNC_LOOP_H
#define GW_ASYNC_LOOP_H

#include "base/err.h"

#include <curl/multi.h>
#include <stdint.h>

struct gw_loop;

int gw_loop_new(struct gw_loop **out, struct gw_err *err);
void gw_loop_free(struct gw_loop *loop); /* accepts NULL */

/* Handles what is ready; waits for something first if `block`. Returns -1
 * only for a fault of the loop itself. No busy waiting: with block it sleeps
 * until the next timer, event, post or signal. */
int gw_loop_step(struct gw_loop *loop, bool block, struct gw_err *err);

/* --- posts: the way from a worker to the loop -------------------------- */
struct gw_post {
  void (*fn)(struct gw_post *post); /* loop thread; owns post from here on */
  struct gw_post *next;
};
void gw_loop_post(struct gw_loop *loop, struct gw_post *post); /* any thread */
void gw_loop_wake(struct gw_loop *loop);                       /* any thread */
/* Takes back a post that has not run (loop thread); false: not in the queue. */
bool gw_loop_unpost(struct gw_loop *loop, struct gw_post *post);

/* --- timers ------------------------------------------------------------ */
struct gw_timer {
  void (*fn)(struct gw_timer *timer);
  uint64_t due; /* private from here */
  uint64_t seq;
  size_t slot;  /* 0: not started */
};
/* Restarts a started one. ms may be 0. */
int gw_timer_start(struct gw_loop *loop, struct gw_timer *timer, uint64_t ms,
                   struct gw_err *err);
void gw_timer_stop(struct gw_loop *loop, struct gw_timer *timer);

/* --- descriptors ------------------------------------------------------- */
struct gw_watch {
  int fd;
  short events; /* POLLIN, POLLOUT; may be changed at any time; 0 pauses */
  void (*fn)(struct gw_watch *watch, short revents);
  struct gw_watch *next, *prev; /* private from here */
  size_t turn; /* place in this step's results, counted from 1 */
  bool on;
};
/* POLLHUP, POLLERR and POLLNVAL are delivered too, unless paused: a callback
 * that meets them stops or pauses the watch. */
void gw_watch_start(struct gw_loop *loop, struct gw_watch *watch);
void gw_watch_stop(struct gw_loop *loop, struct gw_watch *watch);

/* --- HTTP transfers (for net only) ------------------------------------- */
/* done() runs after the handle has left the multi handle. */
struct gw_transfer { /* CURLOPT_PRIVATE of the easy handle points to it */
  void (*done)(struct gw_transfer *transfer, CURLcode code);
};
CURLM *gw_loop_multi(struct gw_loop *loop);
int gw_loop_add(struct gw_loop *loop, CURL *easy, struct gw_err *err);
void gw_loop_remove(struct gw_loop *loop, CURL *easy); /* done is not called */

/* --- signals ----------------------------------------------------------- */
/* SIGINT, SIGTERM, SIGUSR1 arrive as calls on the loop thread. SIGPIPE and
 * SIGXFSZ are ignored (from gw_loop_new on). A second SIGINT/SIGTERM ends the
 * process at once (130/143), whatever it is doing. A SIGINT that was ignored when the
 * process started stays ignored: a shell does this to what runs behind it. */
typedef void gw_signal_fn(void *arg, int signo);
int gw_loop_signals(struct gw_loop *loop, gw_signal_fn *fn, void *arg,
                    struct gw_err *err);

/* Whether SIGINT or SIGTERM came, even if the loop has not turned since. Safe
 * in a signal handler. */
bool gw_loop_stop_asked(void);

/* What was asked is dealt with (a prompt that lives on): the next signal is a
 * first one again. */
void gw_loop_stop_dealt(void);

/* Called before a second signal ends the process; in its handler, so fn must
 * be safe there. NULL: nothing. */
void gw_loop_on_leave(void (*fn)(void));

#endif
