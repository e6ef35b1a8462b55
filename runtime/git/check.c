/*
 * check: whether a tree may travel. Reads the objects themselves: libgit2's
 * own reading is as lenient as it can be, and a name that it accepts may be
 * one that a checkout elsewhere would follow out of its folder.
 */
#include "base/path.h"
#include "git/internal.h"
#include "git/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.check_tree"
#define DEPTH_MAX 200

struct seen { /* trees that were found good; a set of ids */
  git_oid *at;
  bool *used;
  size_t count, cap;
};

struct check {
  git_odb *odb;
  struct seen seen;
  char path[4096];
};

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

static size_t slot_of(const struct seen *s, const git_oid *id)
{
  size_t at;

  memcpy(&at, id->id, sizeof(at));
  at &= s->cap - 1;
  while (s->used[at] && !git_oid_equal(&s->at[at], id))
    at = (at + 1) & (s->cap - 1);
  return at;
}

static bool has(const struct seen *s, const git_oid *id)
{
  return s->cap > 0 && s->used[slot_of(s, id)];
}

static int grow(struct seen *s, struct gw_err *err)
{
  struct seen more = {.cap = s->cap ? s->cap * 2 : 64};

  more.at = calloc(more.cap, sizeof(*more.at));
  more.used = calloc(more.cap, sizeof(*more.used));
  if (!more.at || !more.used) {
    free(more.at);
    free(more.used);
    return no_memory(err);
  }
  for (size_t i = 0; i < s->cap; i++) {
    if (!s->used[i])
      continue;
    size_t at = slot_of(&more, &s->at[i]);
    more.at[at] = s->at[i];
    more.used[at] = true;
  }
  more.count = s->count;
  free(s->at);
  free(s->used);
  *s = more;
  return 0;
}

static int add(struct seen *s, const git_oid *id, struct gw_err *err)
{
  if (s->count * 2 >= s->cap && grow(s, err) != 0)
    return -1;
  size_t at = slot_of(s, id);
  s->at[at] = *id;
  s->used[at] = true;
  s->count++;
  return 0;
}

struct entry {
  unsigned mode;
  const char *name;
  size_t len;
  git_oid id;
};

/* "MODE NAME\0" and 20 bytes; returns the bytes used or 0. */
static size_t next_entry(struct entry *e, const char *data, size_t len)
{
  size_t i = 0;

  e->mode = 0;
  for (; i < len && data[i] >= '0' && data[i] <= '7' && i < 7; i++)
    e->mode = e->mode * 8 + (unsigned)(data[i] - '0');
  if (i == 0 || i >= len || data[i] != ' ')
    return 0;
  e->name = data + i + 1;
  const char *nul = memchr(e->name, '\0', len - i - 1);
  if (!nul)
    return 0;
  e->len = (size_t)(nul - e->name);
  size_t used = i + 1 + e->len + 1 + GIT_OID_RAWSZ;
  if (used > len)
    return 0;
  memcpy(e->id.id, nul + 1, GIT_OID_RAWSZ);
  return used;
}

static bool is_known_mode(unsigned mode)
{
  return mode == 0100644 || mode == 0100755 || mode == 0100664 ||
         mode == 0120000 || mode == 040000 || mode == 0160000;
}

/* Git's order: a folder sorts as if its name ended in '/'. */
static int compare(const struct entry *a, const struct entry *b)
{
  size_t n = a->len < b->len ? a->len : b->len;
  int rc = memcmp(a->name, b->name, n);

  if (rc != 0)
    return rc;
  unsigned char ca = (unsigned char)(a->len > n ? a->name[n]
                                     : a->mode == 040000 ? '/' : '\0');
  unsigned char cb = (unsigned char)(b->len > n ? b->name[n]
                                     : b->mode == 040000 ? '/' : '\0');
  return ca < cb ? -1 : ca > cb;
}

/* The path with the name on its end, fit for a message. */
static void quote(const struct check *c, const struct entry *e, char out[200])
{
  (void)snprintf(out, 200, "%.120s%.*s", c->path,
                 (int)(e->len > 60 ? 60 : e->len), e->name);
}

static int check_name(const struct check *c, const struct entry *e,
                      struct gw_err *err)
{
  char where[200];

