/*
 * http_facts: what a connection was like, for who asked: how far it came, to
 * which address, over which TLS, with whose certificate.
 *
 * Everything of the certificate was chosen by the other side: fields we know,
 * cut to a length, one a line.
 */
#include "net/http_impl.h"

#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>

#define FIELD_MAX 2048

void gw_http_facts_note(struct gw_exchange *x)
{
  struct curl_tlssessioninfo *tls = NULL;

  if (curl_easy_getinfo(x->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK ||
      !tls || tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals)
    return;
  (void)snprintf(x->facts.tls, sizeof(x->facts.tls), "%s",
                 SSL_get_version(tls->internals));
}

static long number(const struct gw_exchange *x, CURLINFO info)
{
  long value = 0;

  curl_easy_getinfo(x->easy, info, &value);
  return value;
}

static bool happened(const struct gw_exchange *x, CURLINFO info)
{
  curl_off_t when = 0;

  curl_easy_getinfo(x->easy, info, &when);
  return when > 0;
}

/* curl's word for a name that is not the certificate's, and for a handshake
 * that did not get so far, is "unspecified". */
static long verdict(const struct gw_exchange *x, CURLcode code)
{
  long verify = number(x, CURLINFO_SSL_VERIFYRESULT);

  if (verify != X509_V_OK && verify != X509_V_ERR_UNSPECIFIED)
    return verify;
  return code == CURLE_PEER_FAILED_VERIFICATION ? X509_V_ERR_HOSTNAME_MISMATCH
                                                : X509_V_OK;
}

/* One line of ours, whatever is in the value. */
static void keep_field(struct gw_exchange *x, const char *name,
                       const char *value)
{
  size_t len = strnlen(value, FIELD_MAX), from = x->certificate.len;
  struct gw_err *err = &x->result.err;

  if (gw_buf_printf(&x->certificate, err, "%s: %.*s", name, (int)len, value) !=
      0)
    return;
  for (size_t i = from; i < x->certificate.len; i++)
    if ((unsigned char)x->certificate.data[i] < 0x20 ||
        x->certificate.data[i] == 0x7f)
      x->certificate.data[i] = ' ';
  (void)gw_buf_puts(&x->certificate, "\n", err);
}

/* A line of curl's: "Expire date:Nov 26 17:00:00 2026 GMT". */
static void keep_line(struct gw_exchange *x, const char *line)
{
  static const char *const fields[][2] = {
      {"Subject", "subject"},
      {"Issuer", "issuer"},
      {"Start date", "start"},
      {"Expire date", "end"},
      {"X509v3 Subject Alternative Name", "names"},
  };

  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    size_t len = strlen(fields[i][0]);
    if (strncasecmp(line, fields[i][0], len) == 0 && line[len] == ':')
      keep_field(x, fields[i][1], line + len + 1);
  }
}

void gw_http_facts_gather(struct gw_exchange *x, CURLcode code)
{
  struct gw_http_facts *f = &x->facts;
  struct curl_certinfo *chain = NULL;
  char *ip = NULL;

  f->resolved = code != CURLE_COULDNT_RESOLVE_HOST &&
                code != CURLE_COULDNT_RESOLVE_PROXY &&
                (x->connected || happened(x, CURLINFO_NAMELOOKUP_TIME_T));
  /* Its time is set when TLS is there, too; the port as soon as it stands. */
  f->connected = x->connected || number(x, CURLINFO_LOCAL_PORT) > 0;
  f->secured = f->tls[0] != '\0';
  if (curl_easy_getinfo(x->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip)
    (void)snprintf(f->ip, sizeof(f->ip), "%s", ip);
  f->port = number(x, CURLINFO_PRIMARY_PORT);
  f->proxy_status = number(x, CURLINFO_HTTP_CONNECTCODE);
  f->verify = verdict(x, code);
  if (curl_easy_getinfo(x->easy, CURLINFO_CERTINFO, &chain) == CURLE_OK &&
      chain && chain->num_of_certs > 0)
    for (struct curl_slist *l = chain->certinfo[0]; l; l = l->next)
      keep_line(x, l->data);
  f->certificate = x->certificate.data ? x->certificate.data : "";
  x->result.facts = f;
}
