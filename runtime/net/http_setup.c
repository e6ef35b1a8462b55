/*
 * http_setup: from a request to a curl handle: copies, checks, options.
 */
#include "net/http_impl.h"

#include "base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
}

static int copy_text(char **out, const char *text, struct gw_err *err)
{
  *out = text ? strdup(text) : NULL;
  return text && !*out ? no_memory(err) : 0;
}

static bool is_token(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c <= 0x20 || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
      return false;
  }
  return len > 0;
}

static bool is_value(const char *text)
{
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if ((c < 0x20 && c != '\t') || c == 0x7f)
      return false;
  }
  return true;
}

static bool has_name(const char *line, const char *name)
{
  size_t len = strlen(name);

  return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* The value of a header of the request; NULL if it has none. */
static const char *find_header(const char *const *headers, const char *name)
{
  for (; headers && *headers; headers++) {
    const char *value;
    if (!has_name(*headers, name))
      continue;
    value = *headers + strlen(name) + 1;
    while (*value == ' ' || *value == '\t')
      value++;
    return value;
  }
  return NULL;
}

/* curl's list keeps a copy; ours is wiped with the exchange. */
static int add_line(struct gw_exchange *x, const char *line,
                    struct gw_err *err)
{
  struct curl_slist *grown = curl_slist_append(x->headers, line);

  if (!grown)
    return no_memory(err);
  x->headers = grown;
  return 0;
}

void gw_http_wipe_headers(struct gw_exchange *x)
{
  if (x->base) /* others use them */
    x->headers = NULL;
  for (struct curl_slist *h = x->headers; h; h = h->next)
    explicit_bzero(h->data, strlen(h->data));
  curl_slist_free_all(x->headers);
  x->headers = NULL;
}

/* These say where a request goes and where it ends: a script that could set
 * them could say one thing to our checks and another to the server. */
static bool is_ours(const char *line)
{
  static const char *const names[] = {"Host",       "Content-Length",
                                      "Connection", "Transfer-Encoding",
                                      "Expect",     "Upgrade"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (has_name(line, names[i]))
      return true;
  return false;
}

static int add_header(struct gw_exchange *x, const char *line,
                      struct gw_err *err)
{
  const char *colon = strchr(line, ':');
  const char *value;
  struct gw_buf text = GW_BUF_INIT;
  int rc = -1;

  if (!colon || !is_token(line, (size_t)(colon - line)))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "the name of a header is not usable");
  if (!is_value(colon))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "the header %.*s holds a line end or another control "
                      "character",
                      (int)(colon - line), line);
  if (is_ours(line))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "the header %.*s is set by godwit itself",
                      (int)(colon - line), line);
  for (value = colon + 1; *value == ' ' || *value == '\t'; value++)
    ;
  /* "Name;" is how curl is told to send an empty one. */
  if (*value)
    rc = gw_buf_printf(&text, err, "%.*s: %s", (int)(colon - line), line,
                       value);
  else
    rc = gw_buf_printf(&text, err, "%.*s;", (int)(colon - line), line);
  if (rc == 0)
    rc = add_line(x, text.data, err);
  gw_buf_dispose(&text);
  return rc;
}

/* Here and in copy_parts only a secret becomes text. */
static int add_auth(struct gw_exchange *x, const struct gw_http_req *req,
                    struct gw_err *err)
{
  const char *name = req->auth_header ? req->auth_header : "Authorization";
  const char *user = req->auth_user ? req->auth_user : x->url.user;
  struct gw_buf line = GW_BUF_INIT;
  int rc = -1;

  if (find_header(req->headers, name))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "both a secret and a header %s are given", name);
  if (!is_token(name, strlen(name)))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "not a usable header name: %.60s", name);
  if (gw_secret_check(req->auth, &x->url, err) != 0)
    return -1;
  if (gw_buf_printf(&line, err, "%s: ", name) != 0)
    goto out;
  if (is_ours(line.data) || gw_http_steers(line.data)) {
    gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
               "a secret is not sent as the header %.60s", name);
    goto out;
  }
  if (gw_secret_header(req->auth, req->auth_scheme, user, &line, err) != 0)
    goto out;
  if (!is_value(line.data)) {
    gw_err_set(err, GW_EUSAGE, GW_HTTP_OP, "not a usable scheme for %s",
               gw_secret_label(req->auth));
    goto out;
  }
  rc = add_line(x, line.data, err);
