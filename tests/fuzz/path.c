/*
 * path: a path that is called safe stays below its folder and hits no .git on
 * any file system, by a second and simpler way of asking.
 */
#include "fuzz.h"

#include "base/path.h"

/* Lower case, without code points that HFS+ ignores. */
static size_t fold(const char *name, size_t len, char *out)
{
  size_t n = 0;

  for (size_t i = 0; i < len; i++) {
    const unsigned char *s = (const unsigned char *)name + i;
    if (len - i >= 3 &&
        ((s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x8c && s[2] <= 0x8f) ||
         (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
         (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xaa && s[2] <= 0xaf) ||
         (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf))) {
      i += 2;
      continue;
    }
    out[n++] = (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s);
  }
  return n;
}

static size_t trim(const char *name, size_t len)
{
  while (len > 0 && (name[len - 1] == '.' || name[len - 1] == ' '))
    len--;
  return len;
}

static void check_name(const char *name, size_t len)
{
  char folded[256];
  size_t n;

  MUST(len > 0 && len <= 255);
  MUST(!memchr(name, '\0', len));
  MUST(!(len == 1 && name[0] == '.'));
  MUST(!(len == 2 && name[0] == '.' && name[1] == '.'));
  n = fold(name, len, folded);
  MUST(!(n == 4 && memcmp(folded, ".git", 4) == 0));
  for (size_t i = 0; i < len; i++) /* NTFS knows nothing of HFS's points */
    folded[i] =
        (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
  n = trim(folded, len);
  MUST(!(n == 4 && memcmp(folded, ".git", 4) == 0));
  MUST(!(n == 5 && memcmp(folded, "git~1", 5) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *text = fuzz_text(data, size);
  const char *at = text;

  if (gw_path_is_safe(text, size)) {
    for (;;) {
      const char *slash = memchr(at, '/', size - (size_t)(at - text));
      const char *end = slash ? slash : text + size;
      check_name(at, (size_t)(end - at));
      if (!slash)
        break;
      at = slash + 1;
    }
  }
  free(text);
  return 0;
}
