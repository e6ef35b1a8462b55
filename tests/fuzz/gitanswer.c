/*
 * gitanswer: what a server answers to a pack request. A push is reported as
 * done only if the answer says so of our ref; a fetch never brings a commit
 * that is not there.
 */
#include "fuzz.h"
#include "peer.h"

#include "base/path.h"
#include "git/commit.h"
#include "git/op.h"
#include "git/tree.h"

#define MISSING "0123456789abcdef0123456789abcdef01234567"

/* libgit2 1.5.1 drops a packet it did not expect without freeing it: a few
 * bytes of its own for an answer that is damaged anyway. Its stack ends in the
 * library, so the library is all that can be named, for this target alone. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
  return "leak:libgit2.so\n";
}

static struct gw_git_env env;
static struct gw_store *store;
static struct gw_commit commit;
static struct peer_server *server;
static struct gw_advert *adverts[2];
static struct gw_git_remote remote;
static char folder[] = "/tmp/godwit-fuzz-XXXXXX";

static void clean_up(void)
{
  (void)gw_path_remove_tree(folder, NULL);
}

/* One commit with one file, the parent of nothing. */
static void make_commit(void)
{
  static char text[] = "fuzz";
  struct gw_person who = {text, text, 1600000000, 0};
  struct gw_edit edit = {.path = text, .data = text, .len = 4};
  struct gw_repo *repo;

  MUST(gw_store_take(&repo, store, NULL) == 0);
  MUST(gw_tree_edit(repo, "", &edit, 1, commit.tree, NULL) == 0);
  commit.author = commit.committer = who;
  commit.message = text;
  MUST(gw_commit_write(repo, &commit, NULL) == 0);
  gw_store_give(store, repo);
}

static struct gw_advert *make_advert(const char *service, const char *text)
{
  struct gw_advert *a;

  MUST(gw_advert_parse(&a, text, strlen(text), service, NULL) == 0);
  a->base = strdup(remote.url);
  MUST(a->base);
  return a;
}

static void set_up(void)
{
  static const struct gw_store_opts opts = {.create = true, .lock = true};
  char path[64], url[64];

  MUST(gw_git_init(NULL) == 0);
  MUST(gw_loop_new(&env.loop, NULL) == 0);
  MUST((env.guard = gw_guard_new(NULL)) != NULL);
  MUST(gw_http_new(&env.http, env.loop, env.guard, NULL) == 0);
  MUST(gw_pool_new(&env.pool, env.loop, 1, NULL) == 0);
  MUST(mkdtemp(folder));
  (void)atexit(clean_up);
  (void)snprintf(path, sizeof(path), "%s/store", folder);
  MUST(gw_store_open(&store, path, &opts, NULL) == 0);
  make_commit();
  server = peer_listen(env.loop);
  peer_listen_first(server);
  (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/x.git",
                 peer_port(server));
  remote.url = strdup(url);
  remote.proxy = strdup("");
  MUST(remote.url && remote.proxy);
  remote.stall_ms = 2000;
  adverts[0] =
      make_advert("git-receive-pack", "001f# service=git-receive-pack\n0000"
                                      "00000000");
  adverts[1] =
      make_advert("git-upload-pack", "001e# service=git-upload-pack\n0000"
                                     "003f" MISSING " refs/heads/master\n0000");
}

static void on_done(void *arg)
{
  *(bool *)arg = true;
}

/* The server's words around the fuzzed bytes. */
static char *make_answer(const char *service, const uint8_t *data, size_t size,
                         size_t *len)
{
  char head[200];
  int n = snprintf(head, sizeof(head),
                   "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-%s-"
                   "result\r\nConnection: close\r\n\r\n",
                   service);
  char *text = malloc((size_t)n + size);

  MUST(text);
  memcpy(text, head, (size_t)n);
  memcpy(text + n, data, size);
  *len = (size_t)n + size;
  return text;
}

static void check_push(const struct gw_git_op *op, const uint8_t *data,
                       size_t size)
{
  struct gw_err err = {0};

  if (gw_git_op_result(op, &err) == 0) {
    MUST(memmem(data, size, "ok refs/heads/master", 20));
    MUST(!gw_git_op_in_doubt(op));
  } else {
    MUST(err.kind != GW_OK && err.message[0]);
  }
}

static void check_fetch(const struct gw_git_op *op)
{
  struct gw_repo *repo;
  struct gw_err err = {0};

  if (gw_git_op_result(op, &err) != 0) {
    MUST(err.kind != GW_OK && err.message[0]);
    return;
  }
  MUST(gw_store_take(&repo, store, NULL) == 0);
  MUST(gw_repo_has(repo, MISSING));
  gw_store_give(store, repo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  bool ended = false, push;
  struct gw_git_op *op = NULL;
  char *answer;
  size_t len;

  if (!env.loop)
    set_up();
  if (size == 0)
    return 0;
  push = data[0] % 4 != 0;
  answer = make_answer(push ? "receive-pack" : "upload-pack", data + 1,
                       size - 1, &len);
  peer_say(server, answer, len);
  if (push) {
    struct gw_push_opts o = {.store = store,
                             .remote = &remote,
                             .advert = adverts[0],
                             .commit = commit.id,
                             .ref = "refs/heads/master",
                             .answer_ms = 2000};
    MUST(gw_push_start(&op, &env, &o, on_done, &ended, NULL) == 0);
  } else {
    struct gw_fetch_opts o = {.store = store,
                              .remote = &remote,
                              .advert = adverts[1],
                              .commit = MISSING,
                              .into = "refs/godwit/fuzz"};
    MUST(gw_fetch_start(&op, &env, &o, on_done, &ended, NULL) == 0);
  }
  while (!ended)
    MUST(gw_loop_step(env.loop, true, NULL) == 0);
  if (push)
    check_push(op, data + 1, size - 1);
  else
    check_fetch(op);
  gw_git_op_free(op);
  peer_drop(server);
  free(answer);
  return 0;
}
