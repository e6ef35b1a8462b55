/*
 * edit: a new tree from an old one and a list of edits. Only the folders on
 * the way to an edit are read and written; all else keeps its id.
 */
#include "base/path.h"
#include "git/internal.h"
#include "git/tree.h"

#include <stdlib.h>
#include <string.h>

#define OP "git.edit_tree"
#define DEPTH_MAX 200

struct span { /* edits with a common beginning, `skip` bytes long */
  struct gw_edit *at;
  size_t count, skip;
};

static int fail(struct gw_err *err, const struct gw_edit *e, int code)
{
  return gw_err_git_what(err, OP, e->path, code);
}

static int compare(const void *a, const void *b)
{
  return strcmp(((const struct gw_edit *)a)->path,
                ((const struct gw_edit *)b)->path);
}

static bool is_mode(unsigned mode)
{
  return mode == 0 || mode == GIT_FILEMODE_BLOB ||
         mode == GIT_FILEMODE_BLOB_EXECUTABLE || mode == GIT_FILEMODE_LINK ||
         mode == GIT_FILEMODE_COMMIT;
}

static int check(struct gw_edit *edits, size_t count, struct gw_err *err)
{
  for (size_t i = 0; i < count; i++) {
    const struct gw_edit *e = &edits[i];
    if (!gw_path_is_safe(e->path, strlen(e->path)))
      return gw_err_set(err, GW_EUSAGE, OP,
                        "\"%.180s\" is not a safe path in a tree", e->path);
    if (!is_mode(e->mode))
      return gw_err_set(err, GW_EUSAGE, OP, "%.150s: unknown mode %o", e->path,
                        e->mode);
    if (i > 0 && strcmp(edits[i - 1].path, e->path) == 0)
      return gw_err_set(err, GW_EUSAGE, OP, "%.180s is edited twice", e->path);
  }
  return 0;
}

static int content_of(git_repository *git, const struct gw_edit *e,
                      const git_tree_entry *old, git_oid *id,
                      git_filemode_t *mode, struct gw_err *err)
{
  *mode = e->mode ? (git_filemode_t)e->mode
          : old   ? git_tree_entry_filemode(old)
                  : GIT_FILEMODE_BLOB;
  if (!e->mode && old && git_tree_entry_type(old) == GIT_OBJECT_TREE)
    *mode = GIT_FILEMODE_BLOB;
  if (e->id)
    return gw_git_parse_id(id, e->id, OP, err);
  if (e->data) {
    int rc = git_blob_create_from_buffer(id, git, e->data, e->len);
    return rc < 0 ? fail(err, e, rc) : 0;
  }
  if (!old || git_tree_entry_type(old) == GIT_OBJECT_TREE)
    return gw_err_set(err, GW_ENOTFOUND, OP, "no file %.180s", e->path);
  git_oid_cpy(id, git_tree_entry_id(old));
  return 0;
}

/* An edit of this very name. */
static int apply(git_repository *git, git_treebuilder *tb,
                 const struct gw_edit *e, const char *name,
                 struct gw_err *err)
{
  const git_tree_entry *old = git_treebuilder_get(tb, name);
  git_filemode_t mode;
  git_oid id;
  int rc;

  if (e->remove) {
    if (!old)
      return gw_err_set(err, GW_ENOTFOUND, OP, "no file %.180s", e->path);
    rc = git_treebuilder_remove(tb, name);
    return rc < 0 ? fail(err, e, rc) : 0;
  }
  if (content_of(git, e, old, &id, &mode, err) != 0)
    return -1;
  rc = git_treebuilder_insert(NULL, tb, name, &id, mode);
  return rc < 0 ? fail(err, e, rc) : 0;
}

static int edit_tree(git_repository *git, const git_oid *id, struct span span,
                     int depth, git_oid *out, bool *empty,
                     struct gw_err *err);

/* Edits inside the folder of this name. */
static int descend(git_repository *git, git_treebuilder *tb, const char *name,
                   struct span inner, int depth, struct gw_err *err)
{
  const git_tree_entry *old = git_treebuilder_get(tb, name);
  git_oid before, after;
  bool empty = false;

