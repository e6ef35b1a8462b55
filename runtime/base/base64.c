#include "base/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int gw_base64_encode(const void *data, size_t len, struct gw_buf *out,
                     struct gw_err *err)
{
  const unsigned char *in = data;

  if (gw_buf_reserve(out, (len + 2) / 3 * 4, err) != 0)
    return -1; /* at once: it may be a secret */
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    unsigned b0 = in[i];
    unsigned b1 = left > 1 ? in[i + 1] : 0;
    unsigned b2 = left > 2 ? in[i + 2] : 0;
    char quad[4] = {alphabet[b0 >> 2], alphabet[(b0 & 3) << 4 | b1 >> 4],
                    left > 1 ? alphabet[(b1 & 15) << 2 | b2 >> 6] : '=',
                    left > 2 ? alphabet[b2 & 63] : '='};
    if (gw_buf_append(out, quad, 4, err) != 0)
      return -1;
  }
  return 0;
}

static int digit_of(char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  if (c == '+' || c == '-')
    return 62;
  if (c == '/' || c == '_')
    return 63;
  return -1;
}

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int gw_base64_decode(const char *text, size_t len, struct gw_buf *out,
                     struct gw_err *err)
{
  unsigned bits = 0;
  unsigned count = 0; /* digits since the last whole group */
  bool padded = false;

  for (size_t i = 0; i < len; i++) {
    int digit = digit_of(text[i]);
    if (is_space(text[i]))
      continue;
    if (text[i] == '=') {
      padded = true;
      continue;
    }
    if (digit < 0 || padded)
      return gw_err_set(err, GW_EUSAGE, "base64", "not base64 at byte %zu", i);
    bits = (bits << 6 | (unsigned)digit) & 0xffffff;
    count = (count + 1) % 4;
    if (count == 0) {
      unsigned char b[3] = {(unsigned char)(bits >> 16),
                            (unsigned char)(bits >> 8), (unsigned char)bits};
      if (gw_buf_append(out, b, 3, err) != 0)
        return -1;
    }
  }
  if (count == 1)
    return gw_err_set(err, GW_EUSAGE, "base64", "cut off");
  if (count > 1) {
    bits <<= 6 * (4 - count);
    unsigned char b[2] = {(unsigned char)(bits >> 16),
                          (unsigned char)(bits >> 8)};
    return gw_buf_append(out, b, count - 1, err);
  }
  return 0;
}
