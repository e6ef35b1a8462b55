#include "async/process.h"

#include "base/buf.h"
#include "base/fault.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  QUEUE_MAX = 256 * 1024, /* bytes on their way to the child */
  READ_PAUSE = 64 * 1024, /* unread bytes that make us stop reading */
  READ_CHUNK = 64 * 1024
};

struct stream {          /* the child's stdout or stderr */
  struct gw_watch watch; /* first member */
  struct gw_process *process;
  struct gw_buf fresh; /* read from the pipe, not yet asked for */
  struct gw_buf given; /* what the last gw_process_read returned */
};

struct gw_process {
  struct gw_loop *loop;
  void (*changed)(void *arg);
  void *arg;
  pid_t pid;
  bool group;
  bool ended;
  int code;
  struct exit_watch {
    struct gw_watch watch; /* first member; a pidfd */
    struct gw_process *process;
  } end;
  struct exit_timer {
    struct gw_timer timer; /* first member; used where there are no pidfds */
    struct gw_process *process;
    uint64_t ms;
  } look;
  struct in_watch {
    struct gw_watch watch; /* first member */
    struct gw_process *process;
  } in;
  struct gw_buf queue;
  bool closing; /* close stdin when the queue is empty */
  struct stream out[2];
};

static void tell(struct gw_process *p)
{
  if (p->changed)
    p->changed(p->arg); /* may free p */
}

static void close_watch(struct gw_process *p, struct gw_watch *watch)
{
  gw_watch_stop(p->loop, watch);
  if (watch->fd >= 0)
    (void)close(watch->fd);
  watch->fd = -1;
}

/* --- to the child ------------------------------------------------------ */

/* Writes what the pipe takes now. False: the child closed its end. */
static bool flush_queue(struct gw_process *p)
{
  while (p->queue.len > 0) {
    ssize_t n = write(p->in.watch.fd, p->queue.data, p->queue.len);
    if (n > 0)
      gw_buf_consume(&p->queue, (size_t)n);
    else if (n < 0 && errno == EAGAIN)
      break;
    else if (n < 0 && errno != EINTR)
      return false;
  }
  return true;
}

static void settle_in(struct gw_process *p)
{
  if (!flush_queue(p) || (p->queue.len == 0 && p->closing)) {
    gw_buf_clear(&p->queue);
    close_watch(p, &p->in.watch);
    return;
  }
  p->in.watch.events = p->queue.len ? POLLOUT : 0;
}

static void on_writable(struct gw_watch *watch, short revents)
{
  struct gw_process *p = ((struct in_watch *)(void *)watch)->process;

  (void)revents; /* a hang-up shows as EPIPE */
  settle_in(p);
  tell(p);
}

ssize_t gw_process_write(struct gw_process *p, const char *data, size_t len,
                         struct gw_err *err)
{
  size_t room = QUEUE_MAX - p->queue.len;

  if (p->in.watch.fd < 0 || p->closing)
    return gw_err_set(err, GW_EIO, "process.write",
                      "the program has closed its input");
  if (len > room)
    len = room;
  if (len && gw_buf_append(&p->queue, data, len, err) != 0)
    return -1;
  p->in.watch.events = p->queue.len ? POLLOUT : 0;
  return (ssize_t)len;
}

void gw_process_close_in(struct gw_process *p)
{
  p->closing = true;
  if (p->in.watch.fd >= 0 && p->queue.len == 0)
    close_watch(p, &p->in.watch);
}

/* --- from the child ---------------------------------------------------- */

static void on_readable(struct gw_watch *watch, short revents)
{
  struct stream *s = (struct stream *)(void *)watch;
  struct gw_process *p = s->process;
  char chunk[READ_CHUNK];
  ssize_t n = read(watch->fd, chunk, sizeof(chunk));

  (void)revents;
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n <= 0 || gw_buf_append(&s->fresh, chunk, (size_t)n, NULL) != 0)
    close_watch(p, watch); /* no memory: a cut stream, never a wrong one */
  else if (s->fresh.len >= READ_PAUSE)
    watch->events = 0;
  tell(p);
}

size_t gw_process_read(struct gw_process *p, int fd, const char **data,
                       bool *eof)
{
  struct stream *s = &p->out[fd == 2];
  struct gw_buf spare = s->given;

  assert(fd == 1 || fd == 2);
  gw_buf_clear(&spare);
  s->given = s->fresh;
  s->fresh = spare;
  s->watch.events = POLLIN;
  *data = s->given.data;
  *eof = s->given.len == 0 && s->watch.fd < 0;
  return s->given.len;
}

/* --- its end ----------------------------------------------------------- */

