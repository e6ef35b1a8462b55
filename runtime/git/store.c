#include "git/internal.h"
#include "git/sweep.h"
#include "base/fault.h"
#include "base/lock.h"
#include "base/path.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OP "git.store"
#define LOCK_NAME "godwit.lock"

struct gw_repo {
  git_repository *git;
  struct gw_repo *next;
};

struct gw_store {
  atomic_int refs;
  pthread_mutex_t lock;
  struct gw_repo *idle;
  unsigned busy; /* repos that are taken */
  bool closed;
  struct gw_lock *held; /* NULL: not locked */
  char *path;
};

git_repository *gw_repo_git(struct gw_repo *repo)
{
  return repo->git;
}

int gw_repo_open(struct gw_repo **out, const char *path, struct gw_err *err)
{
  struct gw_repo *repo = gw_fault("git.repo") ? NULL : calloc(1, sizeof(*repo));

  if (!repo)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  int rc = git_repository_open_ext(&repo->git, path,
                                   GIT_REPOSITORY_OPEN_NO_SEARCH |
                                       GIT_REPOSITORY_OPEN_BARE |
                                       GIT_REPOSITORY_OPEN_NO_DOTGIT,
                                   NULL);
  if (rc < 0) {
    free(repo);
    return gw_err_git_what(err, OP, path, rc);
  }
  *out = repo;
  return 0;
}

void gw_repo_free(struct gw_repo *repo)
{
  if (!repo)
    return;
  git_repository_free(repo->git);
  free(repo);
}

static int lock_store(struct gw_store *store, struct gw_err *err)
{
  char name[4096];

  if (snprintf(name, sizeof(name), "%s/" LOCK_NAME, store->path) >=
      (int)sizeof(name))
    return gw_err_set(err, GW_EUSAGE, OP, "the path is too long");
  return gw_lock_open(&store->held, name, err);
}

static int create_repo(const char *path, struct gw_err *err)
{
  git_repository *git = NULL;
  git_repository_init_options opts;

  git_repository_init_options_init(&opts, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
  opts.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
  opts.mode = 0700;
  opts.initial_head = "master";
  int rc = git_repository_init_ext(&git, path, &opts);
  if (rc < 0)
    return gw_err_git_what(err, OP, path, rc);
  git_repository_free(git);
  return 0;
}

static int configure(git_repository *git, struct gw_err *err)
{
  git_config *config = NULL;
  int64_t now = 0;
  int rc = git_repository_config(&config, git);

  if (rc == 0 && git_config_get_int64(&now, config, "pack.deltacachesize") < 0)
    now = 0;
  if (rc == 0 && now != 1)
    rc = git_config_set_int64(config, "pack.deltaCacheSize", 1);
  git_config_free(config);
  return rc < 0 ? gw_err_git(err, OP, rc) : 0;
}

static int prepare(struct gw_store *store, const struct gw_store_opts *opts,
                   struct gw_err *err)
{
  struct gw_repo *repo = NULL;
  struct gw_err first; /* is forgotten when the second try works */
  struct stat st;
  char head[4096];

  if (opts->create && gw_path_mkdirs(store->path, 0700, err) != 0)
    return -1;
  if (opts->lock && lock_store(store, err) != 0)
    return -1;
  /* First: what a killed run left may be the lock of the HEAD we make. */
  if (opts->create && opts->lock)
    gw_sweep(store->path);
  (void)snprintf(head, sizeof(head), "%s/HEAD", store->path);
  if (stat(head, &st) != 0 && opts->create &&
      create_repo(store->path, err) != 0)
    return -1;
  /* Killed while it was made: made again. */
  if (gw_repo_open(&repo, store->path, &first) != 0) {
    if (!opts->create || !opts->lock) {
      *err = first;
      return -1;
    }
    if (create_repo(store->path, err) != 0 ||
        gw_repo_open(&repo, store->path, err) != 0)
      return -1;
  }
  if (opts->lock && configure(repo->git, err) != 0) {
    gw_repo_free(repo);
    return -1;
  }
  store->idle = repo;
  return 0;
}

int gw_store_open(struct gw_store **out, const char *path,
                  const struct gw_store_opts *opts, struct gw_err *err)
{
  struct gw_store *store = calloc(1, sizeof(*store));

  if (!store || !(store->path = strdup(path))) {
    free(store);
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  }
  atomic_init(&store->refs, 1);
  pthread_mutex_init(&store->lock, NULL);
  if (prepare(store, opts, err) != 0) {
    gw_store_unref(store);
    return -1;
  }
  *out = store;
  return 0;
}

struct gw_store *gw_store_ref(struct gw_store *store)
{
  atomic_fetch_add(&store->refs, 1);
  return store;
}

/* Gives back what an unused store needs no more: files and the lock. */
static void let_go(struct gw_store *store)
{
  while (store->idle) {
    struct gw_repo *repo = store->idle;
    store->idle = repo->next;
    gw_repo_free(repo);
  }
  gw_lock_close(store->held); /* the file stays: removing it would race */
  store->held = NULL;
}

void gw_store_close(struct gw_store *store)
{
  pthread_mutex_lock(&store->lock);
  store->closed = true;
  if (store->busy == 0)
    let_go(store);
  pthread_mutex_unlock(&store->lock);
}

void gw_store_unref(struct gw_store *store)
{
  if (!store || atomic_fetch_sub(&store->refs, 1) != 1)
    return;
  let_go(store);
  pthread_mutex_destroy(&store->lock);
  free(store->path);
  free(store);
}

const char *gw_store_path(const struct gw_store *store)
{
  return store->path;
}

int gw_store_take(struct gw_repo **out, struct gw_store *store,
                  struct gw_err *err)
{
  pthread_mutex_lock(&store->lock);
  struct gw_repo *repo = store->idle;
  if (repo)
    store->idle = repo->next;
  store->busy++;
  pthread_mutex_unlock(&store->lock);
  if (!repo) {
    if (gw_repo_open(out, store->path, err) == 0)
      return 0;
    pthread_mutex_lock(&store->lock);
    store->busy--;
    if (store->closed && store->busy == 0)
      let_go(store);
    pthread_mutex_unlock(&store->lock);
    return -1;
  }
  repo->next = NULL;
  *out = repo;
  return 0;
}

void gw_store_give(struct gw_store *store, struct gw_repo *repo)
{
  if (!repo)
    return;
  pthread_mutex_lock(&store->lock);
  repo->next = store->idle;
  store->idle = repo;
  store->busy--;
  if (store->closed && store->busy == 0)
    let_go(store);
  pthread_mutex_unlock(&store->lock);
}

/* --- refs -------------------------------------------------------------- */

int gw_repo_ref(struct gw_repo *repo, const char *name, char id[GW_GIT_HEX],
                struct gw_err *err)
{
  git_oid oid;
  int rc = git_reference_name_to_id(&oid, repo->git, name);

  if (rc == GIT_ENOTFOUND) {
    git_error_clear();
    return gw_err_set(err, GW_ENOTFOUND, "git.ref", "%s does not exist", name);
  }
  if (rc < 0)
    return gw_err_git_what(err, "git.ref", name, rc);
  gw_git_hex(id, &oid);
  return 0;
}

static int stale(struct gw_err *err, const char *name)
{
  git_error_clear();
  return gw_err_set(err, GW_ECONFLICT, "git.set_ref",
                    "%s is not what it was expected to be", name);
}

int gw_repo_set_ref(struct gw_repo *repo, const char *name, const char *id,
                    const char *expected, struct gw_err *err)
{
  git_oid oid, old;
  git_reference *ref = NULL;
  int rc;

  if (gw_git_parse_id(&oid, id, "git.set_ref", err) != 0)
    return -1;
  if (expected && *expected &&
      gw_git_parse_id(&old, expected, "git.set_ref", err) != 0)
    return -1;
  if (!expected)
    rc = git_reference_create(&ref, repo->git, name, &oid, 1, "godwit");
  else if (!*expected)
    rc = git_reference_create(&ref, repo->git, name, &oid, 0, "godwit");
  else
    rc = git_reference_create_matching(&ref, repo->git, name, &oid, 1, &old,
                                       "godwit");
  git_reference_free(ref);
  if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS ||
      (rc == GIT_ENOTFOUND && expected && *expected))
    return stale(err, name);
  return rc < 0 ? gw_err_git_what(err, "git.set_ref", name, rc) : 0;
}

