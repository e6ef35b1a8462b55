#include "tree/root.h"

#include "base/fault.h"
#include "base/hash.h"
#include "tree/access.h"
#include "tree/file.h"
#include "tree/root_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- opening ----------------------------------------------------------- */

static int make_below(int *fd, char *rest, const char *path, struct gw_err *err)
{
  for (char *name = rest; *name;) {
    size_t len = strcspn(name, "/");
    bool last = name[len] == '\0';
    name[len] = '\0';
    if (mkdirat(*fd, name, 0777) != 0 && errno != EEXIST)
      return gw_err_errno(err, GW_ROOT_OP, path);
    int next = openat(*fd, name, GW_ROOT_FOLDER);
    if (next < 0)
      return gw_err_errno(err, GW_ROOT_OP, path);
    (void)close(*fd);
    *fd = next;
    name += len + (last ? 0 : 1);
  }
  return 0;
}

static int refuse_in_plan(const char *path, struct gw_err *err)
{
  if (!gw_access_planning())
    return 0;
  return gw_err_set(err, GW_EDENIED, GW_ROOT_OP,
                    "%.180s is not opened for writing in a plan", path);
}

/* *fd is -1 after a failure. */
static int open_allowed(int *fd, char **rest, const char *path, bool write,
                        struct gw_err *err)
{
  if (gw_access_nearest(fd, rest, path, err) != 0)
    return -1;
  if (gw_access_check(*fd, *rest, path, write, err) == 0)
    return 0;
  free(*rest);
  (void)close(*fd);
  *fd = -1;
  return -1;
}

int gw_root_may_open(const char *path, bool write, struct gw_err *err)
{
  char *rest;
  int fd;

  if (open_allowed(&fd, &rest, path, write, err) != 0)
    return -1;
  free(rest);
  (void)close(fd);
  return 0;
}

static int settle_open(int *fd, char *rest, const char *path, bool write,
                       struct gw_err *err)
{
  if (*rest && !write) {
    errno = ENOENT;
    return gw_err_errno(err, GW_ROOT_OP, path);
  }
  return *rest ? make_below(fd, rest, path, err) : 0;
}

/* Makes a root of fd, which is closed when that fails. */
static int adopt(struct gw_root **out, int fd, const char *path, bool write,
                 struct gw_err *err)
{
  char name[64], real[PATH_MAX];
  struct gw_root *root = calloc(1, sizeof(*root));

  (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
  if (root)
    root->path = strdup(realpath(name, real) ? real : path);
  if (!root || !root->path) {
    free(root);
    (void)close(fd);
    return gw_err_set(err, GW_ENOMEM, GW_ROOT_OP, "out of memory");
  }
  root->fd = fd;
  root->held = 1;
  root->write = write;
  *out = root; /* the caller's now */
  return 0;
}

int gw_root_open(struct gw_root **out, const char *path, bool write,
                 struct gw_err *err)
{
  char *rest;
  int fd;

  if ((write && refuse_in_plan(path, err) != 0) ||
      open_allowed(&fd, &rest, path, write, err) != 0)
    return -1;
  int rc = settle_open(&fd, rest, path, write, err);
  free(rest);
  if (rc != 0) {
    (void)close(fd);
    return -1;
  }
  return adopt(out, fd, path, write, err);
}

int gw_root_open_own(struct gw_root **out, const char *path, bool write,
                     struct gw_err *err)
{
  int fd;

  if (write && refuse_in_plan(path, err) != 0)
    return -1;
  fd = open(path, GW_ROOT_FOLDER);
  if (fd < 0)
    return gw_err_errno(err, GW_ROOT_OP, path);
  return adopt(out, fd, path, write, err);
}

struct gw_root *gw_root_ref(struct gw_root *root)
{
  root->held++;
  return root;
}

void gw_root_unref(struct gw_root *root)
{
  if (!root || --root->held > 0)
    return;
  (void)close(root->fd);
  free(root->path);
  free(root);
}

const char *gw_root_path(const struct gw_root *root)
{
  return root->path;
}

int gw_root_fd(const struct gw_root *root, bool write, struct gw_err *err)
{
  if (write && refuse_in_plan(root->path, err) != 0)
    return -1;
  if (!write || root->write)
    return root->fd;
  return gw_err_set(err, GW_EDENIED, GW_ROOT_OP,
                    "%.180s was not opened for writing", root->path);
}

/* --- the way to a name ------------------------------------------------- */

int gw_root_fail(struct gw_err *err, const char *path)
{
  if (errno == ELOOP || errno == ENOTDIR)
    return gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
                      "%.180s: a link or a file is in the way, and links are "
                      "not followed",
                      path);
  return gw_err_errno(err, GW_ROOT_OP, path);
}

/* The folder of that name, made when it is missing. */
static int step(int at, const char *name, bool make)
{
  int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0 || errno != ENOENT || !make)
    return fd;
  if (gw_fault("root.mkdir")) {
    errno = ENOSPC;
    return -1;
  }
  if (mkdirat(at, name, 0777) != 0 && errno != EEXIST)
    return -1;
  return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* "..", "." and the like never come from a folder's list: a caller's slip. */
static bool is_plain(const char *path)
{
  for (;;) {
    size_t len = strcspn(path, "/");
    if (len == 0 || len > NAME_MAX || (len == 1 && path[0] == '.') ||
        (len == 2 && path[0] == '.' && path[1] == '.'))
      return false;
    if (path[len] == '\0')
      return true;
    path += len + 1;
  }
}

