/*
 * WebSockets: an HTTP connection after its upgrade.  RFC 6455.
 *
 * A socket is whole messages in and out.  What the RFC asks for besides is done here: pongs, the closing handshake, pings of
 * the server's own and what a silent peer gets.  No extension is negotiated: compression would need as much memory again for its
 * window as a socket takes for all else.
 */
#ifndef NET_WS_H
#define NET_WS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/ws_parse.h"

struct http_request;
struct ws;

/* What is wrong with a request for a WebSocket. */
enum ws_handshake {
	WS_HANDSHAKE_GOOD,
	WS_HANDSHAKE_NONE,    /* It does not ask for one: answer 426 with Upgrade: websocket. */
	WS_HANDSHAKE_VERSION, /* It asks for another version than 13: answer 426 with Sec-WebSocket-Version: 13 as well. */
	WS_HANDSHAKE_BAD      /* Answer 400. */
};
enum ws_handshake ws_check_handshake(const struct http_request *);

/* Is subprotocol among those that the client offers? */
bool ws_is_offered(const struct http_request *, const char *subprotocol);

/* What ws_accept needs is kept of a request whose handshake is good, so that it may be parked before. */
void ws_keep_handshake(struct http_request *);

/* Called from the loop, never from within a function of this header. */
struct ws_handler {
	/* A whole message, WS_TEXT (valid UTF-8) or WS_BINARY; lent. */
	void (*message)(void *arg, enum ws_opcode opcode, const char *data, size_t len);
	/* All that was sent has gone to the kernel, after ws_send had returned more than 0. */
	void (*drained)(void *arg);
	/*
	 * The client closed with this code, was lost (WS_LOST) or broke a rule (with the code that it was told): the last call, ws
	 * must not be used again.  Not after ws_close.
	 */
	void (*closed)(void *arg, unsigned code);
};

/*
 * Upgrade the connection of a request whose handshake is good (parked: and was kept) and which is not answered: 101, with the headers
 * that were set.  Takes req.  subprotocol: NULL for none.  max: bytes of a message; a larger one closes the socket with 1009.
 * Lends handler and arg until closed or ws_close.
 */
struct ws *ws_accept(struct http_request *req, const char *subprotocol, size_t max, const struct ws_handler *, void *arg);

/*
 * Send a message.  Copies what the kernel does not take at once, however much that is.  Returns how many bytes wait for the
 * client; one that takes none of them for the server's write_ms is cut.
 */
size_t ws_send(struct ws *, enum ws_opcode opcode, const void *data, size_t len);

/* Read nothing more until resumed.  Deadlines for what the client sends do not run meanwhile. */
void ws_pause(struct ws *);
void ws_resume(struct ws *);

/* Close it: the owner lets go of ws.  The client has some seconds for its part.  reason: up to 123 bytes of UTF-8. */
void ws_close(struct ws *, unsigned code, const char *reason);

#endif
