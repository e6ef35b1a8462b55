/*
 * names: what is put is taken once, the rest comes in order, and memory does
 * not grow with it.
 */
#include "check.h"

#include "base/fault.h"
#include "journal/names.h"

#include <malloc.h>

static struct gw_names *open_names(void)
{
  struct gw_names *names = NULL;
  struct gw_err err;

  assert_ok(gw_names_open(&names, &err), err);
  return names;
}

/* Rows of these names, made with one size and time. */
static struct gw_file_rows make_rows(size_t count, const char *const *list)
{
  struct gw_file_rows rows;
  struct gw_err err;

  assert_ok(gw_file_rows_init(&rows, count, "test", &err), err);
  for (size_t i = 0; i < count; i++) {
    rows.rows[i].name = strdup(list[i]);
    rows.rows[i].size = (int64_t)i;
    rows.rows[i].time = strdup("2026-01-01T00:00:00.000Z");
  }
  return rows;
}

static size_t put(struct gw_names *names, size_t count, const char *const *list)
{
  struct gw_file_rows rows = make_rows(count, list);
  struct gw_err err;
  size_t added = 99;

  assert_ok(gw_names_put(names, &rows, &added, &err), err);
  gw_file_rows_dispose(&rows);
  return added;
}

static struct gw_file_rows take(struct gw_names *names, size_t count,
                                const char *const *list)
{
  struct gw_file_rows rows;
  struct gw_err err;

  assert_ok(gw_file_rows_init(&rows, count, "test", &err), err);
  for (size_t i = 0; i < count; i++)
    rows.rows[i].name = strdup(list[i]);
  assert_ok(gw_names_take(names, &rows, &err), err);
  return rows;
}

static void check_count(struct gw_names *names, size_t all, size_t taken)
{
  size_t a, t;

  gw_names_count(names, &a, &t);
  assert_int_equal(a, all);
  assert_int_equal(t, taken);
}

static void test_names__what_is_put_is_taken_once(void **state)
{
  struct gw_names *names = open_names();
  struct gw_file_rows rows;

  (void)state;
  assert_int_equal(put(names, 3, (const char *[]){"c", "a", "b"}), 3);
  rows = take(names, 3, (const char *[]){"b", "x", "b"});
  assert_true(rows.rows[0].found && !rows.rows[0].again);
  assert_int_equal(rows.rows[0].size, 2);
  assert_string_equal(rows.rows[0].time, "2026-01-01T00:00:00.000Z");
  assert_true(!rows.rows[1].found && !rows.rows[1].again);
  assert_true(rows.rows[2].found && rows.rows[2].again);
  gw_file_rows_dispose(&rows);
  rows = take(names, 1, (const char *[]){"x"});
  assert_true(!rows.rows[0].found && rows.rows[0].again);
  gw_file_rows_dispose(&rows);
  check_count(names, 3, 1);
  gw_names_close(names);
  gw_names_close(NULL);
}

static void test_names__put_again_replaces(void **state)
{
  struct gw_names *names = open_names();
  struct gw_file_rows rows;

  (void)state;
  assert_int_equal(put(names, 2, (const char *[]){"a", "b"}), 2);
  assert_int_equal(put(names, 3, (const char *[]){"x", "y", "a"}), 2);
  check_count(names, 4, 0);
  rows = take(names, 2, (const char *[]){"a", "new"});
  assert_int_equal(rows.rows[0].size, 2);
  gw_file_rows_dispose(&rows);
  assert_int_equal(put(names, 1, (const char *[]){"new"}), 1);
  check_count(names, 5, 2); /* taken first, put later */
  gw_names_close(names);
}

static void test_names__rest_is_what_was_not_taken_in_order(void **state)
{
  struct gw_names *names = open_names();
  struct gw_file_rows rows;
  struct gw_err err;

  (void)state;
  put(names, 5, (const char *[]){"e", "Ä", "a%2F", "a b", "B"});
  rows = take(names, 2, (const char *[]){"a b", "gone"});
  gw_file_rows_dispose(&rows);
  assert_ok(gw_names_rest(names, NULL, 3, &rows, &err), err);
  assert_int_equal(rows.count, 3);
  assert_string_equal(rows.rows[0].name, "B");
  assert_string_equal(rows.rows[1].name, "a%2F");
  assert_int_equal(rows.rows[1].size, 2);
  assert_string_equal(rows.rows[2].name, "e");
  gw_file_rows_dispose(&rows);
  assert_ok(gw_names_rest(names, "e", 3, &rows, &err), err);
  assert_int_equal(rows.count, 1);
  assert_string_equal(rows.rows[0].name, "Ä");
  gw_file_rows_dispose(&rows);
  gw_names_close(names);
}

static void check_sum(struct gw_names *names, const char *but, uint64_t count,
                      uint64_t bytes)
{
  struct gw_err err;
  uint64_t c = 99, b = 99;

  assert_ok(gw_names_sum(names, but, &c, &b, &err), err);
  assert_int_equal(c, count);
  assert_int_equal(b, bytes);
}

