#include "git/transport.h"
#include "git/internal.h"
#include "git/ring.h"
#include "git/status.h"

#include <git2/sys/transport.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_MAX (1u << 20) /* a longer request is streamed */
#define UP_RING (256u << 10)
#define UP_BATCH (64u << 10)
#define DOWN_RING (1u << 20)

enum { CMD_STOP = 1, CMD_START = 2, CMD_RESUME = 4 };
enum state { IDLE, RUNNING, ENDED };

struct gw_wire {
  atomic_int refs;
  struct gw_loop *loop;
  struct gw_http *http;
  struct gw_git_remote remote;
  struct gw_advert *advert;
  const char *op;
  long answer_ms;
  uint64_t max_down;

  pthread_mutex_t lock; /* guards all below but x */
  pthread_cond_t cond;
  unsigned commands; /* what the loop is asked to do */
  bool posted;
  struct gw_post post;
  enum state state;
  bool cancelled;
  struct gw_err err; /* the first one wins */
  struct gw_ring up, down;
  bool up_end, up_waits, down_waits;
  bool sent_whole; /* nothing of the request is left on our side */
  bool typed;      /* the answer is of the right type */
  bool refused;    /* the server answered, and said no */
  uint64_t bytes_up, bytes_down;
  const char *service;
  struct gw_buf body; /* the request, or how it begins when streamed */
  size_t body_at;
  bool streamed;

  struct gw_exchange *x; /* loop thread only */
};

struct subtransport {
  git_smart_subtransport base;
  struct gw_wire *wire;
};

struct stream {
  git_smart_subtransport_stream base;
  struct gw_wire *wire;
  const char *service;
  bool replay; /* the list of references, from memory */
  size_t at;
  bool begun;
  bool checked;
  struct gw_buf body;
};

/* --- the loop's side --------------------------------------------------- */

static void set_error(struct gw_wire *w, const struct gw_err *err)
{
  if (w->err.kind == GW_OK)
    w->err = *err;
}

static ssize_t on_pull(void *arg, char *out, size_t len)
{
  struct gw_wire *w = arg;
  ssize_t n;

  pthread_mutex_lock(&w->lock);
  if (w->cancelled) {
    n = -2;
  } else if (w->body_at < w->body.len) {
    size_t left = w->body.len - w->body_at;
    n = (ssize_t)(left < len ? left : len);
    memcpy(out, w->body.data + w->body_at, (size_t)n);
    w->body_at += (size_t)n;
  } else {
    n = (ssize_t)gw_ring_get(&w->up, out, len);
    if (n == 0 && !w->up_end) {
      w->up_waits = true;
      n = -1;
    }
    if (n == 0)
      w->sent_whole = true;
  }
  if (n > 0)
    w->bytes_up += (uint64_t)n;
  pthread_cond_broadcast(&w->cond);
  pthread_mutex_unlock(&w->lock);
  return n;
}

static int check_answer(const struct gw_wire *w,
                        const struct gw_http_result *result,
                        struct gw_err *err)
{
  char type[64];

  (void)snprintf(type, sizeof(type), "application/x-%s-result", w->service);
  return gw_git_status(result, type, w->op, w->advert->base, err);
}

static ssize_t on_push(void *arg, const char *data, size_t len)
{
  struct gw_wire *w = arg;
  struct gw_http_result so_far = {.status = gw_http_status(w->x),
                                  .headers = gw_http_headers(w->x)};
  struct gw_err err = {0};
  ssize_t n = (ssize_t)len;

  pthread_mutex_lock(&w->lock);
  if (w->cancelled) {
    n = -2;
  } else if (!w->typed && check_answer(w, &so_far, &err) != 0) {
    set_error(w, &err); /* a page of a proxy, say: no need of all of it */
    n = -2;
  } else if (len > w->down.cap ||
             (w->max_down && w->bytes_down + len > w->max_down)) {
    gw_err_set(&err, GW_ELIMIT, w->op,
               "the pack is larger than the %llu bytes allowed",
               (unsigned long long)w->max_down);
    set_error(w, &err);
    n = -2;
  } else if (gw_ring_room(&w->down) < len) {
    w->down_waits = true;
    n = -1;
  } else {
    w->typed = true;
    gw_ring_put(&w->down, data, len);
    w->bytes_down += len;
    pthread_cond_broadcast(&w->cond);
  }
  pthread_mutex_unlock(&w->lock);
  return n;
}

static void end_exchange(struct gw_wire *w, enum state state)
{
  struct gw_exchange *x = w->x;

  w->x = NULL;
  gw_http_free(x);
  pthread_mutex_lock(&w->lock);
  w->state = state;
  pthread_cond_broadcast(&w->cond);
  pthread_mutex_unlock(&w->lock);
}

