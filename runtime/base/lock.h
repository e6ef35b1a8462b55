/*
 * lock: one process at a time, by flock on a file that stays.
 *
 * Threads: any, one at a time per lock. The kernel drops it when the process
 * ends, however it ends.
 */
#ifndef GW_BASE_LOCK_H
#define GW_BASE_LOCK_H

#include "base/err.h"

struct gw_lock;

/* Never waits: GW_ELOCKED, retryable, naming the holder's process when it is
 * known. The file is made 0600; its folder must exist. Fault: lock.open. */
int gw_lock_open(struct gw_lock **out, const char *path, struct gw_err *err);
/* Whether somebody holds it. Makes and writes nothing; a file that is not
 * there is held by nobody. */
int gw_lock_held(bool *held, const char *path, struct gw_err *err);

/* Leaves a text in the file, behind its first line, for who reads it later;
 * it outlives the lock. */
int gw_lock_note(struct gw_lock *lock, const char *text, struct gw_err *err);
void gw_lock_close(struct gw_lock *lock); /* accepts NULL */

#endif
