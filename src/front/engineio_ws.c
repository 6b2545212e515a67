/*
 * Engine.IO on WebSockets: a session that begins on one, or that was polling and moves there.
 *
 * That a socket has come is written into the session's state before it is let in, so that there is one only.  To move, the client
 * sends a probe, and with that in the state its polls, on whatever instance, are answered soon, so that it can let the last one end.  Then it says that it has moved, and with that in the state there is no other
 * way to it: a poll that swaps its positions in later fails.  What it was told last is known, so the socket goes on behind it.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/base64.h"
#include "codec/cursor.h"
#include "codec/frame.h"
#include "core/session.h"
#include "front/engineio_call.h"
#include "front/engineio_follow.h"
#include "front/engineio_move.h"
#include "front/inbox.h"
#include "front/private.h"
#include "net/http.h"
#include "store/store.h"
#include "transport/ws.h"

enum phase {
	SECOND,  /* There is another one of the session. */
	PROBING, /* The probe is waited for. */
	PROBED,  /* It was answered. */
	MOVED    /* The session is here. */
};

struct engineio_ws {
	LIST_ENTRY(engineio_ws) in_sockets;
	struct front *front;
	struct socket *socket; /* NULL once it is gone: what it brought is still to be done. */
	struct engineio_client client;
	struct facts facts; /* For an application that is asked about who connects. */
	enum phase phase;
	int64_t upgrade_until; /* As in the state, until it has moved. */
	struct engine_state state; /* As it was last known, with its number.  A post, or a move, that is under way has it. */
	uint64_t number;
	struct engineio_follow *follow; /* What brings messages; NULL: the socket is the session's sink. */
	struct engineio_move *move; /* To the next phase, under way. */
	bool pinged;
	struct event timer;         /* For the next phase, the next ping, its pong. */
	struct engineio_post *post; /* A packet that is being done. */
	struct inbox inbox;         /* Those behind it, as in payloads. */
};

static void
take_state(struct engineio_ws *ws, struct engine_state *state, uint64_t number)
{
	engine_state_free(&ws->state);
	ws->state = *state;
	ws->number = number;
	*state = (struct engine_state){0};
}

/* ---- The end ---- */

static void
ws_free(struct engineio_ws *ws)
{
	struct front *front = ws->front;

	LIST_REMOVE(ws, in_sockets);
	event_del(&ws->timer);
	inbox_free(&ws->inbox);
	engine_state_free(&ws->state);
	facts_free(&ws->facts);
	free(ws);
	front_check_settled(front);
}

void
engineio_ws_free(struct front *front)
{
	while (!LIST_EMPTY(&front->engineio_sockets))
		ws_free(LIST_FIRST(&front->engineio_sockets));
}

static void end_session(struct front *front, const struct engineio_client *client);

static void
finish(struct engineio_ws *ws)
{
	if (ws->phase == MOVED)
		end_session(ws->front, &ws->client);
	else if (ws->phase != SECOND)
		engineio_move_cancel(ws->front, &ws->client, ws->upgrade_until);
	ws_free(ws);
}

static void
on_gone(void *arg)
{
	struct engineio_ws *ws = arg;

	ws->socket = NULL;
	event_del(&ws->timer);
	if (ws->move)
		engineio_move_forget(ws->move);
	ws->move = NULL;
	if (ws->follow)
		engineio_follow_stop(ws->follow);
	ws->follow = NULL;
	if (!ws->post)
		finish(ws);
}

/* As the reference does: without a code. */
static void
close_socket(struct engineio_ws *ws)
{
	if (ws->socket)
		socket_close(ws->socket, WS_NO_CODE, "");
	on_gone(ws);
}

/* Nothing of what it brought can be done any more. */
static void
fail(struct engineio_ws *ws)
{
	inbox_free(&ws->inbox);
	close_socket(ws);
}

/* ---- What the client gets ---- */

static void
send_packet(struct engineio_ws *ws, enum engineio_type type, const char *data, size_t len)
{
	struct buf packet = BUF_EMPTY;

	engineio_write(&packet, type, data, len);
	socket_send(ws->socket, WS_TEXT, packet.data, packet.len);
	buf_free(&packet);
}

