/*
 * http_sink: where the body of an answer goes: memory, a file, a callback.
 *
 * A file is written beside its final name and renamed when the answer came
 * whole: a name of the caller's never holds half of something.
 */
#include "net/http_impl.h"

#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_success(const struct gw_exchange *x)
{
  return x->result.status >= 200 && x->result.status < 300;
}

static int open_temp(struct gw_exchange *x)
{
  struct gw_err *err = &x->result.err;
  struct gw_buf name = GW_BUF_INIT;
  size_t len;

  if (gw_fault("http.sink_open")) {
    errno = ENOSPC;
    return gw_err_errno(err, GW_HTTP_OP, x->sink_file);
  }
  if (gw_buf_printf(&name, err, "%s.part-XXXXXX", x->sink_file) != 0)
    return -1;
  x->sink_temp = gw_buf_steal(&name, &len);
  x->sink_fd = mkostemp(x->sink_temp, O_CLOEXEC);
  if (x->sink_fd >= 0)
    return 0;
  gw_err_errno(err, GW_HTTP_OP, x->sink_file);
  free(x->sink_temp);
  x->sink_temp = NULL;
  return -1;
}

static int write_file(struct gw_exchange *x, const char *data, size_t len)
{
  if (x->sink_fd < 0 && open_temp(x) != 0)
    return -1;
  while (len > 0) {
    ssize_t n;
    if (gw_fault("http.sink_write")) {
      errno = ENOSPC;
      n = -1;
    } else {
      n = write(x->sink_fd, data, len);
    }
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return gw_err_errno(&x->result.err, GW_HTTP_OP, x->sink_file);
    data += n;
    len -= (size_t)n;
  }
  return 0;
}

/* An error page is for people: its beginning is enough, however long it is. */
static int keep_beginning(struct gw_exchange *x, const char *data, size_t len)
{
  size_t room = GW_HTTP_ERROR_MAX - x->collected.len;

  if (len >= room) {
    x->enough = true;
    len = room;
  }
  return gw_buf_append(&x->collected, data, len, &x->result.err);
}

int gw_http_sink_take(struct gw_exchange *x, const char *data, size_t len)
{
  if ((x->sink_file || x->push) && !is_success(x) && !x->sink_any) {
    if (keep_beginning(x, data, len) != 0)
      return -1;
    return x->enough ? -1 : 0;
  }
  if (x->max_body && x->result.bytes_down + len > x->max_body)
    return gw_err_set(&x->result.err, GW_ELIMIT, GW_HTTP_OP,
                      "the answer of %s is larger than the %zu bytes allowed "
                      "for it",
                      x->where, x->max_body);
  if (x->sink_file)
    return write_file(x, data, len);
  if (gw_http_hold(x, len, &x->result.err) != 0)
    return -1;
  return gw_buf_append(&x->collected, data, len, &x->result.err);
}

int gw_http_sink_finish(struct gw_exchange *x)
{
  int rc = 0;

  if (!x->sink_file || !is_success(x))
    return 0;
  if (x->sink_fd < 0 && open_temp(x) != 0) /* an empty body, an empty file */
    return -1;
  if (close(x->sink_fd) != 0)
    rc = gw_err_errno(&x->result.err, GW_HTTP_OP, x->sink_file);
  x->sink_fd = -1;
  if (rc == 0 && rename(x->sink_temp, x->sink_file) != 0)
    rc = gw_err_errno(&x->result.err, GW_HTTP_OP, x->sink_file);
  if (rc == 0) {
    free(x->sink_temp);
    x->sink_temp = NULL;
  }
  return rc;
}

void gw_http_sink_drop(struct gw_exchange *x)
{
  if (x->sink_fd >= 0)
    (void)close(x->sink_fd);
  x->sink_fd = -1;
  if (x->sink_temp)
    (void)unlink(x->sink_temp);
  free(x->sink_temp);
  x->sink_temp = NULL;
}
