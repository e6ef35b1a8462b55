#include "lua/rows.h"

#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"

#include <string.h>

static void make_room(lua_State *L, int idx, struct gw_file_rows *rows)
{
  struct gw_err err = {0};
  lua_Unsigned count;

  luaL_checktype(L, idx, LUA_TTABLE);
  count = lua_rawlen(L, idx);
  luaL_argcheck(L, count <= 1000000, idx, "too many at once");
  if (gw_file_rows_init(rows, (size_t)count, "rows", &err) != 0)
    gw_lua_throw(L, err.kind, err.op, "%s", err.message);
}

/* The text on top of the stack; SQLite would end it at a NUL. */
static char *copy_text(lua_State *L, int arg, const char *what)
{
  size_t len = 0;
  const char *text;

  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "bad argument #%d (%s expected, got %s)", arg - 1, what,
               luaL_typename(L, -1));
  text = lua_tolstring(L, -1, &len);
  if (len == 0 || strlen(text) != len)
    luaL_error(L, "bad argument #%d (a name is empty or has a NUL)", arg - 1);
  return gw_lua_copy(L, text);
}

void gw_lua_read_names(lua_State *L, int idx, struct gw_file_rows *rows)
{
  make_room(L, idx, rows);
  for (size_t i = 0; i < rows->count; i++) {
    lua_rawgeti(L, idx, (lua_Integer)i + 1);
    rows->rows[i].name = copy_text(L, idx, "array of names");
    lua_pop(L, 1);
  }
}

static char *field(lua_State *L, int row, const char *name)
{
  return gw_lua_copy(L, gw_opt_string(L, row, name, NULL));
}

static void read_row(lua_State *L, int idx, struct gw_file_row *row)
{
  int at = lua_gettop(L), type;

  if (lua_type(L, at) != LUA_TTABLE)
    luaL_error(L, "bad argument #%d (array of rows expected, got %s)", idx - 1,
               luaL_typename(L, at));
  (void)gw_rawfield(L, at, "name");
  row->name = copy_text(L, idx, "rows with a name");
  lua_pop(L, 1);
  type = gw_rawfield(L, at, "size");
  if (type != LUA_TNIL && !lua_isinteger(L, -1))
    luaL_error(L, "bad option 'size' (integer expected, got %s)",
               luaL_typename(L, -1));
  row->size = type == LUA_TNIL ? -1 : lua_tointeger(L, -1);
  lua_pop(L, 1);
  row->time = field(L, at, "time");
  row->md5 = field(L, at, "md5");
  row->sha256 = field(L, at, "sha256");
  row->written_at = field(L, at, "written_at");
}

void gw_lua_read_rows(lua_State *L, int idx, struct gw_file_rows *rows)
{
  make_room(L, idx, rows);
  luaL_checkstack(L, 4, NULL);
  for (size_t i = 0; i < rows->count; i++) {
    lua_rawgeti(L, idx, (lua_Integer)i + 1);
    read_row(L, idx, &rows->rows[i]);
    lua_pop(L, 1);
  }
}

static void set_text(lua_State *L, const char *name, const char *value)
{
  if (!value)
    return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

void gw_lua_push_row(lua_State *L, const struct gw_file_row *row, bool named)
{
  lua_createtable(L, 0, named ? 3 : 2);
  if (named)
    set_text(L, "name", row->name);
  if (row->size >= 0) {
    lua_pushinteger(L, row->size);
    lua_setfield(L, -2, "size");
  }
  set_text(L, "time", row->time);
  set_text(L, "md5", row->md5);
  set_text(L, "sha256", row->sha256);
  set_text(L, "written_at", row->written_at);
}

void gw_lua_push_found(lua_State *L, const struct gw_file_rows *rows)
{
  lua_createtable(L, (int)rows->count, 0);
  for (size_t i = 0; i < rows->count; i++) {
    if (rows->rows[i].found)
      gw_lua_push_row(L, &rows->rows[i], false);
    else
      lua_pushboolean(L, 0);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}
