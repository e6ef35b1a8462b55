/*
 * root: one open folder and the names below it. Every way to a name goes from
 * folder to folder and follows no link, so nothing outside is ever read or
 * written, whatever is swapped meanwhile. Paths are relative, names joined
 * with '/'; "" is the folder itself.
 *
 * Threads: open and unref on the loop thread; the rest anywhere, several at
 *          once.
 */
#ifndef GW_TREE_ROOT_H
#define GW_TREE_ROOT_H

#include "base/buf.h"
#include "tree/dir.h"

struct gw_root;

/* For writing a missing folder is made, with its parents. What a script may
 * not open is GW_EDENIED (tree/access.h). */
int gw_root_open(struct gw_root **out, const char *path, bool write,
                 struct gw_err *err);
/* A folder of the library's own, such as an archive's: which of these a script
 * may use is decided elsewhere. It must be there, and be no link. */
int gw_root_open_own(struct gw_root **out, const char *path, bool write,
                     struct gw_err *err);
/* The same question as open's without opening anything. */
int gw_root_may_open(const char *path, bool write, struct gw_err *err);
struct gw_root *gw_root_ref(struct gw_root *root);
void gw_root_unref(struct gw_root *root); /* accepts NULL */
const char *gw_root_path(const struct gw_root *root); /* where it really is */
/* Its descriptor, which stays its own; -1 (GW_EDENIED) for writing when it was
 * not opened for that, or a plan has begun since. */
int gw_root_fd(const struct gw_root *root, bool write, struct gw_err *err);

int gw_root_list(struct gw_root *root, const char *dir, struct gw_dir *out,
                 struct gw_err *err);

/* Its entries, one after the other (tree/file.h). */
struct gw_file_walk;
int gw_root_entries(struct gw_root *root, struct gw_file_walk **out,
                    struct gw_err *err);

/* A whole regular file. GW_ECONFLICT (retryable) when it changed meanwhile, or
 * is no longer one. Faults: root.open, root.changed. */
int gw_root_read(struct gw_root *root, const char *path, size_t max,
                 struct gw_buf *out, mode_t *mode, struct gw_err *err);
int gw_root_readlink(struct gw_root *root, const char *path,
                     struct gw_buf *out, struct gw_err *err);

enum gw_put { GW_PUT_UNCHANGED, GW_PUT_MODE, GW_PUT_WRITTEN };

struct gw_put_opts {
  bool is_new; /* nothing may be there: GW_ECONFLICT else */
  bool dry;    /* only says what would be done */
};

/*
 * Each leaves a file alone that is the same (size and contents, link target),
 * else puts a new one in its place: temporary name, fsync, rename. Folders on
 * the way are made. Faults: root.write, root.fsync, root.rename, root.mkdir.
 *
 * write: contents as given; the file gets what its owner may do anyway and
 * `executable`; an existing one keeps the rest of its mode.
 * copy: contents and permission bits (0777) of the same path below `from`.
 */
int gw_root_write(struct gw_root *root, const char *path, const void *data,
                  size_t len, bool executable, struct gw_put_opts opts,
                  enum gw_put *done, struct gw_err *err);
int gw_root_copy(struct gw_root *root, struct gw_root *from, const char *path,
                 struct gw_put_opts opts, enum gw_put *done, uint64_t *bytes,
                 struct gw_err *err);
int gw_root_link(struct gw_root *root, const char *path, const char *target,
                 struct gw_put_opts opts, enum gw_put *done,
                 struct gw_err *err);

/* A file or a link, and the folders above that get empty. Missing is fine. */
int gw_root_remove(struct gw_root *root, const char *path,
                   struct gw_err *err);

/* What was renamed and removed in that folder survives a power cut. */
int gw_root_sync(struct gw_root *root, const char *dir, struct gw_err *err);

#endif
