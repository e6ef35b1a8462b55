#include "host.h"

#include "base/clock.h"
#include "base/log.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/guard.h"
#include "lua/json.h"
#include "lua/modules.h"
#include "lua/sys.h"
#include "lua/task.h"
#include "net/http.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Most of them wait for a server's build; git.lua gives each cluster a share. */
#define GIT_THREADS 512
#define DRAIN_MS 5000 /* for what still runs when the main task has ended */

/* Lua's allocator: counts, and refuses past the cap. */
static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize)
{
  struct gw_host *host = ud;
  size_t old = ptr ? osize : 0;
  void *fresh;

  if (nsize == 0) {
    free(ptr);
    host->memory_used -= old;
    return NULL;
  }
  if (nsize > old) {
    if (host->memory_used - old + nsize > host->memory_max)
      return NULL;
    if (host->starving &&
        (host->starve_after == 0 || --host->starve_after == 0))
      return NULL;
  }
  fresh = realloc(ptr, nsize);
  if (fresh)
    host->memory_used += nsize - old;
  return fresh;
}

static int panicked(lua_State *L)
{
  const char *text = lua_tostring(L, -1);

  gw_log_line("error outside protected mode: %s", text ? text : "?");
  return 0; /* and abort */
}

static void warned(void *ud, const char *text, int more)
{
  (void)ud;
  (void)more;
  if (text[0] != '@')
    gw_log_line("%s", text);
}

static size_t memory_limit(const struct gw_host_opts *opts)
{
  const char *text = getenv("GODWIT_MEMORY");
  unsigned long mib = text ? strtoul(text, NULL, 10) : 0;

  if (opts->memory_max)
    return opts->memory_max;
  return (size_t)(mib >= 16 ? mib : 1024) << 20;
}

static int open_modules(lua_State *L)
{
  gw_modules_open(L, lua_touserdata(L, 1));
  return 0;
}

static int open_lua(struct gw_host *host, const struct gw_host_opts *opts,
                    struct gw_err *err)
{
  lua_State *L = lua_newstate(allocate, host);

  if (!L)
    return gw_err_set(err, GW_ENOMEM, "host.start", "out of memory");
  host->L = L;
  lua_atpanic(L, panicked);
  lua_setwarnf(L, warned, NULL);
  if (gw_tasks_new(&host->tasks, host, err) != 0)
    return -1;
  lua_pushcfunction(L, open_modules);
  lua_pushlightuserdata(L, (void *)(uintptr_t)opts->folders);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    gw_lua_toerr(L, -1, err);
    lua_pop(L, 1);
    return -1;
  }
  return 0;
}

int gw_host_new(struct gw_host **out, const struct gw_host_opts *opts,
                struct gw_err *err)
{
  struct gw_host *host = calloc(1, sizeof(*host));
  long cores = sysconf(_SC_NPROCESSORS_ONLN);

  if (!host)
    return gw_err_set(err, GW_ENOMEM, "host.start", "out of memory");
  host->memory_max = memory_limit(opts);
  gw_json_memory(host->memory_max);
  gw_http_memory(host->memory_max);
  if (gw_loop_new(&host->loop, err) != 0 ||
      gw_pool_new(&host->cpu, host->loop, cores > 0 ? (unsigned)cores : 1,
                  err) != 0 ||
      gw_pool_new(&host->git, host->loop, GIT_THREADS, err) != 0)
    goto fail;
  host->guard = gw_guard_new(err);
  host->own_guard = gw_guard_new(err);
  if (!host->guard || !host->own_guard ||
      gw_http_new(&host->http, host->loop, host->guard, err) != 0 ||
      gw_http_new_beside(&host->own_http, host->http, host->own_guard, err) !=
          0 ||
      gw_runaway_new(&host->runaway,
                     opts->cpu_seconds > 0 ? opts->cpu_seconds : 30,
                     err) != 0 ||
      open_lua(host, opts, err) != 0)
    goto fail;
  *out = host;
  return 0;
fail:
  gw_host_free(host);
  return -1;
}

int gw_host_call(struct gw_host *host, lua_CFunction fn, void *arg,
                 struct gw_err *err)
{
  lua_State *L = host->L;

