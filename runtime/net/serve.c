/*
 * serve: libmicrohttpd in external mode, every waiting request suspended.
 *
 * The library calls on_access again and again for one request: first with
 * the headers, then with pieces of the body, then without, until an answer is
 * queued. Where the handler is not ready, the connection is suspended; what
 * the handler does resumes it and lets the library run from a timer, never
 * from inside the handler's call.
 */
#include "net/serve.h"

#include "base/buf.h"
#include "base/fault.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OP "serve"
#define IN_MAX ((size_t)256 << 10)  /* of a body, not yet taken */
#define OUT_MAX ((size_t)256 << 10) /* of an answer, not yet sent */
#define EARLY_MAX ((size_t)16 << 20) /* the same while the body still comes */
#define HEADER_MEMORY ((size_t)64 << 10)
#define DISCARD_MAX ((uint64_t)64 << 20) /* of a body nobody wants */

struct gw_server {
  struct gw_loop *loop;
  struct MHD_Daemon *daemon;
  struct gw_watch watch;
  struct gw_timer timer;
  struct gw_serve_opts opts;
  struct gw_request *first; /* all that have a connection */
  size_t running;
  int port;
  bool working; /* the library is on the stack */
  bool quiet;
  bool closing;
};

struct gw_request {
  struct gw_server *server;         /* NULL: gone */
  struct MHD_Connection *connection; /* NULL: gone */
  struct gw_request *next, *prev;
  char *method, *path, *query;
  char remote[80];
  struct gw_buf headers;
  void (*changed)(void *arg);
  void *arg;

  struct gw_buf in;
  bool in_ended;
  uint64_t discarded;

  struct MHD_Response *response;
  unsigned status;
  struct gw_buf out;
  size_t out_sent;
  bool streamed, finished, queued;

  bool handed;    /* the handler knows it */
  bool owned;     /* and has not freed it */
  bool expects;   /* the client waits for a 100 before it sends the body */
  bool wanted;    /* the handler asked for it */
  bool suspended;
  bool cut;       /* close instead of answering on */
};

static int no_memory(struct gw_err *err)
{
  return gw_err_set(err, GW_ENOMEM, OP, "out of memory");
}

/* --- suspend and resume ------------------------------------------------ */

static void kick(struct gw_server *server)
{
  (void)gw_timer_start(server->loop, &server->timer, 0, NULL);
}

static void suspend(struct gw_request *r)
{
  if (r->suspended)
    return;
  r->suspended = true;
  MHD_suspend_connection(r->connection);
}

static void resume(struct gw_request *r)
{
  if (!r->suspended || !r->connection)
    return;
  r->suspended = false;
  MHD_resume_connection(r->connection);
  kick(r->server);
}

static void tell(struct gw_request *r)
{
  if (r->changed && r->owned)
    r->changed(r->arg);
}

/* --- a request's beginning and end ------------------------------------- */

static void destroy(struct gw_request *r)
{
  if (r->response)
    MHD_destroy_response(r->response);
  free(r->method);
  free(r->path);
  free(r->query);
  gw_buf_dispose(&r->headers);
  gw_buf_dispose(&r->in);
  gw_buf_dispose(&r->out);
  free(r);
}

static void link_request(struct gw_server *server, struct gw_request *r)
{
  r->server = server;
  r->next = server->first;
  if (r->next)
    r->next->prev = r;
  server->first = r;
  server->running++;
}

static void unlink_request(struct gw_request *r)
{
  struct gw_server *server = r->server;

  if (!server)
    return;
  if (r->prev)
    r->prev->next = r->next;
  else
    server->first = r->next;
  if (r->next)
    r->next->prev = r->prev;
  r->next = r->prev = NULL;
  r->server = NULL;
  r->connection = NULL;
  server->running--;
  if (server->running == 0 && server->opts.idle && !server->closing)
    server->opts.idle(server->opts.arg);
}

/* Called with the request line, before the library decodes it. What it
 * returns comes back as *context of on_access. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *c)
{
  struct gw_server *server = arg;
  const char *mark = strchr(uri, '?');
  struct gw_request *r = calloc(1, sizeof(*r));

  if (!r)
    return NULL;
  gw_buf_init(&r->headers, 0);
  gw_buf_init(&r->in, 0);
  gw_buf_init(&r->out, 0);
  r->path = mark ? strndup(uri, (size_t)(mark - uri)) : strdup(uri);
  r->query = mark ? strdup(mark + 1) : NULL;
  if (!r->path || (mark && !r->query)) {
    destroy(r);
    return NULL;
  }
  r->connection = c;
  link_request(server, r);
  return r;
}

static void on_completed(void *arg, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode code)
{
  struct gw_request *r = *context;

  (void)arg, (void)c, (void)code;
  *context = NULL;
  if (!r)
    return;
  unlink_request(r);
  if (r->owned)
    tell(r);
  else
    destroy(r);
}

/* --- the headers of a request ------------------------------------------ */

