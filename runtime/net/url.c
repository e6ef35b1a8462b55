/*
 * url: addresses, taken apart by libcurl's own parser: what is checked here
 * is what curl will see.
 */
#include "net/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* curl sends other bytes as they are; we want one spelling per address. */
static bool is_plain(const char *text)
{
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c <= 0x20 || c >= 0x7f)
      return false;
  }
  return true;
}

/* An address may carry a password by mistake, or bytes that are no text: such
 * a one is not quoted. */
static int bad_url(struct gw_err *err, const char *text, const char *why)
{
  if (strchr(text, '@') || !is_plain(text))
    return gw_err_set(err, GW_EUSAGE, "url", "the address is not usable: %s",
                      why);
  return gw_err_set(err, GW_EUSAGE, "url", "not a usable address: %.150s (%s)",
                    text, why);
}

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, "url", "out of memory");
}

/* A part as our own string; *out stays NULL when the address has none. */
static int take_part(CURLU *handle, CURLUPart part, unsigned flags, char **out,
                     struct gw_err *err)
{
  char *text = NULL;
  CURLUcode code = curl_url_get(handle, part, &text, flags);

  *out = NULL;
  if (code == CURLUE_OUT_OF_MEMORY)
    return no_memory(err);
  if (code != CURLUE_OK)
    return 0;
  *out = strdup(text);
  curl_free(text);
  return *out ? 0 : no_memory(err);
}

static void lower(char *text)
{
  for (; *text; text++)
    *text = (char)tolower((unsigned char)*text);
}

/* curl forgives one slash and three; we take "://" and a host. */
static bool has_slashes(const char *text)
{
  const char *colon = strchr(text, ':');

  return colon && strncmp(colon, "://", 3) == 0 && colon[3] != '/';
}

/* A host with a %: curl decodes it, but only after it has read numbers as
 * addresses, so who reads the outcome sees another host. The zone in brackets
 * is none of it. */
static bool is_coded_host(const char *text)
{
  const char *from = strstr(text, "://") + 3;
  size_t len = strcspn(from, "/?#");
  const char *at = memrchr(from, '@', len);

  if (at) {
    len -= (size_t)(at + 1 - from);
    from = at + 1;
  }
  return *from != '[' && memchr(from, '%', len);
}

static int take_all(struct gw_url *url, CURLU *handle, const char *text,
                    struct gw_err *err)
{
  char *port = NULL;

  if (take_part(handle, CURLUPART_SCHEME, 0, &url->scheme, err) != 0 ||
      take_part(handle, CURLUPART_HOST, 0, &url->host, err) != 0 ||
      take_part(handle, CURLUPART_PATH, 0, &url->path, err) != 0 ||
      take_part(handle, CURLUPART_QUERY, 0, &url->query, err) != 0 ||
      take_part(handle, CURLUPART_USER, CURLU_URLDECODE, &url->user, err) !=
          0 ||
      take_part(handle, CURLUPART_PASSWORD, CURLU_URLDECODE, &url->password,
                err) != 0 ||
      take_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port, err) != 0)
    return -1;
  url->port = port ? atoi(port) : 0;
  free(port);
  if (!url->scheme || !url->host || !url->path || !*url->host)
    return bad_url(err, text, "it names no host");
  if (!is_plain(url->host) || strchr(url->host, '%') || is_coded_host(text))
    return bad_url(err, text, "its host is no name");
  lower(url->scheme);
  lower(url->host);
  if (strcmp(url->scheme, "http") != 0 && strcmp(url->scheme, "https") != 0)
    return bad_url(err, text, "only http and https are spoken");
  if (url->port <= 0 || url->port > 65535)
    return bad_url(err, text, "its port is not usable");
  return 0;
}

int gw_url_parse(struct gw_url *url, const char *text, struct gw_err *err)
{
  CURLU *handle;
  CURLUcode code;
  int rc;

  memset(url, 0, sizeof(*url));
  if (!is_plain(text))
    return bad_url(err, text, "it holds a character to be percent-encoded");
  handle = curl_url();
  if (!handle)
    return no_memory(err);
  code = curl_url_set(handle, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_BAD_SCHEME || (code == CURLUE_OK && !has_slashes(text)))
    rc = bad_url(err, text, "it does not begin with http:// or https://");
  else if (code != CURLUE_OK)
    rc = bad_url(err, text, curl_url_strerror(code));
  else
    rc = take_all(url, handle, text, err);
  curl_url_cleanup(handle);
  if (rc != 0)
    gw_url_dispose(url);
  return rc;
}

void gw_url_dispose(struct gw_url *url)
{
  if (url->password)
    explicit_bzero(url->password, strlen(url->password));
  free(url->scheme);
  free(url->user);
  free(url->password);
  free(url->host);
  free(url->path);
  free(url->query);
  memset(url, 0, sizeof(*url));
}

int gw_url_origin(const struct gw_url *url, struct gw_buf *out,
                  struct gw_err *err)
{
  return gw_buf_printf(out, err, "%s://%s:%d", url->scheme, url->host,
                       url->port);
}

/* Servers put raw UTF-8 and spaces into Location: encode them as browsers
 * do. Line ends and other controls are left to be refused. */
static int append_encoded(struct gw_buf *out, const char *text,
                          struct gw_err *err)
{
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    int rc = c == ' ' || c >= 0x80 ? gw_buf_printf(out, err, "%%%02X", c)
                                   : gw_buf_append(out, text, 1, err);
    if (rc != 0)
      return -1;
  }
  return 0;
}

int gw_url_resolve(const char *base, const char *location, struct gw_buf *out,
                   struct gw_err *err)
{
  struct gw_buf encoded = GW_BUF_INIT;
  char *whole = NULL;
  CURLUcode code;
  int rc = -1;
  CURLU *handle = curl_url();

  if (!handle) {
    no_memory(err);
    goto out;
  }
  if (append_encoded(&encoded, location, err) != 0)
    goto out;
  code = curl_url_set(handle, CURLUPART_URL, base, 0);
  if (code == CURLUE_OK && encoded.len > 0)
    code = curl_url_set(handle, CURLUPART_URL, encoded.data,
                        CURLU_NON_SUPPORT_SCHEME);
  if (code == CURLUE_OK)
    code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
  if (code == CURLUE_OK)
    code = curl_url_get(handle, CURLUPART_URL, &whole, 0);
  if (code != CURLUE_OK) {
    bad_url(err, location, curl_url_strerror(code));
    goto out;
  }
  rc = gw_buf_puts(out, whole, err);
out:
  curl_free(whole);
  gw_buf_dispose(&encoded);
  curl_url_cleanup(handle);
  return rc;
}

bool gw_url_is_loopback(const struct gw_url *url)
{
  char inner[64];
  struct in_addr four;
  struct in6_addr six;
  size_t len = strlen(url->host);

  if (strcmp(url->host, "localhost") == 0)
    return true;
  if (inet_pton(AF_INET, url->host, &four) == 1)
    return ntohl(four.s_addr) >> 24 == 127;
  if (url->host[0] != '[' || len < 3 || len - 2 >= sizeof(inner))
    return false;
  memcpy(inner, url->host + 1, len - 2);
  inner[len - 2] = '\0';
  return inet_pton(AF_INET6, inner, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}
