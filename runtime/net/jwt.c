#include "net/jwt.h"

#include "base/base64.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 32

/* Of a JSON text; `end` is never reached by a read. */
struct scan {
  const char *at, *end;
};

static void skip_space(struct scan *s)
{
  while (s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at)
    s->at++;
}

static bool take(struct scan *s, char c)
{
  skip_space(s);
  if (s->at == s->end || *s->at != c)
    return false;
  s->at++;
  return true;
}

/* What is between the quotes, escapes as they stand. */
static bool take_string(struct scan *s, const char **text, size_t *len)
{
  if (!take(s, '"'))
    return false;
  *text = s->at;
  for (; s->at < s->end && *s->at != '"'; s->at++)
    if (*s->at == '\\' && ++s->at == s->end)
      return false;
  if (s->at == s->end)
    return false;
  *len = (size_t)(s->at++ - *text);
  return true;
}

static bool skip_value(struct scan *s, int depth);

static bool skip_nested(struct scan *s, char close, int depth)
{
  const char *text;
  size_t len;

  s->at++;
  if (take(s, close))
    return true;
  do {
    if (close == '}' && (!take_string(s, &text, &len) || !take(s, ':')))
      return false;
    if (!skip_value(s, depth + 1))
      return false;
  } while (take(s, ','));
  return take(s, close);
}

static bool skip_value(struct scan *s, int depth)
{
  const char *text;
  size_t len;

  skip_space(s);
  if (s->at == s->end || depth > MAX_DEPTH)
    return false;
  if (*s->at == '{' || *s->at == '[')
    return skip_nested(s, *s->at == '{' ? '}' : ']', depth);
  if (*s->at == '"')
    return take_string(s, &text, &len);
  text = s->at;
  while (s->at < s->end && !strchr(",]} \t\r\n", *s->at))
    s->at++;
  return s->at > text;
}

static bool take_number(struct scan *s, double *out)
{
  char text[32];
  size_t len;
  char *rest;

  skip_space(s);
  for (len = 0; s->at + len < s->end && len < sizeof(text) - 1 &&
                strchr("0123456789.eE+-", s->at[len]) && s->at[len];
       len++)
    text[len] = s->at[len];
  text[len] = '\0';
  *out = strtod(text, &rest);
  return len > 0 && *rest == '\0' && *out > 0 && *out < 1e12;
}

/* `exp` of an object's own fields. */
static bool find_expiry(struct scan *s, double *out)
{
  if (!take(s, '{'))
    return false;
  do {
    const char *name;
    size_t len;
    if (!take_string(s, &name, &len) || !take(s, ':'))
      return false;
    if (len == 3 && memcmp(name, "exp", 3) == 0)
      return take_number(s, out);
    if (!skip_value(s, 0))
      return false;
  } while (take(s, ','));
  return false;
}

bool gw_jwt_expiry(const char *text, size_t len, double *out)
{
  const char *first = memchr(text, '.', len), *second;
  struct gw_buf payload = GW_BUF_INIT;
  struct scan s;
  bool found = false;

  if (!first)
    return false;
  first++;
  second = memchr(first, '.', len - (size_t)(first - text));
  if (!second || /* at once: it is a secret's */
      gw_buf_reserve(&payload, (size_t)(second - first), NULL) != 0 ||
      gw_base64_decode(first, (size_t)(second - first), &payload, NULL) != 0)
    goto out;
  s.at = payload.data;
  s.end = payload.data ? payload.data + payload.len : NULL;
  found = payload.data && find_expiry(&s, out);
out:
  if (payload.data)
    explicit_bzero(payload.data, payload.len);
  gw_buf_dispose(&payload);
  return found;
}
