/*
 * The native protocol's documents, version 1: pollgate-protocol(7).
 */
#ifndef CODEC_NATIVE_H
#define CODEC_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/cursor.h"
#include "codec/jspan.h"
#include "codec/message.h"
#include "codec/op.h"

struct native_limits {
	uint32_t ops;
	uint32_t event;     /* Bytes of an event's name. */
	uint32_t room_name; /* Bytes. */
	uint32_t history;
	uint32_t polls; /* In one shared poll. */
	uint32_t rooms; /* Of one session. */
	bool events;    /* A send to nobody is for the application. */
	size_t message; /* Bytes of the JSON text of a message's data. */
	size_t data;    /* The same for a session's public data. */
};

/* What is wrong with a document; `code` is NULL when nothing is. */
struct native_error {
	const char *code; /* bad_json, bad_op, bad_request, bad_cursor, too_many_ops, too_many_polls, message_too_large */
	char detail[160];
};

struct native_request {
	uint64_t seq; /* 0: none */
	bool has_cursor;
	struct cursor cursor; /* Of a send: what comes before it is acknowledged. */
	size_t count;
	struct client_op *ops; /* Owned. */
	struct jspan data;      /* Of a session to be opened; lent by the document. */
	struct jspan token;     /* The same, as is ... */
	struct jspan auth;      /* ... a JSON Web Token; also of a renewal. */
};

/*
 * Read the body of a send, of an opening (whose rooms become JOIN operations), or a backend's: operations of any session, or one
 * message to publish.  On an error request needs no freeing.
 */
bool native_parse_send(struct native_request *request, const char *body, size_t len, const struct native_limits *, struct native_error *);
bool native_parse_open(struct native_request *request, const char *body, size_t len, const struct native_limits *, struct native_error *);
bool native_parse_order(struct native_request *request, const char *body, size_t len, const struct native_limits *, struct native_error *);
bool native_parse_publish(struct native_request *request, const char *body, size_t len, const struct native_limits *, struct native_error *);
/* Read the body of a renewal, which must have "auth". */
bool native_parse_renewal(struct native_request *request, const char *body, size_t len, const struct native_limits *, struct native_error *);
void native_request_free(struct native_request *request);

/* A frame that a client sends on its WebSocket: one document, for three things that it may ask for. */
struct native_frame {
	struct jspan ping;    /* Any value, to be sent back; lent by the frame. */
	bool has_cursor;
	struct cursor cursor; /* Owned. */
	bool is_send;         /* To be read by native_parse_send, and answered; what is wrong with it is told then. */
};

/* False if its cursor is none. */
bool native_parse_frame(struct native_frame *frame, const char *text, size_t len, const struct native_limits *);

/* One session of a shared poll. */
struct native_poll {
	const char *wrong; /* token_invalid, bad_cursor, or NULL: then the rest is set. */
	struct name session;
	bool has_cursor;
	struct cursor cursor;
};

struct native_polls {
	size_t count;
	struct native_poll *polls; /* Owned, with their cursors. */
	bool has_hold;
	uint64_t hold; /* In milliseconds, without a limit. */
};

/* Read the body of a shared poll.  On an error polls needs no freeing. */
bool native_parse_polls(struct native_polls *polls, const char *body, size_t len, const struct native_limits *, struct native_error *);
void native_polls_free(struct native_polls *polls);

/* The answer to a poll. */
void native_write_batch(struct buf *b, const struct batch *batch);
void native_write_message(struct buf *b, struct message *message);

/* A room name is 1 to max bytes of UTF-8 without control characters. */
bool native_room_name(const char *name, size_t len, uint32_t max);

#endif
