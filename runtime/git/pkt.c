#include "git/pkt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.ls_remote"
#define PKT_MAX 65520
#define NO_ID "0000000000000000000000000000000000000000"

/* --- pkt-lines --------------------------------------------------------- */

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

ssize_t gw_pkt_next(const char *data, size_t len, enum gw_pkt_kind *kind,
                    const char **text, size_t *text_len)
{
  size_t size = 0;

  for (size_t i = 0; i < 4; i++) {
    if (i >= len)
      return 0;
    int digit = hex_digit(data[i]);
    if (digit < 0)
      return -1;
    size = size * 16 + (size_t)digit;
  }
  if (size == 0) {
    *kind = GW_PKT_FLUSH;
    *text = NULL;
    *text_len = 0;
    return 4;
  }
  if (size < 4 || size > PKT_MAX)
    return -1;
  if (size > len)
    return 0;
  *kind = GW_PKT_DATA;
  *text = data + 4;
  *text_len = size - 4;
  return (ssize_t)size;
}

int gw_pkt_append(struct gw_buf *buf, struct gw_err *err, const char *fmt, ...)
{
  static const char digits[] = "0123456789abcdef";
  char *text = NULL;
  va_list ap;

  va_start(ap, fmt);
  int len = vasprintf(&text, fmt, ap);
  va_end(ap);
  if (len < 0)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  if (len + 4 > PKT_MAX) {
    free(text);
    return gw_err_set(err, GW_ELIMIT, OP, "a line is too long for Git");
  }
  unsigned size = (unsigned)len + 4;
  char head[4] = {digits[size >> 12 & 15], digits[size >> 8 & 15],
                  digits[size >> 4 & 15], digits[size & 15]};
  int rc = gw_buf_append(buf, head, 4, err);
  if (rc == 0)
    rc = gw_buf_append(buf, text, (size_t)len, err);
  free(text);
  return rc;
}

/* --- names ------------------------------------------------------------- */

/* One component: not empty, no leading dot, no final ".lock". */
static bool is_component(const char *name, size_t len)
{
  if (len == 0 || name[0] == '.' || name[len - 1] == '.')
    return false;
  return len < 5 || memcmp(name + len - 5, ".lock", 5) != 0;
}

bool gw_git_ref_is_valid(const char *name, size_t len)
{
  size_t start = 0;

  if (len == 0 || len > 1024 || !memchr(name, '/', len))
    return false;
  for (size_t i = 0; i <= len; i++) {
    if (i == len || name[i] == '/') {
      if (!is_component(name + start, i - start))
        return false;
      start = i + 1;
      continue;
    }
    unsigned char c = (unsigned char)name[i];
    if (c <= ' ' || c == 0x7f || strchr("~^:?*[\\", c))
      return false;
    if (i + 1 < len && c == '.' && name[i + 1] == '.')
      return false;
    if (i + 1 < len && c == '@' && name[i + 1] == '{')
      return false;
  }
  return true;
}

static bool starts(const char *text, size_t len, const char *with)
{
  size_t n = strlen(with);

  return len >= n && memcmp(text, with, n) == 0;
}

static bool is_ours(const char *name, size_t len)
{
  return starts(name, len, "refs/heads/") || starts(name, len, "refs/tags/");
}

int gw_git_check_ref(const char *name, const char *op, struct gw_err *err)
{
  size_t len = strlen(name);

  if (is_ours(name, len) && gw_git_ref_is_valid(name, len))
    return 0;
  return gw_err_set(err, GW_EUSAGE, op,
                    "\"%.100s\" is not the full name of a branch or tag",
                    name);
}

/* --- the advertisement ------------------------------------------------- */

int gw_advert_new(struct gw_advert **out, const char *service,
                  struct gw_err *err)
{
  struct gw_advert *a = calloc(1, sizeof(*a));

  if (!a)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  a->refs_held = 1;
  (void)snprintf(a->service, sizeof(a->service), "%s", service);
  *out = a;
  return 0;
}

struct gw_advert *gw_advert_ref_take(struct gw_advert *a)
{
  __atomic_add_fetch(&a->refs_held, 1, __ATOMIC_SEQ_CST);
  return a;
}

void gw_advert_unref(struct gw_advert *a)
{
  if (!a || __atomic_sub_fetch(&a->refs_held, 1, __ATOMIC_SEQ_CST) > 0)
    return;
  for (size_t i = 0; i < a->count; i++)
    free(a->refs[i].name);
  free(a->refs);
  free(a->base);
  free(a->head);
  free(a->caps);
  gw_buf_dispose(&a->wire);
  free(a);
}