out:
  if (line.data)
    explicit_bzero(line.data, line.len);
  gw_buf_dispose(&line);
  return rc;
}

static int add_headers(struct gw_exchange *x, const struct gw_http_req *req,
                       struct gw_err *err)
{
  for (const char *const *h = req->headers; h && *h; h++)
    if (add_header(x, *h, err) != 0)
      return -1;
  if (req->auth && add_auth(x, req, err) != 0)
    return -1;
  /* Unless given: no waiting for 100, no made-up type of a body. */
  if (add_line(x, "Expect:", err) != 0)
    return -1;
  if (x->has_body && !find_header(req->headers, "Content-Type") &&
      add_line(x, "Content-Type:", err) != 0)
    return -1;
  if (!find_header(req->headers, "Accept") &&
      add_line(x, "Accept: */*", err) != 0)
    return -1;
  if (!find_header(req->headers, "User-Agent"))
    return add_line(x, "User-Agent: godwit", err);
  return 0;
}

static int open_upload(struct gw_exchange *x, struct gw_err *err)
{
  struct stat st;

  x->upload = fopen(x->body_file, "rbe");
  if (!x->upload || fstat(fileno(x->upload), &st) != 0)
    return gw_err_errno(err, GW_HTTP_OP, x->body_file);
  if (!S_ISREG(st.st_mode))
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP, "%.180s is not a file",
                      x->body_file);
  x->upload_len = st.st_size;
  return 0;
}

static int part_length(const struct gw_exchange *x,
                       const struct gw_http_part *part, size_t *len,
                       struct gw_err *err)
{
  if (part->bytes) {
    *len = part->len;
    return 0;
  }
  if (gw_secret_check(part->secret, &x->url, err) != 0)
    return -1;
  return gw_secret_json(part->secret, NULL, len, err);
}

/* Measured first: growing would leave pieces of a secret in freed memory. */
static int copy_parts(struct gw_exchange *x, const struct gw_http_req *req,
                      struct gw_err *err)
{
  size_t all = 0, len = 0;

  for (size_t i = 0; i < req->part_count; i++) {
    if (part_length(x, &req->parts[i], &len, err) != 0)
      return -1;
    all += len;
  }
  x->has_body = true;
  if (gw_http_hold(x, all, err) != 0)
    return -1;
  x->body = malloc(all + 1);
  if (!x->body)
    return no_memory(err);
  for (size_t i = 0; i < req->part_count; i++) {
    const struct gw_http_part *part = &req->parts[i];
    len = part->len;
    if (part->bytes) {
      memcpy(x->body + x->body_len, part->bytes, len);
    } else {
      x->has_secret = true;
      if (gw_secret_json(part->secret, x->body + x->body_len, &len, err) != 0)
        return -1;
    }
    x->body_len += len;
  }
  x->body[x->body_len] = '\0';
  return 0;
}

static int copy_body(struct gw_exchange *x, const struct gw_http_req *req,
                     struct gw_err *err)
{
  static const char *const bodied[] = {"POST", "PUT", "PATCH"};

  for (size_t i = 0; i < 3; i++)
    if (strcmp(req->method, bodied[i]) == 0)
      x->has_body = true; /* an empty one: Content-Length: 0 */
  x->pull = req->pull;
  x->upload_len = req->pull && req->body_len ? (long long)req->body_len : -1;
  if (req->pull || req->body_file)
    x->has_body = true;
  if (req->body_file)
    return open_upload(x, err);
  if (req->parts)
    return copy_parts(x, req, err);
  if (req->pull || !req->body)
    return 0;
  x->has_body = true;
  if (gw_http_hold(x, req->body_len, err) != 0)
    return -1;
  x->body = malloc(req->body_len + 1);
  if (!x->body)
    return no_memory(err);
  memcpy(x->body, req->body, req->body_len);
  x->body[req->body_len] = '\0';
  x->body_len = req->body_len;
  return 0;
}

