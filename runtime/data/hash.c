/*
 * hash: the digests of a pair, and what the source said against them.
 */
#include "data/data_impl.h"

#include <ctype.h>
#include <string.h>

int gw_pair_hash(struct gw_pair *p, const void *data, size_t len,
                 struct gw_err *err)
{
  if (p->has_md5 && !p->md5 && !(p->md5 = gw_hash_new(GW_HASH_MD5, err)))
    return -1;
  if (p->has_sha && !p->sha && !(p->sha = gw_hash_new(GW_HASH_SHA256, err)))
    return -1;
  if (p->md5 && gw_hash_update(p->md5, data, len, err) != 0)
    return -1;
  return p->sha ? gw_hash_update(p->sha, data, len, err) : 0;
}

static int hex_of(enum gw_hash_kind kind, const void *data, size_t len,
                  char *out, size_t size, struct gw_err *err)
{
  char hex[65];

  if (gw_hash_bytes(kind, data, len, hex, err) != 0)
    return -1;
  memcpy(out, hex, size);
  return 0;
}

int gw_pair_digest(struct gw_pair *p, const void *data, size_t len,
                   struct gw_err *err)
{
  if (p->has_md5 && hex_of(GW_HASH_MD5, data, len, p->md5_hex,
                           sizeof(p->md5_hex), err) != 0)
    return -1;
  return p->has_sha ? hex_of(GW_HASH_SHA256, data, len, p->sha_hex,
                             sizeof(p->sha_hex), err)
                    : 0;
}

int gw_pair_hex(struct gw_pair *p, struct gw_err *err)
{
  char hex[65];

  if (p->md5) {
    if (gw_hash_hex(p->md5, hex, err) != 0)
      return -1;
    memcpy(p->md5_hex, hex, sizeof(p->md5_hex));
  }
  return p->sha ? gw_hash_hex(p->sha, p->sha_hex, err) : 0;
}

/* The 32 digits of an ETag that is an MD5, in lower case. A weak one (W/…)
 * promises nothing about bytes. */
static bool is_md5(const char *etag, char hex[33])
{
  bool quoted = *etag == '"';

  etag += quoted;
  for (int i = 0; i < 32; i++, etag++) {
    if (!isxdigit((unsigned char)*etag))
      return false;
    hex[i] = (char)tolower((unsigned char)*etag);
  }
  hex[32] = '\0';
  return quoted ? strcmp(etag, "\"") == 0 : *etag == '\0';
}

static int differs(struct gw_err *err, const char *name, const char *fmt,
                   const char *said, const char *got)
{
  gw_err_set(err, GW_ECONFLICT, GW_DATA_READ_OP, fmt, name, said, got);
  if (err)
    err->retryable = true;
  return -1;
}

int gw_pair_compare(struct gw_pair *p, struct gw_err *err)
{
  const struct gw_data_job *job = p->job;
  char hex[33], said[32], got[32];
  long long size = p->size >= 0 ? p->size : job->size;

  /* A length that was announced is exact; a listed one has to do where the
   * server announces none: it could have been cut off. */
  if (size >= 0 && (uint64_t)size != p->ring.in) {
    (void)snprintf(said, sizeof(said), "%lld", size);
    (void)snprintf(got, sizeof(got), "%llu", (unsigned long long)p->ring.in);
    return differs(err, job->name,
                   "%.120s: %s bytes were announced, %s came; it changed, or "
                   "was cut off",
                   said, got);
  }
  if (p->any_etag)
    return 0;
  if (p->md5_hex[0] && job->source_etag && is_md5(job->source_etag, hex) &&
      strcmp(hex, p->md5_hex) != 0) {
    p->job->other_etag = true;
    return differs(err, job->name,
                   "%.80s: the source says its MD5 is %s, what came has %s",
                   hex, p->md5_hex);
  }
  return 0;
}
