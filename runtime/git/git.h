/*
 * git: what all of this room's headers share: object ids as text, a remote's
 * description, starting libgit2.
 */
#ifndef GW_GIT_GIT_H
#define GW_GIT_GIT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define GW_GIT_HEX 41 /* 40 hex digits and a NUL */

struct gw_secret;

/*
 * Starts libgit2 for this process: no configuration of the machine or the
 * user is read, owner checks are off (our stores are 0700 and locked), objects
 * are checked when created. Call it on the loop thread; repeats are free.
 */
int gw_git_init(struct gw_err *err);

/* True for exactly 40 lower-case hex digits. */
bool gw_git_is_id(const char *text);

/* Where a repository is: over HTTP (url) or a bare repository (path). All
 * texts are owned; NULL: not given. */
struct gw_git_remote {
  char *url; /* no final slash, no user */
  char *path;
  struct gw_secret *auth; /* a reference */
  char *auth_user, *auth_scheme, *auth_header;
  char *ca, *cert, *cert_key;
  char *proxy, *no_proxy;
  bool insecure;
  long connect_ms, stall_ms, total_ms; /* 0: the HTTP client's default */
};

/* Loop thread, as the secret demands. Leaves it empty. */
void gw_git_remote_dispose(struct gw_git_remote *remote);

/* A copy with its own reference of the secret. */
int gw_git_remote_copy(struct gw_git_remote *out,
                       const struct gw_git_remote *remote, struct gw_err *err);

/* Only branches and tags are fetched or pushed: a valid name under
 * refs/heads/ or refs/tags/. GW_EUSAGE otherwise. */
int gw_git_check_ref(const char *name, const char *op, struct gw_err *err);

/* The same question for a text of a server; no libgit2 behind it. */
bool gw_git_ref_is_valid(const char *name, size_t len);

#endif
