/*
 * sweep: what a killed process left in a store of ours.
 */
#ifndef GW_GIT_SWEEP_H
#define GW_GIT_SWEEP_H

/* Removes lock files and half-written packs. Only for a repository that
 * nobody else writes: the caller has its lock. Cannot fail: what cannot be
 * removed is met again by who it is in the way of. */
void gw_sweep(const char *path);

#endif
