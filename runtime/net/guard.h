/*
 * guard: what this process may send, asked where every request starts,
 * whatever script is behind it.
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

/* Reads are GET, HEAD and a Git fetch (POST …/git-upload-pack with its
 * content type). GW_EDENIED with one sentence otherwise. */
int gw_guard_check(const struct gw_guard *guard, const char *method,
                   const struct gw_url *url, const char *content_type,
                   struct gw_err *err);

/* What the above counts as a read; also what may be sent twice. */
bool gw_guard_is_read(const char *method, const struct gw_url *url,
                      const char *content_type);

#endif
