/*
 * GET /relay/ROOM: a room for any WebSocket client, which knows nothing of sessions: each frame that it sends goes to all others in
 * the room as it is.
 *
 * A session is opened for the socket, and closed with it.  A text is a message with the event "text" and a string as its data, a
 * binary one has the event "binary" and the same in base64; so clients of other transports meet it in the room.  What the client
 * sends is numbered like any client's, and repeated while the store cannot be used; meanwhile it waits here, then at the client.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/base64.h"
#include "codec/frame.h"
#include "codec/op.h"
#include "codec/token.h"
#include "core/session.h"
#include "front/auth.h"
#include "front/inbox.h"
#include "front/private.h"
#include "front/problem.h"
#include "front/refusal.h"
#include "net/http.h"
#include "transport/ws.h"

enum { CLOSE_GAP = 4000, CLOSE_AUTH = 4401, CLOSE_FORBIDDEN = 4403, CLOSE_GONE = 4410, RETRY_MS = 500, LAST_TRIES = 60 };

struct relay {
	LIST_ENTRY(relay) in_relays;
	struct front *front;
	struct socket *socket; /* NULL once it is gone: what it brought is still to be sent. */
	struct name id;
	char *room;              /* Owned. */
	uint64_t seq;            /* Of the next operation; 0: the session is not open yet. */
	bool is_joined;
	bool is_judging;         /* The JSON Web Token is; nothing else is done before it is known to count. */
	bool may_send;
	struct buf grants, data; /* With --auth: what it grants, until that is written; and public data. */
	struct store_call *call; /* The step under way. */
	struct event retry;
	int tries;               /* Without a socket. */
	struct inbox inbox;      /* To be sent, as JSON strings. */
	size_t sending;          /* So many of them are in the step under way. */
};

static void step(struct relay *relay);

/* ---- The end ---- */

static void
relay_free(struct relay *relay)
{
	struct front *front = relay->front;

	LIST_REMOVE(relay, in_relays);
	event_del(&relay->retry);
	inbox_free(&relay->inbox);
	buf_free(&relay->grants);
	buf_free(&relay->data);
	free(relay->room);
	free(relay);
	front_check_settled(front);
}

void
relay_free_all(struct front *front)
{
	while (!LIST_EMPTY(&front->relays))
		relay_free(LIST_FIRST(&front->relays));
}

/* What the client sent before it left goes out: it takes it for sent.  Then the session is closed. */
static void
on_gone(void *arg)
{
	struct relay *relay = arg;

	relay->socket = NULL;
	step(relay);
}

static void
close_relay(struct relay *relay, unsigned code, const char *reason)
{
	if (relay->socket)
		socket_close(relay->socket, code, reason);
	on_gone(relay);
}

/* ---- What the client gets ---- */

/* Other clients of the room may send anything; what is no frame is not for this one. */
static void
send_frame(struct relay *relay, struct message *message)
{
	enum frame_kind kind = frame_share(message);

	if (kind != FRAME_NONE)
		socket_send(relay->socket, kind == FRAME_TEXT ? WS_TEXT : WS_BINARY, message->frame.data, message->frame.len);
}

static bool
on_deliver(void *arg, const struct batch *batch)
{
	struct relay *relay = arg;

	for (size_t i = 0; i < batch->gaps_count; i++) {
		if (!batch->gaps[i].room)
			continue;
		close_relay(relay, CLOSE_GAP, "gap");
		return false;
	}
	for (size_t i = 0; i < batch->count; i++)
		if (batch->messages[i]->room)
			send_frame(relay, batch->messages[i]);
	socket_ack(relay->socket, batch->cursor); /* Of messages to the session itself, which nobody wants. */
	return true;
}

static void
on_end(void *arg, enum sink_end why)
{
	if (why == SINK_EXPIRED)
		close_relay(arg, CLOSE_AUTH, "auth_expired");
	else /* It was not taken over: nobody else has its token. */
		close_relay(arg, CLOSE_GONE, "session_gone");
}

/* ---- What the client sends ---- */

static bool
has_too_many(const struct relay *relay)
{
	return relay->inbox.cost >= relay->front->parts.options->stream_backlog;
}

