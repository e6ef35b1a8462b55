#include "peer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 8 };

struct peer {
  struct gw_watch watch; /* first member */
  struct peer_server *server;
  const char *data;
  size_t left;
  struct gw_buf heard; /* of the request, while it must come first */
  bool quiet;
};

struct peer_server {
  struct gw_watch watch; /* first member */
  struct gw_loop *loop;
  int port;
  const char *data;
  size_t len;
  bool listens_first;
  struct peer peers[PEERS];
};

static int reset_later(int fd)
{
  struct linger linger = {1, 0};

  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* With a Content-Length, or in chunks. */
static bool is_whole(const struct gw_buf *heard)
{
  const char *text = heard->data;
  const char *end = text ? strstr(text, "\r\n\r\n") : NULL;
  const char *length = text ? strcasestr(text, "\r\nContent-Length:") : NULL;
  size_t body;

  if (!end)
    return false;
  body = heard->len - (size_t)(end + 4 - text);
  if (length && length < end)
    return body >= strtoul(length + 17, NULL, 10);
  if (!strcasestr(text, "\r\nTransfer-Encoding: chunked"))
    return true;
  return body >= 5 && memcmp(text + heard->len - 5, "0\r\n\r\n", 5) == 0;
}

static void listen_to(struct peer *p, const char *data, size_t len)
{
  if (!p->quiet)
    return;
  MUST(gw_buf_append(&p->heard, data, len, NULL) == 0);
  p->quiet = !is_whole(&p->heard);
  if (!p->quiet)
    p->watch.events = POLLIN | POLLOUT;
}

static void on_peer(struct gw_watch *watch, short revents)
{
  struct peer *p = (struct peer *)(void *)watch;
  char trash[16384];
  ssize_t n;

  if (revents & (POLLIN | POLLHUP | POLLERR)) {
    n = recv(watch->fd, trash, sizeof(trash), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      watch->events = 0;
      return;
    }
    if (n > 0)
      listen_to(p, trash, (size_t)n);
  }
  if (p->quiet)
    return;
  if (p->left > 0) {
    n = send(watch->fd, p->data, p->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      p->data += n;
      p->left -= (size_t)n;
    }
  }
  if (p->left == 0) {
    (void)shutdown(watch->fd, SHUT_WR);
    watch->events = POLLIN;
  }
}

static void on_connection(struct gw_watch *watch, short revents)
{
  struct peer_server *s = (struct peer_server *)(void *)watch;
  int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  (void)revents;
  for (int i = 0; i < PEERS && fd >= 0; i++) {
    struct peer *p = &s->peers[i];
    if (p->watch.on)
      continue;
    *p = (struct peer){.watch = {.fd = fd, .events = POLLIN, .fn = on_peer},
                       .server = s,
                       .data = s->data,
                       .left = s->len,
                       .quiet = s->listens_first};
    if (!p->quiet)
      p->watch.events = POLLIN | POLLOUT;
    gw_watch_start(s->loop, &p->watch);
    return;
  }
  if (fd >= 0)
    (void)close(fd);
}

struct peer_server *peer_listen(struct gw_loop *loop)
{
  struct peer_server *s = calloc(1, sizeof(*s));
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  MUST(s && fd >= 0);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  MUST(bind(fd, (const struct sockaddr *)(const void *)&address,
            sizeof(address)) == 0);
  MUST(listen(fd, 16) == 0);
  MUST(getsockname(fd, (struct sockaddr *)(void *)&address, &len) == 0);
  s->loop = loop;
  s->port = ntohs(address.sin_port);
  s->watch = (struct gw_watch){.fd = fd, .events = POLLIN, .fn = on_connection};
  gw_watch_start(loop, &s->watch);
  return s;
}

int peer_port(const struct peer_server *server)
{
  return server->port;
}

void peer_say(struct peer_server *server, const void *data, size_t len)
{
  server->data = data;
  server->len = len;
}

void peer_listen_first(struct peer_server *server)
{
  server->listens_first = true;
}

void peer_drop(struct peer_server *server)
{
  for (int i = 0; i < PEERS; i++) {
    struct peer *p = &server->peers[i];
    if (!p->watch.on)
      continue;
    gw_watch_stop(server->loop, &p->watch);
    (void)reset_later(p->watch.fd);
    (void)close(p->watch.fd);
    gw_buf_dispose(&p->heard);
  }
}

/* --- asking ------------------------------------------------------------ */

struct ask {
  struct gw_watch watch; /* first member */
  const char *data;
  size_t left, got;
  bool ended;
};

static void on_ask(struct gw_watch *watch, short revents)
{
  struct ask *a = (struct ask *)(void *)watch;
  char trash[16384];
  ssize_t n;

  (void)revents;
  if (a->left > 0) {
    n = send(watch->fd, a->data, a->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      a->data += n;
      a->left -= (size_t)n;
    }
    if (a->left == 0)
      (void)shutdown(watch->fd, SHUT_WR);
  }
  n = recv(watch->fd, trash, sizeof(trash), MSG_DONTWAIT);
  if (n > 0)
    a->got += (size_t)n;
  else if (n == 0 || errno != EAGAIN)
    a->ended = true;
  watch->events = a->ended ? 0 : a->left ? POLLIN | POLLOUT : POLLIN;
}

static void on_quiet(struct gw_timer *timer)
{
  (void)timer;
}

size_t peer_ask(struct gw_loop *loop, int port, const void *data, size_t len,
                unsigned quiet_ms)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port)};
  struct ask a = {.data = data, .left = len};
  struct gw_timer quiet = {.fn = on_quiet};
  uint64_t since = gw_clock_ms();
  size_t seen = 0;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  MUST(fd >= 0);
  MUST(connect(fd, (const struct sockaddr *)(const void *)&address,
               sizeof(address)) == 0);
  a.watch =
      (struct gw_watch){.fd = fd, .events = POLLIN | POLLOUT, .fn = on_ask};
  gw_watch_start(loop, &a.watch);
  MUST(gw_timer_start(loop, &quiet, quiet_ms, NULL) == 0);
  while (!a.ended && gw_clock_ms() - since < quiet_ms) {
    MUST(gw_loop_step(loop, true, NULL) == 0);
    if (a.got + len - a.left != seen) {
      seen = a.got + len - a.left;
      since = gw_clock_ms();
      MUST(gw_timer_start(loop, &quiet, quiet_ms, NULL) == 0);
    }
  }
  gw_timer_stop(loop, &quiet);
  gw_watch_stop(loop, &a.watch);
  (void)reset_later(fd);
  (void)close(fd);
  return a.got;
}
