/*
 * versionmap: what is put is found, by this process and by others.
 */
#include "check.h"

#include "base/fault.h"
#include "journal/versionmap.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct gw_vmap *open_map(const char *path)
{
  struct gw_vmap *map = NULL;
  struct gw_err err;

  assert_ok(gw_vmap_open(&map, path, &err), err);
  return map;
}

static struct gw_vmap_row make_row(const char *name, const char *commit,
                                   const char *created)
{
  struct gw_vmap_row row = {{NULL}};

  row.field[GW_VMAP_SOURCE_CLUSTER] = "https://dev";
  row.field[GW_VMAP_SOURCE_OWNER] = "team";
  row.field[GW_VMAP_SOURCE_NAME] = name;
  row.field[GW_VMAP_SOURCE_COMMIT] = commit;
  row.field[GW_VMAP_DEST_CLUSTER] = "https://prod";
  row.field[GW_VMAP_DEST_OWNER] = "acme";
  row.field[GW_VMAP_DEST_NAME] = name;
  row.field[GW_VMAP_DEST_COMMIT] = "d0d0";
  row.field[GW_VMAP_CREATED_AT] = created;
  return row;
}

static void put(struct gw_vmap *map, const struct gw_vmap_row *row)
{
  struct gw_err err;

  assert_ok(gw_vmap_put(map, row, &err), err);
}

static struct gw_vmap_rows find(struct gw_vmap *map,
                                const struct gw_vmap_filter *filter)
{
  struct gw_vmap_rows rows = {NULL, 0};
  struct gw_err err;

  assert_ok(gw_vmap_find(map, filter, 0, &rows, &err), err);
  return rows;
}

static size_t count(struct gw_vmap *map, struct gw_vmap_filter filter)
{
  struct gw_vmap_rows rows = find(map, &filter);
  size_t n = rows.count;

  gw_vmap_rows_dispose(&rows);
  return n;
}

static void test_vmap__finds_what_was_put_newest_first(void **state)
{
  struct gw_vmap *map = open_map(tmp_path("state/godwit/a.db"));
  struct gw_vmap_row one = make_row("Hello", "c1", "2026-01-01T00:00:00.000Z");
  struct gw_vmap_row two = make_row("Hello", "c2", "2026-01-03T00:00:00.000Z");
  struct gw_vmap_row three =
      make_row("Hello", "c3", "2026-01-02T00:00:00.000Z");
  struct gw_vmap_rows rows;
  struct gw_err err;

  (void)state;
  put(map, &one);
  put(map, &two);
  put(map, &three);
  rows = find(map, &(struct gw_vmap_filter){.name = NULL});
  assert_int_equal(rows.count, 3);
  assert_string_equal(rows.rows[0].field[GW_VMAP_SOURCE_COMMIT], "c2");
  assert_string_equal(rows.rows[1].field[GW_VMAP_SOURCE_COMMIT], "c3");
  assert_string_equal(rows.rows[2].field[GW_VMAP_SOURCE_COMMIT], "c1");
  assert_string_equal(rows.rows[2].field[GW_VMAP_DEST_OWNER], "acme");
  assert_null(rows.rows[2].field[GW_VMAP_DEST_VERSION]);
  gw_vmap_rows_dispose(&rows);
  assert_ok(
      gw_vmap_find(map, &(struct gw_vmap_filter){.name = NULL}, 2, &rows, &err),
      err);
  assert_int_equal(rows.count, 2);
  gw_vmap_rows_dispose(&rows);
  gw_vmap_close(map);
  gw_vmap_close(NULL);
}

