#include "base/hash.h"

#include "base/fault.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

struct gw_hash {
  EVP_MD_CTX *ctx;
};

/* Looked up once for the process: libcrypto's own short names are looked up
 * again for every digest, which costs as much as hashing a KiB. */
static EVP_MD *known[3];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look_up(void)
{
  known[GW_HASH_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
  known[GW_HASH_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
  known[GW_HASH_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *algorithm(enum gw_hash_kind kind)
{
  (void)pthread_once(&once, look_up);
  return known[kind];
}

static int fail(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, "hash", "libcrypto failed");
}

struct gw_hash *gw_hash_new(enum gw_hash_kind kind, struct gw_err *err)
{
  struct gw_hash *hash = gw_fault("hash.new") ? NULL : calloc(1, sizeof(*hash));

  if (!hash) {
    gw_err_set(err, GW_ENOMEM, "hash", "out of memory");
    return NULL;
  }
  hash->ctx = algorithm(kind) ? EVP_MD_CTX_new() : NULL;
  if (!hash->ctx || EVP_DigestInit_ex(hash->ctx, algorithm(kind), NULL) != 1) {
    fail(err);
    gw_hash_free(hash);
    return NULL;
  }
  return hash;
}

int gw_hash_update(struct gw_hash *hash, const void *data, size_t len,
                   struct gw_err *err)
{
  if (len && EVP_DigestUpdate(hash->ctx, data, len) != 1)
    return fail(err);
  return 0;
}

int gw_hash_hex(struct gw_hash *hash, char hex[65], struct gw_err *err)
{
  static const char digits[] = "0123456789abcdef";
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int len = 0;

  if (EVP_DigestFinal_ex(hash->ctx, raw, &len) != 1 || len > 32)
    return fail(err);
  for (unsigned int i = 0; i < len; i++) {
    hex[2 * i] = digits[raw[i] >> 4];
    hex[2 * i + 1] = digits[raw[i] & 15];
  }
  hex[2 * len] = '\0';
  return 0;
}

void gw_hash_free(struct gw_hash *hash)
{
  if (!hash)
    return;
  EVP_MD_CTX_free(hash->ctx);
  free(hash);
}

int gw_hash_bytes(enum gw_hash_kind kind, const void *data, size_t len,
                  char hex[65], struct gw_err *err)
{
  struct gw_hash *hash = gw_hash_new(kind, err);
  int rc = -1;

  if (hash && gw_hash_update(hash, data, len, err) == 0 &&
      gw_hash_hex(hash, hex, err) == 0)
    rc = 0;
  gw_hash_free(hash);
  return rc;
}

int gw_random(void *out, size_t len, struct gw_err *err)
{
  if (len > INT_MAX || gw_fault("random") || RAND_bytes(out, (int)len) != 1)
    return gw_err_set(err, GW_EIO, "random", "no random bytes");
  return 0;
}
