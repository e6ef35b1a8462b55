/*
 * end: copies of what the caller gave, and names of files.
 */
#include "data/data_impl.h"

#include "base/fault.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, "data", "out of memory");
}

static char *keep(struct gw_end *end, const char *text, struct gw_err *err)
{
  char **grown =
      realloc(end->owned, (end->owned_count + 1) * sizeof(*end->owned));
  char *copy = grown && !gw_fault("data.end") ? strdup(text) : NULL;

  if (grown)
    end->owned = grown;
  if (copy)
    end->owned[end->owned_count++] = copy;
  else
    no_memory(err);
  return copy;
}

static int keep_field(struct gw_end *end, const char **field,
                      struct gw_err *err)
{
  if (!*field)
    return 0;
  *field = keep(end, *field, err);
  return *field ? 0 : -1;
}

static int keep_headers(struct gw_end *end, struct gw_err *err)
{
  const char *const *given = end->http.headers;
  const char **list;
  size_t n = 0;

  end->http.headers = NULL;
  while (given && given[n])
    n++;
  list = calloc(n + 1, sizeof(*list));
  if (!list)
    return no_memory(err);
  end->http.headers = list; /* freed with the end */
  for (size_t i = 0; i < n; i++)
    if (!(list[i] = keep(end, given[i], err)))
      return -1;
  return 0;
}

static int keep_request(struct gw_end *end, struct gw_err *err)
{
  struct gw_http_req *r = &end->http;
  const char **fields[] = {&r->url,         &r->auth_scheme, &r->auth_header,
                           &r->auth_user,   &r->tls.ca,      &r->tls.cert,
                           &r->tls.key,     &r->proxy,       &r->no_proxy};

  if (r->auth)
    r->auth = gw_secret_ref(r->auth);
  if (keep_headers(end, err) != 0)
    return -1;
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
    if (keep_field(end, fields[i], err) != 0)
      return -1;
  return gw_http_base_new(&r->base, r, err);
}

static int keep_folders(struct gw_end *end, const struct gw_data_end *given,
                        struct gw_err *err)
{
  unsigned long long dice;

  if (gw_fault("data.folder")) {
    errno = EMFILE;
    return gw_err_errno(err, "data", "folder");
  }
  end->folder = fcntl(given->folder, F_DUPFD_CLOEXEC, 0);
  end->temp = fcntl(given->temp >= 0 ? given->temp : given->folder,
                    F_DUPFD_CLOEXEC, 0);
  if (end->folder < 0 || end->temp < 0)
    return gw_err_errno(err, "data", "folder");
  if (gw_random(&dice, sizeof(dice), err) != 0)
    return -1;
  (void)snprintf(end->stamp, sizeof(end->stamp), "%016llx", dice);
  return 0;
}

/* Only what is the same for all files is taken from the request. */
static void take_request(struct gw_end *end, const struct gw_http_req *req)
{
  end->http = (struct gw_http_req){
      .url = req->url,
      .headers = req->headers,
      .auth = req->auth,
      .auth_scheme = req->auth_scheme,
      .auth_header = req->auth_header,
      .auth_user = req->auth_user,
      .connect_ms = req->connect_ms,
      .stall_ms = req->stall_ms,
      .answer_ms = req->answer_ms,
      .tls = req->tls,
      .proxy = req->proxy,
      .no_proxy = req->no_proxy,
  };
}

int gw_end_new(struct gw_end **out, const struct gw_data_end *given,
               struct gw_err *err)
{
  struct gw_end *end = gw_fault("data.end") ? NULL : calloc(1, sizeof(*end));
  int rc;

  *out = NULL;
  if (!end)
    return no_memory(err);
  end->refs = 1;
  end->folder = end->temp = -1;
  end->is_private = given->is_private;
  if (given->http.url) {
    take_request(end, &given->http);
    rc = keep_request(end, err);
  } else {
    rc = keep_folders(end, given, err);
  }
  if (rc != 0) {
    gw_end_unref(end);
    return -1;
  }
  *out = end;
  return 0;
}

struct gw_end *gw_end_ref(struct gw_end *end)
{
  end->refs++;
  return end;
}

void gw_end_unref(struct gw_end *end)
{
  if (!end || --end->refs > 0)
    return;
  for (size_t i = 0; i < end->owned_count; i++)
    free(end->owned[i]);
  free(end->owned);
  free((void *)end->http.headers);
  gw_secret_unref(end->http.auth);
  gw_http_base_unref(end->http.base);
  if (end->folder >= 0)
    (void)close(end->folder);
  if (end->temp >= 0)
    (void)close(end->temp);
  free(end);
}

void gw_end_encode(const char *name, char out[GW_DATA_CODED])
{
  static const char hex[] = "0123456789ABCDEF";
  char *end = out;

  for (; *name; name++) {
    unsigned char c = (unsigned char)*name;
    if (c < 0x80 && (isalnum(c) || strchr("-._~", c))) {
      *end++ = *name;
    } else {
      *end++ = '%';
      *end++ = hex[c >> 4];
      *end++ = hex[c & 15];
    }
  }
  *end = '\0';
}

/* --- jobs -------------------------------------------------------------- */

static int check_name(const char *name, struct gw_err *err)
{
  if (*name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
      strcmp(name, "..") != 0 && strlen(name) <= GW_DATA_NAME_MAX)
    return 0;
  return gw_err_set(err, GW_EUSAGE, "data", "not a usable name of a file: %.80s",
                    *name ? name : "(empty)");
}

struct gw_data_job *gw_data_job_new(const char *name, const char *to,
                                    struct gw_err *err)
{
  struct gw_data_job *job;

  if (check_name(name, err) != 0 || (to && check_name(to, err) != 0))
    return NULL;
  job = gw_fault("data.job") ? NULL : calloc(1, sizeof(*job));
  if (job) {
    job->size = job->announced = -1;
    job->retry_after = -1;
    job->name = strdup(name);
    job->to = to ? strdup(to) : NULL;
  }
  if (job && job->name && (job->to || !to))
    return job;
  gw_data_job_free(job);
  no_memory(err);
  return NULL;
}

void gw_data_job_free(struct gw_data_job *job)
{
  if (!job)
    return;
  free(job->name);
  free(job->to);
  free(job->source_etag);
  free(job->date);
  free(job->body);
  free(job);
}
