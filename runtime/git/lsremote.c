#include "git/lsremote.h"
#include "git/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.ls_remote"
#define REDIRECTS 5

struct gw_lsremote {
  struct gw_http *http;
  struct gw_git_remote remote;
  char service[20];
  char *base;       /* asked now */
  char *origin;     /* of what was asked first */
  bool same_origin; /* base is there, too */
  int redirects;
  struct gw_exchange *x;
  struct gw_advert *advert;
  struct gw_err err;
  void (*done)(void *arg);
  void *arg;
};

static void on_answer(void *arg);

static int ask(struct gw_lsremote *ls, struct gw_err *err)
{
  char url[4096], accept[80];
  const char *headers[] = {accept, "Pragma: no-cache",
                           "User-Agent: git/2.0 (godwit)", NULL};

  if (snprintf(url, sizeof(url), "%s/info/refs?service=%s", ls->base,
               ls->service) >= (int)sizeof(url))
    return gw_err_set(err, GW_EUSAGE, OP, "the address is too long");
  (void)snprintf(accept, sizeof(accept),
                 "Accept: application/x-%s-advertisement", ls->service);
  struct gw_http_req req = {
      .method = "GET",
      .url = url,
      .headers = headers,
      .auth = ls->same_origin ? ls->remote.auth : NULL,
      .auth_scheme = ls->remote.auth_scheme ? ls->remote.auth_scheme : "Basic",
      .auth_header = ls->remote.auth_header,
      .auth_user = ls->remote.auth_user,
      .max_body = GW_ADVERT_MAX,
      .done = on_answer,
      .arg = ls,
      .connect_ms = ls->remote.connect_ms,
      .stall_ms = ls->remote.stall_ms,
      .total_ms = ls->remote.total_ms,
      .tls = {ls->remote.ca, ls->remote.cert, ls->remote.cert_key,
              ls->remote.insecure},
      .proxy = ls->remote.proxy,
      .no_proxy = ls->remote.no_proxy,
  };
  return gw_http_start(&ls->x, ls->http, &req, err);
}

static char *origin_of(const char *url, struct gw_err *err)
{
  struct gw_url parsed;
  struct gw_buf out = GW_BUF_INIT;
  size_t len;

  if (gw_url_parse(&parsed, url, err) != 0)
    return NULL;
  int rc = gw_url_origin(&parsed, &out, err);
  gw_url_dispose(&parsed);
  if (rc != 0)
    return NULL;
  return gw_buf_steal(&out, &len);
}

/* "BASE/info/refs?service=X" back to BASE. */
static int strip(char *url, const char *service, struct gw_err *err)
{
  char tail[60];
  int n = snprintf(tail, sizeof(tail), "/info/refs?service=%s", service);
  size_t len = strlen(url);

  if (len <= (size_t)n || strcmp(url + len - n, tail) != 0)
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the Git server sends us to %.150s, which is no "
                      "repository's list of references",
                      url);
  url[len - (size_t)n] = '\0';
  return 0;
}

static int move_to(struct gw_lsremote *ls, char *url, struct gw_err *err)
{
  char *origin;

  if (strip(url, ls->service, err) != 0)
    return -1;
  if (strncmp(ls->base, "https:", 6) == 0 && strncmp(url, "https:", 6) != 0)
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the Git server sends us from https to plain http "
                      "(%.150s), which we do not follow",
                      url);
  origin = origin_of(url, err);
  if (!origin)
    return -1;
  ls->same_origin = strcmp(origin, ls->origin) == 0;
  free(origin);
  char *base = strdup(url);
  if (!base)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  free(ls->base);
  ls->base = base;
  return 0;
}

/* True if the answer was a redirect that is followed; then x is a new one. */
static bool follow(struct gw_lsremote *ls)
{
  const struct gw_http_result *r = gw_http_result(ls->x);
  struct gw_buf url = GW_BUF_INIT;
  char asked[4096];
  size_t len;

  if (r->err.kind != GW_OK || r->status < 301 || r->status > 308 ||
      r->status == 304 || r->status == 305 || r->status == 306)
    return false;
  const char *location = gw_git_header(r->headers, "location", &len);
  char *text = location ? strndup(location, len) : NULL;
  (void)snprintf(asked, sizeof(asked), "%s/info/refs?service=%s", ls->base,
                 ls->service);
  int rc = -1;
  if (!text)
    gw_err_set(&ls->err, GW_EREMOTE, OP,
               "the Git server sends us elsewhere without saying where");
  else if (++ls->redirects > REDIRECTS)
    gw_err_set(&ls->err, GW_EREMOTE, OP,
               "the Git server sends us elsewhere too often");
  else
    rc = gw_url_resolve(asked, text, &url, &ls->err);
  if (rc == 0)
    rc = move_to(ls, url.data, &ls->err);
  free(text);
  gw_buf_dispose(&url);
  gw_http_free(ls->x);
  ls->x = NULL;
  return rc == 0 && ask(ls, &ls->err) == 0;
}

static void take(struct gw_lsremote *ls)
{
  const struct gw_http_result *r = gw_http_result(ls->x);
  char type[64];

  (void)snprintf(type, sizeof(type), "application/x-%s-advertisement",
                 ls->service);
  if (gw_git_status(r, type, OP, ls->base, &ls->err) != 0 ||
      gw_advert_parse(&ls->advert, r->body, r->body_len, ls->service,
                      &ls->err) != 0)
    return;
  ls->advert->same_origin = ls->same_origin;
  ls->advert->base = ls->base; /* the list's now */
  ls->base = NULL;
}

static void on_answer(void *arg)
{
  struct gw_lsremote *ls = arg;

  if (follow(ls))
    return;
  if (ls->x) {
    take(ls);
    gw_http_free(ls->x);
    ls->x = NULL;
  }
  if (ls->err.kind != GW_OK)
    (void)snprintf(ls->err.op, sizeof(ls->err.op), OP);
  ls->done(ls->arg); /* may free ls */
}

int gw_lsremote_start(struct gw_lsremote **out, struct gw_http *http,
                      const struct gw_git_remote *remote, const char *service,
                      void (*done)(void *arg), void *arg, struct gw_err *err)
{
  struct gw_lsremote *ls = calloc(1, sizeof(*ls));

  if (!ls)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  ls->http = http;
  ls->done = done;
  ls->arg = arg;
  ls->same_origin = true;
  (void)snprintf(ls->service, sizeof(ls->service), "%s", service);
  if (gw_git_remote_copy(&ls->remote, remote, err) != 0)
    goto fail;
  ls->origin = origin_of(ls->remote.url, err);
  if (!ls->origin)
    goto fail;
  ls->base = strdup(ls->remote.url);
  if (!ls->base) {
    gw_err_set(err, GW_ENOMEM, OP, "out of memory");
    goto fail;
  }
  if (ask(ls, err) != 0)
    goto fail;
  *out = ls;
  return 0;
fail:
  gw_lsremote_free(ls);
  return -1;
}

int gw_lsremote_result(struct gw_lsremote *ls, struct gw_advert **out,
                       struct gw_err *err)
{
  if (ls->err.kind != GW_OK) {
    if (err)
      *err = ls->err;
    return -1;
  }
  *out = gw_advert_ref_take(ls->advert);
  return 0;
}

void gw_lsremote_free(struct gw_lsremote *ls)
{
  if (!ls)
    return;
  gw_http_free(ls->x);
  gw_git_remote_dispose(&ls->remote);
  gw_advert_unref(ls->advert);
  free(ls->base);
  free(ls->origin);
  free(ls);
}
