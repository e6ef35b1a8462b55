/*
 * path: names, folders, whole files.
 */
#include "check.h"

#include "base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool is_name(const char *name)
{
  return gw_path_is_name(name, strlen(name));
}

static bool is_safe(const char *path)
{
  return gw_path_is_safe(path, strlen(path));
}

static void test_path__takes_ordinary_names(void **state)
{
  (void)state;
  assert_true(is_name("a"));
  assert_true(is_name(".gitignore"));
  assert_true(is_name(".gitmodules"));
  assert_true(is_name(".github"));
  assert_true(is_name("git"));
  assert_true(is_name("git~"));
  assert_true(is_name("git~2"));
  assert_true(is_name("git~10"));
  assert_true(is_name("..."));
  assert_true(is_name("..a"));
  assert_true(is_name("x.git"));
  assert_true(is_name(".gi"));
  assert_true(is_name("line\nbreak"));
  assert_true(is_name("back\\slash"));
  assert_true(is_name("\xc3\xa9t\xc3\xa9"));
  assert_true(is_name("\xe2\x80\x8c")); /* one ignored point, no .git */
}

static void test_path__refuses_names_that_lead_elsewhere(void **state)
{
  char longest[257];

  (void)state;
  assert_false(is_name(""));
  assert_false(is_name("."));
  assert_false(is_name(".."));
  assert_false(is_name("a/b"));
  assert_false(is_name("/"));
  assert_false(gw_path_is_name("a\0b", 3));
  memset(longest, 'x', sizeof(longest) - 1);
  assert_true(gw_path_is_name(longest, 255));
  assert_false(gw_path_is_name(longest, 256));
}

static void test_path__refuses_git_in_every_spelling(void **state)
{
  static const char *const bad[] = {
      ".git",
      ".GIT",
      ".gIt",
      ".git.",
      ".git ",
      ".git . .",
      "git~1",
      "GIT~1",
      "git~1.",
      ".git:",
      ".git::$INDEX",
      ".git.:x",
      "git~1 :x",
      ".git\\config",
      ".git \\config",
      "a\\.git",
      "a\\git~1",
      "a\\.Git\\b",
      ".g\xe2\x80\x8cit",
      "\xef\xbb\xbf.git",
      ".git\xe2\x80\x8f",
      ".G\xe2\x80\xaaI\xe2\x81\xaaT",
  };

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    if (is_name(bad[i]))
      fail_msg("taken: %s", bad[i]);
}

static void test_path__safe_paths_are_made_of_names(void **state)
{
  (void)state;
  assert_true(is_safe("a"));
  assert_true(is_safe("src/a/b.py"));
  assert_false(is_safe(""));
  assert_false(is_safe("/a"));
  assert_false(is_safe("a/"));
  assert_false(is_safe("a//b"));
  assert_false(is_safe("a/../b"));
  assert_false(is_safe("./a"));
  assert_false(is_safe("a/.git/config"));
  assert_false(is_safe("a/.GIT"));
}

