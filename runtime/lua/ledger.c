/*
 * ledger: remembered digests for Lua. SQLite works on the cpu pool.
 */
#include "journal/ledger.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/rows.h"
#include "lua/task.h"

#include <stdlib.h>

#define LEDGER_META "godwit.ledger"

struct store { /* shared by the box and the jobs at work; loop thread counts */
  struct gw_ledger *ledger;
  int refs;
};

struct ledger_job {
  struct gw_lua_job base;
  struct store *store;
  char *path;  /* open */
  char *place; /* the others */
  struct gw_file_rows rows;
  bool all; /* forget: the whole place */
};

static void unref(struct store *store)
{
  if (store && --store->refs == 0) {
    gw_ledger_close(store->ledger);
    free(store);
  }
}

static void job_dispose(struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;

  free(job->path);
  free(job->place);
  gw_file_rows_dispose(&job->rows);
  unref(job->store);
}

/* --- on a worker -------------------------------------------------------- */

static void open_work(struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;

  gw_ledger_open(&job->store->ledger, job->path, &base->err);
}

static void put_work(struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;

  gw_ledger_put(job->store->ledger, job->place, &job->rows, &base->err);
}

static void get_work(struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;

  gw_ledger_get(job->store->ledger, job->place, &job->rows, &base->err);
}

static void forget_work(struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;

  gw_ledger_forget(job->store->ledger, job->place, job->all ? NULL : &job->rows,
                   &base->err);
}

/* --- results ------------------------------------------------------------ */

static int open_push(lua_State *L, struct gw_lua_job *base)
{
  struct ledger_job *job = (struct ledger_job *)base;
  struct store **box = lua_newuserdatauv(L, sizeof(*box), 0);

  *box = NULL;
  luaL_setmetatable(L, LEDGER_META);
  job->store->refs++;
  *box = job->store;
  return 1;
}

static int done_push(lua_State *L, struct gw_lua_job *base)
{
  (void)base;
  lua_pushboolean(L, 1);
  return 1;
}

static int get_push(lua_State *L, struct gw_lua_job *base)
{
  gw_lua_push_found(L, &((struct ledger_job *)base)->rows);
  return 1;
}

/* --- what Lua sees ------------------------------------------------------ */

static struct ledger_job *new_job(lua_State *L,
                                  void (*work)(struct gw_lua_job *),
                                  int (*push)(lua_State *, struct gw_lua_job *))
{
  struct store **box = luaL_checkudata(L, 1, LEDGER_META);
  const char *place = luaL_checkstring(L, 2);
  struct ledger_job *job;

  luaL_argcheck(L, *box, 1, "ledger is closed");
  job = gw_lua_job(L, sizeof(*job), work, push, job_dispose);
  job->store = *box;
  job->store->refs++;
  job->place = gw_lua_copy(L, place);
  return job;
}

static int l_put(lua_State *L)
{
  struct ledger_job *job = new_job(L, put_work, done_push);

  gw_lua_read_rows(L, 3, &job->rows);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_get(lua_State *L)
{
  struct ledger_job *job = new_job(L, get_work, get_push);

  gw_lua_read_names(L, 3, &job->rows);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_forget(lua_State *L)
{
  bool all = lua_isnoneornil(L, 3);
  struct ledger_job *job = new_job(L, forget_work, done_push);

  job->all = all;
  if (!all)
    gw_lua_read_names(L, 3, &job->rows);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_open(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  struct ledger_job *job =
      gw_lua_job(L, sizeof(*job), open_work, open_push, job_dispose);

  job->path = gw_lua_copy(L, path);
  job->store = calloc(1, sizeof(*job->store));
  if (!job->store)
    return gw_lua_throw(L, GW_ENOMEM, "ledger.open", "out of memory");
  job->store->refs = 1;
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_close(lua_State *L)
{
  struct store **box = luaL_checkudata(L, 1, LEDGER_META);

  unref(*box);
  *box = NULL;
  return 0;
}

int gw_luaopen_ledger(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"open", l_open}, {NULL, NULL}};
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"put", l_put},     {"get", l_get}, {"forget", l_forget},
      {"close", l_close}, {NULL, NULL},
  };

  gw_lua_class(L, LEDGER_META, metas, methods);
  luaL_newlib(L, funcs);
  return 1;
}