int gw_repo_delete_ref(struct gw_repo *repo, const char *name,
                       const char *expected, struct gw_err *err)
{
  git_reference *ref = NULL;
  git_oid old;
  int rc;

  if (expected && *expected &&
      gw_git_parse_id(&old, expected, "git.delete_ref", err) != 0)
    return -1;
  rc = git_reference_lookup(&ref, repo->git, name);
  if (rc == GIT_ENOTFOUND) {
    git_error_clear();
    return expected && *expected ? stale(err, name) : 0;
  }
  if (rc == 0 && expected && *expected &&
      (git_reference_type(ref) != GIT_REFERENCE_DIRECT ||
       !git_oid_equal(git_reference_target(ref), &old))) {
    git_reference_free(ref);
    return stale(err, name);
  }
  if (rc == 0)
    rc = git_reference_delete(ref);
  git_reference_free(ref);
  if (rc == GIT_EMODIFIED)
    return stale(err, name);
  return rc < 0 ? gw_err_git_what(err, "git.delete_ref", name, rc) : 0;
}

int gw_repo_head(struct gw_repo *repo, char *out, size_t size,
                 struct gw_err *err)
{
  git_reference *head = NULL;
  int rc = git_reference_lookup(&head, repo->git, "HEAD");

  out[0] = '\0';
  if (rc < 0)
    return gw_err_git_what(err, "git.head", "HEAD", rc);
  if (git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
    (void)snprintf(out, size, "%s", git_reference_symbolic_target(head));
  git_reference_free(head);
  return 0;
}

int gw_repo_set_head(struct gw_repo *repo, const char *name,
                     struct gw_err *err)
{
  int rc = git_repository_set_head(repo->git, name);

  return rc < 0 ? gw_err_git_what(err, "git.set_head", name, rc) : 0;
}

bool gw_repo_has(struct gw_repo *repo, const char *id)
{
  git_odb *odb = NULL;
  git_oid oid;
  bool has = false;

  if (!gw_git_is_id(id) || git_oid_fromstr(&oid, id) < 0 ||
      git_repository_odb(&odb, repo->git) < 0)
    return false;
  has = git_odb_exists(odb, &oid) == 1;
  git_odb_free(odb);
  git_error_clear();
  return has;
}
