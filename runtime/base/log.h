/*
 * log: the one place that writes to stdout and stderr. Everything passes the
 * redact filter and, on a terminal, has control characters made visible.
 *
 * Threads: any.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include "base/err.h"

/* Whole text to fd 1 or 2, filtered. EPIPE on stdout is reported as GW_EIO
 * with status EPIPE: the caller ends quietly. */
int gw_log_write(int fd, const char *text, size_t len, struct gw_err *err);

/* A line on stderr for what the C side must say by itself. */
void gw_log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
