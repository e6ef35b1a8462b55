#include "git/sweep.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 40

static bool ends_with(const char *name, const char *end)
{
  size_t len = strlen(name), n = strlen(end);

  return len > n && strcmp(name + len - n, end) == 0;
}

static bool is_lock(const char *name)
{
  return ends_with(name, ".lock") && strcmp(name, "godwit.lock") != 0;
}

/* libgit2 gives a pack its name when it is whole. */
static bool is_half(const char *name)
{
  bool whole = strncmp(name, "pack-", 5) == 0 &&
               (ends_with(name, ".pack") || ends_with(name, ".idx"));

  return !whole && (strncmp(name, "pack", 4) == 0 ||
                    strncmp(name, "tmp_", 4) == 0 || ends_with(name, ".tmp"));
}

static void sweep_folder(const char *path, bool (*is_rest)(const char *name),
                         int depth)
{
  DIR *dir = opendir(path);
  const struct dirent *e;
  char name[4096];
  struct stat st;

  if (!dir)
    return;
  while ((e = readdir(dir)) != NULL) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name) >=
            (int)sizeof(name) ||
        lstat(name, &st) != 0)
      continue;
    if (S_ISDIR(st.st_mode) && depth > 0)
      sweep_folder(name, is_rest, depth - 1);
    else if (S_ISREG(st.st_mode) && is_rest(e->d_name))
      (void)unlink(name);
  }
  (void)closedir(dir);
}

void gw_sweep(const char *path)
{
  char name[4096];

  sweep_folder(path, is_lock, 0);
  if (snprintf(name, sizeof(name), "%s/refs", path) < (int)sizeof(name))
    sweep_folder(name, is_lock, DEPTH_MAX);
  if (snprintf(name, sizeof(name), "%s/objects/pack", path) <
      (int)sizeof(name))
    sweep_folder(name, is_half, 0);
}
