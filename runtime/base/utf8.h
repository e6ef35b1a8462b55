/*
 * utf8: what is well-formed UTF-8.
 */
#ifndef GW_BASE_UTF8_H
#define GW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* No surrogates, nothing overlong, nothing past U+10FFFF. */
bool gw_utf8_valid(const char *text, size_t len);

#endif