  if (!lua_checkstack(L, 4))
    return gw_err_set(err, GW_ENOMEM, "host.call", "out of memory");
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, arg);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return 0;
  gw_lua_toerr(L, -1, err);
  lua_pop(L, 1);
  return -1;
}

/* --- the main task ------------------------------------------------------ */

struct main_call {
  const char *module;
  int argc;
  char *const *argv;
  int code;
};

static int start_main(lua_State *L)
{
  struct main_call *call = lua_touserdata(L, 1);

  gw_modules_require(L, call->module);
  lua_getfield(L, -1, "run");
  lua_createtable(L, call->argc, 0);
  for (int i = 0; i < call->argc; i++) {
    lua_pushstring(L, call->argv[i]);
    lua_rawseti(L, -2, i + 1);
  }
  gw_task_spawn(gw_lua_host(L)->tasks, L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "godwit.main");
  return 0;
}

static bool main_ended(lua_State *L)
{
  bool ended;

  lua_getfield(L, LUA_REGISTRYINDEX, "godwit.main");
  ended = gw_task_ended(L, -1);
  lua_pop(L, 1);
  return ended;
}

static int main_result(lua_State *L)
{
  struct main_call *call = lua_touserdata(L, 1);

  lua_settop(L, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, "godwit.main");
  if (gw_task_result(L, 1)) {
    call->code = lua_isinteger(L, 2) ? (int)lua_tointeger(L, 2) : 0;
    return 0;
  }
  if (gw_lua_host(L)->signo) {
    call->code = 128 + gw_lua_host(L)->signo;
    return 0;
  }
  gw_log_line("%s", luaL_tolstring(L, 2, NULL));
  if (lua_istable(L, 2) && lua_getfield(L, 2, "traceback") == LUA_TSTRING)
    gw_log_line("%s", lua_tostring(L, -1));
  return 0;
}

static void on_signal(void *arg, int signo)
{
  struct gw_host *host = arg;
  lua_State *L = host->L;

  if (gw_sys_signal(L, signo) || signo == SIGUSR1)
    return;
  host->signo = signo;
  lua_getfield(L, LUA_REGISTRYINDEX, "godwit.main");
  gw_task_cancel(L, -1);
  lua_pop(L, 1);
}

int gw_host_run(struct gw_host *host, const char *module, int argc,
                char *const argv[])
{
  struct main_call call = {module, argc, argv, 1};
  struct gw_err err = {0};

  if (gw_host_call(host, start_main, &call, &err) != 0 ||
      gw_loop_signals(host->loop, on_signal, host, &err) != 0)
    goto failed;
  for (;;) {
    bool more = gw_tasks_run(host->tasks);
    if (main_ended(host->L))
      break;
    if (gw_loop_step(host->loop, !more, &err) != 0)
      goto failed;
  }
  if (gw_host_call(host, main_result, &call, &err) != 0)
    goto failed;
  return call.code;
failed:
  gw_log_line("%s", err.message);
  return 1;
}

static void wake(struct gw_timer *timer)
{
  (void)timer;
}

/* Until no task is left, or time is up. */
static void drain(struct gw_host *host)
{
  uint64_t end = gw_clock_ms() + DRAIN_MS;
  struct gw_timer alarm = {.fn = wake};
  struct gw_err err;

  gw_tasks_cancel_all(host->tasks);
  if (gw_tasks_live(host->tasks) == 0 ||
      gw_timer_start(host->loop, &alarm, DRAIN_MS, &err) != 0)
    return;
  for (;;) {
    bool more = gw_tasks_run(host->tasks);
    if (gw_tasks_live(host->tasks) == 0 || gw_clock_ms() >= end ||
        gw_loop_step(host->loop, !more, &err) != 0)
      break;
  }
  gw_timer_stop(host->loop, &alarm);
}

void gw_host_free(struct gw_host *host)
{
  if (!host)
    return;
  if (host->tasks)
    drain(host);
  if (host->L)
    lua_close(host->L); /* operations stop or detach in their __gc */
  gw_tasks_free(host->tasks);
  gw_runaway_free(host->runaway);
  gw_pool_free(host->git);
  gw_pool_free(host->cpu);
  gw_http_free_client(host->own_http);
  gw_http_free_client(host->http);
  gw_guard_free(host->own_guard);
  gw_guard_free(host->guard);
  gw_loop_free(host->loop);
  free(host);
}
