/*
 * log: the one place that writes to stdout and stderr. Everything passes the
 * redact filter. The command line writes its own escape codes (progress), so
 * control characters are made visible only where foreign text enters: by
 * gw_log_clean, which gw_log_line uses for its whole line.
 *
 * Threads: any. A text is written whole, not mixed with another thread's.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include "base/buf.h"

/* Whole text to fd 1 or 2, filtered. EPIPE on stdout is reported as GW_EIO
 * with status EPIPE: the caller ends quietly. Fault: log.write (ENOSPC). */
int gw_log_write(int fd, const char *text, size_t len, struct gw_err *err);

/* Appends text with everything that could steer a terminal made visible:
 * control characters but \n and \t, C1 and bidirectional controls, bytes that
 * are not UTF-8 ("\x1b", "\u{202e}"). For texts of servers, whatever the
 * output is; what passes unchanged is plain UTF-8. */
int gw_log_clean(const char *text, size_t len, struct gw_buf *out,
                 struct gw_err *err);

/* A line on stderr for what the C side must say by itself. */
void gw_log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