static void reap(struct gw_process *p, int flags)
{
  int status;
  pid_t got;

  do
    got = waitpid(p->pid, &status, flags);
  while (got < 0 && errno == EINTR);
  if (got == 0)
    return;
  p->ended = true;
  if (got < 0)
    p->code = 127; /* reaped by somebody else: not ours to know */
  else
    p->code =
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  close_watch(p, &p->end.watch);
  gw_timer_stop(p->loop, &p->look.timer);
}

static void on_end(struct gw_watch *watch, short revents)
{
  struct gw_process *p = ((struct exit_watch *)(void *)watch)->process;

  (void)revents;
  reap(p, WNOHANG);
  if (p->ended)
    tell(p);
}

/* Old kernels and valgrind know no pidfd: look now and then. */
static void on_look(struct gw_timer *timer)
{
  struct exit_timer *look = (struct exit_timer *)(void *)timer;
  struct gw_process *p = look->process;

  reap(p, WNOHANG);
  if (p->ended) {
    tell(p);
    return;
  }
  look->ms = look->ms < 50 ? look->ms * 2 : 100;
  (void)gw_timer_start(p->loop, timer, look->ms, NULL); /* has room: just ran */
}

static int watch_end(struct gw_process *p, struct gw_err *err)
{
  p->end.watch.fd = pidfd_open(p->pid, 0); /* close-on-exec by itself */
  if (p->end.watch.fd >= 0) {
    gw_watch_start(p->loop, &p->end.watch);
    return 0;
  }
  if (errno != ENOSYS && errno != EPERM)
    return gw_err_errno(err, "process.start", "pidfd_open");
  p->look = (struct exit_timer){{.fn = on_look}, p, 5};
  return gw_timer_start(p->loop, &p->look.timer, p->look.ms, err);
}

bool gw_process_ended(const struct gw_process *p, int *code)
{
  if (p->ended && code)
    *code = p->code;
  return p->ended;
}

pid_t gw_process_pid(const struct gw_process *p)
{
  return p->pid;
}

void gw_process_kill(struct gw_process *p, int signo)
{
  if (!p->ended) /* not reaped: the number is still its own */
    (void)kill(p->group ? -p->pid : p->pid, signo);
}

void gw_process_free(struct gw_process *p)
{
  if (!p)
    return;
  if (p->pid > 0 && !p->ended) {
    gw_process_kill(p, SIGKILL);
    reap(p, 0);
  }
  close_watch(p, &p->end.watch);
  gw_timer_stop(p->loop, &p->look.timer);
  close_watch(p, &p->in.watch);
  gw_buf_dispose(&p->queue);
  for (int i = 0; i < 2; i++) {
    close_watch(p, &p->out[i].watch);
    gw_buf_dispose(&p->out[i].fresh);
    gw_buf_dispose(&p->out[i].given);
  }
  free(p);
}

/* --- start ------------------------------------------------------------- */

struct plumbing { /* the child's ends; -1: not piped */
  int in, out, err;
};

/* Above 2, or the child's dup2 calls would tread on each other. */
static int lift(int *fd)
{
  int high;

  if (*fd > 2)
    return 0;
  high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
  if (high < 0)
    return -1;
  (void)close(*fd);
  *fd = high;
  return 0;
}

