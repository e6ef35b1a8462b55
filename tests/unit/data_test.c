/*
 * data: pairs between a server on the same loop and folders, with every call
 * that can fail failing once; the window and the bucket by themselves.
 */
#include "check.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "data/data.h"
#include "data/rate.h"
#include "data/window.h"
#include "net/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define LARGE 3000001
#define STORED 8

/* --- a server that has files and takes files --------------------------- */

struct stored {
  char name[64];
  char *data;
  size_t len;
};

struct rig {
  struct gw_loop *loop;
  struct gw_guard *guard;
  struct gw_http *http;
  struct gw_pool *pool;
  struct gw_server *server;
  struct stored stored[STORED];
  size_t count;
  char *large;
  bool changed;
  int port;
};

struct upload {
  struct rig *rig;
  struct gw_request *request;
  struct gw_buf body;
  char name[64];
  bool failed; /* a fault that was meant for the client */
};

struct download {
  struct rig *rig;
  struct gw_request *request;
  const char *data;
  size_t len, sent;
  size_t cut; /* here; 0: nowhere */
};

static void keep(struct rig *rig, struct upload *u)
{
  struct stored *s = NULL;

  for (size_t i = 0; i < rig->count && !s; i++)
    if (strcmp(rig->stored[i].name, u->name) == 0)
      s = &rig->stored[i];
  if (!s)
    s = &rig->stored[rig->count++ % STORED];
  free(s->data);
  strcpy(s->name, u->name);
  s->data = gw_buf_steal(&u->body, &s->len);
}

static void upload_read(void *arg)
{
  struct upload *u = arg;
  enum gw_request_state state;
  char *data;
  size_t len;

  while ((state = gw_request_read(u->request, &data, &len)) ==
         GW_REQUEST_READY) {
    u->failed = gw_buf_append(&u->body, data, len, NULL) != 0 || u->failed;
    free(data);
  }
  if (state == GW_REQUEST_WAIT)
    return;
  if (state == GW_REQUEST_END && !u->failed) {
    keep(u->rig, u);
    gw_request_respond(u->request, 201, NULL, "", 0, NULL);
  }
  gw_request_free(u->request);
  gw_buf_dispose(&u->body);
  free(u);
}

static void take(struct rig *rig, struct gw_request *r, const char *name)
{
  struct upload *u;

  if (strncmp(name, "early", 5) == 0) {
    gw_request_respond(r, 409, NULL, "no room", 7, NULL);
    gw_request_free(r);
    return;
  }
  u = calloc(1, sizeof(*u));
  u->rig = rig;
  u->request = r;
  (void)snprintf(u->name, sizeof(u->name), "%s", name);
  gw_request_watch(r, upload_read, u);
  upload_read(u);
}

static void download_more(void *arg)
{
  struct download *d = arg;
  enum gw_request_state state = GW_REQUEST_READY;

  while (d->sent < d->len && state == GW_REQUEST_READY) {
    size_t n = d->len - d->sent < 30000 ? d->len - d->sent : 30000;
    state = gw_request_write(d->request, d->data + d->sent, n);
    if (state == GW_REQUEST_READY)
      d->sent += n;
  }
  if (state == GW_REQUEST_WAIT && (d->cut == 0 || d->sent < d->cut))
    return;
  if (d->cut == 0)
    gw_request_finish(d->request);
  gw_request_free(d->request);
  free(d);
}

/* Names say how: chunked-…, cut-…, lie-… (its ETag is another MD5). */
static void give(struct rig *rig, struct gw_request *r, const char *name)
{
  const char *length[] = {"Content-Length: 3000001", NULL};
  const char *lie[] = {"ETag: \"00000000000000000000000000000000\"", NULL};
  struct download *d;

  if (strcmp(name, "none") == 0) {
    gw_request_respond(r, 404, NULL, "{\"error\":1}", 11, NULL);
    gw_request_free(r);
    return;
  }
  if (strcmp(name, "small") == 0 || strcmp(name, "lie-small") == 0) {
    gw_request_respond(r, 200, *name == 'l' ? lie : NULL, "small bytes", 11,
                       NULL);
    gw_request_free(r);
    return;
  }
  d = calloc(1, sizeof(*d));
  d->rig = rig;
  d->request = r;
  d->data = rig->large;
  d->len = strcmp(name, "empty") == 0 ? 0 : LARGE;
  gw_request_start(r, 200,
                   strncmp(name, "lie", 3) == 0         ? lie
                   : strncmp(name, "chunked", 7) == 0   ? NULL
                   : d->len > 0                         ? length
                                                        : NULL,
                   NULL);
  if (strncmp(name, "cut", 3) == 0)
    d->cut = 1000000;
  gw_request_watch(r, download_more, d);
  download_more(d);
}

