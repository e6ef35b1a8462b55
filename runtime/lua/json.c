#include "lua/json.h"

#include "base/fault.h"
#include "base/utf8.h"
#include "lua/bind.h"
#include "lua/err.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_META "godwit.json.array"
#define DEFAULT_MAX (64u << 20)

/* --- memory of jansson -------------------------------------------------- */

static size_t memory_used, memory_max = 1u << 30;
static bool memory_refused; /* jansson calls it by many names */

union head {
  size_t size;
  max_align_t align;
};

static void *take(size_t size)
{
  union head *head;

  if (gw_fault("json.alloc") || size > memory_max - sizeof(*head) ||
      memory_used > memory_max - sizeof(*head) - size)
    head = NULL;
  else
    head = malloc(sizeof(*head) + size);
  if (!head) {
    memory_refused = true;
    return NULL;
  }
  head->size = size;
  memory_used += size + sizeof(*head);
  return head + 1;
}

static void give(void *ptr)
{
  union head *head = ptr;

  if (!head)
    return;
  head--;
  memory_used -= head->size + sizeof(*head);
  free(head);
}

void gw_json_memory(size_t max)
{
  memory_max = max;
  json_set_alloc_funcs(take, give);
}

/* --- reading ------------------------------------------------------------ */

/* A number token: jansson would make 0.0 of one too small for a double. */
static const char *check_number(const char *p, const char *end,
                                struct gw_err *err)
{
  const char *start = p;
  bool real = false, nonzero = false, in_exponent = false;

  for (; p < end && *p && strchr("0123456789+-.eE", *p); p++) {
    if (*p == '.')
      real = true;
    else if (*p == 'e' || *p == 'E')
      real = in_exponent = true;
    else if (*p >= '1' && *p <= '9' && !in_exponent)
      nonzero = true;
  }
  if (real) {
    double value = strtod(start, NULL);
    if (isinf(value) || (value == 0 && nonzero)) {
      gw_err_set(err, GW_ELIMIT, "json.decode",
                 "a number beyond the limits of a double");
      return NULL;
    }
  }
  return p;
}

/* Depth and numbers, before any memory is taken. */
static int scan(const char *text, size_t len, int depth, struct gw_err *err)
{
  const char *p = text, *end = text + len;
  int level = 0;

  while (p < end) {
    char c = *p;
    if (c == '"') {
      for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\')
          p++;
      }
      p++;
    } else if (c == '[' || c == '{') {
      if (++level > depth)
        return gw_err_set(err, GW_ELIMIT, "json.decode",
                          "nested more than %d levels deep", depth);
      p++;
    } else if (c == ']' || c == '}') {
      level--;
      p++;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      p = check_number(p, end, err);
      if (!p)
        return -1;
    } else {
      p++;
    }
  }
  return 0;
}

static void push_value(lua_State *L, const json_t *value);

static void push_object(lua_State *L, const json_t *object)
{
  size_t n = json_object_size(object);
  void *it = json_object_iter((json_t *)(uintptr_t)object);

  lua_createtable(L, 0, n < 1000000 ? (int)n : 1000000);
  for (; it; it = json_object_iter_next((json_t *)(uintptr_t)object, it)) {
    lua_pushlstring(L, json_object_iter_key(it),
                    strlen(json_object_iter_key(it)));
    push_value(L, json_object_iter_value(it));
    lua_rawset(L, -3);
  }
}

