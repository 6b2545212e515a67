/*
 * GET /v1/ws: WebSockets of the native protocol.  A client gets batches as a poll's, and sends what else would be the body of a
 * POST to /v1/send; each such frame is answered, in their order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "front/inbox.h"
#include "front/native_call.h"
#include "front/problem.h"
#include "net/http.h"
#include "transport/ws.h"

#define SUBPROTOCOL "pollgate.v1"

/* The close codes of the native protocol. */
enum { CLOSE_BAD_CURSOR = 4400, CLOSE_EXPIRED = 4401, CLOSE_TAKEN = 4409, CLOSE_GONE = 4410 };

enum { ANSWER_COST = 256 }; /* A frame that waits counts for its answer as well: all may be answered in one turn of the loop. */

struct native_socket {
	struct front *front;
	struct socket *socket;
	struct name id;
	struct native_call *call; /* The frame that is being answered. */
	bool is_asking;           /* ask_next is at work. */
	struct inbox inbox;       /* Those behind it. */
};

/* ---- The end ---- */

/* What was asked for goes on: the client will ask again, and must find it done or not done. */
static void
on_gone(void *arg)
{
	struct native_socket *ns = arg;

	if (ns->call)
		ns->call->asker = NULL;
	inbox_free(&ns->inbox);
	free(ns);
}

static void
close_socket(struct native_socket *ns, unsigned code, const char *reason)
{
	socket_close(ns->socket, code, reason);
	on_gone(ns);
}

/* ---- What the client gets ---- */

static bool
on_deliver(void *arg, const struct batch *batch)
{
	struct native_socket *ns = arg;
	struct buf document = BUF_EMPTY;

	native_write_batch(&document, batch);
	socket_send(ns->socket, WS_TEXT, document.data, document.len);
	buf_free(&document);
	return true;
}

static void
on_end(void *arg, enum sink_end why)
{
	if (why == SINK_TAKEN)
		close_socket(arg, CLOSE_TAKEN, "taken");
	else if (why == SINK_EXPIRED)
		close_socket(arg, CLOSE_EXPIRED, "auth_expired");
	else
		close_socket(arg, CLOSE_GONE, "session_gone");
}

/* ---- Frames that are answered ---- */

static void ask_next(void *arg);

static void
on_answer(void *arg, const struct native_reply *reply)
{
	struct native_socket *ns = arg;
	struct buf problem = BUF_EMPTY;

	ns->call = NULL;
	if (reply->status == 410) {
		close_socket(ns, CLOSE_GONE, "session_gone");
		return;
	}
	if (reply->body) {
		socket_send(ns->socket, WS_TEXT, reply->body->data, reply->body->len);
	} else {
		problem_write(&problem, reply->status, reply->code, reply->detail, reply->expected ? "expected" : NULL, reply->expected);
		socket_send(ns->socket, WS_TEXT, problem.data, problem.len);
		buf_free(&problem);
	}
	ask_next(ns);
}

/* One at a time: what is sent first is applied first. */
static void
ask(struct native_socket *ns, const char *text, size_t len)
{
	ns->call = native_call_new(ns->front, on_answer, ns);
	ns->call->id = ns->id;
	native_call_send(ns->call, text, len);
}

static bool
has_too_many(const struct native_socket *ns)
{
	return ns->inbox.cost >= ns->front->parts.options->stream_backlog;
}

/* Some frames are refused at once: then on_answer has called this from within. */
static void
ask_next(void *arg)
{
	struct native_socket *ns = arg;
	bool was_held = has_too_many(ns);

	if (ns->is_asking)
		return;
	ns->is_asking = true;
	while (!ns->call && !socket_is_full(ns->socket) && !inbox_is_empty(&ns->inbox)) {
		const struct buf *text = &inbox_first(&ns->inbox)->data;

		ask(ns, text->data ? text->data : "", text->len);
		inbox_drop_first(&ns->inbox);
	}
	ns->is_asking = false;
	if (was_held && !has_too_many(ns))
		socket_hold(ns->socket, false);
}

static void
ask_later(struct native_socket *ns, const char *text, size_t len)
{
	struct buf frame = BUF_EMPTY;

	buf_add(&frame, text, len);
	inbox_add(&ns->inbox, WS_TEXT, &frame, ANSWER_COST);
	if (has_too_many(ns))
		socket_hold(ns->socket, true);
}

/* ---- All frames ---- */

static void
send_pong(struct native_socket *ns, struct jspan ping)
{
	struct buf pong = BUF_EMPTY;

	buf_adds(&pong, "{\"pong\":");
	buf_add(&pong, ping.text, ping.len);
	buf_adds(&pong, "}");
	socket_send(ns->socket, WS_TEXT, pong.data, pong.len);
	buf_free(&pong);
}

static void
take_frame(struct native_socket *ns, const struct native_frame *frame, const char *text, size_t len)
{
	if (frame->ping.text)
		send_pong(ns, frame->ping);
	if (frame->has_cursor && !socket_is_sink(ns->socket))
		socket_read(ns->socket, &ns->id, &frame->cursor);
	else if (frame->has_cursor)
		socket_ack(ns->socket, &frame->cursor);
	if (!frame->is_send)
		return;
	if (ns->call || socket_is_full(ns->socket))
		ask_later(ns, text, len);
	else
		ask(ns, text, len);
}

static void
on_receive(void *arg, enum ws_opcode opcode, const char *data, size_t len)
{
	struct native_socket *ns = arg;
	struct native_frame frame;

	if (opcode != WS_TEXT) {
		close_socket(ns, WS_UNSUPPORTED, "frames are text");
		return;
	}
	if (native_parse_frame(&frame, data, len, &ns->front->limits))
		take_frame(ns, &frame, data, len);
	else
		close_socket(ns, CLOSE_BAD_CURSOR, "bad_cursor");
	cursor_free(&frame.cursor);
}

/* ---- The beginning ---- */

static void
accept_socket(struct front *front, struct http_request *req, const struct name *id, const struct cursor *cursor)
{
	static const struct socket_protocol protocol = {on_receive, on_deliver, ask_next, on_end, on_gone};
	struct native_socket *ns = mem_zero(1, sizeof *ns);

	ns->front = front;
	ns->id = *id;
	inbox_init(&ns->inbox);
	ns->socket = socket_accept(front->parts.sockets, req, ws_is_offered(req, SUBPROTOCOL) ? SUBPROTOCOL : NULL, &protocol, ns);
	if (cursor)
		socket_read(ns->socket, id, cursor);
}

void
native_ws(struct front *front, struct http_request *req, const char *part)
{
	const char *text;
	struct cursor cursor;
	struct name id;

	(void)part;
	if (!upgrade_check(front, req) || !native_authenticate(req, &id))
		return;
	text = http_query(req, "cursor");
	if (!native_read_cursor(front, req, text, &cursor))
		return;
	accept_socket(front, req, &id, text ? &cursor : NULL);
	cursor_free(&cursor);
}