static const char *find_line(const struct gw_buf *headers, const char *name)
{
  size_t len = strlen(name);
  const char *line = headers->data;

  while (line && *line) {
    if (strncmp(line, name, len) == 0 && line[len] == ':')
      return line + len + 2;
    line = strchr(line, '\n');
    line = line ? line + 1 : NULL;
  }
  return NULL;
}

struct collect {
  struct gw_request *r;
  struct gw_buf name;
  bool failed;
};

/* A repeated header is joined to the first of its name. */
static int join_line(struct gw_buf *headers, const char *at, const char *value)
{
  struct gw_buf rest = GW_BUF_INIT;
  size_t end = (size_t)(at - headers->data) + strcspn(at, "\n");
  int rc = gw_buf_puts(&rest, headers->data + end, NULL);

  if (rc == 0) {
    headers->len = end;
    rc = gw_buf_printf(headers, NULL, ", %s%s", value, rest.data);
  }
  gw_buf_dispose(&rest);
  return rc;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind,
                                 const char *key, const char *value)
{
  struct collect *c = arg;
  struct gw_buf *headers = &c->r->headers;
  const char *at;
  int rc;

  (void)kind;
  if (!value || strchr(value, '\n'))
    value = "";
  gw_buf_clear(&c->name);
  if (gw_buf_puts(&c->name, key, NULL) != 0) {
    c->failed = true;
    return MHD_NO;
  }
  for (char *p = c->name.data; p && *p; p++)
    *p = (char)tolower((unsigned char)*p);
  at = find_line(headers, c->name.data);
  rc = at ? join_line(headers, at, value)
          : gw_buf_printf(headers, NULL, "%s: %s\n", c->name.data, value);
  c->failed = rc != 0;
  return rc == 0 ? MHD_YES : MHD_NO;
}