static void push_array(lua_State *L, const json_t *array)
{
  size_t n = json_array_size(array);

  lua_createtable(L, n < 1000000 ? (int)n : 1000000, 0);
  for (size_t i = 0; i < n; i++) {
    push_value(L, json_array_get(array, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  luaL_setmetatable(L, ARRAY_META);
}

static void push_value(lua_State *L, const json_t *value)
{
  luaL_checkstack(L, 4, NULL);
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    push_object(L, value);
    break;
  case JSON_ARRAY:
    push_array(L, value);
    break;
  case JSON_STRING:
    lua_pushlstring(L, json_string_value(value), json_string_length(value));
    break;
  case JSON_INTEGER:
    lua_pushinteger(L, json_integer_value(value));
    break;
  case JSON_REAL:
    lua_pushnumber(L, json_real_value(value));
    break;
  case JSON_TRUE:
  case JSON_FALSE:
    lua_pushboolean(L, json_is_true(value));
    break;
  case JSON_NULL:
    lua_pushlightuserdata(L, NULL);
    break;
  }
}

/* jansson's text without the piece of the document it quotes. */
static int syntax_error(const json_error_t *e, struct gw_err *err)
{
  char text[sizeof(e->text)];
  char *near;

  snprintf(text, sizeof(text), "%s", e->text);
  near = strstr(text, " near ");
  if (near)
    *near = '\0';
  if (memory_refused)
    return gw_err_set(err, GW_ENOMEM, "json.decode",
                      "the document takes too much memory");
  return gw_err_set(err, GW_EREMOTE, "json.decode",
                    "not valid JSON: %s (line %d, column %d)", text, e->line,
                    e->column);
}

static int box_gc(lua_State *L)
{
  json_t **box = lua_touserdata(L, 1);

  json_decref(*box);
  *box = NULL;
  return 0;
}

int gw_json_decode(lua_State *L, const char *text, size_t len, size_t max,
                   int depth, struct gw_err *err)
{
  const size_t flags =
      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
  json_error_t error;
  json_t **box;

  if (max == 0)
    max = DEFAULT_MAX;
  if (depth <= 0 || depth > GW_JSON_DEPTH)
    depth = GW_JSON_DEPTH;
  if (len > max)
    return gw_err_set(err, GW_ELIMIT, "json.decode",
                      "the document is larger than %zu bytes", max);
  if (scan(text, len, depth, err) != 0)
    return -1;
  luaL_checkstack(L, 6, NULL);
  box = lua_newuserdatauv(L, sizeof(*box), 0);
  *box = NULL;
  luaL_setmetatable(L, "godwit.json.box");
  memory_refused = false;
  *box = json_loadb(text, len, flags, &error);
  if (!*box) {
    lua_pop(L, 1);
    return syntax_error(&error, err);
  }
  push_value(L, *box);
  json_decref(*box);
  *box = NULL;
  lua_remove(L, -2);
  return 0;
}

/* --- writing ------------------------------------------------------------ */

struct level { /* for cycles, and to say where */
  const void *table;
  const char *key; /* NULL: an array's index */
  lua_Integer index;
};

struct writer {
  lua_State *L;
  struct gw_buf *out;
  bool pretty;
  int depth;
  struct level levels[GW_JSON_DEPTH];
};

static void write_value(struct writer *w, int idx);

static int refuse(struct writer *w, const char *what)
{
  char where[160] = "";
  size_t len = 0;

  for (int i = 0; i < w->depth && len < sizeof(where) - 1; i++) {
    const struct level *level = &w->levels[i];
    int n;
    if (level->key)
      n = snprintf(where + len, sizeof(where) - len, ".%s", level->key);
    else if (level->index)
      n = snprintf(where + len, sizeof(where) - len, "[%lld]",
                   (long long)level->index);
    else
      n = 0;
    len += n > 0 ? (size_t)n : 0;
  }
  if (len == 0)
    return gw_lua_throw(w->L, GW_EUSAGE, "json.encode", "%s", what);
  if (!gw_utf8_valid(where, strlen(where)))
    snprintf(where, sizeof(where), "a key that is not UTF-8");
  return gw_lua_throw(w->L, GW_EUSAGE, "json.encode", "%s at %s", what, where);
}

static void put(struct writer *w, const char *text, size_t len)
{
  struct gw_err err = {0};

  if (gw_buf_append(w->out, text, len, &err) != 0)
    gw_lua_raise(w->L, &err);
}

static void puts_(struct writer *w, const char *text)
{
  put(w, text, strlen(text));
}

static void newline(struct writer *w, int depth)
{
  static const char spaces[] = "                                ";

  if (!w->pretty)
    return;
  put(w, "\n", 1);
  for (int left = depth * 2; left > 0; left -= 32)
    put(w, spaces, (size_t)(left < 32 ? left : 32));
}

static void write_string(struct writer *w, const char *text, size_t len)
{
  static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
  size_t from = 0;

  if (!gw_utf8_valid(text, len))
    refuse(w, "a text that is not UTF-8");
  put(w, "\"", 1);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    char esc[8];
    const char *s;
    if (c >= 0x20 && c != '"' && c != '\\')
      continue;
    put(w, text + from, i - from);
    from = i + 1;
    for (s = shorts; *s && *s != (char)c; s += 2)
      ;
    if (*s)
      snprintf(esc, sizeof(esc), "\\%c", s[1]);
    else
      snprintf(esc, sizeof(esc), "\\u%04x", c);
    puts_(w, esc);
  }
  put(w, text + from, len - from);
  put(w, "\"", 1);
}

static void write_number(struct writer *w, int idx)
{
  char text[40];

  if (lua_isinteger(w->L, idx)) {
    snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(w->L, idx));
  } else {
    double value = lua_tonumber(w->L, idx);
    if (!isfinite(value))
      refuse(w, "a number that is not finite");
    /* 15 digits are the shortest already, but where doubles are sparse. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
      snprintf(text, sizeof(text), "%.*g", digits, value);
      if (strtod(text, NULL) == value)
        break;
    }
    if (!strpbrk(text, ".e"))
      strcat(text, ".0"); /* a float stays one */
  }
  puts_(w, text);
}

