/*
 * base64: RFC 4648 with the standard alphabet and padding.
 */
#ifndef GW_BASE_BASE64_H
#define GW_BASE_BASE64_H

#include "base/buf.h"

/* Appends the encoded text. */
int gw_base64_encode(const void *data, size_t len, struct gw_buf *out,
                     struct gw_err *err);

/* Appends the decoded bytes. White space is skipped, padding may be absent,
 * the URL alphabet is understood; anything else is GW_EUSAGE. */
int gw_base64_decode(const char *text, size_t len, struct gw_buf *out,
                     struct gw_err *err);

#endif
