/*
 * http: the life of one exchange: start, callbacks of curl, clock, end.
 *
 * An exchange has one timer, started with it and stopped at its end. It is
 * the clock of all limits (a limit that moved is noticed when the timer
 * fires, and the timer set again) and also carries out what must not happen
 * inside a callback of curl: resuming, and freeing.
 */
#include "net/http_impl.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/fault.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEVER UINT64_MAX
#define IDLE_TICK 3600000u /* ms; the timer keeps its place in the loop */

static struct gw_exchange *from_clock(struct gw_timer *timer)
{
  return (struct gw_exchange *)((char *)timer -
                                offsetof(struct gw_exchange, clock));
}

/* --- the client -------------------------------------------------------- */

int gw_http_new(struct gw_http **out, struct gw_loop *loop,
                struct gw_guard *guard, struct gw_err *err)
{
  struct gw_http *http = gw_fault("http.new") ? NULL : calloc(1, sizeof(*http));

  *out = NULL;
  if (!http)
    return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
  http->loop = loop;
  http->guard = guard;
  http->in_callback = &http->depth;
  /* The default shrinks with few transfers: keep warm what a burst
   * opened, two for each file that is copied. */
  curl_multi_setopt(gw_loop_multi(loop), CURLMOPT_MAXCONNECTS, 640L);
  *out = http;
  return 0;
}

int gw_http_new_beside(struct gw_http **out, struct gw_http *other,
                       struct gw_guard *guard, struct gw_err *err)
{
  if (gw_http_new(out, other->loop, guard, err) != 0)
    return -1;
  (*out)->in_callback = other->in_callback;
  return 0;
}

void gw_http_free_client(struct gw_http *http)
{
  if (!http)
    return;
  free(http);
}

/* A new one each time: libcurl 7.88 keeps a pointer to the last header over a
 * reset, and a next answer that begins with a folded line makes it read freed
 * memory. Connections are kept by the multi handle, so little is lost. */
static CURL *make_easy(void)
{
  return gw_fault("http.easy") ? NULL : curl_easy_init();
}

/* --- the clock --------------------------------------------------------- */

static uint64_t deadline(const struct gw_exchange *x)
{
  uint64_t when = NEVER;

  if (!x->connected)
    when = x->began + (uint64_t)x->connect_ms;
  else if (!x->paused && !x->answered && x->body_ended)
    when = x->progress + (uint64_t)x->answer_ms;
  else if (!x->paused && x->answered)
    when = x->progress + (uint64_t)x->rest_ms;
  else if (!x->paused)
    when = x->progress + (uint64_t)x->stall_ms;
  if (x->total_ms > 0 && x->began + (uint64_t)x->total_ms < when)
    when = x->began + (uint64_t)x->total_ms;
  return when;
}

/* Its place in the loop's heap is there already: this cannot fail. */
static void set_clock(struct gw_exchange *x, uint64_t now, uint64_t ms)
{
  if (x->finished)
    return;
  x->due = now + ms;
  (void)gw_timer_start(x->http->loop, &x->clock, ms, NULL);
}

static void arm(struct gw_exchange *x)
{
  uint64_t now = gw_clock_ms(), when = deadline(x);

  if (x->freed || x->resuming || when <= now)
    set_clock(x, now, 0);
  else
    set_clock(x, now, when - now > IDLE_TICK ? IDLE_TICK : when - now);
}

/* After anything that can bring the deadline nearer. A later one is noticed
 * when the clock fires, so most calls cost nothing. */
static void hurry(struct gw_exchange *x)
{
  if (x->freed || x->resuming || deadline(x) < x->due)
    arm(x);
}

static void destroy(struct gw_exchange *x);
static void finish(struct gw_exchange *x, CURLcode code);

static void resume(struct gw_exchange *x)
{
  CURLcode code;

  x->resuming = false;
  if (!x->paused) { /* the limits still need their clock */
    arm(x);
    return;
  }
  x->paused = false;
  x->progress = gw_clock_ms();
  (*x->http->in_callback)++; /* curl hands over what it kept from in here */
  code = curl_easy_pause(x->easy, CURLPAUSE_CONT);
  (*x->http->in_callback)--;
  if (code != CURLE_OK && !x->freed)
    finish(x, code);
  else
    arm(x);
}

