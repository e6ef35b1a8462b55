#include "base/log.h"

#include "base/fault.h"
#include "base/redact.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* One for stdout, one for stderr: a stopped reader of one must not silence
 * the other. */
static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER,
                                   PTHREAD_MUTEX_INITIALIZER};

/* A terminal may be non-blocking because another program made it so. */
static void wait_writable(int fd)
{
  struct pollfd p = {.fd = fd, .events = POLLOUT};

  (void)poll(&p, 1, -1);
}

static int write_all(int fd, const char *data, size_t len, struct gw_err *err)
{
  while (len > 0) {
    ssize_t n;
    if (gw_fault("log.write")) {
      errno = ENOSPC;
      n = -1;
    } else {
      n = write(fd, data, len);
    }
    if (n >= 0) {
      data += n;
      len -= (size_t)n;
    } else if (errno == EAGAIN) {
      wait_writable(fd);
    } else if (errno != EINTR) {
      return gw_err_errno(err, "log.write", fd == 1 ? "stdout" : "stderr");
    }
  }
  return 0;
}

int gw_log_write(int fd, const char *text, size_t len, struct gw_err *err)
{
  struct gw_buf out = GW_BUF_INIT;
  int rc = gw_redact(text, len, &out, err);

  if (rc == 0) {
    pthread_mutex_t *lock = &locks[fd == 1 ? 0 : 1];
    (void)pthread_mutex_lock(lock);
    rc = write_all(fd, out.data, out.len, err);
    (void)pthread_mutex_unlock(lock);
  }
  gw_buf_dispose(&out);
  return rc;
}

/* One UTF-8 character; 0 when the bytes are not one. */
static size_t read_char(const unsigned char *s, size_t len, unsigned *code)
{
  static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000};
  size_t n = s[0] < 0x80   ? 1
             : s[0] < 0xc2 ? 0
             : s[0] < 0xe0 ? 2
             : s[0] < 0xf0 ? 3
             : s[0] < 0xf5 ? 4
                           : 0;
  unsigned c = n == 1 ? s[0] : s[0] & (0x7fu >> n);

  if (n == 0 || n > len)
    return 0;
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xc0) != 0x80)
      return 0;
    c = c << 6 | (s[i] & 0x3fu);
  }
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    return 0;
  *code = c;
  return n;
}

static bool is_harmless(unsigned c)
{
  if (c == '\n' || c == '\t')
    return true;
  if (c < 0x20 || (c >= 0x7f && c < 0xa0))
    return false;
  return !(c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069));
}

int gw_log_clean(const char *text, size_t len, struct gw_buf *out,
                 struct gw_err *err)
{
  size_t from = 0; /* start of what is copied as it is */
  size_t i = 0;

  while (i < len) {
    const unsigned char *s = (const unsigned char *)text + i;
    unsigned code = 0;
    size_t n = read_char(s, len - i, &code);
    if (n && is_harmless(code)) {
      i += n;
      continue;
    }
    if (gw_buf_append(out, text + from, i - from, err) != 0)
      return -1;
    if ((n == 0 || code < 0x80
             ? gw_buf_printf(out, err, "\\x%02x", (unsigned)s[0])
             : gw_buf_printf(out, err, "\\u{%x}", code)) != 0)
      return -1;
    i += n ? n : 1;
    from = i;
  }
  return gw_buf_append(out, text + from, len - from, err);
}

void gw_log_line(const char *fmt, ...)
{
  struct gw_buf out = GW_BUF_INIT;
  char text[1024];
  int len;
  va_list ap;

  va_start(ap, fmt);
  len = vsnprintf(text, sizeof(text), fmt, ap);
  va_end(ap);
  if (len < 0)
    return;
  if ((size_t)len >= sizeof(text))
    len = (int)sizeof(text) - 1;
  if (gw_buf_puts(&out, "godwit: ", NULL) == 0 &&
      gw_log_clean(text, (size_t)len, &out, NULL) == 0 &&
      gw_buf_puts(&out, "\n", NULL) == 0)
    (void)gw_log_write(2, out.data, out.len, NULL);
  gw_buf_dispose(&out);
}