static void
send_message(struct engineio_ws *ws, const struct message *message)
{
	struct buf text = BUF_EMPTY, bytes = BUF_EMPTY;
	enum frame_kind kind = frame_read(&text, message);

	if (kind == FRAME_TEXT)
		send_packet(ws, ENGINEIO_MESSAGE, text.data, text.len);
	else if (kind == FRAME_BINARY && base64_read(&bytes, text.data, text.len))
		socket_send(ws->socket, WS_BINARY, bytes.data, bytes.len);
	buf_free(&text);
	buf_free(&bytes);
}

static bool
on_deliver(void *arg, const struct batch *batch)
{
	struct engineio_ws *ws = arg;

	if (batch->gaps_count > 0) {
		fail(ws);
		return false;
	}
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->messages[i]->flag == MESSAGE_FAREWELL) {
			fail(ws);
			return false;
		}
		send_message(ws, batch->messages[i]);
	}
	socket_ack(ws->socket, batch->cursor); /* The session ends with the socket: nobody will ask again. */
	return true;
}

static void
send_followed(struct engineio_ws *ws, const struct engineio_packet *packet)
{
	struct buf bytes = BUF_EMPTY;

	if (!packet->binary)
		send_packet(ws, packet->type, packet->data, packet->len);
	else if (base64_read(&bytes, packet->data, packet->len))
		socket_send(ws->socket, WS_BINARY, bytes.data, bytes.len);
	buf_free(&bytes);
}

static bool
on_tell(void *arg, const char *payload, size_t len)
{
	struct engineio_ws *ws = arg;
	struct engineio_packet packet;
	size_t at = 0;

	while (engineio_next(payload, len, &at, &packet) == ENGINEIO_PACKET)
		send_followed(ws, &packet);
	return !socket_is_full(ws->socket);
}

static void
on_over(void *arg)
{
	struct engineio_ws *ws = arg;

	ws->follow = NULL;
	fail(ws);
}

static void
on_drained(void *arg)
{
	struct engineio_ws *ws = arg;

	if (ws->follow)
		engineio_follow_go_on(ws->follow);
}

static void
on_end(void *arg, enum sink_end why)
{
	(void)why;
	fail(arg);
}

/* ---- Time ---- */

static void
wait_for(struct engineio_ws *ws, int64_t ms)
{
	struct timeval tv = clock_timeval(ms > 0 ? ms : 0);

	event_add(&ws->timer, &tv);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct engineio_ws *ws = arg;

	(void)fd, (void)what;
	if (ws->phase != MOVED) {
		close_socket(ws);
	} else if (ws->pinged) {
		metric_add(ENGINEIO_TIMED_OUT, 1);
		fail(ws);
	} else {
		ws->pinged = true;
		send_packet(ws, ENGINEIO_PING, NULL, 0);
		if (ws->follow)
			engineio_follow_asked(ws->follow);
		wait_for(ws, ws->front->parts.options->ping_timeout_ms);
	}
}

static void
take_pong(struct engineio_ws *ws)
{
	ws->pinged = false;
	if (ws->follow)
		engineio_follow_answered(ws->follow);
	wait_for(ws, ws->front->parts.options->ping_interval_ms);
}

/* A client that was polling counts from the last ping that it got there. */
static void
begin_pings(struct engineio_ws *ws)
{
	const struct options *o = ws->front->parts.options;
	int64_t due = ws->state.ping_at + (ws->state.pinged ? o->ping_interval_ms : 0) - store_now(ws->front->parts.store);

	wait_for(ws, due < o->ping_interval_ms ? due : o->ping_interval_ms);
}

static void
begin_reading(struct engineio_ws *ws)
{
	static const struct engineio_followed followed = {on_tell, on_over};
	const struct engine_state *state = &ws->state;
	struct cursor cursor = {.dirty = entry_id_compare(state->before, state->after) != 0, .mailbox = state->after};

	ws->phase = MOVED;
	begin_pings(ws);
	if (ws->client.is_socketio)
		ws->follow = engineio_follow_start(ws->front, &ws->client, &followed, ws);
	else
		socket_read(ws->socket, &ws->client.id, &cursor);
}