struct key {
  const char *text; /* the table's own string */
  size_t len;
};

static int compare_keys(const void *a, const void *b)
{
  const struct key *x = a, *y = b;
  size_t n = x->len < y->len ? x->len : y->len;
  int c = memcmp(x->text, y->text, n);

  if (c != 0)
    return c;
  return x->len < y->len ? -1 : x->len > y->len;
}

static void write_object(struct writer *w, int idx, size_t count)
{
  lua_State *L = w->L;
  struct level *level = &w->levels[w->depth - 1];
  struct key *keys = lua_newuserdatauv(L, count * sizeof(*keys) + 1, 0);
  size_t n = 0;

  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      refuse(w, "a table with keys that are neither all texts nor 1 to n");
    keys[n].text = lua_tolstring(L, -2, &keys[n].len);
    n++;
  }
  qsort(keys, n, sizeof(*keys), compare_keys);
  put(w, "{", 1);
  for (size_t i = 0; i < n; i++) {
    if (i > 0)
      put(w, ",", 1);
    newline(w, w->depth);
    level->key = keys[i].text;
    write_string(w, keys[i].text, keys[i].len);
    puts_(w, w->pretty ? ": " : ":");
    lua_pushlstring(L, keys[i].text, keys[i].len);
    lua_rawget(L, idx);
    write_value(w, lua_gettop(L));
    lua_pop(L, 1);
  }
  level->key = NULL;
  if (n > 0)
    newline(w, w->depth - 1);
  put(w, "}", 1);
  lua_pop(L, 1);
}

static void write_array(struct writer *w, int idx, lua_Integer n)
{
  lua_State *L = w->L;
  struct level *level = &w->levels[w->depth - 1];

  put(w, "[", 1);
  for (lua_Integer i = 1; i <= n; i++) {
    if (i > 1)
      put(w, ",", 1);
    newline(w, w->depth);
    level->index = i;
    lua_rawgeti(L, idx, i);
    write_value(w, lua_gettop(L));
    lua_pop(L, 1);
  }
  level->index = 0;
  if (n > 0)
    newline(w, w->depth - 1);
  put(w, "]", 1);
}

/* How many entries; *dense when they are exactly 1 to n. */
static size_t count_keys(lua_State *L, int idx, bool *dense)
{
  size_t count = 0;
  lua_Integer largest = 0;

  *dense = true;
  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
    count++;
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1)
      *dense = false;
    else if (lua_tointeger(L, -2) > largest)
      largest = lua_tointeger(L, -2);
  }
  if (*dense && (lua_Integer)count != largest)
    *dense = false;
  return count;
}

static bool has_array_meta(lua_State *L, int idx)
{
  bool yes;

  if (!lua_getmetatable(L, idx))
    return false;
  luaL_getmetatable(L, ARRAY_META);
  yes = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return yes;
}

static void write_table(struct writer *w, int idx)
{
  lua_State *L = w->L;
  const void *self = lua_topointer(L, idx);
  bool dense, array = has_array_meta(L, idx);
  size_t count;

  for (int i = 0; i < w->depth; i++) {
    if (w->levels[i].table == self)
      refuse(w, "a table that contains itself");
  }
  if (w->depth == GW_JSON_DEPTH)
    gw_lua_throw(L, GW_ELIMIT, "json.encode", "nested more than %d levels deep",
                 GW_JSON_DEPTH);
  count = count_keys(L, idx, &dense);
  if (array && !dense)
    refuse(w, "an array with holes or other keys");
  w->levels[w->depth].table = self;
  w->levels[w->depth].key = NULL;
  w->levels[w->depth].index = 0;
  w->depth++;
  if (array || (dense && count > 0))
    write_array(w, idx, (lua_Integer)count);
  else
    write_object(w, idx, count);
  w->depth--;
}

