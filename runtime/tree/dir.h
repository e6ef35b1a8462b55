/*
 * dir: what is in a folder, and what a name is. Links are not followed.
 *
 * Threads: any; blocking.
 */
#ifndef GW_TREE_DIR_H
#define GW_TREE_DIR_H

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

enum gw_dir_type { GW_DIR_FILE, GW_DIR_DIR, GW_DIR_LINK, GW_DIR_OTHER };

struct gw_dir_entry {
  char *name; /* NULL from gw_dir_stat */
  enum gw_dir_type type;
  uint64_t size;
  double mtime; /* seconds since 1970 */
  mode_t mode;  /* permission bits */
  double ctime; /* when anything about it changed */
  uint64_t inode;
};

struct gw_dir {
  struct gw_dir_entry *entries; /* sorted by name, as bytes */
  size_t count;
};

/* *out is filled on success only. A name that vanishes meanwhile is left out.
 * Fault: dir.list. */
int gw_dir_list(struct gw_dir *out, const char *path, struct gw_err *err);
/* Of an open folder, which is closed; path is for messages. */
int gw_dir_list_fd(struct gw_dir *out, int fd, const char *path,
                   struct gw_err *err);
void gw_dir_dispose(struct gw_dir *dir);

/* GW_ENOTFOUND when there is nothing of that name. */
int gw_dir_stat(struct gw_dir_entry *out, const char *path,
                struct gw_err *err);

/* "file", "dir", "link", "other". */
const char *gw_dir_type_name(enum gw_dir_type type);

/* Makes a new empty folder PATH/PREFIX-xxxxxxxxxxxxxxxx, 0700; *out is the
 * caller's (free). */
int gw_dir_temp(char **out, const char *path, const char *prefix,
                struct gw_err *err);

/* A file, a link or an empty folder; missing is GW_ENOTFOUND. */
int gw_dir_remove(const char *path, struct gw_err *err);

/* Over an existing file, too; the folders are synced. */
int gw_dir_rename(const char *from, const char *to, struct gw_err *err);

#endif
