/*
 * merge: three trees into one, what is a conflict and who did what; every
 * fault.
 */
#include "check.h"

#include "base/fault.h"
#include "git/merge.h"
#include "git/tree.h"

#define FILES_MAX 24

struct world {
  struct gw_store *store;
  struct gw_repo *repo;
};

static int open_world(void **state)
{
  static struct world w;
  struct gw_store_opts opts = {.create = true, .lock = true};
  struct gw_err err = {0};

  assert_ok(gw_git_init(&err), err);
  assert_ok(gw_store_open(&w.store, tmp_path("m.git"), &opts, &err), err);
  assert_ok(gw_store_take(&w.repo, w.store, &err), err);
  *state = &w;
  return 0;
}

static int close_world(void **state)
{
  struct world *w = *state;

  gw_store_give(w->store, w->repo);
  gw_store_unref(w->store);
  return 0;
}

struct file {
  const char *path, *data;
  unsigned mode; /* 0: an ordinary file */
};

struct id {
  char hex[GW_GIT_HEX];
};

static struct id tree_of(struct world *w, const struct file *files)
{
  struct gw_edit edits[FILES_MAX] = {{0}};
  struct gw_err err = {0};
  struct id out;
  size_t n = 0;

  for (; files[n].path; n++)
    edits[n] = (struct gw_edit){.path = (char *)files[n].path,
                                .mode = files[n].mode,
                                .data = files[n].data,
                                .len = strlen(files[n].data)};
  assert_ok(gw_tree_edit(w->repo, "", edits, n, out.hex, &err), err);
  return out;
}

#define TREE(w, ...) tree_of(w, (struct file[]){__VA_ARGS__, {0}})

static struct id merged(struct world *w, struct id base, struct id ours,
                        struct id theirs)
{
  struct gw_conflicts conflicts = {0};
  struct gw_err err = {0};
  struct id out;

  assert_ok(gw_tree_merge(w->repo, base.hex, ours.hex, theirs.hex, out.hex,
                          &conflicts, &err),
            err);
  if (conflicts.count > 0)
    fail_msg("conflict: %s", conflicts.at[0].path);
  assert_int_equal(strlen(out.hex), 40);
  return out;
}

/* Both ways round: the words change sides. */
static void conflict(struct world *w, struct id base, struct id a, struct id b,
                     const char *path, const char *did_a, const char *did_b,
                     bool binary)
{
  for (int turn = 0; turn < 2; turn++) {
    struct gw_conflicts found = {0};
    struct gw_err err = {0};
    char out[GW_GIT_HEX];
    assert_ok(gw_tree_merge(w->repo, base.hex, turn ? b.hex : a.hex,
                            turn ? a.hex : b.hex, out, &found, &err),
              err);
    assert_string_equal(out, "");
    bool seen = false;
    for (size_t i = 0; i < found.count; i++) {
      struct gw_conflict *c = &found.at[i];
      if (strcmp(c->path, path) != 0)
        continue;
      seen = true;
      assert_string_equal(turn ? c->theirs : c->ours, did_a);
      assert_string_equal(turn ? c->ours : c->theirs, did_b);
      assert_int_equal(c->binary, binary);
    }
    assert_true(seen);
    gw_conflicts_dispose(&found);
  }
}

