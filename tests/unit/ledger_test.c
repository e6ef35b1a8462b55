/*
 * ledger: digests that were put are there, for this process and for others.
 */
#include "check.h"

#include "base/fault.h"
#include "journal/ledger.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MD5 "d41d8cd98f00b204e9800998ecf8427e"
#define SHA256                                                                 \
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct gw_ledger *open_ledger(const char *path)
{
  struct gw_ledger *ledger = NULL;
  struct gw_err err;

  assert_ok(gw_ledger_open(&ledger, path, &err), err);
  return ledger;
}

static struct gw_file_rows one(const char *name)
{
  struct gw_file_rows rows;
  struct gw_err err;

  assert_ok(gw_file_rows_init(&rows, 1, "test", &err), err);
  rows.rows[0].name = strdup(name);
  return rows;
}

static int put(struct gw_ledger *ledger, const char *place, const char *name,
               const char *md5, struct gw_err *err)
{
  struct gw_file_rows rows = one(name);
  int rc;

  rows.rows[0].size = 7;
  rows.rows[0].time = strdup("t1");
  rows.rows[0].md5 = md5 ? strdup(md5) : NULL;
  rc = gw_ledger_put(ledger, place, &rows, err);
  gw_file_rows_dispose(&rows);
  return rc;
}

static bool knows(struct gw_ledger *ledger, const char *place, const char *name)
{
  struct gw_file_rows rows = one(name);
  struct gw_err err;
  bool found;

  assert_ok(gw_ledger_get(ledger, place, &rows, &err), err);
  found = rows.rows[0].found;
  gw_file_rows_dispose(&rows);
  return found;
}

static void test_ledger__gives_back_what_was_put(void **state)
{
  struct gw_ledger *ledger = open_ledger(tmp_path("state/a.db"));
  struct gw_file_rows rows = one("a b%.bin"), back = one("a b%.bin");
  struct gw_err err;

  (void)state;
  rows.rows[0].size = 1LL << 40;
  rows.rows[0].time = strdup("2026-01-01T00:00:00.000Z");
  rows.rows[0].md5 = strdup(MD5);
  rows.rows[0].sha256 = strdup(SHA256);
  rows.rows[0].written_at = strdup("2026-01-02T00:00:00.000Z");
  assert_ok(gw_ledger_put(ledger, "prod acme/models", &rows, &err), err);
  assert_ok(gw_ledger_get(ledger, "prod acme/models", &back, &err), err);
  assert_true(back.rows[0].found);
  assert_int_equal(back.rows[0].size, 1LL << 40);
  assert_string_equal(back.rows[0].time, rows.rows[0].time);
  assert_string_equal(back.rows[0].md5, MD5);
  assert_string_equal(back.rows[0].sha256, SHA256);
  assert_string_equal(back.rows[0].written_at, rows.rows[0].written_at);
  assert_false(knows(ledger, "prod acme/other", "a b%.bin"));
  assert_false(knows(ledger, "prod acme/models", "a"));
  gw_file_rows_dispose(&rows);
  gw_file_rows_dispose(&back);
  gw_ledger_close(ledger);
  gw_ledger_close(NULL);
}

/* An old digest beside a new one would be a lie. */
static void test_ledger__a_row_is_replaced_whole(void **state)
{
  struct gw_ledger *ledger = open_ledger(tmp_path("whole.db"));
  struct gw_file_rows rows = one("f"), back = one("f");
  struct gw_err err;

  (void)state;
  rows.rows[0].sha256 = strdup(SHA256);
  assert_ok(gw_ledger_put(ledger, "p", &rows, &err), err);
  assert_ok(put(ledger, "p", "f", MD5, &err), err);
  assert_ok(gw_ledger_get(ledger, "p", &back, &err), err);
  assert_string_equal(back.rows[0].md5, MD5);
  assert_null(back.rows[0].sha256);
  assert_null(back.rows[0].written_at);
  gw_file_rows_dispose(&rows);
  gw_file_rows_dispose(&back);
  gw_ledger_close(ledger);
}

static void test_ledger__forgets_names_or_a_place(void **state)
{
  struct gw_ledger *ledger = open_ledger(tmp_path("forget.db"));
  struct gw_file_rows rows = one("a");
  struct gw_err err;

  (void)state;
  assert_ok(put(ledger, "p", "a", MD5, &err), err);
  assert_ok(put(ledger, "p", "b", MD5, &err), err);
  assert_ok(put(ledger, "q", "a", MD5, &err), err);
  assert_ok(gw_ledger_forget(ledger, "p", &rows, &err), err);
  assert_ok(gw_ledger_forget(ledger, "nowhere", NULL, &err), err);
  assert_false(knows(ledger, "p", "a"));
  assert_true(knows(ledger, "p", "b"));
  assert_ok(gw_ledger_forget(ledger, "p", NULL, &err), err);
  assert_false(knows(ledger, "p", "b"));
  assert_true(knows(ledger, "q", "a"));
  gw_file_rows_dispose(&rows);
  gw_ledger_close(ledger);
}

