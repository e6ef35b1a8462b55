/*
 * put: files and links written below a root: compared first, then made under
 * another name in the same folder and moved into place.
 */
#include "base/budget.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "tree/root_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536
#define KEEP ((mode_t)-1) /* as the folder makes it */

/* What a file shall hold: bytes, or an open file. */
struct content {
  const char *data; /* NULL: fd */
  uint64_t size;
  int fd;
  const struct stat *st;
};

/* The place a name has. */
struct place {
  int at; /* its folder; -1: not there yet, in a dry run */
  const char *name, *path;
  bool is_there;
  struct stat st;
};

static ssize_t piece(const struct content *c, uint64_t from, char *out,
                    size_t max)
{
  if (c->fd >= 0)
    return pread(c->fd, out, max, (off_t)from);
  size_t left = (size_t)(c->size - from), n = left < max ? left : max;
  if (n > 0) /* no contents may be NULL */
    memcpy(out, c->data + from, n);
  return (ssize_t)n;
}

/* --- comparing --------------------------------------------------------- */

/* 1, 0, or -1: could not be read. */
static int same_bytes(int fd, const struct content *c)
{
  char *mine = malloc(2 * CHUNK), *theirs = mine + CHUNK;
  uint64_t at = 0;
  int same = mine ? 1 : -1;

  while (same == 1 && at < c->size) {
    ssize_t n = piece(c, at, mine, CHUNK);
    ssize_t m = n <= 0 ? n : pread(fd, theirs, (size_t)n, (off_t)at);
    if (n < 0 || m < 0)
      same = -1;
    else if (n == 0 || m != n || memcmp(mine, theirs, (size_t)n) != 0)
      same = 0;
    else
      at += (uint64_t)n;
  }
  free(mine);
  return same;
}

