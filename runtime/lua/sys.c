#include "lua/sys.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/redact.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define ON_SIGNAL "godwit.on_signal"
#define ON_USR1 "godwit.on_usr1"
#define MAX_LINE (64u << 10)

extern char **environ;

static int l_env(lua_State *L)
{
  lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
  return 1;
}

static int l_environ(lua_State *L)
{
  lua_newtable(L);
  for (char **e = environ; e && *e; e++) {
    const char *eq = strchr(*e, '=');
    if (eq) {
      lua_pushlstring(L, *e, (size_t)(eq - *e));
      lua_pushstring(L, eq + 1);
      lua_settable(L, -3);
    }
  }
  return 1;
}

static int l_time(lua_State *L)
{
  lua_pushnumber(L, gw_clock_wall());
  return 1;
}

static int l_monotonic(lua_State *L)
{
  lua_pushnumber(L, (lua_Number)gw_clock_ms() / 1000);
  return 1;
}

static int l_format_time(lua_State *L)
{
  char out[25];

  gw_clock_format(out, luaL_checknumber(L, 1));
  lua_pushstring(L, out);
  return 1;
}

static int l_isatty(lua_State *L)
{
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* The length of one of our own styles (lualib/godwit/cli/output.lua). */
static size_t style_at(const char *text, size_t len)
{
  static const char *const styles[] = {"\033[0m",  "\033[1m",  "\033[2m",
                                       "\033[31m", "\033[32m", "\033[33m"};

  for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
    size_t n = strlen(styles[i]);
    if (len >= n && memcmp(text, styles[i], n) == 0)
      return n;
  }
  return 0;
}

/* Names, messages and logs of a server must not steer a terminal. */
static int clean(const char *text, size_t len, struct gw_buf *out,
                 struct gw_err *err)
{
  size_t from = 0;

  for (size_t i = 0; i < len;) {
    size_t n = text[i] == '\033' ? style_at(text + i, len - i) : 0;
    if (n == 0) {
      i++;
      continue;
    }
    if (gw_log_clean(text + from, i - from, out, err) != 0 ||
        gw_buf_append(out, text + i, n, err) != 0)
      return -1;
    i += n;
    from = i;
  }
  return gw_log_clean(text + from, len - from, out, err);
}

