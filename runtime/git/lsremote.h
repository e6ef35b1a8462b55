/*
 * lsremote: asks a server for its references. One GET (and what redirects
 * add), on the loop, without libgit2 and without a worker.
 *
 * A redirect is followed here, at most five times, never from https to http,
 * and the credentials stay with the origin they were given for.
 */
#ifndef GW_GIT_LSREMOTE_H
#define GW_GIT_LSREMOTE_H

#include "git/git.h"
#include "git/pkt.h"
#include "net/http.h"

struct gw_lsremote;

/* service: "git-upload-pack" or "git-receive-pack". The remote is copied.
 * done is called once, from the loop. */
int gw_lsremote_start(struct gw_lsremote **out, struct gw_http *http,
                      const struct gw_git_remote *remote, const char *service,
                      void (*done)(void *arg), void *arg, struct gw_err *err);

/* Once done was called: the list, a reference for the caller; or -1. */
int gw_lsremote_result(struct gw_lsremote *ls, struct gw_advert **out,
                       struct gw_err *err);
void gw_lsremote_free(struct gw_lsremote *ls); /* stops it; accepts NULL */

#endif