static void hold(void *arg)
{
  struct gw_request *r = arg;

  if (gw_request_gone(r))
    gw_request_free(r);
}

static void on_request(void *arg, struct gw_request *r)
{
  const char *path = gw_request_path(r);

  if (strcmp(path, "/a/hang") == 0)
    gw_request_watch(r, hold, r);
  else if (strcmp(gw_request_method(r), "PUT") == 0)
    take(arg, r, path + 3);
  else
    give(arg, r, path + 3);
}

static int set_up(void **state)
{
  struct rig *rig = calloc(1, sizeof(*rig));
  struct gw_serve_opts opts = {.request = on_request, .arg = rig};

  assert_int_equal(gw_loop_new(&rig->loop, NULL), 0);
  rig->guard = gw_guard_new(NULL);
  assert_int_equal(gw_http_new(&rig->http, rig->loop, rig->guard, NULL), 0);
  assert_int_equal(gw_pool_new(&rig->pool, rig->loop, 2, NULL), 0);
  assert_int_equal(gw_serve_start(&rig->server, rig->loop, &opts, NULL), 0);
  rig->port = gw_serve_port(rig->server);
  rig->large = malloc(LARGE);
  for (size_t i = 0; i < LARGE; i++)
    rig->large[i] = (char)(i * 31 + i / 4099);
  *state = rig;
  return 0;
}

static int tear_down(void **state)
{
  struct rig *rig = *state;

  gw_serve_free(rig->server);
  gw_pool_free(rig->pool);
  gw_http_free_client(rig->http);
  gw_guard_free(rig->guard);
  gw_loop_free(rig->loop);
  for (size_t i = 0; i < STORED; i++)
    free(rig->stored[i].data);
  free(rig->large);
  free(rig);
  return 0;
}

/* --- ends -------------------------------------------------------------- */

struct ends {
  struct gw_data_end from, to;
  char from_url[64], to_url[64];
  int in, out;
};

