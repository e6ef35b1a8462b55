/*
 * root: files and links below a folder, and only there; every fault; which
 * folders may be opened.
 */
#include "check.h"

#include "base/fault.h"
#include "tree/access.h"
#include "tree/root.h"

#include <dirent.h>
#include <sys/stat.h>

static struct gw_root *open_root(const char *name, bool write)
{
  struct gw_root *root = NULL;
  struct gw_err err = {0};

  assert_ok(gw_root_open(&root, tmp_path(name), write, &err), err);
  return root;
}

static void put_text(const char *path, const char *text)
{
  struct gw_err err = {0};

  assert_ok(gw_path_write(path, text, strlen(text), 0644, &err), err);
}

static void assert_text(struct gw_root *root, const char *path,
                        const char *text)
{
  struct gw_buf buf = {0};
  struct gw_err err = {0};
  mode_t mode;

  assert_ok(gw_root_read(root, path, 1000, &buf, &mode, &err), err);
  assert_int_equal(buf.len, strlen(text));
  assert_memory_equal(buf.data ? buf.data : "", text, buf.len);
  gw_buf_dispose(&buf);
}

static size_t temporary(struct gw_root *root, const char *dir)
{
  struct gw_dir list = {0};
  size_t n = 0;

  if (gw_root_list(root, dir, &list, NULL) != 0)
    return 0;
  for (size_t i = 0; i < list.count; i++)
    n += strncmp(list.entries[i].name, ".godwit-", 8) == 0;
  gw_dir_dispose(&list);
  return n;
}

static const struct gw_put_opts PLAIN = {false, false};

