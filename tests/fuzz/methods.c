/*
 * methods: a form of any bytes, whose "_method" a server may take for the
 * method of a request. Where only POST is allowed, no other leaves.
 */
#include "fuzz.h"

#include "async/loop.h"
#include "net/http.h"

#include <ctype.h>
#include <strings.h>

static struct gw_loop *loop;
static struct gw_http *http;

static void set_up(void)
{
  struct gw_guard *guard = gw_guard_new(NULL);

  MUST(guard && gw_loop_new(&loop, NULL) == 0);
  MUST(gw_guard_rule(guard, "http://127.0.0.1:9", "POST", "", NULL) == 0);
  MUST(gw_http_new(&http, loop, guard, NULL) == 0);
}

static int hex(char c)
{
  const char *digits = "0123456789abcdef";
  const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

  return at ? (int)(at - digits) : -1;
}

/* In place, as servers do it; ends at an encoded NUL. */
static void decode(char *text)
{
  char *to = text;

  for (; *text; text++) {
    if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
      *to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
      text += 2;
    } else {
      *to++ = *text == '+' ? ' ' : *text;
    }
  }
  *to = '\0';
}

/* Whether a pair of the form asks for another method than POST. */
static bool is_other(char *pair)
{
  char *value = strchr(pair, '=');

  if (!value)
    return false;
  *value++ = '\0';
  decode(pair);
  decode(value);
  value += strspn(value, " ");
  return strcasecmp(pair, "_method") == 0 && *value &&
         strcasecmp(value, "POST") != 0 && strncasecmp(value, "POST ", 5) != 0;
}

static bool asks_for_other(const uint8_t *data, size_t size)
{
  char *copy = calloc(1, size + 1), *at = copy, *end = copy + size;
  bool found = false;

  MUST(copy);
  memcpy(copy, data, size);
  while (at < end) {
    size_t len = strcspn(at, "&;");
    at[len] = '\0'; /* one stands there already at the end of a piece */
    found = is_other(at) || found;
    at += len + 1;
  }
  free(copy);
  return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const headers[] = {
      "Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
  struct gw_http_req req = {.method = "POST", .url = "http://127.0.0.1:9/x",
                            .headers = headers, .body = data,
                            .body_len = size};
  struct gw_exchange *x = NULL;
  struct gw_err err = {0};

  if (!http)
    set_up();
  if (gw_http_start(&x, http, &req, &err) != 0)
    MUST(err.kind == GW_EDENIED);
  else
    MUST(!asks_for_other(data, size));
  gw_http_free(x);
  return 0;
}
