/*
 * fd: what an open file is given, whole and synced. Answers are those of
 * write(2) and fsync(2): 0, or -1 with errno.
 */
#ifndef GW_BASE_FD_H
#define GW_BASE_FD_H

#include <stddef.h>

/* All of it, however often write() is interrupted or takes a part. */
int gw_fd_write(int fd, const void *data, size_t len, const char *fault);

int gw_fd_sync(int fd, const char *fault);

#endif
