#include "tree/dir.h"

#include "base/fault.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *gw_dir_type_name(enum gw_dir_type type)
{
  static const char *const names[] = {"file", "dir", "link", "other"};

  return names[type];
}

static void fill(struct gw_dir_entry *entry, const struct stat *st)
{
  entry->type = S_ISREG(st->st_mode)   ? GW_DIR_FILE
                : S_ISDIR(st->st_mode) ? GW_DIR_DIR
                : S_ISLNK(st->st_mode) ? GW_DIR_LINK
                                       : GW_DIR_OTHER;
  entry->size = (uint64_t)st->st_size;
  entry->mtime = (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9;
  entry->mode = st->st_mode & 07777;
  entry->ctime = (double)st->st_ctim.tv_sec + (double)st->st_ctim.tv_nsec / 1e9;
  entry->inode = st->st_ino;
}

int gw_dir_stat(struct gw_dir_entry *out, const char *path, struct gw_err *err)
{
  struct stat st;

  if (lstat(path, &st) != 0)
    return gw_err_errno(err, "fs.stat", path);
  out->name = NULL;
  fill(out, &st);
  return 0;
}

static int by_name(const void *a, const void *b)
{
  const struct gw_dir_entry *x = a;
  const struct gw_dir_entry *y = b;

  return strcmp(x->name, y->name);
}

static int add_entry(struct gw_dir *dir, size_t *cap, const char *name,
                     const struct stat *st, struct gw_err *err)
{
  struct gw_dir_entry *entry;

  if (dir->count == *cap) {
    size_t more = *cap ? *cap * 2 : 32;
    struct gw_dir_entry *grown =
        gw_fault("dir.list")
            ? NULL
            : realloc(dir->entries, more * sizeof(*dir->entries));
    if (!grown)
      return gw_err_set(err, GW_ENOMEM, "fs.list", "out of memory");
    dir->entries = grown;
    *cap = more;
  }
  entry = &dir->entries[dir->count];
  entry->name = strdup(name);
  if (!entry->name)
    return gw_err_set(err, GW_ENOMEM, "fs.list", "out of memory");
  fill(entry, st);
  dir->count++;
  return 0;
}

static int read_entries(struct gw_dir *out, DIR *stream, const char *path,
                        struct gw_err *err)
{
  size_t cap = 0;
  struct dirent *d;

  while ((errno = 0, d = readdir(stream)) != NULL) {
    struct stat st;
    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
      continue;
    if (fstatat(dirfd(stream), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT)
        continue;
      return gw_err_errno(err, "fs.list", path);
    }
    if (add_entry(out, &cap, d->d_name, &st, err) != 0)
      return -1;
  }
  return errno ? gw_err_errno(err, "fs.list", path) : 0;
}

int gw_dir_list(struct gw_dir *out, const char *path, struct gw_err *err)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return gw_err_errno(err, "fs.list", path);
  return gw_dir_list_fd(out, fd, path, err);
}

int gw_dir_list_fd(struct gw_dir *out, int fd, const char *path,
                   struct gw_err *err)
{
  struct gw_dir dir = {NULL, 0};
  DIR *stream = fdopendir(fd);
  int rc;

  if (!stream) {
    gw_err_errno(err, "fs.list", path);
    (void)close(fd);
    return -1;
  }
  rc = read_entries(&dir, stream, path, err);
  (void)closedir(stream);
  if (rc != 0) {
    gw_dir_dispose(&dir);
    return -1;
  }
  if (dir.count)
    qsort(dir.entries, dir.count, sizeof(*dir.entries), by_name);
  *out = dir; /* the caller's now */
  return 0;
}

void gw_dir_dispose(struct gw_dir *dir)
{
  for (size_t i = 0; i < dir->count; i++)
    free(dir->entries[i].name);
  free(dir->entries);
  dir->entries = NULL;
  dir->count = 0;
}

int gw_dir_temp(char **out, const char *path, const char *prefix,
                struct gw_err *err)
{
  unsigned long long dice;
  char *name;

  if (gw_random(&dice, sizeof(dice), err) != 0)
    return -1;
  if (asprintf(&name, "%s/%s-%016llx", path, prefix, dice) < 0)
    return gw_err_set(err, GW_ENOMEM, "fs.mktemp", "out of memory");
  if (mkdir(name, 0700) != 0) {
    gw_err_errno(err, "fs.mktemp", name);
    free(name);
    return -1;
  }
  *out = name; /* the caller's now */
  return 0;
}

int gw_dir_remove(const char *path, struct gw_err *err)
{
  return remove(path) == 0 ? 0 : gw_err_errno(err, "fs.remove", path);
}

/* Of the folder that holds path; best effort, the rename itself is done. */
static void sync_folder(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *copy = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path))
                     : strdup(".");
  int fd = copy ? open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  if (fd >= 0) {
    (void)fsync(fd);
    (void)close(fd);
  }
  free(copy);
}

int gw_dir_rename(const char *from, const char *to, struct gw_err *err)
{
  if (gw_fault("dir.rename"))
    errno = EIO;
  else if (rename(from, to) == 0) {
    sync_folder(to);
    sync_folder(from);
    return 0;
  }
  return gw_err_errno(err, "fs.rename", from);
}
