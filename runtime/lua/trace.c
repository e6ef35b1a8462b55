#include "lua/trace.h"

#include <lauxlib.h>
#include <string.h>

#define FIRST 24 /* calls shown from the innermost */
#define LAST 16  /* and from the outermost */

static int count_levels(lua_State *of)
{
  lua_Debug ar;
  int low = 1, high = 1;

  while (lua_getstack(of, high, &ar)) {
    low = high;
    high *= 2;
  }
  while (low < high) {
    int middle = (low + high) / 2;
    if (lua_getstack(of, middle, &ar))
      low = middle + 1;
    else
      high = middle;
  }
  return high - 1;
}

/* The whole name of a file; Lua's short one of anything else. */
static const char *name_of(const lua_Debug *ar)
{
  return ar->source[0] == '@' || ar->source[0] == '=' ? ar->source + 1
                                                       : ar->short_src;
}

static void add_call(lua_State *L, luaL_Buffer *out, const lua_Debug *ar)
{
  const char *name = *ar->what == 'C' ? "[C]" : name_of(ar);

  if (ar->currentline > 0)
    lua_pushfstring(L, "\n\t%s:%d: in ", name, ar->currentline);
  else
    lua_pushfstring(L, "\n\t%s: in ", name);
  luaL_addvalue(out);
  if (*ar->what == 'm')
    lua_pushliteral(L, "main chunk");
  else if (*ar->namewhat)
    lua_pushfstring(L, "%s '%s'", ar->namewhat, ar->name);
  else if (*ar->what == 'C')
    lua_pushliteral(L, "?");
  else
    lua_pushfstring(L, "function <%s:%d>", name, ar->linedefined);
  luaL_addvalue(out);
  if (ar->istailcall)
    luaL_addstring(out, "\n\t(...tail calls...)");
}

void gw_lua_trace(lua_State *L, lua_State *of, int level)
{
  int last = count_levels(of);
  int skip = last - level > FIRST + LAST ? level + FIRST : -1;
  lua_Debug ar;
  luaL_Buffer out;

  luaL_checkstack(L, 8, NULL);
  luaL_buffinit(L, &out);
  luaL_addstring(&out, "stack traceback:");
  while (lua_getstack(of, level, &ar)) {
    if (level == skip) {
      int n = last - level - LAST + 1;
      lua_pushfstring(L, "\n\t...\t(skipping %d levels)", n);
      luaL_addvalue(&out);
      level += n;
      continue;
    }
    lua_getinfo(of, "Slnt", &ar);
    add_call(L, &out, &ar);
    level++;
  }
  luaL_pushresult(&out);
}
