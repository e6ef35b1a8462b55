/*
 * push: one commit to one ref, from an expected old tip. Compare and swap:
 * the list of references must show the expected tip, and the server swaps
 * only from what that list showed.
 */
#include "base/hash.h"
#include "git/op_impl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OP "git.push"
#define ANSWER_MS 1800000L

struct answer { /* of the server, for our one ref */
  struct gw_git_op *op;
  bool given;
  char refusal[160]; /* "": taken */
};

static bool mentions(const char *text, const char *const *words, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (strcasestr(text, words[i]))
      return true;
  return false;
}

static int refused(const struct gw_git_op *op, const char *why,
                   struct gw_err *err)
{
  static const char *const moved[] = {
      "non-fast",    "fetch first",        "stale",       "failed to update",
      "failed to lock", "cannot lock ref", "already exists", "old value",
      "non fast",    "lock error",
  };
  bool is = mentions(why, moved, sizeof(moved) / sizeof(moved[0]));

  return gw_err_set(err, is ? GW_ECONFLICT : GW_EREMOTE, OP,
                    "the server refused %.80s: %s", op->ref, why);
}

static int on_status(const char *ref, const char *status, void *arg)
{
  struct gw_git_op *op = arg;
  struct answer *answer = op->answer;

  if (strcmp(ref, op->ref) != 0)
    return 0;
  answer->given = true;
  if (status)
    (void)snprintf(answer->refusal, sizeof(answer->refusal), "%s",
                   *status ? status : "no reason given");
  return 0;
}

static int on_sent(unsigned current, unsigned total, size_t bytes, void *arg)
{
  (void)bytes;
  return gw_git_on_packed(0, current, total, arg);
}

/* libgit2 pushes references only: ours has one of its own meanwhile. */
static int name_it(struct gw_git_op *op, char name[64], struct gw_err *err)
{
  static atomic_uint counter;

  (void)snprintf(name, 64, "refs/godwit/pushing/%ld-%u", (long)getpid(),
                 atomic_fetch_add(&counter, 1));
  return gw_repo_set_ref(op->repo, name, op->commit, NULL, err);
}

/* What the destination has now, so that a later fetch from it can say so. */
static void remember(struct gw_git_op *op)
{
  char where[4096], hex[65], name[64];
  int n = snprintf(where, sizeof(where), "%s %s", gw_wire_url(op->wire),
                   op->ref);

  if (n < 0 || n >= (int)sizeof(where) ||
      gw_hash_bytes(GW_HASH_SHA256, where, (size_t)n, hex, NULL) != 0)
    return;
  (void)snprintf(name, sizeof(name), "refs/godwit/pushed/%.16s", hex);
  (void)gw_repo_set_ref(op->repo, name, op->commit, NULL, NULL);
}

static int upload(struct gw_git_op *op, struct gw_err *err);

static int upload_named(struct gw_git_op *op, struct gw_err *err)
{
  char name[64];

  if (name_it(op, name, err) != 0)
    return -1;
  op->source = name;
  int rc = upload(op, err);
  op->source = NULL;
  (void)gw_repo_delete_ref(op->repo, name, NULL, NULL);
  if (rc == 0)
    remember(op);
  return rc;
}

static int upload(struct gw_git_op *op, struct gw_err *err)
{
  git_push_options opts;
  struct answer answer = {.op = op};
  git_remote *remote = NULL;
  char spec[1200];
  char *specs[] = {spec};
  git_strarray list = {specs, 1};

  (void)snprintf(spec, sizeof(spec), "%s:%s", op->source, op->ref);
  if (gw_git_new_remote(&remote, op, err) != 0)
    return -1;
  op->answer = &answer;
  git_push_options_init(&opts, GIT_PUSH_OPTIONS_VERSION);
  opts.callbacks.payload = op;
  opts.callbacks.transport = gw_git_on_transport;
  opts.callbacks.sideband_progress = gw_git_on_sideband;
  opts.callbacks.pack_progress = gw_git_on_packed;
  opts.callbacks.push_transfer_progress = on_sent;
  opts.callbacks.push_update_reference = on_status;
  opts.proxy_opts.type = GIT_PROXY_NONE;
  int code = git_remote_upload(remote, &list, &opts);
  int rc = 0;
  if (answer.given && answer.refusal[0]) {
    rc = refused(op, answer.refusal, err);
  } else if (code < 0) {
    rc = gw_git_op_fail(op, code, err);
    op->in_doubt = gw_wire_in_doubt(op->wire);
  } else if (!answer.given) {
    rc = gw_err_set(err, GW_EREMOTE, OP,
                    "the server did not say whether it took %.100s", op->ref);
    op->in_doubt = true;
  }
  op->answer = NULL;
  git_remote_free(remote);
  return rc;
}

/* --- to a repository on this machine ----------------------------------- */

