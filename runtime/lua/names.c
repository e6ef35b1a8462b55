/*
 * names: names of listings, spilled to a temporary table, for Lua. SQLite
 * works on the cpu pool.
 */
#include "journal/names.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/rows.h"
#include "lua/task.h"

#include <stdlib.h>

#define NAMES_META "godwit.names"

enum { MAX_REST = 100000 };

struct table { /* shared by the box and the jobs at work; loop thread counts */
  struct gw_names *names;
  int refs;
};

struct names_job {
  struct gw_lua_job base;
  struct table *table;
  struct gw_file_rows rows;
  char *after; /* rest; sum: but */
  size_t limit;
  size_t added;          /* put */
  uint64_t count, bytes; /* sum */
};

static void unref(struct table *table)
{
  if (table && --table->refs == 0) {
    gw_names_close(table->names);
    free(table);
  }
}

static void job_dispose(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_file_rows_dispose(&job->rows);
  free(job->after);
  unref(job->table);
}

/* --- on a worker -------------------------------------------------------- */

static void open_work(struct gw_lua_job *base)
{
  gw_names_open(&((struct names_job *)base)->table->names, &base->err);
}

static void put_work(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_names_put(job->table->names, &job->rows, &job->added, &base->err);
}

static void take_work(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_names_take(job->table->names, &job->rows, &base->err);
}

static void rest_work(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_names_rest(job->table->names, job->after, job->limit, &job->rows,
                &base->err);
}

static void sum_work(struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_names_sum(job->table->names, job->after, &job->count, &job->bytes,
               &base->err);
}

/* --- results ------------------------------------------------------------ */

static int open_push(lua_State *L, struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;
  struct table **box = lua_newuserdatauv(L, sizeof(*box), 0);

  *box = NULL;
  luaL_setmetatable(L, NAMES_META);
  job->table->refs++;
  *box = job->table;
  return 1;
}

static int put_push(lua_State *L, struct gw_lua_job *base)
{
  lua_pushinteger(L, (lua_Integer)((struct names_job *)base)->added);
  return 1;
}

static int take_push(lua_State *L, struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  gw_lua_push_found(L, &job->rows);
  lua_newtable(L);
  for (size_t i = 0; i < job->rows.count; i++) {
    if (job->rows.rows[i].again) {
      lua_pushboolean(L, 1);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
  }
  return 2;
}

static int rest_push(lua_State *L, struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  lua_createtable(L, (int)job->rows.count, 0);
  for (size_t i = 0; i < job->rows.count; i++) {
    gw_lua_push_row(L, &job->rows.rows[i], true);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int sum_push(lua_State *L, struct gw_lua_job *base)
{
  struct names_job *job = (struct names_job *)base;

  lua_pushinteger(L, (lua_Integer)job->count);
  lua_pushinteger(L, (lua_Integer)job->bytes);
  return 2;
}

/* --- what Lua sees ------------------------------------------------------ */

static struct table *check_table(lua_State *L)
{
  struct table **box = luaL_checkudata(L, 1, NAMES_META);

  luaL_argcheck(L, *box, 1, "table of names is closed");
  return *box;
}

static struct names_job *new_job(lua_State *L,
                                 void (*work)(struct gw_lua_job *),
                                 int (*push)(lua_State *, struct gw_lua_job *))
{
  struct table *table = check_table(L);
  struct names_job *job = gw_lua_job(L, sizeof(*job), work, push, job_dispose);

  job->table = table;
  table->refs++;
  return job;
}

static int l_put(lua_State *L)
{
  struct names_job *job = new_job(L, put_work, put_push);

  gw_lua_read_rows(L, 2, &job->rows);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_take(lua_State *L)
{
  struct names_job *job = new_job(L, take_work, take_push);

  gw_lua_read_names(L, 2, &job->rows);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_rest(lua_State *L)
{
  const char *after = luaL_optstring(L, 2, NULL);
  lua_Integer limit = luaL_checkinteger(L, 3);
  struct names_job *job;

  luaL_argcheck(L, limit > 0 && limit <= MAX_REST, 3, "out of range");
  job = new_job(L, rest_work, rest_push);
  job->after = gw_lua_copy(L, after);
  job->limit = (size_t)limit;
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_sum(lua_State *L)
{
  const char *but = luaL_optstring(L, 2, NULL);
  struct names_job *job = new_job(L, sum_work, sum_push);

  job->after = gw_lua_copy(L, but);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_count(lua_State *L)
{
  size_t all, taken;

  gw_names_count(check_table(L)->names, &all, &taken);
  lua_pushinteger(L, (lua_Integer)all);
  lua_pushinteger(L, (lua_Integer)taken);
  return 2;
}

static int l_open(lua_State *L)
{
  struct names_job *job =
      gw_lua_job(L, sizeof(*job), open_work, open_push, job_dispose);

  job->table = calloc(1, sizeof(*job->table));
  if (!job->table)
    return gw_lua_throw(L, GW_ENOMEM, "names.open", "out of memory");
  job->table->refs = 1;
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_close(lua_State *L)
{
  struct table **box = luaL_checkudata(L, 1, NAMES_META);

  unref(*box);
  *box = NULL;
  return 0;
}

int gw_luaopen_names(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"open", l_open}, {NULL, NULL}};
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"put", l_put},     {"take", l_take},   {"rest", l_rest}, {"sum", l_sum},
      {"count", l_count}, {"close", l_close}, {NULL, NULL},
  };

  gw_lua_class(L, NAMES_META, metas, methods);
  luaL_newlib(L, funcs);
  return 1;
}
