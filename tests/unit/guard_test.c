/*
 * guard and budget: what leaves with permissions, and how much of it. Nothing
 * is sent here.
 */
#include "base/budget.h"
#include "net/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct gw_err said;

/* True: let out. An address that is none at all is not. */
static bool lets(struct gw_guard *g, const char *method, const char *address,
                 const char *type)
{
  struct gw_url url;
  bool yes;

  memset(&said, 0, sizeof(said));
  if (gw_url_parse(&url, address, &said) != 0)
    return false;
  yes = gw_guard_check(g, method, &url, type, &said) == 0;
  assert_true(yes || said.kind == GW_EDENIED);
  gw_url_dispose(&url);
  return yes;
}

static struct gw_guard *ruled(const char *place, const char *verbs)
{
  struct gw_guard *g = gw_guard_new(NULL);

  assert_int_equal(gw_guard_rule(g, place, verbs, "RULE", NULL), 0);
  return g;
}

static void test_guard__shut_lets_nothing_out(void **state)
{
  struct gw_guard *g = gw_guard_new(NULL);

  (void)state;
  assert_true(lets(g, "GET", "https://h/x", NULL));
  assert_int_equal(gw_guard_shut(g, "not at the top level", NULL), 0);
  assert_false(lets(g, "GET", "https://h/x", NULL));
  assert_non_null(strstr(said.message, "not at the top level"));
  assert_int_equal(gw_guard_shut(g, NULL, NULL), 0);
  assert_true(lets(g, "GET", "https://h/x", NULL));
  assert_int_equal(gw_guard_shut(g, "shut", NULL), 0);
  assert_int_equal(gw_guard_rule(g, NULL, "", "", NULL), 0);
  assert_false(lets(g, "GET", "https://h/x", NULL));
  gw_guard_free(g);
}

static void test_guard__only_what_rules_name(void **state)
{
  struct gw_guard *g = ruled("https://Git.example.com", "GET POST");
  static const char *const elsewhere[] = {
      "https://git.example.com:8443/x",   "http://git.example.com/x",
      "https://git.example.com./x",       "https://evil.example.com/x",
      "https://git.example.com.evil.de/", "https://xgit.example.com/",
      "https://git.example.com@evil.de/", "https://evil.de/git.example.com",
      "https://evil.de#git.example.com",  "https://evil.de?git.example.com",
      "https://127.0.0.1/",
  };

  (void)state;
  assert_true(lets(g, "GET", "https://git.example.com/x?q=1", NULL));
  assert_true(lets(g, "GET", "HTTPS://GIT.EXAMPLE.COM:443/x", NULL));
  assert_true(lets(g, "GET", "https://user@git.example.com/x", NULL));
  assert_true(lets(g, "HEAD", "https://git.example.com/x", NULL));
  assert_true(lets(g, "POST", "https://git.example.com/x", NULL));
  assert_false(lets(g, "PUT", "https://git.example.com/x", NULL));
  assert_non_null(strstr(said.message, "say RULE"));
  assert_false(lets(g, "DELETE", "https://git.example.com/x", NULL));
  assert_false(lets(g, "get", "https://git.example.com/x", NULL));
  assert_false(lets(g, "POS", "https://git.example.com/x", NULL));
  for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
    if (lets(g, "GET", elsewhere[i], NULL)) {
      print_error("let out: %s\n", elsewhere[i]);
      fail();
    }
  gw_guard_free(g);
}

static void test_guard__git_needs_the_verb_it_is(void **state)
{
  struct gw_guard *r = ruled("https://h", "GET"), *w = ruled("https://h", "POST");
  const char *fetch = "application/x-git-upload-pack-request";
  const char *push = "application/x-git-receive-pack-request";

  (void)state;
  assert_true(lets(r, "GET", "https://h/a.git/info/refs?service=git-upload-pack",
                   NULL));
  assert_true(lets(r, "POST", "https://h/a.git/git-upload-pack", fetch));
  assert_false(
      lets(r, "GET", "https://h/a.git/info/refs?service=git-receive-pack", NULL));
  assert_false(lets(
      r, "GET", "https://h/a.git/info/refs?service=git%2Dreceive-pack", NULL));
  assert_false(lets(r, "POST", "https://h/a.git/git-receive-pack", push));
  assert_false(lets(r, "POST", "https://h/a.git/git-receive-pack", fetch));
  assert_true(
      lets(w, "GET", "https://h/a.git/info/refs?service=git-receive-pack", NULL));
  assert_true(lets(w, "POST", "https://h/a.git/git-receive-pack", push));
  gw_guard_free(r);
  gw_guard_free(w);
}

