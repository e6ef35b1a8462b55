#include "base/redact.h"

#include "base/fault.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * A secret becomes patterns: the text, and the part of its base64 that does
 * not depend on what stands before and after it, for the three alignments and
 * two alphabets. What is matched against a pattern may be written with
 * percent-encoding or JSON escapes at any place, so these forms need no
 * patterns of their own. Patterns hang in a table by their first byte, where
 * text is searched, and in another by all of it, where it is asked whether one
 * is there already: keys of one kind all begin alike, and there may be many.
 */
enum { MIN_SECRET = 6 };

enum { BUCKETS = 16384 };

struct pattern {
  struct pattern *next;
  struct pattern *alike; /* the next of its bucket */
  uint64_t hash;
  bool base64; /* a digit cut in two, and padding, may follow */
  size_t len;
  unsigned char text[];
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct pattern *table[256]; /* guarded by lock; never shrinks */
static struct pattern *buckets[BUCKETS];
/* Which two bytes a pattern begins with: most places are settled by this. */
static unsigned char pairs[65536 / 8];

/* FNV-1a. */
static uint64_t hash_of(const unsigned char *text, size_t len)
{
  uint64_t hash = 14695981039346656037u;

  for (size_t i = 0; i < len; i++)
    hash = (hash ^ text[i]) * 1099511628211u;
  return hash ^ hash >> 32;
}

static bool is_known(const unsigned char *text, size_t len, uint64_t hash)
{
  for (const struct pattern *p = buckets[hash % BUCKETS]; p; p = p->alike)
    if (p->hash == hash && p->len == len && memcmp(p->text, text, len) == 0)
      return true;
  return false;
}

static int add_pattern(const unsigned char *text, size_t len, bool base64,
                       struct gw_err *err)
{
  uint64_t hash = hash_of(text, len);
  struct pattern *p;

