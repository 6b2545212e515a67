/*
 * A request of an Engine.IO session: the session's state is read, something is decided, and perhaps the state is replaced, which
 * fails if another request did that first: then it is decided again.  src/README.md has the whole of it.
 */
#ifndef FRONT_ENGINEIO_CALL_H
#define FRONT_ENGINEIO_CALL_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/engine_state.h"
#include "codec/engineio.h"
#include "codec/op.h"
#include "front/facts.h"

struct engineio_call;
struct front;
struct http_request;

struct engineio_kind {
	/* The state is known, or is another one than was known. */
	void (*decide)(struct engineio_call *);
	/* It was replaced, and the operations were applied. */
	void (*swapped)(struct engineio_call *);
	/* There is no such session. */
	void (*unknown)(struct engineio_call *);
	/* The store could not be used for so long that the client should be told. */
	void (*late)(struct engineio_call *);
	/* Give back what this kind of call owns. */
	void (*release)(struct engineio_call *);
};

struct engineio_call {
	LIST_ENTRY(engineio_call) in_calls;
	const struct engineio_kind *kind;
	struct front *front;      /* Lent. */
	struct http_request *req; /* NULL once the client left. */
	struct name id;
	char sid[TOKEN_LEN + 1];
	bool is_socketio;          /* By its path.  A session is of one of them. */
	bool is_of_version;        /* What the client says it speaks is what is spoken here, or it does not say. */
	struct engine_state state; /* As it was read; or what it is to become. */
	uint64_t number;           /* Of the state as it was read. */
	uint64_t next_number;      /* Of what it is to become. */
	const struct client_op *ops; /* To be applied with that; lent until then. */
	size_t ops_count;
	void (*step)(struct engineio_call *); /* What is asked of the store. */
	void (*closed)(struct engineio_call *);
	struct facts facts;    /* Of who may be about to connect, for an application that is asked. */
	const char *late_code; /* What could not be used; NULL: the store. */
	int64_t deadline; /* When the store was to have answered, by clock_mono_ms. */
	struct event retry;
};

/* Whose request it is. */
struct engineio_client {
	char sid[TOKEN_LEN + 1];
	struct name id;
	bool is_socketio;
	bool is_arriving; /* It may be about to connect. */
};

/* Never 0. */
uint64_t engineio_random(void);

/* A call of size bytes, zeroed but for what is above. */
void *engineio_call_start(struct front *front, const struct engineio_kind *kind, size_t size, const struct engineio_client *client);
/* The same for a request, which is parked. */
void *engineio_call_new(struct front *front, struct http_request *req, const struct engineio_kind *kind, size_t size,
    const struct engineio_client *client);
void engineio_call_free(struct engineio_call *);
/* Park the request again, which a transport had meanwhile. */
void engineio_call_park(struct engineio_call *, struct http_request *req);

/* Do step, which asks something of the store; again when the store cannot be used and the step says so, until that is too late. */
void engineio_call_begin(struct engineio_call *, void (*step)(struct engineio_call *));
void engineio_call_try_again(struct engineio_call *);
/* The same for somebody else who cannot be asked, code: not all who wait at once. */
void engineio_call_try_later(struct engineio_call *, const char *code);

/* Read the state, and decide. */
void engineio_call_look(struct engineio_call *);
/* Decide from a state that is known, and perhaps not the latest.  Takes it. */
void engineio_call_decide(struct engineio_call *, struct engine_state *state, uint64_t number);
void engineio_call_look_later(struct engineio_call *); /* In a quarter of a second. */
/* False, after a log line, if text is none. */
bool engineio_call_take_state(struct engineio_call *, uint64_t number, const char *text, size_t len);
/* The same, but only if it differs by what posts change, which is nothing to who waits for messages; else false.  Takes state. */
bool engineio_call_take_alike(struct engineio_call *, struct engine_state *state, uint64_t number);
/* Let call->state be the session's, and apply these operations, which are lent until `swapped` or `decide`. */
void engineio_call_swap(struct engineio_call *, const struct client_op *ops, size_t count);
/* That is under way: it may be done or not. */
bool engineio_call_is_swapping(const struct engineio_call *);
/* Close the session, then call closed.  What its sockets were told is kept, so that they may be recovered. */
void engineio_call_close(struct engineio_call *, void (*closed)(struct engineio_call *));

/* Does it have sockets that may be recovered?  Then it is kept, in the phase OVER. */
bool engineio_call_is_kept(const struct engineio_call *);
/* Close the session of a socket, for good; or of all that are on this one. */
void engineio_call_close_socket(struct engineio_call *, const struct name *id);
void engineio_call_close_sockets(struct engineio_call *);
/* The same of those that know that they are disconnected, which the state has no more then. */
void engineio_call_drop_left(struct engineio_call *);

/* No pong came in time, nor did it connect to a namespace. */
bool engineio_call_is_over(const struct engineio_call *);

/* Answer, if the client is still there, and free. */
void engineio_call_reply(struct engineio_call *, int status, const char *type, const struct buf *body);
void engineio_call_tell(struct engineio_call *, enum engineio_type type); /* A payload of one packet. */
void engineio_call_refuse(struct engineio_call *, enum engineio_error error);
void engineio_call_refuse_empty(struct engineio_call *); /* 400, as the reference ends a session. */
void engineio_call_refuse_unavailable(struct engineio_call *);

/* Answer at once. */
void engineio_refuse(struct http_request *req, enum engineio_error error);

#define ENGINEIO_PAYLOAD_TYPE "text/plain; charset=UTF-8"

/* ---- engineio.c ---- */

/* A new session: its answer, or its first packet, is to say what is in the handshake. */
void engineio_write_handshake(struct buf *payload, const struct front *front, const char *sid, bool upgrades);

/* ---- engineio_poll.c, engineio_post.c: what may be asked of a session ---- */

void engineio_poll(struct front *front, struct http_request *req, const struct engineio_client *client);
void engineio_post(struct front *front, struct http_request *req, const struct engineio_client *client);

/* Do what is in one packet that came on a session's WebSocket. */
struct engineio_frame {
	struct front *front;
	const struct engineio_client *client;
	const struct facts *facts; /* Lent until posted. */
	const char *text; /* As in a payload. */
	size_t len;
	struct engine_state *state; /* As it was last known, with its number.  Taken. */
	uint64_t number;
};

enum engineio_outcome {
	ENGINEIO_DONE,
	ENGINEIO_WRONG_PAYLOAD, /* The session was closed. */
	ENGINEIO_GONE,          /* There is no such session, any more. */
	ENGINEIO_ELSEWHERE,     /* It is not spoken to in this way. */
	ENGINEIO_UNAVAILABLE,   /* Nobody knows whether it was done. */
};

struct engineio_post;
/* state: as it is now, to be taken. */
typedef void engineio_posted_fn(void *arg, enum engineio_outcome outcome, struct engine_state *state, uint64_t number);
/* posted is called from the loop. */
struct engineio_post *engineio_post_frame(const struct engineio_frame *frame, engineio_posted_fn *posted, void *arg);

/* ---- engineio_ws.c ---- */

/* A session's request for a WebSocket whose handshake is good. */
void engineio_upgrade(struct front *front, struct http_request *req, const struct engineio_client *client);
/* The same of a session that was opened by it: takes call. */
void engineio_ws_open(struct engineio_call *call, const char *sid);
/* Refuse a request for a WebSocket. */
void engineio_abort(struct http_request *req, enum engineio_error error);

#endif
