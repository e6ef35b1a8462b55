#include "git/op_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_MAX (1u << 20)

static void drop(struct gw_git_op *op)
{
  if (--op->held > 0)
    return;
  if (op->wire)
    gw_wire_cancel(op->wire); /* nothing of it may stay on the loop */
  gw_wire_unref(op->wire);
  gw_store_unref(op->store);
  gw_advert_unref(op->advert);
  for (size_t i = 0; op->refs && op->refs[i]; i++)
    free(op->refs[i]);
  free(op->refs);
  free(op->path);
  free(op->into);
  free(op->ref);
  gw_buf_dispose(&op->messages);
  pthread_mutex_destroy(&op->lock);
  free(op);
}

static void on_run(struct gw_job *job)
{
  struct gw_git_op *op = (struct gw_git_op *)job;

  git_error_clear();
  if (gw_store_take(&op->repo, op->store, &op->err) != 0) {
    op->failed = true;
    return;
  }
  op->failed = op->work(op, &op->err) != 0;
  gw_store_give(op->store, op->repo);
  op->repo = NULL;
  git_error_clear();
}

static void on_done(struct gw_job *job)
{
  struct gw_git_op *op = (struct gw_git_op *)job;

  op->ended = true;
  op->done(op->arg);
}

static void on_destroy(struct gw_job *job)
{
  struct gw_git_op *op = (struct gw_git_op *)job;

  op->ended = true;
  drop(op);
}

struct gw_git_op *gw_git_op_new(const char *name, struct gw_store *store,
                                const struct gw_git_remote *remote,
                                struct gw_advert *advert, struct gw_err *err)
{
  struct gw_git_op *op = calloc(1, sizeof(*op));

  if (!op) {
    gw_err_set(err, GW_ENOMEM, name, "out of memory");
    return NULL;
  }
  op->held = 1;
  op->name = name;
  op->store = gw_store_ref(store);
  op->advert = advert ? gw_advert_ref_take(advert) : NULL;
  gw_buf_init(&op->messages, MESSAGES_MAX);
  pthread_mutex_init(&op->lock, NULL);
  if (remote->path && !(op->path = strdup(remote->path))) {
    gw_err_set(err, GW_ENOMEM, name, "out of memory");
    drop(op);
    return NULL;
  }
  return op;
}

int gw_git_op_submit(struct gw_git_op *op, const struct gw_git_env *env,
                     void (*done)(void *arg), void *arg, struct gw_err *err)
{
  op->done = done;
  op->arg = arg;
  op->job.run = on_run;
  op->job.done = on_done;
  op->job.destroy = on_destroy;
  if (gw_pool_submit(env->pool, &op->job, err) != 0)
    return -1;
  op->submitted = true;
  op->held++; /* the job's */
  return 0;
}

void gw_git_op_cancel(struct gw_git_op *op)
{
  if (!op->submitted || op->ended)
    return;
  pthread_mutex_lock(&op->lock);
  op->cancelled = true;
  pthread_mutex_unlock(&op->lock);
  if (op->wire)
    gw_wire_cancel(op->wire);
  if (!op->job.detached)
    gw_pool_detach(&op->job);
}

void gw_git_op_free(struct gw_git_op *op)
{
  if (!op)
    return;
  gw_git_op_cancel(op);
  drop(op);
}

bool gw_git_op_ended(const struct gw_git_op *op)
{
  return op->ended;
}

int gw_git_op_result(const struct gw_git_op *op, struct gw_err *err)
{
  if (op->ended && !op->job.detached) {
    if (op->failed && err)
      *err = op->err;
    return op->failed ? -1 : 0;
  }
  return gw_err_set(err, GW_ECANCELLED, op->name, "cancelled");
}

bool gw_git_op_in_doubt(const struct gw_git_op *op)
{
  /* A cancelled push that is still running on its worker: ask the wire. */
  if (!op->ended)
    return op->ref && op->wire && gw_wire_in_doubt(op->wire);
  return op->in_doubt;
}

void gw_git_op_progress(struct gw_git_op *op, struct gw_git_progress *out)
{
  pthread_mutex_lock(&op->lock);
  *out = op->progress;
  pthread_mutex_unlock(&op->lock);
  if (op->wire)
    gw_wire_bytes(op->wire, &out->bytes_up, &out->bytes_down);
  out->sent = op->wire && gw_wire_uploaded(op->wire);
}

int gw_git_op_messages(struct gw_git_op *op, size_t from, struct gw_buf *out,
                       struct gw_err *err)
{
  int rc = 0;

  pthread_mutex_lock(&op->lock);
  if (op->messages.len > from)
    rc = gw_buf_append(out, op->messages.data + from, op->messages.len - from,
                       err);
  pthread_mutex_unlock(&op->lock);
  return rc;
}

/* --- for a worker ------------------------------------------------------ */

int gw_git_on_transport(git_transport **out, git_remote *remote, void *arg)
{
  return gw_wire_transport(out, remote, ((struct gw_git_op *)arg)->wire);
}

static int note(struct gw_git_op *op, uint64_t objects, uint64_t total)
{
  pthread_mutex_lock(&op->lock);
  op->progress.objects = objects;
  op->progress.total = total;
  bool cancelled = op->cancelled;
  pthread_mutex_unlock(&op->lock);
  return cancelled ? GIT_EUSER : 0;
}

int gw_git_on_indexed(const git_indexer_progress *stats, void *arg)
{
  return note(arg, stats->received_objects, stats->total_objects);
}

int gw_git_on_packed(int stage, uint32_t current, uint32_t total, void *arg)
{
  (void)stage;
  return note(arg, current, total);
}

int gw_git_on_sideband(const char *text, int len, void *arg)
{
  struct gw_git_op *op = arg;
  size_t n = len > 0 ? (size_t)len : 0;

  pthread_mutex_lock(&op->lock);
  size_t room = MESSAGES_MAX - op->messages.len;
  (void)gw_buf_append(&op->messages, text, n < room ? n : room, NULL);
  pthread_mutex_unlock(&op->lock);
  return 0;
}

int gw_git_op_fail(struct gw_git_op *op, int code, struct gw_err *err)
{
  pthread_mutex_lock(&op->lock);
  bool cancelled = op->cancelled;
  pthread_mutex_unlock(&op->lock);
  if (cancelled)
    return gw_err_set(err, GW_ECANCELLED, op->name, "cancelled");
  if (op->wire && gw_wire_failed(op->wire, err)) {
    git_error_clear();
    return -1;
  }
  const git_error *last = git_error_last();
  if (op->wire && last && last->klass == GIT_ERROR_NET) {
    char what[160];
    (void)snprintf(what, sizeof(what), "the answer of %.100s makes no sense",
                   gw_wire_url(op->wire));
    return gw_err_git_what(err, op->name, what, code);
  }
  return gw_err_git(err, op->name, code);
}

int gw_git_new_remote(git_remote **out, struct gw_git_op *op,
                      struct gw_err *err)
{
  git_remote_create_options opts;

  /* Without these flags libgit2 1.5 asks its config with patterns and leaks
   * some 100 KB per remote. */
  git_remote_create_options_init(&opts, GIT_REMOTE_CREATE_OPTIONS_VERSION);
  opts.repository = gw_repo_git(op->repo);
  opts.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF |
               GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  int rc = git_remote_create_with_opts(out, gw_wire_url(op->wire), &opts);
  return rc < 0 ? gw_git_op_fail(op, rc, err) : 0;
}