static void
on_receive(void *arg, enum ws_opcode opcode, const char *data, size_t len)
{
	struct relay *relay = arg;
	struct buf text = BUF_EMPTY;

	/* As a string it is not shorter, and writing a megabyte of escapes takes long. */
	if (len > relay->front->limits.message) {
		close_relay(relay, WS_TOO_BIG, "message_too_large");
		return;
	}
	if (!relay->may_send) {
		metric_add(AUTH_FORBIDDEN, 1);
		close_relay(relay, CLOSE_FORBIDDEN, "forbidden");
		return;
	}
	if (opcode == WS_TEXT) {
		jspan_quote(&text, data, len);
	} else {
		buf_adds(&text, "\"");
		base64_write(&text, data, len);
		buf_adds(&text, "\"");
	}
	if (text.len > relay->front->limits.message) {
		buf_free(&text);
		close_relay(relay, WS_TOO_BIG, "message_too_large");
		return;
	}
	inbox_add(&relay->inbox, opcode, &text, 0);
	if (has_too_many(relay))
		socket_hold(relay->socket, true);
	step(relay);
}

/* ---- Steps: opening the session, granting, joining the room, sending, closing the session ---- */

/* A step is done: the next, if there is one. */
static void
go_on(struct relay *relay)
{
	if (relay->socket && relay->is_joined && !has_too_many(relay))
		socket_hold(relay->socket, false);
	step(relay);
}

static void
try_again(struct relay *relay)
{
	static const struct timeval pause = {0, RETRY_MS * 1000};

	if (relay->socket || ++relay->tries < LAST_TRIES)
		event_add(&relay->retry, &pause);
	else
		relay_free(relay); /* Its session will lapse. */
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	step(arg);
}

/* Nothing can be sent for this client any more. */
static void
fail(struct relay *relay, unsigned code, const char *reason)
{
	inbox_free(&relay->inbox);
	close_relay(relay, code, reason);
}

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct relay *relay = arg;

	relay->call = NULL;
	if (opened->status == STORE_UNAVAILABLE) {
		try_again(relay);
		return;
	}
	if (opened->status == STORE_FULL) {
		metric_add(SESSIONS_REFUSED, 1);
		fail(relay, WS_TRY_LATER, "too_many_sessions");
		return;
	}
	metric_add(SESSIONS_OPENED, opened->created);
	relay->seq = 1;
	go_on(relay);
}

/* What an operation was refused for; NULL if all were done. */
static const struct refusal *
find_refusal(const struct store_applied *applied)
{
	const struct refusal *refusal = NULL;

	for (size_t i = 0; i < applied->count && !refusal; i++)
		refusal = refusal_of(applied->results[i].code);
	return refusal;
}

static void
take_done(struct relay *relay, const struct store_applied *applied)
{
	const struct refusal *refusal = find_refusal(applied);

	metric_add(SESSIONS_REFUSED, relay->grants.len > 0 && refusal);
	if (relay->sending > 0)
		metric_add(MESSAGES_SENT, (int64_t)(applied->count - applied->repeated));
	for (; relay->sending > 0; relay->sending--)
		inbox_drop_first(&relay->inbox);
	relay->seq = applied->next_seq;
	if (refusal) {
		fail(relay, WS_TRY_LATER, refusal->code);
		return;
	}
	if (relay->grants.len > 0) {
		buf_free(&relay->grants);
	} else {
		if (!relay->is_joined && relay->socket)
			socket_read(relay->socket, &relay->id, NULL);
		relay->is_joined = true;
	}
	go_on(relay);
}

static void
on_applied(void *arg, const struct store_applied *applied)
{
	struct relay *relay = arg;

	relay->call = NULL;
	switch (applied->status) {
	case STORE_OK:
		take_done(relay, applied);
		return;
	case STORE_GONE:
		fail(relay, CLOSE_GONE, "session_gone");
		return;
	case STORE_HOLE: /* The store has lost what was numbered before; this was not applied. */
		relay->seq = applied->next_seq;
		step(relay);
		return;
	default:
		try_again(relay);
	}
}

static void
apply(struct relay *relay, const struct client_op *ops, size_t n)
{
	relay->call = sessions_apply(relay->front->parts.sessions, &relay->id, relay->seq, ops, n, on_applied, relay);
}

/* Before it joins: it may be refused, and nobody is to see it then. */
static void
grant(struct relay *relay)
{
	apply(relay, &(struct client_op){.kind = CLIENT_GRANT, .data = {relay->grants.data, relay->grants.len}}, 1);
}

static void
join(struct relay *relay)
{
	apply(relay, &(struct client_op){.kind = CLIENT_JOIN, .room = relay->room}, 1);
}

/* The same frames with the same numbers until they are done. */
static void
send_frames(struct relay *relay)
{
	size_t most = relay->front->limits.ops, n = 0;
	struct client_op *ops = mem_zero(most, sizeof *ops);
	const struct inbox_item *item;

	STAILQ_FOREACH(item, &relay->inbox.items, in_items) {
		if (n == (relay->sending ? relay->sending : most))
			break;
		ops[n++] = (struct client_op){
			.kind = CLIENT_SEND_ROOM,
			.room = relay->room,
			.event = frame_event(item->opcode == WS_TEXT ? FRAME_TEXT : FRAME_BINARY),
			.data = {item->data.data, item->data.len},
		};
	}
	relay->sending = n;
	apply(relay, ops, n);
	free(ops);
}