static void test_merge__takes_both(void **state)
{
  struct world *w = *state;
  struct id base = TREE(w, {"a", "1\n2\n3\n4\n5\n6\n7\n", 0}, {"d/x", "x", 0},
                        {"gone", "g", 0}, {"run", "r", 0}, {"l", "t", 0120000});
  struct id ours =
      TREE(w, {"a", "ONE\n2\n3\n4\n5\n6\n7\n", 0}, {"d/x", "x", 0},
           {"gone", "g", 0}, {"new", "n", 0}, {"run", "r", 0100755},
           {"l", "t", 0120000});
  struct id theirs =
      TREE(w, {"a", "1\n2\n3\n4\n5\n6\nSEVEN\n", 0}, {"d/x", "x", 0},
           {"d/y", "y", 0}, {"run", "changed", 0}, {"l", "u", 0120000});
  struct id want =
      TREE(w, {"a", "ONE\n2\n3\n4\n5\n6\nSEVEN\n", 0}, {"d/x", "x", 0},
           {"d/y", "y", 0}, {"l", "u", 0120000}, {"new", "n", 0},
           {"run", "changed", 0100755});

  assert_string_equal(merged(w, base, ours, theirs).hex, want.hex);
  assert_string_equal(merged(w, base, theirs, ours).hex, want.hex);
  assert_string_equal(merged(w, base, base, theirs).hex, theirs.hex);
  assert_string_equal(merged(w, base, ours, ours).hex, ours.hex);
  assert_string_equal(merged(w, base, base, base).hex, base.hex);
}

static void test_merge__conflicts(void **state)
{
  struct world *w = *state;
  struct id base = TREE(w, {"a", "1\n2\n3\n", 0}, {"b", "b", 0});
  struct id one = TREE(w, {"a", "ONE\n2\n3\n", 0}, {"b", "b", 0});
  struct id uno = TREE(w, {"a", "UNO\n2\n3\n", 0}, {"b", "b", 0});
  struct id gone = TREE(w, {"b", "b", 0});
  struct id linked = TREE(w, {"a", "b", 0120000}, {"b", "b", 0});

  conflict(w, base, one, uno, "a", "changed", "changed", false);
  conflict(w, base, one, gone, "a", "changed", "deleted", false);
  conflict(w, base, one, linked, "a", "changed", "link", false);
  conflict(w, gone, one, uno, "a", "added", "added", false);
}

static void test_merge__never_binary_files_nor_links(void **state)
{
  struct world *w = *state;
  struct id none = TREE(w, {"b", "b", 0});
  struct gw_err err = {0};
  struct id bin[3];

  for (int i = 0; i < 3; i++) {
    char data[] = "x\n0\n1\n2\n3\n4\n5\n6\n7\ny\n";
    struct gw_edit e = {.path = (char *)"a", .data = data,
                        .len = sizeof(data)}; /* with its NUL */
    data[0] = i == 1 ? 'X' : 'x';
    data[18] = i == 2 ? 'Y' : 'y';
    assert_ok(gw_tree_edit(w->repo, none.hex, &e, 1, bin[i].hex, &err), err);
  }
  conflict(w, bin[0], bin[1], bin[2], "a", "changed", "changed", true);
  conflict(w, TREE(w, {"l", "1\n2\n3\n4", 0120000}),
           TREE(w, {"l", "x\n2\n3\n4", 0120000}),
           TREE(w, {"l", "1\n2\n3\nx", 0120000}), "l", "changed", "changed",
           false);
}

static void test_merge__a_file_and_a_folder(void **state)
{
  struct world *w = *state;
  struct id base = TREE(w, {"b", "b", 0}, {"c", "c", 0});
  struct id file = TREE(w, {"b", "b", 0}, {"c", "c", 0}, {"d", "file", 0});
  struct id folder = TREE(w, {"b", "b", 0}, {"c", "c", 0}, {"d/x", "in", 0});

  conflict(w, base, file, folder, "d", "added", "folder", false);
  conflict(w, base, TREE(w, {"b", "B", 0}, {"c", "c", 0}),
           TREE(w, {"b/x", "b", 0}, {"c", "c", 0}), "b", "changed", "folder",
           false);
}

