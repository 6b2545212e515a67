/*
 * What is kept in the store of an Engine.IO session, as its state, since its client has no cursor and numbers nothing:
 *
 *     1 <phase><flags> <ping at> <answered> <posted> <posted to> <upgrade until> <before> <after>
 *
 * src/README.md says how it is used.
 */
#ifndef CODEC_ENGINE_STATE_H
#define CODEC_ENGINE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"

enum engine_phase {
	ENGINE_OPEN,
	ENGINE_CLOSING, /* Whoever waits, or else polls next, is told so. */
	ENGINE_LEFT,    /* Closed by its client, whose last poll is on its way. */
};

struct engine_state {
	enum engine_phase phase;
	bool polling;       /* A poll waits: only known in strict mode. */
	bool pinged;        /* The ping that was due at ping_at was sent, and not answered yet. */
	bool websocket;     /* It is on a WebSocket, whose instance pings. */
	int64_t ping_at;    /* Milliseconds since the epoch. */
	uint64_t answered;  /* The poll that was told something last, by engine_key; 0: none. */
	uint64_t posted;    /* The post that was begun last, the same. */
	uint64_t posted_to; /* So far its body was done; beyond its end: all of it. */
	int64_t upgrade_until; /* As ping_at: until then a WebSocket may take over; 0: none. */
	struct entry_id before, after; /* Where in its mailbox the client stood before and after what that poll was told. */
};

/* False on anything that engine_state_write would not have written. */
bool engine_state_parse(struct engine_state *state, const char *text, size_t len);
void engine_state_write(struct buf *b, const struct engine_state *state);

/* Knows a request by its parameter t and its body.  0 without a t: then there is no telling whether it is a repeat. */
uint64_t engine_key(const char *t, const char *body, size_t len);

#endif
