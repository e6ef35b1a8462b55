/*
 * access: which folders of this machine a script may read and write. Nothing
 * is restricted until `restrict` is called: the library itself is free.
 *
 * What counts is where a folder is when it is open, not what it was called: a
 * link on the way is followed by the kernel first and judged by where it led.
 *
 * Threads: the loop thread.
 */
#ifndef GW_TREE_ACCESS_H
#define GW_TREE_ACCESS_H

#include "base/err.h"

/* From here on only what is allowed; for the rest of the process. `declared`:
 * a script's permissions say what, and not a person's flags. */
void gw_access_restrict(bool declared);
/* From here on nothing is opened for writing. */
void gw_access_plan(void);
bool gw_access_planning(void);

/* A folder and all below it, which is meant from now on whatever is put under
 * its name later; it need not exist yet. Writing includes reading. */
int gw_access_allow(const char *path, bool write, struct gw_err *err);

/*
 * May that path be opened? GW_EDENIED with the flag to add. `fd` is the
 * nearest folder on its way that exists, `rest` what is missing below it ("":
 * nothing): plain names, joined with '/'.
 */
int gw_access_check(int fd, const char *rest, const char *path, bool write,
                    struct gw_err *err);

/* Opens the nearest folder of path that exists; *rest is what is missing (the
 * caller's, free). GW_EUSAGE when ".." stands in the missing part. */
int gw_access_nearest(int *fd, char **rest, const char *path,
                      struct gw_err *err);

#endif
