#include "term/edit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define HISTORY 1000 /* lines the arrow keys go back to */

/* What is written into the wake pipe. */
enum { WAKE_STOP = 's', WAKE_RESIZED = 'w', WAKE_CONTINUED = 'c' };

struct gw_edit {
  struct gw_loop *loop;
  struct gw_edit_events events;
  EditLine *el;
  History *history;
  FILE *out;
  locale_t utf8; /* whatever the environment's is: all texts here are */

  bool reading; /* the loop thread's: a thread is to be joined */
  pthread_t thread;
  char *prompt, *line; /* line: the thread's until `ended` is posted */
  struct gw_post ended, asked;

  pthread_mutex_t lock; /* guards the rest */
  pthread_cond_t answered;
  bool stopping, waiting;
  char *before, *insert, *list;
};

/* --- the terminal and signals ------------------------------------------- */

/* A handler's world. One line is read at a time in a process. */
static int wake_pipe[2] = {-1, -1};
static volatile sig_atomic_t changed; /* the terminal is not as it was */
static struct termios as_it_was;

static const int watched[] = {SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
enum { WATCHED = sizeof(watched) / sizeof(watched[0]) };
static struct sigaction before[WATCHED];

static void restore(void)
{
  if (changed)
    (void)tcsetattr(0, TCSANOW, &as_it_was);
}

static void wake(char what)
{
  while (write(wake_pipe[1], &what, 1) < 0 && errno == EINTR)
    ;
}

static void on_signal(int signo)
{
  int saved = errno;

  switch (signo) {
  case SIGWINCH:
    wake(WAKE_RESIZED);
    break;
  case SIGCONT:
    wake(WAKE_CONTINUED); /* which catches SIGTSTP again, too */
    break;
  default:
    restore();
    (void)signal(signo, SIG_DFL);
    (void)raise(signo); /* when this returns */
  }
  errno = saved;
}

static void catch_one(size_t i, struct sigaction *old)
{
  struct sigaction action;

  memset(&action, 0, sizeof(action));
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  (void)sigfillset(&action.sa_mask);
  (void)sigaction(watched[i], &action, old);
}

static void take_terminal(void)
{
  changed = tcgetattr(0, &as_it_was) == 0;
  for (size_t i = 0; i < WATCHED; i++)
    catch_one(i, &before[i]);
}

static void give_terminal(void)
{
  restore(); /* libedit has; unless it was cut short */
  changed = 0;
  for (size_t i = 0; i < WATCHED; i++)
    (void)sigaction(watched[i], &before[i], NULL);
}

/* --- the thread of a line ----------------------------------------------- */

static void continued(EditLine *el)
{
  for (size_t i = 0; i < WATCHED; i++) {
    if (watched[i] == SIGTSTP)
      catch_one(i, NULL);
  }
  (void)el_set(el, EL_PREP_TERM, 1);
  (void)el_set(el, EL_REFRESH);
}

/* Handles what was written into the wake pipe; true: stop. */
static bool woken(EditLine *el)
{
  char what;

  while (read(wake_pipe[0], &what, 1) == 1) {
    if (what == WAKE_STOP)
      return true;
    if (what == WAKE_RESIZED)
      el_resize(el);
    else
      continued(el);
  }
  return false;
}

/* A byte, or -1 at the end or when it is time to stop. */
static int get_byte(EditLine *el)
{
  struct pollfd fds[2] = {{.fd = 0, .events = POLLIN},
                          {.fd = wake_pipe[0], .events = POLLIN}};
  unsigned char byte;
  ssize_t n;

  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
      return -1;
    if (woken(el))
      return -1;
    if (!(fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
      continue;
    n = read(0, &byte, 1);
    if (n == 1 && byte == 0) /* a Ctrl-D typed before its time */
      continue;
    if (n == 1)
      return byte;
    if (n == 0 || (errno != EINTR && errno != EAGAIN))
      return -1;
  }
}

/* libedit's reader of one character; what is no UTF-8 becomes U+FFFD. */
static int get_char(EditLine *el, wchar_t *out)
{
  int byte = get_byte(el);
  int more = 0;
  uint32_t c, least = 0;

  if (byte < 0)
    return -1;
  c = (uint32_t)byte;
  if (byte >= 0xf0 && byte < 0xf5)
    more = 3, c &= 7, least = 0x10000;
  else if (byte >= 0xe0 && byte < 0xf0)
    more = 2, c &= 15, least = 0x800;
  else if (byte >= 0xc2 && byte < 0xe0)
    more = 1, c &= 31;
  else if (byte >= 0x80)
    c = 0xfffd;
  for (; more > 0; more--) {
    byte = get_byte(el);
    if (byte < 0)
      return -1;
    c = (byte & 0xc0) == 0x80 ? c << 6 | ((uint32_t)byte & 63) : 0xfffd;
    if (c == 0xfffd)
      break;
  }
  if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    c = 0xfffd;
  *out = (wchar_t)c;
  return 1;
}

static struct gw_edit *edit_of(EditLine *el)
{
  void *edit = NULL;

  (void)el_get(el, EL_CLIENTDATA, &edit);
  return edit;
}

static char *prompt_of(EditLine *el)
{
  return edit_of(el)->prompt;
}

/* Asks the loop thread; false: there was no answer. */
static bool ask(struct gw_edit *edit, const LineInfo *line, char **insert,
                char **list)
{
  size_t len = (size_t)(line->cursor - line->buffer);
  bool answer;

  (void)pthread_mutex_lock(&edit->lock);
  edit->before = strndup(line->buffer, len);
  edit->waiting = edit->before != NULL && !edit->stopping;
  if (edit->waiting)
    gw_loop_post(edit->loop, &edit->asked);
  answer = edit->waiting;
  while (edit->waiting && !edit->stopping)
    (void)pthread_cond_wait(&edit->answered, &edit->lock);
  answer = answer && !edit->waiting;
  edit->waiting = false;
  *insert = edit->insert;
  *list = edit->list;
  free(edit->before);
  edit->before = edit->insert = edit->list = NULL;
  (void)pthread_mutex_unlock(&edit->lock);
  return answer;
}

static unsigned char on_tab(EditLine *el, int key)
{
  struct gw_edit *edit = edit_of(el);
  char *insert = NULL, *list = NULL;
  unsigned char result = CC_REFRESH;

  (void)key;
  if (!ask(edit, el_line(el), &insert, &list)) {
    result = CC_EOF;
  } else if (insert && *insert) {
    if (el_insertstr(el, insert) != 0)
      result = CC_REFRESH_BEEP;
  } else if (list && *list) {
    fprintf(edit->out, "\n%s\n", list);
    result = CC_REDISPLAY;
  } else {
    result = CC_REFRESH_BEEP;
  }
  free(insert);
  free(list);
  return result;
}

static void *read_line(void *arg)
{
  struct gw_edit *edit = arg;
  const char *text;
  int n = 0;

  (void)uselocale(edit->utf8);
  /* libedit does it after its prompt: a key typed in between would be lost. */
  (void)el_set(edit->el, EL_PREP_TERM, 1);
  text = el_gets(edit->el, &n);
  if (text && n > 0) {
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
      n--;
    edit->line = strndup(text, (size_t)n);
  }
  gw_loop_post(edit->loop, &edit->ended);
  return NULL;
}

/* --- the loop thread ---------------------------------------------------- */

static void finish(struct gw_edit *edit)
{
  (void)pthread_join(edit->thread, NULL);
  edit->reading = false;
  give_terminal();
}

static void on_ended(struct gw_post *post)
{
  struct gw_edit *edit =
      (struct gw_edit *)(void *)((char *)post - offsetof(struct gw_edit, ended));
  char *line = edit->line;

  edit->line = NULL;
  finish(edit);
  edit->events.line(edit->events.arg, line);
  free(line);
}

static void on_asked(struct gw_post *post)
{
  struct gw_edit *edit =
      (struct gw_edit *)(void *)((char *)post - offsetof(struct gw_edit, asked));

  /* The thread waits: `before` stays. */
  edit->events.tab(edit->events.arg, edit->before, strlen(edit->before));
}

void gw_edit_complete(struct gw_edit *edit, const char *insert,
                      const char *list)
{
  (void)pthread_mutex_lock(&edit->lock);
  edit->insert = insert ? strdup(insert) : NULL;
  edit->list = list ? strdup(list) : NULL;
  edit->waiting = false;
  (void)pthread_cond_signal(&edit->answered);
  (void)pthread_mutex_unlock(&edit->lock);
}

static int open_libedit(struct gw_edit *edit, struct gw_err *err)
{
  locale_t mine = uselocale(edit->utf8);
  HistEvent event;
  int fd = fcntl(1, F_DUPFD_CLOEXEC, 3);

  edit->out = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (!edit->out) {
    if (fd >= 0)
      (void)close(fd);
    (void)uselocale(mine);
    return gw_err_errno(err, "edit.new", "stdout");
  }
  edit->el = el_init_fd("godwit", stdin, edit->out, edit->out, 0, fd, fd);
  edit->history = history_init();
  if (!edit->el || !edit->history) {
    (void)uselocale(mine);
    return gw_err_set(err, GW_EIO, "edit.new", "the terminal does not work");
  }
  (void)history(edit->history, &event, H_SETSIZE, HISTORY);
  (void)history(edit->history, &event, H_SETUNIQUE, 1);
  (void)el_set(edit->el, EL_CLIENTDATA, edit);
  (void)el_set(edit->el, EL_EDITOR, "emacs");
  (void)el_set(edit->el, EL_SIGNAL, 0);
  (void)el_set(edit->el, EL_PROMPT, prompt_of);
  (void)el_set(edit->el, EL_HIST, history, edit->history);
  (void)el_set(edit->el, EL_GETCFN, get_char);
  /* Wide: of narrow texts libedit keeps copies for ever. */
  (void)el_wset(edit->el, EL_ADDFN, L"godwit-complete", L"Completes", on_tab);
  (void)el_set(edit->el, EL_BIND, "^I", "godwit-complete", NULL);
  (void)el_set(edit->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  (void)uselocale(mine);
  return 0;
}

int gw_edit_new(struct gw_edit **out, struct gw_loop *loop,
                const struct gw_edit_events *events, struct gw_err *err)
{
  struct gw_edit *edit;

  if (wake_pipe[0] >= 0)
    return gw_err_set(err, GW_EBUG, "edit.new", "there is one terminal");
  edit = calloc(1, sizeof(*edit));
  if (!edit)
    return gw_err_set(err, GW_ENOMEM, "edit.new", "out of memory");
  edit->loop = loop;
  edit->events = *events;
  edit->ended.fn = on_ended;
  edit->asked.fn = on_asked;
  (void)pthread_mutex_init(&edit->lock, NULL);
  (void)pthread_cond_init(&edit->answered, NULL);
  edit->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (edit->utf8 == (locale_t)0) {
    (void)gw_err_errno(err, "edit.new", "the locale C.UTF-8");
    goto fail;
  }
  if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    (void)gw_err_errno(err, "edit.new", "pipe");
    goto fail;
  }
  if (open_libedit(edit, err) != 0)
    goto fail;
  gw_loop_on_leave(restore);
  *out = edit;
  return 0;
fail:
  gw_edit_free(edit);
  return -1;
}

void gw_edit_free(struct gw_edit *edit)
{
  if (!edit)
    return;
  gw_edit_stop(edit);
  gw_loop_on_leave(NULL);
  if (edit->el)
    el_end(edit->el);
  if (edit->history)
    history_end(edit->history);
  if (edit->out)
    (void)fclose(edit->out);
  for (size_t i = 0; i < 2; i++) {
    if (wake_pipe[i] >= 0)
      (void)close(wake_pipe[i]);
    wake_pipe[i] = -1;
  }
  if (edit->utf8 != (locale_t)0)
    freelocale(edit->utf8);
  (void)pthread_cond_destroy(&edit->answered);
  (void)pthread_mutex_destroy(&edit->lock);
  free(edit->prompt);
  free(edit->line);
  free(edit);
}

static int start_thread(struct gw_edit *edit)
{
  sigset_t all, mine;
  int rc;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &mine);
  rc = pthread_create(&edit->thread, NULL, read_line, edit);
  (void)pthread_sigmask(SIG_SETMASK, &mine, NULL);
  return rc;
}

int gw_edit_start(struct gw_edit *edit, const char *prompt, struct gw_err *err)
{
  char *text = strdup(prompt);
  char byte;

  assert(!edit->reading);
  if (!text)
    return gw_err_set(err, GW_ENOMEM, "edit.read", "out of memory");
  free(edit->prompt);
  edit->prompt = text;
  edit->stopping = edit->waiting = false;
  while (read(wake_pipe[0], &byte, 1) == 1) /* meant for the last line */
    ;
  take_terminal();
  errno = start_thread(edit);
  if (errno != 0) {
    give_terminal();
    return gw_err_errno(err, "edit.read", "a thread");
  }
  edit->reading = true;
  return 0;
}

void gw_edit_stop(struct gw_edit *edit)
{
  if (!edit->reading)
    return;
  (void)pthread_mutex_lock(&edit->lock);
  edit->stopping = true;
  (void)pthread_cond_signal(&edit->answered);
  (void)pthread_mutex_unlock(&edit->lock);
  wake(WAKE_STOP);
  finish(edit);
  (void)gw_loop_unpost(edit->loop, &edit->ended);
  (void)gw_loop_unpost(edit->loop, &edit->asked);
  free(edit->line);
  edit->line = NULL;
}

bool gw_edit_reading(const struct gw_edit *edit)
{
  return edit->reading;
}

void gw_edit_remember(struct gw_edit *edit, const char *line)
{
  HistEvent event;

  assert(!edit->reading);
  (void)history(edit->history, &event, H_ENTER, line);
}
