/*
 * log: cleaned text is plain UTF-8 without control characters, and cleaning
 * it again changes nothing.
 */
#include "fuzz.h"

#include "base/log.h"
#include "base/utf8.h"

static bool is_plain(const struct gw_buf *buf)
{
  for (size_t i = 0; i < buf->len; i++) {
    unsigned char c = (unsigned char)buf->data[i];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
      return false;
  }
  return gw_utf8_valid(buf->data, buf->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct gw_buf out = GW_BUF_INIT, again = GW_BUF_INIT;
  char *text = fuzz_text(data, size);

  MUST(gw_log_clean(text, size, &out, NULL) == 0);
  MUST(is_plain(&out));
  MUST(gw_log_clean(out.data, out.len, &again, NULL) == 0);
  MUST(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
  gw_buf_dispose(&out);
  gw_buf_dispose(&again);
  free(text);
  return 0;
}