static void on_clock(struct gw_timer *timer)
{
  struct gw_exchange *x = from_clock(timer);
  uint64_t now = gw_clock_ms();

  if (x->freed) {
    destroy(x);
  } else if (x->resuming) {
    resume(x);
  } else if (now >= deadline(x)) {
    gw_http_late(x, now);
    finish(x, CURLE_OPERATION_TIMEDOUT);
  } else {
    arm(x);
  }
}

/* --- what curl tells --------------------------------------------------- */

int gw_http_on_request(void *arg, char *ip, char *local_ip, int port,
                       int local_port)
{
  struct gw_exchange *x = arg;

  (void)ip, (void)local_ip, (void)port, (void)local_port;
  /* A second time: a kept connection had died and curl starts again. The
   * server may have acted on what it got, so only some may be sent twice. */
  if (x->freed || (x->connected && !x->may_resend))
    return CURL_PREREQFUNC_ABORT;
  x->connected = true;
  if (x->wants_facts)
    gw_http_facts_note(x);
  x->body_ended = !x->pull && !x->upload && x->body_len == 0;
  x->progress = gw_clock_rough_ms();
  hurry(x);
  return CURL_PREREQFUNC_OK;
}

int gw_http_on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
                        curl_off_t ultotal, curl_off_t ulnow)
{
  struct gw_exchange *x = arg;
  curl_off_t all = (curl_off_t)x->body_len;

  (void)dltotal, (void)ultotal;
  if (dlnow == x->seen_down && ulnow == x->seen_up)
    return x->freed;
  x->seen_down = dlnow;
  x->seen_up = ulnow;
  x->progress = gw_clock_rough_ms();
  if (!x->pull && !x->upload && !x->body_ended && ulnow >= all) {
    x->body_ended = true;
    hurry(x);
  }
  return x->freed;
}

static ssize_t read_upload(struct gw_exchange *x, char *out, size_t len)
{
  size_t n = fread(out, 1, len, x->upload);

  if (n == 0 && ferror(x->upload)) {
    gw_err_errno(&x->result.err, GW_HTTP_OP, x->body_file);
    return -2;
  }
  return (ssize_t)n;
}

/* From the run's budget; what was received before it was used up is kept by
 * nobody. */
static int take_bytes(struct gw_exchange *x, size_t n)
{
  char what[160];

  (void)snprintf(what, sizeof(what), "%.10s %.120s ends here", x->method,
                 x->where);
  return gw_budget_take_bytes(n, GW_HTTP_OP, what, &x->result.err);
}

/* The end is known one call late unless the length is. */
static void note_given(struct gw_exchange *x, size_t n)
{
  x->given += n;
  if (n > 0 && (x->upload_len < 0 || x->given < (uint64_t)x->upload_len))
    return;
  x->body_ended = true;
  hurry(x);
}

size_t gw_http_on_pull(char *out, size_t size, size_t n, void *arg)
{
  struct gw_exchange *x = arg;
  ssize_t got;

  if (x->freed)
    return CURL_READFUNC_ABORT;
  (*x->http->in_callback)++;
  got = x->upload ? read_upload(x, out, size * n)
                  : x->pull(x->arg, out, size * n);
  (*x->http->in_callback)--;
  if (x->freed)
    return CURL_READFUNC_ABORT;
  if (got == -1) {
    x->paused = true;
    return CURL_READFUNC_PAUSE;
  }
  if (got < 0) {
    if (!x->result.err.kind)
      gw_err_set(&x->result.err, GW_ECANCELLED, GW_HTTP_OP,
                 "stopped by the source of the body");
    return CURL_READFUNC_ABORT;
  }
  x->progress = gw_clock_rough_ms();
  if (got > 0 && take_bytes(x, (size_t)got) != 0)
    return CURL_READFUNC_ABORT;
  note_given(x, (size_t)got);
  return (size_t)got;
}

/* For a request that may be sent again; what was pulled cannot. */
int gw_http_on_seek(void *arg, curl_off_t offset, int origin)
{
  struct gw_exchange *x = arg;

  if (!x->upload || origin != SEEK_SET || offset != 0 ||
      fseek(x->upload, 0, SEEK_SET) != 0)
    return CURL_SEEKFUNC_CANTSEEK;
  x->given = 0;
  x->body_ended = false;
  return CURL_SEEKFUNC_OK;
}

