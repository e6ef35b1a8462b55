/*
 * path: names and small files on disk.
 */
#ifndef GW_BASE_PATH_H
#define GW_BASE_PATH_H

#include "base/buf.h"

#include <sys/types.h>

/* True for one ordinary name: not empty, no '/', no NUL, not "." or "..",
 * not ".git" in any spelling that Git refuses, at most 255 bytes. */
bool gw_path_is_name(const char *name, size_t len);

/* True for a relative path made of such names. What a tree may hold. */
bool gw_path_is_safe(const char *path, size_t len);

/* mkdir -p; an existing folder is fine and keeps its mode. */
int gw_path_mkdirs(const char *path, mode_t mode, struct gw_err *err);

/* Reads a whole regular file; GW_ELIMIT past max. */
int gw_path_read(const char *path, size_t max, struct gw_buf *out,
                 struct gw_err *err);

/* The name of a file that is still being written: ".godwit-", 16 hex digits
 * and, of the parts of a copy, "-" and more of them. Nobody else's file is
 * called so. temp_name makes one of the first kind. */
#define GW_PATH_TEMP 32
bool gw_path_is_temp(const char *name);
int gw_path_temp_name(char name[GW_PATH_TEMP], struct gw_err *err);

/*
 * Writes temp, fsync, rename, fsync of the folder: after a crash there is the
 * old file or the new one. Faults: path.write, path.fsync, path.rename.
 */
int gw_path_write(const char *path, const void *data, size_t len, mode_t mode,
                  struct gw_err *err);

/* rm -r without following links; missing is fine. */
int gw_path_remove_tree(const char *path, struct gw_err *err);

#endif
