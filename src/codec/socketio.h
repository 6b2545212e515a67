/*
 * Socket.IO, protocol revision 5: packets, each of which is an Engine.IO message, and what of them must be so.
 *
 *     packet = type [ attachments "-" ] [ namespace "," ] [ id ] [ json ]
 *
 * A packet with attachments is followed by so many binary messages; in its json an object {"_placeholder":true,"num":k} stands for
 * the k-th of them.
 */
#ifndef CODEC_SOCKETIO_H
#define CODEC_SOCKETIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/jspan.h"

#define SOCKETIO_ATTACHMENTS_MAX 10 /* Clients take no more. */

enum socketio_type {
	SOCKETIO_CONNECT,
	SOCKETIO_DISCONNECT,
	SOCKETIO_EVENT,
	SOCKETIO_ACK,
	SOCKETIO_CONNECT_ERROR,
	SOCKETIO_BINARY_EVENT,
	SOCKETIO_BINARY_ACK,
};

struct socketio_packet {
	enum socketio_type type;
	unsigned attachments;      /* Of a binary event or ack: at least one. */
	const char *namespace;     /* Begins with "/".  Lent by the packet, as is data; not terminated. */
	size_t namespace_len;
	bool has_id;
	uint64_t id;               /* Up to 2^53-1. */
	struct jspan data;         /* Of an event or ack an array; text NULL for none. */
};

/*
 * False on what the reference's decoder refuses, and on what is not UTF-8, nested deeper than JSPAN_DEPTH_MAX, or has an id too
 * large: its sender's connection is to be closed.
 */
bool socketio_parse(struct socketio_packet *packet, const char *text, size_t len);

/* A name that events cannot have: clients end the connection by which they get one. */
bool socketio_is_reserved(struct jspan name);

/* An event's name, a string or number.  False for an event without data, which tells nobody anything. */
bool socketio_event_name(const struct socketio_packet *packet, struct jspan *name);

/*
 * Why an event was not done: the arguments of the answer that its sender waits for, or, with the event's name, the data of an $error.
 * Neither code nor detail needs escaping.
 */
void socketio_write_failure(struct buf *b, bool is_answer, const char *code, const char *detail, struct jspan name);

/* As text, to be sent as an Engine.IO message. */
void socketio_write(struct buf *b, const struct socketio_packet *packet);

/*
 * Is this the connect packet of a client whose parser is socket.io-msgpack-parser?  Then write, as bytes, the one that tells it that
 * this is not spoken here.
 */
bool socketio_refuse_msgpack(struct buf *b, const char *packet, size_t len);

/* ---- Rooms ---- */

/* Rooms of the namespace "/" have the names that native clients know; those of others have it in front. */
void socketio_write_title(struct buf *title, struct jspan namespace, const char *room, size_t len);
/* And back: what a room is called in a namespace, or NULL: it is none of it, or that of all who are in it. */
const char *socketio_room_name(const char *title, struct jspan namespace);

#endif