  if (len < MIN_SECRET || is_known(text, len, hash))
    return 0;
  p = gw_fault("redact.add") ? NULL : malloc(sizeof(*p) + len);
  if (!p)
    return gw_err_set(err, GW_ENOMEM, "redact", "out of memory");
  p->base64 = base64;
  p->len = len;
  memcpy(p->text, text, len);
  p->hash = hash;
  p->next = table[text[0]];
  table[text[0]] = p;
  p->alike = buckets[hash % BUCKETS];
  buckets[hash % BUCKETS] = p;
  pairs[text[0] * 32 + text[1] / 8] |= (unsigned char)(1u << text[1] % 8);
  return 0;
}

/* Bit `at` of the text, first bit of a byte first. */
static unsigned bit(const unsigned char *text, size_t at)
{
  return (unsigned)text[at / 8] >> (7 - at % 8) & 1u;
}

/* The base64 digits wholly made of the text's bits when `before` (0 to 2)
 * bytes of something else precede it in its group. */
static size_t inner_digits(const unsigned char *text, size_t len, size_t before,
                           const char *last_two, unsigned char *out)
{
  static const char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  size_t skip = (6 - before * 8 % 6) % 6;
  size_t n = 0;

  for (size_t at = skip; at + 6 <= len * 8; at += 6) {
    unsigned v = 0;
    for (size_t i = 0; i < 6; i++)
      v = v << 1 | bit(text, at + i);
    out[n++] = (unsigned char)(v < 62 ? digits[v] : last_two[v - 62]);
  }
  return n;
}

static int add_base64(const unsigned char *text, size_t len, struct gw_err *err)
{
  unsigned char *out = malloc(len * 2 + 4);
  int rc = -1;

  if (!out)
    return gw_err_set(err, GW_ENOMEM, "redact", "out of memory");
  for (size_t before = 0; before < 3; before++) {
    size_t n = inner_digits(text, len, before, "+/", out);
    if (add_pattern(out, n, true, err) != 0)
      goto out;
    n = inner_digits(text, len, before, "-_", out);
    if (add_pattern(out, n, true, err) != 0)
      goto out;
  }
  rc = 0;
out:
  explicit_bzero(out, len * 2 + 4);
  free(out);
  return rc;
}

int gw_redact_add(const char *text, size_t len, struct gw_err *err)
{
  const unsigned char *bytes = (const unsigned char *)text;
  int rc = 0;

  if (len < MIN_SECRET)
    return 0;
  (void)pthread_rwlock_wrlock(&lock);
  if (add_pattern(bytes, len, false, err) != 0 ||
      add_base64(bytes, len, err) != 0)
    rc = -1;
  (void)pthread_rwlock_unlock(&lock);
  return rc;
}

/* --- reading one escaped character ------------------------------------- */

static int hex_value(unsigned char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

static bool read_hex(const unsigned char *in, size_t digits, unsigned *out)
{
  unsigned v = 0;

  for (size_t i = 0; i < digits; i++) {
    int h = hex_value(in[i]);
    if (h < 0)
      return false;
    v = v << 4 | (unsigned)h;
  }
  *out = v;
  return true;
}

struct escaped {
  size_t used; /* bytes of the input; 0: no escape here */
  size_t len;
  unsigned char text[4];
};

static void put_utf8(struct escaped *e, unsigned c)
{
  unsigned shift = c < 0x80 ? 0 : c < 0x800 ? 6 : c < 0x10000 ? 12 : 18;
  static const unsigned char head[4] = {0, 0xc0, 0xe0, 0xf0};

  e->text[0] = (unsigned char)(head[shift / 6] | c >> shift);
  e->len = 1;
  while (shift > 0 && e->len < sizeof(e->text)) {
    shift -= 6;
    e->text[e->len++] = (unsigned char)(0x80 | (c >> shift & 0x3f));
  }
}

/* "\u00e9", and "\ud83d\ude00" as one character. */
static void read_unicode(struct escaped *e, const unsigned char *in, size_t len)
{
  unsigned high, low;

  if (len < 6 || !read_hex(in + 2, 4, &high))
    return;
  e->used = 6;
  if (high >= 0xd800 && high < 0xdc00 && len >= 12 && in[6] == '\\' &&
      in[7] == 'u' && read_hex(in + 8, 4, &low) && low >= 0xdc00 &&
      low < 0xe000) {
    high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    e->used = 12;
  }
  put_utf8(e, high);
}

static struct escaped read_escape(const unsigned char *in, size_t len)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  struct escaped e = {0};
  const char *found;
  unsigned v;

  if (in[0] == '%' && len >= 3 && read_hex(in + 1, 2, &v)) {
    e.used = 3;
    e.len = 1;
    e.text[0] = (unsigned char)v;
  } else if (in[0] == '\\' && len >= 2 && in[1] == 'u') {
    read_unicode(&e, in, len);
  } else if (in[0] == '\\' && len >= 2 && in[1] &&
             (found = strchr(from, in[1])) != NULL) {
    e.used = 2;
    e.len = 1;
    e.text[0] = (unsigned char)to[found - from];
  }
  return e;
}

/* --- matching ---------------------------------------------------------- */

static bool is_blank(unsigned char c)
{
  return c == ' ' || c < 0x20;
}

static size_t blanks(const unsigned char *text, size_t len)
{
  size_t n = 0;

  while (n < len && is_blank(text[n]))
    n++;
  return n;
}

/* The line ends of a secret that was made part of a sentence are blanks. */
static size_t flattened(const struct pattern *p, size_t j)
{
  size_t n = blanks(p->text + j, p->len - j);

  for (size_t i = 0; i < n; i++)
    if (p->text[j + i] != ' ')
      return n;
  return 0;
}

/* Nothing is left but line ends. */
static bool is_trimmed(const struct pattern *p, size_t j)
{
  size_t n = flattened(p, j);

  return n > 0 && j + n == p->len && j >= MIN_SECRET;
}

/* Messages cut what is long and say so with "…": the beginning of a secret
 * before that, an escape cut in two, too, is one. */
static bool is_cut(const unsigned char *in, size_t len)
{
  static const unsigned char mark[] = {0xe2, 0x80, 0xa6};
  size_t most = len > 0 && (in[0] == '%' || in[0] == '\\') ? 5 : 0;

  for (size_t i = 0; i <= most && i + sizeof(mark) <= len; i++)
    if (memcmp(in + i, mark, sizeof(mark)) == 0)
      return true;
  return false;
}

/* How many bytes of `in` spell the pattern; 0: they do not. Where a '%' or a
 * backslash may be itself or begin an escape, `eager` says what is tried. */
static size_t match(const struct pattern *p, const unsigned char *in,
                    size_t len, bool eager)
{
  size_t i = 0;
  size_t j = 0;

  while (j < p->len) {
    struct escaped e = {0};
    size_t flat;
    if (i >= len)
      return is_trimmed(p, j) ? i : 0;
    if ((in[i] == '%' || in[i] == '\\') && (eager || in[i] != p->text[j]))
      e = read_escape(in + i, len - i);
    if (e.used && e.len <= p->len - j &&
        memcmp(p->text + j, e.text, e.len) == 0) {
      i += e.used;
      j += e.len;
    } else if (in[i] == p->text[j]) {
      i++;
      j++;
    } else if (is_blank(in[i]) && (flat = flattened(p, j)) > 0) {
      i += blanks(in + i, len - i);
      j += flat;
    } else {
      return is_trimmed(p, j) || (j >= MIN_SECRET && is_cut(in + i, len - i))
                 ? i
                 : 0;
    }
  }
  return i;
}

static bool is_digit64(unsigned char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' || c == '_';
}

/* The digit after the inner part holds the secret's last bits. */
static size_t base64_tail(const unsigned char *in, size_t len)
{
  size_t n = 0;

  if (n < len && is_digit64(in[n]))
    n++;
  while (n < len && n < 3 && in[n] == '=')
    n++;
  return n;
}

static bool may_begin(const unsigned char *in, size_t len)
{
  if (in[0] == '%' || in[0] == '\\')
    return true;
  if (!table[in[0]] || len < MIN_SECRET)
    return false;
  return in[1] == '%' || in[1] == '\\' ||
         (pairs[in[0] * 32 + in[1] / 8] >> in[1] % 8 & 1);
}

struct found {
  size_t len; /* 0: no secret begins here */
  bool base64;
};

static void longest_of(const struct pattern *p, const unsigned char *in,
                       size_t len, struct found *best)
{
  for (; p; p = p->next) {
    size_t n = match(p, in, len, true);
    if (n == 0)
      n = match(p, in, len, false);
    if (n > best->len)
      *best = (struct found){n, p->base64};
  }
}

static struct found secret_at(const unsigned char *in, size_t len)
{
  struct found best = {0, false};

