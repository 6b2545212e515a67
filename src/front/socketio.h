/*
 * Socket.IO on Engine.IO sessions: what the packets of a POST do.  src/README.md has the whole of it.
 */
#ifndef FRONT_SOCKETIO_H
#define FRONT_SOCKETIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/cursor.h"
#include "codec/engine_state.h"
#include "codec/engineio.h"
#include "codec/grants.h"
#include "codec/hook.h"
#include "codec/socketio.h"
#include "codec/token.h"

struct engineio_post;
enum post_take;

typedef void socketio_admitted_fn(struct engineio_post *post);

enum socketio_step_kind {
	SOCKETIO_LEARN, /* In which rooms the sender is. */
	SOCKETIO_CONNECTING,
	SOCKETIO_DISCONNECTING,
	SOCKETIO_JOIN,
	SOCKETIO_LEAVE,
};

/* What is done in front of a swap; and what was learned. */
struct socketio_step {
	enum socketio_step_kind kind;
	struct socketio_packet packet; /* Lent by the body, as is room. */
	struct name socket;            /* Whose it is. */
	struct buf title;              /* Of the room that it enters or leaves; ... */
	bool has_room;                 /* ... when that was done: ... */
	const char *room_refusal;      /* ... why not, NULL if it does; lent for good; ... */
	size_t room_at;                /* ... and where in the body. */
	/* Of a connection: */
	uint32_t number;
	char pid[TOKEN_LEN + 1];
	struct name id;
	bool is_new; /* It is in the store, and nobody knows it before the swap. */
	struct buf refusal; /* What the client is told, quoted, if it may not connect; ... */
	size_t refused_at;  /* ... and where in the body. */
	uint64_t socket_number; /* Of the socket's state, as it was read. */
	struct name engine;     /* On which it was. */
	uint64_t engine_number;
	bool is_recovered;
	struct cursor cursor; /* Where it stands. */
	bool was_asked;       /* See struct engine_socket. */
	bool was_taken;       /* A first attempt of this request has taken it, and placed it there. */
	struct buf grants; /* With --auth: what it may do. */
	struct buf data;   /* Public data that the token claims, or the application gives. */
	struct hook_answer answer; /* What the application wants to be done besides. */
	socketio_admitted_fn *admitted; /* What comes then. */
	bool was_readmitted; /* The application has let it in once more. */
	struct client_op *renewal; /* What new grants change of a session that was there; see auth_renew. */
	size_t renewal_count;
	/* Learned: */
	bool is_known;
	struct name known; /* Of which socket. */
	char **titles;     /* Owned, each. */
	size_t titles_count;
	struct buf known_grants;
};

void socketio_step_free(struct socketio_step *step);

/* Do grants, as their text says, let a socket do that with a room?  Without --auth always. */
bool socketio_may(const struct engineio_post *post, const struct buf *grants, enum grants_right right, const char *room);

/* Add what packet asks for to the group. */
enum post_take socketio_take(struct engineio_post *post, const struct engineio_packet *packet);
/* Do the step that socketio_take has set. */
void socketio_step(struct engineio_post *post);

/* ---- socketio_connect.c ---- */

/* The packet that tells that a socket is connected; with the secret by which it is recovered, unless sid is NULL. */
void socketio_write_connected(struct buf *b, const struct engine_socket *socket, const char *sid);
void socketio_connect(struct engineio_post *post);
/* Do not let it connect: that is the end of the step.  code: a word for why, as data.code; NULL for none. */
void socketio_refuse(struct engineio_post *post, const char *why, const char *code);

/* ---- socketio_admit.c: each goes on by `admitted`, or ends the step ---- */

/* Judge the token of who connects: step's grants and data are its then. */
void socketio_judge(struct engineio_post *post, socketio_admitted_fn *admitted);
/* Ask the application whether step's session may be. */
void socketio_ask(struct engineio_post *post, socketio_admitted_fn *admitted);
/* The same of one that was let in before, and may do nothing any more. */
void socketio_ask_again(struct engineio_post *post, socketio_admitted_fn *admitted);

#endif
