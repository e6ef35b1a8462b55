#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [GW_OK] = "ok",           [GW_EUSAGE] = "usage",
    [GW_ENOTFOUND] = "notfound", [GW_EEXISTS] = "exists",
    [GW_EAUTH] = "auth",      [GW_ECONFLICT] = "conflict",
    [GW_ELIMIT] = "limit",    [GW_ENET] = "net",
    [GW_ETIMEOUT] = "timeout", [GW_EREMOTE] = "remote",
    [GW_EIO] = "io",          [GW_ENOMEM] = "nomem",
    [GW_ECANCELLED] = "cancelled", [GW_EDENIED] = "denied",
    [GW_ELOCKED] = "locked",    [GW_EBUDGET] = "budget",
    [GW_EBUG] = "bug",
};

static void make_printable(char *text)
{
  for (char *p = text; *p; p++)
    if ((unsigned char)*p < 0x20 || *p == 0x7f)
      *p = ' ';
}

/* A message that was cut says so: what filters secrets wants to know. */
static void mark_cut(char *text, size_t size)
{
  static const char mark[] = "\xe2\x80\xa6"; /* … */
  size_t at = size - sizeof(mark);

  while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
    at--;
  memcpy(text + at, mark, sizeof(mark));
}

int gw_err_set(struct gw_err *err, enum gw_errkind kind, const char *op,
               const char *fmt, ...)
{
  va_list ap;
  int len;

  if (!err)
    return -1;
  memset(err, 0, sizeof(*err));
  err->kind = kind;
  err->retryable = kind == GW_ENET || kind == GW_ETIMEOUT;
  (void)snprintf(err->op, sizeof(err->op), "%s", op);
  va_start(ap, fmt);
  len = vsnprintf(err->message, sizeof(err->message), fmt, ap);
  va_end(ap);
  if (len >= (int)sizeof(err->message))
    mark_cut(err->message, sizeof(err->message));
  make_printable(err->message);
  return -1;
}

static enum gw_errkind kind_of(int code)
{
  switch (code) {
  case ENOENT:
    return GW_ENOTFOUND;
  case EEXIST:
    return GW_EEXISTS;
  case ENOMEM:
    return GW_ENOMEM;
  default:
    return GW_EIO;
  }
}

int gw_err_errno(struct gw_err *err, const char *op, const char *what)
{
  int code = errno;
  char text[96];

  /* The GNU strerror_r may use the buffer or a constant. */
  const char *why = strerror_r(code, text, sizeof(text));
  gw_err_set(err, kind_of(code), op, "%s: %s", what, why);
  if (err)
    err->status = code;
  return -1;
}

const char *gw_err_name(enum gw_errkind kind)
{
  if ((size_t)kind >= sizeof(names) / sizeof(names[0]))
    return "bug";
  return names[kind];
}

enum gw_errkind gw_err_kind(const char *name)
{
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (strcmp(names[i], name) == 0)
      return (enum gw_errkind)i;
  return GW_OK;
}
