/*
 * guard: what this process may send, asked where every request starts,
 * whatever script is behind it.
 *
 * Without permissions all reads are allowed, and writes to what is named by
 * gw_guard_allow_write. A guard that is shut lets nothing out; one that was
 * given rules lets out what a rule names, reads and writes. Plan mode takes
 * away writes from each of them.
 *
 * Threads: loop thread.
 */
#ifndef GW_NET_GUARD_H
#define GW_NET_GUARD_H

#include "net/url.h"

struct gw_guard;
struct gw_guard *gw_guard_new(struct gw_err *err);
void gw_guard_free(struct gw_guard *guard);

/* Plan mode: nothing but reads. Cannot be switched off again. */
void gw_guard_plan(struct gw_guard *guard);
bool gw_guard_is_plan(const struct gw_guard *guard);

/* From the first call on, writes go only to origins named here. NULL just
 * starts the restriction. */
int gw_guard_allow_write(struct gw_guard *guard, const char *origin,
                         struct gw_err *err);

/* Nothing is let out, with that reason. NULL: as before again. */
int gw_guard_shut(struct gw_guard *guard, const char *why,
                  struct gw_err *err);

/*
 * Ends that; from the first call on only what rules name is let out: `place`
 * is an origin, or an origin and a path that all below it is meant with;
 * `verbs` are methods joined with a blank, or "*". GET includes HEAD and Git
 * fetches; a push is a POST, the question before it included. `says` is what
 * the permissions call it, for messages. place NULL: no rule yet.
 */
int gw_guard_rule(struct gw_guard *guard, const char *place, const char *verbs,
                  const char *says, struct gw_err *err);

bool gw_guard_is_ruled(const struct gw_guard *guard);

/* A proxy, or a file with certificates, that a profile names: with rules, or
 * shut, no other is used. NULL is ignored. */
int gw_guard_know(struct gw_guard *guard, const char *text,
                  struct gw_err *err);
int gw_guard_check_known(const struct gw_guard *guard, const char *text,
                         struct gw_err *err);

/* Reads are GET, HEAD and a Git fetch (POST …/git-upload-pack with its
 * content type). GW_EDENIED with one sentence otherwise. */
int gw_guard_check(const struct gw_guard *guard, const char *method,
                   const struct gw_url *url, const char *content_type,
                   struct gw_err *err);

/* What the above counts as a read; also what may be sent twice. */
bool gw_guard_is_read(const char *method, const struct gw_url *url,
                      const char *content_type);

/* Whether a path is below another, for certain: one with dots, slashes or
 * parameters that servers read in different ways is below none. */
bool gw_guard_is_below(const char *path, const char *above);

#endif
