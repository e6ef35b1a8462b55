/*
 * main: starts the host. The command line is Lua (godwit.cli.main).
 */
#include "base/log.h"
#include "host.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* Keys are in this process's memory: no core file, no ptrace by others. */
static void close_doors(void)
{
  struct rlimit none = {0, 0};

  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

/* Every job has a store and a lock open. Where more is allowed, the usual soft
 * limit (for programs that use select) is not ours. */
static void open_more_files(void)
{
  const rlim_t enough = 64 << 10;
  struct rlimit files;

  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= enough)
    return;
  files.rlim_cur = files.rlim_max < enough ? files.rlim_max : enough;
  setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char *argv[])
{
  struct gw_host_opts opts = {0};
  struct gw_host *host = NULL;
  struct gw_err err = {0};
  int code;

  close_doors();
  open_more_files();
  if (gw_host_new(&host, &opts, &err) != 0) {
    gw_log_line("%s", err.message);
    return 1;
  }
  code = gw_host_run(host, "godwit.cli.main", argc - 1, argv + 1);
  gw_host_free(host);
  return code;
}
