/*
 * side_file: files of a folder, read into a pair's ring and written from it,
 * on workers. No link is followed, nothing but ordinary files is touched; a
 * new one is written under another name and moved into place.
 *
 * Threads: the *_run functions are a worker's; while one is at work, the
 *          descriptors, the name of the part and the piece of the ring it was
 *          given are its own.
 */
#include "data/data_impl.h"

#include "base/budget.h"
#include "base/fault.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_STEP ((size_t)256 << 10)

static int fail(struct gw_err *err, const char *op, const char *name)
{
  if (errno == ELOOP)
    return gw_err_set(err, GW_ECONFLICT, op,
                      "%.150s is a link, and links are not followed", name);
  return gw_err_errno(err, op, name);
}

/* --- reading ----------------------------------------------------------- */

static int open_source(struct gw_pair *p, struct gw_err *err)
{
  /* A pipe in the file's place must not hang us in openat(). */
  if (gw_fault("data.open"))
    errno = EACCES;
  else
    p->in_fd = openat(p->from->folder, p->name,
                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (p->in_fd < 0 || fstat(p->in_fd, &p->st) != 0)
    return fail(err, GW_DATA_READ_OP, p->name);
  if (S_ISREG(p->st.st_mode))
    return 0;
  return gw_err_set(err, GW_ECONFLICT, GW_DATA_READ_OP,
                    "%.150s is no ordinary file", p->name);
}

static int read_all(struct gw_pair *p, char *out, size_t len, size_t *got,
                    struct gw_err *err)
{
  *got = 0;
  while (*got < len) {
    ssize_t n = gw_fault("data.read") ? (errno = EIO, -1)
                                      : read(p->in_fd, out + *got, len - *got);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail(err, GW_DATA_READ_OP, p->name);
    if (n == 0)
      break; /* it shrank: see unchanged() */
    *got += (size_t)n;
  }
  return 0;
}

static int unchanged(struct gw_pair *p, uint64_t bytes, struct gw_err *err)
{
  const struct stat *was = &p->st;
  struct stat now;

  if (fstat(p->in_fd, &now) != 0)
    return fail(err, GW_DATA_READ_OP, p->name);
  (void)close(p->in_fd);
  p->in_fd = -1;
  if (!gw_fault("data.changed") && bytes == (uint64_t)was->st_size &&
      now.st_size == was->st_size &&
      memcmp(&now.st_mtim, &was->st_mtim, sizeof(now.st_mtim)) == 0 &&
      memcmp(&now.st_ctim, &was->st_ctim, sizeof(now.st_ctim)) == 0)
    return 0;
  gw_err_set(err, GW_ECONFLICT, GW_DATA_READ_OP,
             "%.150s changed while it was read", p->name);
  err->retryable = true;
  return -1;
}

/* A small one is read, hashed and looked at again in one go. */
static void read_small(struct gw_pair *p)
{
  struct gw_front *f = &p->front;
  size_t size = (size_t)p->st.st_size;

  p->ring.data = gw_fault("data.ring") ? NULL : malloc(size + 1);
  if (!p->ring.data) {
    gw_err_set(&f->err, GW_ENOMEM, "data", "out of memory");
    return;
  }
  p->ring.cap = size + 1;
  if (read_all(p, p->ring.data, size, &f->got, &f->err) == 0 &&
      unchanged(p, f->got, &f->err) == 0)
    (void)gw_pair_digest(p, p->ring.data, f->got, &f->err);
}

void gw_read_run(struct gw_pair *p)
{
  struct gw_front *f = &p->front;

  f->got = 0;
  if (f->kind == GW_FRONT_OPEN) {
    if (open_source(p, &f->err) == 0 &&
        (uint64_t)p->st.st_size <= GW_DATA_SMALL)
      read_small(p);
    return;
  }
  if (read_all(p, f->data, f->len, &f->got, &f->err) != 0 ||
      gw_pair_hash(p, f->data, f->got, &f->err) != 0)
    return;
  if (f->got < f->len || f->to_end)
    (void)unchanged(p, f->before + f->got, &f->err);
}

static void submit(struct gw_pair *p, enum gw_front_kind kind)
{
  struct gw_front *f = &p->front;

  f->kind = kind;
  f->busy = gw_copier_work(p->c, &f->job, &f->err) == 0;
  if (!f->busy)
    gw_pair_fail(p, GW_DATA_READ, &f->err);
}

/* A small one is read when it is opened, so it is paid for by its listed size. */
static void open_step(struct gw_pair *p)
{
  long long size = p->job->size;

  if (!p->source_waits || !gw_copier_may_read(p->c))
    return;
  p->source_waits = false;
  p->front.paid = size > 0 && size <= (long long)GW_DATA_SMALL ? (size_t)size
                                                               : 0;
  gw_copier_pay(p->c, p->front.paid);
  submit(p, GW_FRONT_OPEN);
}

void gw_read_start(struct gw_pair *p)
{
  p->source_waits = true;
  open_step(p);
}

/* After a worker's piece, on the loop. */
void gw_read_done(struct gw_pair *p)
{
  struct gw_front *f = &p->front;

  if (f->kind == GW_FRONT_OPEN) {
    if (p->ring.data) { /* it was small */
      p->head = true;
      p->size = p->job->announced = p->st.st_size;
      (void)gw_copier_grant(p, p->ring.cap);
      if (!gw_pair_may_hold(p, (uint64_t)p->st.st_size))
        return;
    } else if (gw_pair_head(p, p->st.st_size) != 0) {
      return;
    }
  }
  p->ring.in += f->got;
  p->ring.hashed = p->ring.in;
  gw_copier_spend(p->c, f->got, f->paid);
  f->paid = 0;
  p->source_ended = p->in_fd < 0;
}

void gw_read_step(struct gw_pair *p)
{
  struct gw_ring *r = &p->ring;
  struct gw_front *f = &p->front;
  uint64_t left, room = gw_pair_room(p);

  if (f->busy)
    return;
  if (!p->head) {
    open_step(p);
    return;
  }
  left = (uint64_t)p->size - r->in;
  if (room < left && room < r->cap / 4)
    return;
  if (!gw_copier_may_read(p->c))
    return;
  f->data = gw_ring_at(r, r->in, left < room ? left : room, &f->len);
  if (f->len > 4 * GW_DATA_SMALL)
    f->len = 4 * GW_DATA_SMALL;
  f->before = r->in;
  f->to_end = f->len == left;
  submit(p, GW_FRONT_READ);
}

/* --- writing ----------------------------------------------------------- */

/* A file is a write of the run; its bytes are counted where they come from a
 * server. */
static int take_budget(const struct gw_pair *p, struct gw_err *err)
{
  uint64_t use[GW_BUDGET_KINDS] = {[GW_BUDGET_WRITES] = 1};
  char what[200];

  (void)snprintf(what, sizeof(what), "writing %.160s was not done",
                 p->to_name);
  return gw_budget_take(use, GW_DATA_WRITE_OP, what, err);
}

static int open_part(struct gw_pair *p, struct gw_err *err)
{
  struct gw_end *end = p->to;

  if (take_budget(p, err) != 0) {
    p->part[0] = '\0';
    return -1;
  }
  if (gw_fault("data.part"))
    errno = ENOSPC;
  else
    p->out_fd = openat(end->temp, p->part,
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       end->is_private ? 0600 : 0666);
  if (p->out_fd >= 0)
    return 0;
  p->part[0] = '\0';
  return fail(err, GW_DATA_WRITE_OP, p->to_name);
}

static int move(struct gw_pair *p, struct gw_err *err)
{
  int fd = p->out_fd;
  struct stat st;

  p->out_fd = -1;
  if (fstat(fd, &st) == 0) /* as tree/dir.c spells it */
    p->back.modified =
        (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9;
  if (close(fd) != 0)
    return fail(err, GW_DATA_WRITE_OP, p->to_name);
  if (gw_fault("data.rename"))
    errno = EIO;
  else if (renameat(p->to->temp, p->part, p->to->folder, p->to_name) == 0) {
    p->part[0] = '\0';
    return 0;
  }
  if (errno == EXDEV)
    return gw_err_set(err, GW_EUSAGE, GW_DATA_WRITE_OP,
                      "%.100s: parts are written to another file system; give "
                      "a folder for them on the same one",
                      p->to_name);
  return fail(err, GW_DATA_WRITE_OP, p->to_name);
}

void gw_write_run(struct gw_pair *p)
{
  struct gw_back *b = &p->back;

  if (p->out_fd < 0 && open_part(p, &b->err) != 0)
    return;
  if (gw_fd_write(p->out_fd, b->data, b->len, "data.write") != 0)
    (void)fail(&b->err, GW_DATA_WRITE_OP, p->to_name);
  else if (b->last)
    (void)move(p, &b->err);
}

void gw_write_step(struct gw_pair *p)
{
  struct gw_ring *r = &p->ring;
  struct gw_back *b = &p->back;
  uint64_t left = r->in - r->out;
  size_t len;

  if (b->busy || p->sink_ended)
    return;
  if (left < WRITE_STEP && left < r->cap / 2 && !p->released)
    return;
  b->data = gw_ring_at(r, r->out, left, &len);
  b->len = len;
  b->last = p->released && len == left;
  if (!p->part[0])
    (void)snprintf(p->part, sizeof(p->part), ".godwit-%s-%llx", p->to->stamp,
                   (unsigned long long)p->to->parts++);
  if (b->last)
    p->job->sent = true;
  b->busy = gw_copier_work(p->c, &b->job, &b->err) == 0;
  if (!b->busy)
    gw_pair_fail(p, GW_DATA_WRITE, &b->err);
}

/* --- the end ----------------------------------------------------------- */

void gw_part_drop(struct gw_pair *p)
{
  if (p->in_fd >= 0)
    (void)close(p->in_fd);
  if (p->out_fd >= 0)
    (void)close(p->out_fd);
  if (p->part[0])
    (void)unlinkat(p->to->temp, p->part, 0);
}

int gw_data_sync(int folder, struct gw_err *err)
{
  if (!gw_fault("data.sync") && syncfs(folder) == 0)
    return 0;
  return gw_err_errno(err, "data.flush", "the destination's file system");
}
