#include "lua/job.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

struct box {
  struct gw_lua_job *job; /* NULL: closed */
  struct gw_tasks *tasks;
  uint64_t ticket;
  bool finished, cancelled;
};

static void drop(struct gw_lua_job *job)
{
  if (job->box || job->in_pool)
    return;
  if (job->dispose)
    job->dispose(job);
  free(job);
}

static int box_gc(lua_State *L)
{
  struct box *box = lua_touserdata(L, 1);
  struct gw_lua_job *job = box->job;

  if (!job)
    return 0;
  box->job = NULL;
  job->box = NULL;
  if (job->in_pool && !box->finished && !box->cancelled)
    gw_pool_detach(&job->pool_job);
  drop(job);
  return 0;
}

static void job_run(struct gw_job *base)
{
  struct gw_lua_job *job = (struct gw_lua_job *)base;

  job->work(job);
}

static void job_done(struct gw_job *base)
{
  struct box *box = ((struct gw_lua_job *)base)->box;

  if (!box)
    return;
  box->finished = true;
  gw_task_ready(box->tasks, box->ticket);
}

static void job_destroy(struct gw_job *base)
{
  struct gw_lua_job *job = (struct gw_lua_job *)base;

  job->in_pool = false;
  drop(job);
}

void *gw_lua_job(lua_State *L, size_t size,
                 void (*work)(struct gw_lua_job *job),
                 int (*push)(lua_State *L, struct gw_lua_job *job),
                 void (*dispose)(struct gw_lua_job *job))
{
  static const luaL_Reg metas[] = {{"__gc", box_gc}, {NULL, NULL}};
  struct box *box;

  luaL_checkstack(L, 4, NULL);
  if (luaL_getmetatable(L, "godwit.job") == LUA_TNIL)
    gw_lua_class(L, "godwit.job", metas, NULL);
  lua_pop(L, 1);
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  memset(box, 0, sizeof(*box));
  luaL_setmetatable(L, "godwit.job");
  box->tasks = gw_lua_host(L)->tasks;
  box->job = calloc(1, size);
  if (!box->job) {
    gw_lua_throw(L, GW_ENOMEM, NULL, "out of memory");
    return NULL;
  }
  box->job->box = box;
  box->job->pool_job.run = job_run;
  box->job->pool_job.done = job_done;
  box->job->pool_job.destroy = job_destroy;
  box->job->work = work;
  box->job->push = push;
  box->job->dispose = dispose;
  return box->job;
}

void *gw_lua_copy_bytes(lua_State *L, const void *data, size_t len)
{
  char *copy = malloc(len + 1);

  if (!copy) {
    gw_lua_throw(L, GW_ENOMEM, NULL, "out of memory");
    return NULL;
  }
  memcpy(copy, data, len);
  copy[len] = '\0';
  return copy;
}

char *gw_lua_copy(lua_State *L, const char *text)
{
  return text ? gw_lua_copy_bytes(L, text, strlen(text)) : NULL;
}

static void job_cancel(void *ctx)
{
  struct box *box = ctx;

  box->cancelled = true;
  if (box->job->in_pool)
    gw_pool_detach(&box->job->pool_job);
}

static int job_end(lua_State *L, int status, lua_KContext ctx)
{
  struct box *box = (struct box *)ctx;

  (void)status;
  if (box->cancelled) {
    struct gw_err err = {.kind = GW_ECANCELLED, .message = "cancelled"};
    return gw_lua_fail(L, &err);
  }
  if (box->job->err.kind)
    return gw_lua_fail(L, &box->job->err);
  return box->job->push(L, box->job);
}

int gw_lua_job_wait(lua_State *L, struct gw_lua_job *job, struct gw_pool *pool)
{
  struct box *box = job->box;
  struct gw_err err = {0};

  box->ticket = gw_task_ticket(box->tasks, L);
  job->in_pool = true;
  if (gw_pool_submit(pool, &job->pool_job, &err) != 0) {
    job->in_pool = false;
    return gw_lua_fail(L, &err);
  }
  return gw_task_yield(L, box, job_end, job_cancel);
}
