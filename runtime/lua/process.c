/*
 * process: child programs for Lua. Every task may wait for its own side of
 * one: a writer, a reader of each output, and who waits for its end.
 */
#include "async/process.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <signal.h>
#include <string.h>

#define PROCESS_META "godwit.process"

enum side { SIDE_IN, SIDE_OUT, SIDE_ERR, SIDE_END, SIDES };

struct proc {
  struct gw_process *p; /* NULL: closed, or not yet started */
  struct gw_tasks *tasks;
  uint64_t tickets[SIDES]; /* 0: nobody waits there */
  bool out, err, in;       /* which pipes there are */
};

static void changed(void *arg)
{
  struct proc *proc = arg;

  for (int i = 0; i < SIDES; i++) {
    uint64_t ticket = proc->tickets[i];
    proc->tickets[i] = 0;
    if (ticket)
      gw_task_ready(proc->tasks, ticket); /* it looks again, and may wait on */
  }
}

static struct proc *check(lua_State *L)
{
  struct proc *proc = luaL_checkudata(L, 1, PROCESS_META);

  luaL_argcheck(L, proc->p, 1, "process is closed");
  return proc;
}

static int wait_for(lua_State *L, struct proc *proc, enum side side,
                    lua_KFunction k)
{
  if (gw_task_waits(proc->tasks, proc->tickets[side]))
    return luaL_error(L, "another task waits for this side of the process");
  proc->tickets[side] = gw_task_ticket(proc->tasks, L);
  return gw_task_yield(L, proc, k, NULL);
}

/* --- starting ----------------------------------------------------------- */

/* The array at "argv" as C texts; the memory is a userdata on the stack. */
static const char **read_argv(lua_State *L)
{
  const char **argv;
  lua_Integer n;

  luaL_argcheck(L, lua_getfield(L, 1, "argv") == LUA_TTABLE, 1,
                "argv is missing");
  n = luaL_len(L, -1);
  luaL_argcheck(L, n >= 1 && n < 10000, 1, "argv is empty");
  argv = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*argv), 0);
  for (lua_Integer i = 1; i <= n; i++) {
    luaL_argcheck(L, lua_geti(L, -2, i) == LUA_TSTRING, 1,
                  "argv holds texts only");
    argv[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1); /* argv keeps it */
  }
  argv[n] = NULL;
  return argv;
}

/* The table at "env" as "K=V" texts, or NULL. */
static const char **read_env(lua_State *L)
{
  const char **env;
  size_t n = 0;

  if (lua_getfield(L, 1, "env") == LUA_TNIL)
    return NULL;
  luaL_argcheck(L, lua_istable(L, -1), 1, "env is a table");
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    n++;
  env = lua_newuserdatauv(L, (n + 1) * sizeof(*env), 0);
  lua_newtable(L); /* keeps the new texts */
  n = 0;
  for (lua_pushnil(L); lua_next(L, -4);) {
    luaL_argcheck(
        L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 1,
        "env holds texts");
    lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
    env[n++] = lua_tostring(L, -1);
    lua_rawseti(L, -4, (lua_Integer)n);
    lua_pop(L, 1);
  }
  env[n] = NULL;
  return env;
}

