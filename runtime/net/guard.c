/*
 * guard: the last word on what leaves this process.
 */
#include "net/guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OP "http"

struct gw_guard {
  bool plan;
  bool restricted;
  char **origins;
  size_t count;
};

struct gw_guard *gw_guard_new(struct gw_err *err)
{
  struct gw_guard *guard = calloc(1, sizeof(*guard));

  if (!guard)
    gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  return guard;
}

void gw_guard_free(struct gw_guard *guard)
{
  if (!guard)
    return;
  for (size_t i = 0; i < guard->count; i++)
    free(guard->origins[i]);
  free(guard->origins);
  free(guard);
}

void gw_guard_plan(struct gw_guard *guard)
{
  guard->plan = true;
}

bool gw_guard_is_plan(const struct gw_guard *guard)
{
  return guard->plan;
}

static int add_origin(struct gw_guard *guard, struct gw_buf *origin,
                      struct gw_err *err)
{
  char **grown =
      realloc(guard->origins, (guard->count + 1) * sizeof(*grown));
  size_t len;

  if (!grown)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  guard->origins = grown;
  grown[guard->count++] = gw_buf_steal(origin, &len);
  return 0;
}

int gw_guard_allow_write(struct gw_guard *guard, const char *origin,
                         struct gw_err *err)
{
  struct gw_buf text = GW_BUF_INIT;
  struct gw_url url;
  int rc;

  guard->restricted = true; /* also when the name is bad: fail closed */
  if (!origin)
    return 0;
  if (gw_url_parse(&url, origin, err) != 0)
    return -1;
  rc = gw_url_origin(&url, &text, err);
  gw_url_dispose(&url);
  if (rc == 0)
    rc = add_origin(guard, &text, err);
  gw_buf_dispose(&text);
  return rc;
}

static bool ends_with(const char *text, const char *end)
{
  size_t len = strlen(text), n = strlen(end);

  return len >= n && strcmp(text + len - n, end) == 0;
}

bool gw_guard_is_read(const char *method, const struct gw_url *url,
                      const char *content_type)
{
  if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
    return true;
  return strcmp(method, "POST") == 0 && content_type &&
         strcasecmp(content_type, "application/x-git-upload-pack-request") ==
             0 &&
         ends_with(url->path, "/git-upload-pack") && !url->query;
}

int gw_guard_check(const struct gw_guard *guard, const char *method,
                   const struct gw_url *url, const char *content_type,
                   struct gw_err *err)
{
  struct gw_buf origin = GW_BUF_INIT;
  bool allowed = false;

  if (gw_guard_is_read(method, url, content_type))
    return 0;
  if (!guard->plan && !guard->restricted)
    return 0;
  if (gw_url_origin(url, &origin, err) != 0)
    return -1;
  for (size_t i = 0; i < guard->count && !allowed; i++)
    allowed = strcmp(guard->origins[i], origin.data) == 0;
  if (guard->plan) {
    gw_err_set(err, GW_EDENIED, OP,
               "%s to %s is not sent: this is a plan, only reads leave it",
               method, origin.data);
    allowed = false;
  } else if (!allowed) {
    gw_err_set(err, GW_EDENIED, OP,
               "%s to %s is not allowed: name its cluster with --allow-write",
               method, origin.data);
  }
  gw_buf_dispose(&origin);
  return allowed ? 0 : -1;
}
