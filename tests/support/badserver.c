/*
 * badserver: a server that misbehaves on demand, a forward proxy, and a relay
 * that cuts. For tests only; it ends by itself.
 *
 * godwit_badserver [options]             what it does is asked for by path
 *   /ok /hang /stall?N /cut?N /reset /close /huge /endless /garbage /html
 *   /deep?N /redirect?URL /slow?MS /drip?N /headers?N /longheader /badchunk
 *   /status?N /count /echo-head /early?N /deaf (reads no body) /sip?MS (a
 *   little of it every so often) /short?N (less than it says) /later?N (N
 *   bytes, in two halves) /both?N (a length of N beside 100000 bytes in
 *   chunks); /X=N/ANYTHING is /X?N
 * godwit_badserver --proxy [options]     CONNECT, and http:// in full
 *   --to PORT        every name is this port of the loopback
 *   --need-auth      407 without Proxy-Authorization
 *   --deny           403 to everything
 * godwit_badserver --relay PORT [options]   bytes both ways, to that port
 *   --cut-down N --stall-down N --cut-up N   after N bytes of a direction
 *   --idle-cut MS    when nothing moved for so long
 *   --delay MS       before every piece, both ways
 *   --only N         these apply to the first N connections
 * options: --tls CERT KEY  --tls13  --client-ca FILE  --accept-only
 *   --port N  --life SECONDS (120)  --log FILE (request heads)  --stdin (end
 *   when standard input does)
 *
 * Prints its port on the first line of standard output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 65536

static struct {
  bool proxy, need_auth, deny, tls13, accept_only, until_stdin;
  int relay, to, port;
  unsigned life;
  long cut_down, stall_down, cut_up, idle_cut, delay, only;
  const char *cert, *key, *client_ca, *log;
} opt = {.life = 120, .cut_down = -1, .stall_down = -1, .cut_up = -1,
         .idle_cut = -1, .only = -1};

static SSL_CTX *tls;
static atomic_long connections;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

struct peer {
  int fd;
  SSL *ssl;
  long number; /* from 1 */
  char head[HEAD_MAX];
  size_t head_len, extra; /* extra: bytes of the body that came with it */
};

static void die(const char *what)
{
  perror(what);
  exit(2);
}

static void nap(long ms)
{
  if (ms > 0)
    usleep((useconds_t)ms * 1000);
}

static void keep_silent(void)
{
  for (;;)
    pause(); /* until the end of the process */
}

/* --- bytes ------------------------------------------------------------- */

static ssize_t get(struct peer *p, void *buf, size_t len)
{
  if (p->ssl)
    return SSL_read(p->ssl, buf, (int)len);
  return recv(p->fd, buf, len, 0);
}