static void test_root__writes_whole_files(void **state)
{
  struct gw_root *root = open_root("w/deep/root", true);
  struct gw_err err = {0};
  enum gw_put done;
  struct stat st;

  (void)state;
  assert_ok(gw_root_write(root, "a/b/c", "one", 3, false, PLAIN, &done, &err),
            err);
  assert_int_equal(done, GW_PUT_WRITTEN);
  assert_text(root, "a/b/c", "one");
  assert_ok(gw_root_write(root, "a/b/c", "one", 3, false, PLAIN, &done, &err),
            err);
  assert_int_equal(done, GW_PUT_UNCHANGED);
  assert_ok(gw_root_write(root, "a/b/c", "one", 3, true, PLAIN, &done, &err),
            err);
  assert_int_equal(done, GW_PUT_MODE);
  assert_int_equal(stat(tmp_path("w/deep/root/a/b/c"), &st), 0);
  assert_true(st.st_mode & 0100);
  assert_ok(gw_root_write(root, "a/b/c", "two", 3, true,
                          (struct gw_put_opts){.dry = true}, &done, &err),
            err);
  assert_int_equal(done, GW_PUT_WRITTEN);
  assert_text(root, "a/b/c", "one");
  assert_int_equal(gw_root_write(root, "a/b/c", "x", 1, false,
                                 (struct gw_put_opts){.is_new = true}, &done,
                                 &err),
                   -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  assert_int_equal(
      gw_root_write(root, "a/b", "x", 1, false, PLAIN, &done, &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  assert_ok(gw_root_write(root, "empty", NULL, 0, false, PLAIN, &done, &err),
            err);
  assert_text(root, "empty", "");
  assert_ok(gw_root_remove(root, "a/b/c", &err), err);
  assert_int_equal(stat(tmp_path("w/deep/root/a"), &st), -1);
  assert_ok(gw_root_remove(root, "a/b/c", &err), err);
  assert_ok(gw_root_sync(root, "a", &err), err);
  assert_ok(gw_root_sync(root, "", &err), err);
  gw_root_unref(root);
}

/* The folder is seen, then it is another: what a race would do, without one. */
static void test_root__a_link_swapped_in_leads_nowhere(void **state)
{
  struct gw_root *root = open_root("s/root", true);
  struct gw_dir list = {0};
  struct gw_buf buf = {0};
  struct gw_err err = {0};
  enum gw_put done;
  uint64_t bytes;
  mode_t mode;

  (void)state;
  assert_ok(gw_path_mkdirs(tmp_path("s/root/d"), 0755, &err), err);
  assert_ok(gw_path_mkdirs(tmp_path("s/out"), 0755, &err), err);
  put_text(tmp_path("s/out/f"), "outside");
  put_text(tmp_path("s/root/d/f"), "inside");
  assert_ok(gw_root_list(root, "d", &list, &err), err);
  gw_dir_dispose(&list);
  assert_int_equal(rename(tmp_path("s/root/d"), tmp_path("s/root/e")), 0);
  assert_int_equal(symlink("../out", tmp_path("s/root/d")), 0);

  assert_int_equal(gw_root_list(root, "d", &list, &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  assert_int_equal(gw_root_read(root, "d/f", 100, &buf, &mode, &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  assert_int_equal(
      gw_root_write(root, "d/f", "evil", 4, false, PLAIN, &done, &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  assert_int_equal(
      gw_root_copy(root, root, "d/f", PLAIN, &done, &bytes, &err), -1);
  assert_int_equal(gw_root_link(root, "d/l", "x", PLAIN, &done, &err), -1);
  assert_int_equal(gw_root_remove(root, "d/f", &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);

  /* The last name, too. */
  assert_int_equal(symlink("../out/f", tmp_path("s/root/l")), 0);
  assert_int_equal(gw_root_read(root, "l", 100, &buf, &mode, &err), -1);
  assert_ok(gw_root_write(root, "l", "mine", 4, false, PLAIN, &done, &err),
            err);
  assert_text(root, "l", "mine"); /* in the link's place */

  struct gw_root *out = open_root("s/out", false);
  assert_text(out, "f", "outside");
  gw_root_unref(out);
  gw_root_unref(root);
}

static void test_root__paths_stay_below(void **state)
{
  static const char *const bad[] = {"..",   "../x", "a/../x", "/x", "",
                                    "a//b", "./a",  ".",      "a/", "a/."};
  struct gw_root *root = open_root("p", true);
  struct gw_err err = {0};
  enum gw_put done;

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    assert_int_equal(
        gw_root_write(root, bad[i], "x", 1, false, PLAIN, &done, &err), -1);
    assert_int_equal(err.kind, GW_EUSAGE);
    assert_int_equal(gw_root_remove(root, bad[i], &err), -1);
  }
  gw_root_unref(root);
}

static void test_root__links(void **state)
{
  struct gw_root *root = open_root("l", true);
  struct gw_buf buf = {0};
  struct gw_err err = {0};
  enum gw_put done;

  (void)state;
  for (int i = 0; i < 2; i++) {
    assert_ok(gw_root_link(root, "d/l", "/etc", PLAIN, &done, &err), err);
    assert_int_equal(done, i == 0 ? GW_PUT_WRITTEN : GW_PUT_UNCHANGED);
  }
  assert_ok(gw_root_link(root, "d/l", "/etc/passwd", PLAIN, &done, &err), err);
  assert_ok(gw_root_readlink(root, "d/l", &buf, &err), err);
  assert_int_equal(buf.len, 11);
  gw_buf_dispose(&buf);
  put_text(tmp_path("l/f"), "f");
  assert_int_equal(gw_root_readlink(root, "f", &buf, &err), -1);
  assert_int_equal(err.kind, GW_ECONFLICT);
  gw_root_unref(root);
}

static int sync_once(struct gw_root *from, struct gw_root *to,
                     struct gw_err *err)
{
  enum gw_put done;
  uint64_t bytes;

  if (gw_root_copy(to, from, "d/f", PLAIN, &done, &bytes, err) != 0 ||
      gw_root_link(to, "d/l", "f", PLAIN, &done, err) != 0 ||
      gw_root_write(to, "d/w", "written", 7, true, PLAIN, &done, err) != 0 ||
      gw_root_remove(to, "d/old", err) != 0)
    return -1;
  return gw_root_sync(to, "d", err);
}

/* The old one, the new one, or none. */
static void assert_whole(struct gw_root *to)
{
  struct gw_buf buf = {0};
  struct gw_err err = {0};
  mode_t mode;

  if (gw_root_read(to, "d/f", 100, &buf, &mode, &err) != 0)
    assert_int_equal(err.kind, GW_ENOTFOUND);
  else
    assert_true(buf.len == 3 && (memcmp(buf.data, "new", 3) == 0 ||
                                 memcmp(buf.data, "old", 3) == 0));
  gw_buf_dispose(&buf);
}

static void test_root__survives_every_fault(void **state)
{
  struct gw_root *from = open_root("from", true), *to = open_root("to", true);
  struct gw_err err = {0};
  int turns = 0;

  (void)state;
  assert_ok(gw_path_mkdirs(tmp_path("from/d"), 0755, &err), err);
  put_text(tmp_path("from/d/f"), "new");
  for (int n = 0;; n++, turns++) {
    struct gw_err e = {0};
    assert_ok(gw_path_remove_tree(tmp_path("to/d"), &err), err);
    if (n % 2 == 0) { /* with and without something there */
      assert_ok(gw_path_mkdirs(tmp_path("to/d"), 0755, &err), err);
      put_text(tmp_path("to/d/f"), "old");
      put_text(tmp_path("to/d/old"), "old");
    }
    gw_fault_arm(n / 2);
    int rc = sync_once(from, to, &e);
    bool reached = gw_fault_disarm();
    assert_true(rc == 0 || (e.kind != GW_OK && *e.message));
    assert_int_equal(temporary(to, "d"), 0);
    if (rc == 0)
      assert_text(to, "d/f", "new");
    else
      assert_whole(to);
    if (!reached && n % 2)
      break;
  }
#ifdef GODWIT_FAULTS
  assert_true(turns >= 16);
#endif
  gw_root_unref(from);
  gw_root_unref(to);
}

static void denied(const char *name, bool write)
{
  struct gw_root *root = NULL;
  struct gw_err err = {0};

  assert_int_equal(gw_root_open(&root, tmp_path(name), write, &err), -1);
  assert_int_equal(err.kind, GW_EDENIED);
  assert_non_null(strstr(err.message, write ? "--allow-write" : "--allow-"));
  assert_int_equal(gw_root_may_open(tmp_path(name), write, &err), -1);
}

/* A script that may write a folder may put a link where another one that it
 * was given is, or will be. */
static void test_replaced(void)
{
  struct gw_err err = {0};

  assert_ok(gw_path_mkdirs(tmp_path("y/was"), 0755, &err), err);
  assert_ok(gw_access_allow(tmp_path("y/was"), false, &err), err);
  assert_ok(gw_access_allow(tmp_path("y/later/out"), true, &err), err);
  assert_int_equal(rename(tmp_path("y/was"), tmp_path("y/moved")), 0);
  assert_int_equal(symlink("../x/inner", tmp_path("y/was")), 0);
  denied("y/was", false);
  gw_root_unref(open_root("y/moved", false)); /* the one that was meant */
  assert_int_equal(symlink("../x", tmp_path("y/later")), 0);
  denied("y/later/out", true);
  denied("x/out", true);
}

/* Last: it is for the rest of the process. */
static void test_root__access(void **state)
{
  struct gw_err err = {0};
  struct stat st;

  (void)state;
  assert_ok(gw_path_mkdirs(tmp_path("x/in/deep"), 0755, &err), err);
  assert_ok(gw_path_mkdirs(tmp_path("x/inner"), 0755, &err), err);
  assert_int_equal(symlink("../inner", tmp_path("x/in/link")), 0);
  gw_access_restrict(false);
  denied("x/in", false);
  assert_ok(gw_access_allow(tmp_path("x/in"), false, &err), err);
  assert_ok(gw_access_allow(tmp_path("x/new/out"), true, &err), err);
  gw_root_unref(open_root("x/in", false));
  gw_root_unref(open_root("x/in/deep/", false));
  gw_root_unref(open_root("x/in/../in", false));
  denied("x/in", true);
  denied("x/in/link", false); /* where it leads */
  denied("x/inner", false);
  denied("x", false);
  denied("x/in/..", false);
  denied("x/new", true);
  denied("x/new/outer", true);
  assert_int_equal(
      gw_root_may_open(tmp_path("x/new/out/../q"), true, &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE); /* "out" is not there yet */
  assert_int_equal(stat(tmp_path("x/new"), &st), -1);
  gw_root_unref(open_root("x/new/out/sub", true));
  gw_root_unref(open_root("x/new/./out//sub", true));
  gw_root_unref(open_root("x/new/out", false));
  denied("x/new/outer", true);
  denied("x/new/out/../q", true);
  test_replaced();
  gw_access_plan();
  struct gw_root *root;
  assert_int_equal(gw_root_open(&root, tmp_path("x/new/out"), true, &err), -1);
  assert_int_equal(err.kind, GW_EDENIED);
  gw_root_unref(open_root("x/new/out", false));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_root__writes_whole_files),
      cmocka_unit_test(test_root__a_link_swapped_in_leads_nowhere),
      cmocka_unit_test(test_root__paths_stay_below),
      cmocka_unit_test(test_root__links),
      cmocka_unit_test(test_root__survives_every_fault),
      cmocka_unit_test(test_root__access),
  };

  return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