  if (old && git_tree_entry_type(old) != GIT_OBJECT_TREE)
    return gw_err_set(err, GW_ECONFLICT, OP,
                      "%.180s: a file is where a folder is needed",
                      inner.at->path);
  if (depth >= DEPTH_MAX)
    return gw_err_set(err, GW_ELIMIT, OP, "%.180s is too deep",
                      inner.at->path);
  if (old)
    git_oid_cpy(&before, git_tree_entry_id(old));
  if (edit_tree(git, old ? &before : NULL, inner, depth + 1, &after, &empty,
                err) != 0)
    return -1;
  int rc = 0;
  if (!empty)
    rc = git_treebuilder_insert(NULL, tb, name, &after, GIT_FILEMODE_TREE);
  else if (git_treebuilder_get(tb, name))
    rc = git_treebuilder_remove(tb, name);
  return rc < 0 ? fail(err, inner.at, rc) : 0;
}

static size_t name_len(const struct gw_edit *e, size_t skip)
{
  return strcspn(e->path + skip, "/");
}

/* All edits whose next name is that of the first; they need not be side by
 * side in the sorted list ("a", "a.txt", "a/b"), so they are gathered. */
static size_t gather(struct span span)
{
  size_t len = name_len(span.at, span.skip), n = 1;

  for (size_t i = 1; i < span.count; i++) {
    struct gw_edit *e = &span.at[i];
    if (name_len(e, span.skip) != len ||
        memcmp(e->path + span.skip, span.at->path + span.skip, len) != 0)
      continue;
    struct gw_edit found = *e;
    memmove(&span.at[n + 1], &span.at[n], (i - n) * sizeof(found));
    span.at[n++] = found;
  }
  return n;
}

/* A folder that becomes a file takes with it what was in it; all that may be
 * edited there is its removal. */
static int check_replaced(struct span inner, struct gw_err *err)
{
  for (size_t i = 0; i < inner.count; i++)
    if (!inner.at[i].remove)
      return gw_err_set(err, GW_ECONFLICT, OP,
                        "%.180s: a file is where a folder is needed",
                        inner.at[i].path);
  return 0;
}

static int edit_name(git_repository *git, git_treebuilder *tb,
                     struct span group, int depth, struct gw_err *err)
{
  size_t len = name_len(group.at, group.skip);
  char name[256];
  bool replaced = false;
  int rc = 0;

  memcpy(name, group.at->path + group.skip, len); /* at most 255: checked */
  name[len] = '\0';
  if (group.at->path[group.skip + len] == '\0') {
    rc = apply(git, tb, group.at, name, err);
    replaced = !group.at->remove;
    group.at++;
    group.count--;
  }
  group.skip += len + 1;
  if (rc == 0 && replaced)
    return check_replaced(group, err);
  if (rc == 0 && group.count > 0)
    rc = descend(git, tb, name, group, depth, err);
  return rc;
}

static int edit_tree(git_repository *git, const git_oid *id, struct span span,
                     int depth, git_oid *out, bool *empty, struct gw_err *err)
{
  git_treebuilder *tb = NULL;
  git_tree *tree = NULL;
  int rc = id ? git_tree_lookup(&tree, git, id) : 0;

  if (rc == 0)
    rc = git_treebuilder_new(&tb, git, tree);
  git_tree_free(tree);
  if (rc < 0)
    return fail(err, span.at, rc);
  while (rc == 0 && span.count > 0) {
    size_t n = gather(span);
    rc = edit_name(git, tb, (struct span){span.at, n, span.skip}, depth, err);
    span.at += n;
    span.count -= n;
  }
  if (rc == 0) {
    *empty = git_treebuilder_entrycount(tb) == 0;
    rc = git_treebuilder_write(out, tb);
    if (rc < 0)
      gw_err_git(err, OP, rc);
  }
  git_treebuilder_free(tb);
  return rc < 0 ? -1 : 0;
}

int gw_tree_edit(struct gw_repo *repo, const char *tree, struct gw_edit *edits,
                 size_t count, char out[GW_GIT_HEX], struct gw_err *err)
{
  git_oid id, result;
  bool empty;

  if (*tree && gw_git_parse_id(&id, tree, OP, err) != 0)
    return -1;
  if (gw_git_may_write(OP, err) != 0)
    return -1;
  if (count > 1)
    qsort(edits, count, sizeof(*edits), compare);
  if (check(edits, count, err) != 0)
    return -1;
  struct span all = {edits, count, 0};
  struct gw_edit none = {.path = (char *)"."};
  if (count == 0)
    all.at = &none;
  if (edit_tree(gw_repo_git(repo), *tree ? &id : NULL, all, 0, &result, &empty,
                err) != 0)
    return -1;
  gw_git_hex(out, &result);
  return 0;
}
