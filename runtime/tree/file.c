#include "tree/file.h"

#include "base/fault.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)

static int no_memory(struct gw_err *err, const char *op)
{
  return gw_err_set(err, GW_ENOMEM, op, "out of memory");
}

/* --- reading ----------------------------------------------------------- */

int gw_file_open(int *fd, struct stat *st, const char *path, struct gw_err *err)
{
  *fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (*fd < 0)
    return gw_err_errno(err, "file.open", path);
  if (fstat(*fd, st) == 0 && S_ISREG(st->st_mode))
    return 0;
  (void)close(*fd);
  *fd = -1;
  return gw_err_set(err, GW_EIO, "file.open", "%.200s is no regular file",
                    path);
}

ssize_t gw_file_read(int fd, void *out, size_t max, struct gw_err *err)
{
  ssize_t n;

  do {
    n = gw_fault("file.read") ? (errno = EIO, -1) : read(fd, out, max);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? gw_err_errno(err, "file.read", "a file") : n;
}

int gw_file_md5(int fd, char hex[65], struct gw_err *err)
{
  struct gw_hash *hash = gw_hash_new(GW_HASH_MD5, err);
  char *piece = malloc(PIECE);
  off_t at = 0;
  ssize_t n = 1;
  int rc = -1;

  if (!piece)
    no_memory(err, "file.md5");
  if (!hash || !piece)
    goto out;
  while (n > 0) {
    n = pread(fd, piece, PIECE, at);
    if (n < 0 && errno == EINTR) {
      n = 1;
      continue;
    }
    if (n < 0) {
      gw_err_errno(err, "file.md5", "a file");
      goto out;
    }
    at += n;
    if (gw_hash_update(hash, piece, (size_t)n, err) != 0)
      goto out;
  }
  rc = gw_hash_hex(hash, hex, err);
out:
  free(piece);
  gw_hash_free(hash);
  return rc;
}

/* --- writing ----------------------------------------------------------- */

struct gw_file_new {
  int fd; /* -1: closed */
  struct gw_hash *hash;
  bool placed;
  char path[];
};

int gw_file_create(struct gw_file_new **out, const char *path,
                   struct gw_err *err)
{
  size_t len = strlen(path) + 1;
  struct gw_file_new *file = malloc(sizeof(*file) + len);

  *out = NULL;
  if (!file)
    return no_memory(err, "file.create");
  memcpy(file->path, path, len);
  file->placed = true; /* nothing to remove yet */
  file->fd = -1;
  file->hash = gw_hash_new(GW_HASH_MD5, err);
  if (!file->hash)
    goto fail;
  if (gw_fault("file.create"))
    errno = EIO;
  else
    file->fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file->fd < 0) {
    gw_err_errno(err, "file.create", path);
    goto fail;
  }
  file->placed = false;
  *out = file;
  return 0;
fail:
  gw_file_drop(file);
  return -1;
}

int gw_file_append(struct gw_file_new *file, const void *data, size_t len,
                   struct gw_err *err)
{
  const char *at = data;