static void test_ledger__refuses_what_is_no_digest(void **state)
{
  struct gw_ledger *ledger = open_ledger(tmp_path("digest.db"));
  struct gw_err err;

  (void)state;
  assert_int_equal(put(ledger, "p", "a", "abc", &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE);
  assert_int_equal(
      put(ledger, "p", "a", "D41D8CD98F00B204E9800998ECF8427E", &err), -1);
  assert_false(knows(ledger, "p", "a"));
  gw_ledger_close(ledger);
}

static void test_ledger__files_are_private(void **state)
{
  struct gw_ledger *ledger;
  struct gw_err err;
  struct stat st;

  (void)state;
  (void)umask(022);
  ledger = open_ledger(tmp_path("private/ledger.db"));
  assert_ok(put(ledger, "p", "a", MD5, &err), err);
  assert_int_equal(stat(tmp_path("private"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  assert_int_equal(stat(tmp_path("private/ledger.db"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(stat(tmp_path("private/ledger.db-wal"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  gw_ledger_close(ledger);
}

static void test_ledger__is_there_after_a_kill(void **state)
{
  const char *path = tmp_path("kill.db");
  struct gw_ledger *ledger;
  pid_t pid;
  int status;

  (void)state;
  (void)fflush(NULL);
  pid = fork();
  if (pid == 0) {
    if (gw_ledger_open(&ledger, path, NULL) == 0 &&
        put(ledger, "p", "a", MD5, NULL) == 0)
      (void)raise(SIGKILL);
    _exit(1);
  }
  (void)waitpid(pid, &status, 0);
  assert_true(WIFSIGNALED(status));
  ledger = open_ledger(path);
  assert_true(knows(ledger, "p", "a"));
  gw_ledger_close(ledger);
}

static void write_rows(const char *path, char who)
{
  struct gw_ledger *ledger;

  if (gw_ledger_open(&ledger, path, NULL) != 0)
    _exit(1);
  for (int i = 0; i < 50; i++) {
    char name[20];
    (void)snprintf(name, sizeof(name), "%c%d", who, i);
    if (put(ledger, "p", name, MD5, NULL) != 0)
      _exit(2);
  }
  gw_ledger_close(ledger);
  _exit(0);
}

static void test_ledger__serves_processes_at_once(void **state)
{
  const char *path = tmp_path("many.db");
  struct gw_ledger *ledger;
  pid_t pids[3];

  (void)state;
  (void)fflush(NULL);
  for (int i = 0; i < 3; i++) { /* they race for the first opening, too */
    pids[i] = fork();
    if (pids[i] == 0)
      write_rows(path, (char)('a' + i));
  }
  for (int i = 0; i < 3; i++) {
    int status = -1;
    (void)waitpid(pids[i], &status, 0);
    assert_int_equal(status, 0);
  }
  ledger = open_ledger(path);
  assert_true(knows(ledger, "p", "a0") && knows(ledger, "p", "b49") &&
              knows(ledger, "p", "c49"));
  gw_ledger_close(ledger);
}

static void test_ledger__refuses_files_of_others(void **state)
{
  struct gw_ledger *ledger = NULL;
  struct gw_err err;
  sqlite3 *db;

  (void)state;
  assert_ok(gw_path_write(tmp_path("text.db"),
                          "not a database, but long "
                          "enough to look at it closely",
                          53, 0600, &err),
            err);
  assert_int_equal(gw_ledger_open(&ledger, tmp_path("text.db"), &err), -1);
  assert_int_equal(err.kind, GW_EIO);
  assert_int_equal(sqlite3_open(tmp_path("newer.db"), &db), SQLITE_OK);
  (void)sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
  (void)sqlite3_close(db);
  assert_int_equal(gw_ledger_open(&ledger, tmp_path("newer.db"), &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE);
  assert_null(ledger);
}

/* What was put before the fault stays, what failed says so. */
static void test_ledger__survives_every_fault(void **state)
{
  const char *path = tmp_path("fault.db");

  (void)state;
  for (int n = 0;; n++) {
    struct gw_ledger *ledger = NULL;
    struct gw_file_rows rows = one("a");
    struct gw_err err = {0};
    bool good = false, hit;
    int rc;
    (void)unlink(path);
    gw_fault_arm(n);
    rc = gw_ledger_open(&ledger, path, &err);
    if (rc == 0 && (rc = put(ledger, "p", "a", MD5, &err)) == 0)
      good = true;
    if (rc == 0)
      rc = gw_ledger_get(ledger, "p", &rows, &err);
    hit = gw_fault_disarm();
    assert_true(rc == 0 || err.kind != GW_OK);
    assert_true(rc != 0 || rows.rows[0].found);
    gw_file_rows_dispose(&rows);
    gw_ledger_close(ledger);
    ledger = open_ledger(path);
    assert_int_equal(knows(ledger, "p", "a"), good);
    gw_ledger_close(ledger);
    if (!hit)
      return;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ledger__gives_back_what_was_put),
      cmocka_unit_test(test_ledger__a_row_is_replaced_whole),
      cmocka_unit_test(test_ledger__forgets_names_or_a_place),
      cmocka_unit_test(test_ledger__refuses_what_is_no_digest),
      cmocka_unit_test(test_ledger__files_are_private),
      cmocka_unit_test(test_ledger__is_there_after_a_kill),
      cmocka_unit_test(test_ledger__serves_processes_at_once),
      cmocka_unit_test(test_ledger__refuses_files_of_others),
      cmocka_unit_test(test_ledger__survives_every_fault),
  };

  return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