static int open_folder(const char *name)
{
  const char *path = tmp_path(name);

  assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void file_end(struct gw_data_end *end, int folder)
{
  memset(end, 0, sizeof(*end));
  end->folder = folder;
  end->temp = -1;
}

static void http_end(struct gw_data_end *end, char url[64],
                     const struct rig *rig, char which)
{
  memset(end, 0, sizeof(*end));
  (void)snprintf(url, 64, "http://127.0.0.1:%d/%c/", rig->port, which);
  end->http.url = url;
}

static void write_file(int folder, const char *name, const void *data,
                       size_t len)
{
  int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_true(fd >= 0);
  assert_int_equal(write(fd, data, len), (ssize_t)len);
  close(fd);
}

static void make_ends(struct ends *e, const struct rig *rig, bool from_file,
                      bool to_file)
{
  e->in = open_folder("in");
  e->out = open_folder("out");
  write_file(e->in, "small", "small bytes", 11);
  write_file(e->in, "empty", "", 0);
  write_file(e->in, "large", rig->large, LARGE);
  file_end(&e->from, e->in);
  file_end(&e->to, e->out);
  if (!from_file)
    http_end(&e->from, e->from_url, rig, 'a');
  if (!to_file)
    http_end(&e->to, e->to_url, rig, 'b');
}

static void drop_ends(struct ends *e)
{
  close(e->in);
  close(e->out);
}

/* What is at the destination under that name; NULL: nothing. */
static char *arrived(struct rig *rig, struct ends *e, const char *name,
                     size_t *len)
{
  char *data = malloc(LARGE + 1);
  int fd;

  *len = 0;
  if (e->to.http.url) {
    for (size_t i = 0; i < rig->count && i < STORED; i++) {
      if (strcmp(rig->stored[i].name, name) == 0) {
        *len = rig->stored[i].len;
        if (*len)
          memcpy(data, rig->stored[i].data, *len);
        return data;
      }
    }
    free(data);
    return NULL;
  }
  fd = openat(e->out, name, O_RDONLY);
  if (fd < 0) {
    free(data);
    return NULL;
  }
  *len = (size_t)read(fd, data, LARGE + 1);
  close(fd);
  return data;
}

/* Nothing but whole files, and no parts. */
static void expect_whole(struct rig *rig, struct ends *e, const char *name,
                         bool must)
{
  size_t len;
  char *data = arrived(rig, e, name, &len);

  if (!data) {
    assert_false(must);
    return;
  }
  if (strstr(name, "small")) {
    assert_int_equal(len, 11);
    assert_memory_equal(data, "small bytes", 11);
  } else if (strstr(name, "empty")) {
    assert_int_equal(len, 0);
  } else {
    assert_int_equal(len, LARGE);
    assert_memory_equal(data, rig->large, LARGE);
  }
  free(data);
}

static void forget(struct rig *rig, struct ends *e)
{
  static const char *const names[] = {"small", "empty", "large", "chunked"};

  for (size_t i = 0; i < 4; i++)
    (void)unlinkat(e->out, names[i], 0);
  for (size_t i = 0; i < STORED; i++) {
    free(rig->stored[i].data);
    memset(&rig->stored[i], 0, sizeof(rig->stored[i]));
  }
  rig->count = 0;
  /* What stays would be a part; a worker may still have one. */
  for (int i = 0; i < 400 && rmdir(tmp_path("out")) != 0; i++) {
    assert_int_equal(gw_loop_step(rig->loop, false, NULL), 0);
    usleep(5000);
  }
  assert_int_equal(access(tmp_path("out"), F_OK), -1);
  close(e->out);
  e->out = open_folder("out");
  if (!e->to.http.url)
    e->to.folder = e->out;
}

/* --- copiers ----------------------------------------------------------- */

static void on_changed(void *arg)
{
  ((struct rig *)arg)->changed = true;
}

static int start(struct gw_copier **c, struct rig *rig, struct ends *e,
                 bool digest_only, struct gw_err *err)
{
  struct gw_data_opts opts = {
      .sha256 = true, .buffer = 1 << 18, .changed = on_changed, .arg = rig};

  return gw_data_new(c, rig->loop, rig->http, rig->pool, &e->from,
                     digest_only ? NULL : &e->to, &opts, err);
}

static int submit(struct gw_copier *c, const char *name, struct gw_err *err)
{
  struct gw_data_job *job = gw_data_job_new(name, NULL, err);

  if (!job)
    return -1;
  gw_data_submit(c, job);
  return 0;
}

static struct gw_data_job *next_result(struct rig *rig, struct gw_copier *c)
{
  uint64_t end = gw_clock_ms() + 20000;
  struct gw_data_job *job;

  while (!(job = gw_data_take(c)) && gw_clock_ms() < end)
    assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
  assert_non_null(job);
  return job;
}

static void expect_digests(struct rig *rig, const struct gw_data_job *job)
{
  const char *data = strcmp(job->name, "small") == 0 ? "small bytes"
                                                     : rig->large;
  size_t len = strcmp(job->name, "small") == 0   ? 11
               : strcmp(job->name, "empty") == 0 ? 0
                                                 : LARGE;
  char hex[65];

  assert_int_equal(job->bytes, len);
  gw_hash_bytes(GW_HASH_MD5, data, len, hex, NULL);
  assert_string_equal(job->md5, hex);
  gw_hash_bytes(GW_HASH_SHA256, data, len, hex, NULL);
  assert_string_equal(job->sha256, hex);
}

static void copy_all(struct rig *rig, bool from_file, bool to_file,
                     bool digest_only)
{
  static const char *const names[] = {"small", "empty", "large"};
  struct gw_copier *c;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, from_file, to_file);
  assert_ok(start(&c, rig, &e, digest_only, &err), err);
  for (int i = 0; i < 3; i++)
    assert_ok(submit(c, names[i], &err), err);
  for (int i = 0; i < 3; i++) {
    struct gw_data_job *job = next_result(rig, c);
    if (job->err.kind)
      fail_msg("%s: %s", job->name, job->err.message);
    expect_digests(rig, job);
    if (!to_file && !digest_only)
      assert_non_null(job->date);
    gw_data_job_free(job);
  }
  for (int i = 0; i < 3 && !digest_only; i++)
    expect_whole(rig, &e, names[i], true);
  gw_data_free(c);
  assert_true(rig->changed);
  forget(rig, &e);
  drop_ends(&e);
}

