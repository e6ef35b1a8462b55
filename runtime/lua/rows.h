/*
 * rows: batches of files between Lua and the stores of journal.
 */
#ifndef GW_LUA_ROWS_H
#define GW_LUA_ROWS_H

#include "journal/rows.h"

#include <lua.h>

/* Copies an array of names, or of tables with `name`, into rows that are empty
 * so far and belong to something Lua frees. Raises for what is neither. */
void gw_lua_read_names(lua_State *L, int idx, struct gw_file_rows *rows);
void gw_lua_read_rows(lua_State *L, int idx, struct gw_file_rows *rows);

/* Pushes a row as a table, without its name unless asked. */
void gw_lua_push_row(lua_State *L, const struct gw_file_row *row, bool named);

/* Pushes an array: a table for what was found, false for what was not. */
void gw_lua_push_found(lua_State *L, const struct gw_file_rows *rows);

#endif
