/*
 * lua: the library's parsers in Lua, listed in parsers.lua. The first byte of
 * the input chooses one. An error object is an answer; any other error, a
 * traceback from our own code, is a finding.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "host.h"
#include "lua/modules.h"

#include <lauxlib.h>

struct input {
  const char *data;
  size_t size;
};

static int run(lua_State *L)
{
  const struct input *in = lua_touserdata(L, 1);

  gw_modules_require(L, "parsers");
  lua_getfield(L, -1, "run");
  lua_pushinteger(L, (unsigned char)in->data[0]);
  lua_pushlstring(L, in->data + 1, in->size - 1);
  lua_call(L, 2, 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const folders[] = {GODWIT_FUZZ_DIR, NULL};
  static const struct gw_host_opts opts = {.folders = folders};
  static struct gw_host *host;
  static unsigned runs;
  struct input in = {(const char *)data, size};
  struct gw_err err = {0};

  if (!host)
    MUST(gw_host_new(&host, &opts, &err) == 0);
  if (size == 0)
    return 0;
  if (gw_host_call(host, run, &in, &err) != 0) {
    (void)fprintf(stderr, "%s\n", err.message);
    MUST(err.kind == GW_OK); /* it raised something else than an error */
  }
  if (++runs % 1000 == 0)
    lua_gc(host->L, LUA_GCCOLLECT);
  return 0;
}
