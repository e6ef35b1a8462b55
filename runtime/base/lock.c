#include "base/lock.h"

#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SIGNATURE 16 /* bytes: the holder's number, spaces, a line's end */

struct gw_lock {
  int fd;
};

static int fail_locked(int fd, const char *path, struct gw_err *err)
{
  char holder[24] = "";
  ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

  holder[n > 0 ? n : 0] = '\0';
  holder[strcspn(holder, " \n")] = '\0';
  gw_err_set(err, GW_ELOCKED, "lock", "%s: in use by %s%s", path,
             *holder ? "process " : "another process", holder);
  if (err)
    err->retryable = true;
  return -1;
}

/* For the message of whoever finds it taken; nothing depends on it. The note
 * behind it stays. */
static void sign(int fd)
{
  char text[SIGNATURE + 1];
  int len = snprintf(text, sizeof(text), "%-*ld\n", SIGNATURE - 1,
                     (long)getpid());

  if (len != SIGNATURE || pwrite(fd, text, SIGNATURE, 0) != SIGNATURE)
    return;
}

static int take(int fd, const char *path, struct gw_err *err)
{
  int rc;

  do
    rc = flock(fd, LOCK_EX | LOCK_NB);
  while (rc != 0 && errno == EINTR);
  if (rc != 0 && errno == EWOULDBLOCK)
    return fail_locked(fd, path, err);
  if (rc != 0)
    return gw_err_errno(err, "lock", path);
  sign(fd);
  return 0;
}

int gw_lock_open(struct gw_lock **out, const char *path, struct gw_err *err)
{
  struct gw_lock *lock = gw_fault("lock.open") ? NULL : malloc(sizeof(*lock));

  if (!lock)
    return gw_err_set(err, GW_ENOMEM, "lock", "out of memory");
  lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock->fd < 0) {
    gw_err_errno(err, "lock", path);
    free(lock);
    return -1;
  }
  if (take(lock->fd, path, err) != 0) {
    gw_lock_close(lock);
    return -1;
  }
  *out = lock;
  return 0;
}

int gw_lock_held(bool *held, const char *path, struct gw_err *err)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc;

  *held = false;
  if (fd < 0)
    return errno == ENOENT ? 0 : gw_err_errno(err, "lock", path);
  rc = flock(fd, LOCK_SH | LOCK_NB);
  *held = rc != 0 && errno == EWOULDBLOCK;
  if (rc != 0 && !*held)
    gw_err_errno(err, "lock", path);
  (void)close(fd); /* gives it back */
  return rc == 0 || *held ? 0 : -1;
}

int gw_lock_note(struct gw_lock *lock, const char *text, struct gw_err *err)
{
  size_t len = strlen(text);

  /* In this order: a full disk or a kill leaves the old note, or one that is
   * neither, but never none. */
  if (pwrite(lock->fd, text, len, SIGNATURE) != (ssize_t)len ||
      ftruncate(lock->fd, SIGNATURE + (off_t)len) != 0)
    return gw_err_errno(err, "lock.note", "a lock's file");
  return 0;
}

void gw_lock_close(struct gw_lock *lock)
{
  if (!lock)
    return;
  (void)close(lock->fd);
  free(lock);
}