/* --- the tests --------------------------------------------------------- */

static void test_data__between_all_kinds_of_ends(void **state)
{
  for (int kind = 0; kind < 4; kind++)
    copy_all(*state, kind & 1, kind & 2, false);
  copy_all(*state, false, false, true);
  copy_all(*state, true, false, true);
}

struct failure {
  const char *name;
  enum gw_errkind kind;
  enum gw_data_stage stage;
  const char *words;
};

static void expect_failure(struct rig *rig, const struct failure *f,
                           bool to_file)
{
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, false, to_file);
  assert_ok(start(&c, rig, &e, false, &err), err);
  assert_ok(submit(c, f->name, &err), err);
  job = next_result(rig, c);
  if (job->err.kind != f->kind || job->stage != f->stage ||
      !strstr(job->err.message, f->words))
    fail_msg("%s: %s, %s", f->name, gw_err_name(job->err.kind),
             job->err.message);
  gw_data_job_free(job);
  gw_data_free(c);
  assert_int_equal(rig->count, 0);
  forget(rig, &e);
  drop_ends(&e);
}

static void test_data__a_source_that_is_not_whole(void **state)
{
  static const struct failure failures[] = {
      {"none", GW_ENOTFOUND, GW_DATA_READ, "the source answered 404"},
      {"cut", GW_ENET, GW_DATA_READ, "cut"},
      {"lie-small", GW_ECONFLICT, GW_DATA_READ, "says its MD5 is"},
      {"lie-large", GW_ECONFLICT, GW_DATA_READ, "says its MD5 is"},
  };

  for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
    expect_failure(*state, &failures[i], false);
    expect_failure(*state, &failures[i], true);
  }
}

static void test_data__a_body_without_length(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, false, false);
  assert_ok(start(&c, rig, &e, false, &err), err);
  assert_ok(submit(c, "chunked", &err), err);
  job = next_result(rig, c);
  assert_int_equal(job->err.kind, GW_OK);
  expect_whole(rig, &e, "chunked", true);
  gw_data_job_free(job);
  gw_data_free(c);
  forget(rig, &e);
  drop_ends(&e);
}

static void test_data__an_answer_before_the_body_was_read(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, true, false);
  write_file(e.in, "early", rig->large, LARGE);
  assert_ok(start(&c, rig, &e, false, &err), err);
  assert_ok(submit(c, "early", &err), err);
  job = next_result(rig, c);
  assert_int_equal(job->err.kind, GW_ECONFLICT);
  assert_int_equal(job->status, 409);
  assert_int_equal(job->body_len, 7);
  assert_memory_equal(job->body, "no room", 7);
  assert_true(job->sent);
  gw_data_job_free(job);
  gw_data_free(c);
  assert_int_equal(unlinkat(e.in, "early", 0), 0);
  forget(rig, &e);
  drop_ends(&e);
}

static void test_data__links_and_folders_are_refused(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, true, true);
  assert_int_equal(symlinkat("small", e.in, "link"), 0);
  assert_int_equal(mkdirat(e.in, "sub", 0700), 0);
  assert_int_equal(mkfifo(tmp_path("in/pipe"), 0600), 0);
  assert_ok(start(&c, rig, &e, false, &err), err);
  for (int i = 0; i < 3; i++) {
    static const char *const names[] = {"link", "sub", "pipe"};
    assert_ok(submit(c, names[i], &err), err);
    job = next_result(rig, c);
    assert_int_equal(job->err.kind, GW_ECONFLICT);
    gw_data_job_free(job);
  }
  gw_data_free(c);
  unlinkat(e.in, "link", 0);
  unlinkat(e.in, "pipe", 0);
  unlinkat(e.in, "sub", AT_REMOVEDIR);
  forget(rig, &e);
  drop_ends(&e);
}

