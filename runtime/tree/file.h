/*
 * file: files that are read and written in pieces, and folders too large to
 * list at once. Only regular files; a link in the last place is not followed.
 *
 * Threads: one at a time; every call may block on the disk. gw_file_md5 and
 *          gw_file_names run on a worker.
 */
#ifndef GW_TREE_FILE_H
#define GW_TREE_FILE_H

#include "base/buf.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Opens for reading. GW_EIO for what is no regular file. */
int gw_file_open(int *fd, struct stat *st, const char *path,
                 struct gw_err *err);
/* 0 at the end, -1 with err. Fault: file.read. */
ssize_t gw_file_read(int fd, void *out, size_t max, struct gw_err *err);
/* Of all that is in the file, wherever its descriptor stands. */
int gw_file_md5(int fd, char hex[65], struct gw_err *err);

/* A new file under a name that nobody has, digested on its way. It is there
 * as a whole, or not at all, once it is placed. Not synced: it survives the
 * end of this process, not that of the machine. Faults: file.create,
 * file.write, file.place. */
struct gw_file_new;
int gw_file_create(struct gw_file_new **out, const char *path,
                   struct gw_err *err);
int gw_file_append(struct gw_file_new *file, const void *data, size_t len,
                   struct gw_err *err);
/* In the place of what is there. md5 gets 32 digits; st may be NULL. */
int gw_file_place(struct gw_file_new *file, const char *path, char md5[65],
                  struct stat *st, struct gw_err *err);
void gw_file_drop(struct gw_file_new *file); /* removes what was not placed;
                                                accepts NULL */

/* The names of a folder's regular files, each ended by NUL, sorted as bytes;
 * without those of other things. */
int gw_file_names(struct gw_buf *out, size_t *count, const char *dir,
                  struct gw_err *err);

/* Walks a folder's entries but "." and "..", in no order; what vanishes
 * meanwhile is left out. next: 1, 0 at the end, -1 with err. */
struct gw_file_walk;
/* Of an open folder, which is the walk's from here on, or closed; dir is for
 * messages. */
int gw_file_walk_fd(struct gw_file_walk **out, int fd, const char *dir,
                    struct gw_err *err);
int gw_file_walk_open(struct gw_file_walk **out, const char *dir,
                      struct gw_err *err);
int gw_file_walk_next(struct gw_file_walk *walk, const char **name,
                      struct stat *st, struct gw_err *err);
void gw_file_walk_close(struct gw_file_walk *walk); /* accepts NULL */

#endif
