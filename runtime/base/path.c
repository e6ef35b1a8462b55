#include "base/path.h"

#include "base/fault.h"
#include "base/fd.h"
#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- names ------------------------------------------------------------- */

static bool same_letters(const char *text, size_t len, const char *lower)
{
  for (size_t i = 0; lower[i]; i++) {
    if (i >= len)
      return false;
    char c = text[i];
    if (c >= 'A' && c <= 'Z')
      c = (char)(c - 'A' + 'a');
    if (c != lower[i])
      return false;
  }
  return true;
}

/* What NTFS opens as .git: the short name "git~1", dots and spaces at the
 * end, a stream after ':'. A backslash is its separator. */
static bool is_ntfs_dotgit(const char *name, size_t len)
{
  size_t i;

  if (same_letters(name, len, ".git"))
    i = 4;
  else if (same_letters(name, len, "git~1"))
    i = 5;
  else
    return false;
  while (i < len && (name[i] == '.' || name[i] == ' '))
    i++;
  return i == len || name[i] == ':' || name[i] == '\\';
}

/* HFS+ ignores these code points; all are three bytes of UTF-8. */
static bool is_hfs_ignored(const char *text, size_t len)
{
  const unsigned char *s = (const unsigned char *)text;
  unsigned c;

  if (len < 3 || (s[0] & 0xf0) != 0xe0 || (s[1] & 0xc0) != 0x80 ||
      (s[2] & 0xc0) != 0x80)
    return false;
  c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
  return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x206a && c <= 0x206f) || c == 0xfeff;
}

static bool is_hfs_dotgit(const char *name, size_t len)
{
  char kept[5];
  size_t n = 0;

  for (size_t i = 0; i < len;) {
    if (is_hfs_ignored(name + i, len - i)) {
      i += 3;
      continue;
    }
    if (n == sizeof(kept))
      return false;
    kept[n++] = name[i++];
  }
  return n == 4 && same_letters(kept, n, ".git");
}

static bool is_dotgit(const char *name, size_t len)
{
  if (is_hfs_dotgit(name, len))
    return true;
  for (;;) {
    const char *slash = memchr(name, '\\', len);
    if (is_ntfs_dotgit(name, len))
      return true;
    if (!slash)
      return false;
    len -= (size_t)(slash + 1 - name);
    name = slash + 1;
  }
}

bool gw_path_is_name(const char *name, size_t len)
{
  if (len == 0 || len > 255 || memchr(name, '/', len) || memchr(name, 0, len))
    return false;
  if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
    return false;
  return !is_dotgit(name, len);
}

bool gw_path_is_safe(const char *path, size_t len)
{
  for (;;) {
    const char *slash = len ? memchr(path, '/', len) : NULL;
    size_t n = slash ? (size_t)(slash - path) : len;
    if (!gw_path_is_name(path, n))
      return false;
    if (!slash)
      return true;
    path += n + 1;
    len -= n + 1;
  }
}

/* --- folders ----------------------------------------------------------- */

static int make_folder(const char *path, mode_t mode, struct gw_err *err)
{
  struct stat st;

  if (gw_fault("path.mkdir"))
    errno = ENOSPC;
  else if (mkdir(path, mode) == 0)
    return 0;
  else if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return 0;
  return gw_err_errno(err, "path.mkdir", path);
}

int gw_path_mkdirs(const char *path, mode_t mode, struct gw_err *err)
{
  struct stat st;
  char *copy;
  int rc = -1;

  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return 0;
  copy = strdup(path);
  if (!copy)
    return gw_err_set(err, GW_ENOMEM, "path.mkdir", "out of memory");
  for (char *p = copy; *p; p++) {
    if (*p != '/' || p == copy)
      continue;
    *p = '\0';
    /* A parent may exist where we may not create: only look, then. */
    if (stat(copy, &st) != 0 && make_folder(copy, mode, err) != 0)
      goto out;
    *p = '/';
  }
  rc = make_folder(copy, mode, err);
out:
  free(copy);
  return rc;
}

static int remove_entries(int fd, const char *shown, struct gw_err *err);

/* Removes one name below the folder; a link itself, not what it points to. */
static int remove_entry(int at, const char *name, const char *shown,
                        struct gw_err *err)
{
  int fd;