static void begin_answer(struct gw_exchange *x, const char *line, size_t len)
{
  char copy[32];
  const char *space;
  size_t n = len < sizeof(copy) - 1 ? len : sizeof(copy) - 1;

  memcpy(copy, line, n);
  copy[n] = '\0';
  space = strchr(copy, ' ');
  x->result.status = space ? strtol(space, NULL, 10) : 0;
  gw_buf_clear(&x->header_text);
  x->header_count = 0;
  x->announced = -1;
  if (x->result.status < 200 || x->answered)
    return; /* a 100 or 103 is only a sign of life */
  x->answered = true;
  hurry(x);
}

/* One line of ours is one header: nothing in a value ends it. */
static int append_value(struct gw_exchange *x, const char *text, size_t len)
{
  char *kept;

  if (gw_buf_append(&x->header_text, text, len, &x->result.err) != 0)
    return -1;
  kept = x->header_text.data + x->header_text.len - len;
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)kept[i] < 0x20 || kept[i] == 0x7f)
      kept[i] = ' ';
  return 0;
}

/* Nobody looks for a name with blanks or controls in it. */
static bool is_name(const char *text, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
      return false;
  return len > 0;
}

static int keep_header(struct gw_exchange *x, const char *line, size_t len)
{
  struct gw_err *err = &x->result.err;
  const char *colon = memchr(line, ':', len);
  size_t name = colon ? (size_t)(colon - line) : 0, from;
  char *kept;

  x->folds = is_name(line, name);
  if (!x->folds)
    return 0;
  if (x->header_text.len + len > GW_HTTP_HEADERS_MAX ||
      ++x->header_count > GW_HTTP_HEADER_COUNT)
    return gw_err_set(err, GW_ELIMIT, GW_HTTP_OP,
                      "the answer of %s has too many headers", x->where);
  for (from = name + 1; from < len && (line[from] == ' ' || line[from] == '\t');)
    from++;
  if (gw_buf_append(&x->header_text, line, name, err) != 0)
    return -1;
  kept = x->header_text.data + x->header_text.len - name;
  for (size_t i = 0; i < name; i++)
    kept[i] = (char)tolower((unsigned char)kept[i]);
  if (gw_buf_puts(&x->header_text, ": ", err) != 0 ||
      append_value(x, line + from, len - from) != 0)
    return -1;
  kept = x->header_text.data + x->header_text.len - (len - from);
  if (name == 14 && strncasecmp(line, "content-length", 14) == 0)
    x->announced = strtoll(kept, NULL, 10);
  return gw_buf_puts(&x->header_text, "\n", err);
}

/* Old servers fold long values onto a second line. */
static int keep_fold(struct gw_exchange *x, const char *line, size_t len)
{
  if (x->header_text.len == 0 || !x->folds)
    return 0;
  if (x->header_text.len + len > GW_HTTP_HEADERS_MAX)
    return gw_err_set(&x->result.err, GW_ELIMIT, GW_HTTP_OP,
                      "the answer of %s has too many headers", x->where);
  x->header_text.len--; /* the line end */
  if (gw_buf_puts(&x->header_text, " ", &x->result.err) != 0 ||
      append_value(x, line, len) != 0)
    return -1;
  return gw_buf_puts(&x->header_text, "\n", &x->result.err);
}

/* A body that is announced too large is refused before its first byte. */
static int end_headers(struct gw_exchange *x)
{
  bool kept_short = (x->push || x->sink_file) && !x->sink_any &&
                    (x->result.status < 200 || x->result.status > 299);

  if (x->result.status < 200)
    return 0;
  x->in_body = true;
  /* An answer ends what is sent, unless curl was told to wait with that. */
  if (x->paused && !x->body_ended)
    gw_http_resume(x);
  if (!x->max_body || kept_short || x->announced < 0 ||
      strcmp(x->method, "HEAD") == 0 ||
      (unsigned long long)x->announced <= x->max_body)
    return 0;
  return gw_err_set(&x->result.err, GW_ELIMIT, GW_HTTP_OP,
                    "the answer of %s is %lld bytes long, only %zu are "
                    "allowed for it",
                    x->where, x->announced, x->max_body);
}

