#include "base/fault.h"
#include "git/internal.h"
#include "net/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum gw_errkind kind_of(int code, int klass)
{
  switch (code) {
  case GIT_ENOTFOUND:
    return GW_ENOTFOUND;
  case GIT_EEXISTS:
    return GW_EEXISTS;
  case GIT_EAUTH:
    return GW_EAUTH;
  case GIT_ENONFASTFORWARD:
  case GIT_EMODIFIED:
  case GIT_ELOCKED:
    return GW_ECONFLICT;
  case GIT_EINVALIDSPEC:
  case GIT_EAMBIGUOUS:
    return GW_EUSAGE;
  case GIT_EUSER:
    return GW_ECANCELLED;
  default:
    break;
  }
  if (klass == GIT_ERROR_NOMEMORY)
    return GW_ENOMEM;
  if (klass == GIT_ERROR_NET || klass == GIT_ERROR_HTTP)
    return GW_EREMOTE;
  return GW_EIO;
}

int gw_err_git_what(struct gw_err *err, const char *op, const char *what,
                    int code)
{
  const git_error *last = git_error_last();
  int klass = last ? last->klass : 0;
  const char *text = last && last->message ? last->message : "";

  /* Without a class the text is of an earlier call: it would mislead. */
  if (!klass || !*text)
    text = "Git's library gave no reason";
  if (what)
    gw_err_set(err, kind_of(code, klass), op, "%s: %s", what, text);
  else
    gw_err_set(err, kind_of(code, klass), op, "%s", text);
  if (err)
    err->status = klass;
  git_error_clear();
  return -1;
}

int gw_err_git(struct gw_err *err, const char *op, int code)
{
  return gw_err_git_what(err, op, NULL, code);
}

static int set_options(void)
{
  static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA,
                               GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                               GIT_CONFIG_LEVEL_GLOBAL};
  int rc = 0;

  for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]) && rc == 0; i++)
    rc = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
  if (rc == 0)
    rc = git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "");
  if (rc == 0)
    rc = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  if (rc == 0)
    rc = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1);
  if (rc == 0)
    rc = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
  if (rc == 0)
    rc = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)(32 << 20));
  if (rc == 0) /* a hostile pack claims billions of objects: refused early */
    rc = git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)20000000);
  return rc;
}

int gw_git_init(struct gw_err *err)
{
  static bool started;

  if (started)
    return 0;
  int rc = git_libgit2_init();
  if (rc >= 0)
    rc = set_options();
  if (rc < 0)
    return gw_err_git(err, "git.init", rc);
  started = true;
  return 0;
}

int gw_git_may_write(const char *op, struct gw_err *err)
{
  if (!gw_fault("git.write"))
    return 0;
  errno = ENOSPC;
  return gw_err_errno(err, op, "writing objects");
}

bool gw_git_is_id(const char *text)
{
  return strspn(text, "0123456789abcdef") == 40 && text[40] == '\0';
}

int gw_git_parse_id(git_oid *out, const char *hex, const char *op,
                    struct gw_err *err)
{
  if (!hex || !gw_git_is_id(hex) || git_oid_fromstr(out, hex) < 0)
    return gw_err_set(err, GW_EUSAGE, op, "\"%.60s\" is no object id",
                      hex ? hex : "");
  return 0;
}

void gw_git_hex(char out[GW_GIT_HEX], const git_oid *id)
{
  git_oid_tostr(out, GW_GIT_HEX, id);
}

void gw_git_remote_dispose(struct gw_git_remote *r)
{
  char *texts[] = {r->url, r->path,     r->auth_user, r->auth_scheme,
                   r->ca,  r->cert,     r->cert_key,  r->auth_header,
                   r->proxy, r->no_proxy};

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    free(texts[i]);
  gw_secret_unref(r->auth);
  memset(r, 0, sizeof(*r));
}

static bool dup_text(char **slot, const char *text)
{
  *slot = text ? strdup(text) : NULL;
  return !text || *slot;
}

int gw_git_remote_copy(struct gw_git_remote *out,
                       const struct gw_git_remote *r, struct gw_err *err)
{
  *out = (struct gw_git_remote){
      .insecure = r->insecure,
      .connect_ms = r->connect_ms,
      .stall_ms = r->stall_ms,
      .total_ms = r->total_ms,
      .auth = r->auth ? gw_secret_ref(r->auth) : NULL,
  };
  bool ok = dup_text(&out->url, r->url) && dup_text(&out->path, r->path) &&
            dup_text(&out->auth_user, r->auth_user) &&
            dup_text(&out->auth_scheme, r->auth_scheme) &&
            dup_text(&out->auth_header, r->auth_header) &&
            dup_text(&out->ca, r->ca) && dup_text(&out->cert, r->cert) &&
            dup_text(&out->cert_key, r->cert_key) &&
            dup_text(&out->proxy, r->proxy) &&
            dup_text(&out->no_proxy, r->no_proxy);
  if (ok)
    return 0;
  gw_git_remote_dispose(out);
  return gw_err_set(err, GW_ENOMEM, "git.remote", "out of memory");
}
