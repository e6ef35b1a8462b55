/*
 * secret: a credential bound to origins, reference counted, wiped at its end.
 */
#include "net/secret.h"

#include "base/base64.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "net/jwt.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OP "secret"

struct gw_secret {
  atomic_int refs;
  char *text;
  size_t len;
  char *label, *scheme, *user;
  char **origins; /* as gw_url_origin writes them */
  size_t count;
  char *proxy; /* that its profile names */
};

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

struct gw_secret *gw_secret_new(const char *text, size_t len,
                                const char *label, struct gw_err *err)
{
  struct gw_secret *secret = calloc(1, sizeof(*secret));

  if (!secret)
    goto fail;
  atomic_init(&secret->refs, 1);
  secret->text = malloc(len + 1);
  secret->label = strdup(label ? label : "key");
  if (!secret->text || !secret->label)
    goto fail;
  memcpy(secret->text, text, len);
  secret->text[len] = '\0';
  secret->len = len;
  if (gw_redact_add(text, len, err) != 0) {
    gw_secret_unref(secret);
    return NULL;
  }
  return secret;
fail:
  gw_secret_unref(secret);
  no_memory(err);
  return NULL;
}

struct gw_secret *gw_secret_copy(const struct gw_secret *secret,
                                 struct gw_err *err)
{
  return gw_secret_new(secret->text, secret->len, secret->label, err);
}

struct gw_secret *gw_secret_ref(struct gw_secret *secret)
{
  atomic_fetch_add(&secret->refs, 1);
  return secret;
}

void gw_secret_unref(struct gw_secret *secret)
{
  if (!secret || atomic_fetch_sub(&secret->refs, 1) != 1)
    return;
  if (secret->text) {
    explicit_bzero(secret->text, secret->len);
    free(secret->text);
  }
  for (size_t i = 0; i < secret->count; i++)
    free(secret->origins[i]);
  free(secret->origins);
  free(secret->label);
  free(secret->scheme);
  free(secret->user);
  free(secret->proxy);
  free(secret);
}

/* The canonical spelling of an origin, so that they compare as text. */
static int normalize(const char *origin, struct gw_buf *out,
                     struct gw_err *err)
{
  struct gw_url url;
  int rc;

  if (gw_url_parse(&url, origin, err) != 0)
    return -1;
  rc = gw_url_origin(&url, out, err);
  gw_url_dispose(&url);
  return rc;
}

static bool has_origin(const struct gw_secret *secret, const char *origin)
{
  for (size_t i = 0; i < secret->count; i++)
    if (strcmp(secret->origins[i], origin) == 0)
      return true;
  return false;
}

int gw_secret_allow(struct gw_secret *secret, const char *origin,
                    struct gw_err *err)
{
  struct gw_buf text = GW_BUF_INIT;
  char **grown;
  size_t len;
  int rc = -1;

  if (normalize(origin, &text, err) != 0)
    goto out;
  if (has_origin(secret, text.data)) {
    rc = 0;
    goto out;
  }
  grown = realloc(secret->origins, (secret->count + 1) * sizeof(*grown));
  if (!grown) {
    no_memory(err);
    goto out;
  }
  secret->origins = grown;
  grown[secret->count++] = gw_buf_steal(&text, &len);
  rc = 0;
out:
  gw_buf_dispose(&text);
  return rc;
}

static int replace(char **field, const char *text, struct gw_err *err)
{
  char *copy = text ? strdup(text) : NULL;

  if (text && !copy)
    return no_memory(err);
  free(*field);
  *field = copy;
  return 0;
}

int gw_secret_manner(struct gw_secret *secret, const char *scheme,
                     const char *user, struct gw_err *err)
{
  return replace(&secret->scheme, scheme, err) != 0 ||
                 replace(&secret->user, user, err) != 0
             ? -1
             : 0;
}

int gw_secret_allow_proxy(struct gw_secret *secret, const char *proxy,
                          struct gw_err *err)
{
  return replace(&secret->proxy, proxy, err);
}

bool gw_secret_knows_proxy(const struct gw_secret *secret, const char *proxy)
{
  return secret->proxy && strcmp(secret->proxy, proxy) == 0;
}

