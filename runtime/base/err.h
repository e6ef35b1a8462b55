/*
 * err: one error, filled once where it happens, passed up untouched.
 *
 * 0 is success; -1 means *err is filled. Secrets never enter a message.
 */
#ifndef GW_BASE_ERR_H
#define GW_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum gw_errkind {
  GW_OK,
  GW_EUSAGE,
  GW_ENOTFOUND,
  GW_EEXISTS,
  GW_EAUTH,
  GW_ECONFLICT,
  GW_ELIMIT,
  GW_ENET,
  GW_ETIMEOUT,
  GW_EREMOTE,
  GW_EIO,
  GW_ENOMEM,
  GW_ECANCELLED,
  GW_EDENIED, /* our own host refused it (exit 9) */
  GW_ELOCKED, /* another process holds it (exit 11) */
  GW_EBUDGET, /* what the run was given is used up (exit 8) */
  GW_EBUG
};

struct gw_err {
  enum gw_errkind kind;
  int status;        /* HTTP status, errno or libgit2 class; 0 when none */
  bool retryable;    /* the same call may succeed later */
  bool busy;         /* turned away undone: come back after so many seconds */
  int retry_after;
  char op[32];       /* "git.push" */
  char message[256]; /* one line, no final dot, does not repeat op */
};

/* Fills *err (NULL is allowed) and returns -1. Control characters of the
 * formatted text become spaces: it may quote a server. */
int gw_err_set(struct gw_err *err, enum gw_errkind kind, const char *op,
               const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* As gw_err_set, from errno: "what: strerror". ENOSPC, EIO and others are
 * GW_EIO, ENOENT GW_ENOTFOUND, EEXIST GW_EEXISTS, ENOMEM GW_ENOMEM, EACCES
 * and EPERM GW_EIO. status is the errno. */
int gw_err_errno(struct gw_err *err, const char *op, const char *what);

/* "notfound" for GW_ENOTFOUND and so on; never NULL. */
const char *gw_err_name(enum gw_errkind kind);

/* The kind of that name, GW_OK when there is none. */
enum gw_errkind gw_err_kind(const char *name);

#endif
