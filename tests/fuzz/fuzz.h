/*
 * fuzz: what the fuzz targets share.
 */
#ifndef GW_TESTS_FUZZ_H
#define GW_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold of a result. */
#define MUST(what)                                                             \
  do {                                                                         \
    if (!(what)) {                                                             \
      (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,  \
                    #what);                                                    \
      abort();                                                                 \
    }                                                                          \
  } while (0)

/* A copy with a NUL behind it (free). */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1);

  MUST(text);
  if (size)
    memcpy(text, data, size);
  text[size] = '\0';
  return text;
}

#endif