static int check_forward(git_repository *git, const struct gw_git_op *op,
                         struct gw_err *err)
{
  git_oid new, old;

  if (!op->expected[0])
    return 0;
  if (gw_git_parse_id(&new, op->commit, OP, err) != 0 ||
      gw_git_parse_id(&old, op->expected, OP, err) != 0)
    return -1;
  int rc = git_graph_descendant_of(git, &new, &old);
  if (rc < 0)
    return gw_err_git(err, OP, rc);
  if (rc == 1)
    return 0;
  return gw_err_set(err, GW_ECONFLICT, OP,
                    "%s does not follow the tip %s of %.80s", op->commit,
                    op->expected, op->ref);
}

static int copy(struct gw_git_op *op, struct gw_err *err)
{
  struct gw_repo *to = NULL;
  git_oid id;
  int rc = gw_git_may_write(OP, err);

  if (rc == 0)
    rc = gw_repo_open(&to, op->path, err);
  if (rc == 0)
    rc = gw_git_parse_id(&id, op->commit, OP, err);
  if (rc == 0 && !gw_repo_has(to, op->commit))
    rc = gw_git_copy_objects(op, gw_repo_git(op->repo), gw_repo_git(to), &id,
                             err);
  if (rc == 0)
    rc = check_forward(gw_repo_git(to), op, err);
  if (rc == 0)
    rc = gw_repo_set_ref(to, op->ref, op->commit, op->expected, err);
  gw_repo_free(to);
  return rc;
}

/* --- both -------------------------------------------------------------- */

static int compare(const struct gw_git_op *op, struct gw_err *err)
{
  const char *tip = gw_advert_find(op->advert, op->ref);

  if (!tip && !op->expected[0])
    return 0;
  if (tip && strcmp(tip, op->expected) == 0)
    return 0;
  if (!tip)
    return gw_err_set(err, GW_ECONFLICT, OP,
                      "%.80s should be at %s but is gone", op->ref,
                      op->expected);
  if (!op->expected[0])
    return gw_err_set(err, GW_ECONFLICT, OP,
                      "%.80s should not exist but is at %s", op->ref, tip);
  return gw_err_set(err, GW_ECONFLICT, OP, "%.80s should be at %s but is at %s",
                    op->ref, op->expected, tip);
}

static int work(struct gw_git_op *op, struct gw_err *err)
{
  if (op->path && !op->advert &&
      gw_local_advert(&op->advert, op->path, "git-receive-pack", err) != 0)
    return -1;
  if (!gw_repo_has(op->repo, op->commit))
    return gw_err_set(err, GW_ENOTFOUND, OP, "the store has no commit %s",
                      op->commit);
  if (compare(op, err) != 0)
    return -1;
  if (strcmp(op->commit, op->expected) == 0)
    return 0; /* it is there */
  return (op->path ? copy : upload_named)(op, err);
}

static int set_up(struct gw_git_op *op, const struct gw_git_env *env,
                  const struct gw_push_opts *o, struct gw_err *err)
{
  git_oid id;

  if (gw_git_check_ref(o->ref, OP, err) != 0 ||
      gw_git_parse_id(&id, o->commit, OP, err) != 0)
    return -1;
  if (o->expected && gw_git_parse_id(&id, o->expected, OP, err) != 0)
    return -1;
  memcpy(op->commit, o->commit, GW_GIT_HEX);
  if (o->expected)
    memcpy(op->expected, o->expected, GW_GIT_HEX);
  if (!(op->ref = strdup(o->ref)))
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  if (op->path) {
    /* The HTTP client asks the guard; this way has only us. */
    if (gw_guard_is_plan(env->guard))
      return gw_err_set(err, GW_EDENIED, OP,
                        "nothing is pushed while only planning");
    return 0;
  }
  if (!o->advert || strcmp(o->advert->service, "git-receive-pack") != 0)
    return gw_err_set(err, GW_EUSAGE, OP,
                      "a push needs the list of references of receive-pack");
  struct gw_wire_opts wire = {
      .loop = env->loop,
      .http = env->http,
      .remote = o->remote,
      .advert = o->advert,
      .op = OP,
      .answer_ms = o->answer_ms ? o->answer_ms : ANSWER_MS,
      .max_down = (uint64_t)64 << 20,
  };
  return gw_wire_new(&op->wire, &wire, err);
}

int gw_push_start(struct gw_git_op **out, const struct gw_git_env *env,
                  const struct gw_push_opts *o, void (*done)(void *arg),
                  void *arg, struct gw_err *err)
{
  struct gw_git_op *op =
      gw_git_op_new(OP, o->store, o->remote, o->advert, err);

  if (!op)
    return -1;
  op->work = work;
  if (set_up(op, env, o, err) != 0 ||
      gw_git_op_submit(op, env, done, arg, err) != 0) {
    gw_git_op_free(op);
    return -1;
  }
  *out = op;
  return 0;
}