static void on_done(void *arg)
{
  struct gw_wire *w = arg;
  const struct gw_http_result *result = gw_http_result(w->x);
  struct gw_err err = {0};
  int rc = check_answer(w, result, &err);

  pthread_mutex_lock(&w->lock);
  if (rc != 0) {
    set_error(w, &err);
    w->refused = result->status >= 400 && result->status < 500;
    if (!result->sent)
      w->sent_whole = false;
  }
  pthread_mutex_unlock(&w->lock);
  end_exchange(w, ENDED);
}

static void start_exchange(struct gw_wire *w)
{
  bool push = strcmp(w->service, "git-receive-pack") == 0;
  char url[4096], type[80], accept[80];
  const char *headers[] = {type, accept, "User-Agent: git/2.0 (godwit)", NULL};
  struct gw_err err = {0};

  (void)snprintf(url, sizeof(url), "%s/%s", w->advert->base, w->service);
  (void)snprintf(type, sizeof(type), "Content-Type: application/x-%s-request",
                 w->service);
  (void)snprintf(accept, sizeof(accept), "Accept: application/x-%s-result",
                 w->service);
  struct gw_http_req req = {
      .method = "POST",
      .url = url,
      .headers = headers,
      .auth = w->advert->same_origin ? w->remote.auth : NULL,
      .auth_scheme = w->remote.auth_scheme ? w->remote.auth_scheme : "Basic",
      .auth_header = w->remote.auth_header,
      .auth_user = w->remote.auth_user,
      .push = on_push,
      .done = on_done,
      .arg = w,
      .connect_ms = w->remote.connect_ms,
      .stall_ms = w->remote.stall_ms,
      .total_ms = push ? 0 : w->remote.total_ms,
      .answer_ms = push ? w->answer_ms : 0,
      .rest_ms = push ? w->answer_ms : 0,
      .tls = {w->remote.ca, w->remote.cert, w->remote.cert_key,
              w->remote.insecure},
      .proxy = w->remote.proxy,
      .no_proxy = w->remote.no_proxy,
  };
  if (w->streamed) {
    req.pull = on_pull;
  } else {
    req.body = w->body.data;
    req.body_len = w->body.len;
  }
  pthread_mutex_lock(&w->lock);
  if (!w->streamed)
    w->bytes_up += w->body.len;
  pthread_mutex_unlock(&w->lock);
  if (gw_http_start(&w->x, w->http, &req, &err) == 0)
    return;
  pthread_mutex_lock(&w->lock);
  (void)snprintf(err.op, sizeof(err.op), "%s", w->op);
  set_error(w, &err);
  w->sent_whole = false;
  pthread_mutex_unlock(&w->lock);
  end_exchange(w, ENDED);
}

static void on_post(struct gw_post *post)
{
  struct gw_wire *w =
      (struct gw_wire *)((char *)post - offsetof(struct gw_wire, post));

  pthread_mutex_lock(&w->lock);
  unsigned commands = w->cancelled ? 0 : w->commands;
  w->commands = 0;
  w->posted = false;
  pthread_mutex_unlock(&w->lock);
  if (commands & CMD_STOP)
    end_exchange(w, IDLE);
  if (commands & CMD_START)
    start_exchange(w);
  if ((commands & CMD_RESUME) && w->x)
    gw_http_resume(w->x);
  gw_wire_unref(w);
}

/* --- the worker's side; the lock is held in the small ones ------------- */

static void command(struct gw_wire *w, unsigned what)
{
  w->commands |= what;
  if (w->posted || w->cancelled)
    return;
  w->posted = true;
  w->post.fn = on_post;
  gw_loop_post(w->loop, &gw_wire_ref(w)->post);
}

/* libgit2 shows this text unless the wire's own error is asked for. */
static int failed(void)
{
  git_error_set_str(GIT_ERROR_NET, "the conversation with the server failed");
  return -1;
}

static int begin(struct stream *s, bool streamed)
{
  struct gw_wire *w = s->wire;
  int rc = 0;

  pthread_mutex_lock(&w->lock);
  while (w->state == RUNNING && !w->cancelled) /* the one before is ending */
    pthread_cond_wait(&w->cond, &w->lock);
  if (w->cancelled || w->err.kind != GW_OK) {
    rc = failed();
  } else {
    gw_ring_clear(&w->up);
    gw_ring_clear(&w->down);
    w->up_end = !streamed;
    w->up_waits = w->down_waits = false;
    w->sent_whole = !streamed;
    w->refused = w->typed = false;
    w->service = s->service;
    w->streamed = streamed;
    gw_buf_dispose(&w->body);
    w->body = s->body; /* the wire's now */
    gw_buf_init(&s->body, 0);
    w->body_at = 0;
    w->state = RUNNING;
    s->begun = true;
    command(w, CMD_START);
  }
  pthread_mutex_unlock(&w->lock);
  return rc;
}

