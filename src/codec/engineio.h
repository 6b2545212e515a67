/*
 * Engine.IO, protocol revision 4: packets, and payloads of several packets, which are the bodies of its polls and posts.
 *
 *     packet  = type data          type is a digit, data is UTF-8
 *             / "b" base64         a binary message: standard alphabet, padded
 *     payload = packet *( U+001E packet )
 *
 * Nothing is escaped: a text with U+001E in it cannot be sent.
 */
#ifndef CODEC_ENGINEIO_H
#define CODEC_ENGINEIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ENGINEIO_SEPARATOR '\x1e'

enum engineio_type {
	ENGINEIO_OPEN,
	ENGINEIO_CLOSE,
	ENGINEIO_PING,
	ENGINEIO_PONG,
	ENGINEIO_MESSAGE,
	ENGINEIO_UPGRADE,
	ENGINEIO_NOOP,
};

struct engineio_packet {
	enum engineio_type type;
	bool binary;      /* A message whose data is base64. */
	const char *data; /* Lent by the payload. */
	size_t len;
};

enum engineio_step { ENGINEIO_PACKET, ENGINEIO_END, ENGINEIO_WRONG };

/* Walk a payload: start with *at = 0.  WRONG at the first packet that is none; an empty payload is wrong, too. */
enum engineio_step engineio_next(const char *payload, size_t len, size_t *at, struct engineio_packet *packet);

/* One packet, as on a WebSocket; false if it is none. */
bool engineio_read(struct engineio_packet *packet, const char *text, size_t len);

/* Add a packet to a payload that is begun, or not yet.  Text is UTF-8 without U+001E. */
void engineio_write(struct buf *payload, enum engineio_type type, const char *data, size_t len);
void engineio_write_binary(struct buf *payload, const char *base64, size_t len);

/* What a new session is told. */
struct engineio_handshake {
	const char *sid;
	bool websocket; /* May be upgraded to one. */
	int64_t ping_interval_ms, ping_timeout_ms;
	size_t max_payload;
};
void engineio_write_open(struct buf *payload, const struct engineio_handshake *);

enum engineio_error {
	ENGINEIO_UNKNOWN_TRANSPORT,
	ENGINEIO_UNKNOWN_SID,
	ENGINEIO_BAD_METHOD,
	ENGINEIO_BAD_REQUEST,
	ENGINEIO_FORBIDDEN,
	ENGINEIO_BAD_VERSION,
};
const char *engineio_error_words(enum engineio_error error);
/* The body of a request that is refused. */
void engineio_write_error(struct buf *b, enum engineio_error error);

#endif