static void test_vmap__files_are_private(void **state)
{
  struct gw_vmap *map;
  struct gw_vmap_row row = make_row("Hello", "c1", NULL);
  struct stat st;

  (void)state;
  (void)umask(022);
  map = open_map(tmp_path("private/versions.db"));
  put(map, &row);
  assert_int_equal(stat(tmp_path("private"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0700);
  assert_int_equal(stat(tmp_path("private/versions.db"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  assert_int_equal(stat(tmp_path("private/versions.db-wal"), &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  gw_vmap_close(map);
}

static void test_vmap__looks_on_either_side(void **state)
{
  struct gw_vmap *map = open_map(tmp_path("sides.db"));
  struct gw_vmap_row row = make_row("Hello", "c1", NULL);
  struct gw_vmap_row other = make_row("Other", "c9", NULL);

  (void)state;
  put(map, &row);
  put(map, &other);
  assert_int_equal(
      count(map, (struct gw_vmap_filter){.owner = "team", .name = "Hello"}), 1);
  assert_int_equal(
      count(map, (struct gw_vmap_filter){.owner = "acme", .name = "Hello"}), 1);
  assert_int_equal(count(map, (struct gw_vmap_filter){.cluster = "https://dev",
                                                      .owner = "acme"}),
                   0); /* of two sides */
  assert_int_equal(count(map, (struct gw_vmap_filter){.commit = "d0d0"}), 2);
  assert_int_equal(count(map, (struct gw_vmap_filter){.commit = "c9"}), 1);
  assert_int_equal(
      count(map, (struct gw_vmap_filter){.field[GW_VMAP_SOURCE_NAME] = "Other",
                                         .owner = "acme"}),
      1);
  assert_int_equal(count(map, (struct gw_vmap_filter){.owner = "' OR 1=1 --"}),
                   0);
  gw_vmap_close(map);
}

static void test_vmap__put_again_adds_what_is_known_by_then(void **state)
{
  struct gw_vmap *map = open_map(tmp_path("again.db"));
  struct gw_vmap_row row = make_row("Hello", "c1", "2026-01-01T00:00:00.000Z");
  struct gw_vmap_rows rows;

  (void)state;
  row.field[GW_VMAP_POLICY_DIGEST] = "p1";
  put(map, &row);
  row.field[GW_VMAP_POLICY_DIGEST] = NULL;
  row.field[GW_VMAP_DEST_VERSION] = "1.1.0";
  put(map, &row);
  rows = find(map, &(struct gw_vmap_filter){.name = "Hello"});
  assert_int_equal(rows.count, 1);
  assert_string_equal(rows.rows[0].field[GW_VMAP_POLICY_DIGEST], "p1");
  assert_string_equal(rows.rows[0].field[GW_VMAP_DEST_VERSION], "1.1.0");
  gw_vmap_rows_dispose(&rows);
  gw_vmap_close(map);
}

static void test_vmap__clear_needs_a_name(void **state)
{
  struct gw_vmap *map = open_map(tmp_path("clear.db"));
  struct gw_vmap_row row = make_row("Hello", "c1", NULL);
  struct gw_vmap_row other = make_row("Other", "c1", NULL);
  struct gw_vmap_filter all = {.name = NULL};
  struct gw_vmap_filter one = {.name = "Hello"};
  struct gw_err err;
  size_t removed = 99;

  (void)state;
  put(map, &row);
  put(map, &other);
  assert_int_equal(gw_vmap_clear(map, &all, &removed, &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE);
  assert_ok(gw_vmap_clear(map, &one, &removed, &err), err);
  assert_int_equal(removed, 1);
  assert_ok(gw_vmap_clear(map, &one, NULL, &err), err);
  assert_int_equal(count(map, all), 1);
  gw_vmap_close(map);
}

static void test_vmap__is_there_after_a_kill(void **state)
{
  const char *path = tmp_path("kill.db");
  struct gw_vmap *map;
  pid_t pid;
  int status;

  (void)state;
  (void)fflush(NULL);
  pid = fork();
  if (pid == 0) {
    struct gw_vmap_row row = make_row("Hello", "c1", NULL);
    if (gw_vmap_open(&map, path, NULL) == 0 &&
        gw_vmap_put(map, &row, NULL) == 0)
      (void)raise(SIGKILL);
    _exit(1);
  }
  (void)waitpid(pid, &status, 0);
  assert_true(WIFSIGNALED(status));
  map = open_map(path);
  assert_int_equal(count(map, (struct gw_vmap_filter){.name = "Hello"}), 1);
  gw_vmap_close(map);
}

static void write_rows(const char *path, char who)
{
  struct gw_vmap *map;

  if (gw_vmap_open(&map, path, NULL) != 0)
    _exit(1);
  for (int i = 0; i < 50; i++) {
    char commit[20];
    struct gw_vmap_row row;
    (void)snprintf(commit, sizeof(commit), "%c%d", who, i);
    row = make_row("Hello", commit, NULL);
    if (gw_vmap_put(map, &row, NULL) != 0)
      _exit(2);
  }
  gw_vmap_close(map);
  _exit(0);
}

static void test_vmap__serves_processes_at_once(void **state)
{
  const char *path = tmp_path("many.db");
  struct gw_vmap *map;
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
  map = open_map(path);
  assert_int_equal(count(map, (struct gw_vmap_filter){.name = NULL}), 150);
  gw_vmap_close(map);
}

static void test_vmap__refuses_files_of_others(void **state)
{
  struct gw_vmap *map = NULL;
  struct gw_err err;
  sqlite3 *db;

  (void)state;
  assert_ok(gw_path_write(tmp_path("text.db"),
                          "not a database, but long "
                          "enough to look at it closely",
                          53, 0600, &err),
            err);
  assert_int_equal(gw_vmap_open(&map, tmp_path("text.db"), &err), -1);
  assert_int_equal(err.kind, GW_EIO);
  assert_int_equal(sqlite3_open(tmp_path("newer.db"), &db), SQLITE_OK);
  (void)sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
  (void)sqlite3_close(db);
  assert_int_equal(gw_vmap_open(&map, tmp_path("newer.db"), &err), -1);
  assert_int_equal(err.kind, GW_EUSAGE);
  assert_int_equal(gw_vmap_open(&map, tmp_path("text.db/x"), &err), -1);
  assert_null(map);
}

/* What was put before the fault stays, what failed says so. */
static void test_vmap__survives_every_fault(void **state)
{
  const char *path = tmp_path("fault.db");

  (void)state;
  for (int n = 0;; n++) {
    struct gw_vmap *map = NULL;
    struct gw_vmap_rows rows = {NULL, 0};
    struct gw_vmap_filter filter = {.name = "Hello"};
    struct gw_vmap_row a = make_row("Hello", "a", NULL);
    struct gw_vmap_row b = make_row("Hello", "b", NULL);
    struct gw_err err = {0};
    size_t good = 0;
    int rc;
    bool hit;
    (void)unlink(path);
    gw_fault_arm(n);
    rc = gw_vmap_open(&map, path, &err);
    if (rc == 0 && (rc = gw_vmap_put(map, &a, &err)) == 0)
      good++;
    if (rc == 0 && (rc = gw_vmap_put(map, &b, &err)) == 0)
      good++;
    if (rc == 0)
      rc = gw_vmap_find(map, &filter, 0, &rows, &err);
    hit = gw_fault_disarm();
    assert_true(rc == 0 || err.kind != GW_OK);
    assert_true(rc != 0 || rows.count == 2);
    gw_vmap_rows_dispose(&rows);
    gw_vmap_close(map);
    map = open_map(path);
    assert_int_equal(count(map, filter), good);
    gw_vmap_close(map);
    if (!hit)
      return;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vmap__finds_what_was_put_newest_first),
      cmocka_unit_test(test_vmap__files_are_private),
      cmocka_unit_test(test_vmap__looks_on_either_side),
      cmocka_unit_test(test_vmap__put_again_adds_what_is_known_by_then),
      cmocka_unit_test(test_vmap__clear_needs_a_name),
      cmocka_unit_test(test_vmap__is_there_after_a_kill),
      cmocka_unit_test(test_vmap__serves_processes_at_once),
      cmocka_unit_test(test_vmap__refuses_files_of_others),
      cmocka_unit_test(test_vmap__survives_every_fault),
  };

  return cmocka_run_group_tests_name("versionmap", tests, NULL, NULL);
}
