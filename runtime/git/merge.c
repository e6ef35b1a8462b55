#include "git/merge.h"

#include "base/fault.h"
#include "git/internal.h"

#include <stdlib.h>
#include <string.h>

#define OP "git.merge"
#define CONFLICTS_MAX 100000
#define DEPTH_MAX 200
#define NAMES_MAX 1000000 /* looked at: folders may hold one folder twice */
#define MERGED_MAX (64u << 20)

enum { BASE, OURS, THEIRS, SIDES };

/* What one name is on each side; NULL: it is not there. */
struct name {
  const git_tree_entry *at[SIDES];
};

struct merge {
  struct gw_repo *repo;
  git_repository *git;
  struct gw_conflicts *conflicts;
  size_t names;
  char path[4096];
};

/* A folder on each side: ids, NULL: none. */
struct folders {
  const git_oid *at[SIDES];
};

static int fail(struct merge *m, int code, struct gw_err *err)
{
  return gw_err_git_what(err, OP, *m->path ? m->path : "the tree", code);
}

static bool is_tree(const git_tree_entry *e)
{
  return e && git_tree_entry_type(e) == GIT_OBJECT_TREE;
}

static bool is_same_id(const git_tree_entry *a, const git_tree_entry *b)
{
  return git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b));
}

static bool is_same(const git_tree_entry *a, const git_tree_entry *b)
{
  if (!a || !b)
    return a == b;
  return is_same_id(a, b) &&
         git_tree_entry_filemode(a) == git_tree_entry_filemode(b);
}

/* Where one side did nothing, or both did the same. */
static bool decide(const struct name *n, const git_tree_entry **take)
{
  if (is_same(n->at[BASE], n->at[OURS]))
    *take = n->at[THEIRS];
  else if (is_same(n->at[BASE], n->at[THEIRS]) ||
           is_same(n->at[OURS], n->at[THEIRS]))
    *take = n->at[OURS];
  else
    return false;
  return true;
}

/* --- conflicts --------------------------------------------------------- */

static const char *type_word(const git_tree_entry *e)
{
  switch (git_tree_entry_filemode(e)) {
  case GIT_FILEMODE_LINK:
    return "link";
  case GIT_FILEMODE_COMMIT:
    return "submodule";
  case GIT_FILEMODE_TREE:
    return "folder";
  default:
    return "file";
  }
}

static const char *done(const git_tree_entry *base, const git_tree_entry *side)
{
  if (!base)
    return !side ? "none" : is_tree(side) ? "folder" : "added";
  if (!side)
    return "deleted";
  if (type_word(base) != type_word(side))
    return type_word(side);
  if (!is_same_id(base, side))
    return "changed";
  return is_same(base, side) ? "none" : "mode";
}

/* What cannot be read is said to be text: it is only for the sentence. */
static bool is_binary(struct merge *m, const git_tree_entry *e)
{
  git_blob *blob = NULL;
  bool is = false;

  if (!e || strcmp(type_word(e), "file") != 0)
    return false;
  if (git_blob_lookup(&blob, m->git, git_tree_entry_id(e)) == 0)
    is = git_blob_is_binary(blob) != 0;
  git_blob_free(blob);
  return is;
}

static int grow(struct gw_conflicts *list, struct gw_err *err)
{
  if (list->count >= CONFLICTS_MAX)
    return gw_err_set(err, GW_ELIMIT, OP, "more than %d files are in conflict",
                      CONFLICTS_MAX);
  if (list->count < list->cap)
    return 0;
  size_t cap = list->cap ? list->cap * 2 : 16;
  struct gw_conflict *more = gw_fault("git.merge")
                                 ? NULL
                                 : realloc(list->at, cap * sizeof(*list->at));
  if (!more)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  list->at = more;
  list->cap = cap;
  return 0;
}

/* Both sides did something to m->path. */
static int refuse(struct merge *m, const struct name *n, struct gw_err *err)
{
  struct gw_conflicts *list = m->conflicts;

  if (grow(list, err) != 0)
    return -1;
  struct gw_conflict *c = &list->at[list->count];
  c->path = strdup(m->path);
  if (!c->path)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  c->ours = done(n->at[BASE], n->at[OURS]);
  c->theirs = done(n->at[BASE], n->at[THEIRS]);
  c->binary = is_binary(m, n->at[OURS]) || is_binary(m, n->at[THEIRS]);
  list->count++;
  return 0;
}

static int by_path(const void *a, const void *b)
{
  return strcmp(((const struct gw_conflict *)a)->path,
                ((const struct gw_conflict *)b)->path);
}

void gw_conflicts_dispose(struct gw_conflicts *list)
{
  for (size_t i = 0; i < list->count; i++)
    free(list->at[i].path);
  free(list->at);
  *list = (struct gw_conflicts){NULL, 0, 0};
}

/* --- files ------------------------------------------------------------- */

