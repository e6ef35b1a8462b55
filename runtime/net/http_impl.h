/*
 * http_impl: what the files of http share: http.c, http_base.c, http_setup.c,
 * http_methods.c, http_memory.c, http_sink.c, http_facts.c and http_error.c.
 * Nobody else includes it.
 */
#ifndef GW_NET_HTTP_IMPL_H
#define GW_NET_HTTP_IMPL_H

#include "net/http.h"

#include <curl/curl.h>
#include <stdio.h>

#define GW_HTTP_OP "http"
#define GW_HTTP_BODY_MAX ((size_t)64 << 20)  /* max_body when none is given */
#define GW_HTTP_ERROR_MAX ((size_t)64 << 10) /* kept of an error page */
#define GW_HTTP_HEADERS_MAX ((size_t)256 << 10)
#define GW_HTTP_HEADER_COUNT 512

struct gw_http {
  struct gw_loop *loop;
  struct gw_guard *guard;
  int depth;
  int *in_callback; /* curl is calling us: its handles must not be removed */
};

struct gw_http_base {
  int refs;
  struct gw_url url;
  char *address, *where;
  size_t len; /* of the address */
  struct curl_slist *headers;
};

struct gw_exchange {
  struct gw_transfer transfer; /* first: CURLOPT_PRIVATE points here */
  struct gw_http *http;
  CURL *easy;

  /* the request, copied; with a base, url, where and headers are its own */
  struct gw_http_base *base;
  struct gw_url url;
  char *method, *address, *where; /* where: host:port, for messages */
  char *body_file, *sink_file;
  char *body;        /* a NUL behind it */
  size_t body_len;
  bool has_body;
  size_t held;       /* of the memory for bodies */
  bool has_secret;   /* in its body, which is wiped then */
  bool sink_any;     /* push_any_status */
  bool writes, deletes; /* what it is, for the run's budget */
  bool may_resend;   /* curl may repeat it on a connection that had died */
  size_t max_body;   /* 0: no cap (pushed bodies) */
  ssize_t (*pull)(void *arg, char *out, size_t len);
  ssize_t (*push)(void *arg, const char *data, size_t len);
  void (*done)(void *arg);
  void *arg;
  struct curl_slist *headers;
  FILE *upload;
  long long upload_len; /* -1: chunked */
  long connect_ms, stall_ms, total_ms, answer_ms, rest_ms;

  /* how far it is */
  struct gw_timer clock;   /* the next moment to look at it */
  uint64_t due;            /* when that is, ms */
  uint64_t began, progress; /* ms */
  curl_off_t seen_up, seen_down;
  uint64_t given;          /* body bytes handed to curl */
  bool connected;          /* the request began to go out */
  bool body_ended;         /* its last byte was handed to curl */
  bool answered;           /* a byte of the final answer came */
  size_t trailer_len; /* bytes behind the body */
  bool in_body;
  bool folds;              /* a folded line belongs to a header we kept */
  bool enough;             /* kept all we keep of an error page */
  bool paused;             /* somebody said "not now" */
  bool resuming;           /* it is to go on, at the clock's next call */
  bool freed, finished, added;
  int header_count;
  long long announced;     /* Content-Length of the answer; -1: none */

  /* the answer */
  struct gw_buf header_text, collected;
  int sink_fd;             /* -1: none */
  char *sink_temp;
  struct gw_http_result result;
  bool wants_facts;
  struct gw_http_facts facts;
  struct gw_buf certificate;
  char curl_text[CURL_ERROR_SIZE];
};

/* http_methods.c: asks the guard about a request, by every method a server may
 * take it for; about its body when x has it. */
int gw_http_check_guard(struct gw_exchange *x, const struct gw_http_req *req,
                        const char *type, struct gw_err *err);
int gw_http_check_body(struct gw_exchange *x, const char *type,
                       struct gw_err *err);
/* The value of Content-Type, NULL if there is none; -1 if there are two. */
int gw_http_find_type(const char *const *headers, const char **type,
                      struct gw_err *err);
/* Whether the guard's answer depends on this header ("Name: value"). */
bool gw_http_steers(const char *line);

/* http_setup.c: copies the request, checks it and prepares x->easy. */
int gw_http_copy(struct gw_exchange *x, const struct gw_http_req *req,
                 struct gw_err *err);
int gw_http_configure(struct gw_exchange *x, const struct gw_http_req *req,
                      struct gw_err *err);
void gw_http_wipe_headers(struct gw_exchange *x);
/* Address, headers and secret, which a base has for many requests. */
int gw_http_copy_common(struct gw_exchange *x, const struct gw_http_req *req,
                        struct gw_err *err);
void gw_http_drop_common(struct gw_exchange *x);

/* http_base.c: takes them from the base. */
int gw_http_share(struct gw_exchange *x, const struct gw_http_req *req,
                  struct gw_err *err);

/* http_memory.c: takes some of what all bodies may have; given back at once. */
int gw_http_hold(struct gw_exchange *x, size_t len, struct gw_err *err);
void gw_http_let_go(struct gw_exchange *x);

/* http_sink.c: where an answer's body goes. take returns 0, or -1 with
 * x->result.err filled. */
int gw_http_sink_take(struct gw_exchange *x, const char *data, size_t len);
int gw_http_sink_finish(struct gw_exchange *x); /* rename; 0 or -1 as above */
void gw_http_sink_drop(struct gw_exchange *x);  /* close and remove */

/* http_error.c: one sentence for what curl reports, and for our own limits. */
void gw_http_explain(struct gw_exchange *x, CURLcode code);
void gw_http_late(struct gw_exchange *x, uint64_t now);

/* http_facts.c: notes what only a live connection shows; gathers the rest. */
void gw_http_facts_note(struct gw_exchange *x);
void gw_http_facts_gather(struct gw_exchange *x, CURLcode code);

/* http.c: callbacks that setup installs. */
size_t gw_http_on_header(char *line, size_t size, size_t n, void *arg);
size_t gw_http_on_body(char *data, size_t size, size_t n, void *arg);
size_t gw_http_on_pull(char *out, size_t size, size_t n, void *arg);
int gw_http_on_seek(void *arg, curl_off_t offset, int origin);
int gw_http_on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
                        curl_off_t ultotal, curl_off_t ulnow);
int gw_http_on_request(void *arg, char *ip, char *local_ip, int port,
                       int local_port);

#endif
