/*
 * luatest: runs Lua test files in a host of their own, as tasks.
 *
 * godwit_luatest FILE.lua…; modules of tests/ and Debian's luassert can be
 * required beside the program's own.
 */
#include "base/log.h"
#include "host.h"

#include <stdlib.h>

int main(int argc, char *argv[])
{
  static const char *const folders[] = {GODWIT_TESTS_DIR, "/usr/share/lua/5.4",
                                        "/usr/local/share/lua/5.4", NULL};
  const char *seconds = getenv("GODWIT_TEST_CPU_SECONDS");
  struct gw_host_opts opts = {
      .folders = folders,
      .cpu_seconds = seconds ? atof(seconds) : 0,
  };
  struct gw_host *host = NULL;
  struct gw_err err = {0};
  int code;

  if (gw_host_new(&host, &opts, &err) != 0) {
    gw_log_line("%s", err.message);
    return 1;
  }
  code = gw_host_run(host, "support.luatest", argc - 1, argv + 1);
  gw_host_free(host);
  return code;
}