static int keep_trailer(struct gw_exchange *x, size_t len)
{
  x->trailer_len += len + 1;
  if (x->trailer_len <= GW_HTTP_HEADERS_MAX)
    return 0;
  return gw_err_set(&x->result.err, GW_ELIMIT, GW_HTTP_OP,
                    "the answer of %s has too many trailers", x->where);
}

size_t gw_http_on_header(char *line, size_t size, size_t n, void *arg)
{
  struct gw_exchange *x = arg;
  size_t len = size * n, whole = len;
  int rc;

  x->progress = gw_clock_rough_ms();
  while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
    len--;
  if (x->freed)
    return 0;
  if (!x->in_body && len > 5 && strncmp(line, "HTTP/", 5) == 0) {
    begin_answer(x, line, len);
    return whole;
  }
  if (x->in_body) /* a trailer: not used, but curl keeps it */
    return keep_trailer(x, len) == 0 ? whole : 0;
  if (len == 0)
    rc = end_headers(x);
  else if (line[0] == ' ' || line[0] == '\t')
    rc = keep_fold(x, line + 1, len - 1);
  else
    rc = keep_header(x, line, len);
  return rc == 0 ? whole : 0;
}

static bool wants_push(const struct gw_exchange *x)
{
  return x->push && (x->sink_any ||
                     (x->result.status >= 200 && x->result.status < 300));
}

static ssize_t push(struct gw_exchange *x, const char *data, size_t len)
{
  ssize_t got;

  if (x->max_body && x->result.bytes_down + len > x->max_body)
    return gw_err_set(&x->result.err, GW_ELIMIT, GW_HTTP_OP,
                      "the answer of %s is larger than the %zu bytes allowed "
                      "for it",
                      x->where, x->max_body) -
           1;
  (*x->http->in_callback)++;
  got = x->push(x->arg, data, len);
  (*x->http->in_callback)--;
  return got;
}

size_t gw_http_on_body(char *data, size_t size, size_t n, void *arg)
{
  struct gw_exchange *x = arg;
  size_t len = size * n;

  if (x->freed)
    return 0;
  x->progress = gw_clock_rough_ms();
  if (wants_push(x)) {
    ssize_t got = push(x, data, len);
    if (got == -1 && !x->freed) {
      x->paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    if (x->freed || got != (ssize_t)len) {
      if (!x->result.err.kind)
        gw_err_set(&x->result.err, GW_ECANCELLED, GW_HTTP_OP,
                   "stopped by the receiver of the body");
      return 0;
    }
  } else if (gw_http_sink_take(x, data, len) != 0) {
    return 0;
  }
  x->result.bytes_down += len;
  return take_bytes(x, len) == 0 ? len : 0;
}

/* --- the end ----------------------------------------------------------- */

static void release(struct gw_exchange *x)
{
  gw_timer_stop(x->http->loop, &x->clock);
  if (x->added)
    gw_loop_remove(x->http->loop, x->easy);
  x->added = false;
  curl_easy_cleanup(x->easy);
  x->easy = NULL;
  gw_http_wipe_headers(x);
  if (x->upload)
    (void)fclose(x->upload);
  x->upload = NULL;
}

/* A server may answer and hang up before it has read all of the body; curl
 * then reports what failed in sending. The answer is what counts. */
static bool came_whole(const struct gw_exchange *x)
{
  return x->in_body && x->announced >= 0 &&
         x->result.bytes_down == (uint64_t)x->announced;
}

static void finish(struct gw_exchange *x, CURLcode code)
{
  struct gw_http_result *r = &x->result;
  curl_off_t up = 0;

  if (x->enough || (!r->err.kind && came_whole(x)))
    code = CURLE_OK;
  /* "HTTP/1.1 2x" is an answer for curl, too. */
  if (code == CURLE_OK && (r->status < 200 || r->status > 999))
    code = CURLE_WEIRD_SERVER_REPLY;
  if (code != CURLE_OK && !r->err.kind)
    gw_http_explain(x, code);
  curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &up);
  r->bytes_up = (uint64_t)up;
  r->sent = x->connected;
  if (x->wants_facts)
    gw_http_facts_gather(x, code);
  x->finished = true;
  release(x);
  if (!r->err.kind)
    (void)gw_http_sink_finish(x);
  gw_http_sink_drop(x);
  r->headers = x->header_text.data ? x->header_text.data : "";
  r->body = x->collected.data ? x->collected.data : "";
  r->body_len = x->collected.len;
  x->done(x->arg); /* may free x */
}

