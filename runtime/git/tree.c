#include "git/tree.h"
#include "git/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP "git.tree"
#define DEPTH_MAX 200
#define LFS_MAX 200 /* a pointer is shorter */

static int lookup(git_tree **out, struct gw_repo *repo, const char *hex,
                  struct gw_err *err)
{
  git_oid id;

  if (gw_git_parse_id(&id, hex, OP, err) != 0)
    return -1;
  int rc = git_tree_lookup(out, gw_repo_git(repo), &id);
  return rc < 0 ? gw_err_git_what(err, OP, hex, rc) : 0;
}

/* --- walking ----------------------------------------------------------- */

struct walk {
  struct gw_repo *repo;
  git_odb *odb;
  struct gw_rows *rows;
  bool sizes;
  char path[4096];
  int (*leaf)(struct walk *walk, const git_tree_entry *entry,
              struct gw_err *err);
};

static const char *word_of(git_filemode_t mode)
{
  if (mode == GIT_FILEMODE_COMMIT)
    return "submodule";
  return mode == GIT_FILEMODE_LINK ? "link" : "file";
}

static int walk_tree(struct walk *w, const git_oid *id, size_t at, int depth,
                     struct gw_err *err);

static int visit(struct walk *w, const git_tree_entry *e, size_t at, int depth,
                 struct gw_err *err)
{
  const char *name = git_tree_entry_name(e);
  size_t len = strlen(name);

  if (depth > DEPTH_MAX || at + len + 2 > sizeof(w->path))
    return gw_err_set(err, GW_ELIMIT, OP, "the folders of %.100s are too deep",
                      w->path);
  memcpy(w->path + at, name, len + 1);
  if (git_tree_entry_type(e) != GIT_OBJECT_TREE)
    return w->leaf(w, e, err);
  w->path[at + len] = '/';
  w->path[at + len + 1] = '\0';
  return walk_tree(w, git_tree_entry_id(e), at + len + 1, depth + 1, err);
}

static int walk_tree(struct walk *w, const git_oid *id, size_t at, int depth,
                     struct gw_err *err)
{
  git_tree *tree = NULL;
  int rc = git_tree_lookup(&tree, gw_repo_git(w->repo), id);

  if (rc < 0)
    return gw_err_git_what(err, OP, *w->path ? w->path : "the tree", rc);
  for (size_t i = 0; rc == 0 && i < git_tree_entrycount(tree); i++)
    rc = visit(w, git_tree_entry_byindex(tree, i), at, depth, err);
  git_tree_free(tree);
  return rc;
}

static int walk_all(struct walk *w, const char *hex, struct gw_err *err)
{
  git_oid id;
  int rc;

  if (gw_git_parse_id(&id, hex, OP, err) != 0)
    return -1;
  rc = git_repository_odb(&w->odb, gw_repo_git(w->repo));
  if (rc < 0)
    return gw_err_git(err, OP, rc);
  rc = walk_tree(w, &id, 0, 0, err);
  git_odb_free(w->odb);
  return rc;
}

static int size_of(struct walk *w, const git_oid *id, size_t *size,
                   struct gw_err *err)
{
  git_object_t type;
  int rc = git_odb_read_header(size, &type, w->odb, id);

  return rc < 0 ? gw_err_git_what(err, OP, w->path, rc) : 0;
}

static int list_leaf(struct walk *w, const git_tree_entry *e,
                     struct gw_err *err)
{
  struct gw_row *row = gw_rows_add(w->rows, w->path, err);
  size_t size = 0;

  if (!row)
    return -1;
  row->word = word_of(git_tree_entry_filemode(e));
  row->mode = git_tree_entry_filemode_raw(e);
  gw_git_hex(row->id, git_tree_entry_id(e));
  row->number = -1;
  if (!w->sizes || git_tree_entry_type(e) != GIT_OBJECT_BLOB)
    return 0;
  if (size_of(w, git_tree_entry_id(e), &size, err) != 0)
    return -1;
  row->number = (int64_t)size;
  return 0;
}

int gw_tree_entries(struct gw_repo *repo, const char *tree, bool sizes,
                    struct gw_rows *rows, struct gw_err *err)
{
  struct walk w = {
      .repo = repo, .rows = rows, .sizes = sizes, .leaf = list_leaf};

  return walk_all(&w, tree, err);
}

static int is_pointer(struct walk *w, const git_oid *id, bool *is,
                      struct gw_err *err)
{
  static const char begin[] = "version https://git-lfs";
  git_odb_object *object = NULL;
  size_t size = 0;

  *is = false;
  if (size_of(w, id, &size, err) != 0)
    return -1;
  if (size < sizeof(begin) - 1 || size >= LFS_MAX)
    return 0;
  int rc = git_odb_read(&object, w->odb, id);
  if (rc < 0)
    return gw_err_git_what(err, OP, w->path, rc);
  *is = memcmp(git_odb_object_data(object), begin, sizeof(begin) - 1) == 0;
  git_odb_object_free(object);
  return 0;
}

static int scan_leaf(struct walk *w, const git_tree_entry *e,
                     struct gw_err *err)
{
  const char *word = "submodule";
  bool is = false;

