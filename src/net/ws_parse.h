/*
 * A WebSocket client's bytes, read as messages.  RFC 6455, sections 5 and 8.1.
 *
 * wslay reads the frames (its frame layer: lengths, masks, what a control frame may be); messages are put together here, without
 * wslay's event layer, which allocates what a frame declares before it comes, and a queue entry for each fragment and each ping.
 * Here a message costs what has arrived of it, and between messages nothing: wslay's 4 kB buffer lives only while a part of a
 * frame is in it.
 */
#ifndef NET_WS_PARSE_H
#define NET_WS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/utf8.h"

struct evbuffer;
struct wslay_frame_context;

enum {
	WS_NORMAL = 1000,
	WS_UNSUPPORTED = 1003,
	WS_NO_CODE = 1005,  /* Never sent: the peer's close frame has no code. */
	WS_LOST = 1006,     /* Never sent: there was no close frame. */
	WS_BAD_TEXT = 1007,
	WS_PROTOCOL_ERROR = 1002,
	WS_TOO_BIG = 1009,
	WS_RESTART = 1012,
	WS_TRY_LATER = 1013,
};

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum { WS_CONTROL_MAX = 125 };

struct ws_parser {
	struct wslay_frame_context *frames; /* Owned; NULL when nothing of a frame was read. */
	struct evbuffer *input;             /* Lent, while parsing. */
	size_t max;                         /* Bytes of a message. */
	size_t held;                        /* Bytes that frames has taken and not given yet. */
	uint64_t left;                      /* Of the payload of the frame under way. */
	struct buf message;                 /* What is here of a message, unless all of it is in frames. */
	struct utf8 utf8;                   /* Of a text. */
	uint8_t type;                       /* WS_TEXT or WS_BINARY: a message is under way; else 0. */
	uint8_t control_len;
	char control[WS_CONTROL_MAX];       /* The payload of a control frame: it may come amid a message. */
};

/* Something whole that the client sent. */
struct ws_event {
	enum ws_opcode opcode; /* Not WS_CONTINUATION. */
	unsigned code;         /* Not 0: it ends here, by a close frame or something wrong.  Close with this, and parse no more. */
	const char *data;      /* Lent until the next call; a close frame's reason, without its code. */
	size_t len;
};

void ws_parser_init(struct ws_parser *parser, size_t max);
void ws_parser_free(struct ws_parser *parser);

/* Take bytes from input until something is whole: true, and *event is that.  False when more has to come. */
bool ws_parse(struct ws_parser *parser, struct evbuffer *input, struct ws_event *event);

/* Nothing of a frame, and nothing of a message, was read. */
bool ws_parser_is_idle(const struct ws_parser *parser);

#endif
