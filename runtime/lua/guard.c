#include "lua/guard.h"

#include "async/loop.h"
#include "lua/err.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_NS 10000000L /* how often an expired guard looks again */

struct gw_runaway {
  timer_t timer;
  double seconds;         /* of every resume */
  volatile double limit;  /* of this one */
  double budget;          /* what it was told to do with, 0: nothing */
  volatile sig_atomic_t running, expired;
  struct gw_runaway_frame root;
  struct gw_runaway_frame *volatile current; /* NULL: no task runs */
  struct timespec started;                   /* CPU time at the resume */
  int signo;
};

static struct gw_runaway *volatile the_guard; /* for the handler */

static void stop_script(lua_State *L, lua_Debug *ar)
{
  struct gw_runaway *guard = the_guard;

  (void)ar;
  if (!guard || !guard->expired) { /* a coroutine that outlived its task's */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  /* The hook stays, or pcall would swallow the error for ever; the coroutines
   * that wait for this one get it, too. */
  for (struct gw_runaway_frame *f = guard->current; f; f = f->outer)
    lua_sethook(f->co, stop_script, LUA_MASKCOUNT, 1);
  if (gw_loop_stop_asked())
    gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  if (guard->budget > 0 && guard->limit < guard->seconds)
    gw_lua_throw(L, GW_ELIMIT, NULL, "stopped: computed for %g seconds",
                 guard->budget);
  gw_lua_throw(L, GW_ELIMIT, NULL,
               "stopped: computed for %g seconds without waiting",
               guard->seconds);
}

static double cpu_since(const struct timespec *from)
{
  struct timespec now;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)(now.tv_sec - from->tv_sec) +
         (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static void set_timer(struct gw_runaway *guard, double seconds)
{
  struct itimerspec spec = {{0, TICK_NS}, {0, 0}};

  if (seconds > 1)
    seconds = 1; /* to see a Ctrl-C soon */
  spec.it_value.tv_sec = (time_t)seconds;
  spec.it_value.tv_nsec =
      (long)((seconds - (double)spec.it_value.tv_sec) * 1e9);
  if (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec < TICK_NS)
    spec.it_value.tv_nsec = TICK_NS;
  if (seconds > 0.02) /* only an expired guard ticks */
    memset(&spec.it_interval, 0, sizeof(spec.it_interval));
  timer_settime(guard->timer, 0, &spec, NULL);
}

/* After how much computing a call that no hook reaches ends the process. */
static double last_resort(const struct gw_runaway *guard)
{
  bool told = guard->budget > 0 && guard->limit < guard->seconds;

  return (told ? guard->budget : guard->seconds) * 2 + 1;
}

static void say(const char *text)
{
  ssize_t ignored = write(2, text, strlen(text));

  (void)ignored;
}

/* The process is about to end, inside a call into C that does not: the calls
 * below it stand still, and asking where they are allocates nothing. */
static void say_where(lua_State *co)
{
  lua_Debug ar;
  char digits[16], *p = digits + sizeof(digits);
  int level, line;

  for (level = 0; co && lua_getstack(co, level, &ar); level++) {
    if (!lua_getinfo(co, "Sl", &ar) || ar.currentline <= 0 ||
        strncmp(ar.short_src, "lualib/", 7) == 0)
      continue;
    *--p = '\0';
    for (line = ar.currentline; line > 0; line /= 10)
      *--p = (char)('0' + line % 10);
    say(ar.short_src);
    say(":");
    say(p);
    say(": ");
    return;
  }
}

/* On the Lua thread, between any two instructions of it: lua_sethook is made
 * for this, and nothing else here touches Lua while the process goes on. */
static void on_signal(int signo)
{
  struct gw_runaway *guard = the_guard;
  int saved = errno;
  double used;

  (void)signo;
  if (guard && guard->running) {
    double limit = guard->limit;
    if (limit > 1 && gw_loop_stop_asked())
      limit = 1;
    used = cpu_since(&guard->started);
    if (used < limit) {
      set_timer(guard, limit - used);
    } else if (used > last_resort(guard)) {
      say("godwit: ");
      say_where(guard->current ? guard->current->co : NULL);
      say("a call of the script does not end; the process stops here\n");
      _exit(1);
    } else {
      if (!guard->expired) {
        guard->expired = 1;
        set_timer(guard, 0.01);
      }
      if (guard->current)
        lua_sethook(guard->current->co, stop_script, LUA_MASKCOUNT, 1);
    }
  } else if (guard) {
    set_timer(guard, guard->seconds);
  }
  errno = saved;
}

/* The thread sanitizer holds a signal back until the thread calls something
 * that it knows, which a loop in Lua never does: past it, to libc itself. */
#ifdef __SANITIZE_THREAD__
extern int __sigaction(int signo, const struct sigaction *action,
                       struct sigaction *old);
#define sigaction(signo, action, old) __sigaction(signo, action, old)
#endif

int gw_runaway_new(struct gw_runaway **out, double cpu_seconds,
                   struct gw_err *err)
{
  struct gw_runaway *guard = calloc(1, sizeof(*guard));
  struct sigevent event;
  struct sigaction action;

  if (!guard)
    return gw_err_set(err, GW_ENOMEM, "guard.new", "out of memory");
  guard->seconds = guard->limit = cpu_seconds;
  guard->signo = SIGRTMIN + 4;
  memset(&action, 0, sizeof(action));
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  memset(&event, 0, sizeof(event));
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = guard->signo;
  event.sigev_notify_thread_id = gettid();
  if (sigaction(guard->signo, &action, NULL) != 0 ||
      timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &guard->timer) != 0) {
    gw_err_errno(err, "guard.new", "timer");
    free(guard);
    return -1;
  }
  the_guard = guard;
  set_timer(guard, cpu_seconds);
  *out = guard;
  return 0;
}

void gw_runaway_free(struct gw_runaway *guard)
{
  if (!guard)
    return;
  timer_delete(guard->timer);
  the_guard = NULL;
  free(guard);
}

void gw_runaway_begin(struct gw_runaway *guard, lua_State *co)
{
  if (!guard)
    return;
  guard->limit = guard->seconds;
  guard->budget = 0;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &guard->started);
  guard->root.co = co;
  guard->root.outer = NULL;
  guard->current = &guard->root;
  guard->running = 1;
}