static void test_path__knows_its_temporary_names(void **state)
{
  char name[GW_PATH_TEMP];
  struct gw_err err;

  (void)state;
  assert_ok(gw_path_temp_name(name, &err), err);
  assert_true(gw_path_is_temp(name));
  assert_true(gw_path_is_temp(".godwit-0123456789abcdef"));
  assert_true(gw_path_is_temp(".godwit-0123456789abcdef-0"));
  assert_true(gw_path_is_temp(".godwit-0123456789abcdef-1f"));
  assert_false(gw_path_is_temp(".godwit-"));
  assert_false(gw_path_is_temp(".godwit-notes"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcde"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcdef0"));
  assert_false(gw_path_is_temp(".godwit-0123456789ABCDEF"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcdef-"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcdef-x"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcdef-1-"));
  assert_false(gw_path_is_temp(".godwit-0123456789abcdef.1"));
  assert_false(gw_path_is_temp("godwit-0123456789abcdef"));
}

static void test_path__makes_folders(void **state)
{
  const char *deep = tmp_path("m/a/b/c");
  struct gw_err err;
  struct stat st;

  (void)state;
  assert_ok(gw_path_mkdirs(deep, 0700, &err), err);
  assert_ok(gw_path_mkdirs(deep, 0755, &err), err);
  assert_int_equal(stat(deep, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  assert_ok(gw_path_mkdirs(tmp_path("m/x//y/"), 0700, &err), err);
  assert_ok(gw_path_write(tmp_path("m/file"), "", 0, 0600, &err), err);
  assert_int_equal(gw_path_mkdirs(tmp_path("m/file"), 0700, &err), -1);
  assert_int_equal(err.kind, GW_EEXISTS);
  assert_int_equal(gw_path_mkdirs(tmp_path("m/file/x"), 0700, &err), -1);
}

static char *read_back(const char *path)
{
  struct gw_buf buf = GW_BUF_INIT;

  if (gw_path_read(path, 0, &buf, NULL) != 0) {
    gw_buf_dispose(&buf);
    return NULL;
  }
  return gw_buf_steal(&buf, NULL);
}

static void test_path__reads_up_to_a_limit(void **state)
{
  struct gw_buf buf = GW_BUF_INIT;
  struct gw_err err;
  const char *path = tmp_path("limit");

  (void)state;
  assert_ok(gw_path_write(path, "12345", 5, 0600, &err), err);
  assert_ok(gw_path_read(path, 5, &buf, &err), err);
  assert_string_equal(buf.data, "12345");
  assert_int_equal(gw_path_read(path, 4, &buf, &err), -1);
  assert_int_equal(err.kind, GW_ELIMIT);
  assert_int_equal(buf.max, 0);
  assert_int_equal(gw_path_read(tmp_path("none"), 4, &buf, &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_int_equal(gw_path_read(tmp_dir(), 4, &buf, &err), -1);
  assert_int_equal(err.kind, GW_EIO);
  gw_buf_dispose(&buf);
}

static void test_path__does_not_hang_on_a_pipe(void **state)
{
  struct gw_buf buf = GW_BUF_INIT;
  struct gw_err err;
  const char *path = tmp_path("fifo");

  (void)state;
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(gw_path_read(path, 0, &buf, &err), -1);
  assert_int_equal(err.kind, GW_EIO);
  gw_buf_dispose(&buf);
}

static void test_path__writes_with_the_mode_asked_for(void **state)
{
  struct gw_err err;
  struct stat st;
  const char *path = tmp_path("mode");
  char *text;

  (void)state;
  assert_ok(gw_path_write(path, "one", 3, 0600, &err), err);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_ok(gw_path_write(path, "two", 3, 0700, &err), err);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  text = read_back(path);
  assert_string_equal(text, "two");
  free(text);
}

static void test_path__names_what_cannot_be_written(void **state)
{
  struct gw_err err;

  (void)state;
  assert_int_equal(gw_path_write(tmp_path("no/such"), "", 0, 0600, &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_int_equal(gw_path_write(tmp_path("slash/"), "", 0, 0600, &err), -1);
  assert_ok(gw_path_mkdirs(tmp_path("folder"), 0700, &err), err);
  assert_int_equal(gw_path_write(tmp_path("folder"), "", 0, 0600, &err), -1);
}

static int count_entries(const char *path)
{
  DIR *dir = opendir(path);
  int count = -2; /* "." and ".." */

  while (dir && readdir(dir))
    count++;
  closedir(dir);
  return count;
}

static void test_path__write_survives_every_fault(void **state)
{
  struct gw_err err = {0};
  const char *folder = tmp_path("faults");
  const char *path = tmp_path("faults/file");
  bool saw_full = false, saw_io = false;

  (void)state;
  assert_ok(gw_path_mkdirs(folder, 0700, &err), err);
  for (int n = 0;; n++) {
    char *text;
    bool is_new;
    int rc;
    assert_ok(gw_path_write(path, "old", 3, 0600, &err), err);
    memset(&err, 0, sizeof(err));
    gw_fault_arm(n);
    rc = gw_path_write(path, "new and longer", 14, 0600, &err);
    if (!gw_fault_disarm()) {
      assert_int_equal(rc, 0);
      break;
    }
    assert_true(rc == 0 || err.kind != GW_OK);
    saw_full = saw_full || err.status == ENOSPC;
    saw_io = saw_io || err.status == EIO;
    text = read_back(path);
    assert_non_null(text);
    is_new = strcmp(text, "new and longer") == 0;
    assert_true(is_new || strcmp(text, "old") == 0);
    assert_true(rc != 0 || is_new);
    assert_int_equal(count_entries(folder), 1); /* no temporary file stays */
    free(text);
  }
#ifdef GODWIT_FAULTS
  assert_true(saw_full && saw_io);
#endif
}

static void test_path__removes_trees_but_follows_no_link(void **state)
{
  struct gw_err err;
  const char *kept = tmp_path("kept/file");
  char *text;

  (void)state;
  assert_ok(gw_path_mkdirs(tmp_path("kept"), 0700, &err), err);
  assert_ok(gw_path_write(kept, "x", 1, 0600, &err), err);
  assert_ok(gw_path_mkdirs(tmp_path("gone/a/b"), 0700, &err), err);
  assert_ok(gw_path_write(tmp_path("gone/a/b/f"), "x", 1, 0400, &err), err);
  assert_int_equal(symlink(tmp_path("kept"), tmp_path("gone/a/link")), 0);
  assert_int_equal(symlink("nowhere", tmp_path("gone/dangling")), 0);
  assert_ok(gw_path_remove_tree(tmp_path("gone"), &err), err);
  assert_int_equal(access(tmp_path("gone"), F_OK), -1);
  text = read_back(kept);
  assert_string_equal(text, "x");
  free(text);
  assert_ok(gw_path_remove_tree(tmp_path("gone"), &err), err);
  assert_int_equal(symlink(tmp_path("kept"), tmp_path("link")), 0);
  assert_ok(gw_path_remove_tree(tmp_path("link"), &err), err);
  assert_int_equal(access(kept, F_OK), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_path__takes_ordinary_names),
      cmocka_unit_test(test_path__refuses_names_that_lead_elsewhere),
      cmocka_unit_test(test_path__refuses_git_in_every_spelling),
      cmocka_unit_test(test_path__safe_paths_are_made_of_names),
      cmocka_unit_test(test_path__knows_its_temporary_names),
      cmocka_unit_test(test_path__makes_folders),
      cmocka_unit_test(test_path__reads_up_to_a_limit),
      cmocka_unit_test(test_path__does_not_hang_on_a_pipe),
      cmocka_unit_test(test_path__writes_with_the_mode_asked_for),
      cmocka_unit_test(test_path__names_what_cannot_be_written),
      cmocka_unit_test(test_path__write_survives_every_fault),
      cmocka_unit_test(test_path__removes_trees_but_follows_no_link),
  };

  return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
