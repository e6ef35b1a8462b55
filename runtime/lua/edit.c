/*
 * edit: lines from a terminal, as the module godwit.core.edit.
 */
#include "term/edit.h"

#include "host.h"
#include "lua/bind.h"
#include "lua/err.h"
#include "lua/task.h"

#include <stdlib.h>
#include <string.h>

#define EDIT_META "godwit.edit"
#define READ_META "godwit.edit.read"

struct read_op;

struct edit_box {
  struct gw_host *host;
  struct gw_edit *edit;  /* NULL: closed */
  struct read_op *op;    /* that reads now */
  const char *before;    /* while a tab is answered */
  size_t before_len;
};

enum read_state { READING, LINE, END, STOPPED, CANCELLED };

struct read_op { /* lives on the reading task's stack */
  struct edit_box *box;
  uint64_t ticket;
  enum read_state state;
  char *line;
};

static struct edit_box *check_edit(lua_State *L)
{
  struct edit_box *box = luaL_checkudata(L, 1, EDIT_META);

  luaL_argcheck(L, box->edit, 1, "the editor is closed");
  return box;
}

static void end_read(struct edit_box *box, enum read_state state)
{
  struct read_op *op = box->op;

  box->op = NULL;
  op->state = state;
  gw_task_ready(box->host->tasks, op->ticket);
}

static void on_line(void *arg, const char *line)
{
  struct edit_box *box = arg;

  if (line)
    box->op->line = strdup(line);
  end_read(box, line && box->op->line ? LINE : END);
}

/* Protected, on the main state: fn(before) -> insert, list */
static int call_tab(lua_State *L)
{
  struct edit_box *box = lua_touserdata(L, 1);

  lua_rawgetp(L, LUA_REGISTRYINDEX, box);
  lua_pushlstring(L, box->before, box->before_len);
  lua_call(L, 1, 2);
  gw_edit_complete(box->edit, lua_tostring(L, -2), lua_tostring(L, -1));
  return 0;
}

static void on_tab(void *arg, const char *before, size_t len)
{
  struct edit_box *box = arg;
  struct gw_err err = {0};

  box->before = before;
  box->before_len = len;
  if (gw_host_call(box->host, call_tab, box, &err) != 0)
    gw_edit_complete(box->edit, NULL, NULL); /* no completion, no noise */
}

static int edit_close(lua_State *L)
{
  struct edit_box *box = luaL_checkudata(L, 1, EDIT_META);

  if (box->edit && box->op) {
    gw_edit_stop(box->edit);
    end_read(box, STOPPED);
  }
  gw_edit_free(box->edit);
  box->edit = NULL;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, box);
  return 0;
}

static int l_open(lua_State *L)
{
  struct edit_box *box;
  struct gw_err err = {0};
  struct gw_edit_events events = {.line = on_line, .tab = on_tab};

  luaL_checktype(L, 1, LUA_TFUNCTION);
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  memset(box, 0, sizeof(*box));
  box->host = gw_lua_host(L);
  luaL_setmetatable(L, EDIT_META);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, box);
  events.arg = box;
  if (gw_edit_new(&box->edit, box->host->loop, &events, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

static void read_cancel(void *ctx)
{
  struct read_op *op = ctx;

  if (op->box->op == op) {
    gw_edit_stop(op->box->edit);
    op->box->op = NULL;
  }
  op->state = CANCELLED;
}

static int read_gc(lua_State *L)
{
  struct read_op *op = lua_touserdata(L, 1);

  if (op->box && op->box->op == op) {
    gw_edit_stop(op->box->edit);
    op->box->op = NULL;
  }
  free(op->line);
  op->line = NULL;
  return 0;
}

static int read_end(lua_State *L, int status, lua_KContext ctx)
{
  struct read_op *op = (struct read_op *)ctx;

  (void)status;
  if (op->state == CANCELLED)
    return gw_lua_throw(L, GW_ECANCELLED, NULL, "cancelled");
  if (op->state == LINE)
    lua_pushstring(L, op->line);
  else if (op->state == STOPPED)
    lua_pushboolean(L, 0);
  else
    lua_pushnil(L);
  return 1;
}

/* read(prompt): the line, nil at the end, false when it was stopped */
static int edit_read(lua_State *L)
{
  struct edit_box *box = check_edit(L);
  const char *prompt = luaL_checkstring(L, 2);
  struct gw_err err = {0};
  struct read_op *op;

  luaL_argcheck(L, !box->op, 1, "a line is being read");
  op = lua_newuserdatauv(L, sizeof(*op), 0);
  memset(op, 0, sizeof(*op));
  luaL_setmetatable(L, READ_META);
  op->box = box;
  op->ticket = gw_task_ticket(box->host->tasks, L);
  if (gw_edit_start(box->edit, prompt, &err) != 0)
    return gw_lua_raise(L, &err);
  box->op = op;
  return gw_task_yield(L, op, read_end, read_cancel);
}

static int edit_stop(lua_State *L)
{
  struct edit_box *box = check_edit(L);
  bool was = box->op != NULL;

  if (was) {
    gw_edit_stop(box->edit);
    end_read(box, STOPPED);
  }
  lua_pushboolean(L, was);
  return 1;
}

static int edit_remember(lua_State *L)
{
  struct edit_box *box = check_edit(L);
  const char *line = luaL_checkstring(L, 2);

  luaL_argcheck(L, !box->op, 1, "a line is being read");
  gw_edit_remember(box->edit, line);
  return 0;
}

int gw_luaopen_edit(lua_State *L)
{
  static const luaL_Reg funcs[] = {{"open", l_open}, {NULL, NULL}};
  static const luaL_Reg edit_metas[] = {
      {"__gc", edit_close}, {"__close", edit_close}, {NULL, NULL}};
  static const luaL_Reg edit_methods[] = {{"read", edit_read},
                                          {"stop", edit_stop},
                                          {"remember", edit_remember},
                                          {"close", edit_close},
                                          {NULL, NULL}};
  static const luaL_Reg read_metas[] = {{"__gc", read_gc}, {NULL, NULL}};

  gw_lua_class(L, EDIT_META, edit_metas, edit_methods);
  gw_lua_class(L, READ_META, read_metas, NULL);
  luaL_newlib(L, funcs);
  return 1;
}
