/*
 * What is kept in the store of an Engine.IO session, as its state, since its client has no cursor and numbers nothing:
 *
 *     1 <phase><flags> <ping at> <answered> <posted> <posted to> <upgrade until> <before> <after>
 *
 * and of one that speaks Socket.IO more lines: "C <connect by> <connects>"; for each namespace that it is connected to
 * "S <id> <how>[a] <number> <veil> <before> <after> <namespace>", the positions as cursors; and while attachments of a packet are
 * missing "P <bytes> <packet>" and "B <base64>" for each that has come.
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
#include "codec/cursor.h"
#include "codec/socketio.h"
#include "codec/token.h"

enum engine_phase {
	ENGINE_OPEN,
	ENGINE_CLOSING, /* Whoever waits, or else polls next, is told so. */
	ENGINE_LEFT,    /* Closed by its client, whose last poll is on its way. */
	ENGINE_OVER,    /* Closed.  Kept for what its sockets were told. */
};

enum engine_socket_how {
	ENGINE_SOCKET_NEW,       /* To be told that it is connected, */
	ENGINE_SOCKET_RECOVERED, /* the same, behind what it missed; */
	ENGINE_SOCKET_NEW_TOLD,  /* it was told so in the last answer, */
	ENGINE_SOCKET_RECOVERED_TOLD,
	ENGINE_SOCKET_CONNECTED, /* or before it. */
	ENGINE_SOCKET_LEFT,      /* It was told, in the last answer, that it is disconnected; its session is still to be closed. */
};

/* A connection to a namespace. */
struct engine_socket {
	struct name id; /* Of its session. */
	enum engine_socket_how how;
	bool was_asked; /* It was told something without an offset: an event that it is to answer. */
	uint32_t number;               /* Of the connection, in this engine, of which the pid is made. */
	char veil[TOKEN_LEN + 1];      /* Of a recovered one: its pid, veiled; else empty. */
	struct cursor before, after;   /* As those of the engine. */
	char *namespace;
};

/* A packet whose attachments are still to come. */
struct engine_partial {
	struct buf packet;
	struct buf attachments[SOCKETIO_ATTACHMENTS_MAX];
	unsigned count;
};

struct engine_state {
	enum engine_phase phase;
	bool polling;       /* A poll waits: only known in strict mode. */
	bool pinged;        /* The ping that was due at ping_at was sent, and not answered yet. */
	bool websocket;     /* It is on a WebSocket, whose instance pings. */
	bool arrived;       /* One has come that has until upgrade_until, but not its probe yet: polls wait as ever. */
	int64_t ping_at;    /* Milliseconds since the epoch. */
	uint64_t answered;  /* The poll that was told something last, by engine_key; 0: none. */
	uint64_t posted;    /* The post that was begun last, the same. */
	uint64_t posted_to; /* So far its body was done; beyond its end: all of it. */
	int64_t upgrade_until; /* As ping_at: until then a WebSocket that has come may take over; 0: none. */
	struct entry_id before, after; /* Where in its mailbox the client stood before and after what that poll was told. */
	bool is_socketio;
	int64_t connect_by; /* When it has to be connected to a namespace; 0: it was. */
	uint32_t connects;  /* Connections to namespaces that it began. */
	struct engine_socket *sockets;
	size_t sockets_count;
	struct engine_partial *partial; /* NULL: none. */
};

/* False, and *state needs no freeing, on anything that engine_state_write would not have written. */
bool engine_state_parse(struct engine_state *state, const char *text, size_t len);
void engine_state_write(struct buf *b, const struct engine_state *state);
void engine_state_free(struct engine_state *state);

/* The same but for what posts have changed. */
bool engine_state_polls_alike(const struct engine_state *a, const struct engine_state *b);

/* NULL: it is not connected to that namespace. */
struct engine_socket *engine_state_socket(const struct engine_state *state, const char *namespace, size_t len);
/* NULL: it is not on it. */
struct engine_socket *engine_state_find_socket(const struct engine_state *state, const struct name *id);
/* Zeroed but for the namespace, behind the others. */
struct engine_socket *engine_state_add_socket(struct engine_state *state, const char *namespace, size_t len);
void engine_state_remove_socket(struct engine_state *state, struct engine_socket *socket);
void engine_state_drop_partial(struct engine_state *state);

/* Knows a request by its parameter t and its body.  0 without a t: then there is no telling whether it is a repeat. */
uint64_t engine_key(const char *t, const char *body, size_t len);

#endif