/* What is sent: never a user name, a password or a fragment. */
static int copy_address(struct gw_exchange *x, const char *text,
                        struct gw_err *err)
{
  struct gw_buf address = GW_BUF_INIT;
  size_t len;
  int rc = -1;

  if (gw_url_parse(&x->url, text, err) != 0)
    return -1;
  if (x->url.password)
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP,
                      "an address must not carry a password or key (%s)",
                      x->url.host);
  if (gw_buf_printf(&address, err, "%s:%d", x->url.host, x->url.port) != 0)
    goto out;
  x->where = gw_buf_steal(&address, &len);
  if (gw_url_origin(&x->url, &address, err) != 0 ||
      gw_buf_puts(&address, x->url.path, err) != 0)
    goto out;
  if (x->url.query && gw_buf_printf(&address, err, "?%s", x->url.query) != 0)
    goto out;
  x->address = gw_buf_steal(&address, &len);
  rc = 0;
out:
  gw_buf_dispose(&address);
  return rc;
}

static long or_else(long given, long otherwise)
{
  return given > 0 ? given : otherwise;
}

int gw_http_copy_common(struct gw_exchange *x, const struct gw_http_req *req,
                        struct gw_err *err)
{
  if (copy_address(x, req->url, err) != 0)
    return -1;
  return add_headers(x, req, err);
}

void gw_http_drop_common(struct gw_exchange *x)
{
  gw_http_wipe_headers(x);
  gw_url_dispose(&x->url);
  free(x->where);
  free(x->address);
}

int gw_http_copy(struct gw_exchange *x, const struct gw_http_req *req,
                 struct gw_err *err)
{
  const char *type;

  if (!is_token(req->method, strlen(req->method)) ||
      strcmp(req->method, "CONNECT") == 0)
    return gw_err_set(err, GW_EUSAGE, GW_HTTP_OP, "not a usable method: %.20s",
                      req->method);
  if (req->base ? gw_http_share(x, req, err) != 0
                : copy_address(x, req->url, err) != 0)
    return -1;
  if (gw_http_find_type(req->headers, &type, err) != 0 ||
      gw_http_check_guard(x, req, type, err) != 0)
    return -1;
  if (copy_text(&x->method, req->method, err) != 0 ||
      copy_text(&x->body_file, req->body_file, err) != 0 ||
      copy_text(&x->sink_file, req->sink_file, err) != 0 ||
      copy_body(x, req, err) != 0 || gw_http_check_body(x, type, err) != 0)
    return -1;
  if (!req->base && add_headers(x, req, err) != 0)
    return -1;
  x->may_resend = gw_guard_is_read(req->method, &x->url, type) ||
                  strcmp(req->method, "PUT") == 0 ||
                  strcmp(req->method, "DELETE") == 0;
  x->push = req->push;
  x->sink_any = req->push_any_status;
  x->done = req->done;
  x->arg = req->arg;
  x->wants_facts = req->facts;
  x->max_body = req->max_body;
  if (!x->max_body && !req->push)
    x->max_body = GW_HTTP_BODY_MAX;
  x->connect_ms = or_else(req->connect_ms, 30000);
  x->stall_ms = or_else(req->stall_ms, 60000);
  x->answer_ms = or_else(req->answer_ms, x->stall_ms);
  x->rest_ms = or_else(req->rest_ms, x->stall_ms);
  x->total_ms = req->total_ms;
  return 0;
}

/* A proxy that also ends the TLS connection reads what goes through it: where
 * the server's certificate is not checked, or against an authority that came
 * with the request, only a proxy of the secret's own profile is used. */
