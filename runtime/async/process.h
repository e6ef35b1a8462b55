/*
 * process: a child program with its pipes on the loop.
 *
 * Threads: loop thread only. No shell, no inherited descriptors but 0-2.
 * Writes are queued up to a bound; reads are paused while nobody asks.
 */
#ifndef GW_ASYNC_PROCESS_H
#define GW_ASYNC_PROCESS_H

#include "async/loop.h"

#include <sys/types.h>

struct gw_process;

struct gw_process_opts {
  const char *const *argv; /* argv[0] is looked up in PATH; NULL ends it */
  const char *const *env;  /* the whole environment, "K=V"; NULL: inherited */
  const char *cwd;         /* NULL: inherited */
  bool pipe_in;            /* else /dev/null */
  bool pipe_out;           /* else /dev/null */
  bool pipe_err;           /* else inherited */
  bool group;              /* its own process group: signals reach its children,
                              too, and the terminal's Ctrl-C none of them */
  /* Called from the loop when something changed: data to read, room to write,
   * its input broken, ended. It may free the process. */
  void (*changed)(void *arg);
  void *arg;
};

int gw_process_start(struct gw_process **out, struct gw_loop *loop,
                     const struct gw_process_opts *opts, struct gw_err *err);

/* Takes up to len bytes; returns how many (0: full, wait for changed), or -1
 * when the child closed its input. */
ssize_t gw_process_write(struct gw_process *p, const char *data, size_t len,
                         struct gw_err *err);
void gw_process_close_in(struct gw_process *p); /* after what is queued */

/* fd is 1 or 2. Returns bytes now available and takes them from the process's
 * buffer; 0: none yet, or with *eof set, the end. The memory is the process's
 * until the next call for this fd. */
size_t gw_process_read(struct gw_process *p, int fd, const char **data,
                       bool *eof);

/* True once it ended; *code is its exit status, or 128 + signal. */
bool gw_process_ended(const struct gw_process *p, int *code);
pid_t gw_process_pid(const struct gw_process *p);
void gw_process_kill(struct gw_process *p, int signo);

/* Kills what still runs, reaps it, closes the pipes. Accepts NULL. */
void gw_process_free(struct gw_process *p);

#endif