/* write(fd, text, raw): for people unless it is raw or goes into a pipe. */
static int l_write(lua_State *L)
{
  int fd = (int)luaL_checkinteger(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  struct gw_err err = {0};

  luaL_argcheck(L, fd == 1 || fd == 2, 1, "1 or 2");
  if (!lua_toboolean(L, 3) && (fd == 2 || isatty(fd))) {
    struct gw_buf *out = gw_lua_newbuf(L, 0);
    if (clean(text, len, out, &err) != 0)
      return gw_lua_fail(L, &err);
    text = out->data ? out->data : "";
    len = out->len;
  }
  if (gw_log_write(fd, text, len, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* Columns of the terminal behind stderr, else of stdout, else 80. */
static int l_width(lua_State *L)
{
  struct winsize size;

  for (int fd = 2; fd >= 1; fd--) {
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      lua_pushinteger(L, size.ws_col);
      return 1;
    }
  }
  lua_pushinteger(L, 80);
  return 1;
}

static int l_hostname(lua_State *L)
{
  char name[256] = "";

  gethostname(name, sizeof(name) - 1);
  lua_pushstring(L, name);
  return 1;
}

static int l_username(lua_State *L)
{
  struct passwd *pw = getpwuid(geteuid());

  if (pw)
    lua_pushstring(L, pw->pw_name);
  else
    lua_pushfstring(L, "%d", (int)geteuid());
  return 1;
}

/* How many files this process may have open; nil: as many as it likes. */
static int l_max_files(lua_State *L)
{
  struct rlimit files;

  if (getrlimit(RLIMIT_NOFILE, &files) != 0
      || files.rlim_cur == RLIM_INFINITY)
    return 0;
  lua_pushinteger(L, (lua_Integer)files.rlim_cur);
  return 1;
}

static void random_bytes(lua_State *L, unsigned char *out, size_t len)
{
  struct gw_err err = {0};

  if (gw_random(out, len, &err) != 0)
    gw_lua_raise(L, &err);
}

static void push_hex(lua_State *L, const unsigned char *in, size_t len)
{
  static const char digits[] = "0123456789abcdef";
  luaL_Buffer b;

  luaL_buffinit(L, &b);
  for (size_t i = 0; i < len; i++) {
    luaL_addchar(&b, digits[in[i] >> 4]);
    luaL_addchar(&b, digits[in[i] & 15]);
  }
  luaL_pushresult(&b);
}

/* random_hex(n): n random bytes as 2n digits. */
static int l_random_hex(lua_State *L)
{
  unsigned char bytes[256];
  lua_Integer n = luaL_checkinteger(L, 1);

  luaL_argcheck(L, n > 0 && n <= (lua_Integer)sizeof(bytes), 1, "1 to 256");
  random_bytes(L, bytes, (size_t)n);
  push_hex(L, bytes, (size_t)n);
  return 1;
}

static int l_uuid(lua_State *L)
{
  unsigned char b[16];
  char out[37];

  random_bytes(L, b, sizeof(b));
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  snprintf(out, sizeof(out),
           "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
           "%02x%02x%02x%02x%02x%02x",
           b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
           b[11], b[12], b[13], b[14], b[15]);
  lua_pushstring(L, out);
  return 1;
}

static int l_hash(lua_State *L)
{
  static const char *const names[] = {"md5", "sha1", "sha256", NULL};
  static const enum gw_hash_kind kinds[] = {GW_HASH_MD5, GW_HASH_SHA1,
                                            GW_HASH_SHA256};
  int kind = luaL_checkoption(L, 1, NULL, names);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  struct gw_err err = {0};
  char hex[65];

  if (gw_hash_bytes(kinds[kind], text, len, hex, &err) != 0)
    return gw_lua_raise(L, &err);
  lua_pushstring(L, hex);
  return 1;
}

static int l_base64(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  struct gw_buf *buf = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};

  if (gw_base64_encode(text, len, buf, &err) != 0)
    return gw_lua_raise(L, &err);
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  gw_buf_dispose(buf);
  return 1;
}

static int l_unbase64(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  struct gw_buf *buf = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};

  if (gw_base64_decode(text, len, buf, &err) != 0)
    return gw_lua_fail(L, &err);
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  gw_buf_dispose(buf);
  return 1;
}

static int l_self_exe(lua_State *L)
{
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

  if (n < 0 || n == (ssize_t)sizeof(path))
    return luaL_error(L, "the program's own path is not known");
  lua_pushlstring(L, path, (size_t)n);
  return 1;
}

/* load(text, chunkname, env): text only, nil and the message if it is wrong */
static int l_load(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checkstring(L, 2);

  luaL_checktype(L, 3, LUA_TTABLE);
  if (luaL_loadbufferx(L, text, len, name, "t") != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, 3);
  lua_setupvalue(L, -2, 1);
  return 1;
}

/* --- signals ------------------------------------------------------------ */

struct hook_call {
  int signo;
  bool found;
};

static int call_hook(lua_State *L)
{
  struct hook_call *call = lua_touserdata(L, 1);
  const char *key = call->signo == SIGUSR1 ? ON_USR1 : ON_SIGNAL;

  if (lua_getfield(L, LUA_REGISTRYINDEX, key) != LUA_TFUNCTION)
    return 0;
  lua_pushinteger(L, call->signo);
  lua_call(L, 1, 0);
  call->found = true;
  return 0;
}

bool gw_sys_signal(lua_State *L, int signo)
{
  struct hook_call call = {signo, false};

  lua_pushcfunction(L, call_hook);
  lua_pushlightuserdata(L, &call);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK)
    return call.found;
  gw_log_line("%s", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
  return false;
}

static int set_hook(lua_State *L, const char *key)
{
  if (!lua_isnoneornil(L, 1))
    luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, key);
  return 0;
}

