/* WebSockets as sinks: see ws.h. */
#include "transport/ws.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"

enum { DRAIN_TICK_MS = 50 };

struct socket {
	struct sink sink; /* First: the hub's view of this. */
	struct sockets *sockets;
	struct ws *ws;
	const struct socket_protocol *protocol; /* Lent, as is client. */
	void *client;
	struct reader *reader; /* Of a sink. */
	bool told;             /* A batch was delivered. */
	bool full;             /* Too much waits for the client. */
	bool held;             /* By the protocol. */
	TAILQ_ENTRY(socket) in_sockets;
};

struct sockets {
	struct hub *hub; /* Lent. */
	struct sockets_config config;
	TAILQ_HEAD(, socket) open; /* Since the beginning, the oldest first. */
	size_t count;
	struct event *drain;
	int64_t drained_at;
};

/* ---- Sending ---- */

static void
update_reading(struct socket *socket)
{
	if (socket->full || socket->held)
		ws_pause(socket->ws);
	else
		ws_resume(socket->ws);
}

static void
set_full(struct socket *socket, bool full)
{
	socket->full = full;
	update_reading(socket);
	if (socket->reader && full)
		reader_pause(socket->reader);
	else if (socket->reader)
		reader_resume(socket->reader);
}

void
socket_send(struct socket *socket, enum ws_opcode opcode, const void *data, size_t len)
{
	size_t waiting = ws_send(socket->ws, opcode, data, len);

	if (!socket->full && waiting >= socket->sockets->config.backlog)
		set_full(socket, true);
}

bool
socket_is_full(const struct socket *socket)
{
	return socket->full;
}

void
socket_hold(struct socket *socket, bool hold)
{
	socket->held = hold;
	update_reading(socket);
}

/* ---- The end ---- */

static void
socket_free(struct socket *socket)
{
	if (socket->reader)
		reader_stop(socket->reader, NULL);
	TAILQ_REMOVE(&socket->sockets->open, socket, in_sockets);
	socket->sockets->count--;
	metric_add(WS_OPEN, -1);
	free(socket);
}

void
socket_close(struct socket *socket, unsigned code, const char *reason)
{
	ws_close(socket->ws, code, reason);
	socket_free(socket);
}

static void
tell_gone(struct socket *socket)
{
	const struct socket_protocol *protocol = socket->protocol;
	void *client = socket->client;

	socket_free(socket);
	protocol->gone(client);
}

/* ---- What the hub calls ---- */

static bool
on_deliver(struct sink *sink, const struct batch *batch)
{
	struct socket *socket = (struct socket *)sink;

	socket->told = true;
	return socket->protocol->deliver(socket->client, batch);
}

static void
on_end(struct sink *sink, enum sink_end why)
{
	struct socket *socket = (struct socket *)sink;

	metric_add(WS_TAKEN_OVER, why == SINK_TAKEN);
	socket->protocol->end(socket->client, why);
}

static void
on_caught_up(struct sink *sink)
{
	struct socket *socket = (struct socket *)sink;
	struct cursor cursor;
	struct batch nothing = {.cursor = &cursor};

	if (socket->told)
		return;
	reader_idle(socket->reader); /* With the cursor that it came with the client has said that it has all. */
	reader_cursor(socket->reader, &cursor);
	on_deliver(sink, &nothing);
	cursor_free(&cursor);
}

static const struct sink_ops socket_ops = {on_deliver, on_end, on_caught_up};

void
socket_read(struct socket *socket, const struct name *session, const struct cursor *cursor)
{
	assert(!socket->reader);
	socket->reader = reader_start(socket->sockets->hub, session, cursor, &socket->sink);
	if (socket->full)
		reader_pause(socket->reader);
}

bool
socket_is_sink(const struct socket *socket)
{
	return socket->reader != NULL;
}

void
socket_ack(struct socket *socket, const struct cursor *cursor)
{
	assert(socket->reader);
	reader_ack(socket->reader, cursor);
}

/* ---- What the connection calls ---- */

static void
on_message(void *arg, enum ws_opcode opcode, const char *data, size_t len)
{
	struct socket *socket = arg;

	socket->protocol->receive(socket->client, opcode, data, len);
}

static void
on_drained(void *arg)
{
	struct socket *socket = arg;

	if (!socket->full)
		return;
	set_full(socket, false);
	if (socket->protocol->drained)
		socket->protocol->drained(socket->client);
}

static void
on_closed(void *arg, unsigned code)
{
	metric_add(WS_ABANDONED, code == WS_LOST);
	tell_gone(arg);
}

static const struct ws_handler ws_handler = {on_message, on_drained, on_closed};

struct socket *
socket_accept(struct sockets *sockets, struct http_request *req, const char *subprotocol, const struct socket_protocol *protocol,
    void *client)
{
	struct socket *socket = mem_zero(1, sizeof *socket);

	metric_add(WS, 1);
	metric_add(WS_OPEN, 1);
	socket->sink.ops = &socket_ops;
	socket->sockets = sockets;
	socket->protocol = protocol;
	socket->client = client;
	TAILQ_INSERT_TAIL(&sockets->open, socket, in_sockets);
	sockets->count++;
	socket->ws = ws_accept(req, subprotocol, sockets->config.message, &ws_handler, socket);
	return socket;
}

/* ---- All of them ---- */

/* Close so many that the last is closed when the time is over. */
static void
on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct sockets *sockets = arg;
	int64_t left_ms = sockets->drained_at - clock_mono_ms();
	size_t ticks = left_ms > DRAIN_TICK_MS ? (size_t)(left_ms / DRAIN_TICK_MS) : 1;

	(void)fd, (void)what;
	for (size_t n = (sockets->count + ticks - 1) / ticks; n > 0; n--) {
		struct socket *socket = TAILQ_FIRST(&sockets->open);

		ws_close(socket->ws, WS_RESTART, "restart");
		tell_gone(socket);
	}
}

void
sockets_drain(struct sockets *sockets, int64_t over_ms)
{
	static const struct timeval tick = {0, DRAIN_TICK_MS * 1000};

	sockets->drained_at = clock_mono_ms() + over_ms;
	event_add(sockets->drain, &tick);
}

struct sockets *
sockets_new(struct event_base *base, struct hub *hub, const struct sockets_config *config)
{
	struct sockets *sockets = mem_zero(1, sizeof *sockets);

	sockets->hub = hub;
	sockets->config = *config;
	TAILQ_INIT(&sockets->open);
	sockets->drain = event_new(base, -1, EV_PERSIST, on_drain, sockets);
	return sockets;
}

void
sockets_free(struct sockets *sockets)
{
	if (!sockets)
		return;
	assert(TAILQ_EMPTY(&sockets->open));
	event_free(sockets->drain);
	free(sockets);
}