static void test_data__names_that_are_none(void **state)
{
  struct gw_err err = {0};
  char longer[1100];

  (void)state;
  memset(longer, 'x', sizeof(longer));
  longer[sizeof(longer) - 1] = '\0';
  assert_null(gw_data_job_new("", NULL, &err));
  assert_null(gw_data_job_new(".", NULL, &err));
  assert_null(gw_data_job_new("..", NULL, &err));
  assert_null(gw_data_job_new("a/b", NULL, &err));
  assert_null(gw_data_job_new("a", "../b", &err));
  assert_null(gw_data_job_new(longer, NULL, &err));
  assert_int_equal(err.kind, GW_EUSAGE);
}

/* With one pair that hangs, one half-way, one queued and one delayed. */
static void test_data__cancelled(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  for (int free_only = 0; free_only < 2; free_only++) {
    make_ends(&e, rig, false, true);
    assert_ok(start(&c, rig, &e, false, &err), err);
    gw_data_limit(c, 2);
    assert_ok(submit(c, "hang", &err), err);
    assert_ok(submit(c, "large", &err), err);
    assert_ok(submit(c, "small", &err), err);
    job = gw_data_job_new("empty", NULL, &err);
    job->delay = 100000;
    gw_data_submit(c, job);
    for (int i = 0; i < 12 + 4 * free_only; i++)
      assert_int_equal(gw_loop_step(rig->loop, true, NULL), 0);
    if (!free_only) {
      gw_data_cancel(c);
      for (int i = 0; i < 4; i++) {
        job = next_result(rig, c);
        assert_int_equal(job->err.kind, GW_ECANCELLED);
        gw_data_job_free(job);
      }
      assert_null(gw_data_take(c));
    }
    gw_data_free(c);
    drop_ends(&e);
    make_ends(&e, rig, false, true);
    forget(rig, &e);
    drop_ends(&e);
  }
}

static void test_data__a_destination_that_keeps_silent(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;

  make_ends(&e, rig, true, false);
  http_end(&e.to, e.to_url, rig, 'a');
  e.to.http.stall_ms = 100;
  write_file(e.in, "hang", rig->large, LARGE);
  assert_ok(start(&c, rig, &e, false, &err), err);
  assert_ok(submit(c, "hang", &err), err);
  job = next_result(rig, c);
  assert_int_equal(job->err.kind, GW_ETIMEOUT);
  assert_int_equal(job->stage, GW_DATA_WRITE);
  gw_data_job_free(job);
  gw_data_free(c);
  assert_int_equal(unlinkat(e.in, "hang", 0), 0);
  forget(rig, &e);
  drop_ends(&e);
}

static void test_data__a_rate_is_kept(void **state)
{
  struct rig *rig = *state;
  struct gw_copier *c;
  struct gw_data_job *job;
  struct gw_err err = {0};
  struct ends e;
  uint64_t began = gw_clock_ms();

  make_ends(&e, rig, false, true);
  assert_ok(start(&c, rig, &e, false, &err), err);
  gw_data_rate(c, 10e6, 0); /* 3 MB: 0.3 s, less the last piece */
  assert_ok(submit(c, "large", &err), err);
  job = next_result(rig, c);
  assert_int_equal(job->err.kind, GW_OK);
  assert_true(gw_clock_ms() - began >= 150);
  gw_data_job_free(job);
  gw_data_free(c);
  forget(rig, &e);
  drop_ends(&e);
}

/* Whatever fails: a result or an error at once, and only whole files. */
static void survive(struct rig *rig, bool from_file, bool to_file)
{
  static const char *const names[] = {"small", "large", "empty"};

  for (int n = 0; n < 3000; n++) {
    struct gw_err err = {0};
    struct gw_copier *c = NULL;
    struct ends e;
    bool ok[3] = {false};
    int rc;

    make_ends(&e, rig, from_file, to_file);
    gw_fault_arm(n);
    rc = start(&c, rig, &e, false, &err);
    for (int i = 0; rc == 0 && i < 3; i++) {
      struct gw_err why = {0};
      if (submit(c, names[i], &why) != 0) {
        assert_int_not_equal(why.kind, GW_OK);
        continue;
      }
      struct gw_data_job *job = next_result(rig, c);
      ok[i] = job->err.kind == GW_OK;
      gw_data_job_free(job);
    }
    bool reached = gw_fault_disarm();
    assert_true(rc == 0 || err.kind != GW_OK);
    for (int i = 0; i < 3; i++)
      expect_whole(rig, &e, names[i], ok[i]);
    gw_data_free(c);
    forget(rig, &e);
    drop_ends(&e);
    if (!reached) {
      assert_true(ok[0] && ok[1] && ok[2]);
      return;
    }
  }
  fail_msg("the faults never end");
}

