/*
 * fetch: brings what holds a commit, or chosen refs, into a store, under
 * private names. The list of references was read before; what it says is what
 * is asked for.
 */
#include "git/op_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.fetch"
#define REFS_MAX 20000
#define MAX_BYTES ((uint64_t)4 << 30)

/* --- what to fetch ----------------------------------------------------- */

static bool wanted(const struct gw_git_op *op, const char *name)
{
  if (!op->refs)
    return true;
  for (size_t i = 0; op->refs[i]; i++)
    if (strcmp(op->refs[i], name) == 0)
      return true;
  return false;
}

/* Leaves in op->refs the one ref with the commit, if there is one. */
static int narrow(struct gw_git_op *op, struct gw_err *err)
{
  const struct gw_advert *a = op->advert;

  if (op->refs || !op->commit[0])
    return 0;
  for (size_t i = 0; i < a->count; i++) {
    if (strcmp(a->refs[i].id, op->commit) != 0)
      continue;
    op->refs = calloc(2, sizeof(*op->refs));
    if (!op->refs || !(op->refs[0] = strdup(a->refs[i].name)))
      return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
    return 0;
  }
  return 0;
}

static int check_refs(const struct gw_git_op *op, struct gw_err *err)
{
  if (!op->refs && op->advert->count > REFS_MAX)
    return gw_err_set(err, GW_ELIMIT, OP,
                      "the repository has %zu branches and tags; more than %d "
                      "are not fetched at once",
                      op->advert->count, REFS_MAX);
  for (size_t i = 0; op->refs && op->refs[i]; i++)
    if (!gw_advert_find(op->advert, op->refs[i]))
      return gw_err_set(err, GW_ENOTFOUND, OP, "the repository has no %.160s",
                        op->refs[i]);
  return 0;
}

/* --- private names ----------------------------------------------------- */

static int private_name(const struct gw_git_op *op, const char *name, char *out,
                        size_t size, struct gw_err *err)
{
  /* refs/heads/x -> INTO/heads/x */
  if (snprintf(out, size, "%s/%s", op->into, name + strlen("refs/")) >=
      (int)size)
    return gw_err_set(err, GW_ELIMIT, OP, "a name is too long: %.100s", name);
  return 0;
}

/* Once there was a branch "a", now "a/b", or the other way round. */
static int drop_in_the_way(git_repository *git, const char *name)
{
  git_reference_iterator *it = NULL;
  git_reference *ref = NULL;
  char glob[1400];
  size_t len = strlen(name);

  for (size_t i = len; i > 0; i--) {
    if (name[i] != '/')
      continue;
    char parent[1300];
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)i, name);
    if (git_reference_lookup(&ref, git, parent) == 0) {
      int rc = git_reference_delete(ref);
      git_reference_free(ref);
      return rc;
    }
  }
  (void)snprintf(glob, sizeof(glob), "%s/*", name);
  int rc = git_reference_iterator_glob_new(&it, git, glob);
  while (rc == 0 && (rc = git_reference_next(&ref, it)) == 0) {
    rc = git_reference_delete(ref);
    git_reference_free(ref);
  }
  git_reference_iterator_free(it);
  return rc == GIT_ITEROVER ? 0 : rc;
}

static int keep(struct gw_git_op *op, const char *name, const char *hex,
                struct gw_err *err)
{
  git_repository *git = gw_repo_git(op->repo);
  git_reference *ref = NULL;
  git_oid id;
  char mine[1300];

  if (private_name(op, name, mine, sizeof(mine), err) != 0 ||
      gw_git_parse_id(&id, hex, OP, err) != 0)
    return -1;
  int rc = git_reference_create(&ref, git, mine, &id, 1, "godwit fetch");
  if (rc < 0) {
    rc = drop_in_the_way(git, mine);
    if (rc == 0)
      rc = git_reference_create(&ref, git, mine, &id, 1, "godwit fetch");
  }
  git_reference_free(ref);
  return rc < 0 ? gw_git_op_fail(op, rc, err) : 0;
}

static int keep_all(struct gw_git_op *op, struct gw_err *err)
{
  const struct gw_advert *a = op->advert;

  for (size_t i = 0; i < a->count; i++) {
    if (!wanted(op, a->refs[i].name))
      continue;
    if (!gw_repo_has(op->repo, a->refs[i].id))
      return gw_err_set(err, GW_EREMOTE, OP,
                        "the server sent a pack without %.100s of %.60s",
                        a->refs[i].id, a->refs[i].name);
    if (keep(op, a->refs[i].name, a->refs[i].id, err) != 0)
      return -1;
  }
  if (op->commit[0] && !gw_repo_has(op->repo, op->commit))
    return gw_err_set(err, GW_ENOTFOUND, OP,
                      "no branch or tag of the repository contains commit %s",
                      op->commit);
  return 0;
}

/* --- the two ways ------------------------------------------------------ */

