/*
 * http_error: one sentence for each way an exchange ends badly, with whether
 * a repeat may help.
 */
#include "net/http_impl.h"

#include <errno.h>
#include <string.h>

static void set(struct gw_exchange *x, enum gw_errkind kind, bool retryable,
                const char *what)
{
  gw_err_set(&x->result.err, kind, GW_HTTP_OP, "%s (%s %s)", what, x->method,
             x->where);
  x->result.err.retryable = retryable;
}

/* curl's own words, cut, after ours. */
static void set_detail(struct gw_exchange *x, enum gw_errkind kind,
                       bool retryable, const char *what)
{
  gw_err_set(&x->result.err, kind, GW_HTTP_OP, "%s: %.110s (%s %s)", what,
             x->curl_text[0] ? x->curl_text : "no details", x->method,
             x->where);
  x->result.err.retryable = retryable;
}

static bool was_refused(const struct gw_exchange *x)
{
  long code = 0;

  curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &code);
  return code == ECONNREFUSED;
}

static bool says(const struct gw_exchange *x, const char *words)
{
  return strstr(x->curl_text, words) != NULL;
}

/* A handshake that was cut may work the next time; one that was refused or
 * misunderstood will not. */
static void explain_handshake(struct gw_exchange *x)
{
  if (says(x, "wrong version number") || says(x, "packet length too long") ||
      says(x, "unexpected message"))
    set(x, GW_ENET, false,
        "the server does not speak TLS here; is it an http:// address");
  else if (says(x, "SSL_ERROR_SYSCALL") || says(x, "Connection reset") ||
           says(x, "unexpected eof"))
    set(x, GW_ENET, true, "the server closed the connection in the handshake");
  else
    set_detail(x, GW_ENET, false, "no TLS connection");
}

static void explain_receive(struct gw_exchange *x)
{
  long connect_status = 0;

  curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  if (connect_status >= 300 && !x->connected) {
    gw_err_set(&x->result.err, connect_status == 407 ? GW_EAUTH : GW_ENET,
               GW_HTTP_OP, "the proxy refused the way to %s with %ld",
               x->where, connect_status);
    x->result.err.retryable = connect_status >= 500;
  } else if (says(x, "alert")) {
    set_detail(x, GW_ENET, false, "the server refused the TLS connection");
  } else {
    set(x, GW_ENET, true,
        x->answered ? "the server cut the connection within its answer"
                    : "the server cut the connection before it answered");
  }
}

void gw_http_explain(struct gw_exchange *x, CURLcode code)
{
  switch (code) {
  case CURLE_OK:
    return;
  case CURLE_OUT_OF_MEMORY:
    set(x, GW_ENOMEM, false, "out of memory");
    return;
  case CURLE_COULDNT_RESOLVE_PROXY:
    set(x, GW_ENET, true, "the proxy's name cannot be resolved");
    return;
  case CURLE_COULDNT_RESOLVE_HOST:
    set(x, GW_ENET, true, "the host name cannot be resolved");
    return;
  case CURLE_COULDNT_CONNECT:
    set(x, GW_ENET, true,
        was_refused(x) ? "nobody listens there: connection refused"
                       : "no connection");
    return;
  case CURLE_OPERATION_TIMEDOUT:
    set(x, GW_ETIMEOUT, true, "no connection in time");
    return;
  case CURLE_PEER_FAILED_VERIFICATION:
    gw_err_set(&x->result.err, GW_ENET, GW_HTTP_OP,
               "the certificate of %s is not accepted: %.90s; if it is signed "
               "by your own CA, name that with `ca` in the profile",
               x->where, x->curl_text);
    x->result.err.retryable = false;
    return;
  case CURLE_SSL_CACERT_BADFILE:
    set(x, GW_EUSAGE, false, "the file given as `ca` holds no certificates");
    return;
  case CURLE_SSL_CERTPROBLEM:
    set_detail(x, GW_EUSAGE, false, "the client certificate is not usable");
    return;
  case CURLE_SSL_CONNECT_ERROR:
    explain_handshake(x);
    return;
  case CURLE_PARTIAL_FILE:
    set(x, GW_ENET, true, "the answer was cut off before its end");
    return;
  case CURLE_GOT_NOTHING:
    set(x, GW_ENET, true, "the server closed the connection without answer");
    return;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
    set(x, GW_EREMOTE, false, "the server did not answer in HTTP");
    return;
  case CURLE_SEND_ERROR:
    set(x, GW_ENET, true, "the connection was cut while sending");
    return;
  case CURLE_SEND_FAIL_REWIND:
    set(x, GW_ENET, true, "the connection died and its body cannot be resent");
    return;
  case CURLE_ABORTED_BY_CALLBACK: /* our own; see gw_http_on_request */
    set(x, GW_ENET, true, "the kept connection died before it answered");
    return;
  case CURLE_RECV_ERROR:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
    explain_receive(x);
    return;
  default:
    set_detail(x, GW_ENET, true, curl_easy_strerror(code));
  }
}

static void late(struct gw_exchange *x, const char *what, long ms)
{
  gw_err_set(&x->result.err, GW_ETIMEOUT, GW_HTTP_OP, "%s for %ld.%ld s (%s %s)",
             what, ms / 1000, ms % 1000 / 100, x->method, x->where);
}

void gw_http_late(struct gw_exchange *x, uint64_t now)
{
  if (x->total_ms > 0 && now >= x->began + (uint64_t)x->total_ms)
    gw_err_set(&x->result.err, GW_ETIMEOUT, GW_HTTP_OP,
               "not finished within %ld.%ld s (%s %s)", x->total_ms / 1000,
               x->total_ms % 1000 / 100, x->method, x->where);
  else if (!x->connected)
    late(x, "no connection", x->connect_ms);
  else if (!x->answered && x->body_ended)
    late(x, "no answer", x->answer_ms);
  else
    late(x, "nothing moved", x->answered ? x->rest_ms : x->stall_ms);
}