void gw_runaway_limit(struct gw_runaway *guard, double left, double budget)
{
  if (!guard)
    return;
  guard->budget = budget;
  guard->limit = left < guard->seconds ? left : guard->seconds;
  left = guard->limit - cpu_since(&guard->started);
  if (guard->expired)
    return;
  if (left <= 0) { /* short turns would never see the timer */
    guard->expired = 1;
    if (guard->current)
      lua_sethook(guard->current->co, stop_script, LUA_MASKCOUNT, 1);
    left = 0.01;
  }
  set_timer(guard, left);
}

double gw_runaway_used(const struct gw_runaway *guard)
{
  return guard ? cpu_since(&guard->started) : 0;
}

void gw_runaway_end(struct gw_runaway *guard)
{
  if (!guard)
    return;
  guard->running = 0;
  if (guard->expired) {
    guard->expired = 0;
    lua_sethook(guard->root.co, NULL, 0, 0); /* stop_script tidies others */
    set_timer(guard, guard->seconds);
  }
  guard->current = NULL;
}

void gw_runaway_enter(struct gw_runaway *guard, struct gw_runaway_frame *frame,
                      lua_State *co)
{
  frame->co = co;
  frame->outer = guard->current;
  guard->current = frame;
}

void gw_runaway_leave(struct gw_runaway *guard)
{
  guard->current = guard->current->outer;
}

bool gw_runaway_expired(const struct gw_runaway *guard)
{
  return guard->expired != 0;
}
