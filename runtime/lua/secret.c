#include "lua/secret.h"

#include "base/path.h"
#include "base/redact.h"
#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/job.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#define SECRET_META "godwit.secret"

struct box {
  struct gw_secret *secret; /* NULL: not yet */
};

struct gw_secret *gw_lua_tosecret(lua_State *L, int idx)
{
  struct box *box = luaL_testudata(L, idx, SECRET_META);

  return box ? box->secret : NULL;
}

static struct gw_secret *check(lua_State *L, int arg)
{
  struct box *box = luaL_checkudata(L, arg, SECRET_META);

  return box->secret;
}

static void allow(lua_State *L, struct gw_secret *secret, const char *origin)
{
  struct gw_err err = {0};

  if (gw_secret_allow(secret, origin, &err) != 0)
    gw_lua_raise(L, &err);
}

static int l_new(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len), *label = "";
  struct gw_err err = {0};
  struct box *box;

  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_newtable(L);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  label = gw_opt_string(L, 2, "label", "");
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  box->secret = NULL;
  luaL_setmetatable(L, SECRET_META);
  box->secret = gw_secret_new(text, len, label, &err);
  if (!box->secret ||
      gw_secret_manner(box->secret, gw_opt_string(L, 2, "scheme", NULL),
                       gw_opt_string(L, 2, "user", NULL), &err) != 0)
    return gw_lua_raise(L, &err);
  if (gw_rawfield(L, 2, "origins") == LUA_TTABLE) {
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
      allow(L, box->secret, luaL_checkstring(L, -1));
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 1;
}

/* A copy goes where its own new owner says, the original nowhere else. */
static int l_copy(lua_State *L)
{
  struct gw_secret *secret = check(L, 1);
  struct gw_err err = {0};
  struct box *box;

  luaL_argcheck(L, secret, 1, "a secret");
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  box->secret = NULL;
  luaL_setmetatable(L, SECRET_META);
  box->secret = gw_secret_copy(secret, &err);
  return box->secret ? 1 : gw_lua_raise(L, &err);
}

static int l_allow(lua_State *L)
{
  struct gw_secret *secret = check(L, 1);

  luaL_argcheck(L, secret, 1, "a secret");
  allow(L, secret, luaL_checkstring(L, 2));
  return 0;
}

static int l_allow_proxy(lua_State *L)
{
  struct gw_secret *secret = check(L, 1);
  struct gw_err err = {0};

  luaL_argcheck(L, secret, 1, "a secret");
  if (gw_secret_allow_proxy(secret, luaL_checkstring(L, 2), &err) != 0)
    gw_lua_raise(L, &err);
  return 0;
}

static int l_is(lua_State *L)
{
  lua_pushboolean(L, gw_lua_tosecret(L, 1) != NULL);
  return 1;
}

/* expiry(secret): seconds since 1970, or nothing. */
static int l_expiry(lua_State *L)
{
  struct gw_secret *secret = check(L, 1);
  double when;

  luaL_argcheck(L, secret, 1, "a secret");
  if (!gw_secret_expiry(secret, &when))
    return 0;
  lua_pushnumber(L, when);
  return 1;
}

static int l_redact(lua_State *L)
{
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  struct gw_buf *buf = gw_lua_newbuf(L, 0);
  struct gw_err err = {0};

  if (gw_redact(text, len, buf, &err) != 0)
    return gw_lua_raise(L, &err);
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  gw_buf_dispose(buf);
  return 1;
}

struct save_job {
  struct gw_lua_job base;
  char *path;
  struct gw_buf text;
};

static void save_work(struct gw_lua_job *base)
{
  struct save_job *job = (struct save_job *)base;

  gw_path_write(job->path, job->text.data ? job->text.data : "",
                job->text.len, 0600, &job->base.err);
}

static void save_dispose(struct gw_lua_job *base)
{
  struct save_job *job = (struct save_job *)base;

  if (job->text.data)
    explicit_bzero(job->text.data, job->text.cap);
  gw_buf_dispose(&job->text);
  free(job->path);
}

static int push_true(lua_State *L, struct gw_lua_job *job)
{
  (void)job;
  lua_pushboolean(L, 1);
  return 1;
}

/* The text on top of the stack; NULL: it is the secret. */
static const char *part_text(lua_State *L, struct gw_secret **secret,
                             size_t *len)
{
  *secret = gw_lua_tosecret(L, -1);
  if (*secret) {
    *len = gw_secret_length(*secret);
    return NULL;
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "a list of texts and secrets expected, got %s",
               luaL_typename(L, -1));
  return lua_tolstring(L, -1, len);
}

/* Measured first: growing would leave pieces of secrets in freed memory. */
static int join_parts(lua_State *L, int list, struct gw_buf *out,
                      struct gw_err *err)
{
  struct gw_secret *secret;
  size_t all = 0, len;
  int top = lua_gettop(L), rc;

  for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    (void)part_text(L, &secret, &len);
    all += len;
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  rc = gw_buf_reserve(out, all, err);
  for (lua_Integer i = 1; rc == 0 && lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    const char *text = part_text(L, &secret, &len);
    rc = text ? gw_buf_append(out, text, len, err)
              : gw_secret_append(secret, out, err);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return rc;
}

/* save(path, parts): a private file made of texts and secrets. */
static int l_save(lua_State *L)
{
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  struct gw_err err = {0};
  struct save_job *job;

  luaL_argcheck(L, strlen(path) == len && len > 0, 1, "not a path");
  luaL_checktype(L, 2, LUA_TTABLE);
  job = gw_lua_job(L, sizeof(*job), save_work, push_true, save_dispose);
  job->path = gw_lua_copy(L, path);
  if (join_parts(L, 2, &job->text, &err) != 0)
    return gw_lua_raise(L, &err);
  return gw_lua_job_wait(L, &job->base, gw_lua_host(L)->cpu);
}

static int secret_gc(lua_State *L)
{
  struct box *box = luaL_checkudata(L, 1, SECRET_META);

  gw_secret_unref(box->secret);
  box->secret = NULL;
  return 0;
}

static int secret_tostring(lua_State *L)
{
  struct gw_secret *secret = check(L, 1);

  lua_pushfstring(L, "[secret %s]", secret ? gw_secret_label(secret) : "");
  return 1;
}

/* Whatever would look inside. */
static int refuse(lua_State *L)
{
  return gw_lua_throw(L, GW_EUSAGE, "secret",
                      "a secret can only be handed over as a credential");
}

int gw_luaopen_secret(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"new", l_new}, {"allow", l_allow},   {"allow_proxy", l_allow_proxy},
      {"copy", l_copy}, {"is", l_is}, {"redact", l_redact},
      {"expiry", l_expiry}, {"save", l_save}, {NULL, NULL},
  };
  static const luaL_Reg metas[] = {
      {"__gc", secret_gc},  {"__tostring", secret_tostring},
      {"__concat", refuse}, {"__len", refuse},
      {"__index", refuse},  {"__newindex", refuse},
      {"__call", refuse},   {"__lt", refuse},
      {"__le", refuse},     {"__tojson", refuse},
      {"__pairs", refuse},  {NULL, NULL},
  };

  gw_lua_class(L, SECRET_META, metas, NULL);
  luaL_newlib(L, funcs);
  return 1;
}
