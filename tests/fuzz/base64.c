/*
 * base64: what is decoded can be encoded to the same bytes, and the other way.
 */
#include "fuzz.h"

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct gw_buf coded = GW_BUF_INIT, plain = GW_BUF_INIT, again = GW_BUF_INIT;
  char *text = fuzz_text(data, size);

  MUST(gw_base64_encode(data, size, &coded, NULL) == 0);
  MUST(gw_base64_decode(coded.data, coded.len, &plain, NULL) == 0);
  MUST(plain.len == size && (!size || memcmp(plain.data, data, size) == 0));
  gw_buf_clear(&plain);
  if (gw_base64_decode(text, size, &plain, NULL) == 0) {
    gw_buf_clear(&coded);
    MUST(gw_base64_encode(plain.data, plain.len, &coded, NULL) == 0);
    MUST(gw_base64_decode(coded.data, coded.len, &again, NULL) == 0);
    MUST(again.len == plain.len);
    MUST(!plain.len || memcmp(again.data, plain.data, plain.len) == 0);
  }
  gw_buf_dispose(&coded);
  gw_buf_dispose(&plain);
  gw_buf_dispose(&again);
  free(text);
  return 0;
}