static void
on_session_closed(void *arg, const struct store_presence *presence)
{
	struct relay *relay = arg;

	relay->call = NULL;
	if (presence->status == STORE_UNAVAILABLE) {
		try_again(relay);
		return;
	}
	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	relay_free(relay);
}

static void
step(struct relay *relay)
{
	struct front *front = relay->front;

	if (relay->is_judging || relay->call || event_pending(&relay->retry, EV_TIMEOUT, NULL))
		return;
	if (!relay->socket && inbox_is_empty(&relay->inbox))
		relay->call = sessions_close(front->parts.sessions, &relay->id, on_session_closed, relay);
	else if (relay->seq == 0)
		relay->call = store_open(front->parts.store, &relay->id, relay->data.data ? relay->data.data : "", relay->data.len,
		    NULL, on_opened, relay);
	else if (relay->grants.len > 0)
		grant(relay);
	else if (!relay->is_joined)
		join(relay);
	else if (!inbox_is_empty(&relay->inbox))
		send_frames(relay);
}

/* ---- With --auth ---- */

static void
take_claims(struct relay *relay, const struct grants_claims *claims)
{
	struct grants grants;

	buf_add(&relay->grants, claims->grants.data, claims->grants.len);
	buf_add(&relay->data, claims->data.text, claims->data.len);
	if (!grants_read(&grants, relay->grants.data, relay->grants.len) || !grants_allow(&grants, GRANTS_JOIN, relay->room)) {
		metric_add(AUTH_FORBIDDEN, 1);
		close_relay(relay, CLOSE_FORBIDDEN, "forbidden");
		return;
	}
	relay->may_send = grants_allow(&grants, GRANTS_SEND, relay->room);
	step(relay);
}

static void
on_verdict(void *arg, const struct auth_verdict *verdict)
{
	struct relay *relay = arg;

	relay->is_judging = false;
	if (verdict->status == 0)
		take_claims(relay, verdict->claims);
	else
		close_relay(relay, verdict->status == 503 ? WS_TRY_LATER : CLOSE_AUTH, verdict->code);
}

/* ---- The beginning ---- */

/* A browser that offers subprotocols wants one of them to be taken, whatever it means to others. */
static void
copy_offer(struct buf *b, const struct http_request *req)
{
	const char *offers = http_header(req, "Sec-WebSocket-Protocol");

	if (offers)
		buf_add(b, offers, strcspn(offers, ", \t"));
}

/* A browser can only give the token in the query. */
static void
judge(struct relay *relay, struct http_request *req)
{
	const char *token = http_query(req, "auth");

	if (!token)
		token = front_bearer(req);
	relay->is_judging = true;
	auth_check(relay->front->auth, token, token ? strlen(token) : 0, on_verdict, relay);
}

static void
relay_start(struct front *front, struct http_request *req, const char *room)
{
	static const struct socket_protocol protocol = {on_receive, on_deliver, NULL, on_end, on_gone};
	struct relay *relay = mem_zero(1, sizeof *relay);
	char token[TOKEN_LEN + 1];
	struct buf offer = BUF_EMPTY;

	if (!token_new(token) || !token_session(&relay->id, token)) {
		free(relay);
		problem_reply(req, 503, "overloaded", "There is no randomness for a token.");
		return;
	}
	relay->front = front;
	relay->room = mem_string(room);
	inbox_init(&relay->inbox);
	LIST_INSERT_HEAD(&front->relays, relay, in_relays);
	event_assign(&relay->retry, front->parts.base, -1, 0, on_retry, relay);
	copy_offer(&offer, req);
	relay->may_send = !front->has_grants;
	if (front->auth)
		judge(relay, req);
	relay->socket = socket_accept(front->parts.sockets, req, offer.len > 0 ? offer.data : NULL, &protocol, relay);
	socket_hold(relay->socket, true); /* Until it is in the room. */
	step(relay);
	buf_free(&offer);
}

void
relay_accept(struct front *front, struct http_request *req, const char *room)
{
	if (front->parts.options->no_relay)
		problem_reply(req, 404, "relay_disabled", "This gateway relays no WebSockets.");
	else if (!native_room_name(room, strlen(room), front->limits.room_name))
		problem_reply(req, 400, "bad_request", "This is no name of a room.");
	else if (front->has_grants && !front->auth)
		problem_reply(req, 401, "auth_required", "The application is not asked about relays.");
	else if (upgrade_check(front, req) && front_has_room(front, req))
		relay_start(front, req, room);
}