/* libgit2's own merge of trees loses such a file. */
static void test_merge__a_file_where_a_folder_was(void **state)
{
  struct world *w = *state;
  struct id base = TREE(w, {"b", "b", 0}, {"d/a", "a", 0});
  struct id file = TREE(w, {"b", "b", 0}, {"d", "file", 0});

  conflict(w, base, TREE(w, {"b", "b", 0}, {"d/e/a", "new", 0}), file, "d",
           "changed", "file", false);
  conflict(w, base, TREE(w, {"b", "b", 0}, {"d/a", "A", 0}), file, "d/a",
           "changed", "deleted", false);
  assert_string_equal(
      merged(w, base, TREE(w, {"b", "B", 0}, {"d/a", "a", 0}), file).hex,
      TREE(w, {"b", "B", 0}, {"d", "file", 0}).hex);
}

/* A file moved here and changed there: no guess is made. */
static void test_merge__no_renames(void **state)
{
  struct world *w = *state;
  const char *text = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

  conflict(w, TREE(w, {"a", text, 0}), TREE(w, {"moved", text, 0}),
           TREE(w, {"a", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", 0}), "a", "deleted",
           "changed", false);
}

static void test_merge__attributes_have_no_say(void **state)
{
  struct world *w = *state;
  const char *union_ = "* merge=union\n";

  conflict(w, TREE(w, {".gitattributes", union_, 0}, {"a", "1\n", 0}),
           TREE(w, {".gitattributes", union_, 0}, {"a", "2\n", 0}),
           TREE(w, {".gitattributes", union_, 0}, {"a", "3\n", 0}), "a",
           "changed", "changed", false);
}

static void test_merge__needs_trees(void **state)
{
  struct world *w = *state;
  struct id tree = TREE(w, {"a", "a", 0});
  struct gw_conflicts conflicts = {0};
  struct gw_err err = {0};
  char out[GW_GIT_HEX];
  const char *none = "1111111111111111111111111111111111111111";

  assert_int_equal(
      gw_tree_merge(w->repo, tree.hex, tree.hex, none, out, &conflicts, &err),
      -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_non_null(strstr(err.message, none));
  assert_int_equal(
      gw_tree_merge(w->repo, "x", tree.hex, tree.hex, out, &conflicts, &err),
      -1);
  assert_int_equal(err.kind, GW_EUSAGE);
}

static void test_merge__survives_every_fault(void **state)
{
  struct world *w = *state;
  struct id base = TREE(w, {"a", "1", 0}, {"z", "z", 0});
  struct id ours = TREE(w, {"a", "2", 0}, {"z", "z", 0});
  struct id theirs[2];
  int turns = 0;

  theirs[0] = TREE(w, {"a", "3", 0}, {"z", "z", 0});
  theirs[1] = TREE(w, {"a", "1", 0}, {"z", "y", 0});
  for (int i = 0; i < 2; i++)
    for (int n = 0;; n++, turns++) {
      struct gw_conflicts found = {0};
      struct gw_err err = {0};
      char out[GW_GIT_HEX];
      gw_fault_arm(n);
      int rc = gw_tree_merge(w->repo, base.hex, ours.hex, theirs[i].hex, out,
                             &found, &err);
      bool reached = gw_fault_disarm();
      assert_true(rc == 0 || (err.kind != GW_OK && *err.message));
      assert_true(rc != 0 || (found.count == 1) == (*out == '\0'));
      gw_conflicts_dispose(&found);
      if (!reached)
        break;
      assert_int_equal(rc, -1);
    }
#ifdef GODWIT_FAULTS
  assert_true(turns >= 3);
#endif
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_merge__takes_both),
      cmocka_unit_test(test_merge__conflicts),
      cmocka_unit_test(test_merge__never_binary_files_nor_links),
      cmocka_unit_test(test_merge__a_file_and_a_folder),
      cmocka_unit_test(test_merge__a_file_where_a_folder_was),
      cmocka_unit_test(test_merge__no_renames),
      cmocka_unit_test(test_merge__attributes_have_no_say),
      cmocka_unit_test(test_merge__needs_trees),
      cmocka_unit_test(test_merge__survives_every_fault),
  };

  return cmocka_run_group_tests_name("merge", tests, open_world, close_world);
}