int gw_advert_add(struct gw_advert *a, const char *name, size_t len,
                  const char *id, struct gw_err *err)
{
  if (!is_ours(name, len))
    return 0;
  /* Powers of two: grows when full. */
  if ((a->count & (a->count - 1)) == 0) {
    size_t cap = a->count ? a->count * 2 : 1;
    struct gw_advert_ref *more = realloc(a->refs, cap * sizeof(*more));
    if (!more)
      return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
    a->refs = more;
  }
  struct gw_advert_ref *ref = &a->refs[a->count];
  ref->name = strndup(name, len);
  if (!ref->name)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  memcpy(ref->id, id, 40);
  ref->id[40] = '\0';
  ref->peeled[0] = '\0';
  a->count++;
  return 0;
}

void gw_advert_peel(struct gw_advert *a, const char *name, size_t len,
                    const char *id)
{
  struct gw_advert_ref *ref = a->count ? &a->refs[a->count - 1] : NULL;

  if (!ref || strlen(ref->name) != len || memcmp(ref->name, name, len) != 0)
    return;
  memcpy(ref->peeled, id, 40);
  ref->peeled[40] = '\0';
}

const char *gw_advert_find(const struct gw_advert *a, const char *name)
{
  for (size_t i = 0; i < a->count; i++)
    if (strcmp(a->refs[i].name, name) == 0)
      return a->refs[i].id;
  return NULL;
}

const char *gw_advert_cap(const struct gw_advert *a, const char *name,
                          size_t *len)
{
  size_t n = strlen(name);

  for (const char *p = a->caps; p && *p;) {
    size_t word = strcspn(p, " ");
    if (word >= n && memcmp(p, name, n) == 0 &&
        (word == n || p[n] == '=')) {
      const char *value = word == n ? p + n : p + n + 1;
      *len = (size_t)(p + word - value);
      return value;
    }
    p += word;
    p += strspn(p, " ");
  }
  return NULL;
}

static int bad(struct gw_err *err, const char *what)
{
  return gw_err_set(err, GW_EREMOTE, OP, "the server's list of references %s",
                    what);
}

/* What libgit2 may see of the capabilities: what it knows how to use. */
static int clean_caps(const struct gw_advert *a, struct gw_buf *out,
                      struct gw_err *err)
{
  static const char *const known[] = {
      "multi_ack", "multi_ack_detailed", "side-band",     "side-band-64k",
      "ofs-delta", "thin-pack",          "report-status", "delete-refs",
  };
  size_t len;

  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (gw_advert_cap(a, known[i], &len) &&
        gw_buf_printf(out, err, "%s%s", out->len ? " " : "", known[i]) != 0)
      return -1;
  return 0;
}

static int make_wire(struct gw_advert *a, struct gw_err *err)
{
  struct gw_buf caps = GW_BUF_INIT;
  struct gw_buf *w = &a->wire;
  int rc = clean_caps(a, &caps, err);
  const char *words = caps.data ? caps.data : "";

  if (rc == 0)
    rc = gw_pkt_append(w, err, "# service=%s\n", a->service);
  if (rc == 0)
    rc = gw_buf_append(w, "0000", 4, err);
  for (size_t i = 0; i < a->count && rc == 0; i++)
    rc = i == 0 ? gw_pkt_append(w, err, "%s %s%c%s\n", a->refs[i].id,
                                a->refs[i].name, '\0', words)
                : gw_pkt_append(w, err, "%s %s\n", a->refs[i].id,
                                a->refs[i].name);
  if (rc == 0 && a->count == 0)
    rc = gw_pkt_append(w, err, NO_ID " capabilities^{}%c%s\n", '\0', words);
  if (rc == 0)
    rc = gw_buf_append(w, "0000", 4, err);
  gw_buf_dispose(&caps);
  return rc;
}

static int take_caps(struct gw_advert *a, const char *text, size_t len,
                     struct gw_err *err)
{
  size_t value_len;

  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] < ' ')
      return bad(err, "has control characters in it");
  a->caps = strndup(text, len);
  if (!a->caps)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  const char *format = gw_advert_cap(a, "object-format", &value_len);
  if (format && !(value_len == 4 && memcmp(format, "sha1", 4) == 0))
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the repository's ids are not SHA-1, which is all we "
                      "can read");
  return 0;
}