static bool may_merge(struct merge *m, const struct name *n)
{
  git_odb *odb = NULL;
  bool may = git_repository_odb(&odb, m->git) == 0;

  for (int i = 0; i < SIDES && may; i++) {
    git_object_t type;
    size_t size;
    may = n->at[i] && strcmp(type_word(n->at[i]), "file") == 0 &&
          git_odb_read_header(&size, &type, odb,
                              git_tree_entry_id(n->at[i])) == 0 &&
          size <= MERGED_MAX;
  }
  git_odb_free(odb);
  return may;
}

/* Line by line; *ok is false when it cannot be. */
static int merge_lines(struct merge *m, const struct name *n, git_oid *id,
                       bool *ok, struct gw_err *err)
{
  git_merge_file_result result = {0};
  git_merge_file_options opts;
  git_index_entry e[SIDES];

  memset(e, 0, sizeof(e));
  for (int i = 0; i < SIDES; i++) {
    e[i].id = *git_tree_entry_id(n->at[i]);
    e[i].mode = GIT_FILEMODE_BLOB;
    e[i].path = m->path;
  }
  git_merge_file_options_init(&opts, GIT_MERGE_FILE_OPTIONS_VERSION);
  int rc = gw_fault("git.merge")
               ? GIT_ERROR
               : git_merge_file_from_index(&result, m->git, &e[BASE], &e[OURS],
                                           &e[THEIRS], &opts);
  *ok = rc == 0 && result.automergeable;
  if (*ok)
    rc = git_blob_create_from_buffer(id, m->git, result.ptr, result.len);
  git_merge_file_result_free(&result);
  return rc < 0 ? fail(m, rc, err) : 0;
}

/* Contents and mode each by themselves: one side may have done one only. */
static int merge_file(struct merge *m, const struct name *n, git_oid *id,
                      git_filemode_t *mode, bool *ok, struct gw_err *err)
{
  const git_tree_entry *b = n->at[BASE], *o = n->at[OURS], *t = n->at[THEIRS];

  *ok = may_merge(m, n);
  if (!*ok)
    return 0;
  *mode = git_tree_entry_filemode(b) != git_tree_entry_filemode(o)
              ? git_tree_entry_filemode(o)
              : git_tree_entry_filemode(t);
  if (is_same_id(b, o))
    *id = *git_tree_entry_id(t);
  else if (is_same_id(b, t) || is_same_id(o, t))
    *id = *git_tree_entry_id(o);
  else
    return merge_lines(m, n, id, ok, err);
  return 0;
}

/* --- folders ----------------------------------------------------------- */

struct found { /* what a name will be; mode 0: nothing */
  git_oid id;
  git_filemode_t mode;
  bool refused; /* something, had there been no conflict */
};

static int merge_folder(struct merge *m, struct folders f, size_t at,
                        int depth, struct found *out, struct gw_err *err);

static void take_entry(struct found *out, const git_tree_entry *e)
{
  if (!e)
    return;
  out->id = *git_tree_entry_id(e);
  out->mode = git_tree_entry_filemode(e);
}

/* n without its folders; all is what a sentence is about. */
static int merge_files(struct merge *m, const struct name *n,
                       const struct name *all, struct found *out,
                       struct gw_err *err)
{
  const git_tree_entry *take;
  bool ok;

  if (decide(n, &take)) {
    take_entry(out, take);
    return 0;
  }
  if (merge_file(m, n, &out->id, &out->mode, &ok, err) != 0)
    return -1;
  if (ok)
    return 0;
  *out = (struct found){.refused = true};
  return refuse(m, all, err);
}

static int merge_folders(struct merge *m, const struct name *n, size_t at,
                         int depth, struct found *out, struct gw_err *err)
{
  const git_tree_entry *take;
  struct folders f;

  if (decide(n, &take)) {
    take_entry(out, take);
    return 0;
  }
  for (int i = 0; i < SIDES; i++)
    f.at[i] = n->at[i] ? git_tree_entry_id(n->at[i]) : NULL;
  if (depth >= DEPTH_MAX || at + 2 > sizeof(m->path))
    return gw_err_set(err, GW_ELIMIT, OP, "the folders of %.100s are too deep",
                      m->path);
  m->path[at] = '/';
  m->path[at + 1] = '\0';
  int rc = merge_folder(m, f, at + 1, depth + 1, out, err);
  m->path[at] = '\0';
  return rc;
}

static int put(struct merge *m, git_treebuilder *tb, const char *name,
               const struct found *found, struct gw_err *err)
{
  int rc = 0;

  if (found->mode)
    rc = git_treebuilder_insert(NULL, tb, name, &found->id, found->mode);
  else if (git_treebuilder_get(tb, name))
    rc = git_treebuilder_remove(tb, name);
  return rc < 0 ? fail(m, rc, err) : 0;
}

/* A name may be a file on one side and a folder on another: each is merged
 * with its own kind, and only one of them may be left. */