int gw_root_walk(struct gw_root *root, const char *path, bool make,
                 const char **name, struct gw_err *err)
{
  const char *p = path;
  int at;

  if (!is_plain(path))
    return gw_err_set(err, GW_EUSAGE, GW_ROOT_OP,
                      "\"%.180s\" is no path below a folder", path);
  at = fcntl(root->fd, F_DUPFD_CLOEXEC, 0);
  while (at >= 0) {
    char part[NAME_MAX + 1];
    size_t len = strcspn(p, "/");
    if (p[len] == '\0') {
      *name = p;
      return at;
    }
    memcpy(part, p, len);
    part[len] = '\0';
    int next = step(at, part, make);
    int why = errno;
    (void)close(at);
    errno = why;
    at = next;
    p += len + 1;
  }
  return gw_root_fail(err, path);
}

int gw_root_folder(struct gw_root *root, const char *dir, struct gw_err *err)
{
  const char *name;
  int at, fd;

  if (!*dir) {
    fd = openat(root->fd, ".", GW_ROOT_FOLDER);
    return fd < 0 ? gw_root_fail(err, root->path) : fd;
  }
  at = gw_root_walk(root, dir, false, &name, err);
  if (at < 0)
    return -1;
  fd = openat(at, name, GW_ROOT_FOLDER);
  int why = errno;
  (void)close(at);
  errno = why;
  return fd < 0 ? gw_root_fail(err, dir) : fd;
}

/* --- reading ----------------------------------------------------------- */

int gw_root_list(struct gw_root *root, const char *dir, struct gw_dir *out,
                 struct gw_err *err)
{
  int fd = gw_root_folder(root, dir, err);

  return fd < 0 ? -1 : gw_dir_list_fd(out, fd, *dir ? dir : root->path, err);
}

int gw_root_entries(struct gw_root *root, struct gw_file_walk **out,
                    struct gw_err *err)
{
  int fd = gw_root_folder(root, "", err);

  return fd < 0 ? -1 : gw_file_walk_fd(out, fd, root->path, err);
}

int gw_root_open_file(struct gw_root *root, const char *path, struct stat *st,
                      struct gw_err *err)
{
  const char *name;
  int at = gw_root_walk(root, path, false, &name, err);
  int fd;

  if (at < 0)
    return -1;
  /* A pipe in the file's place must not hang us in openat(). */
  fd = gw_fault("root.open")
           ? (errno = EACCES, -1)
           : openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  int why = errno;
  (void)close(at);
  errno = why;
  if (fd < 0 || fstat(fd, st) != 0) {
    gw_root_fail(err, path);
  } else if (!S_ISREG(st->st_mode)) {
    gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
               "%.180s is no ordinary file any more", path);
  } else {
    return fd;
  }
  if (fd >= 0)
    (void)close(fd);
  return -1;
}

int gw_root_unchanged(int fd, const struct stat *before, uint64_t bytes,
                      const char *path, struct gw_err *err)
{
  struct stat now;

  if (fstat(fd, &now) != 0)
    return gw_root_fail(err, path);
  if (!gw_fault("root.changed") && bytes == (uint64_t)before->st_size &&
      now.st_size == before->st_size &&
      memcmp(&now.st_mtim, &before->st_mtim, sizeof(now.st_mtim)) == 0 &&
      memcmp(&now.st_ctim, &before->st_ctim, sizeof(now.st_ctim)) == 0)
    return 0;
  gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP, "%.180s changed while it was read",
             path);
  if (err)
    err->retryable = true;
  return -1;
}

int gw_root_read(struct gw_root *root, const char *path, size_t max,
                 struct gw_buf *out, mode_t *mode, struct gw_err *err)
{
  char chunk[16384];
  struct stat st;
  uint64_t total = 0;
  int fd = gw_root_open_file(root, path, &st, err);
  int rc = fd < 0 ? -1 : 0;

  if (rc == 0 && (uint64_t)st.st_size > max)
    rc = gw_err_set(err, GW_ELIMIT, GW_ROOT_OP,
                    "%.150s has %lld bytes; at most %zu are taken", path,
                    (long long)st.st_size, max);
  while (rc == 0) {
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      rc = gw_root_fail(err, path);
    if (n <= 0 || (total += (uint64_t)n) > (uint64_t)st.st_size)
      break; /* its end, or it grows */
    rc = gw_buf_append(out, chunk, (size_t)n, err);
  }
  if (rc == 0)
    rc = gw_root_unchanged(fd, &st, total, path, err);
  *mode = rc == 0 ? st.st_mode & 0777 : 0;
  if (fd >= 0)
    (void)close(fd);
  return rc;
}

/* *text is the caller's. */
static int read_target(int at, const char *name, char text[PATH_MAX])
{
  ssize_t n = readlinkat(at, name, text, PATH_MAX - 1);

  if (n < 0)
    return -1;
  text[n] = '\0';
  return 0;
}

int gw_root_readlink(struct gw_root *root, const char *path, struct gw_buf *out,
                     struct gw_err *err)
{
  char text[PATH_MAX];
  const char *name;
  int at = gw_root_walk(root, path, false, &name, err);

  if (at < 0)
    return -1;
  int rc = read_target(at, name, text);
  int why = errno;
  (void)close(at);
  if (rc == 0)
    return gw_buf_append(out, text, strlen(text), err);
  errno = why;
  if (why == EINVAL)
    return gw_err_set(err, GW_ECONFLICT, GW_ROOT_OP,
                      "%.180s is no link any more", path);
  return gw_root_fail(err, path);
}
