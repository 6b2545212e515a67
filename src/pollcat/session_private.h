/*
 * A session as its files see it.  session.c: answers and what is due, polls.  session_open.c: opening, and the number of the next
 * operation.  session_stream.c: receiving by an event stream.  session_socket.c: by a WebSocket.
 */
#ifndef POLLCAT_SESSION_PRIVATE_H
#define POLLCAT_SESSION_PRIVATE_H

#include "codec/event_stream.h"
#include "pollcat/retry.h"
#include "pollcat/session.h"
#include "pollcat/ws.h"

enum {
	ANSWER_LIMIT_MS = 20000,
	QUICK_MS = 500, /* Who polls or opens again sooner, without anything received, may be going in circles. */
};

enum phase { OPENING, NUMBERING, POLLING, STREAMING, SOCKET, RESTING };

struct session {
	const struct cat_options *options;
	struct http *http;
	struct state *state;
	const struct session_events *events;
	void *arg;
	enum phase phase;
	bool had_history; /* What was written once is not asked for again. */
	struct http_call *call;
	struct retry retry;
	int64_t poll_started;
	struct native_opened opened;
	struct native_batch batch;

	struct event_stream stream;
	const char *refusal; /* Of the stream that is being read: it ends for good. */
	bool stream_gone, stream_full, stream_flows;
	int64_t heard_at;
	int64_t ack_due;
	struct http_call *ack;

	struct ws *socket; /* NULL: none. */
	bool socket_open;
	int64_t socket_ping_due, socket_ack_due;
};

/* ---- session.c ---- */

/* For good. */
void session_fail(struct session *session, const char *why);
/* The same for an answer that is none to `what`. */
void session_fail_with(struct session *session, const char *what, const struct http_answer *answer);
/* Ask again after a pause, unless that has gone on for too long. */
void session_retry(struct session *session, const char *what, const struct http_answer *answer);
/* Something came. */
void session_worked(struct session *session);
/* The call is answered.  False if it is no answer: it will be asked again, or the session has failed. */
bool session_has_answer(struct session *session, const char *what, const struct http_answer *answer);
/* Ask for messages at once. */
void session_receive(struct session *session);
bool session_is_empty(const struct native_batch *batch);

/* ---- session_open.c ---- */

void session_ask_open(struct session *session);
/* A session that was there already: which number has its next operation? */
void session_ask_number(struct session *session);

/* ---- session_stream.c ---- */

void session_stream_init(struct session *session);
void session_stream_free(struct session *session);
/* Nothing of it is for the session that comes next. */
void session_stream_forget(struct session *session);
void session_ask_stream(struct session *session);
/* What else a stream has to do, and when: acknowledge, notice that it is dead. */
int64_t session_stream_due(const struct session *session);
void session_stream_turn(struct session *session);

/* ---- session_socket.c ---- */

void session_socket_init(struct session *session);
/* The socket, if there is one. */
void session_socket_free(struct session *session);
void session_ask_socket(struct session *session);
/* What a socket has to do: acknowledge, ping, notice that it is dead. */
int64_t session_socket_due(const struct session *session);
void session_socket_turn(struct session *session);

#endif
