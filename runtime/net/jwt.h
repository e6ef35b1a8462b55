/*
 * jwt: when a token says that it ends. Nothing is verified, nothing else of
 * the token is looked at, and nothing of it is handed out.
 */
#ifndef GW_NET_JWT_H
#define GW_NET_JWT_H

#include "base/err.h"

/* *out is `exp`, in seconds since 1970, of a text shaped like a JWT. False for
 * any other text and for a token without it. */
bool gw_jwt_expiry(const char *text, size_t len, double *out);

#endif