static int l_on_signal(lua_State *L)
{
  return set_hook(L, ON_SIGNAL);
}

static int l_on_usr1(lua_State *L)
{
  return set_hook(L, ON_USR1);
}

static int l_stop_dealt(lua_State *L)
{
  (void)L;
  gw_loop_stop_dealt();
  return 0;
}

/* --- a line from stdin -------------------------------------------------- */

struct line_op {
  struct gw_watch watch; /* first member */
  struct gw_host *host;
  uint64_t ticket;
  struct gw_err err;
  struct gw_buf line;
  bool watching, eof;
};

static void stop_watch(struct line_op *op)
{
  if (op->watching)
    gw_watch_stop(op->host->loop, &op->watch);
  op->watching = false;
}

/* One byte at a time: what follows the line stays where it is. */
static void line_readable(struct gw_watch *watch, short revents)
{
  struct line_op *op = (struct line_op *)watch;
  char c;
  ssize_t n = read(0, &c, 1);

  (void)revents;
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (n == 1 && c != '\n' && gw_buf_append(&op->line, &c, 1, &op->err) == 0)
    return;
  if (n < 0)
    gw_err_errno(&op->err, "stdin.read", "stdin");
  op->eof = n == 0 && op->line.len == 0;
  stop_watch(op);
  gw_task_ready(op->host->tasks, op->ticket);
}

static void line_cancel(void *ctx)
{
  struct line_op *op = ctx;

  stop_watch(op);
  gw_err_set(&op->err, GW_ECANCELLED, "stdin.read", "cancelled");
}

static int line_end(lua_State *L, int status, lua_KContext ctx)
{
  struct line_op *op = (struct line_op *)ctx;

  (void)status;
  if (op->err.kind)
    return gw_lua_fail(L, &op->err);
  if (op->eof)
    lua_pushnil(L);
  else
    lua_pushlstring(L, op->line.data ? op->line.data : "", op->line.len);
  return 1;
}

static int line_gc(lua_State *L)
{
  struct line_op *op = lua_touserdata(L, 1);

  stop_watch(op);
  gw_buf_dispose(&op->line);
  return 0;
}

static int l_read_line(lua_State *L)
{
  struct gw_host *host = gw_lua_host(L);
  struct line_op *op = lua_newuserdatauv(L, sizeof(*op), 0);

  memset(op, 0, sizeof(*op));
  op->host = host;
  gw_buf_init(&op->line, MAX_LINE);
  luaL_setmetatable(L, "godwit.line");
  op->ticket = gw_task_ticket(host->tasks, L);
  op->watch.fd = 0;
  op->watch.events = POLLIN;
  op->watch.fn = line_readable;
  gw_watch_start(host->loop, &op->watch);
  op->watching = true;
  return gw_task_yield(L, op, line_end, line_cancel);
}

int gw_luaopen_sys(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"env", l_env},
      {"environ", l_environ},
      {"time", l_time},
      {"monotonic", l_monotonic},
      {"format_time", l_format_time},
      {"isatty", l_isatty},
      {"write", l_write},
      {"width", l_width},
      {"hostname", l_hostname},
      {"username", l_username},
      {"max_files", l_max_files},
      {"random_hex", l_random_hex},
      {"uuid", l_uuid},
      {"hash", l_hash},
      {"base64", l_base64},
      {"unbase64", l_unbase64},
      {"self_exe", l_self_exe},
      {"load", l_load},
      {"on_signal", l_on_signal},
      {"on_usr1", l_on_usr1},
      {"stop_dealt", l_stop_dealt},
      {"read_line", l_read_line},
      {NULL, NULL},
  };
  static const luaL_Reg line_metas[] = {{"__gc", line_gc}, {NULL, NULL}};

  gw_lua_class(L, "godwit.line", line_metas, NULL);
  luaL_newlib(L, funcs);
  lua_pushliteral(L, GODWIT_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  return 1;
}