static void on_done(struct gw_transfer *transfer, CURLcode code)
{
  struct gw_exchange *x = (struct gw_exchange *)transfer;

  if (x->freed)
    destroy(x);
  else
    finish(x, code);
}

static void destroy(struct gw_exchange *x)
{
  release(x);
  gw_http_sink_drop(x);
  gw_http_let_go(x);
  if (x->base) {
    memset(&x->url, 0, sizeof(x->url));
    x->where = NULL;
  }
  gw_http_drop_common(x);
  gw_http_base_unref(x->base);
  gw_buf_dispose(&x->header_text);
  gw_buf_dispose(&x->collected);
  gw_buf_dispose(&x->certificate);
  free(x->method);
  free(x->body_file);
  free(x->sink_file);
  if (x->has_secret)
    explicit_bzero(x->body, x->body_len);
  free(x->body);
  free(x);
}

void gw_http_free(struct gw_exchange *x)
{
  if (!x)
    return;
  if (x->finished || *x->http->in_callback == 0) {
    destroy(x);
    return;
  }
  x->freed = true; /* curl is on the stack: the clock does the rest */
  arm(x);
}

/* --- what others call -------------------------------------------------- */

static int take_budget(const struct gw_exchange *x, struct gw_err *err)
{
  uint64_t use[GW_BUDGET_KINDS] = {
      [GW_BUDGET_REQUESTS] = 1,
      [GW_BUDGET_WRITES] = x->writes,
      [GW_BUDGET_DELETES] = x->deletes,
      [GW_BUDGET_BYTES] = x->body_len,
  };
  char what[200];

  (void)snprintf(what, sizeof(what), "%.10s %.60s%.90s was not sent",
                 x->method, x->where, x->url.path);
  return gw_budget_take(use, GW_HTTP_OP, what, err);
}

int gw_http_start(struct gw_exchange **out, struct gw_http *http,
                  const struct gw_http_req *req, struct gw_err *err)
{
  struct gw_exchange *x =
      gw_fault("http.start") ? NULL : calloc(1, sizeof(*x));

  *out = NULL;
  if (!x)
    return gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
  x->http = http;
  x->sink_fd = -1;
  x->announced = -1;
  x->transfer.done = on_done;
  x->clock.fn = on_clock;
  gw_buf_init(&x->header_text, 0);
  gw_buf_init(&x->collected, 0);
  gw_buf_init(&x->certificate, 0);
  if (gw_http_copy(x, req, err) != 0)
    goto fail;
  x->easy = make_easy();
  if (!x->easy) {
    gw_err_set(err, GW_ENOMEM, GW_HTTP_OP, "out of memory");
    goto fail;
  }
  if (gw_http_configure(x, req, err) != 0 || take_budget(x, err) != 0)
    goto fail;
  x->began = x->progress = gw_clock_ms();
  if (gw_timer_start(http->loop, &x->clock, 0, err) != 0 ||
      gw_loop_add(http->loop, x->easy, err) != 0)
    goto fail;
  x->added = true;
  *out = x;
  return 0;
fail:
  destroy(x);
  return -1;
}

const struct gw_http_result *gw_http_result(const struct gw_exchange *x)
{
  return &x->result;
}

long gw_http_status(const struct gw_exchange *x)
{
  return x->result.status;
}

bool gw_http_sent(const struct gw_exchange *x)
{
  return x->connected;
}

bool gw_http_uploaded(const struct gw_exchange *x)
{
  return x->connected && x->body_ended;
}

const char *gw_http_headers(const struct gw_exchange *x)
{
  return x->header_text.data ? x->header_text.data : "";
}

void gw_http_resume(struct gw_exchange *x)
{
  if (x->finished || x->freed)
    return;
  x->resuming = true;
  arm(x);
}
