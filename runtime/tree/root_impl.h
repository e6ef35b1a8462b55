/*
 * root_impl: what root.c and put.c share.
 */
#ifndef GW_TREE_ROOT_IMPL_H
#define GW_TREE_ROOT_IMPL_H

#include "tree/root.h"

#include <fcntl.h>
#include <sys/stat.h>

#define GW_ROOT_OP "folder"
#define GW_ROOT_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct gw_root {
  int fd;
  int held; /* loop thread */
  bool write;
  char *path;
};

/* Fills *err from errno; a link in the way is GW_ECONFLICT. Is -1. */
int gw_root_fail(struct gw_err *err, const char *path);

/* The folder that holds path, opened (O_PATH), and the last name of path; -1
 * after a failure. */
int gw_root_walk(struct gw_root *root, const char *path, bool make,
                 const char **name, struct gw_err *err);

/* A folder, opened for listing and syncing. */
int gw_root_folder(struct gw_root *root, const char *dir, struct gw_err *err);

/* A regular file, opened for reading. */
int gw_root_open_file(struct gw_root *root, const char *path, struct stat *st,
                      struct gw_err *err);

/* Is what was read from it one state of the file? */
int gw_root_unchanged(int fd, const struct stat *before, uint64_t bytes,
                      const char *path, struct gw_err *err);

#endif
