/*
 * json: what is decoded can be written, and read again to the same text.
 */
#include "fuzz.h"

#include "base/utf8.h"
#include "lua/json.h"

#include <lauxlib.h>

struct trip {
  const char *text;
  size_t len;
  struct gw_buf first, second, pretty;
};

static int round_trip(lua_State *L)
{
  struct trip *t = lua_touserdata(L, 1);
  struct gw_err err;

  if (gw_json_decode(L, t->text, t->len, 0, 0, &err) != 0)
    return 0;
  gw_json_encode(L, -1, false, &t->first);
  gw_json_encode(L, -1, true, &t->pretty);
  MUST(gw_utf8_valid(t->first.data, t->first.len));
  MUST(gw_json_decode(L, t->first.data, t->first.len, 0, 0, &err) == 0);
  gw_json_encode(L, -1, false, &t->second);
  MUST(t->first.len == t->second.len);
  MUST(memcmp(t->first.data, t->second.data, t->first.len) == 0);
  gw_buf_clear(&t->second);
  MUST(gw_json_decode(L, t->pretty.data, t->pretty.len, 0, 0, &err) == 0);
  gw_json_encode(L, -1, false, &t->second);
  MUST(t->first.len == t->second.len);
  MUST(memcmp(t->first.data, t->second.data, t->first.len) == 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = fuzz_text(data, size);
  struct trip t = {.text = text, .len = size};
  lua_State *L = luaL_newstate();

  MUST(L);
  lua_pushcfunction(L, round_trip);
  lua_pushlightuserdata(L, &t);
  MUST(lua_pcall(L, 1, 0, 0) == LUA_OK);
  lua_close(L);
  gw_buf_dispose(&t.first);
  gw_buf_dispose(&t.second);
  gw_buf_dispose(&t.pretty);
  free(text);
  return 0;
}
