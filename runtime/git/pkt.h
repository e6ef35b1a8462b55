/*
 * pkt: pkt-lines, and the list of references ("advertisement") a server
 * sends first. Nothing but text here: no libgit2, no network; a server's
 * bytes are checked before anything else sees them.
 */
#ifndef GW_GIT_PKT_H
#define GW_GIT_PKT_H

#include "base/buf.h"
#include "git/git.h"

#include <sys/types.h>

#define GW_ADVERT_MAX (64u << 20) /* a longer one is refused */

enum gw_pkt_kind { GW_PKT_DATA, GW_PKT_FLUSH };

/*
 * Takes the next pkt-line off data: *text and *text_len are its payload.
 * Returns the bytes used, 0 when more are needed, -1 when it is none.
 */
ssize_t gw_pkt_next(const char *data, size_t len, enum gw_pkt_kind *kind,
                    const char **text, size_t *text_len);

int gw_pkt_append(struct gw_buf *buf, struct gw_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct gw_advert_ref {
  char *name;
  char id[GW_GIT_HEX];
  char peeled[GW_GIT_HEX]; /* what an annotated tag names, or "" */
};

/* Reference counted and never changed once made: loop and workers share it. */
struct gw_advert {
  int refs_held; /* atomic */
  char *base;    /* where it came from, after redirects: the repository's URL
                    without /info/refs; NULL when only parsed */
  bool same_origin; /* as asked for: the credentials may go there */
  char service[20]; /* "git-upload-pack" or "git-receive-pack" */
  struct gw_advert_ref *refs; /* branches and tags; others are left out */
  size_t count;
  char *head;              /* where HEAD points: "refs/heads/master", or NULL */
  char head_id[GW_GIT_HEX]; /* "" if there is no HEAD */
  char *caps;              /* words with one blank between */
  struct gw_buf wire;      /* the same again, cleaned, for libgit2 */
};

/*
 * Parses a whole answer to info/refs. References that are neither branches
 * nor tags are ignored; a branch or tag with an impossible name is an error.
 */
int gw_advert_parse(struct gw_advert **out, const char *data, size_t len,
                    const char *service, struct gw_err *err);

/* Made by hand, of a local repository; then sealed. */
int gw_advert_new(struct gw_advert **out, const char *service,
                  struct gw_err *err);
int gw_advert_add(struct gw_advert *advert, const char *name, size_t len,
                  const char *id, struct gw_err *err);

/* What the reference that was added last, an annotated tag, names. */
void gw_advert_peel(struct gw_advert *advert, const char *name, size_t len,
                    const char *id);

struct gw_advert *gw_advert_ref_take(struct gw_advert *advert);
void gw_advert_unref(struct gw_advert *advert); /* accepts NULL */

/* The id of a reference, or NULL. */
const char *gw_advert_find(const struct gw_advert *advert, const char *name);
/* A capability's value ("" if it has none), or NULL; *len is its length. */
const char *gw_advert_cap(const struct gw_advert *advert, const char *name,
                          size_t *len);

#endif