static int stream_write(git_smart_subtransport_stream *base, const char *data,
                        size_t len)
{
  struct stream *s = (struct stream *)base;
  struct gw_wire *w = s->wire;
  struct gw_err err = {0};
  int rc = 0;

  if (!s->begun && s->body.len + len <= BODY_MAX) {
    if (gw_buf_append(&s->body, data, len, &err) == 0)
      return 0;
    git_error_set_oom();
    return -1;
  }
  if (!s->begun && begin(s, true) != 0)
    return -1;
  pthread_mutex_lock(&w->lock);
  while (len > 0 && rc == 0) {
    size_t n = gw_ring_put(&w->up, data, len);
    data += n;
    len -= n;
    if (w->up_waits && w->up.len >= UP_BATCH) {
      w->up_waits = false;
      command(w, CMD_RESUME);
    }
    if (w->cancelled || w->state != RUNNING)
      rc = failed(); /* an answer before the request's end is a refusal */
    else if (len > 0)
      pthread_cond_wait(&w->cond, &w->lock);
  }
  pthread_mutex_unlock(&w->lock);
  return rc;
}

/* Bytes that are not a pkt-line make libgit2 say strange things. */
static bool is_pkt(struct gw_wire *w, const char *data, size_t len)
{
  struct gw_err err = {0};

  for (size_t i = 0; i < 4 && i < len; i++)
    if (!strchr("0123456789abcdefABCDEF", data[i]) || !data[i]) {
      gw_err_set(&err, GW_EREMOTE, w->op,
                 "the answer of %.160s is not in Git's protocol",
                 w->advert->base);
      set_error(w, &err);
      return false;
    }
  return true;
}

static int read_wire(struct stream *s, char *out, size_t size, size_t *got)
{
  struct gw_wire *w = s->wire;
  int rc = 0;

  pthread_mutex_lock(&w->lock);
  if (!w->up_end) {
    w->up_end = true;
    if (w->up_waits) {
      w->up_waits = false;
      command(w, CMD_RESUME);
    }
  }
  while (w->down.len == 0 && w->state == RUNNING && !w->cancelled)
    pthread_cond_wait(&w->cond, &w->lock);
  if (!w->cancelled)
    *got = gw_ring_get(&w->down, out, size);
  if (w->down_waits && gw_ring_room(&w->down) >= w->down.cap / 2) {
    w->down_waits = false;
    command(w, CMD_RESUME);
  }
  if (*got > 0 && !s->checked) {
    s->checked = true;
    rc = is_pkt(w, out, *got) ? 0 : failed();
  } else if (*got == 0 && (w->cancelled || w->err.kind != GW_OK)) {
    rc = failed();
  }
  pthread_mutex_unlock(&w->lock);
  return rc;
}

static int stream_read(git_smart_subtransport_stream *base, char *out,
                       size_t size, size_t *got)
{
  struct stream *s = (struct stream *)base;

  *got = 0;
  if (s->replay) {
    const struct gw_buf *wire = &s->wire->advert->wire;
    size_t left = wire->len - s->at;
    *got = left < size ? left : size;
    memcpy(out, wire->data + s->at, *got);
    s->at += *got;
    return 0;
  }
  if (!s->begun && begin(s, false) != 0)
    return -1;
  return read_wire(s, out, size, got);
}

/* libgit2 stops at the last pkt-line; the end of the answer is a moment away.
 * With it the connection can be used again. */
static void linger(struct gw_wire *w)
{
  struct timespec until;

  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 100000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_nsec -= 1000000000;
    until.tv_sec++;
  }
  while (w->state == RUNNING && !w->cancelled && w->down.len == 0 &&
         w->err.kind == GW_OK)
    if (pthread_cond_timedwait(&w->cond, &w->lock, &until) != 0)
      return;
}

static void stream_free(git_smart_subtransport_stream *base)
{
  struct stream *s = (struct stream *)base;
  struct gw_wire *w = s->wire;

  if (s->begun) {
    pthread_mutex_lock(&w->lock);
    linger(w);
    if (w->state == RUNNING)
      command(w, CMD_STOP);
    else
      w->state = IDLE;
    pthread_mutex_unlock(&w->lock);
  }
  gw_buf_dispose(&s->body);
  gw_wire_unref(w);
  free(s);
}

