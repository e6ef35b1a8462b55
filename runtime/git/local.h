/*
 * local: a bare repository on this machine as a remote.
 */
#ifndef GW_GIT_LOCAL_H
#define GW_GIT_LOCAL_H

#include "git/pkt.h"

/* Its branches and tags. On a worker. */
int gw_local_advert(struct gw_advert **out, const char *path,
                    const char *service, struct gw_err *err);

#endif
