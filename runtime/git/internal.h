/*
 * internal: libgit2 for the files of this room. The only header with git2.h.
 */
#ifndef GW_GIT_INTERNAL_H
#define GW_GIT_INTERNAL_H

#include "git/git.h"
#include "git/store.h"

#include <git2.h>

/*
 * Fills *err from libgit2's error of this thread and returns -1. `code` is
 * what the call returned. The text is libgit2's only when it belongs to this
 * call: gw_git_clear before, or the call must be one that always sets it.
 */
int gw_err_git(struct gw_err *err, const char *op, int code);

/* The same with words of ours in front: "what: text". */
int gw_err_git_what(struct gw_err *err, const char *op, const char *what,
                    int code);

/* Text to id. GW_EUSAGE when it is none. */
int gw_git_parse_id(git_oid *out, const char *hex, const char *op,
                    struct gw_err *err);
void gw_git_hex(char out[GW_GIT_HEX], const git_oid *id);

git_repository *gw_repo_git(struct gw_repo *repo);

/* Asked before objects are written: with the fault "git.write" armed, the
 * disk is full. */
int gw_git_may_write(const char *op, struct gw_err *err);

#endif