/* What says itself how it is written; false if idx does not. */
static bool write_own(struct writer *w, int idx)
{
  lua_State *L = w->L;

  if (luaL_getmetafield(L, idx, "__tojson") == LUA_TNIL)
    return false;
  if (w->depth >= GW_JSON_DEPTH)
    gw_lua_throw(L, GW_ELIMIT, "json.encode", "nested too deep");
  lua_pushvalue(L, idx);
  lua_call(L, 1, 1);
  if (lua_type(L, -1) == LUA_TTABLE &&
      lua_topointer(L, -1) == lua_topointer(L, idx))
    refuse(w, "a table that contains itself");
  w->levels[w->depth++] = (struct level){lua_topointer(L, idx), NULL, 0};
  write_value(w, lua_gettop(L));
  w->depth--;
  lua_pop(L, 1);
  return true;
}

static void write_value(struct writer *w, int idx)
{
  lua_State *L = w->L;
  size_t len;
  const char *text;
  char what[64];

  luaL_checkstack(L, 12, NULL);
  switch (lua_type(L, idx)) {
  case LUA_TBOOLEAN:
    puts_(w, lua_toboolean(L, idx) ? "true" : "false");
    return;
  case LUA_TNUMBER:
    write_number(w, idx);
    return;
  case LUA_TSTRING:
    text = lua_tolstring(L, idx, &len);
    write_string(w, text, len);
    return;
  case LUA_TTABLE:
    if (!write_own(w, idx))
      write_table(w, idx);
    return;
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, idx)) {
      puts_(w, "null");
      return;
    }
    break;
  case LUA_TUSERDATA:
    if (write_own(w, idx))
      return;
    break;
  default:
    break;
  }
  snprintf(what, sizeof(what), "a %s cannot be written as JSON",
           luaL_typename(L, idx));
  refuse(w, what);
}

void gw_json_encode(lua_State *L, int idx, bool pretty, struct gw_buf *out)
{
  struct writer *w;

  idx = lua_absindex(L, idx);
  w = lua_newuserdatauv(L, sizeof(*w), 0); /* large for a stack */
  w->L = L;
  w->out = out;
  w->pretty = pretty;
  w->depth = 0;
  write_value(w, idx);
  lua_pop(L, 1);
}

/* --- what Lua sees ------------------------------------------------------ */

static int l_decode(lua_State *L)
{
  size_t len, max = 0;
  int depth = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  struct gw_err err = {0};

  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    max = (size_t)gw_opt_number(L, 2, "max", 0);
    depth = (int)gw_opt_number(L, 2, "depth", 0);
  }
  if (gw_json_decode(L, text, len, max, depth, &err) != 0)
    return gw_lua_fail(L, &err);
  return 1;
}

static int l_encode(lua_State *L)
{
  bool pretty = false;
  struct gw_buf *buf;

  luaL_checkany(L, 1);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    pretty = gw_opt_bool(L, 2, "pretty", false);
  }
  lua_settop(L, 1);
  buf = gw_lua_newbuf(L, 4 * (size_t)DEFAULT_MAX);
  gw_json_encode(L, 1, pretty, buf);
  lua_pushlstring(L, buf->data, buf->len);
  gw_buf_dispose(buf);
  return 1;
}

static int l_array(lua_State *L)
{
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getmetatable(L, 1)) {
    lua_settop(L, 1);
    luaL_argcheck(L, has_array_meta(L, 1), 1, "a plain table expected");
    return 1;
  }
  luaL_setmetatable(L, ARRAY_META);
  return 1;
}

static int l_is_array(lua_State *L)
{
  lua_pushboolean(L, lua_istable(L, 1) && has_array_meta(L, 1));
  return 1;
}

int gw_luaopen_json(lua_State *L)
{
  static const luaL_Reg funcs[] = {
      {"decode", l_decode},     {"encode", l_encode}, {"array", l_array},
      {"is_array", l_is_array}, {NULL, NULL},
  };
  static const luaL_Reg array_metas[] = {{NULL, NULL}};
  static const luaL_Reg box_metas[] = {{"__gc", box_gc}, {NULL, NULL}};

  gw_lua_class(L, ARRAY_META, array_metas, NULL);
  gw_lua_class(L, "godwit.json.box", box_metas, NULL);
  luaL_newlib(L, funcs);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
