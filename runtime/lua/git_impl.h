/*
 * git_impl: what the files of the Git binding share.
 */
#ifndef GW_LUA_GIT_IMPL_H
#define GW_LUA_GIT_IMPL_H

#include "git/pkt.h"
#include "git/store.h"

#include <lua.h>

/* The open store at idx; raises when it is closed or no store. */
struct gw_store *gw_lua_check_store(lua_State *L, int idx);

/* Classes and functions of git_store.c, git_tree.c and git_net.c; each adds
 * its functions to the module table on top. */
void gw_lua_open_git_store(lua_State *L);
void gw_lua_open_git_tree(lua_State *L);
void gw_lua_open_git_net(lua_State *L);

/* Pushes the list of references as scripts see it. */
void gw_lua_push_advert(lua_State *L, struct gw_advert *advert);

/* A field with an object id: NULL if absent, else 40 hex digits or it
 * raises. */
const char *gw_lua_opt_id(lua_State *L, int idx, const char *name);
const char *gw_lua_check_id(lua_State *L, int idx);

/*
 * One job of a store on a worker. `work` runs there with a repo of the store
 * (NULL if there is no store) and touches only the call; `result` pushes what
 * it found and returns how many values; `dispose` frees what work made.
 */
typedef int gw_git_work(void *data, struct gw_repo *repo, struct gw_err *err);
typedef int gw_git_result(lua_State *L, void *data);
typedef void gw_git_dispose(void *data);

/*
 * Pushes a call with `size` zeroed bytes of data and returns them; from then
 * on dispose runs exactly once, on the loop thread. Then gw_lua_git_call as
 * the last line.
 */
void *gw_lua_git_new(lua_State *L, size_t size, gw_git_dispose *dispose);
int gw_lua_git_call(lua_State *L, void *data, struct gw_store *store,
                    gw_git_work *work, gw_git_result *result);

#endif
