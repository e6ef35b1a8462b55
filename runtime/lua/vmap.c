/*
 * vmap: the version map for Lua. SQLite works on the cpu pool.
 */
#include "host.h"
#include "journal/versionmap.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#define VMAP_META "godwit.vmap"

/* Fields of a filter that look on either side. */
enum { F_CLUSTER, F_OWNER, F_NAME, F_VERSION, F_COMMIT, SIDE_FIELDS };
static const char *const side_names[SIDE_FIELDS] = {"cluster", "owner", "name",
                                                    "version", "commit"};

struct db { /* shared by the box and the jobs at work; loop thread counts */
  struct gw_vmap *map;
  int refs;
};

struct vmap_job {
  struct gw_lua_job base;
  struct db *db;
  char *path;                  /* open */
  char *field[GW_VMAP_FIELDS]; /* a row, or a filter's */
  char *side[SIDE_FIELDS];     /* a filter's */
  size_t limit;
  struct gw_vmap_rows rows; /* find */
  size_t removed;           /* clear */
};

static void unref(struct db *db)
{
  if (db && --db->refs == 0) {
    gw_vmap_close(db->map);
    free(db);
  }
}

static void job_dispose(struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;

  free(job->path);
  for (int i = 0; i < GW_VMAP_FIELDS; i++)
    free(job->field[i]);
  for (int i = 0; i < SIDE_FIELDS; i++)
    free(job->side[i]);
  gw_vmap_rows_dispose(&job->rows);
  unref(job->db);
}

static void filter_of(const struct vmap_job *job, struct gw_vmap_filter *out)
{
  memset(out, 0, sizeof(*out));
  for (int i = 0; i < GW_VMAP_FIELDS; i++)
    out->field[i] = job->field[i];
  out->cluster = job->side[F_CLUSTER];
  out->owner = job->side[F_OWNER];
  out->name = job->side[F_NAME];
  out->version = job->side[F_VERSION];
  out->commit = job->side[F_COMMIT];
}

/* --- on a worker -------------------------------------------------------- */

static void open_work(struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;

  gw_vmap_open(&job->db->map, job->path, &job->base.err);
}

static void put_work(struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;
  struct gw_vmap_row row;

  for (int i = 0; i < GW_VMAP_FIELDS; i++)
    row.field[i] = job->field[i];
  gw_vmap_put(job->db->map, &row, &job->base.err);
}

static void find_work(struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;
  struct gw_vmap_filter filter;

  filter_of(job, &filter);
  gw_vmap_find(job->db->map, &filter, job->limit, &job->rows, &job->base.err);
}

static void clear_work(struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;
  struct gw_vmap_filter filter;

  filter_of(job, &filter);
  gw_vmap_clear(job->db->map, &filter, &job->removed, &job->base.err);
}

/* --- results ------------------------------------------------------------ */

static int open_push(lua_State *L, struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;
  struct db **box = lua_newuserdatauv(L, sizeof(*box), 0);

  *box = NULL;
  luaL_setmetatable(L, VMAP_META);
  job->db->refs++;
  *box = job->db;
  return 1;
}

static int put_push(lua_State *L, struct gw_lua_job *base)
{
  (void)base;
  lua_pushboolean(L, 1);
  return 1;
}

static int find_push(lua_State *L, struct gw_lua_job *base)
{
  struct vmap_job *job = (struct vmap_job *)base;

  lua_newtable(L);
  for (size_t i = 0; i < job->rows.count; i++) {
    const struct gw_vmap_row *row = &job->rows.rows[i];
    lua_createtable(L, 0, GW_VMAP_FIELDS);
    for (int f = 0; f < GW_VMAP_FIELDS; f++) {
      if (row->field[f] && row->field[f][0]) {
        lua_pushstring(L, row->field[f]);
        lua_setfield(L, -2, gw_vmap_names[f]);
      }
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int clear_push(lua_State *L, struct gw_lua_job *base)
{
  lua_pushinteger(L, (lua_Integer)((struct vmap_job *)base)->removed);
  return 1;
}

/* --- what Lua sees ------------------------------------------------------ */

static void read_fields(lua_State *L, struct vmap_job *job)
{
  for (int i = 0; i < GW_VMAP_FIELDS; i++)
    job->field[i] = gw_lua_copy(L, gw_opt_string(L, 2, gw_vmap_names[i], NULL));
}

/* Wrong names are a mistake of the caller's: an ignored filter is a bad one. */
static void check_names(lua_State *L, bool filter)
{
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    bool known = filter && strcmp(name, "limit") == 0;
    for (int i = 0; i < GW_VMAP_FIELDS && !known; i++)
      known = strcmp(name, gw_vmap_names[i]) == 0;
    for (int i = 0; i < SIDE_FIELDS && filter && !known; i++)
      known = strcmp(name, side_names[i]) == 0;
    if (!known)
      luaL_error(L, "the version map has no field '%s'", name);
  }
}

static int start(lua_State *L, bool filter, void (*work)(struct gw_lua_job *),
                 int (*push)(lua_State *, struct gw_lua_job *))
{
  struct db **box = luaL_checkudata(L, 1, VMAP_META);
  struct vmap_job *job;

  luaL_argcheck(L, *box, 1, "version map is closed");
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  check_names(L, filter);
  job = gw_lua_job(L, sizeof(*job), work, push, job_dispose);
  job->db = *box;
  job->db->refs++;
  read_fields(L, job);
  if (filter) {
    for (int i = 0; i < SIDE_FIELDS; i++)
      job->side[i] = gw_lua_copy(L, gw_opt_string(L, 2, side_names[i], NULL));
    job->limit = (size_t)gw_opt_number(L, 2, "limit", 0);
  }
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_put(lua_State *L)
{
  return start(L, false, put_work, put_push);
}

static int l_find(lua_State *L)
{
  return start(L, true, find_work, find_push);
}

static int l_clear(lua_State *L)
{
  return start(L, true, clear_work, clear_push);
}

static int l_open(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  struct vmap_job *job =
      gw_lua_job(L, sizeof(*job), open_work, open_push, job_dispose);

  job->path = gw_lua_copy(L, path);
  job->db = calloc(1, sizeof(*job->db));
  if (!job->db)
    return gw_lua_throw(L, GW_ENOMEM, "vmap.open", "out of memory");
  job->db->refs = 1;
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int l_close(lua_State *L)
{
  struct db **box = luaL_checkudata(L, 1, VMAP_META);

  unref(*box);
  *box = NULL;
  return 0;
}

int gw_luaopen_vmap(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"open", l_open}, {NULL, NULL}};
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"put", l_put},     {"find", l_find}, {"clear", l_clear},
      {"close", l_close}, {NULL, NULL},
  };

  gw_lua_class(L, VMAP_META, metas, methods);
  luaL_newlib(L, funcs);
  return 1;
}