static int download(struct gw_git_op *op, struct gw_err *err)
{
  const struct gw_advert *a = op->advert;
  git_fetch_options opts;
  /* The right side is never used: names are kept by keep_all. One by one,
   * libgit2 would compare each with each. */
  char heads[] = "refs/heads/*:refs/godwit/none/heads/*";
  char tags[] = "refs/tags/*:refs/godwit/none/tags/*";
  char *all[] = {heads, tags};
  git_strarray specs = {0};
  git_remote *remote = NULL;
  int rc = -1;

  if (a->count == 0)
    return 0;
  if (!op->refs) {
    specs = (git_strarray){all, 2};
  } else {
    specs.strings = op->refs;
    while (op->refs[specs.count])
      specs.count++;
  }
  if (gw_git_new_remote(&remote, op, err) != 0)
    goto out;
  git_fetch_options_init(&opts, GIT_FETCH_OPTIONS_VERSION);
  opts.callbacks.payload = op;
  opts.callbacks.transport = gw_git_on_transport;
  opts.callbacks.transfer_progress = gw_git_on_indexed;
  opts.callbacks.sideband_progress = gw_git_on_sideband;
  opts.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  opts.update_fetchhead = 0;
  opts.proxy_opts.type = GIT_PROXY_NONE;
  int code = git_remote_download(remote, &specs, &opts);
  rc = code < 0 ? gw_git_op_fail(op, code, err) : 0;
out:
  git_remote_free(remote);
  return rc;
}

static int copy(struct gw_git_op *op, struct gw_err *err)
{
  struct gw_repo *from = NULL;
  int rc = gw_repo_open(&from, op->path, err);

  for (size_t i = 0; rc == 0 && i < op->advert->count; i++) {
    git_oid id;
    if (!wanted(op, op->advert->refs[i].name))
      continue;
    rc = gw_git_parse_id(&id, op->advert->refs[i].id, OP, err);
    if (rc == 0 && !gw_repo_has(op->repo, op->advert->refs[i].id))
      rc = gw_git_copy_objects(op, gw_repo_git(from), gw_repo_git(op->repo),
                               &id, err);
  }
  gw_repo_free(from);
  return rc;
}

static int work(struct gw_git_op *op, struct gw_err *err)
{
  if (op->commit[0] && !op->refs && gw_repo_has(op->repo, op->commit))
    return 0;
  if (op->path && !op->advert &&
      gw_local_advert(&op->advert, op->path, "git-upload-pack", err) != 0)
    return -1;
  if (narrow(op, err) != 0 || check_refs(op, err) != 0)
    return -1;
  if (gw_git_may_write(OP, err) != 0 ||
      (op->path ? copy : download)(op, err) != 0)
    return -1;
  return keep_all(op, err);
}

static int copy_refs(struct gw_git_op *op, const char *const *refs,
                     struct gw_err *err)
{
  size_t n = 0;

  while (refs[n])
    n++;
  op->refs = calloc(n + 1, sizeof(*op->refs));
  if (!op->refs)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  for (size_t i = 0; i < n; i++) {
    if (gw_git_check_ref(refs[i], OP, err) != 0)
      return -1;
    op->refs[i] = strdup(refs[i]);
    if (!op->refs[i])
      return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  }
  return 0;
}

static int set_up(struct gw_git_op *op, const struct gw_git_env *env,
                  const struct gw_fetch_opts *o, struct gw_err *err)
{
  const char *into = o->into ? o->into : "refs/godwit/fetched";
  git_oid id;

  if (strncmp(into, "refs/godwit/", 12) != 0 ||
      !gw_git_ref_is_valid(into, strlen(into)) || strlen(into) > 200)
    return gw_err_set(err, GW_EUSAGE, OP,
                      "\"%.100s\" is not a place under refs/godwit/", into);
  if (o->commit) {
    if (gw_git_parse_id(&id, o->commit, OP, err) != 0)
      return -1;
    memcpy(op->commit, o->commit, GW_GIT_HEX);
  }
  if (!(op->into = strdup(into)))
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  if (o->refs && copy_refs(op, o->refs, err) != 0)
    return -1;
  if (op->path)
    return 0;
  if (!o->advert || strcmp(o->advert->service, "git-upload-pack") != 0)
    return gw_err_set(err, GW_EUSAGE, OP,
                      "a fetch needs the list of references of upload-pack");
  struct gw_wire_opts wire = {
      .loop = env->loop,
      .http = env->http,
      .remote = o->remote,
      .advert = o->advert,
      .op = OP,
      .max_down = o->max_bytes ? o->max_bytes : MAX_BYTES,
  };
  return gw_wire_new(&op->wire, &wire, err);
}

int gw_fetch_start(struct gw_git_op **out, const struct gw_git_env *env,
                   const struct gw_fetch_opts *o, void (*done)(void *arg),
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
