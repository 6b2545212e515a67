/*
 * WebSockets: see ws.h.  A connection's states are those of http_private.h: UPGRADED, RECEIVING while a part of a message is here,
 * CLOSING once our close frame is out.  The close frame is the last that is sent; then the client's is waited for, and lingering
 * sees to it that a client which goes on sending can still read why.
 */
#include "net/ws.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_private.h"
#include "net/ws_private.h"

enum { HEADER_MAX = 10 };

struct ws {
	TAILQ_ENTRY(ws) in_pings;         /* Until it is closing. */
	struct http_conn *conn;           /* It owns this. */
	const struct ws_handler *handler; /* Lent; NULL when the owner has let go. */
	void *arg;
	struct ws_parser parser;
	int64_t ping_at;
	struct buf pong;  /* What the last ping that is not answered yet had. */
	bool has_pong;    /* To be sent when the output is empty. */
	bool is_waiting;  /* The owner is to be told when the output is empty. */
	bool is_paused;
	bool is_deaf;     /* The client has closed, or broke a rule: what else comes is thrown away. */
};

static bool
is_closing(const struct ws *ws)
{
	return ws->conn->state == HTTP_CLOSING;
}

/* ---- Sending ---- */

static size_t
backlog_of(const struct ws *ws)
{
	return evbuffer_get_length(bufferevent_get_output(ws->conn->bev));
}

static size_t
write_header(unsigned char *p, enum ws_opcode opcode, size_t len)
{
	size_t bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	p[0] = (unsigned char)(0x80 | (unsigned)opcode);
	p[1] = (unsigned char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++)
		p[2 + i] = (unsigned char)((uint64_t)len >> 8 * (bytes - 1 - i));
	return 2 + bytes;
}

static size_t
send_frame(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	unsigned char header[HEADER_MAX];
	struct iovec parts[2] = {{header, write_header(header, opcode, len)}, {(void *)(uintptr_t)data, len}};

	return http_reply_send(ws->conn, parts, len ? 2 : 1);
}

size_t
ws_send(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	size_t waiting;

	assert(ws->handler && (opcode == WS_TEXT || opcode == WS_BINARY));
	waiting = send_frame(ws, opcode, data, len);
	ws->is_waiting = waiting > 0;
	return waiting;
}

/* RFC 6455, 5.5.3: only the latest ping need be answered.  So no client can fill the output with its pings. */
static void
send_pong(struct ws *ws, const char *data, size_t len)
{
	if (backlog_of(ws) == 0) {
		send_frame(ws, WS_PONG, data, len);
		return;
	}
	ws->has_pong = true;
	buf_clear(&ws->pong);
	buf_add(&ws->pong, data, len);
}

static void
send_kept_pong(struct ws *ws)
{
	if (!ws->has_pong)
		return;
	ws->has_pong = false;
	send_frame(ws, WS_PONG, ws->pong.data, ws->pong.len);
	buf_free(&ws->pong);
}

/* ---- Closing ---- */

static void
send_close(struct ws *ws, unsigned code, const char *reason)
{
	char payload[WS_CONTROL_MAX];
	size_t len = strlen(reason);

	assert(len <= sizeof payload - 2);
	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	memcpy(payload + 2, reason, len);
	send_frame(ws, WS_CLOSE, payload, code == WS_NO_CODE ? 0 : 2 + len);
	TAILQ_REMOVE(&ws->conn->server->pings, ws, in_pings);
	http_conn_set_state(ws->conn, HTTP_CLOSING);
}

/* If both have closed and all is out.  May end the connection: then ws is gone. */
static void
finish(struct ws *ws)
{
	if (ws->is_deaf && backlog_of(ws) == 0)
		http_conn_linger(ws->conn);
}

static void
let_go(struct ws *ws, unsigned code)
{
	const struct ws_handler *handler = ws->handler;

	ws->handler = NULL;
	if (handler)
		handler->closed(ws->arg, code);
}

/* ---- Reading ---- */

