/*
 * jwt: an end is found only in what is shaped like a token, and is a time; a
 * payload of the fuzzer's own is looked at behind its coding, too.
 */
#include "fuzz.h"

#include "base/base64.h"
#include "net/jwt.h"

static void look(const char *text, size_t len)
{
  double when = -1;

  if (gw_jwt_expiry(text, len, &when)) {
    MUST(when > 0 && when < 1e12);
    MUST(memchr(text, '.', len));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct gw_buf token = GW_BUF_INIT;

  look((const char *)data, size);
  MUST(gw_buf_puts(&token, "h.", NULL) == 0);
  MUST(gw_base64_encode(data, size, &token, NULL) == 0);
  MUST(gw_buf_puts(&token, ".s", NULL) == 0);
  look(token.data, token.len);
  gw_buf_dispose(&token);
  return 0;
}