static void note_remote(struct gw_request *r)
{
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(
      r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char host[48] = "?", port[8] = "0";
  socklen_t len;

  if (info && info->client_addr) {
    len = info->client_addr->sa_family == AF_INET6
              ? sizeof(struct sockaddr_in6)
              : sizeof(struct sockaddr_in);
    (void)getnameinfo(info->client_addr, len, host, sizeof(host), port,
                      sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  }
  (void)snprintf(r->remote, sizeof(r->remote), "%s:%s", host, port);
}

static int take_head(struct gw_request *r, const char *method)
{
  struct collect c = {.r = r};
  const char *expect, *length;

  gw_buf_init(&c.name, 0);
  r->method = strdup(method);
  MHD_get_connection_values(r->connection, MHD_HEADER_KIND, on_header, &c);
  gw_buf_dispose(&c.name);
  if (!r->method || c.failed ||
      (!r->headers.data && gw_buf_puts(&r->headers, "", NULL) != 0))
    return -1;
  expect = find_line(&r->headers, "expect");
  r->expects = expect && strncasecmp(expect, "100-continue", 12) == 0;
  length = find_line(&r->headers, "content-length");
  r->in_ended = (!length || strtoull(length, NULL, 10) == 0) &&
                !find_line(&r->headers, "transfer-encoding");
  if (r->in_ended)
    r->expects = false;
  note_remote(r);
  return 0;
}

/* --- what the library asks --------------------------------------------- */

static enum MHD_Result queue(struct gw_request *r)
{
  enum MHD_Result ok;

  if (r->queued)
    return MHD_YES;
  r->queued = true;
  ok = MHD_queue_response(r->connection, r->status, r->response);
  return ok;
}

static enum MHD_Result take_body(struct gw_request *r, const char *data,
                                 size_t *len)
{
  size_t room;

  if (r->finished || !r->owned) { /* answered already: nobody wants it */
    r->discarded += *len;
    *len = 0;
    return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
  }
  room = r->in.len < IN_MAX ? IN_MAX - r->in.len : 0;
  if (room > *len)
    room = *len;
  if (room > 0 && gw_buf_append(&r->in, data, room, NULL) != 0)
    return MHD_NO;
  *len -= room;
  if (*len > 0)
    suspend(r);
  if (room > 0)
    tell(r);
  return MHD_YES;
}

/* The client asks whether to send the body. Until the handler reads or
 * answers it gets no reply: a refusal then comes before the body. */
static enum MHD_Result decide(struct gw_request *r)
{
  if (r->response && r->finished) {
    r->expects = false;
    return queue(r);
  }
  if (r->wanted) {
    r->expects = false;
    return MHD_YES;
  }
  if (!r->owned)
    return MHD_NO;
  suspend(r);
  return MHD_YES;
}

/* Two lengths: whoever stands before us may have read the other one, and what
 * is left over would be taken for somebody's next request (RFC 9112, 6.3). */
static bool is_ambiguous(const struct gw_request *r)
{
  const char *length = find_line(&r->headers, "content-length");

  return length && (memchr(length, ',', strcspn(length, "\n")) ||
                    find_line(&r->headers, "transfer-encoding"));
}

static enum MHD_Result refuse_ambiguous(struct MHD_Connection *c)
{
  static char text[] = "The request has more than one length.\n";
  struct MHD_Response *response = MHD_create_response_from_buffer(
      sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
  enum MHD_Result ok;

  if (!response)
    return MHD_NO;
  (void)MHD_add_response_header(response, "Connection", "close");
  ok = MHD_queue_response(c, MHD_HTTP_BAD_REQUEST, response);
  MHD_destroy_response(response);
  return ok;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *c,
                                 const char *url, const char *method,
                                 const char *version, const char *data,
                                 size_t *len, void **context)
{
  struct gw_server *server = arg;
  struct gw_request *r = *context;

  (void)c, (void)url, (void)version;
  if (!r || r->cut || server->closing)
    return MHD_NO;
  if (!r->handed) {
    r->handed = true;
    if (take_head(r, method) != 0)
      return MHD_NO;
    if (is_ambiguous(r))
      return refuse_ambiguous(c);
    r->owned = true;
    server->opts.request(server->opts.arg, r);
    return r->expects ? decide(r) : MHD_YES;
  }
  if (r->expects)
    return decide(r);
  if (*len > 0)
    return take_body(r, data, len);
  if (!r->in_ended) {
    r->in_ended = true;
    tell(r);
  }
  if (r->response)
    return queue(r);
  if (!r->owned)
    return MHD_NO;
  suspend(r);
  return MHD_YES;
}

static ssize_t on_more(void *arg, uint64_t pos, char *out, size_t max)
{
  struct gw_request *r = arg;
  size_t left = r->out.len - r->out_sent, n = left < max ? left : max;

  (void)pos;
  if (r->cut)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  if (n == 0 && r->finished)
    return MHD_CONTENT_READER_END_OF_STREAM;
  if (n == 0) {
    suspend(r);
    return 0;
  }
  memcpy(out, r->out.data + r->out_sent, n);
  r->out_sent += n;
  if (r->out_sent == r->out.len) {
    gw_buf_clear(&r->out);
    r->out_sent = 0;
    tell(r);
  }
  return (ssize_t)n;
}

/* --- running ----------------------------------------------------------- */

static void work(struct gw_server *server)
{
  MHD_UNSIGNED_LONG_LONG ms;

  if (server->working)
    return;
  server->working = true;
  (void)MHD_run(server->daemon);
  server->working = false;
  if (MHD_get_timeout(server->daemon, &ms) == MHD_YES)
    (void)gw_timer_start(server->loop, &server->timer, ms, NULL);
}

static void on_ready(struct gw_watch *watch, short revents)
{
  (void)revents;
  work((struct gw_server *)((char *)watch -
                            offsetof(struct gw_server, watch)));
}

static void on_timer(struct gw_timer *timer)
{
  work((struct gw_server *)((char *)timer -
                            offsetof(struct gw_server, timer)));
}

/* Our own socket: its errors name the address and say why. */
static int open_socket(struct gw_server *server, struct gw_err *err)
{
  const char *address =
      server->opts.address ? server->opts.address : "127.0.0.1";
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE,
                           .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  struct sockaddr_storage bound;
  socklen_t len = sizeof(bound);
  char port[16], where[80];
  int fd = -1, on = 1;

  (void)snprintf(port, sizeof(port), "%d", server->opts.port);
  (void)snprintf(where, sizeof(where), "%s:%s", address, port);
  if (getaddrinfo(address, port, &hints, &found) != 0)
    return gw_err_set(err, GW_EUSAGE, OP, "not an address to listen on: %.60s",
                      address);
  fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || gw_fault("serve.socket") ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
      listen(fd, 1024) != 0 ||
      getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
    gw_err_errno(err, OP, where);
    if (fd >= 0)
      (void)close(fd);
    fd = -1;
  } else {
    server->port = ntohs(bound.ss_family == AF_INET6
                             ? ((struct sockaddr_in6 *)&bound)->sin6_port
                             : ((struct sockaddr_in *)&bound)->sin_port);
  }
  freeaddrinfo(found);
  return fd;
}

static int start_daemon(struct gw_server *server, int fd, struct gw_err *err)
{
  const union MHD_DaemonInfo *info;
  unsigned connections =
      server->opts.connections ? server->opts.connections : 512;
  unsigned idle = server->opts.idle_s ? server->opts.idle_s : 75;

  server->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access,
      server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
      connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADER_MEMORY,
      MHD_OPTION_CONNECTION_TIMEOUT, idle, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
      server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
      MHD_OPTION_END);
  if (!server->daemon) {
    (void)close(fd);
    return gw_err_set(err, GW_EIO, OP, "the HTTP server could not be started");
  }
  info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (!info || info->epoll_fd < 0)
    return gw_err_set(err, GW_EBUG, OP, "the HTTP server has no descriptor");
  server->watch.fd = info->epoll_fd;
  server->watch.events = POLLIN;
  server->watch.fn = on_ready;
  gw_watch_start(server->loop, &server->watch);
  return 0;
}

int gw_serve_start(struct gw_server **out, struct gw_loop *loop,
                   const struct gw_serve_opts *opts, struct gw_err *err)
{
  struct gw_server *server = calloc(1, sizeof(*server));
  int fd;

  *out = NULL;
  if (!server)
    return no_memory(err);
  server->loop = loop;
  server->opts = *opts;
  server->timer.fn = on_timer;
  fd = open_socket(server, err);
  server->opts.address = NULL; /* the caller's */
  if (fd < 0 || start_daemon(server, fd, err) != 0 ||
      gw_timer_start(loop, &server->timer, 0, err) != 0) {
    gw_serve_free(server);
    return -1;
  }
  *out = server;
  return 0;
}

int gw_serve_port(const struct gw_server *server)
{
  return server->port;
}

size_t gw_serve_running(const struct gw_server *server)
{
  return server->running;
}

void gw_serve_quiesce(struct gw_server *server)
{
  MHD_socket fd;

  if (server->quiet)
    return;
  server->quiet = true;
  fd = MHD_quiesce_daemon(server->daemon);
  if (fd != MHD_INVALID_SOCKET)
    (void)close(fd);
}

void gw_serve_free(struct gw_server *server)
{
  if (!server)
    return;
  server->closing = true;
  if (server->daemon) {
    gw_watch_stop(server->loop, &server->watch);
    /* The library refuses to end with suspended connections. */
    for (struct gw_request *r = server->first; r; r = r->next)
      resume(r);
    MHD_stop_daemon(server->daemon);
  }
  gw_timer_stop(server->loop, &server->timer);
  free(server);
}

/* --- what was asked ---------------------------------------------------- */

const char *gw_request_method(const struct gw_request *r)
{
  return r->method;
}

const char *gw_request_path(const struct gw_request *r)
{
  return r->path;
}

const char *gw_request_query(const struct gw_request *r)
{
  return r->query;
}

const char *gw_request_remote(const struct gw_request *r)
{
  return r->remote;
}

const char *gw_request_headers(const struct gw_request *r)
{
  return r->headers.data;
}

void gw_request_watch(struct gw_request *r, void (*changed)(void *arg),
                      void *arg)
{
  r->changed = changed;
  r->arg = arg;
}

enum gw_request_state gw_request_read(struct gw_request *r, char **data,
                                      size_t *len)
{
  *data = NULL;
  *len = 0;
  if (r->in.len > 0) {
    *data = gw_buf_steal(&r->in, len);
    if (!r->in_ended)
      resume(r);
    return GW_REQUEST_READY;
  }
  if (r->in_ended)
    return GW_REQUEST_END;
  if (!r->connection)
    return GW_REQUEST_GONE;
  r->wanted = true;
  if (r->expects)
    resume(r);
  return GW_REQUEST_WAIT;
}

/* --- the answer -------------------------------------------------------- */

static int add_header(struct MHD_Response *response, const char *line,
                      struct gw_err *err)
{
  const char *colon = strchr(line, ':'), *value;
  char *name;
  int rc = 0;

  if (!colon)
    return gw_err_set(err, GW_EUSAGE, OP, "not a header: %.80s", line);
  name = strndup(line, (size_t)(colon - line));
  if (!name)
    return no_memory(err);
  for (value = colon + 1; *value == ' '; value++)
    ;
  if (strcasecmp(name, "Content-Length") != 0 &&
      strcasecmp(name, "Transfer-Encoding") != 0 && *value &&
      MHD_add_response_header(response, name, value) != MHD_YES)
    rc = gw_err_set(err, GW_EUSAGE, OP, "not a usable header: %.80s", line);
  free(name);
  return rc;
}

/* From here on the request has its answer; the library fetches it when it
 * comes to it. */
static int take_response(struct gw_request *r, struct MHD_Response *response,
                         int status, const char *const *headers,
                         struct gw_err *err)
{
  if (!response)
    return no_memory(err);
  for (; headers && *headers; headers++)
    if (add_header(response, *headers, err) != 0) {
      MHD_destroy_response(response);
      return -1;
    }
  r->response = response;
  r->status = (unsigned)status;
  resume(r);
  return 0;
}

static int check_answer(const struct gw_request *r, int status,
                        struct gw_err *err)
{
  if (r->response)
    return gw_err_set(err, GW_EUSAGE, OP, "this request is answered already");
  if (status < 200 || status > 599)
    return gw_err_set(err, GW_EUSAGE, OP, "not a status to answer with: %d",
                      status);
  return 0;
}

int gw_request_respond(struct gw_request *r, int status,
                       const char *const *headers, const void *body,
                       size_t len, struct gw_err *err)
{
  if (check_answer(r, status, err) != 0)
    return -1;
  r->finished = true;
  return take_response(
      r,
      MHD_create_response_from_buffer(len, (void *)(uintptr_t)body,
                                      MHD_RESPMEM_MUST_COPY),
      status, headers, err);
}

static uint64_t announced(const char *const *headers)
{
  for (; headers && *headers; headers++)
    if (strncasecmp(*headers, "Content-Length:", 15) == 0)
      return strtoull(*headers + 15, NULL, 10);
  return MHD_SIZE_UNKNOWN;
}

int gw_request_start(struct gw_request *r, int status,
                     const char *const *headers, struct gw_err *err)
{
  if (check_answer(r, status, err) != 0)
    return -1;
  r->streamed = true;
  return take_response(r,
                       MHD_create_response_from_callback(
                           announced(headers), 64 << 10, on_more, r, NULL),
                       status, headers, err);
}

/* Nothing of the body is ever asked for. */
static bool is_bodiless(const struct gw_request *r)
{
  return strcmp(r->method, "HEAD") == 0 || r->status == 204 ||
         r->status == 304;
}

enum gw_request_state gw_request_write(struct gw_request *r, const void *data,
                                       size_t len)
{
  if (!r->connection || r->cut)
    return GW_REQUEST_GONE;
  if (!r->streamed || r->finished || is_bodiless(r) || len == 0)
    return GW_REQUEST_READY;
  /* Nothing can be sent before the body's end: waiting for that here would
   * wait for ever in a handler that writes what it reads. */
  if (r->in_ended && r->out.len > 0 && r->out.len + len > OUT_MAX)
    return GW_REQUEST_WAIT;
  if ((!r->in_ended && r->out.len + len > EARLY_MAX) ||
      gw_buf_append(&r->out, data, len, NULL) != 0) {
    r->cut = true;
    resume(r);
    return GW_REQUEST_GONE;
  }
  resume(r);
  return GW_REQUEST_READY;
}

void gw_request_finish(struct gw_request *r)
{
  r->finished = true;
  resume(r);
}

bool gw_request_answered(const struct gw_request *r)
{
  return r->response != NULL;
}

bool gw_request_gone(struct gw_request *r)
{
  const union MHD_ConnectionInfo *info;
  struct pollfd look = {.events = POLLRDHUP};

  if (!r->connection)
    return true;
  info = MHD_get_connection_info(r->connection,
                                 MHD_CONNECTION_INFO_CONNECTION_FD);
  if (!info)
    return true;
  look.fd = info->connect_fd;
  return poll(&look, 1, 0) > 0 &&
         (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void gw_request_free(struct gw_request *r)
{
  if (!r)
    return;
  r->owned = false;
  if (!r->connection) {
    destroy(r);
    return;
  }
  if (!r->response || !r->finished)
    r->cut = true;
  resume(r);
}