static bool put(struct peer *p, const void *buf, size_t len)
{
  const char *data = buf;

  while (len > 0) {
    ssize_t n = p->ssl ? SSL_write(p->ssl, data, (int)len)
                       : send(p->fd, data, len, MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

static bool say(struct peer *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool say(struct peer *p, const char *fmt, ...)
{
  char text[8192];
  va_list args;
  int n;

  va_start(args, fmt);
  n = vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  return put(p, text, (size_t)n);
}

static void answer(struct peer *p, int status, const char *type,
                   const char *body)
{
  say(p, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
      status, type, strlen(body));
  put(p, body, strlen(body));
}

static void write_log(const char *text, size_t len)
{
  FILE *f;

  if (!opt.log)
    return;
  pthread_mutex_lock(&log_lock);
  f = fopen(opt.log, "a");
  if (f) {
    fwrite(text, 1, len, f);
    fclose(f);
  }
  pthread_mutex_unlock(&log_lock);
}

/* Reads up to the empty line; the body is not read. */
static bool read_head(struct peer *p)
{
  char *end = NULL;

  p->head_len = 0;
  while (!end) {
    ssize_t n;
    if (p->head_len + 1 >= HEAD_MAX)
      return false;
    n = get(p, p->head + p->head_len, HEAD_MAX - 1 - p->head_len);
    if (n <= 0)
      return false;
    p->head_len += (size_t)n;
    p->head[p->head_len] = '\0';
    end = strstr(p->head, "\r\n\r\n");
  }
  p->extra = p->head_len - (size_t)(end + 4 - p->head);
  write_log(p->head, (size_t)(end + 4 - p->head));
  return true;
}

static const char *find_header(const struct peer *p, const char *name)
{
  const char *line = p->head;
  size_t len = strlen(name);

  while ((line = strstr(line, "\r\n")) != NULL) {
    line += 2;
    if (strncasecmp(line, name, len) == 0 && line[len] == ':')
      return line + len + 1;
  }
  return NULL;
}

static void drop_body(struct peer *p)
{
  const char *length = find_header(p, "Content-Length");
  long left = length ? atol(length) - (long)p->extra : 0;
  char buf[65536];

  while (left > 0) {
    ssize_t n = get(p, buf, left < (long)sizeof(buf) ? (size_t)left
                                                     : sizeof(buf));
    if (n <= 0)
      return;
    left -= n;
  }
}

/* 64 KiB at a time, with a pause before each. */
static void sip(struct peer *p, long ms)
{
  const char *length = find_header(p, "Content-Length");
  long left = length ? atol(length) - (long)p->extra : 0;
  char buf[65536];

  while (left > 0) {
    long want = left < (long)sizeof(buf) ? left : (long)sizeof(buf);
    nap(ms);
    for (ssize_t n; want > 0; want -= n, left -= n)
      if ((n = get(p, buf, (size_t)want)) <= 0)
        return;
  }
}

/* --- misbehaviours ----------------------------------------------------- */

static void fill(struct peer *p, long n, bool chunked)
{
  static char block[65536];

  while (n != 0) {
    long len = n > 0 && n < (long)sizeof(block) ? n : (long)sizeof(block);
    if (chunked && !say(p, "%lx\r\n", (unsigned long)len))
      return;
    if (!put(p, block, (size_t)len) || (chunked && !say(p, "\r\n")))
      return;
    if (n > 0)
      n -= len;
  }
}

static void reset(struct peer *p)
{
  struct linger linger = {1, 0};

  setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void deep(struct peer *p, long n)
{
  say(p, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
         "Content-Length: %ld\r\n\r\n", n * 2);
  for (long i = 0; i < n; i++)
    put(p, "[", 1);
  for (long i = 0; i < n; i++)
    put(p, "]", 1);
}

static void drip(struct peer *p, long n)
{
  say(p, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n);
  for (long i = 0; i < n; i++) {
    put(p, "d", 1);
    nap(50);
  }
}

static void many_headers(struct peer *p, long n)
{
  say(p, "HTTP/1.1 200 OK\r\n");
  for (long i = 0; i < n; i++)
    if (!say(p, "X-Header-%ld: value\r\n", i))
      return;
  say(p, "Content-Length: 0\r\n\r\n");
}

static void long_header(struct peer *p)
{
  static char block[65536];

  memset(block, 'h', sizeof(block));
  say(p, "HTTP/1.1 200 OK\r\nX-Long: ");
  for (int i = 0; i < 64 && put(p, block, sizeof(block)); i++)
    ;
}

/* True if the connection may be used again. */
static bool do_path(struct peer *p, const char *path, const char *arg)
{
  long n = atol(arg);

#define IS(name) (strcmp(path, name) == 0)
  if (IS("/ok"))
    answer(p, 200, "text/plain", "ok");
  else if (IS("/hang") || IS("/deaf"))
    keep_silent();
  else if (IS("/sip"))
    answer(p, 201, "text/plain", "");
  else if (IS("/slow"))
    nap(n), answer(p, 200, "text/plain", "slow");
  else if (IS("/status"))
    answer(p, (int)n, "text/plain", "status");
  else if (IS("/html"))
    answer(p, 200, "text/html", "<!DOCTYPE html><h1>Welcome</h1>");
  else if (IS("/echo-head"))
    answer(p, 200, "text/plain", p->head);
  else if (IS("/deep"))
    deep(p, n);
  else if (IS("/drip"))
    drip(p, n);
  else if (IS("/headers"))
    many_headers(p, n);
  else if (IS("/redirect"))
    say(p, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
        arg);
  else if (IS("/count")) {
    char text[32];
    snprintf(text, sizeof(text), "%ld", atomic_load(&connections));
    answer(p, 200, "text/plain", text);
  } else {
    if (IS("/stall") || IS("/cut")) {
      say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
      fill(p, n ? n : 1, false);
      if (IS("/stall"))
        keep_silent();
    } else if (IS("/short")) {
      say(p, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n + 1);
      fill(p, n, false);
    } else if (IS("/both")) {
      say(p, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n"
             "Transfer-Encoding: chunked\r\n\r\n", n);
      fill(p, 100000, true);
      say(p, "0\r\n\r\n");
    } else if (IS("/later")) {
      say(p, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n / 2 * 2);
      fill(p, n / 2, false);
      nap(700);
      fill(p, n / 2, false);
    } else if (IS("/huge")) {
      say(p, "HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n");
      fill(p, 2147483648, false);
    } else if (IS("/endless")) {
      say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      fill(p, -1, true);
    } else if (IS("/badchunk")) {
      say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    } else if (IS("/garbage")) {
      say(p, "\x01\x02 this is not HTTP\r\n\r\n");
    } else if (IS("/longheader")) {
      long_header(p);
    } else if (IS("/early")) { /* an answer before the body was read */
      answer(p, (int)n, "text/plain", "early");
      nap(200);
    } else if (IS("/reset")) {
      reset(p);
    }
    return false; /* and /close */
  }
#undef IS
  return true;
}

static void serve_paths(struct peer *p)
{
  while (read_head(p)) {
    char method[16] = "", target[4096] = "";
    char *query;
    if (sscanf(p->head, "%15s %4095s", method, target) != 2)
      return;
    query = strchr(target, '?');
    if (query)
      *query++ = '\0';
    else if (strchr(target, '=')) { /* "/X=N/ANYTHING" */
      query = strchr(target, '=');
      *query++ = '\0';
    }
    if (strcmp(target, "/sip") == 0)
      sip(p, atol(query ? query : ""));
    else if (strcmp(target, "/early") != 0 && strcmp(target, "/deaf") != 0)
      drop_body(p);
    if (!do_path(p, target, query ? query : ""))
      return;
  }
}

/* --- the relay --------------------------------------------------------- */

static int dial(int port)
{
  struct sockaddr_in address = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
    close(fd);
    return -1;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return fd;
}

static bool pass(struct peer *from, struct peer *to, long *left)
{
  char buf[16384];
  size_t most = sizeof(buf);
  ssize_t n;

  if (*left >= 0 && (size_t)*left < most)
    most = (size_t)*left;
  if (most == 0)
    return false;
  n = get(from, buf, most);
  if (n <= 0)
    return false;
  nap(opt.delay);
  if (*left >= 0)
    *left -= n;
  return put(to, buf, (size_t)n);
}

static bool has_data(struct peer *p, const struct pollfd *fd)
{
  return (p->ssl && SSL_pending(p->ssl) > 0) ||
         (fd->revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

static void splice_peers(struct peer *client, struct peer *upstream)
{
  bool bad = opt.only < 0 || client->number <= opt.only;
  long down = bad && opt.cut_down >= 0 ? opt.cut_down
              : bad                    ? opt.stall_down
                                       : -1;
  long up = bad ? opt.cut_up : -1;

  for (;;) {
    struct pollfd fds[2] = {{client->fd, POLLIN, 0}, {upstream->fd, POLLIN, 0}};
    int n = poll(fds, 2, bad && opt.idle_cut > 0 ? (int)opt.idle_cut : -1);
    if (n == 0)
      return;
    if (has_data(client, &fds[0]) && !pass(client, upstream, &up))
      return;
    if (has_data(upstream, &fds[1]) && !pass(upstream, client, &down)) {
      if (bad && opt.stall_down >= 0 && down == 0)
        keep_silent();
      return;
    }
  }
}

static void relay_to(struct peer *client, int port, const char *first,
                     size_t len)
{
  struct peer upstream = {.fd = dial(port)};

  if (upstream.fd < 0)
    return;
  if (len == 0 || put(&upstream, first, len))
    splice_peers(client, &upstream);
  close(upstream.fd);
}

/* --- the proxy --------------------------------------------------------- */

/* "http://host[:port]/path" of the request line becomes "/path". */
static void forward(struct peer *p, char *target)
{
  char *host = target + 7, *path = strchr(host, '/'), *colon;
  const char *rest = strchr(strchr(p->head, ' ') + 1, ' ');
  char line[4200];
  int port, n;
  struct peer upstream;

  if (strncmp(target, "http://", 7) != 0) {
    answer(p, 400, "text/plain", "not for a proxy");
    return;
  }
  n = snprintf(line, sizeof(line), "%.*s %s",
               (int)strcspn(p->head, " "), p->head, path ? path : "/");
  if (path)
    *path = '\0';
  colon = strrchr(host, ':');
  port = opt.to ? opt.to : colon ? atoi(colon + 1) : 80;
  upstream = (struct peer){.fd = dial(port)};
  if (upstream.fd < 0) {
    answer(p, 502, "text/plain", "no such server");
    return;
  }
  put(&upstream, line, (size_t)n);
  put(&upstream, rest, p->head_len - (size_t)(rest - p->head));
  splice_peers(p, &upstream);
  close(upstream.fd);
}

static void serve_proxy(struct peer *p)
{
  char method[16] = "", target[4096] = "";
  const char *colon;

  if (!read_head(p) ||
      sscanf(p->head, "%15s %4095s", method, target) != 2)
    return;
  if (opt.deny) {
    answer(p, 403, "text/plain", "denied by the proxy");
  } else if (opt.need_auth && !find_header(p, "Proxy-Authorization")) {
    say(p, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\n"
           "Content-Length: 0\r\n\r\n");
  } else if (strcmp(method, "CONNECT") == 0) {
    colon = strrchr(target, ':');
    say(p, "HTTP/1.1 200 Connected\r\n\r\n");
    relay_to(p, opt.to ? opt.to : colon ? atoi(colon + 1) : 443,
             p->head + p->head_len - p->extra, p->extra);
  } else {
    forward(p, target);
  }
}

/* --- connections ------------------------------------------------------- */

static void *run(void *arg)
{
  struct peer *p = arg;

  if (opt.accept_only)
    keep_silent();
  if (tls) {
    p->ssl = SSL_new(tls);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_accept(p->ssl) != 1)
      goto out;
  }
  if (opt.relay)
    relay_to(p, opt.relay, NULL, 0);
  else if (opt.proxy)
    serve_proxy(p);
  else
    serve_paths(p);
out:
  if (p->ssl)
    SSL_free(p->ssl);
  close(p->fd);
  free(p);
  return NULL;
}

static void start_tls(void)
{
  tls = SSL_CTX_new(TLS_server_method());
  if (!tls ||
      SSL_CTX_use_certificate_chain_file(tls, opt.cert) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, opt.key, SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    exit(2);
  }
  if (opt.tls13)
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
  if (!opt.client_ca)
    return;
  if (SSL_CTX_load_verify_locations(tls, opt.client_ca, NULL) != 1)
    exit(2);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     NULL);
}

static void *watch_stdin(void *arg)
{
  char buf[256];

  while (read(0, buf, sizeof(buf)) > 0)
    ;
  _exit(0);
  return arg;
}

static bool take_flag(const char *arg)
{
  static const struct {
    const char *name;
    bool *flag;
  } flags[] = {{"--proxy", &opt.proxy},         {"--need-auth", &opt.need_auth},
               {"--deny", &opt.deny},           {"--tls13", &opt.tls13},
               {"--accept-only", &opt.accept_only},
               {"--stdin", &opt.until_stdin}};

  for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
    if (strcmp(arg, flags[i].name) == 0)
      return *flags[i].flag = true;
  return false;
}

static bool take_number(const char *arg, const char *value)
{
  static const struct {
    const char *name;
    long *number;
  } numbers[] = {{"--cut-down", &opt.cut_down},
                 {"--stall-down", &opt.stall_down},
                 {"--cut-up", &opt.cut_up},
                 {"--idle-cut", &opt.idle_cut},
                 {"--delay", &opt.delay},
                 {"--only", &opt.only}};

  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
    if (strcmp(arg, numbers[i].name) == 0) {
      *numbers[i].number = atol(value);
      return true;
    }
  return false;
}

static void read_options(char **arg)
{
  for (arg++; *arg; arg++) {
    if (take_flag(*arg))
      continue;
    if (!arg[1])
      die(*arg);
    if (strcmp(*arg, "--tls") == 0 && arg[2])
      opt.cert = arg[1], opt.key = arg[2], arg++;
    else if (strcmp(*arg, "--client-ca") == 0)
      opt.client_ca = arg[1];
    else if (strcmp(*arg, "--log") == 0)
      opt.log = arg[1];
    else if (strcmp(*arg, "--relay") == 0)
      opt.relay = atoi(arg[1]);
    else if (strcmp(*arg, "--to") == 0)
      opt.to = atoi(arg[1]);
    else if (strcmp(*arg, "--port") == 0)
      opt.port = atoi(arg[1]);
    else if (strcmp(*arg, "--life") == 0)
      opt.life = (unsigned)atoi(arg[1]);
    else if (!take_number(*arg, arg[1]))
      die(*arg);
    arg++;
  }
}

static int listen_here(void)
{
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)opt.port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
      listen(fd, 64) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0)
    die("listen");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv)
{
  pthread_t thread;
  int listener, on = 1;

  (void)argc;
  read_options(argv);
  alarm(opt.life); /* a test that died leaves nothing behind */
  signal(SIGPIPE, SIG_IGN);
  if (opt.cert)
    start_tls();
  if (opt.until_stdin)
    pthread_create(&thread, NULL, watch_stdin, NULL);
  listener = listen_here();
  for (;;) {
    struct peer *p = calloc(1, sizeof(*p));
    p->fd = accept(listener, NULL, NULL);
    if (p->fd < 0)
      die("accept");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    p->number = atomic_fetch_add(&connections, 1) + 1;
    if (pthread_create(&thread, NULL, run, p) != 0)
      die("thread");
    pthread_detach(thread);
  }
}
