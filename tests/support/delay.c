/*
 * delay: a relay that holds what passes for so many milliseconds, each way,
 * on one thread, so that many connections cost it little.
 *
 * godwit_delay PORT MS [SECONDS]   to that port of the loopback; prints its own
 *                                  port; ends after SECONDS (600)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PIECE 16384

struct side;

/* What came from one side, and when it may go to the other. */
struct piece {
  struct piece *next;
  struct side *to;
  uint64_t due; /* us */
  size_t len;   /* 0: the end */
  char data[];
};

struct side {
  int fd;
  struct side *other;
  bool ended, dead; /* read to its end; the pair is given up */
  int held;         /* pieces that are on their way to it */
};

/* All pieces are held for the same time: one queue is in order. */
static struct piece *first, **last = &first;
static uint64_t hold;
static int poller, target;

static uint64_t now(void)
{
  struct timespec ts;

  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void watch(struct side *s)
{
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  int on = 1;

  (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event) != 0)
    abort();
}

static void free_pair(struct side *s)
{
  if (s->held > 0 || s->other->held > 0)
    return;
  close(s->other->fd);
  close(s->fd);
  free(s->other);
  free(s);
}

static void give_up(struct side *s)
{
  s->dead = s->other->dead = true;
  (void)epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
  (void)epoll_ctl(poller, EPOLL_CTL_DEL, s->other->fd, NULL);
}

static void take(struct side *s)
{
  struct piece *p = malloc(sizeof(*p) + PIECE);
  ssize_t n = p ? recv(s->fd, p->data, PIECE, 0) : -1;

  if (!p)
    abort();
  p->len = n > 0 ? (size_t)n : 0;
  p->to = s->other;
  p->due = now() + hold;
  p->next = NULL;
  *last = p;
  last = &p->next;
  s->other->held++;
  if (n <= 0) {
    s->ended = true;
    (void)epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
  }
}

static void give(struct piece *p)
{
  struct side *s = p->to;
  size_t sent = 0;

  s->held--;
  while (!s->dead && sent < p->len) { /* blocks while it is slow */
    ssize_t n = send(s->fd, p->data + sent, p->len - sent, MSG_NOSIGNAL);
    if (n <= 0)
      give_up(s);
    else
      sent += (size_t)n;
  }
  if (!s->dead && p->len == 0) {
    (void)shutdown(s->fd, SHUT_WR);
    if (s->ended)
      give_up(s);
  }
  if (s->dead)
    free_pair(s);
}

static int dial(void)
{
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                           .sin_port = htons((uint16_t)target)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
    abort();
  return fd;
}

static void accept_one(int listener)
{
  struct side *client = calloc(1, sizeof(*client));
  struct side *server = calloc(1, sizeof(*server));

  if (!client || !server)
    abort();
  client->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (client->fd < 0) {
    free(client);
    free(server);
    return;
  }
  server->fd = dial();
  client->other = server;
  server->other = client;
  watch(client);
  watch(server);
}

static int listen_here(void)
{
  struct sockaddr_in here = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(here);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || bind(fd, (struct sockaddr *)&here, len) != 0 ||
      listen(fd, 1024) != 0 ||
      getsockname(fd, (struct sockaddr *)&here, &len) != 0)
    abort();
  printf("%d\n", ntohs(here.sin_port));
  (void)fflush(stdout);
  return fd;
}

int main(int argc, char *argv[])
{
  struct epoll_event events[256], event = {.events = EPOLLIN};
  int listener, timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

  if (argc < 3)
    return 2;
  target = atoi(argv[1]);
  hold = (uint64_t)(atof(argv[2]) * 1000);
  (void)alarm(argc > 3 ? (unsigned)atoi(argv[3]) : 600);
  poller = epoll_create1(EPOLL_CLOEXEC);
  listener = listen_here();
  (void)epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event); /* ptr NULL */
  event.data.ptr = &poller;                                  /* the timer */
  (void)epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
  for (;;) {
    struct itimerspec when = {0};
    uint64_t at = now();
    while (first && first->due <= at) {
      struct piece *p = first;
      first = p->next;
      if (!first)
        last = &first;
      give(p);
      free(p);
    }
    if (first) {
      when.it_value.tv_sec = (time_t)(first->due / 1000000);
      when.it_value.tv_nsec = (long)(first->due % 1000000 * 1000);
    }
    (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    int n = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < n; i++) {
      uint64_t ticks;
      if (!events[i].data.ptr)
        accept_one(listener);
      else if (events[i].data.ptr == &poller)
        (void)!read(timer, &ticks, sizeof(ticks));
      else
        take(events[i].data.ptr);
    }
  }
}