static void test_data__survives_every_fault(void **state)
{
#ifdef GODWIT_FAULTS
  for (int kind = 0; kind < 4; kind++)
    survive(*state, kind & 1, kind & 2);
#else
  (void)state;
  (void)survive;
  skip();
#endif
}

/* --- by themselves ----------------------------------------------------- */

/* A server where so many at a time bring so many a second, up to `best`. */
static void serve_window(struct gw_window *w, unsigned best, uint64_t *now,
                         int rounds)
{
  for (int r = 0; r < rounds; r++) {
    unsigned limit = w->limit;
    /* 40 ms a pair; beyond `best` they queue up. */
    *now += limit <= best ? 40 : 40 * limit / best;
    for (unsigned i = 0; i < limit; i++)
      gw_window_done(w, *now, 1000, true);
  }
}

static void test_data__the_window_follows_what_it_brings(void **state)
{
  struct gw_window w;
  uint64_t now = 1000;

  (void)state;
  gw_window_init(&w, 32, 256);
  serve_window(&w, 10000, &now, 6);
  assert_int_equal(w.limit, 256); /* its cap, within a quarter of a second */
  gw_window_busy(&w, now);
  gw_window_busy(&w, now + 10); /* the same trouble */
  assert_int_equal(w.limit, 128);
  gw_window_cap(&w, 100);
  assert_int_equal(w.limit, 100);

  gw_window_init(&w, 32, 256);
  serve_window(&w, 32, &now, 60); /* more brings nothing */
  assert_in_range(w.limit, 24, 48);

  gw_window_init(&w, 32, 256);
  for (int i = 0; i < 500; i++) /* too few jobs to say */
    gw_window_done(&w, now += 5, 1000, false);
  assert_int_equal(w.limit, 32);
  for (int i = 0; i < 20; i++)
    gw_window_busy(&w, now += 1000);
  assert_int_equal(w.limit, 1);

  /* A cap that comes while it tries more holds when that brought nothing. */
  gw_window_init(&w, 32, 256);
  serve_window(&w, 10000, &now, 2);
  assert_int_equal(w.limit, 128);
  gw_window_cap(&w, 8);
  for (int round = 0; round < 20; round++) {
    serve_window(&w, 1, &now, 1);
    assert_in_range(w.limit, 1, 8);
  }
}

static void test_data__the_bucket(void **state)
{
  struct gw_rate r = {0};

  (void)state;
  gw_rate_set(&r, 0, 1000);
  assert_true(gw_rate_open(&r, 1000));
  gw_rate_set(&r, 1000, 1000); /* 1 byte a millisecond */
  assert_false(gw_rate_open(&r, 1000)); /* empty at first */
  assert_true(gw_rate_open(&r, 1500));  /* and never holds more than 100 */
  gw_rate_spend(&r, 600);
  assert_false(gw_rate_open(&r, 1500));
  assert_in_range(gw_rate_wait(&r), 500, 502);
  assert_false(gw_rate_open(&r, 1900));
  assert_in_range((int)gw_rate_owed(&r), 100, 100);
  gw_rate_set(&r, 500, 1900); /* half of it: what is owed stays owed */
  assert_in_range((int)gw_rate_owed(&r), 100, 100);
  assert_false(gw_rate_open(&r, 2090));
  assert_true(gw_rate_open(&r, 2110));
}

int main(void)
{
#define RIGGED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      RIGGED(test_data__between_all_kinds_of_ends),
      RIGGED(test_data__a_source_that_is_not_whole),
      RIGGED(test_data__a_body_without_length),
      RIGGED(test_data__an_answer_before_the_body_was_read),
      RIGGED(test_data__links_and_folders_are_refused),
      RIGGED(test_data__cancelled),
      RIGGED(test_data__a_destination_that_keeps_silent),
      RIGGED(test_data__a_rate_is_kept),
      RIGGED(test_data__survives_every_fault),
      cmocka_unit_test(test_data__names_that_are_none),
      cmocka_unit_test(test_data__the_window_follows_what_it_brings),
      cmocka_unit_test(test_data__the_bucket),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