/* ---- The session's end ---- */

static void
free_call(struct engineio_call *call)
{
	engineio_call_free(call);
}

/* What the sockets of a session were told is kept with it. */
static void
decide_end(struct engineio_call *call)
{
	if (call->state.phase == ENGINE_OVER)
		engineio_call_free(call);
	else
		engineio_call_close(call, free_call);
}

static void
end_session(struct front *front, const struct engineio_client *client)
{
	static const struct engineio_kind kind = {decide_end, free_call, free_call, free_call, NULL};

	engineio_call_look(engineio_call_start(front, &kind, sizeof(struct engineio_call), client));
}

/* ---- Moving here ---- */

static void
on_moved(void *arg, struct engine_state *state, uint64_t number)
{
	struct engineio_ws *ws = arg;

	ws->move = NULL;
	if (!state) {
		close_socket(ws);
		return;
	}
	take_state(ws, state, number);
	socket_hold(ws->socket, false);
	if (ws->phase == PROBED) {
		begin_reading(ws);
	} else {
		ws->phase = PROBED;
		send_packet(ws, ENGINEIO_PONG, "probe", 5);
	}
}

static void
move(struct engineio_ws *ws, enum engineio_move_step step)
{
	struct engineio_moving moving = {ws->front, &ws->client, step, &ws->state, ws->number};

	socket_hold(ws->socket, true);
	ws->move = engineio_move_start(&moving, on_moved, ws);
}

/* ---- What the client sends ---- */

static bool
has_too_many(const struct engineio_ws *ws)
{
	return ws->inbox.cost >= ws->front->parts.options->stream_backlog;
}

static void do_next(struct engineio_ws *ws);

static void
on_posted(void *arg, enum engineio_outcome outcome, struct engine_state *state, uint64_t number)
{
	struct engineio_ws *ws = arg;

	ws->post = NULL;
	take_state(ws, state, number);
	if (outcome != ENGINEIO_DONE)
		inbox_free(&ws->inbox);
	if (ws->socket && !has_too_many(ws))
		socket_hold(ws->socket, false);
	if (!inbox_is_empty(&ws->inbox))
		do_next(ws);
	else if (!ws->socket)
		finish(ws);
	else if (outcome != ENGINEIO_DONE)
		close_socket(ws);
}

static void
do_next(struct engineio_ws *ws)
{
	const struct buf *packet = &inbox_first(&ws->inbox)->data;
	struct engineio_frame frame = {.front = ws->front, .client = &ws->client, .facts = &ws->facts, .text = packet->data ? packet->data : "",
	    .len = packet->len, .state = &ws->state, .number = ws->number};

	ws->post = engineio_post_frame(&frame, on_posted, ws);
	inbox_drop_first(&ws->inbox);
}

static void
take_packet(struct engineio_ws *ws, enum ws_opcode opcode, const char *data, size_t len)
{
	struct buf packet = BUF_EMPTY;

	if (opcode == WS_TEXT) {
		buf_add(&packet, data, len);
	} else {
		buf_adds(&packet, "b");
		base64_write(&packet, data, len);
	}
	inbox_add(&ws->inbox, opcode, &packet, 0);
	if (has_too_many(ws))
		socket_hold(ws->socket, true);
	if (!ws->post)
		do_next(ws);
}

static bool
is_text(enum ws_opcode opcode, const char *data, size_t len, const char *wanted)
{
	return opcode == WS_TEXT && len == strlen(wanted) && memcmp(data, wanted, len) == 0;
}

static void
on_receive(void *arg, enum ws_opcode opcode, const char *data, size_t len)
{
	struct engineio_ws *ws = arg;

	if (ws->phase == PROBING && is_text(opcode, data, len, "2probe"))
		move(ws, ENGINEIO_PROBE);
	else if (ws->phase == PROBED && is_text(opcode, data, len, "5"))
		move(ws, ENGINEIO_MOVE);
	else if (ws->phase != MOVED)
		close_socket(ws);
	else if (is_text(opcode, data, len, "3"))
		take_pong(ws);
	else
		take_packet(ws, opcode, data, len);
}