static void test_guard__plan_with_rules(void **state)
{
  struct gw_guard *g = ruled("https://h", "*");

  (void)state;
  gw_guard_plan(g);
  assert_true(lets(g, "GET", "https://h/x", NULL));
  assert_false(lets(g, "DELETE", "https://h/x", NULL));
  assert_false(lets(g, "GET", "https://other/x", NULL));
  gw_guard_free(g);
}

static void test_guard__below_a_path_for_certain(void **state)
{
  struct gw_guard *g = ruled("https://h/acme/", "GET");
  static const char *const outside[] = {
      "https://h/",              "https://h/acmes",
      "https://h/Acme/x",        "https://h/acme.git",
      "https://h/acme/../other", "https://h/acme/x/../../other",
      "https://h/acme/%2e%2e/x", "https://h/acme/.%2E/x",
      "https://h/acme/%2E./x",   "https://h/acme%2Fx",
      "https://h/acme/..%2fx",   "https://h/acme/%252e%252e/x",
      "https://h/acme//x",       "https://h//acme/x",
      "https://h/acme/..;/x",    "https://h/acme;a/x",
      "https://h/acme/..\\x",    "https://h/acme/%5c..%5cx",
      "https://h/acme/x%00",     "https://h/acme/%0d%0a",
      "https://h/%61cme/x",      "https://h/x/acme/y",
      "https://h/acme/%zz",      "https://h/acme/%2",
      "https://h/?/acme/x",      "https://h/#/acme/x",
  };

  (void)state;
  assert_true(lets(g, "GET", "https://h/acme", NULL));
  assert_true(lets(g, "GET", "https://h/acme/", NULL));
  assert_true(lets(g, "GET", "https://h/acme/x.git/info/refs?service="
                             "git-upload-pack", NULL));
  assert_true(lets(g, "GET", "https://h/acme/a%20b/.x/..y/z..?a=../b", NULL));
  assert_true(lets(g, "GET", "https://h/other/../acme/x", NULL));
  for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
    if (lets(g, "GET", outside[i], NULL)) {
      print_error("let out: %s\n", outside[i]);
      fail();
    }
  gw_guard_free(g);
}

static void test_guard__proxies_and_files_are_known_ones(void **state)
{
  struct gw_guard *g = gw_guard_new(NULL);

  (void)state;
  assert_int_equal(gw_guard_check_known(g, "http://proxy:3128", NULL), 0);
  assert_int_equal(gw_guard_rule(g, NULL, "", "", NULL), 0);
  assert_int_equal(gw_guard_check_known(g, "http://proxy:3128", &said), -1);
  assert_int_equal(said.kind, GW_EDENIED);
  assert_int_equal(gw_guard_know(g, "http://proxy:3128", NULL), 0);
  assert_int_equal(gw_guard_know(g, NULL, NULL), 0);
  assert_int_equal(gw_guard_check_known(g, "http://proxy:3128", NULL), 0);
  assert_int_equal(gw_guard_check_known(g, "http://proxy:31280", NULL), -1);
  assert_int_equal(gw_guard_check_known(g, "", NULL), 0);
  assert_int_equal(gw_guard_check_known(g, NULL, NULL), 0);
  gw_guard_free(g);
}

static void test_guard__a_bad_rule_opens_nothing(void **state)
{
  struct gw_guard *g = gw_guard_new(NULL);

  (void)state;
  assert_int_equal(gw_guard_rule(g, "nonsense", "*", "", NULL), -1);
  assert_false(lets(g, "GET", "https://h/x", NULL));
  gw_guard_free(g);
}

