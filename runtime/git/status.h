/*
 * status: what a Git server's HTTP answer means, in one sentence. For the
 * list of references and for packs alike.
 */
#ifndef GW_GIT_STATUS_H
#define GW_GIT_STATUS_H

#include "git/git.h"
#include "net/http.h"

/*
 * 0 for a 2xx with the content type `type`; else -1 with *err filled. where:
 * the repository's URL, for the sentence.
 */
int gw_git_status(const struct gw_http_result *result, const char *type,
                  const char *op, const char *where, struct gw_err *err);

/* The header's value in the result's lines, or NULL; not terminated. */
const char *gw_git_header(const char *lines, const char *name, size_t *len);

#endif
