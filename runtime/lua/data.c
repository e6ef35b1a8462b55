/*
 * data: godwit.core.data. A copier for Lua: jobs go in and results come out
 * as arrays, so that a file costs next to nothing here.
 *
 * A copier's box is closed by the collector, which ends what runs. One task
 * at a time waits for results, and one for room in the queue.
 */
#include "data/data.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/folder.h"
#include "lua/http.h"
#include "lua/job.h"
#include "lua/task.h"

#include <string.h>
#include <unistd.h>

#define COPIER_META "godwit.data.copier"
#define QUOTA_META "godwit.data.quota"
#define QUEUE_MAX 4096   /* jobs not begun: who submits more waits */
#define RESULTS_MAX 1000 /* of one wait */

struct box {
  struct gw_copier *copier; /* NULL: closed */
  struct gw_tasks *tasks;
  uint64_t taker, giver; /* tickets: of wait, of submit */
  size_t left;           /* submitted, and not taken yet */
  bool finished;
};

static struct box *check_box(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, COPIER_META);

  luaL_argcheck(L, box->copier, 1, "the copier is closed");
  return box;
}

static int copier_gc(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, COPIER_META);

  gw_data_free(box->copier);
  box->copier = NULL;
  gw_task_ready(box->tasks, box->taker); /* another task, which is told */
  gw_task_ready(box->tasks, box->giver);
  return 0;
}

/* --- making one -------------------------------------------------------- */

/* The end that is the table at idx; what it points to is kept at `keep`, or
 * by the table, until it is copied. */
static void read_end(lua_State *L, int idx, struct gw_data_end *end, int keep,
                     bool write)
{
  struct gw_err err = {0};

  memset(end, 0, sizeof(*end));
  end->folder = end->temp = -1;
  luaL_checktype(L, idx, LUA_TTABLE);
  if (gw_rawfield(L, idx, "folder") == LUA_TNIL) {
    lua_pop(L, 1);
    gw_lua_read_request(L, idx, &end->http, keep);
    return;
  }
  end->folder = gw_lua_folder_fd(L, -1, write, &err);
  if (end->folder < 0)
    gw_lua_raise(L, &err);
  lua_pop(L, 1);
  if (gw_rawfield(L, idx, "temp") != LUA_TNIL) {
    end->temp = gw_lua_folder_fd(L, -1, write, &err);
    if (end->temp < 0)
      gw_lua_raise(L, &err);
  }
  lua_pop(L, 1);
  end->is_private = gw_opt_bool(L, idx, "private", false);
}

static unsigned count_of(lua_State *L, const char *name, double most)
{
  double n = gw_opt_number(L, 3, name, 0);

  if (!(n >= 0 && n <= most))
    luaL_error(L, "bad option '%s' (0 to %d expected)", name, (int)most);
  return (unsigned)n;
}

static double check_rate(lua_State *L, double rate)
{
  if (!(rate >= 0 && rate < 1e15))
    luaL_error(L, "bad rate (bytes a second expected)");
  return rate;
}

static void read_opts(lua_State *L, struct gw_data_opts *opts)
{
  memset(opts, 0, sizeof(*opts));
  if (lua_isnoneornil(L, 3))
    return;
  luaL_checktype(L, 3, LUA_TTABLE);
  opts->start = count_of(L, "start", 4096);
  opts->max = count_of(L, "max", 4096);
  opts->buffer = count_of(L, "buffer", 1 << 28);
  opts->rate = check_rate(L, gw_opt_number(L, 3, "rate", 0));
  opts->no_md5 = !gw_opt_bool(L, 3, "md5", true);
  opts->sha256 = gw_opt_bool(L, 3, "sha256", false);
  opts->any_etag = !gw_opt_bool(L, 3, "etag", true);
  if (gw_rawfield(L, 3, "quota") != LUA_TNIL)
    opts->quota = *(struct gw_quota **)luaL_checkudata(L, -1, QUOTA_META);
  lua_pop(L, 1); /* the table keeps it */
}