/* ---- The beginning ---- */

static struct engineio_ws *
accept_call(struct engineio_call *call)
{
	static const struct socket_protocol protocol = {on_receive, on_deliver, on_drained, on_end, on_gone};
	struct engineio_ws *ws = mem_zero(1, sizeof *ws);

	ws->front = call->front;
	ws->client = (struct engineio_client){.id = call->id, .is_socketio = call->is_socketio};
	memcpy(ws->client.sid, call->sid, sizeof ws->client.sid);
	take_state(ws, &call->state, call->number);
	inbox_init(&ws->inbox);
	LIST_INSERT_HEAD(&call->front->engineio_sockets, ws, in_sockets);
	event_assign(&ws->timer, call->front->parts.base, -1, 0, on_time, ws);
	ws->facts = call->facts;
	call->facts = (struct facts){NULL};
	ws->socket = socket_accept(call->front->parts.sockets, call->req, NULL, &protocol, ws);
	engineio_call_free(call);
	return ws;
}

void
engineio_ws_open(struct engineio_call *call, const char *sid)
{
	struct buf handshake = BUF_EMPTY;
	struct engineio_ws *ws;

	if (!call->req) {
		engineio_call_close(call, free_call);
		return;
	}
	engineio_write_handshake(&handshake, call->front, sid, false);
	ws = accept_call(call);
	socket_send(ws->socket, WS_TEXT, handshake.data, handshake.len);
	buf_free(&handshake);
	begin_reading(ws);
}

/* As the reference refuses an upgrade: the words alone. */
void
engineio_abort(struct http_request *req, enum engineio_error error)
{
	const char *words = engineio_error_words(error);

	http_close_after(req);
	http_reply(req, 400, "text/html", words, strlen(words));
}

static void
abort_call(struct engineio_call *call, enum engineio_error error)
{
	if (call->req)
		engineio_abort(call->req, error);
	engineio_call_free(call);
}

static void
abort_unknown(struct engineio_call *call)
{
	abort_call(call, ENGINEIO_UNKNOWN_SID);
}

/* A second socket of a session is let in and shown out again. */
static void
decide_upgrade(struct engineio_call *call)
{
	const struct front_parts *parts = &call->front->parts;
	struct engine_state *state = &call->state;
	int64_t now = store_now(parts->store);

	if (!call->req) {
		engineio_call_free(call);
	} else if (!call->is_of_version) {
		abort_call(call, ENGINEIO_BAD_REQUEST);
	} else if (state->phase != ENGINE_OPEN || engineio_call_is_over(call)) {
		abort_unknown(call);
	} else if (state->websocket || now < state->upgrade_until) {
		close_socket(accept_call(call));
	} else {
		state->arrived = true;
		state->upgrade_until = now + parts->options->upgrade_timeout_ms;
		engineio_call_swap(call, NULL, 0);
	}
}

/* No other socket may come now. */
static void
begin_upgrade(struct engineio_call *call)
{
	int64_t ms = call->front->parts.options->upgrade_timeout_ms;
	struct engineio_client client = {.id = call->id, .is_socketio = call->is_socketio};
	struct engineio_ws *ws;

	if (!call->req) {
		engineio_move_cancel(call->front, &client, call->state.upgrade_until);
		engineio_call_free(call);
		return;
	}
	ws = accept_call(call);
	ws->phase = PROBING;
	ws->upgrade_until = ws->state.upgrade_until;
	wait_for(ws, ms);
}

void
engineio_upgrade(struct front *front, struct http_request *req, const struct engineio_client *client)
{
	static const struct engineio_kind kind = {decide_upgrade, begin_upgrade, abort_unknown, engineio_call_refuse_unavailable, NULL};
	struct engineio_client arriving = *client;

	arriving.is_arriving = true;
	ws_keep_handshake(req);
	engineio_call_look(engineio_call_new(front, req, &kind, sizeof(struct engineio_call), &arriving));
}