static void test_names__sum_is_of_what_rest_gives(void **state)
{
  struct gw_names *names = open_names();
  struct gw_file_rows rows;
  struct gw_err err;

  (void)state;
  check_sum(names, NULL, 0, 0);
  put(names, 4, (const char *[]){"a", "b", "c", "d"}); /* of 0, 1, 2, 3 bytes */
  rows = take(names, 1, (const char *[]){"c"});
  gw_file_rows_dispose(&rows);
  check_sum(names, NULL, 3, 4);
  check_sum(names, "another time", 3, 4);
  check_sum(names, "2026-01-01T00:00:00.000Z", 0, 0);
  rows = make_rows(2, (const char *[]){"no time", "huge"});
  free(rows.rows[0].time);
  rows.rows[0].time = NULL;
  rows.rows[1].size = INT64_MAX;
  assert_ok(gw_names_put(names, &rows, NULL, &err), err);
  gw_file_rows_dispose(&rows);
  check_sum(names, "2026-01-01T00:00:00.000Z", 1, 0);
  check_sum(names, NULL, 5, GW_NAMES_SUM_MAX);
  gw_names_close(names);
}

/* Sizes that servers make up: no list of them ends what is done with it. */
static void test_names__sum_never_overflows(void **state)
{
  struct gw_names *names = open_names();
  struct gw_file_rows rows;
  struct gw_err err;

  (void)state;
  assert_ok(gw_file_rows_init(&rows, 8192, "test", &err), err);
  for (size_t i = 0; i < rows.count; i++) {
    char name[24];
    (void)snprintf(name, sizeof(name), "%zu", i);
    rows.rows[i].name = strdup(name);
    rows.rows[i].size = INT64_C(1) << 50;
  }
  assert_ok(gw_names_put(names, &rows, NULL, &err), err);
  check_sum(names, NULL, 8192, GW_NAMES_SUM_MAX); /* 2^63 would be it */
  for (size_t i = 0; i < rows.count; i++)
    rows.rows[i].size = INT64_MAX;
  assert_ok(gw_names_put(names, &rows, NULL, &err), err);
  check_sum(names, NULL, 8192, GW_NAMES_SUM_MAX);
  for (size_t i = 0; i < rows.count; i++) /* both halves of a size count */
    rows.rows[i].size = (INT64_C(1) << 48) + UINT32_MAX;
  assert_ok(gw_names_put(names, &rows, NULL, &err), err);
  check_sum(names, NULL, 8192,
            (UINT64_C(1) << 61) + UINT64_C(8192) * UINT32_MAX);
  gw_file_rows_dispose(&rows);
  gw_names_close(names);
}

static size_t heap(void)
{
  return mallinfo2().uordblks;
}

/* 200,000 names of 40 bytes would be 8 MB and more. */
static void test_names__memory_stays_flat(void **state)
{
  struct gw_names *names = open_names();
  size_t before = heap(), all, taken;

  (void)state;
  for (int i = 0; i < 200; i++) {
    struct gw_file_rows rows;
    struct gw_err err;
    assert_ok(gw_file_rows_init(&rows, 1000, "test", &err), err);
    for (int k = 0; k < 1000; k++) {
      char name[48];
      (void)snprintf(name, sizeof(name), "a-name-of-a-file-in-a-collection-%d",
                     i * 1000 + k);
      rows.rows[k].name = strdup(name);
    }
    assert_ok(gw_names_put(names, &rows, NULL, &err), err);
    gw_file_rows_dispose(&rows);
    assert_true(heap() < before + (4u << 20));
  }
  gw_names_count(names, &all, &taken);
  assert_int_equal(all, 200000);
  gw_names_close(names);
}

static int put_and_take(struct gw_names **out, struct gw_err *err)
{
  const char *list[] = {"a", "b"};
  struct gw_file_rows rows = make_rows(2, list);
  struct gw_file_rows left = {NULL, 0};
  uint64_t count = 99, bytes = 99;
  int rc = gw_names_open(out, err);

  if (rc == 0)
    rc = gw_names_put(*out, &rows, NULL, err);
  if (rc == 0)
    rc = gw_names_take(*out, &rows, err);
  if (rc == 0)
    rc = gw_names_rest(*out, NULL, 5, &left, err);
  if (rc == 0)
    rc = gw_names_sum(*out, NULL, &count, &bytes, err);
  if (rc == 0)
    assert_int_equal(left.count + count + bytes, 0);
  gw_file_rows_dispose(&left);
  gw_file_rows_dispose(&rows);
  return rc;
}

/* Half a batch is never taken for a whole one. */
static void test_names__survives_every_fault(void **state)
{
  (void)state;
  for (int n = 0;; n++) {
    struct gw_names *names = NULL;
    struct gw_err err = {0};
    struct gw_file_rows rows = {NULL, 0};
    int rc;
    bool hit;
    gw_fault_arm(n);
    rc = put_and_take(&names, &err);
    hit = gw_fault_disarm();
    assert_true(rc == 0 || err.kind != GW_OK);
    if (names && rc != 0) {
      assert_int_equal(gw_names_rest(names, NULL, 5, &rows, &err), -1);
      assert_int_equal(err.kind, GW_EIO);
      gw_file_rows_dispose(&rows);
    }
    gw_names_close(names);
    if (!hit)
      return;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names__what_is_put_is_taken_once),
      cmocka_unit_test(test_names__put_again_replaces),
      cmocka_unit_test(test_names__rest_is_what_was_not_taken_in_order),
      cmocka_unit_test(test_names__sum_is_of_what_rest_gives),
      cmocka_unit_test(test_names__sum_never_overflows),
      cmocka_unit_test(test_names__memory_stays_flat),
      cmocka_unit_test(test_names__survives_every_fault),
  };

  return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
