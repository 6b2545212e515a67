/*
 * Events of Socket.IO as messages and back: see message.h for how arguments and binary data are kept.
 */
#ifndef CODEC_SOCKETIO_EVENT_H
#define CODEC_SOCKETIO_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "codec/message.h"
#include "codec/op.h"
#include "codec/socketio.h"

/* An event, or an answer to one, as it is kept.  Owns its buffers. */
struct socketio_event {
	enum client_form form;
	struct buf name; /* A JSON string; of an answer its number in one. */
	struct buf data; /* Empty for none. */
};

/*
 * From a packet (an event with a name, or an answer with a number) and its attachments, as base64.  False, and *event needs no
 * freeing, if one of them stands in more than one place: nobody sends that, and it would multiply what has to be kept.
 */
bool socketio_event_read(struct socketio_event *event, const struct socketio_packet *packet, const struct buf *attachments);
void socketio_event_free(struct socketio_event *event);

/*
 * Append a value of an application's, in which any object {"$binary":"<base64>"} is written as it is in messages, as far as a packet
 * may have so many; -> how many.
 */
unsigned socketio_write_value(struct buf *out, struct jspan value);

/* What a message is to a client in this namespace. */
struct socketio_writing {
	const char *namespace;
	size_t namespace_len;
	const char *offset; /* Added as the last argument of an event; NULL for none. */
};

/* Packets that a message makes; 0 if it is nothing to a client of Socket.IO. */
unsigned socketio_message_packets(const struct message *message);
/* Add them to a payload of Engine.IO. */
void socketio_message_write(struct buf *payload, const struct message *message, const struct socketio_writing *);

#endif
