/*
 * redact: the input is a program that writes a text with secrets in many
 * spellings; none may be readable in what comes out.
 */
#include "fuzz.h"

#include "base/base64.h"
#include "base/redact.h"

static const char *const secrets[] = {
    "s3cr3t/Key+01=x", "simAbCdEfGhIjKlMnOpQrSt", "a\"b\\c\xc3\xa9g~hi",
    "aaaaaa",          "user@host:pass/word",
};
enum { SECRETS = sizeof(secrets) / sizeof(secrets[0]) };

static void learn(void)
{
  static bool known;

  for (int i = 0; i < SECRETS && !known; i++)
    MUST(gw_redact_add(secrets[i], strlen(secrets[i]), NULL) == 0);
  known = true;
}

/* Each byte plain, in percent-encoding or as JSON would have it. */
static void spell(struct gw_buf *out, const char *secret, uint8_t how)
{
  for (size_t i = 0; secret[i]; i++) {
    unsigned char c = (unsigned char)secret[i];
    unsigned style = ((unsigned)how >> (i % 4)) & 3u;
    if (style == 1 && how & 0x80)
      MUST(gw_buf_printf(out, NULL, "%%%02X", (unsigned)c) == 0);
    else if (style == 1)
      MUST(gw_buf_printf(out, NULL, "%%%02x", (unsigned)c) == 0);
    else if (style == 2 && c < 0x80)
      MUST(gw_buf_printf(out, NULL, "\\u%04x", (unsigned)c) == 0);
    else if (c == '\\' || c == '"')
      MUST(gw_buf_printf(out, NULL, "\\%c", c) == 0);
    else
      MUST(gw_buf_append(out, secret + i, 1, NULL) == 0);
  }
}

static bool holds(const struct gw_buf *buf, const char *text, size_t len)
{
  return buf->len >= len && memmem(buf->data, buf->len, text, len) != NULL;
}

/* The base64 of before+secret+after; what is wholly of the secret must go. */
static void check_base64(const char *secret, const uint8_t *around, size_t n,
                         bool url)
{
  struct gw_buf plain = GW_BUF_INIT, coded = GW_BUF_INIT, out = GW_BUF_INIT;
  size_t before = n / 2, len = strlen(secret);
  size_t from = (before * 8 + 5) / 6, to = (before + len) * 8 / 6;

  MUST(gw_buf_append(&plain, around, before, NULL) == 0);
  MUST(gw_buf_append(&plain, secret, len, NULL) == 0);
  MUST(gw_buf_append(&plain, around + before, n - before, NULL) == 0);
  MUST(gw_base64_encode(plain.data, plain.len, &coded, NULL) == 0);
  for (size_t i = 0; url && i < coded.len; i++)
    coded.data[i] = coded.data[i] == '+'   ? '-'
                    : coded.data[i] == '/' ? '_'
                                           : coded.data[i];
  MUST(gw_redact(coded.data, coded.len, &out, NULL) == 0);
  MUST(!holds(&out, coded.data + from, to - from));
  gw_buf_dispose(&plain);
  gw_buf_dispose(&coded);
  gw_buf_dispose(&out);
}

static int hex(char c)
{
  const char *digits = "0123456789abcdef0123456789ABCDEF";
  const char *at = c ? strchr(digits, c) : NULL;

  return at ? (int)(at - digits) % 16 : -1;
}

/* As a reader would undo the percent-encoding. */
static void undo_percent(struct gw_buf *buf)
{
  size_t n = 0;

  for (size_t i = 0; i < buf->len; i++) {
    if (buf->data[i] == '%' && i + 2 < buf->len && hex(buf->data[i + 1]) >= 0 &&
        hex(buf->data[i + 2]) >= 0) {
      buf->data[n++] =
          (char)(hex(buf->data[i + 1]) * 16 + hex(buf->data[i + 2]));
      i += 2;
    } else {
      buf->data[n++] = buf->data[i];
    }
  }
  buf->len = n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct gw_buf text = GW_BUF_INIT, out = GW_BUF_INIT;
  size_t i = 0;

  learn();
  while (i < size) {
    uint8_t op = data[i++];
    const char *secret = secrets[op / 4 % SECRETS];
    if (op % 4 == 0 && i < size)
      spell(&text, secret, data[i++]);
    else if (op % 4 == 1 && i < size) {
      size_t n = data[i++] % 8u;
      n = n < size - i ? n : size - i;
      check_base64(secret, data + i, n, op & 0x80);
      i += n;
    } else {
      MUST(gw_buf_append(&text, &op, 1, NULL) == 0);
    }
  }
  MUST(gw_redact(text.data ? text.data : "", text.len, &out, NULL) == 0);
  for (int s = 0; s < SECRETS; s++)
    MUST(!holds(&out, secrets[s], strlen(secrets[s])));
  undo_percent(&out);
  for (int s = 0; s < SECRETS; s++)
    MUST(!holds(&out, secrets[s], strlen(secrets[s])));
  gw_buf_dispose(&text);
  gw_buf_dispose(&out);
  return 0;
}