static int check_tunnel(const struct gw_http_req *req,
                        const struct gw_secret *secret, struct gw_err *err)
{
  if ((!req->tls.insecure && !req->tls.ca) ||
      gw_secret_knows_proxy(secret, req->proxy))
    return 0;
  return gw_err_set(err, GW_EDENIED, GW_HTTP_OP,
                    "the secret %s is not sent through a proxy that is not "
                    "its profile's without the usual check of certificates",
                    gw_secret_label(secret));
}

/* A proxy reads what goes through it in clear: no secret takes that way, even
 * to this machine. */
static int check_proxy_for(const struct gw_exchange *x,
                           const struct gw_http_req *req,
                           const struct gw_secret *secret, struct gw_err *err)
{
  struct gw_url proxy;
  bool local;

  if (!secret || !req->proxy || !*req->proxy)
    return 0;
  if (strcmp(x->url.scheme, "https") == 0)
    return check_tunnel(req, secret, err);
  if (gw_url_parse(&proxy, req->proxy, err) != 0)
    return -1;
  local = gw_url_is_loopback(&proxy);
  gw_url_dispose(&proxy);
  if (local)
    return 0;
  return gw_err_set(err, GW_EDENIED, GW_HTTP_OP,
                    "the secret %s is not sent through a proxy over plain "
                    "http; use https",
                    gw_secret_label(secret));
}

static int check_proxy(const struct gw_exchange *x,
                       const struct gw_http_req *req, struct gw_err *err)
{
  if (check_proxy_for(x, req, req->auth, err) != 0)
    return -1;
  for (size_t i = 0; i < req->part_count; i++)
    if (check_proxy_for(x, req, req->parts[i].secret, err) != 0)
      return -1;
  return 0;
}

/* One place where curl may refuse an option. */
struct setter {
  CURL *easy;
  CURLcode code;
};

#define SET(s, option, value)                                                  \
  do {                                                                         \
    if ((s)->code == CURLE_OK)                                                 \
      (s)->code = curl_easy_setopt((s)->easy, option, value);                  \
  } while (0)

static void set_method(struct setter *s, const struct gw_exchange *x)
{
  bool streamed = x->pull || x->upload;

  if (strcmp(x->method, "HEAD") == 0)
    SET(s, CURLOPT_NOBODY, 1L);
  else if (streamed)
    SET(s, CURLOPT_UPLOAD, 1L);
  else if (x->has_body)
    SET(s, CURLOPT_POST, 1L);
  else
    SET(s, CURLOPT_HTTPGET, 1L);
  SET(s, CURLOPT_CUSTOMREQUEST, x->method);
  if (streamed) {
    SET(s, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->upload_len);
    SET(s, CURLOPT_READFUNCTION, gw_http_on_pull);
    SET(s, CURLOPT_READDATA, (void *)x);
    SET(s, CURLOPT_SEEKFUNCTION, gw_http_on_seek);
    SET(s, CURLOPT_SEEKDATA, (void *)x);
  } else if (x->has_body) {
    SET(s, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body_len);
    SET(s, CURLOPT_POSTFIELDS, x->body ? x->body : "");
  }
}

static void set_callbacks(struct setter *s, struct gw_exchange *x)
{
  SET(s, CURLOPT_HEADERFUNCTION, gw_http_on_header);
  SET(s, CURLOPT_HEADERDATA, (void *)x);
  SET(s, CURLOPT_WRITEFUNCTION, gw_http_on_body);
  SET(s, CURLOPT_WRITEDATA, (void *)x);
  SET(s, CURLOPT_NOPROGRESS, 0L);
  SET(s, CURLOPT_XFERINFOFUNCTION, gw_http_on_progress);
  SET(s, CURLOPT_XFERINFODATA, (void *)x);
  SET(s, CURLOPT_PREREQFUNCTION, gw_http_on_request);
  SET(s, CURLOPT_PREREQDATA, (void *)x);
  SET(s, CURLOPT_ERRORBUFFER, x->curl_text);
  SET(s, CURLOPT_PRIVATE, (void *)&x->transfer);
}