  if (gw_fault("path.remove")) {
    errno = EIO;
    return gw_err_errno(err, "path.remove", shown);
  }
  if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR && errno != EPERM)
    return gw_err_errno(err, "path.remove", shown);
  fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return gw_err_errno(err, "path.remove", shown);
  if (remove_entries(fd, shown, err) != 0) /* takes fd */
    return -1;
  if (unlinkat(at, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
    return gw_err_errno(err, "path.remove", shown);
  return 0;
}

static int remove_entries(int fd, const char *shown, struct gw_err *err)
{
  DIR *dir = fdopendir(fd);
  struct dirent *entry;
  int rc = 0;

  if (!dir) {
    gw_err_errno(err, "path.remove", shown);
    (void)close(fd);
    return -1;
  }
  while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      rc = remove_entry(dirfd(dir), entry->d_name, shown, err);
  if (rc == 0 && errno != 0)
    rc = gw_err_errno(err, "path.remove", shown);
  (void)closedir(dir);
  return rc;
}

int gw_path_remove_tree(const char *path, struct gw_err *err)
{
  return remove_entry(AT_FDCWD, path, path, err);
}

/* --- files ------------------------------------------------------------- */

static int read_all(int fd, const char *path, struct gw_buf *out,
                    struct gw_err *err)
{
  char chunk[16384];

  for (;;) {
    ssize_t n = gw_fault("path.read") ? (errno = EIO, -1)
                                      : read(fd, chunk, sizeof(chunk));
    if (n == 0)
      return gw_buf_append(out, "", 0, err); /* data is never NULL */
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return gw_err_errno(err, "path.read", path);
    if (gw_buf_append(out, chunk, (size_t)n, err) != 0)
      return -1;
  }
}

int gw_path_read(const char *path, size_t max, struct gw_buf *out,
                 struct gw_err *err)
{
  /* A pipe in the file's place must not hang us in open(). */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t before = out->max;
  struct gw_err inner = {0};
  struct stat st;
  int rc = -1;

  if (fd < 0)
    return gw_err_errno(err, "path.read", path);
  if (fstat(fd, &st) != 0) {
    gw_err_errno(err, "path.read", path);
    goto out;
  }
  if (!S_ISREG(st.st_mode)) {
    gw_err_set(err, GW_EIO, "path.read", "%s: not a regular file", path);
    goto out;
  }
  if (max && (before == 0 || max < before - out->len))
    out->max = out->len + max;
  rc = read_all(fd, path, out, &inner);
  out->max = before;
  if (rc != 0 && inner.kind == GW_ELIMIT)
    gw_err_set(err, GW_ELIMIT, "path.read", "%s: more than %zu bytes", path,
               max);
  else if (rc != 0 && err)
    *err = inner;
out:
  (void)close(fd);
  return rc;
}

static int rename_in(int dir, const char *from, const char *to)
{
  if (gw_fault("path.rename")) {
    errno = EIO;
    return -1;
  }
  return renameat(dir, from, dir, to);
}

bool gw_path_is_temp(const char *name)
{
  static const char start[] = ".godwit-", digits[] = "0123456789abcdef";
  size_t n;

  if (strncmp(name, start, sizeof(start) - 1) != 0)
    return false;
  name += sizeof(start) - 1;
  n = strspn(name, digits);
  if (n != 16 || name[n] == '\0')
    return n == 16;
  name += n;
  n = strspn(name + 1, digits);
  return *name == '-' && n > 0 && name[1 + n] == '\0';
}

int gw_path_temp_name(char name[GW_PATH_TEMP], struct gw_err *err)
{
  unsigned long long dice;

  if (gw_random(&dice, sizeof(dice), err) != 0)
    return -1;
  (void)snprintf(name, GW_PATH_TEMP, ".godwit-%016llx", dice);
  return 0;
}

/* Writes the file "temp" in the folder; on failure it is gone again. */
static int write_temp(int dir, const char *temp, const void *data, size_t len,
                      mode_t mode)
{
  int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  int why;

  if (fd < 0)
    return -1;
  if (gw_fd_write(fd, data, len, "path.write") == 0 && gw_fd_sync(fd, "path.fsync") == 0) {
    if (close(fd) == 0)
      return 0;
    fd = -1;
  }
  why = errno;
  if (fd >= 0)
    (void)close(fd);
  (void)unlinkat(dir, temp, 0);
  errno = why;
  return -1;
}

static int write_in(int dir, const char *name, const char *temp,
                    const void *data, size_t len, mode_t mode)
{
  if (write_temp(dir, temp, data, len, mode) != 0)
    return -1;
  if (rename_in(dir, temp, name) != 0) {
    int why = errno;
    (void)unlinkat(dir, temp, 0);
    errno = why;
    return -1;
  }
  return gw_fd_sync(dir, "path.fsync"); /* or the name may not survive a crash */
}

/* The folder of path, opened; *name is its last part. */
static int open_folder(const char *path, const char **name)
{
  const char *slash = strrchr(path, '/');
  char *copy;
  int fd;

  *name = slash ? slash + 1 : path;
  if (!slash)
    return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  copy = strndup(path, slash == path ? 1 : (size_t)(slash - path));
  if (!copy)
    return -1;
  fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(copy);
  return fd;
}

int gw_path_write(const char *path, const void *data, size_t len, mode_t mode,
                  struct gw_err *err)
{
  char temp[GW_PATH_TEMP];
  const char *name;
  int rc = -1;
  int dir;

  if (gw_path_temp_name(temp, err) != 0)
    return -1;
  dir = open_folder(path, &name);
  if (dir < 0)
    return gw_err_errno(err, "path.write", path);
  if (*name == '\0') {
    gw_err_set(err, GW_EIO, "path.write", "%s: names a folder", path);
    goto out;
  }
  rc = write_in(dir, name, temp, data, len, mode);
  if (rc != 0)
    gw_err_errno(err, "path.write", path);
out:
  (void)close(dir);
  return rc;
}