static void
read_soon(struct ws *ws)
{
	bufferevent_enable(ws->conn->bev, EV_READ);
	/* Something may be in the input, or in the parser. */
	bufferevent_trigger(ws->conn->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void
ws_pause(struct ws *ws)
{
	ws->is_paused = true;
	bufferevent_disable(ws->conn->bev, EV_READ);
}

void
ws_resume(struct ws *ws)
{
	if (!ws->is_paused)
		return;
	ws->is_paused = false;
	/* Nobody listened: the client's time begins anew. */
	http_conn_set_state(ws->conn, ws->conn->state);
	read_soon(ws);
}

/* What the client is told that has closed: its own code. */
static void
take_end(struct ws *ws, unsigned code)
{
	ws->is_deaf = true;
	if (!is_closing(ws))
		send_close(ws, code, "");
	let_go(ws, code);
}

static void
take_event(struct ws *ws, const struct ws_event *event)
{
	if (event->code)
		take_end(ws, event->code);
	else if (event->opcode == WS_PING && !is_closing(ws))
		send_pong(ws, event->data, event->len);
	else if ((event->opcode == WS_TEXT || event->opcode == WS_BINARY) && ws->handler)
		ws->handler->message(ws->arg, event->opcode, event->data, event->len);
}

/* A message must be whole in the time that a request has; between messages anything that comes shows that the client is there. */
static void
update_state(struct ws *ws, bool is_boundary)
{
	enum http_state state = ws_parser_is_idle(&ws->parser) ? HTTP_UPGRADED : HTTP_RECEIVING;

	if (!is_closing(ws) && (is_boundary || state == HTTP_UPGRADED || state != ws->conn->state))
		http_conn_set_state(ws->conn, state);
}

void
ws_on_read(struct ws *ws)
{
	struct evbuffer *input = bufferevent_get_input(ws->conn->bev);
	struct ws_event event;
	bool is_boundary = false;

	while (!ws->is_deaf && !ws->is_paused && ws_parse(&ws->parser, input, &event)) {
		is_boundary |= event.opcode == WS_TEXT || event.opcode == WS_BINARY;
		take_event(ws, &event);
	}
	update_state(ws, is_boundary);
	if (ws->is_deaf) {
		evbuffer_drain(input, evbuffer_get_length(input));
		finish(ws);
	}
}

void
ws_on_write(struct ws *ws)
{
	if (!is_closing(ws))
		send_kept_pong(ws);
	if (ws->is_waiting && ws->handler && backlog_of(ws) == 0) {
		ws->is_waiting = false;
		ws->handler->drained(ws->arg);
	}
	finish(ws);
}

void
ws_close(struct ws *ws, unsigned code, const char *reason)
{
	assert(ws->handler);
	ws->handler = NULL;
	ws->is_paused = false;
	send_close(ws, code, reason);
	read_soon(ws);
}

/* ---- Life ---- */

static void
await_ping(struct ws *ws)
{
	ws->ping_at = clock_mono_ms() + ws->conn->server->ping_ms;
	TAILQ_INSERT_TAIL(&ws->conn->server->pings, ws, in_pings);
}

struct ws *
ws_accept(struct http_request *req, const char *subprotocol, size_t max, const struct ws_handler *handler, void *arg)
{
	struct http_conn *conn = http_request_conn(req);
	struct buf *head = &conn->server->head;
	struct ws *ws = mem_zero(1, sizeof *ws);
	struct iovec part;

	assert(conn->state == HTTP_PENDING && !req->answered && (req->parked ? req->proof != NULL : ws_check_handshake(req) == WS_HANDSHAKE_GOOD));
	ws_keep_handshake(req);
	ws->conn = conn;
	ws->handler = handler;
	ws->arg = arg;
	ws_parser_init(&ws->parser, max);
	conn->ws = ws;
	req->answered = true;
	ws_write_handshake(head, req, subprotocol);
	http_request_shed(req);
	buf_free(&req->headers);
	free(req->proof);
	req->proof = NULL;
	http_conn_set_state(conn, HTTP_UPGRADED);
	await_ping(ws);
	part = (struct iovec){head->data, head->len};
	http_reply_send(conn, &part, 1);
	read_soon(ws);
	return ws;
}

void
ws_on_closed(struct ws *ws)
{
	if (!is_closing(ws) && ws->conn->state != HTTP_LINGERING)
		TAILQ_REMOVE(&ws->conn->server->pings, ws, in_pings);
	let_go(ws, WS_LOST);
	ws_parser_free(&ws->parser);
	buf_free(&ws->pong);
	free(ws);
}

static void
sweep_state(struct http_server *server, enum http_state state, int64_t now)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(&server->conns[state])) && conn->deadline <= now) {
		/* Nobody listened, or no ping was sent: the write timeout is for who does not read. */
		if (conn->ws->is_paused || (state == HTTP_UPGRADED && backlog_of(conn->ws) > 0))
			http_conn_set_state(conn, state);
		else if (state == HTTP_CLOSING)
			http_conn_end(conn);
		else
			http_conn_cut(conn);
	}
}

void
ws_sweep(struct http_server *server, int64_t now)
{
	struct ws *ws;

	sweep_state(server, HTTP_UPGRADED, now);
	sweep_state(server, HTTP_RECEIVING, now);
	sweep_state(server, HTTP_CLOSING, now);
	while ((ws = TAILQ_FIRST(&server->pings)) && ws->ping_at <= now) {
		TAILQ_REMOVE(&server->pings, ws, in_pings);
		await_ping(ws);
		if (backlog_of(ws) == 0)
			send_frame(ws, WS_PING, NULL, 0);
	}
}