static void set_connection(struct setter *s, const struct gw_exchange *x,
                           const struct gw_http_req *req)
{
  long buffer = req->buffer ? (long)req->buffer : 256L << 10;

  SET(s, CURLOPT_NOSIGNAL, 1L);
  SET(s, CURLOPT_TCP_NODELAY, 1L);
  SET(s, CURLOPT_TCP_KEEPALIVE, 1L);
  /* HTTP/1.1, also where HTTP/2 is offered: with curl 7.88 one upload that is
   * answered before its end stops every other request on the shared
   * connection, and nothing gets faster by sharing one (see http_bad.lua). */
  SET(s, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  /* A handle that has kept its buffer refuses another size; that one will do
   * then. */
  (void)curl_easy_setopt(s->easy, CURLOPT_BUFFERSIZE, buffer);
  SET(s, CURLOPT_UPLOAD_BUFFERSIZE, buffer);
  SET(s, CURLOPT_CONNECTTIMEOUT_MS, x->connect_ms);
  /* Ending a transfer must not wait for a name server that does not answer:
   * curl joins its resolver thread without this. */
  SET(s, CURLOPT_QUICK_EXIT, 1L);
  /* A kept connection may have been closed by the server just now. What must
   * not be sent twice uses only those that were in use a moment ago. */
  if (!x->may_resend)
    SET(s, CURLOPT_MAXAGE_CONN, 15L);
  if (req->fresh)
    SET(s, CURLOPT_FRESH_CONNECT, 1L);
  if (req->facts)
    SET(s, CURLOPT_CERTINFO, 1L);
  SET(s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(s, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
  /* A proxy of the environment is for the outside: what it would get of a
   * request to this machine is a secret in clear and a wrong address. */
  if (req->proxy)
    SET(s, CURLOPT_PROXY, req->proxy);
  else if (gw_url_is_loopback(&x->url))
    SET(s, CURLOPT_PROXY, "");
  else if (strcmp(x->url.scheme, "http") == 0 && !getenv("http_proxy") &&
           getenv("HTTP_PROXY"))
    SET(s, CURLOPT_PROXY, getenv("HTTP_PROXY")); /* not of itself: the name
                                                    is dangerous in a CGI */
  if (req->no_proxy)
    SET(s, CURLOPT_NOPROXY, req->no_proxy);
}

/* Authorities the user named for all programs; libcurl leaves that to us. */
static const char *ca_of_environment(void)
{
  const char *file = getenv("CURL_CA_BUNDLE");

  if (!file || !*file)
    file = getenv("SSL_CERT_FILE");
  return file && *file ? file : NULL;
}

static void set_tls(struct setter *s, const struct gw_http_tls *tls)
{
  const char *ca = tls->ca ? tls->ca : ca_of_environment();

  SET(s, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (ca) {
    SET(s, CURLOPT_CAINFO, ca);
    SET(s, CURLOPT_CAPATH, NULL);
  }
  if (tls->cert)
    SET(s, CURLOPT_SSLCERT, tls->cert);
  if (tls->key)
    SET(s, CURLOPT_SSLKEY, tls->key);
  if (tls->insecure) {
    SET(s, CURLOPT_SSL_VERIFYPEER, 0L);
    SET(s, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

int gw_http_configure(struct gw_exchange *x, const struct gw_http_req *req,
                      struct gw_err *err)
{
  struct setter s = {x->easy, CURLE_OK};

  if (check_proxy(x, req, err) != 0)
    return -1;
  if (gw_fault("http.setup"))
    return no_memory(err);
  SET(&s, CURLOPT_URL, x->address);
  SET(&s, CURLOPT_PROTOCOLS_STR, "http,https");
  SET(&s, CURLOPT_FOLLOWLOCATION, 0L);
  SET(&s, CURLOPT_HTTPHEADER, x->headers);
  set_method(&s, x);
  set_callbacks(&s, x);
  set_connection(&s, x, req);
  set_tls(&s, &req->tls);
  if (s.code == CURLE_OK)
    return 0;
  return gw_err_set(err, s.code == CURLE_OUT_OF_MEMORY ? GW_ENOMEM : GW_EBUG,
                    GW_HTTP_OP, "curl refused an option: %s",
                    curl_easy_strerror(s.code));
}
