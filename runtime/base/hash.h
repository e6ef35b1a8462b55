/*
 * hash: MD5, SHA-1 and SHA-256 over libcrypto, and random bytes.
 */
#ifndef GW_BASE_HASH_H
#define GW_BASE_HASH_H

#include "base/err.h"

#include <stdint.h>

enum gw_hash_kind { GW_HASH_MD5, GW_HASH_SHA1, GW_HASH_SHA256 };

struct gw_hash;
struct gw_hash *gw_hash_new(enum gw_hash_kind kind, struct gw_err *err);
int gw_hash_update(struct gw_hash *hash, const void *data, size_t len,
                   struct gw_err *err);
/* Writes 32, 40 or 64 hex digits and a NUL; the hash can only be freed then. */
int gw_hash_hex(struct gw_hash *hash, char hex[65], struct gw_err *err);
void gw_hash_free(struct gw_hash *hash); /* accepts NULL */

/* All at once. */
int gw_hash_bytes(enum gw_hash_kind kind, const void *data, size_t len,
                  char hex[65], struct gw_err *err);

int gw_random(void *out, size_t len, struct gw_err *err);

#endif