int gw_secret_check(const struct gw_secret *secret, const struct gw_url *url,
                    struct gw_err *err)
{
  struct gw_buf origin = GW_BUF_INIT;
  int rc = -1;

  if (gw_url_origin(url, &origin, err) != 0)
    goto out;
  if (!has_origin(secret, origin.data)) {
    gw_err_set(err, GW_EDENIED, OP, "the secret %s must not be sent to %s",
               secret->label, origin.data);
    goto out;
  }
  if (strcmp(url->scheme, "https") != 0 && !gw_url_is_loopback(url)) {
    gw_err_set(err, GW_EDENIED, OP,
               "the secret %s is not sent over plain http to %s; use https",
               secret->label, origin.data);
    goto out;
  }
  rc = 0;
out:
  gw_buf_dispose(&origin);
  return rc;
}

static int append_basic(const struct gw_secret *secret, const char *user,
                        struct gw_buf *out, struct gw_err *err)
{
  struct gw_buf pair = GW_BUF_INIT;
  int rc = -1;

  if (strchr(user, ':')) {
    gw_err_set(err, GW_EUSAGE, OP, "the user name for %s holds a colon",
               secret->label);
    goto out;
  }
  if (gw_buf_printf(&pair, err, "%s:", user) != 0 ||
      gw_buf_append(&pair, secret->text, secret->len, err) != 0 ||
      gw_buf_puts(out, "Basic ", err) != 0)
    goto out;
  rc = gw_base64_encode(pair.data, pair.len, out, err);
out:
  if (pair.data)
    explicit_bzero(pair.data, pair.len);
  gw_buf_dispose(&pair);
  return rc;
}

/* What a header can carry: no control character ends or splits it. */
static bool fits_header(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return false;
  return len > 0;
}

int gw_secret_header(const struct gw_secret *secret, const char *scheme,
                     const char *user, struct gw_buf *out,
                     struct gw_err *err)
{
  if (!scheme)
    scheme = secret->scheme ? secret->scheme : "Bearer";
  if (!user)
    user = secret->user;
  if (strcasecmp(scheme, "Basic") == 0)
    return append_basic(secret, user ? user : "", out, err);
  if (!fits_header(secret->text, secret->len))
    return gw_err_set(err, GW_EUSAGE, OP,
                      "the secret %s is empty or holds a line end or another "
                      "control character",
                      secret->label);
  if (*scheme && gw_buf_printf(out, err, "%s ", scheme) != 0)
    return -1;
  return gw_buf_append(out, secret->text, secret->len, err);
}

/* One character of a JSON string: at most six bytes. */
static size_t put_escaped(char *out, char c)
{
  static const char hex[] = "0123456789abcdef";
  unsigned char u = (unsigned char)c;
  size_t n = 0;

  if (c == '"' || c == '\\') {
    out[n++] = '\\';
    out[n++] = c;
  } else if (u < 0x20) {
    memcpy(out, "\\u00", 4);
    out[4] = hex[u >> 4];
    out[5] = hex[u & 15];
    n = 6;
  } else {
    out[n++] = c;
  }
  return n;
}

int gw_secret_json(const struct gw_secret *secret, char *out, size_t *len,
                   struct gw_err *err)
{
  char one[6];
  size_t n = 0;

  if (!gw_utf8_valid(secret->text, secret->len))
    return gw_err_set(err, GW_EUSAGE, OP,
                      "the secret %s is not UTF-8 text, which JSON demands",
                      secret->label);
  if (out)
    out[n] = '"';
  n++;
  for (size_t i = 0; i < secret->len; i++)
    n += put_escaped(out ? out + n : one, secret->text[i]);
  if (out)
    out[n] = '"';
  *len = n + 1;
  explicit_bzero(one, sizeof(one));
  return 0;
}

size_t gw_secret_length(const struct gw_secret *secret)
{
  return secret->len;
}

int gw_secret_append(const struct gw_secret *secret, struct gw_buf *out,
                     struct gw_err *err)
{
  return gw_buf_append(out, secret->text, secret->len, err);
}

bool gw_secret_expiry(const struct gw_secret *secret, double *out)
{
  return gw_jwt_expiry(secret->text, secret->len, out);
}

const char *gw_secret_label(const struct gw_secret *secret)
{
  return secret->label;
}