/* --- budgets ----------------------------------------------------------- */

static int take(uint64_t requests, uint64_t deletes)
{
  uint64_t use[GW_BUDGET_KINDS] = {[GW_BUDGET_REQUESTS] = requests,
                                   [GW_BUDGET_DELETES] = deletes};

  memset(&said, 0, sizeof(said));
  return gw_budget_take(use, "test", "X was not sent", &said);
}

static int fresh(void **state)
{
  (void)state;
  gw_budget_reset();
  return 0;
}

static void test_budget__all_or_nothing(void **state)
{
  char spent[256];

  (void)state;
  assert_int_equal(take(3, 2), 0);
  gw_budget_limit(GW_BUDGET_DELETES, 3);
  gw_budget_spent(spent);
  assert_string_equal(spent, "");
  assert_int_equal(take(1, 1), 0);
  assert_int_equal(take(1, 1), -1);
  assert_int_equal(said.kind, GW_EBUDGET);
  assert_false(said.retryable);
  assert_string_equal(said.message,
                      "the budget deletes = 3 is used up: X was not sent");
  assert_int_equal(gw_budget_used(GW_BUDGET_REQUESTS), 4); /* not counted */
  assert_int_equal(take(1, 0), 0); /* the others go on */
  gw_budget_spent(spent);
  assert_string_equal(spent,
                      "the budget deletes = 3 is used up: X was not sent");
}

static void test_budget__limits_only_shrink(void **state)
{
  (void)state;
  gw_budget_limit(GW_BUDGET_DELETES, 1);
  gw_budget_limit(GW_BUDGET_DELETES, 5);
  assert_int_equal(take(0, 2), -1);
  gw_budget_limit(GW_BUDGET_DELETES, 0);
  assert_int_equal(take(0, 1), -1);
  assert_int_equal(take(0, 0), 0);
}

static void test_budget__bytes_do_not_wrap(void **state)
{
  (void)state;
  gw_budget_limit(GW_BUDGET_BYTES, 10);
  assert_int_equal(gw_budget_take_bytes(4, "test", "x", NULL), 0);
  assert_int_equal(gw_budget_take_bytes(UINT64_MAX, "test", "x", NULL), -1);
  assert_int_equal(gw_budget_take_bytes(UINT64_MAX - 3, "test", "x", NULL), -1);
  assert_int_equal(gw_budget_take_bytes(6, "test", "x", NULL), 0);
  assert_int_equal(gw_budget_take_bytes(1, "test", "x", NULL), -1);
}

static void test_budget__minutes_end_all(void **state)
{
  (void)state;
  assert_int_equal(gw_budget_left_ms(), -1);
  gw_budget_minutes(0.0005);
  assert_true(gw_budget_left_ms() <= 30);
  assert_int_equal(take(1, 0), 0);
  usleep(40000);
  assert_int_equal(gw_budget_left_ms(), 0);
  assert_int_equal(take(1, 0), -1);
  assert_non_null(strstr(said.message, "minutes = 0.0005"));
  gw_budget_minutes(10);
  assert_int_equal(take(0, 0), -1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_guard__shut_lets_nothing_out),
      cmocka_unit_test(test_guard__only_what_rules_name),
      cmocka_unit_test(test_guard__git_needs_the_verb_it_is),
      cmocka_unit_test(test_guard__plan_with_rules),
      cmocka_unit_test(test_guard__below_a_path_for_certain),
      cmocka_unit_test(test_guard__proxies_and_files_are_known_ones),
      cmocka_unit_test(test_guard__a_bad_rule_opens_nothing),
      cmocka_unit_test_setup(test_budget__all_or_nothing, fresh),
      cmocka_unit_test_setup(test_budget__limits_only_shrink, fresh),
      cmocka_unit_test_setup(test_budget__bytes_do_not_wrap, fresh),
      cmocka_unit_test_setup(test_budget__minutes_end_all, fresh),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