/* Or nobody takes results: the one who could may be the one who submits. */
static bool has_room(const struct gw_data_stats *stats)
{
  return stats->queued < QUEUE_MAX || stats->full;
}

/* Outside of Lua. */
static void on_changed(void *arg)
{
  struct box *box = arg;
  struct gw_data_stats stats;

  gw_data_stats(box->copier, &stats);
  if (stats.results > 0)
    gw_task_ready(box->tasks, box->taker);
  if (has_room(&stats))
    gw_task_ready(box->tasks, box->giver);
}

static int l_copier(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  struct gw_data_end from, to;
  struct gw_data_opts opts;
  struct gw_err err = {0};
  struct box *box;
  bool writes;

  lua_settop(L, 3);
  lua_newtable(L);
  lua_newtable(L);
  writes = !lua_isnil(L, 2);
  read_opts(L, &opts);
  read_end(L, 1, &from, 4, false);
  if (writes)
    read_end(L, 2, &to, 5, true);
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  memset(box, 0, sizeof(*box));
  box->tasks = host->tasks;
  luaL_setmetatable(L, COPIER_META);
  opts.changed = on_changed;
  opts.arg = box;
  if (gw_data_new(&box->copier, host->loop, gw_lua_client(L), host->cpu, &from,
                  writes ? &to : NULL, &opts, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

/* --- jobs in ----------------------------------------------------------- */

static const char *plain_text(lua_State *L, int idx, const char *name)
{
  const char *text = gw_opt_string(L, idx, name, NULL);

  if (text) {
    gw_rawfield(L, idx, name);
    if (lua_rawlen(L, -1) != strlen(text))
      luaL_error(L, "bad option '%s' (a NUL in it)", name);
    lua_pop(L, 1);
  }
  return text;
}

/* The job that is the table on top. */
static void submit_one(lua_State *L, struct box *box)
{
  int idx = lua_gettop(L);
  const char *name = plain_text(L, idx, "name");
  const char *to = plain_text(L, idx, "to");
  double size = gw_opt_number(L, idx, "size", -1);
  double wait = gw_opt_number(L, idx, "delay", 0);
  bool any_etag = !gw_opt_bool(L, idx, "etag", true);
  struct gw_data_job *job;
  struct gw_err err = {0};

  luaL_argcheck(L, name, 2, "a job without a name");
  luaL_argcheck(L, size >= -1 && size < 9e15, 2, "not a size");
  luaL_argcheck(L, wait >= 0 && wait < 1e7, 2, "not a delay");
  job = gw_data_job_new(name, to, &err);
  if (!job)
    gw_lua_raise(L, &err);
  job->size = (long long)size;
  job->delay = (uint64_t)(wait * 1000);
  job->any_etag = any_etag;
  box->left++;
  gw_data_submit(box->copier, job);
}

static int submit_end(lua_State *L, int status, lua_KContext ctx)
{
  (void)status, (void)ctx;
  lua_pushboolean(L, true);
  return 1;
}

static int l_submit(lua_State *L)
{
  struct box *box = check_box(L);
  struct gw_data_stats stats;

  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_argcheck(L, !box->finished, 1, "finish was called");
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
    luaL_argcheck(L, lua_istable(L, -1), 2, "jobs expected");
    submit_one(L, box);
    lua_pop(L, 1);
  }
  gw_data_stats(box->copier, &stats);
  if (has_room(&stats))
    return submit_end(L, 0, 0);
  if (gw_task_waits(box->tasks, box->giver))
    return luaL_error(L, "another task waits in submit");
  box->giver = gw_task_ticket(box->tasks, L);
  return gw_task_yield(L, box, submit_end, NULL);
}

/* --- results out ------------------------------------------------------- */

static void set_text(lua_State *L, const char *name, const char *text)
{
  if (!text || !*text)
    return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer n)
{
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double n)
{
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void push_failure(lua_State *L, const struct gw_data_job *job)
{
  gw_lua_pusherr(L, &job->err);
  lua_setfield(L, -2, "err");
  set_text(L, "stage", job->stage == GW_DATA_READ ? "read" : "write");
  set_flag(L, "sent", job->sent);
  if (job->retry_after >= 0)
    set_integer(L, "retry_after", job->retry_after);
  if (job->over) {
    set_flag(L, "over", true);
    set_integer(L, "announced", (lua_Integer)job->announced);
  }
  if (job->other_etag) {
    set_flag(L, "other_etag", true);
    set_text(L, "md5", job->md5);
    set_text(L, "source_etag", job->source_etag);
  }
}

static void push_result(lua_State *L, const struct gw_data_job *job)
{
  lua_createtable(L, 0, 11);
  set_text(L, "name", job->name);
  set_integer(L, "bytes", (lua_Integer)job->bytes);
  if (job->status)
    set_integer(L, "status", job->status);
  if (job->body) {
    lua_pushlstring(L, job->body, job->body_len);
    lua_setfield(L, -2, "body");
  }
  if (job->err.kind) {
    push_failure(L, job);
    return;
  }
  set_flag(L, "ok", true);
  set_text(L, "md5", job->md5);
  set_text(L, "sha256", job->sha256);
  set_text(L, "source_etag", job->source_etag);
  set_text(L, "date", job->date);
  set_integer(L, "took", (lua_Integer)job->took);
  if (job->modified > 0)
    set_number(L, "modified", job->modified);
}

#define JOB_META "godwit.data.job"

static int job_gc(lua_State *L)
{
  struct gw_data_job **held = lua_touserdata(L, 1);

  gw_data_job_free(*held);
  *held = NULL;
  return 0;
}

/* What raises on the way loses results, as whatever raises does. */
static int push_results(lua_State *L, struct box *box)
{
  struct gw_data_stats stats;
  struct gw_data_job **held = lua_newuserdatauv(L, sizeof(*held), 0);
  lua_Integer n = 0;

  *held = NULL;
  luaL_setmetatable(L, JOB_META);
  gw_data_stats(box->copier, &stats);
  lua_createtable(L, stats.results < RESULTS_MAX ? (int)stats.results
                                                 : RESULTS_MAX, 0);
  while (n < RESULTS_MAX && (*held = gw_data_take(box->copier)) != NULL) {
    box->left--;
    push_result(L, *held);
    lua_rawseti(L, -2, ++n);
    gw_data_job_free(*held);
    *held = NULL;
  }
  return 1;
}

static int l_wait(lua_State *L);

static int wait_end(lua_State *L, int status, lua_KContext ctx)
{
  (void)status, (void)ctx;
  return l_wait(L);
}

static int l_wait(lua_State *L)
{
  struct box *box = check_box(L);
  struct gw_data_stats stats;

  lua_settop(L, 1);
  gw_data_stats(box->copier, &stats);
  if (stats.results > 0)
    return push_results(L, box);
  if (box->finished && box->left == 0) {
    lua_pushnil(L);
    return 1;
  }
  if (gw_task_waits(box->tasks, box->taker))
    return luaL_error(L, "another task waits for results");
  box->taker = gw_task_ticket(box->tasks, L);
  return gw_task_yield(L, box, wait_end, NULL);
}

static int l_finish(lua_State *L)
{
  struct box *box = check_box(L);

  box->finished = true;
  if (box->left == 0)
    gw_task_ready(box->tasks, box->taker);
  return 0;
}

static int l_cancel(lua_State *L)
{
  gw_data_cancel(check_box(L)->copier);
  return 0;
}

/* --- quotas ------------------------------------------------------------ */

static struct gw_quota *check_quota(lua_State *L)
{
  return *(struct gw_quota **)luaL_checkudata(L, 1, QUOTA_META);
}

static lua_Integer check_bytes(lua_State *L, int idx)
{
  lua_Integer bytes = luaL_checkinteger(L, idx);

  luaL_argcheck(L, bytes >= 0, idx, "bytes expected");
  return bytes;
}

static int l_quota(lua_State *L)
{
  lua_Integer bytes = check_bytes(L, 1);
  struct gw_quota **quota = lua_newuserdatauv(L, sizeof(struct gw_quota *), 0);

  *quota = NULL;
  luaL_setmetatable(L, QUOTA_META);
  *quota = gw_quota_new(bytes);
  return *quota ? 1 : luaL_error(L, "not enough memory");
}

static int quota_gc(lua_State *L)
{
  gw_quota_unref(check_quota(L));
  return 0;
}

static int l_quota_take(lua_State *L)
{
  lua_pushboolean(L, gw_quota_take(check_quota(L),
                                   (unsigned long long)check_bytes(L, 2)));
  return 1;
}

static int l_quota_charge(lua_State *L)
{
  gw_quota_charge(check_quota(L), check_bytes(L, 2));
  return 0;
}

static int l_quota_left(lua_State *L)
{
  lua_pushinteger(L, gw_quota_left(check_quota(L)));
  return 1;
}

/* --- the rest ---------------------------------------------------------- */

static int l_rate(lua_State *L)
{
  struct box *box = check_box(L);

  gw_data_rate(box->copier, check_rate(L, luaL_optnumber(L, 2, 0)),
               check_rate(L, luaL_optnumber(L, 3, 0)));
  return 0;
}

static int l_limit(lua_State *L)
{
  struct box *box = check_box(L);
  lua_Integer max = luaL_checkinteger(L, 2);

  luaL_argcheck(L, max >= 1 && max <= 4096, 2, "1 to 4096 expected");
  gw_data_limit(box->copier, (unsigned)max);
  return 0;
}

static int l_stats(lua_State *L)
{
  struct gw_data_stats stats;

  gw_data_stats(check_box(L)->copier, &stats);
  lua_createtable(L, 0, 6);
  set_integer(L, "in_flight", stats.in_flight);
  set_integer(L, "limit", stats.limit);
  set_integer(L, "queued", (lua_Integer)stats.queued);
  set_integer(L, "done", (lua_Integer)stats.done);
  set_integer(L, "bytes", (lua_Integer)stats.bytes);
  set_number(L, "owed", stats.owed);
  return 1;
}

struct sync_job {
  struct gw_lua_job base;
  int fd;
};

static void sync_work(struct gw_lua_job *base)
{
  (void)gw_data_sync(((struct sync_job *)base)->fd, &base->err);
}

static void sync_dispose(struct gw_lua_job *base)
{
  int fd = ((struct sync_job *)base)->fd;

  if (fd >= 0)
    (void)close(fd);
}

static int push_true(lua_State *L, struct gw_lua_job *base)
{
  (void)base;
  lua_pushboolean(L, true);
  return 1;
}

static int l_flush(lua_State *L)
{
  struct box *box = check_box(L);
  struct sync_job *job =
      gw_lua_job(L, sizeof(*job), sync_work, push_true, sync_dispose);
  struct gw_err err = {0};

  job->fd = gw_data_folder(box->copier, &err);
  if (err.kind)
    return gw_lua_fail(L, &err);
  if (job->fd < 0)
    return push_true(L, NULL);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

int gw_luaopen_data(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"copier", l_copier}, {"quota", l_quota}, {NULL, NULL}};
  static const luaL_Reg quota_metas[] = {{"__gc", quota_gc}, {NULL, NULL}};
  static const luaL_Reg quota_methods[] = {{"take", l_quota_take},
                                           {"charge", l_quota_charge},
                                           {"left", l_quota_left},
                                           {NULL, NULL}};
  static const luaL_Reg job_metas[] = {{"__gc", job_gc}, {NULL, NULL}};
  static const luaL_Reg metas[] = {
      {"__gc", copier_gc}, {"__close", copier_gc}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"submit", l_submit}, {"wait", l_wait},   {"finish", l_finish},
      {"cancel", l_cancel}, {"flush", l_flush}, {"rate", l_rate},
      {"limit", l_limit},   {"stats", l_stats}, {NULL, NULL},
  };

  gw_lua_class(L, COPIER_META, metas, methods);
  gw_lua_class(L, JOB_META, job_metas, NULL);
  gw_lua_class(L, QUOTA_META, quota_metas, quota_methods);
  luaL_newlib(L, funcs);
  return 1;
}