static int on_action(git_smart_subtransport_stream **out,
                     git_smart_subtransport *base, const char *url,
                     git_smart_service_t action)
{
  struct subtransport *sub = (struct subtransport *)base;
  struct stream *s = calloc(1, sizeof(*s));

  (void)url;
  if (!s) {
    git_error_set_oom();
    return -1;
  }
  s->base = (git_smart_subtransport_stream){.subtransport = base,
                                            .read = stream_read,
                                            .write = stream_write,
                                            .free = stream_free};
  s->wire = gw_wire_ref(sub->wire);
  s->replay = action == GIT_SERVICE_UPLOADPACK_LS ||
              action == GIT_SERVICE_RECEIVEPACK_LS;
  s->service = action == GIT_SERVICE_RECEIVEPACK ? "git-receive-pack"
                                                 : "git-upload-pack";
  *out = &s->base;
  return 0;
}

static int on_close(git_smart_subtransport *base)
{
  (void)base;
  return 0;
}

static void on_free(git_smart_subtransport *base)
{
  struct subtransport *sub = (struct subtransport *)base;

  gw_wire_unref(sub->wire);
  free(sub);
}

static int new_subtransport(git_smart_subtransport **out, git_transport *owner,
                            void *param)
{
  struct subtransport *sub = calloc(1, sizeof(*sub));

  (void)owner;
  if (!sub) {
    git_error_set_oom();
    return -1;
  }
  sub->base = (git_smart_subtransport){
      .action = on_action, .close = on_close, .free = on_free};
  sub->wire = gw_wire_ref(param);
  *out = &sub->base;
  return 0;
}

int gw_wire_transport(git_transport **out, git_remote *remote, void *wire)
{
  git_smart_subtransport_definition definition = {new_subtransport, 1, wire};

  return git_transport_smart(out, remote, &definition);
}

/* --- a wire's life ----------------------------------------------------- */

int gw_wire_new(struct gw_wire **out, const struct gw_wire_opts *opts,
                struct gw_err *err)
{
  struct gw_wire *w = calloc(1, sizeof(*w));

  if (!w)
    return gw_err_set(err, GW_ENOMEM, opts->op, "out of memory");
  atomic_init(&w->refs, 1);
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->cond, NULL);
  w->loop = opts->loop;
  w->http = opts->http;
  w->op = opts->op;
  w->answer_ms = opts->answer_ms;
  w->max_down = opts->max_down;
  w->advert = gw_advert_ref_take(opts->advert);
  if (gw_git_remote_copy(&w->remote, opts->remote, err) != 0 ||
      gw_ring_init(&w->up, UP_RING, err) != 0 ||
      gw_ring_init(&w->down, DOWN_RING, err) != 0) {
    gw_wire_unref(w);
    return -1;
  }
  *out = w;
  return 0;
}

struct gw_wire *gw_wire_ref(struct gw_wire *w)
{
  atomic_fetch_add(&w->refs, 1);
  return w;
}

void gw_wire_unref(struct gw_wire *w)
{
  if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
    return;
  gw_http_free(w->x);
  gw_git_remote_dispose(&w->remote);
  gw_advert_unref(w->advert);
  gw_ring_dispose(&w->up);
  gw_ring_dispose(&w->down);
  gw_buf_dispose(&w->body);
  pthread_cond_destroy(&w->cond);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

void gw_wire_cancel(struct gw_wire *w)
{
  struct gw_err err = {0};
  bool unposted;

  gw_err_set(&err, GW_ECANCELLED, w->op, "cancelled");
  pthread_mutex_lock(&w->lock);
  w->cancelled = true;
  set_error(w, &err);
  unposted = w->posted && gw_loop_unpost(w->loop, &w->post);
  if (unposted)
    w->posted = false;
  pthread_mutex_unlock(&w->lock);
  end_exchange(w, ENDED);
  if (unposted)
    gw_wire_unref(w); /* the post's; the caller has one */
}

bool gw_wire_cancelled(struct gw_wire *w)
{
  pthread_mutex_lock(&w->lock);
  bool cancelled = w->cancelled;
  pthread_mutex_unlock(&w->lock);
  return cancelled;
}

const char *gw_wire_url(const struct gw_wire *w)
{
  return w->advert->base;
}

bool gw_wire_failed(struct gw_wire *w, struct gw_err *err)
{
  pthread_mutex_lock(&w->lock);
  bool is = w->err.kind != GW_OK;
  if (is && err)
    *err = w->err;
  pthread_mutex_unlock(&w->lock);
  return is;
}

bool gw_wire_in_doubt(struct gw_wire *w)
{
  pthread_mutex_lock(&w->lock);
  bool doubt = w->sent_whole && !w->refused;
  pthread_mutex_unlock(&w->lock);
  return doubt;
}

bool gw_wire_uploaded(const struct gw_wire *w)
{
  return w->x && gw_http_uploaded(w->x);
}

void gw_wire_bytes(struct gw_wire *w, uint64_t *up, uint64_t *down)
{
  pthread_mutex_lock(&w->lock);
  *up = w->bytes_up;
  *down = w->bytes_down;
  pthread_mutex_unlock(&w->lock);
}
