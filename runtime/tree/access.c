#include "tree/access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OP "folder"
#define DEPTH_MAX 4096

/* Kept open: a place stays what it was when it was allowed, whatever is put
 * under its name. */
struct entry {
  int fd;     /* the nearest folder that was there */
  char *rest; /* what was missing below it */
  bool write;
  struct entry *next;
};

static struct entry *entries;
static bool restricted, declared, planning;

void gw_access_restrict(bool by_script)
{
  restricted = true;
  declared = by_script;
}

void gw_access_plan(void)
{
  planning = true;
}

int gw_access_allow(const char *path, bool write, struct gw_err *err)
{
  struct entry *entry = calloc(1, sizeof(*entry));

  if (!entry)
    return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  if (gw_access_nearest(&entry->fd, &entry->rest, path, err) != 0) {
    free(entry);
    return -1;
  }
  entry->write = write;
  entry->next = entries;
  entries = entry; /* for the rest of the process */
  return 0;
}

/* --- where a path leads ------------------------------------------------ */

/* The names of text without "." and doubled '/', appended to *rest. */
static int tidy(char *out, const char *text, const char *path,
                struct gw_err *err)
{
  size_t n = 0;

  while (*text) {
    size_t len = strcspn(text, "/");
    if (len == 2 && memcmp(text, "..", 2) == 0)
      return gw_err_set(err, GW_EUSAGE, OP,
                        "%.150s: \"..\" stands behind a folder that is not "
                        "there",
                        path);
    if (len > 0 && !(len == 1 && *text == '.')) {
      if (n > 0)
        out[n++] = '/';
      memcpy(out + n, text, len);
      n += len;
    }
    text += len;
    text += *text == '/';
  }
  out[n] = '\0';
  return 0;
}

static int open_folder(const char *path)
{
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Cuts names off the end of copy until a folder is found. */
static int open_nearest(char *copy, const char **missing, const char *path)
{
  size_t len = strlen(copy);
  int fd = open_folder(copy);

  *missing = path + len;
  while (fd < 0 && errno == ENOENT && len > 0) {
    while (len > 0 && copy[len - 1] == '/')
      len--;
    while (len > 0 && copy[len - 1] != '/')
      len--;
    copy[len] = '\0';
    *missing = path + len;
    fd = open_folder(len > 0 ? copy : ".");
  }
  return fd;
}

int gw_access_nearest(int *fd, char **rest, const char *path,
                      struct gw_err *err)
{
  char *copy = strdup(path), *out = malloc(strlen(path) + 1);
  const char *missing;
  int rc = -1;

  *fd = -1;
  if (!copy || !out) {
    gw_err_set(err, GW_ENOMEM, OP, "out of memory");
  } else if (*fd = open_nearest(copy, &missing, path), *fd < 0) {
    gw_err_errno(err, OP, path);
  } else if (rc = tidy(out, missing, path, err), rc != 0) {
    (void)close(*fd);
  } else {
    *rest = out; /* the caller's now */
    out = NULL;
  }
  free(copy);
  free(out);
  return rc;
}

/* --- judging ----------------------------------------------------------- */

static bool same_place(const struct stat *a, const struct stat *b)
{
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is the folder `place`, or below it? Asks the folders above one by one: no
 * name is believed. */
static bool is_below(int fd, const struct stat *place)
{
  struct stat here, above;
  int at = dup(fd);
  bool found = false;

  if (at < 0 || fstat(at, &here) != 0) {
    if (at >= 0)
      (void)close(at);
    return false;
  }
  for (int i = 0; i < DEPTH_MAX && !found; i++) {
    found = same_place(&here, place);
    int up = found ? -1 : openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0)
      break;
    (void)close(at);
    at = up;
    if (fstat(at, &above) != 0 || same_place(&here, &above))
      break; /* the root of all */
    here = above;
  }
  (void)close(at);
  return found;
}

static bool is_prefix(const char *begin, const char *text)
{
  size_t len = strlen(begin);

  return strncmp(begin, text, len) == 0 &&
         (text[len] == '\0' || text[len] == '/');
}

/* The folder that was allowed, as far as it has been made since; links that
 * were put there are not followed. *rest is what is still missing. */
static int reach(const struct entry *e, const char **rest)
{
  int at = fcntl(e->fd, F_DUPFD_CLOEXEC, 0);

  for (*rest = e->rest; at >= 0 && **rest;) {
    char name[NAME_MAX + 1];
    size_t len = strcspn(*rest, "/");
    int next = -1;
    if (len <= NAME_MAX) {
      memcpy(name, *rest, len);
      name[len] = '\0';
      next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (next < 0)
      break;
    (void)close(at);
    at = next;
    *rest += len;
    *rest += **rest == '/';
  }
  return at;
}

static bool allows(const struct entry *e, int fd, const char *rest)
{
  struct stat place, here;
  const char *missing;
  bool yes = false;
  int at = reach(e, &missing);

  if (at < 0)
    return false;
  if (fstat(at, &place) == 0) {
    if (!*missing)
      yes = is_below(fd, &place);
    else /* neither is there yet: the same missing names below one folder */
      yes = fstat(fd, &here) == 0 && same_place(&here, &place) &&
            is_prefix(missing, rest);
  }
  (void)close(at);
  return yes;
}

int gw_access_check(int fd, const char *rest, const char *path, bool write,
                    struct gw_err *err)
{
  if (!restricted)
    return 0;
  for (const struct entry *e = entries; e; e = e->next)
    if ((e->write || !write) && allows(e, fd, rest))
      return 0;
  if (declared)
    return gw_err_set(err, GW_EDENIED, OP,
                      "the permissions in the head of this script do not let "
                      "it %s the folder %.120s; add %s = { … }",
                      write ? "write to" : "read", path,
                      write ? "write" : "read");
  return gw_err_set(err, GW_EDENIED, OP,
                    "this script may not %s that folder; add %s %s%.170s",
                    write ? "write to" : "read",
                    write ? "--allow-write" : "--allow-read",
                    strchr(path, '/') ? "" : "./", path);
}

bool gw_access_planning(void)
{
  return planning;
}