  quote(c, e, where);
  if (!gw_path_is_name(e->name, e->len))
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the tree has an entry with the unsafe name \"%s\"",
                      where);
  if (!is_known_mode(e->mode))
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the tree's entry \"%s\" has the unknown mode %o", where,
                      e->mode);
  return 0;
}

static int check_tree(struct check *c, const git_oid *id, size_t at, int depth,
                      struct gw_err *err);

static int check_object(struct check *c, const struct entry *e, size_t at,
                        int depth, struct gw_err *err)
{
  char where[200];

  if (e->mode == 0160000)
    return 0;
  quote(c, e, where);
  if (e->mode != 040000) {
    if (git_odb_exists(c->odb, &e->id) == 1)
      return 0;
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the contents of \"%s\" are missing", where);
  }
  if (depth >= DEPTH_MAX || at + e->len + 2 > sizeof(c->path))
    return gw_err_set(err, GW_ELIMIT, OP, "the folders of %s are too deep",
                      where);
  memcpy(c->path + at, e->name, e->len);
  memcpy(c->path + at + e->len, "/", 2);
  int rc = check_tree(c, &e->id, at + e->len + 1, depth + 1, err);
  c->path[at] = '\0';
  return rc;
}

/* Of all entries up to the i-th: is that one out of order, or there twice? A
 * file "a" and a folder "a" may have "a.b" between them. */
static bool is_misplaced(const struct entry *all, size_t i)
{
  const struct entry *e = &all[i];

  if (i == 0)
    return false;
  if (compare(&all[i - 1], e) >= 0)
    return true;
  for (size_t j = i; j > 0; j--) {
    const struct entry *before = &all[j - 1];
    if (before->len < e->len || memcmp(before->name, e->name, e->len) != 0)
      return false;
    if (before->len == e->len)
      return true;
  }
  return false;
}

static int check_entry(struct check *c, const struct entry *all, size_t i,
                       size_t at, int depth, struct gw_err *err)
{
  char where[200];

  if (check_name(c, &all[i], err) != 0)
    return -1;
  if (is_misplaced(all, i)) {
    quote(c, &all[i], where);
    return gw_err_set(err, GW_EREMOTE, OP,
                      "the tree has \"%s\" twice or out of order", where);
  }
  return check_object(c, &all[i], at, depth, err);
}

static int check_entries(struct check *c, const char *data, size_t len,
                         size_t at, int depth, struct gw_err *err)
{
  struct entry *all = calloc(len / 24 + 1, sizeof(*all)); /* 24: the least */
  int rc = 0;

  if (!all)
    return no_memory(err);
  for (size_t i = 0; rc == 0 && len > 0; i++) {
    size_t used = len < 24 ? 0 : next_entry(&all[i], data, len);
    data += used;
    len -= used;
    if (used >= 24)
      rc = check_entry(c, all, i, at, depth, err);
    else
      rc = gw_err_set(err, GW_EREMOTE, OP, "the tree \"%.150s\" is damaged",
                      c->path);
  }
  free(all);
  return rc;
}

static int check_tree(struct check *c, const git_oid *id, size_t at, int depth,
                      struct gw_err *err)
{
  git_odb_object *object = NULL;

  if (has(&c->seen, id))
    return 0;
  int rc = git_odb_read(&object, c->odb, id);
  if (rc < 0 || git_odb_object_type(object) != GIT_OBJECT_TREE) {
    git_odb_object_free(object);
    git_error_clear();
    return gw_err_set(err, GW_EREMOTE, OP, "the tree \"%.150s\" is missing",
                      c->path);
  }
  rc = check_entries(c, git_odb_object_data(object),
                     git_odb_object_size(object), at, depth, err);
  git_odb_object_free(object);
  return rc == 0 ? add(&c->seen, id, err) : -1;
}

int gw_tree_check(struct gw_repo *repo, const char *hex, struct gw_err *err)
{
  struct check *c = calloc(1, sizeof(*c));
  git_oid id;
  int rc;

  if (!c)
    return no_memory(err);
  rc = gw_git_parse_id(&id, hex, OP, err);
  if (rc == 0 && (rc = git_repository_odb(&c->odb, gw_repo_git(repo))) < 0)
    gw_err_git(err, OP, rc);
  if (rc == 0)
    rc = check_tree(c, &id, 0, 0, err);
  git_odb_free(c->odb);
  free(c->seen.at);
  free(c->seen.used);
  free(c);
  return rc < 0 ? -1 : 0;
}