  if (git_tree_entry_filemode(e) != GIT_FILEMODE_COMMIT) {
    word = "lfs";
    if (git_tree_entry_filemode(e) != GIT_FILEMODE_LINK &&
        is_pointer(w, git_tree_entry_id(e), &is, err) != 0)
      return -1;
    if (!is)
      return 0;
  }
  struct gw_row *row = gw_rows_add(w->rows, w->path, err);
  if (!row)
    return -1;
  row->word = word;
  gw_git_hex(row->id, git_tree_entry_id(e));
  return 0;
}

int gw_tree_scan(struct gw_repo *repo, const char *tree, struct gw_rows *rows,
                 struct gw_err *err)
{
  struct walk w = {.repo = repo, .rows = rows, .leaf = scan_leaf};

  return walk_all(&w, tree, err);
}

/* --- blobs ------------------------------------------------------------- */

int gw_blob_read(struct gw_repo *repo, const char *hex, size_t max,
                 struct gw_buf *out, struct gw_err *err)
{
  git_odb *odb = NULL;
  git_odb_object *object = NULL;
  git_object_t type;
  git_oid id;
  size_t size = 0;

  if (gw_git_parse_id(&id, hex, "git.blob", err) != 0)
    return -1;
  int rc = git_repository_odb(&odb, gw_repo_git(repo));
  if (rc == 0)
    rc = git_odb_read_header(&size, &type, odb, &id);
  if (rc < 0) {
    gw_err_git_what(err, "git.blob", hex, rc);
  } else if (type != GIT_OBJECT_BLOB) {
    rc = gw_err_set(err, GW_EUSAGE, "git.blob", "%s is no file", hex);
  } else if (max && size > max) {
    rc = gw_err_set(err, GW_ELIMIT, "git.blob",
                    "%s has %zu bytes; at most %zu are read", hex, size, max);
  } else if ((rc = git_odb_read(&object, odb, &id)) < 0) {
    gw_err_git_what(err, "git.blob", hex, rc);
  } else {
    rc = gw_buf_append(out, git_odb_object_data(object),
                       git_odb_object_size(object), err);
  }
  git_odb_object_free(object);
  git_odb_free(odb);
  return rc < 0 ? -1 : 0;
}

int gw_tree_read(struct gw_repo *repo, const char *hex, const char *path,
                 size_t max, struct gw_buf *out, struct gw_err *err)
{
  git_tree *tree = NULL;
  git_tree_entry *entry = NULL;
  char id[GW_GIT_HEX];

  if (lookup(&tree, repo, hex, err) != 0)
    return -1;
  int rc = git_tree_entry_bypath(&entry, tree, path);
  git_tree_free(tree);
  if (rc == GIT_ENOTFOUND ||
      (rc == 0 && git_tree_entry_type(entry) != GIT_OBJECT_BLOB)) {
    git_tree_entry_free(entry);
    git_error_clear();
    return gw_err_set(err, GW_ENOTFOUND, OP, "no file %.200s", path);
  }
  if (rc < 0)
    return gw_err_git_what(err, OP, path, rc);
  gw_git_hex(id, git_tree_entry_id(entry));
  git_tree_entry_free(entry);
  return gw_blob_read(repo, id, max, out, err);
}

int gw_blob_write(struct gw_repo *repo, const void *data, size_t len,
                  char hex[GW_GIT_HEX], struct gw_err *err)
{
  git_oid id;
  int rc;

  if (gw_git_may_write("git.blob", err) != 0)
    return -1;
  rc = git_blob_create_from_buffer(&id, gw_repo_git(repo), data, len);
  if (rc < 0)
    return gw_err_git(err, "git.blob", rc);
  gw_git_hex(hex, &id);
  return 0;
}

/* --- differences ------------------------------------------------------- */

static int add_delta(struct gw_rows *rows, const git_diff_delta *d,
                     struct gw_err *err)
{
  bool gone = d->status == GIT_DELTA_DELETED;
  const git_diff_file *file = gone ? &d->old_file : &d->new_file;
  struct gw_row *row = gw_rows_add(rows, file->path, err);

  if (!row)
    return -1;
  row->mode = file->mode;
  gw_git_hex(row->id, &file->id);
  if (gone)
    row->word = "deleted";
  else if (d->status == GIT_DELTA_ADDED)
    row->word = "added";
  else
    row->word = git_oid_equal(&d->old_file.id, &d->new_file.id) ? "mode"
                                                                : "modified";
  return 0;
}

int gw_tree_diff(struct gw_repo *repo, const char *a, const char *b,
                 struct gw_rows *rows, struct gw_err *err)
{
  git_diff_options opts;
  git_diff *diff = NULL;
  git_tree *left = NULL, *right = NULL;
  int rc = -1;

  git_diff_options_init(&opts, GIT_DIFF_OPTIONS_VERSION);
  opts.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_SKIP_BINARY_CHECK;
  if ((a && lookup(&left, repo, a, err) != 0) ||
      (b && lookup(&right, repo, b, err) != 0))
    goto out;
  int code =
      git_diff_tree_to_tree(&diff, gw_repo_git(repo), left, right, &opts);
  if (code < 0) {
    gw_err_git(err, "git.diff", code);
    goto out;
  }
  rc = 0;
  for (size_t i = 0; rc == 0 && i < git_diff_num_deltas(diff); i++)
    rc = add_delta(rows, git_diff_get_delta(diff, i), err);
out:
  git_diff_free(diff);
  git_tree_free(left);
  git_tree_free(right);
  return rc;
}