static int l_start(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  struct gw_process_opts opts = {0};
  struct gw_err err = {0};
  struct proc *proc;

  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  opts.cwd = gw_opt_string(L, 1, "cwd", NULL);
  opts.pipe_in = gw_opt_bool(L, 1, "stdin", false);
  opts.pipe_out = gw_opt_bool(L, 1, "stdout", false);
  opts.pipe_err = gw_opt_bool(L, 1, "stderr", false);
  opts.group = gw_opt_bool(L, 1, "group", false);
  opts.argv = read_argv(L);
  opts.env = read_env(L);
  opts.changed = changed;
  proc = lua_newuserdatauv(L, sizeof(*proc), 0);
  memset(proc, 0, sizeof(*proc));
  luaL_setmetatable(L, PROCESS_META);
  proc->tasks = host->tasks;
  proc->in = opts.pipe_in;
  proc->out = opts.pipe_out;
  proc->err = opts.pipe_err;
  opts.arg = proc;
  if (gw_process_start(&proc->p, host->loop, &opts, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

/* --- its sides ---------------------------------------------------------- */

/* [1] process, [2] text, [3] bytes taken so far */
static int write_more(lua_State *L, int status, lua_KContext ctx)
{
  struct proc *proc = check(L);
  size_t len;
  const char *text = lua_tolstring(L, 2, &len);
  size_t done = (size_t)lua_tointeger(L, 3);
  struct gw_err err = {0};

  (void)status;
  (void)ctx;
  while (done < len) {
    ssize_t n = gw_process_write(proc->p, text + done, len - done, &err);
    if (n < 0)
      return gw_lua_fail(L, &err);
    if (n == 0) {
      lua_pushinteger(L, (lua_Integer)done);
      lua_replace(L, 3);
      return wait_for(L, proc, SIDE_IN, write_more);
    }
    done += (size_t)n;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int l_write(lua_State *L)
{
  struct proc *proc = check(L);

  luaL_checkstring(L, 2);
  luaL_argcheck(L, proc->in, 1, "started without stdin");
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  return write_more(L, LUA_OK, 0);
}

static int read_more(lua_State *L, int fd, lua_KFunction k)
{
  struct proc *proc = check(L);
  const char *data;
  bool eof = false;
  size_t n = gw_process_read(proc->p, fd, &data, &eof);

  if (n > 0) {
    lua_pushlstring(L, data, n);
    return 1;
  }
  if (eof) {
    lua_pushnil(L);
    return 1;
  }
  return wait_for(L, proc, fd == 1 ? SIDE_OUT : SIDE_ERR, k);
}

static int read_out(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  (void)ctx;
  return read_more(L, 1, read_out);
}

static int read_err(lua_State *L, int status, lua_KContext ctx)
{
  (void)status;
  (void)ctx;
  return read_more(L, 2, read_err);
}

static int l_read(lua_State *L)
{
  luaL_argcheck(L, check(L)->out, 1, "started without stdout");
  lua_settop(L, 1);
  return read_out(L, LUA_OK, 0);
}

static int l_read_err(lua_State *L)
{
  luaL_argcheck(L, check(L)->err, 1, "started without stderr");
  lua_settop(L, 1);
  return read_err(L, LUA_OK, 0);
}

static int wait_more(lua_State *L, int status, lua_KContext ctx)
{
  struct proc *proc = check(L);
  int code;

  (void)status;
  (void)ctx;
  if (!gw_process_ended(proc->p, &code))
    return wait_for(L, proc, SIDE_END, wait_more);
  lua_pushinteger(L, code);
  return 1;
}

static int l_wait(lua_State *L)
{
  lua_settop(L, 1);
  return wait_more(L, LUA_OK, 0);
}

static int l_close_stdin(lua_State *L)
{
  gw_process_close_in(check(L)->p);
  return 0;
}

static int l_kill(lua_State *L)
{
  gw_process_kill(check(L)->p, (int)luaL_optinteger(L, 2, SIGTERM));
  return 0;
}

static int l_close(lua_State *L)
{
  struct proc *proc = luaL_checkudata(L, 1, PROCESS_META);
  struct gw_process *p = proc->p;

  if (!p)
    return 0;
  proc->p = NULL;
  gw_process_free(p);
  changed(proc); /* who waits learns that it is closed */
  return 0;
}

static int l_index(lua_State *L)
{
  struct proc *proc = luaL_checkudata(L, 1, PROCESS_META);

  if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "pid") == 0) {
    if (proc->p)
      lua_pushinteger(L, gw_process_pid(proc->p));
    else
      lua_pushnil(L);
    return 1;
  }
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

int gw_luaopen_process(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"start", l_start}, {NULL, NULL}};
  static const luaL_Reg metas[] = {
      {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"write", l_write}, {"close_stdin", l_close_stdin},
      {"read", l_read},   {"read_err", l_read_err},
      {"wait", l_wait},   {"kill", l_kill},
      {"close", l_close}, {NULL, NULL},
  };

  gw_lua_class(L, PROCESS_META, metas, NULL);
  luaL_getmetatable(L, PROCESS_META);
  luaL_newlib(L, methods);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, funcs);
  return 1;
}