/* symref=HEAD:refs/heads/x; there may be symrefs of other names. */
static int take_symref(struct gw_advert *a, struct gw_err *err)
{
  static const char word[] = "symref=HEAD:";
  const char *at = a->caps ? strstr(a->caps, word) : NULL;

  if (!at || (at > a->caps && at[-1] != ' '))
    return 0;
  at += sizeof(word) - 1;
  size_t len = strcspn(at, " ");
  if (!starts(at, len, "refs/heads/") || !gw_git_ref_is_valid(at, len))
    return 0;
  a->head = strndup(at, len);
  return a->head ? 0 : gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

/* An old server names no symref: HEAD is the branch with HEAD's commit. */
static int guess_head(struct gw_advert *a, struct gw_err *err)
{
  static const char *const first[] = {"refs/heads/master", "refs/heads/main"};
  const char *name = NULL;

  for (size_t i = 0; i < 2 && !name; i++) {
    const char *id = gw_advert_find(a, first[i]);
    if (id && strcmp(id, a->head_id) == 0)
      name = first[i];
  }
  for (size_t i = 0; i < a->count && !name; i++)
    if (starts(a->refs[i].name, strlen(a->refs[i].name), "refs/heads/") &&
        strcmp(a->refs[i].id, a->head_id) == 0)
      name = a->refs[i].name;
  if (!name)
    return 0;
  a->head = strdup(name);
  return a->head ? 0 : gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

/* One "ID NAME[\0CAPS]" line. */
static int take_line(struct gw_advert *a, const char *text, size_t len,
                     bool first, struct gw_err *err)
{
  char id[GW_GIT_HEX];

  if (len > 0 && text[len - 1] == '\n')
    len--;
  if (starts(text, len, "ERR "))
    return gw_err_set(err, GW_EREMOTE, OP, "the server says: %.*s%s",
                      (int)(len - 4 > 180 ? 180 : len - 4), text + 4,
                      len - 4 > 180 ? "\xe2\x80\xa6" : "");
  if (starts(text, len, "shallow "))
    return 0;
  if (len < 42 || text[40] != ' ')
    return bad(err, "has a line that is none");
  memcpy(id, text, 40);
  id[40] = '\0';
  if (!gw_git_is_id(id))
    return bad(err, "has a line without an id");
  const char *name = text + 41;
  size_t name_len = len - 41;
  const char *nul = memchr(name, '\0', name_len);
  if (nul) {
    size_t caps_at = (size_t)(nul - name) + 1;
    if (first &&
        take_caps(a, name + caps_at, name_len - caps_at, err) != 0)
      return -1;
    name_len = caps_at - 1;
  }
  if (name_len == 4 && memcmp(name, "HEAD", 4) == 0) {
    memcpy(a->head_id, id, sizeof(id));
    return 0;
  }
  if (name_len > 3 && memcmp(name + name_len - 3, "^{}", 3) == 0) {
    gw_advert_peel(a, name, name_len - 3, id); /* "capabilities^{}" is none */
    return 0;
  }
  if (!is_ours(name, name_len)) /* other folders */
    return 0;
  if (!gw_git_ref_is_valid(name, name_len))
    return bad(err, "has a branch or tag with an impossible name");
  if (strcmp(id, NO_ID) == 0)
    return bad(err, "has a branch or tag without a commit");
  return gw_advert_add(a, name, name_len, id, err);
}

static int compare_refs(const void *a, const void *b)
{
  return strcmp(((const struct gw_advert_ref *)a)->name,
                ((const struct gw_advert_ref *)b)->name);
}

static int take_all(struct gw_advert *a, const char *data, size_t len,
                    struct gw_err *err)
{
  enum gw_pkt_kind kind = GW_PKT_DATA;
  const char *text;
  size_t text_len;
  bool first = true, started = false;
  char banner[40];
  int n = snprintf(banner, sizeof(banner), "# service=%s", a->service);

  while (len > 0) {
    ssize_t used = gw_pkt_next(data, len, &kind, &text, &text_len);
    if (used < 0)
      return bad(err, "is not in Git's format");
    if (used == 0)
      break;
    data += used;
    len -= (size_t)used;
    if (kind == GW_PKT_FLUSH) {
      if (started)
        return 0;
      started = true; /* the one after the banner */
      continue;
    }
    if (!started && starts(text, text_len, "# service=")) {
      if (!starts(text, text_len, banner) ||
          (text_len > (size_t)n && text[n] != '\n'))
        return bad(err, "is for another service than asked for");
      continue;
    }
    started = true;
    if (first && starts(text, text_len, "version "))
      continue;
    if (take_line(a, text, text_len, first, err) != 0)
      return -1;
    first = false;
  }
  bad(err, "ends too early");
  if (err)
    err->retryable = true;
  return -1;
}

int gw_advert_parse(struct gw_advert **out, const char *data, size_t len,
                    const char *service, struct gw_err *err)
{
  struct gw_advert *a = NULL;

  if (gw_advert_new(&a, service, err) != 0)
    return -1;
  if (take_all(a, data, len, err) != 0 || take_symref(a, err) != 0)
    goto fail;
  if (a->count > 1)
    qsort(a->refs, a->count, sizeof(*a->refs), compare_refs);
  for (size_t i = 1; i < a->count; i++)
    if (strcmp(a->refs[i - 1].name, a->refs[i].name) == 0) {
      bad(err, "names a branch or tag twice");
      goto fail;
    }
  if (!a->head && a->head_id[0] && guess_head(a, err) != 0)
    goto fail;
  if (make_wire(a, err) != 0)
    goto fail;
  *out = a;
  return 0;
fail:
  gw_advert_unref(a);
  return -1;
}