  if (gw_hash_update(file->hash, data, len, err) != 0)
    return -1;
  while (len > 0) {
    ssize_t n = gw_fault("file.write") ? (errno = ENOSPC, -1)
                                       : write(file->fd, at, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return gw_err_errno(err, "file.write", file->path);
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

int gw_file_place(struct gw_file_new *file, const char *path, char md5[65],
                  struct stat *st, struct gw_err *err)
{
  struct stat own;

  if (gw_hash_hex(file->hash, md5, err) != 0)
    return -1;
  if (gw_fault("file.place"))
    errno = EIO;
  else if (fstat(file->fd, st ? st : &own) == 0 &&
           rename(file->path, path) == 0) {
    file->placed = true;
    return 0;
  }
  return gw_err_errno(err, "file.place", path);
}

void gw_file_drop(struct gw_file_new *file)
{
  if (!file)
    return;
  if (!file->placed)
    (void)unlink(file->path);
  if (file->fd >= 0)
    (void)close(file->fd);
  gw_hash_free(file->hash);
  free(file);
}

/* --- folders ----------------------------------------------------------- */

struct gw_file_walk {
  DIR *stream;
  char dir[];
};

int gw_file_walk_fd(struct gw_file_walk **out, int fd, const char *dir,
                    struct gw_err *err)
{
  size_t len = strlen(dir) + 1;
  struct gw_file_walk *walk = malloc(sizeof(*walk) + len);

  *out = NULL;
  if (!walk) {
    (void)close(fd);
    return no_memory(err, "file.walk");
  }
  memcpy(walk->dir, dir, len);
  walk->stream = fdopendir(fd);
  if (walk->stream) {
    *out = walk;
    return 0;
  }
  gw_err_errno(err, "file.walk", dir);
  (void)close(fd);
  free(walk);
  return -1;
}

int gw_file_walk_open(struct gw_file_walk **out, const char *dir,
                      struct gw_err *err)
{
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  *out = NULL;
  if (fd < 0)
    return gw_err_errno(err, "file.walk", dir);
  return gw_file_walk_fd(out, fd, dir, err);
}

static bool is_dots(const char *name)
{
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int gw_file_walk_next(struct gw_file_walk *walk, const char **name,
                      struct stat *st, struct gw_err *err)
{
  struct dirent *d;

  while ((errno = 0, d = readdir(walk->stream)) != NULL) {
    if (is_dots(d->d_name))
      continue;
    if (fstatat(dirfd(walk->stream), d->d_name, st, AT_SYMLINK_NOFOLLOW) == 0) {
      *name = d->d_name;
      return 1;
    }
    if (errno != ENOENT)
      break;
  }
  return errno ? gw_err_errno(err, "file.walk", walk->dir) : 0;
}

void gw_file_walk_close(struct gw_file_walk *walk)
{
  if (!walk)
    return;
  (void)closedir(walk->stream);
  free(walk);
}

static bool is_file(DIR *stream, const struct dirent *d)
{
  struct stat st;

  if (d->d_type != DT_UNKNOWN)
    return d->d_type == DT_REG;
  return fstatat(dirfd(stream), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(st.st_mode);
}

static int read_names(struct gw_buf *out, size_t *count, DIR *stream,
                      const char *dir, struct gw_err *err)
{
  struct dirent *d;

  while ((errno = 0, d = readdir(stream)) != NULL) {
    if (!is_file(stream, d))
      continue;
    if (gw_buf_append(out, d->d_name, strlen(d->d_name) + 1, err) != 0)
      return -1;
    ++*count;
  }
  return errno ? gw_err_errno(err, "file.names", dir) : 0;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sort_names(struct gw_buf *names, size_t count, struct gw_err *err)
{
  const char **list = malloc((count + 1) * sizeof(*list));
  char *sorted = malloc(names->len + 1), *to = sorted;
  const char *at = names->data;

  if (!list || !sorted) {
    free(list);
    free(sorted);
    return no_memory(err, "file.names");
  }
  for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
    list[i] = at;
  if (count)
    qsort(list, count, sizeof(*list), by_name);
  for (size_t i = 0; i < count; i++)
    to = stpcpy(to, list[i]) + 1;
  if (count)
    memcpy(names->data, sorted, names->len);
  free(list);
  free(sorted);
  return 0;
}

int gw_file_names(struct gw_buf *out, size_t *count, const char *dir,
                  struct gw_err *err)
{
  struct gw_file_walk *walk;
  int rc;

  *count = 0;
  if (gw_file_walk_open(&walk, dir, err) != 0)
    return -1;
  rc = read_names(out, count, walk->stream, dir, err);
  if (rc == 0)
    rc = sort_names(out, *count, err);
  gw_file_walk_close(walk);
  return rc;
}