/* ends[0] reads, ends[1] writes; `ours` is the one that must not block. */
static int make_pipe(int *reader, int *writer, int *ours)
{
  int ends[2];

  if (gw_fault("process.pipe")) {
    errno = EMFILE;
    return -1;
  }
  if (pipe2(ends, O_CLOEXEC) != 0)
    return -1;
  *reader = ends[0];
  *writer = ends[1];
  if (lift(reader) != 0 || lift(writer) != 0)
    return -1;
  return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int make_pipes(struct gw_process *p, struct plumbing *pipes,
                      const struct gw_process_opts *opts)
{
  int *in = &p->in.watch.fd;
  int *out = &p->out[0].watch.fd;
  int *err = &p->out[1].watch.fd;

  if (opts->pipe_in && make_pipe(&pipes->in, in, in) != 0)
    return -1;
  if (opts->pipe_out && make_pipe(out, &pipes->out, out) != 0)
    return -1;
  if (opts->pipe_err && make_pipe(err, &pipes->err, err) != 0)
    return -1;
  return 0;
}

static int plan_files(posix_spawn_file_actions_t *fa,
                      const struct plumbing *pipes,
                      const struct gw_process_opts *opts)
{
  int rc;

  rc = pipes->in >= 0
           ? posix_spawn_file_actions_adddup2(fa, pipes->in, 0)
           : posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
  if (rc == 0)
    rc = pipes->out >= 0 ? posix_spawn_file_actions_adddup2(fa, pipes->out, 1)
                         : posix_spawn_file_actions_addopen(fa, 1, "/dev/null",
                                                            O_WRONLY, 0);
  if (rc == 0 && pipes->err >= 0)
    rc = posix_spawn_file_actions_adddup2(fa, pipes->err, 2);
  if (rc == 0 && opts->cwd)
    rc = posix_spawn_file_actions_addchdir_np(fa, opts->cwd);
  if (rc == 0)
    rc = posix_spawn_file_actions_addclosefrom_np(fa, 3);
  return rc;
}

/* A child starts as if from a shell: no signal ignored or blocked by us. */
static int plan_signals(posix_spawnattr_t *attr, bool group)
{
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  sigset_t set;
  int rc;

  if (group)
    flags |= POSIX_SPAWN_SETPGROUP;
  (void)sigfillset(&set);
  (void)sigdelset(&set, SIGKILL);
  (void)sigdelset(&set, SIGSTOP);
  rc = posix_spawnattr_setsigdefault(attr, &set);
  (void)sigemptyset(&set);
  if (rc == 0)
    rc = posix_spawnattr_setsigmask(attr, &set);
  if (rc == 0)
    rc = posix_spawnattr_setflags(attr, flags);
  return rc; /* the group's number 0, "its own", is the default */
}

/* Returns an errno, 0 on success. */
static int spawn(pid_t *pid, const struct plumbing *pipes,
                 const struct gw_process_opts *opts)
{
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  int rc = gw_fault("process.spawn") ? EAGAIN : 0;

  if (rc != 0 || (rc = posix_spawn_file_actions_init(&fa)) != 0)
    return rc;
  if ((rc = posix_spawnattr_init(&attr)) == 0) {
    rc = plan_files(&fa, pipes, opts);
    if (rc == 0)
      rc = plan_signals(&attr, opts->group);
    if (rc == 0)
      rc = posix_spawnp(pid, opts->argv[0], &fa, &attr,
                        (char *const *)(const void *)opts->argv,
                        opts->env ? (char *const *)(const void *)opts->env
                                  : environ);
    (void)posix_spawnattr_destroy(&attr);
  }
  (void)posix_spawn_file_actions_destroy(&fa);
  return rc;
}

static void init(struct gw_process *p, struct gw_loop *loop,
                 const struct gw_process_opts *opts)
{
  p->loop = loop;
  p->changed = opts->changed;
  p->arg = opts->arg;
  p->group = opts->group;
  p->end.process = p->in.process = p;
  p->end.watch = (struct gw_watch){.fd = -1, .events = POLLIN, .fn = on_end};
  p->in.watch = (struct gw_watch){.fd = -1, .fn = on_writable};
  for (int i = 0; i < 2; i++) {
    p->out[i].process = p;
    p->out[i].watch =
        (struct gw_watch){.fd = -1, .events = POLLIN, .fn = on_readable};
  }
}

static void watch_pipes(struct gw_process *p)
{
  if (p->in.watch.fd >= 0)
    gw_watch_start(p->loop, &p->in.watch);
  for (int i = 0; i < 2; i++)
    if (p->out[i].watch.fd >= 0)
      gw_watch_start(p->loop, &p->out[i].watch);
}

static void close_child_ends(const struct plumbing *pipes)
{
  if (pipes->in >= 0)
    (void)close(pipes->in);
  if (pipes->out >= 0)
    (void)close(pipes->out);
  if (pipes->err >= 0)
    (void)close(pipes->err);
}

int gw_process_start(struct gw_process **out, struct gw_loop *loop,
                     const struct gw_process_opts *opts, struct gw_err *err)
{
  struct plumbing pipes = {-1, -1, -1};
  struct gw_process *p = calloc(1, sizeof(*p));
  int rc = -1;

  if (!p)
    return gw_err_set(err, GW_ENOMEM, "process.start", "out of memory");
  init(p, loop, opts);
  /* Told apart here: posix_spawn says ENOENT for a missing folder, too. */
  if (opts->cwd && access(opts->cwd, X_OK) != 0) {
    gw_err_errno(err, "process.start", opts->cwd);
    goto out;
  }
  if (make_pipes(p, &pipes, opts) != 0) {
    gw_err_errno(err, "process.start", "pipe");
    goto out;
  }
  errno = spawn(&p->pid, &pipes, opts);
  if (errno != 0) {
    p->pid = 0;
    gw_err_errno(err, "process.start", opts->argv[0]);
    goto out;
  }
  if (watch_end(p, err) != 0)
    goto out;
  watch_pipes(p);
  *out = p;
  p = NULL; /* the caller's now */
  rc = 0;
out:
  close_child_ends(&pipes);
  gw_process_free(p);
  return rc;
}
