/*
 * buf: a growing byte buffer with an optional cap; always NUL terminated
 * after the first append.
 */
#ifndef GW_BASE_BUF_H
#define GW_BASE_BUF_H

#include "base/err.h"

struct gw_buf {
  char *data; /* NULL until the first append */
  size_t len;
  size_t cap;
  size_t max; /* largest len allowed; 0: no limit */
};

#define GW_BUF_INIT {NULL, 0, 0, 0}

void gw_buf_init(struct gw_buf *buf, size_t max);
void gw_buf_dispose(struct gw_buf *buf);
void gw_buf_clear(struct gw_buf *buf); /* keeps the memory */

/* GW_ELIMIT past max, GW_ENOMEM; the buffer is then unchanged. */
int gw_buf_append(struct gw_buf *buf, const void *data, size_t len,
                  struct gw_err *err);
int gw_buf_puts(struct gw_buf *buf, const char *text, struct gw_err *err);
int gw_buf_printf(struct gw_buf *buf, struct gw_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Room for len more bytes: appending these does not move what is there, which
 * would leave a copy of it in freed memory. Errors as of append. */
int gw_buf_reserve(struct gw_buf *buf, size_t len, struct gw_err *err);

/* Removes the first n bytes. */
void gw_buf_consume(struct gw_buf *buf, size_t n);

/* The bytes become the caller's (free); the buffer is empty again. */
char *gw_buf_steal(struct gw_buf *buf, size_t *len);

#endif
