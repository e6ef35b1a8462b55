/*
 * dir and lock: folder listings, names, one process at a time.
 */
#include "check.h"

#include "base/fault.h"
#include "base/lock.h"
#include "tree/dir.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void make_files(void)
{
  struct gw_err err;

  assert_ok(gw_path_mkdirs(tmp_path("d/sub"), 0750, &err), err);
  assert_ok(gw_path_write(tmp_path("d/b"), "12345", 5, 0640, &err), err);
  assert_ok(gw_path_write(tmp_path("d/B"), "", 0, 0600, &err), err);
  (void)unlink(tmp_path("d/a-link"));
  (void)unlink(tmp_path("d/pipe"));
  assert_int_equal(symlink("b", tmp_path("d/a-link")), 0);
  assert_int_equal(mkfifo(tmp_path("d/pipe"), 0600), 0);
}

static void test_dir__lists_sorted_by_name(void **state)
{
  static const char *const names[] = {"B", "a-link", "b", "pipe", "sub"};
  static const char *const types[] = {"file", "link", "file", "other", "dir"};
  struct gw_dir dir = {0};
  struct gw_err err;

  (void)state;
  make_files();
  assert_ok(gw_dir_list(&dir, tmp_path("d"), &err), err);
  assert_int_equal(dir.count, 5);
  for (size_t i = 0; i < 5; i++) {
    assert_string_equal(dir.entries[i].name, names[i]);
    assert_string_equal(gw_dir_type_name(dir.entries[i].type), types[i]);
  }
  assert_int_equal(dir.entries[2].size, 5);
  assert_int_equal(dir.entries[2].mode, 0640);
  assert_true(dir.entries[2].mtime > 1.6e9);
  gw_dir_dispose(&dir);
}

static void test_dir__tells_what_is_not_there(void **state)
{
  struct gw_dir dir = {0};
  struct gw_dir_entry entry;
  struct gw_err err;

  (void)state;
  make_files();
  assert_int_equal(gw_dir_list(&dir, tmp_path("none"), &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_int_equal(gw_dir_list(&dir, tmp_path("d/b"), &err), -1);
  assert_int_equal(gw_dir_stat(&entry, tmp_path("none"), &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_ok(gw_dir_stat(&entry, tmp_path("d/a-link"), &err), err);
  assert_int_equal(entry.type, GW_DIR_LINK);
  gw_dir_dispose(&dir);
}

static void test_dir__list_survives_every_fault(void **state)
{
  (void)state;
  make_files();
  for (int n = 0;; n++) {
    struct gw_dir dir = {0};
    struct gw_err err = {0};
    int rc;
    gw_fault_arm(n);
    rc = gw_dir_list(&dir, tmp_path("d"), &err);
    assert_true(rc == 0 ? dir.count == 5 : err.kind != GW_OK);
    gw_dir_dispose(&dir);
    if (!gw_fault_disarm())
      return;
  }
}

static void test_dir__makes_moves_and_removes(void **state)
{
  struct gw_dir_entry entry;
  struct gw_err err;
  char *a, *b;

  (void)state;
  assert_ok(gw_dir_temp(&a, tmp_dir(), "job", &err), err);
  assert_ok(gw_dir_temp(&b, tmp_dir(), "job", &err), err);
  assert_string_not_equal(a, b);
  assert_ok(gw_dir_stat(&entry, a, &err), err);
  assert_int_equal(entry.mode, 0700);
  assert_ok(gw_dir_rename(a, tmp_path("moved"), &err), err);
  assert_ok(gw_dir_remove(tmp_path("moved"), &err), err);
  assert_int_equal(gw_dir_remove(tmp_path("moved"), &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
  assert_int_equal(gw_dir_rename(a, b, &err), -1);
  assert_ok(gw_dir_remove(b, &err), err);
  free(a);
  free(b);
}

static void test_lock__is_held_by_one(void **state)
{
  struct gw_lock *lock, *other;
  struct gw_err err;
  char holder[40];

  (void)state;
  assert_ok(gw_lock_open(&lock, tmp_path("lock"), &err), err);
  assert_ok(gw_lock_note(lock, "a long text", &err), err);
  assert_ok(gw_lock_note(lock, "kept", &err), err);
  assert_int_equal(gw_lock_open(&other, tmp_path("lock"), &err), -1);
  assert_int_equal(err.kind, GW_ELOCKED);
  assert_true(err.retryable);
  (void)snprintf(holder, sizeof(holder), "process %ld", (long)getpid());
  assert_non_null(strstr(err.message, holder));
  gw_lock_close(lock);
  assert_ok(gw_lock_open(&other, tmp_path("lock"), &err), err);
  gw_lock_close(other);
  gw_lock_close(NULL);
}

static void test_lock__goes_with_its_process(void **state)
{
  struct gw_lock *lock;
  struct gw_err err;
  const char *path = tmp_path("lock2");
  int ready[2];
  char byte;
  pid_t pid;

  (void)state;
  assert_int_equal(pipe(ready), 0);
  pid = fork();
  if (pid == 0) {
    (void)!write(ready[1], gw_lock_open(&lock, path, NULL) ? "n" : "y", 1);
    (void)sleep(30);
    _exit(0);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  assert_int_equal(byte, 'y');
  assert_int_equal(gw_lock_open(&lock, path, &err), -1);
  (void)kill(pid, SIGKILL);
  (void)waitpid(pid, NULL, 0);
  assert_ok(gw_lock_open(&lock, path, &err), err);
  gw_lock_close(lock);
  (void)close(ready[0]);
  (void)close(ready[1]);
}

/* An empty note would say that nobody was ever here. */
static void test_lock__a_full_disk_leaves_a_note(void **state)
{
  struct gw_err err = {0};
  struct gw_lock *lock;
  struct rlimit old, full;
  char text[64] = "";

  (void)state;
  assert_ok(gw_lock_open(&lock, tmp_path("full"), &err), err);
  assert_ok(gw_lock_note(lock, "abc done", &err), err);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  full = (struct rlimit){16, old.rlim_max}; /* the first line */
  assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
  int rc = gw_lock_note(lock, "def at work", &err);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  assert_int_equal(rc, -1);
  gw_lock_close(lock);
  FILE *f = fopen(tmp_path("full"), "re");
  assert_non_null(f);
  assert_true(fread(text, 1, sizeof(text) - 1, f) > 16);
  (void)fclose(f);
  assert_string_equal(text + 16, "abc done");
}

static void test_lock__names_a_folder_that_is_missing(void **state)
{
  struct gw_lock *lock;
  struct gw_err err;

  (void)state;
  assert_int_equal(gw_lock_open(&lock, tmp_path("no/lock"), &err), -1);
  assert_int_equal(err.kind, GW_ENOTFOUND);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_dir__lists_sorted_by_name),
      cmocka_unit_test(test_dir__tells_what_is_not_there),
      cmocka_unit_test(test_dir__list_survives_every_fault),
      cmocka_unit_test(test_dir__makes_moves_and_removes),
      cmocka_unit_test(test_lock__is_held_by_one),
      cmocka_unit_test(test_lock__goes_with_its_process),
      cmocka_unit_test(test_lock__a_full_disk_leaves_a_note),
      cmocka_unit_test(test_lock__names_a_folder_that_is_missing),
  };

  return cmocka_run_group_tests_name("dir", tests, NULL, NULL);
}
