/*
 * peer: the other end of a connection, on the loop that is tested: bytes of
 * our choice, then the end of the stream.
 */
#ifndef GW_TESTS_FUZZ_PEER_H
#define GW_TESTS_FUZZ_PEER_H

#include "async/loop.h"

struct peer_server;

/* Listens on all of 127.0.0.0/8. */
struct peer_server *peer_listen(struct gw_loop *loop);
int peer_port(const struct peer_server *server);
/* What every connection from now on is told; not copied. */
void peer_say(struct peer_server *server, const void *data, size_t len);
/* From now on it says so only after a whole request. */
void peer_listen_first(struct peer_server *server);
/* Closes the connections at once (a reset leaves no TIME_WAIT behind). */
void peer_drop(struct peer_server *server);

/* Connects to 127.0.0.1:port, sends the bytes and the end of the stream, and
 * reads until the other side ends or `quiet_ms` pass without a byte. Returns
 * the number of bytes read. */
size_t peer_ask(struct gw_loop *loop, int port, const void *data, size_t len,
                unsigned quiet_ms);

#endif
