/*
 * http_methods: what a server may take for the method of a request, beside the
 * method: headers, the query, a form. The guard is asked about each.
 */
#include "net/http_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Gateways hand headers on under names in which '-' and '_' are the same. */
static bool is_called(const char *line, const char *name)
{
  for (; *name; line++, name++)
    if (tolower((unsigned char)*line) != tolower((unsigned char)*name) &&
        !(*line == '_' && *name == '-'))
      return false;
  return *line == ':';
}

/* A server may take the method from such a header: it is checked as well. */
static bool is_override(const char *line)
{
  return is_called(line, "X-HTTP-Method-Override") ||
         is_called(line, "X-HTTP-Method") ||
         is_called(line, "X-Method-Override");
}

/* Some servers take the address, or its host, from these. */
static bool says_address(const char *line)
{
  static const char *const names[] = {
      "X-Original-URL",     "X-Original-URI",   "X-Original-Host",
      "X-Rewrite-URL",      "X-Rewrite-URI",    "X-Host",
      "X-Forwarded-Host",   "X-Forwarded-Port", "X-Forwarded-Proto",
      "X-Forwarded-URI",    "X-Forwarded-Path", "X-Forwarded-Prefix",
      "X-Forwarded-Server", "Forwarded",
  };

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (is_called(line, names[i]))
      return true;
  return false;
}

bool gw_http_steers(const char *line)
{
  return is_called(line, "Content-Type") || is_override(line) ||
         says_address(line);
}

/* Of two a server may take either, and we would look at one. */
int gw_http_find_type(const char *const *headers, const char **type,
                      struct gw_err *err)
{
  static const char name[] = "Content-Type";

  *type = NULL;
  for (; headers && *headers; headers++) {
    if (!is_called(*headers, name))
      continue;
    if (*type)
      return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                        "the header %s is given twice, in two spellings",
                        name);
    *type = *headers + sizeof(name);
    *type += strspn(*type, " \t");
  }
  return 0;
}

static bool is_form(const char *type)
{
  static const char form[] = "application/x-www-form-urlencoded";

  return type && strncasecmp(type, form, sizeof(form) - 1) == 0;
}

/* One character of a form, which may be written as %XX. */
static int form_char(const char **at)
{
  char hex[3] = "";
  const char *p = *at;

  if (*p == '%' && isxdigit((unsigned char)p[1]) &&
      isxdigit((unsigned char)p[2])) {
    memcpy(hex, p + 1, 2);
    *at += 3;
    return (int)strtol(hex, NULL, 16);
  }
  ++*at;
  return *p == '+' ? ' ' : (unsigned char)*p;
}

/* The text of a form up to one of `ends`, decoded, in capitals, without blanks
 * around it, cut. */
static const char *form_word(const char *at, const char *ends, char out[16])
{
  size_t n = 0;

  while (*at && !strchr(ends, *at)) {
    int c = form_char(&at);
    if (n < 15 && (n > 0 || c != ' '))
      out[n++] = (char)toupper(c);
  }
  while (n > 0 && out[n - 1] == ' ')
    n--;
  out[n] = '\0';
  return at;
}

/* The next "_method=delete" of a form, in capitals, and where to go on; NULL:
 * there is none any more. */
static const char *next_method(const char *form, char out[16])
{
  char name[16];

  while (form && *form) {
    form = form_word(form, "=&;", name);
    out[0] = '\0';
    if (*form == '=')
      form = form_word(form + 1, "&;", out);
    if (*form)
      form++;
    if (strcmp(name, "_METHOD") == 0 && out[0])
      return form;
  }
  return NULL;
}

static void note_verb(struct gw_exchange *x, const char *method,
                      const char *type)
{
  if (!gw_guard_is_read(method, &x->url, type))
    x->writes = true;
  if (strcasecmp(method, "DELETE") == 0)
    x->deletes = true;
}

/* What a server may take for the method, too. */
static int check_other(struct gw_exchange *x, const char *method,
                       const char *type, struct gw_err *err)
{
  if (gw_guard_check(x->http->guard, method, &x->url, type, err) != 0)
    return -1;
  note_verb(x, method, type);
  return 0;
}

static int check_form(struct gw_exchange *x, const char *form,
                      const char *type, struct gw_err *err)
{
  char method[16];

  while ((form = next_method(form, method)) != NULL)
    if (check_other(x, method, type, err) != 0)
      return -1;
  return 0;
}

/* What a form says may be a piece of a secret: no message shows it. */
static int hide_method(const struct gw_exchange *x, struct gw_err *err)
{
  if (x->has_secret && err && err->kind == GW_EDENIED)
    gw_err_set(err, GW_EDENIED, GW_HTTP_OP,
               "a form to %.150s is not sent: its _method, with a secret in "
               "the form, is not allowed",
               x->url.host);
  return -1;
}

/* The body as it is sent; one with NULs in it is read piece by piece. */
int gw_http_check_body(struct gw_exchange *x, const char *type,
                       struct gw_err *err)
{
  if (!is_form(type) || !x->body)
    return 0;
  for (size_t at = 0; at < x->body_len; at += strlen(x->body + at) + 1)
    if (check_form(x, x->body + at, type, err) != 0)
      return hide_method(x, err);
  return 0;
}

static int check_headers(struct gw_exchange *x, const struct gw_http_req *req,
                         const char *type, struct gw_err *err)
{
  for (const char *const *h = req->headers; h && *h; h++) {
    char method[16];
    if (says_address(*h) && gw_guard_is_ruled(x->http->guard))
      return gw_err_set(err, GW_EDENIED, GW_HTTP_OP,
                        "a script with permissions sends no header that names "
                        "another address (%.*s)",
                        (int)strcspn(*h, ":"), *h);
    if (!is_override(*h))
      continue;
    const char *meant = strchr(*h, ':') + 1;
    (void)form_word(meant + strspn(meant, " \t"), "", method);
    if (check_other(x, method, type, err) != 0)
      return -1;
  }
  return 0;
}

int gw_http_check_guard(struct gw_exchange *x, const struct gw_http_req *req,
                        const char *type, struct gw_err *err)
{
  const struct gw_guard *guard = x->http->guard;

  if (check_form(x, x->url.query, type, err) != 0 ||
      check_headers(x, req, type, err) != 0)
    return -1;
  if (is_form(type) && (req->pull || req->body_file))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "a form (%.40s) is sent from memory, not from a file",
                      type);
  note_verb(x, req->method, type);
  if (gw_guard_check(guard, req->method, &x->url, type, err) != 0 ||
      gw_guard_check_known(guard, req->proxy, err) != 0 ||
      gw_guard_check_known(guard, req->tls.ca, err) != 0 ||
      gw_guard_check_known(guard, req->tls.cert, err) != 0 ||
      gw_guard_check_known(guard, req->tls.key, err) != 0)
    return -1;
  return 0;
}