  if (!may_begin(in, len))
    return best;
  longest_of(table[in[0]], in, len, &best);
  if (in[0] == '%' || in[0] == '\\') {
    struct escaped e = read_escape(in, len);
    if (e.used && e.text[0] != in[0])
      longest_of(table[e.text[0]], in, len, &best);
  }
  return best;
}

static int filter(const char *in, size_t len, struct gw_buf *out,
                  struct gw_err *err)
{
  const unsigned char *bytes = (const unsigned char *)in;
  size_t from = 0; /* start of what is copied as it is */
  size_t i = 0;

  while (i < len) {
    struct found found = secret_at(bytes + i, len - i);
    if (found.len == 0) {
      i++;
      continue;
    }
    if (gw_buf_append(out, in + from, i - from, err) != 0 ||
        gw_buf_puts(out, "[secret]", err) != 0)
      return -1;
    i += found.len;
    /* What follows may as well be the next secret, which needs its head. */
    if (found.base64 && i < len && secret_at(bytes + i, len - i).len == 0)
      i += base64_tail(bytes + i, len - i);
    from = i;
  }
  return gw_buf_append(out, in + from, len - from, err);
}

int gw_redact(const char *in, size_t len, struct gw_buf *out,
              struct gw_err *err)
{
  int rc;

  (void)pthread_rwlock_rdlock(&lock);
  rc = filter(in, len, out, err);
  (void)pthread_rwlock_unlock(&lock);
  return rc;
}
