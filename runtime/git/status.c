#include "git/status.h"

#include <stdio.h>
#include <string.h>

const char *gw_git_header(const char *lines, const char *name, size_t *len)
{
  size_t n = strlen(name);

  while (lines && *lines) {
    size_t line = strcspn(lines, "\n");
    if (line > n && memcmp(lines, name, n) == 0 && lines[n] == ':') {
      const char *value = lines + n + 1;
      size_t left = line - n - 1;
      while (left && (*value == ' ' || *value == '\t'))
        value++, left--;
      *len = left;
      return value;
    }
    lines += line;
    lines += *lines == '\n';
  }
  return NULL;
}

static int fail(struct gw_err *err, enum gw_errkind kind, long status,
                const char *op, const char *what, const char *where)
{
  gw_err_set(err, kind, op, "%s (HTTP %ld from %.120s)", what, status, where);
  if (err)
    err->status = (int)status;
  return -1;
}

/* Seconds of Retry-After; a date is for those who read clocks. */
static void take_retry_after(struct gw_err *err, const char *headers)
{
  size_t len = 0;
  const char *value = gw_git_header(headers, "retry-after", &len);
  int seconds = 0;

  if (!err || !value || len == 0 || len > 9)
    return;
  for (size_t i = 0; i < len; i++) {
    if (value[i] < '0' || value[i] > '9')
      return;
    seconds = seconds * 10 + (value[i] - '0');
  }
  err->busy = true;
  err->retry_after = seconds;
}

static int refused(const struct gw_http_result *result, const char *op,
                   const char *where, struct gw_err *err)
{
  long status = result->status;

  switch (status) {
  case 401:
    return fail(err, GW_EAUTH, status, op,
                "the Git server does not accept these credentials", where);
  case 403:
    return fail(err, GW_EAUTH, status, op,
                "the Git server does not allow this with these credentials",
                where);
  case 404:
  case 410:
    return fail(err, GW_ENOTFOUND, status, op,
                "the Git server has no such repository", where);
  case 407:
    return fail(err, GW_EAUTH, status, op, "the proxy asks for credentials",
                where);
  case 413:
    return fail(err, GW_ELIMIT, status, op,
                "the Git server, or a proxy before it, takes no body of this "
                "size",
                where);
  default:
    break;
  }
  if (status >= 300 && status < 400)
    return fail(err, GW_EREMOTE, status, op,
                "the Git server sends us elsewhere in the middle of a "
                "conversation",
                where);
  fail(err, status == 429 ? GW_ELIMIT : GW_EREMOTE, status, op,
       status >= 500 ? "the Git server failed" : "the Git server refused",
       where);
  if (err)
    err->retryable = status >= 500 || status == 429 || status == 408;
  if (status == 429 || status == 503)
    take_retry_after(err, result->headers);
  return -1;
}

int gw_git_status(const struct gw_http_result *result, const char *type,
                  const char *op, const char *where, struct gw_err *err)
{
  size_t len = 0;

  if (result->err.kind != GW_OK) {
    if (err)
      *err = result->err;
    if (err)
      (void)snprintf(err->op, sizeof(err->op), "%s", op);
    return -1;
  }
  if (result->status < 200 || result->status > 299)
    return refused(result, op, where, err);
  const char *got = gw_git_header(result->headers, "content-type", &len);
  size_t word = 0;
  while (got && word < len && got[word] != ';' && got[word] != ' ')
    word++;
  if (got && word == strlen(type) && memcmp(got, type, word) == 0)
    return 0;
  gw_err_set(err, GW_EREMOTE, op,
             "%.120s answers with %.*s, not as a Git repository: is the "
             "address right",
             where, got ? (int)(word > 60 ? 60 : word) : 7,
             got ? got : "nothing");
  if (err)
    err->status = (int)result->status;
  return -1;
}
