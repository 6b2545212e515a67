/*
 * WebSockets as sinks.  A socket is accepted for a protocol, which reads what the client sends and writes what it gets; it becomes
 * its session's sink when the protocol says so.
 *
 * A client that reads slowly pauses its reader, and is not read from either; one that reads nothing is cut by the connection's
 * write timeout.  Its session stays.
 */
#ifndef TRANSPORT_WS_H
#define TRANSPORT_WS_H

#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "codec/message.h"
#include "core/sink.h"
#include "net/ws.h"

struct event_base;
struct http_request;
struct hub;
struct socket;
struct sockets;

struct sockets_config {
	size_t backlog; /* With so many bytes waiting for the client its reader pauses. */
	size_t message; /* Bytes of a message that it sends; after a larger one it is closed with 1009. */
};

struct socket_protocol {
	/* The client sent this, WS_TEXT (valid UTF-8) or WS_BINARY; lent. */
	void (*receive)(void *client, enum ws_opcode opcode, const char *data, size_t len);
	/* Send it to the client.  False if the socket was closed. */
	bool (*deliver)(void *client, const struct batch *batch);
	/* The client has taken what waited for it, after socket_is_full.  NULL: nobody waits for that. */
	void (*drained)(void *client);
	/* The session has no more for this socket: close it. */
	void (*end)(void *client, enum sink_end why);
	/* The socket is gone, by its client or for another reason than socket_close: the last call. */
	void (*gone)(void *client);
};

/* Lends hub. */
struct sockets *sockets_new(struct event_base *, struct hub *, const struct sockets_config *);
/* All sockets must be gone: http_server_free first. */
void sockets_free(struct sockets *);

/* Upgrade a request whose handshake is good (ws_check_handshake).  Takes req, lends protocol for good and client until gone. */
struct socket *socket_accept(struct sockets *, struct http_request *req, const char *subprotocol,
    const struct socket_protocol *protocol, void *client);

void socket_send(struct socket *, enum ws_opcode opcode, const void *data, size_t len);
/* Too much waits for the client: what it asked for need not be done before it has read. */
bool socket_is_full(const struct socket *);

/*
 * Be the sink of session from cursor on (NULL: see reader_start).  A batch comes soon, an empty one if there is nothing, so that
 * the client has a cursor.
 */
void socket_read(struct socket *, const struct name *session, const struct cursor *cursor);
bool socket_is_sink(const struct socket *);
/* The client has all that comes before cursor, which was delivered to it. */
void socket_ack(struct socket *, const struct cursor *cursor);

/* Read nothing from the client until told otherwise. */
void socket_hold(struct socket *, bool hold);

/* The protocol lets go of the socket: nothing is called any more. */
void socket_close(struct socket *, unsigned code, const char *reason);

/* Close all sockets with 1012, spread over the time; new ones soon after they were accepted. */
void sockets_drain(struct sockets *, int64_t over_ms);

#endif
