/*
 * redact: the set of secret texts of this process, and the output filter.
 *
 * Threads: any; guarded by a lock. Texts are kept until the process ends.
 */
#ifndef GW_BASE_REDACT_H
#define GW_BASE_REDACT_H

#include "base/buf.h"

/* From now on this text, and its URL-encoded (both cases of hex), base64
 * (all three alignments, both alphabets, padded or not), JSON-escaped and
 * "user:text" base64 forms, is replaced by "[secret]" in what is filtered.
 * Texts under 6 bytes are ignored: they would eat ordinary words. */
int gw_redact_add(const char *text, size_t len, struct gw_err *err);

/* Appends `in` to out with every secret form replaced. */
int gw_redact(const char *in, size_t len, struct gw_buf *out,
              struct gw_err *err);

#endif
