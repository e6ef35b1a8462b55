/*
 * check: what the C tests share.
 */
#ifndef GW_TESTS_UNIT_CHECK_H
#define GW_TESTS_UNIT_CHECK_H

#include "base/err.h"
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define assert_ok(call, err)                                                   \
  do {                                                                         \
    if ((call) != 0)                                                           \
      fail_msg("%s: %s: %s", #call, (err).op, (err).message);                  \
  } while (0)

static char check_folder[256];

static void check_remove_folder(void)
{
  (void)gw_path_remove_tree(check_folder, NULL);
}

/* One folder a program, removed at its end. */
static inline const char *tmp_dir(void)
{
  const char *base = getenv("TMPDIR");

  if (*check_folder)
    return check_folder;
  (void)snprintf(check_folder, sizeof(check_folder), "%s/godwit-unit-XXXXXX",
                 base ? base : "/tmp");
  if (!mkdtemp(check_folder))
    abort();
  (void)atexit(check_remove_folder);
  return check_folder;
}

/* NAME in that folder; the memory is reused after 64 calls. */
static inline const char *tmp_path(const char *name)
{
  static char paths[64][512];
  static int next;
  char *path = paths[next++ % 64];

  (void)snprintf(path, sizeof(paths[0]), "%s/%s", tmp_dir(), name);
  return path;
}

#endif
