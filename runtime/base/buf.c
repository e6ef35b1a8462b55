#include "base/buf.h"

#include "base/fault.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gw_buf_init(struct gw_buf *buf, size_t max)
{
  memset(buf, 0, sizeof(*buf));
  buf->max = max;
}

void gw_buf_dispose(struct gw_buf *buf)
{
  free(buf->data);
  gw_buf_init(buf, buf->max);
}

void gw_buf_clear(struct gw_buf *buf)
{
  buf->len = 0;
  if (buf->data)
    buf->data[0] = '\0';
}

/* The NUL is provided for. */
int gw_buf_reserve(struct gw_buf *buf, size_t len, struct gw_err *err)
{
  size_t cap = buf->cap;
  char *data;

  if (buf->max && len > buf->max - buf->len)
    return gw_err_set(err, GW_ELIMIT, "buf", "more than %zu bytes", buf->max);
  if (len > SIZE_MAX / 4 - buf->len)
    return gw_err_set(err, GW_ENOMEM, "buf", "out of memory");
  if (buf->len + len < cap)
    return 0;
  if (cap < 64)
    cap = 64;
  while (cap <= buf->len + len)
    cap *= 2;
  data = gw_fault("buf.grow") ? NULL : realloc(buf->data, cap);
  if (!data)
    return gw_err_set(err, GW_ENOMEM, "buf", "out of memory");
  buf->data = data;
  buf->cap = cap;
  return 0;
}

int gw_buf_append(struct gw_buf *buf, const void *data, size_t len,
                  struct gw_err *err)
{
  assert(data || len == 0);
  if (gw_buf_reserve(buf, len, err) != 0)
    return -1;
  if (len)
    memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  buf->data[buf->len] = '\0';
  return 0;
}

int gw_buf_puts(struct gw_buf *buf, const char *text, struct gw_err *err)
{
  return gw_buf_append(buf, text, strlen(text), err);
}

int gw_buf_printf(struct gw_buf *buf, struct gw_err *err, const char *fmt, ...)
{
  va_list ap;
  int len;

  va_start(ap, fmt);
  len = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (len < 0)
    return gw_err_set(err, GW_EBUG, "buf", "bad format");
  if (gw_buf_reserve(buf, (size_t)len, err) != 0)
    return -1;
  va_start(ap, fmt);
  (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, ap);
  va_end(ap);
  buf->len += (size_t)len;
  return 0;
}

void gw_buf_consume(struct gw_buf *buf, size_t n)
{
  assert(n <= buf->len);
  if (!buf->data)
    return;
  buf->len -= n;
  memmove(buf->data, buf->data + n, buf->len + 1);
}

char *gw_buf_steal(struct gw_buf *buf, size_t *len)
{
  char *data = buf->data;

  if (len)
    *len = buf->len;
  gw_buf_init(buf, buf->max);
  return data; /* the caller's now */
}