static int merge_name(struct merge *m, git_treebuilder *tb,
                      const struct name *n, size_t at, int depth, bool *left,
                      struct gw_err *err)
{
  struct found file = {.mode = 0}, folder = {.mode = 0};
  struct name files = {{NULL}}, folders = {{NULL}};
  const char *name = m->path + at;

  for (int i = 0; i < SIDES; i++)
    (is_tree(n->at[i]) ? &folders : &files)->at[i] = n->at[i];
  if (merge_folders(m, &folders, at + strlen(name), depth, &folder, err) !=
          0 ||
      merge_files(m, &files, n, &file, err) != 0)
    return -1;
  bool is_file = file.mode || file.refused;
  bool is_folder = folder.mode || folder.refused;
  *left = *left || is_file || is_folder;
  if (file.mode && is_folder)
    return refuse(m, n, err);
  if (m->conflicts->count > 0)
    return 0; /* nothing will be written */
  return put(m, tb, name, is_folder ? &folder : &file, err);
}

/* All names of one side that are on no side before it; *left when one of them
 * stays. What only ours touched is as the result begins. */
static int merge_side(struct merge *m, git_treebuilder *tb,
                      git_tree *const trees[SIDES], int side, size_t at,
                      int depth, bool *left, struct gw_err *err)
{
  size_t count = trees[side] ? git_tree_entrycount(trees[side]) : 0;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < count; i++) {
    const char *name =
        git_tree_entry_name(git_tree_entry_byindex(trees[side], i));
    size_t len = strlen(name);
    struct name n = {{NULL}};
    bool seen = false;
    if (++m->names > NAMES_MAX)
      return gw_err_set(err, GW_ELIMIT, OP,
                        "more than %d names would have to be looked at",
                        NAMES_MAX);
    for (int s = 0; s < SIDES; s++) {
      n.at[s] = trees[s] ? git_tree_entry_byname(trees[s], name) : NULL;
      seen = seen || (s < side && n.at[s]);
    }
    if (seen)
      continue;
    if (is_same(n.at[BASE], n.at[THEIRS])) {
      *left = *left || n.at[OURS];
      continue;
    }
    if (at + len + 2 > sizeof(m->path))
      return gw_err_set(err, GW_ELIMIT, OP, "a path below %.100s is too long",
                        m->path);
    memcpy(m->path + at, name, len + 1);
    rc = merge_name(m, tb, &n, at, depth, left, err);
    m->path[at] = '\0';
  }
  return rc;
}

/* A folder that gets empty goes, but for the topmost. */
static int write_folder(struct merge *m, git_treebuilder *tb, bool left,
                        struct found *out, struct gw_err *err)
{
  if (m->conflicts->count > 0) {
    out->refused = left;
    return 0;
  }
  if (gw_git_may_write(OP, err) != 0)
    return -1;
  int rc = git_treebuilder_write(&out->id, tb);
  out->mode = left ? GIT_FILEMODE_TREE : 0;
  return rc < 0 ? fail(m, rc, err) : 0;
}

static int merge_folder(struct merge *m, struct folders f, size_t at,
                        int depth, struct found *out, struct gw_err *err)
{
  git_tree *trees[SIDES] = {NULL};
  git_treebuilder *tb = NULL;
  bool left = false;
  int code = 0, rc = 0;

  for (int i = 0; i < SIDES && code == 0; i++)
    code = f.at[i] ? git_tree_lookup(&trees[i], m->git, f.at[i]) : 0;
  if (code == 0)
    code = git_treebuilder_new(&tb, m->git, trees[OURS]);
  if (code < 0)
    rc = fail(m, code, err);
  for (int i = 0; i < SIDES && rc == 0; i++)
    rc = merge_side(m, tb, trees, i, at, depth, &left, err);
  if (rc == 0)
    rc = write_folder(m, tb, left, out, err);
  git_treebuilder_free(tb);
  for (int i = 0; i < SIDES; i++)
    git_tree_free(trees[i]);
  return rc;
}

int gw_tree_merge(struct gw_repo *repo, const char *base, const char *ours,
                  const char *theirs, char out[GW_GIT_HEX],
                  struct gw_conflicts *conflicts, struct gw_err *err)
{
  struct merge m = {
      .repo = repo, .git = gw_repo_git(repo), .conflicts = conflicts};
  struct found found = {.mode = 0};
  git_oid id[SIDES];
  struct folders f = {{*base ? &id[BASE] : NULL, &id[OURS], &id[THEIRS]}};

  *out = '\0';
  if ((*base && gw_git_parse_id(&id[BASE], base, OP, err) != 0) ||
      gw_git_parse_id(&id[OURS], ours, OP, err) != 0 ||
      gw_git_parse_id(&id[THEIRS], theirs, OP, err) != 0 ||
      merge_folder(&m, f, 0, 0, &found, err) != 0)
    return -1;
  if (conflicts->count > 1)
    qsort(conflicts->at, conflicts->count, sizeof(*conflicts->at), by_path);
  else if (conflicts->count == 0)
    gw_git_hex(out, &found.id);
  return 0;
}
