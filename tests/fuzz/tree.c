/*
 * tree: a Git tree of any entries. What the check lets pass has only names
 * that are safe everywhere, in order; what it refuses can still be looked at.
 * And three of them merged: of safe ones comes a safe one.
 */
#include "fuzz.h"

#include "base/path.h"
#include "git/internal.h"
#include "git/merge.h"
#include "git/tree.h"

#include <git2/sys/mempack.h>

static struct gw_store *store;
static struct gw_repo *repo;
static git_odb *odb;
static git_odb_backend *memory;
static char folder[] = "/tmp/godwit-fuzz-XXXXXX";

static void clean_up(void)
{
  (void)gw_path_remove_tree(folder, NULL);
}

static void set_up(void)
{
  static const struct gw_store_opts opts = {.create = true, .lock = true};
  char path[64];

  MUST(mkdtemp(folder));
  (void)atexit(clean_up);
  MUST(gw_git_init(NULL) == 0);
  (void)snprintf(path, sizeof(path), "%s/store", folder);
  MUST(gw_store_open(&store, path, &opts, NULL) == 0);
  MUST(gw_store_take(&repo, store, NULL) == 0);
  MUST(git_repository_odb(&odb, gw_repo_git(repo)) == 0);
  MUST(git_mempack_new(&memory) == 0);
  MUST(git_odb_add_backend(odb, memory, 999) == 0);
}

static void write_object(git_oid *id, const void *data, size_t len,
                         git_object_t type)
{
  MUST(git_odb_write(id, odb, data, len, type) == 0);
}

/* Makes the tree that the input describes: for each entry a byte for mode and
 * object, a byte for the name's length, the name. */
static void make_tree(git_oid *id, const uint8_t *data, size_t size)
{
  static const char *const modes[] = {"100644", "100755", "120000",  "40000",
                                      "160000", "100664", "0100644", "040000"};
  struct gw_buf raw = GW_BUF_INIT;
  git_oid ids[4];
  size_t i = 0;

  memset(ids, 0, sizeof(ids));
  write_object(&ids[0], "blob", 4, GIT_OBJECT_BLOB);
  write_object(&ids[1], "", 0, GIT_OBJECT_TREE);
  while (i + 2 <= size) {
    uint8_t what = data[i];
    size_t len = data[i + 1] % 24u;
    git_oid *to = &ids[what >> 3 & 3];
    i += 2;
    len = len < size - i ? len : size - i;
    MUST(gw_buf_printf(&raw, NULL, "%s ", modes[what & 7]) == 0);
    MUST(gw_buf_append(&raw, data + i, len, NULL) == 0);
    MUST(gw_buf_append(&raw, "", 1, NULL) == 0);
    MUST(gw_buf_append(&raw, to->id, 20, NULL) == 0);
    if (what & 0x80) { /* what came so far becomes a folder */
      write_object(&ids[2], raw.data, raw.len, GIT_OBJECT_TREE);
      gw_buf_clear(&raw);
    }
    i += len;
  }
  write_object(id, raw.data ? raw.data : "", raw.len, GIT_OBJECT_TREE);
  gw_buf_dispose(&raw);
}

static void check_passed(const char *hex)
{
  struct gw_rows rows = {NULL, 0, 0};

  MUST(gw_tree_entries(repo, hex, true, &rows, NULL) == 0);
  for (size_t i = 0; i < rows.count; i++) {
    MUST(gw_path_is_safe(rows.at[i].path, strlen(rows.at[i].path)));
    for (size_t j = 0; j < i && i < 200; j++)
      MUST(strcmp(rows.at[i].path, rows.at[j].path) != 0);
  }
  gw_rows_dispose(&rows);
}

static bool is_safe(const char *hex)
{
  return gw_tree_check(repo, hex, NULL) == 0;
}

/* The halves of the input as the two sides, the whole of it as the base. */
static void merge(const char *base, const uint8_t *data, size_t size)
{
  struct gw_conflicts conflicts = {NULL, 0, 0};
  struct gw_rows rows = {NULL, 0, 0};
  struct gw_err err = {0};
  char ours[GW_GIT_HEX], theirs[GW_GIT_HEX], out[GW_GIT_HEX];
  git_oid id;

  make_tree(&id, data, size / 2);
  gw_git_hex(ours, &id);
  make_tree(&id, data + size / 2, size - size / 2);
  gw_git_hex(theirs, &id);
  /* Begun from a tree with a name twice, libgit2 loses one of them in memory:
   * a few bytes. */
  if (!is_safe(ours))
    return;
  if (gw_tree_merge(repo, base, ours, theirs, out, &conflicts, &err) != 0) {
    MUST(err.kind != GW_OK && err.message[0]);
  } else {
    MUST((conflicts.count == 0) == (out[0] != '\0'));
    if (out[0] && is_safe(base) && is_safe(theirs))
      MUST(is_safe(out));
  }
  gw_conflicts_dispose(&conflicts);
  if (!is_safe(base) ||
      gw_tree_merge(repo, base, base, ours, out, &conflicts, NULL) != 0)
    return; /* a link to a folder's object cannot be written again */
  /* The same, but for odd ways to write a mode. */
  MUST(conflicts.count == 0);
  (void)gw_tree_diff(repo, out, ours, &rows, NULL);
  for (size_t i = 0; i < rows.count; i++)
    MUST(strcmp(rows.at[i].word, "mode") == 0); /* 100664 */
  gw_rows_dispose(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct gw_rows rows = {NULL, 0, 0};
  struct gw_err err = {0};
  char hex[GW_GIT_HEX];
  git_oid id;

  if (!store)
    set_up();
  make_tree(&id, data, size);
  gw_git_hex(hex, &id);
  if (gw_tree_check(repo, hex, &err) == 0)
    check_passed(hex);
  else
    MUST(err.kind != GW_OK && err.message[0]);
  (void)gw_tree_entries(repo, hex, false, &rows, NULL);
  gw_rows_dispose(&rows);
  (void)gw_tree_scan(repo, hex, &rows, NULL);
  gw_rows_dispose(&rows);
  (void)gw_tree_diff(repo, NULL, hex, &rows, NULL);
  gw_rows_dispose(&rows);
  merge(hex, data, size);
  MUST(git_mempack_reset(memory) == 0);
  return 0;
}
