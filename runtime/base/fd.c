/*
 * fd: writing and syncing open files. Asks for the caller's faults, so that
 * each place fails by a name of its own.
 */
#include "base/fd.h"

#include "base/fault.h"

#include <errno.h>
#include <unistd.h>

int gw_fd_write(int fd, const void *data, size_t len, const char *fault)
{
  const char *at = data;

  (void)fault; /* not asked for without GODWIT_FAULTS */
  while (len > 0) {
    ssize_t n = gw_fault(fault) ? (errno = ENOSPC, -1) : write(fd, at, len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

int gw_fd_sync(int fd, const char *fault)
{
  (void)fault;
  if (gw_fault(fault)) {
    errno = EIO;
    return -1;
  }
  return fsync(fd);
}