/* What cannot be read there is different: it is replaced. */
static bool is_same(const struct place *p, const struct content *c)
{
  struct stat st;
  int fd, same = 0;

  if (!p->is_there || !S_ISREG(p->st.st_mode) ||
      (uint64_t)p->st.st_size != c->size)
    return false;
  fd = openat(p->at, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return false;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
    same = same_bytes(fd, c);
  (void)close(fd);
  return same == 1;
}

/* --- the run's budget -------------------------------------------------- */

static int take(enum gw_budget kind, const char *does, const char *path,
                struct gw_err *err)
{
  uint64_t use[GW_BUDGET_KINDS] = {0};
  char what[200];

  use[kind] = 1;
  (void)snprintf(what, sizeof(what), "%s %.160s was not done", does, path);
  return gw_budget_take(use, GW_ROOT_OP, what, err);
}

/* --- writing ----------------------------------------------------------- */

static int pour(int fd, const struct content *c)
{
  char *chunk = malloc(CHUNK);
  uint64_t at = 0;
  int rc = chunk ? 0 : -1;

  while (rc == 0 && at < c->size) {
    ssize_t n = piece(c, at, chunk, CHUNK);
    if (n == 0)
      break; /* it shrank: gw_root_unchanged says so */
    rc = n < 0 ? -1 : gw_fd_write(fd, chunk, (size_t)n, "root.write");
    at += rc == 0 ? (uint64_t)n : 0;
  }
  free(chunk);
  return rc;
}

/* Where the system knows no other way, a link is made: it never replaces. */
static int rename_new(int at, const char *from, const char *to)
{
  if (renameat2(at, from, at, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return -1;
  if (linkat(at, from, at, to, 0) != 0)
    return -1;
  (void)unlinkat(at, from, 0);
  return 0;
}

static int move(const struct place *p, const char *temp, struct gw_err *err)
{
  int rc;

  if (gw_fault("root.rename")) {
    errno = EIO;
    rc = -1;
  } else if (p->is_there) {
    rc = renameat(p->at, temp, p->at, p->name);
  } else {
    rc = rename_new(p->at, temp, p->name);
  }
  if (rc == 0)
    return 0;
  if (errno == EEXIST)
    return gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
                      "%.150s appeared meanwhile, or another name that is the "
                      "same in this file system",
                      p->path);
  return gw_root_fail(err, p->path);
}

static int fill(const struct place *p, const char *temp,
                const struct content *c, mode_t create, mode_t mode,
                struct gw_err *err)
{
  int fd = openat(p->at, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
                                   O_NOFOLLOW,
                  create);
  int rc = -1;

  if (fd < 0)
    return gw_root_fail(err, p->path);
  if (pour(fd, c) != 0 || (mode != KEEP && fchmod(fd, mode) != 0) ||
      gw_fd_sync(fd, "root.fsync") != 0)
    gw_root_fail(err, p->path);
  else
    rc = c->fd < 0 ? 0 : gw_root_unchanged(c->fd, c->st, c->size, p->path, err);
  if (close(fd) != 0 && rc == 0)
    rc = gw_root_fail(err, p->path);
  return rc;
}

static int replace(const struct place *p, const struct content *c,
                   mode_t create, mode_t mode, struct gw_err *err)
{
  char temp[GW_PATH_TEMP];

  if (take(GW_BUDGET_WRITES, "writing", p->path, err) != 0 ||
      gw_path_temp_name(temp, err) != 0)
    return -1;
  if (fill(p, temp, c, create, mode, err) == 0 && move(p, temp, err) == 0)
    return 0;
  (void)unlinkat(p->at, temp, 0);
  return -1;
}

static int set_mode(const struct place *p, mode_t mode, struct gw_err *err)
{
  if (take(GW_BUDGET_WRITES, "changing", p->path, err) != 0)
    return -1;
  int fd = openat(p->at, p->name,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int rc = fd < 0 || fchmod(fd, mode) != 0 ? gw_root_fail(err, p->path) : 0;

  if (fd >= 0)
    (void)close(fd);
  return rc;
}

static int pass_on(struct gw_err *err, const struct gw_err *e)
{
  if (err)
    *err = *e;
  return -1;
}

/* --- places ------------------------------------------------------------ */

static int look(struct place *p, struct gw_root *root, const char *path,
                struct gw_put_opts opts, struct gw_err *err)
{
  struct gw_err e = {0};

  *p = (struct place){.path = path};
  p->at = gw_root_walk(root, path, !opts.dry, &p->name, &e);
  if (p->at < 0) {
    /* In a dry run its folder is still to be made. */
    return opts.dry && e.kind == GW_ENOTFOUND ? 0 : pass_on(err, &e);
  }
  p->is_there = fstatat(p->at, p->name, &p->st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!p->is_there && errno != ENOENT)
    gw_root_fail(err, path);
  else if (p->is_there && S_ISDIR(p->st.st_mode))
    gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
               "%.180s: a folder is in the way", path);
  else if (p->is_there && opts.is_new)
    gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
               "%.150s appeared meanwhile, or another name that is the same "
               "in this file system",
               path);
  else
    return 0;
  (void)close(p->at);
  return -1;
}

static void leave(struct place *p)
{
  if (p->at >= 0)
    (void)close(p->at);
}

/* mode: what it shall be if it is there already; KEEP: as it is. */
static int put(const struct place *p, const struct content *c, mode_t create,
               mode_t mode, struct gw_put_opts opts, enum gw_put *done,
               struct gw_err *err)
{
  *done = GW_PUT_WRITTEN;
  if (is_same(p, c)) {
    bool right = mode == KEEP || (p->st.st_mode & 0777) == mode;
    *done = right ? GW_PUT_UNCHANGED : GW_PUT_MODE;
    return right || opts.dry ? 0 : set_mode(p, mode, err);
  }
  return opts.dry ? 0 : replace(p, c, create, mode, err);
}

/* What a file that is there may be, made executable or not. */
static mode_t with_x(mode_t old, bool executable)
{
  old &= 0777;
  if (((old & 0100) != 0) == executable)
    return old;
  return executable ? old | ((old & 0444) >> 2) : old & ~(mode_t)0111;
}

int gw_root_write(struct gw_root *root, const char *path, const void *data,
                  size_t len, bool executable, struct gw_put_opts opts,
                  enum gw_put *done, struct gw_err *err)
{
  struct content c = {.data = data, .size = len, .fd = -1};
  struct place p;

  if (look(&p, root, path, opts, err) != 0)
    return -1;
  bool is_file = p.is_there && S_ISREG(p.st.st_mode);
  int rc = put(&p, &c, executable ? 0777 : 0666,
               is_file ? with_x(p.st.st_mode, executable) : KEEP, opts, done,
               err);
  leave(&p);
  return rc;
}

int gw_root_copy(struct gw_root *root, struct gw_root *from, const char *path,
                 struct gw_put_opts opts, enum gw_put *done, uint64_t *bytes,
                 struct gw_err *err)
{
  struct stat st;
  struct content c = {.st = &st};
  struct place p;
  int rc;

  c.fd = gw_root_open_file(from, path, &st, err);
  if (c.fd < 0)
    return -1;
  c.size = (uint64_t)st.st_size;
  rc = look(&p, root, path, opts, err);
  if (rc == 0) {
    rc = put(&p, &c, 0600, st.st_mode & 0777, opts, done, err);
    leave(&p);
  }
  if (rc == 0 && *done != GW_PUT_WRITTEN)
    rc = gw_root_unchanged(c.fd, &st, c.size, path, err);
  *bytes = rc == 0 && *done == GW_PUT_WRITTEN ? c.size : 0;
  (void)close(c.fd);
  return rc;
}

/* --- links ------------------------------------------------------------- */

static bool points_to(const struct place *p, const char *target)
{
  char text[PATH_MAX];
  ssize_t n = p->is_there && S_ISLNK(p->st.st_mode)
                  ? readlinkat(p->at, p->name, text, sizeof(text))
                  : -1;

  return n >= 0 && (size_t)n == strlen(target) &&
         memcmp(text, target, (size_t)n) == 0;
}

static int make_link(const struct place *p, const char *target,
                     struct gw_err *err)
{
  char temp[GW_PATH_TEMP];

  if (take(GW_BUDGET_WRITES, "writing", p->path, err) != 0 ||
      gw_path_temp_name(temp, err) != 0)
    return -1;
  if (gw_fault("root.write"))
    errno = ENOSPC;
  else if (symlinkat(target, p->at, temp) == 0) {
    if (move(p, temp, err) == 0)
      return 0;
    (void)unlinkat(p->at, temp, 0);
    return -1;
  }
  return gw_root_fail(err, p->path);
}

int gw_root_link(struct gw_root *root, const char *path, const char *target,
                 struct gw_put_opts opts, enum gw_put *done,
                 struct gw_err *err)
{
  struct place p;
  int rc = 0;

  if (look(&p, root, path, opts, err) != 0)
    return -1;
  *done = points_to(&p, target) ? GW_PUT_UNCHANGED : GW_PUT_WRITTEN;
  if (*done == GW_PUT_WRITTEN && !opts.dry)
    rc = make_link(&p, target, err);
  leave(&p);
  return rc;
}

/* --- removing ---------------------------------------------------------- */

/* The folders above a path, from below, as far as they are empty. */
static void remove_empty(struct gw_root *root, const char *path)
{
  char *copy = strdup(path);
  char *slash;

  while (copy && (slash = strrchr(copy, '/'))) {
    const char *name;
    *slash = '\0';
    int at = gw_root_walk(root, copy, false, &name, NULL);
    if (at < 0)
      break;
    int rc = unlinkat(at, name, AT_REMOVEDIR);
    (void)close(at);
    if (rc != 0)
      break;
  }
  free(copy);
}

/* What a run of ours left half written is nobody's file. */
static int take_removal(int at, const char *name, const char *path,
                        struct gw_err *err)
{
  struct stat st;

  if (gw_path_is_temp(name) ||
      fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return 0;
  return take(GW_BUDGET_DELETES, "removing", path, err);
}

int gw_root_remove(struct gw_root *root, const char *path, struct gw_err *err)
{
  const char *name;
  struct gw_err e = {0};
  int at = gw_root_walk(root, path, false, &name, &e);
  int rc;

  if (at < 0)
    return e.kind == GW_ENOTFOUND ? 0 : pass_on(err, &e);
  if (take_removal(at, name, path, err) != 0) {
    (void)close(at);
    return -1;
  }
  rc = gw_fault("root.remove") ? (errno = EIO, -1) : unlinkat(at, name, 0);
  if (rc != 0 && errno == ENOENT)
    rc = 0;
  if (rc != 0)
    gw_root_fail(err, path);
  (void)close(at);
  if (rc == 0)
    remove_empty(root, path);
  return rc;
}

int gw_root_sync(struct gw_root *root, const char *dir, struct gw_err *err)
{
  struct gw_err e = {0};
  int fd = gw_root_folder(root, dir, &e);

  if (fd < 0 && (e.kind == GW_ENOTFOUND || e.kind == GW_ECONFLICT))
    return 0; /* removed since, or a file is there now */
  if (fd < 0)
    return pass_on(err, &e);
  int rc = gw_fd_sync(fd, "root.fsync") == 0 ? 0 : gw_root_fail(err, dir);
  (void)close(fd);
  return rc;
}
