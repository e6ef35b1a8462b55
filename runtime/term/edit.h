/*
 * edit: a line from a terminal, edited, while the loop turns.
 *
 * libedit waits for keys itself, so each line is read on a thread of its own.
 *
 * Threads:   all functions here belong to the loop thread, as do the
 *            callbacks. The thread of a line has libedit to itself until its
 *            end is posted; all signals are blocked on it.
 * Terminal:  changed while a line is read only, and put back whatever ends
 *            that: the line, gw_edit_stop, a signal that ends the process or
 *            stops it (SIGTSTP, SIGHUP, SIGQUIT, the second SIGINT or SIGTERM).
 */
#ifndef GW_TERM_EDIT_H
#define GW_TERM_EDIT_H

#include "async/loop.h"

struct gw_edit;

struct gw_edit_events {
  /* The line without its end; NULL: end of file. Not called after stop. */
  void (*line)(void *arg, const char *line);
  /* A tab behind these bytes: must call gw_edit_complete before it returns. */
  void (*tab)(void *arg, const char *before, size_t len);
  void *arg;
};

/* On the terminal that is stdin and stdout. */
int gw_edit_new(struct gw_edit **out, struct gw_loop *loop,
                const struct gw_edit_events *events, struct gw_err *err);
void gw_edit_free(struct gw_edit *edit); /* stops; accepts NULL */

/* Starts reading a line. One at a time. */
int gw_edit_start(struct gw_edit *edit, const char *prompt,
                  struct gw_err *err);

/* Ends a started line without a result, at once; nothing if none is. */
void gw_edit_stop(struct gw_edit *edit);
bool gw_edit_reading(const struct gw_edit *edit);

/* What a tab inserts, and what is listed; NULL or "": nothing. */
void gw_edit_complete(struct gw_edit *edit, const char *insert,
                      const char *list);

/* Adds a line to what the arrow keys go back to. Not while one is read. */
void gw_edit_remember(struct gw_edit *edit, const char *line);

#endif
