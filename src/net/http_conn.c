/*
 * One connection, from accept to close: holds back what arrives until a whole request is there and checked, hands that to
 * evhttp, watches the deadlines and whether the client is still there while its request waits.
 *
 * All callbacks of the bufferevent are ours for its whole life.  evhttp's read callback is called by us, with a complete request
 * in the input, so it never waits, never answers by itself and never is in a state in which it would end the process.
 */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/http_private.h"
#include "net/http_reduce.h"
#include "net/ws_private.h"

enum {
	PIPELINE_MAX = 16 * 1024,     /* Waiting behind a pending request. */
	LINGER_MS = 2000,
	CLOSING_MS = 5000,            /* For the other half of a WebSocket's closing handshake. */
	LINGER_MAX = 8 * 1024 * 1024, /* Thrown away at most, for a client that goes on with its upload. */
	ROOM_IDLE_MS = 5000,          /* With no room for more connections, one that was idle so long must go. */
};

static const struct http_refusal unparsed = {400, "bad_request", "the request cannot be parsed"};
static const struct http_refusal bad_path = {400, "bad_request", "the path or the query has a bad percent escape or a backslash"};

/*
 * The connection of each descriptor.  Descriptors belong to the process, so this does.  The bufferevent's callbacks cannot be
 * given a struct http_conn instead: evhttp calls the read callback with its own argument (evhttp_deferred_read_cb).
 */
static struct http_conn **by_fd;
static int by_fd_room, by_fd_used;

static bufferevent_data_cb evhttp_read;

static void
by_fd_set(int fd, struct http_conn *conn)
{
	int room = by_fd_room;

	while (fd >= room)
		room = room ? room * 2 : 64;
	if (room > by_fd_room) {
		by_fd = mem_resize(by_fd, (size_t)room, sizeof(*by_fd));
		memset(by_fd + by_fd_room, 0, (size_t)(room - by_fd_room) * sizeof(*by_fd));
		by_fd_room = room;
	}
	by_fd_used += (conn != NULL) - (by_fd[fd] != NULL);
	by_fd[fd] = conn;
	if (by_fd_used == 0) {
		free(by_fd);
		by_fd = NULL;
		by_fd_room = 0;
	}
}

struct http_conn *
http_conn_at(int fd)
{
	return fd >= 0 && fd < by_fd_room ? by_fd[fd] : NULL;
}

void
http_conn_set_state(struct http_conn *conn, enum http_state state)
{
	const struct http_server *server = conn->server;
	const int64_t limits[HTTP_STATES] = {
		[HTTP_IDLE] = server->idle_ms, [HTTP_READING] = server->request_ms, [HTTP_UPGRADED] = server->silence_ms,
		[HTTP_RECEIVING] = server->request_ms, [HTTP_CLOSING] = CLOSING_MS, [HTTP_LINGERING] = LINGER_MS,
	};

	TAILQ_REMOVE(&conn->server->conns[conn->state], conn, entry);
	conn->state = state;
	TAILQ_INSERT_TAIL(&conn->server->conns[state], conn, entry);
	conn->deadline = limits[state] ? clock_mono_ms() + limits[state] : INT64_MAX;
}

void
http_conn_end(struct http_conn *conn)
{
	evhttp_connection_free(conn->ev);
}

void
http_conn_cut(struct http_conn *conn)
{
	metric_add(CONNECTIONS_CUT, 1);
	http_conn_end(conn);
}

static void take_callbacks(struct http_conn *conn);

void
http_conn_linger(struct http_conn *conn)
{
	take_callbacks(conn);
	/* evhttp may have put an error page of its own into the output: that stays there. */
	bufferevent_disable(conn->bev, EV_WRITE);
	shutdown(conn->fd, SHUT_WR);
	evbuffer_drain(bufferevent_get_input(conn->bev), evbuffer_get_length(bufferevent_get_input(conn->bev)));
	conn->seen = 0;
	http_conn_set_state(conn, HTTP_LINGERING);
	bufferevent_enable(conn->bev, EV_READ);
}

void
http_conn_refuse(struct http_conn *conn, const struct http_refusal *why)
{
	log_debug("refused a request: %s", why->detail);
	metric_add(REQUESTS, 1);
	metric_add(REQUESTS_REFUSED, 1);
	http_reply_refusal(conn, why);
	http_conn_linger(conn);
}

/* ---- Handing a request to evhttp ---- */

static void
on_stay(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void
reduce_head(struct http_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	char *p = (char *)evbuffer_pullup(input, (ev_ssize_t)conn->head.read);
	size_t cut = http_reduce_head(p, conn->head.read, !conn->head.too_large);

	evbuffer_drain(input, cut);
	conn->head.read -= cut;
}

void
http_conn_deliver(struct http_conn *conn)
{
	const struct http_head *head = &conn->head;
	size_t body = head->skips_body ? 0 : head->chunked ? conn->chunks.raw : (size_t)head->length;
	struct event *stay = conn->server->stay;
	int fd = conn->fd;

	reduce_head(conn);
	conn->left = evbuffer_get_length(bufferevent_get_input(conn->bev)) - head->read - body;
	/* evhttp stops reading and starts again.  A second reader for that moment saves the change of the poll set. */
	event_assign(stay, conn->server->base, fd, EV_READ, on_stay, NULL);
	event_add(stay, NULL);
	conn->is_delivered = false;
	evhttp_read(conn->bev, conn->ev);
	event_del(stay);
	conn = http_conn_at(fd);
	if (conn && !conn->is_delivered)
		http_conn_refuse(conn, &unparsed);
}

/*
 * The socket is writable again only when a third of its buffer is free, which may be megabytes: a slow client is not one that
 * does not read.
 */
bool
http_conn_progressed(struct http_conn *conn)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	uint64_t before = conn->acked;

	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		conn->acked = info.tcpi_bytes_acked;
	return conn->acked > before;
}

/* ---- Callbacks of the bufferevent.  The argument is evhttp's. ---- */

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct http_conn *conn = http_conn_at(bufferevent_getfd(bev));
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(input);

	assert(conn && conn->ev == arg);
	switch (conn->state) {
	case HTTP_PENDING:
	case HTTP_STREAMING:
		/* Beyond this, reading would have to stop, and then the client's leaving would not be noticed. */
		if (len > PIPELINE_MAX)
			http_conn_cut(conn);
		break;
	case HTTP_LINGERING:
		conn->seen += len;
		evbuffer_drain(input, len);
		if (conn->seen > LINGER_MAX)
			http_conn_end(conn);
		break;
	case HTTP_IDLE:
	case HTTP_READING:
		http_read_requests(conn);
		break;
	case HTTP_UPGRADED:
	case HTTP_RECEIVING:
	case HTTP_CLOSING:
		ws_on_read(conn->ws);
		break;
	default:
		break;
	}
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct http_conn *conn = http_conn_at(bufferevent_getfd(bev));

	assert(conn && conn->ev == arg);
	if (conn->state == HTTP_WRITING) {
		http_conn_finish(conn);
		return;
	}
	bufferevent_disable(bev, EV_WRITE);
	if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	if (conn->state == HTTP_STREAMING)
		conn->req.drained(conn->req.gone_arg);
	else if (conn->ws && conn->state != HTTP_LINGERING)
		ws_on_write(conn->ws);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *conn = http_conn_at(bufferevent_getfd(bev));

	assert(conn && conn->ev == arg);
	if (what & BEV_EVENT_TIMEOUT && http_conn_progressed(conn)) {
		bufferevent_enable(bev, EV_WRITE);
	} else if (what & BEV_EVENT_TIMEOUT || (what & BEV_EVENT_ERROR && EVUTIL_SOCKET_ERROR() == ETIMEDOUT)) {
		metric_add(CONNECTIONS_STALLED, 1);
		http_conn_cut(conn);
	} else {
		http_conn_end(conn);
	}
}

/* evhttp sets its own callbacks whenever it waits for a request. */
static void
take_callbacks(struct http_conn *conn)
{
	bufferevent_setcb(conn->bev, on_read, on_write, on_event, conn->ev);
}

/* ---- A request and its end ---- */

void
http_conn_on_request(struct evhttp_request *ev, void *arg)
{
	struct http_server *server = arg;
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev));
	struct http_conn *conn = http_conn_at(bufferevent_getfd(bev));

	assert(conn && conn->server == server);
	conn->is_delivered = true;
	/* Had evhttp seen the request end elsewhere than we did, its rest would be taken for the next one. */
	if (evbuffer_get_length(bufferevent_get_input(bev)) != conn->left) {
		http_conn_refuse(conn, &unparsed);
		return;
	}
	if (!http_request_begin(conn, ev)) {
		http_conn_refuse(conn, &bad_path);
		return;
	}
	http_conn_set_state(conn, HTTP_PENDING);
	metric_add(REQUESTS, 1);
	metric_add(REQUESTS_REFUSED, conn->head.too_large);
	server->on_request(server->arg, &conn->req);
}

/* Let evhttp wait for the next request. */
static void
next_request(struct http_conn *conn)
{
	struct evhttp_request *ev = conn->req.ev;
	int fd = conn->fd;

	http_request_end(&conn->req);
	memset(&conn->head, 0, sizeof(conn->head));
	memset(&conn->chunks, 0, sizeof(conn->chunks));
	conn->seen = 0;
	conn->is_head_done = conn->is_continued = conn->is_line_skipped = false;
	http_conn_set_state(conn, HTTP_IDLE);
	/* Whether to close was decided from the real headers: nothing in ev may make evhttp think otherwise. */
	ev->major = ev->minor = 1;
	ev->flags &= ~EVHTTP_PROXY_REQUEST;
	ev->chunked = 0;
	evhttp_send_reply_end(ev);
	if (http_conn_at(fd) == conn) /* evhttp ends it when it has no memory. */
		take_callbacks(conn);
}

void
http_conn_finish(struct http_conn *conn)
{
	const struct http_head *head = &conn->head;
	bool is_unread = evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0 || head->too_large ||
	    (head->skips_body && (head->chunked || head->length > 0));

	if (!conn->req.close) {
		next_request(conn);
	} else if (is_unread) {
		http_request_end(&conn->req);
		http_conn_linger(conn);
	} else {
		http_conn_end(conn);
	}
}

/* The connection is being freed; whatever the reason, this is called once. */
static void
on_closed(struct evhttp_connection *evcon, void *arg)
{
	struct http_conn *conn = arg;
	struct http_server *server = conn->server;
	struct http_request *req = &conn->req;
	bool is_open = conn->state == HTTP_STREAMING || (conn->state == HTTP_PENDING && !req->answered);
	http_gone_fn *gone = is_open && req->parked ? req->gone : NULL;
	void *gone_arg = req->gone_arg;

	assert(conn->ev == evcon);
	by_fd_set(conn->fd, NULL);
	if (conn->ws)
		ws_on_closed(conn->ws);
	TAILQ_REMOVE(&server->conns[conn->state], conn, entry);
	conn->state = HTTP_ORPHAN;
	if (is_open && !req->parked) { /* The handler still has it: it frees all this by answering. */
		evhttp_request_own(req->ev);
	} else {
		/* Not evhttp's any more: it lets go of a request before it frees a connection that failed. */
		if (req->ev && !evhttp_request_get_connection(req->ev))
			evhttp_request_free(req->ev);
		http_request_end(req);
		free(conn);
	}
	if (gone)
		gone(gone_arg);
	http_server_count(server, -1);
}

/* ---- A new connection ---- */

/*
 * evhttp asks for a bufferevent, but does not say for which descriptor, nor which connection it will belong to.  Both can be
 * seen once it is done, and before the loop turns.
 */
struct bufferevent *
http_conn_new(struct event_base *base, void *arg)
{
	struct http_server *server = arg;
	struct http_conn *conn = mem_zero(1, sizeof(*conn));

	conn->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!conn->bev) {
		log_error("out of memory for a connection");
		abort();
	}
	bufferevent_incref(conn->bev);
	conn->server = server;
	conn->state = HTTP_NEW;
	TAILQ_INSERT_TAIL(&server->conns[HTTP_NEW], conn, entry);
	http_server_count(server, 1);
	event_active(server->adopt, 0, 0);
	return conn->bev;
}

static void
adopt(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct bufferevent *bev = conn->bev;
	void *evcon = NULL;

	bufferevent_getcb(bev, &evhttp_read, NULL, NULL, &evcon);
	if (evcon) {
		conn->ev = evcon;
		conn->fd = bufferevent_getfd(bev);
		by_fd_set(conn->fd, conn);
		http_conn_set_state(conn, HTTP_IDLE);
		evhttp_connection_set_closecb(conn->ev, on_closed, conn);
		take_callbacks(conn);
		metric_add(CONNECTIONS_ACCEPTED, 1);
	} else { /* evhttp had no memory. */
		TAILQ_REMOVE(&server->conns[HTTP_NEW], conn, entry);
		free(conn);
		http_server_count(server, -1);
	}
	bufferevent_decref(bev);
}

void
http_conn_adopt(struct http_server *server)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(&server->conns[HTTP_NEW])))
		adopt(conn);
}

/* ---- Deadlines ---- */

static void
sweep_state(struct http_server *server, enum http_state state, int64_t now)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(&server->conns[state])) && conn->deadline <= now) {
		if (state == HTTP_LINGERING || server->is_draining)
			http_conn_end(conn);
		else
			http_conn_cut(conn);
	}
}

/* Else whoever opens connections and leaves them alone keeps everybody out for the idle time. */
static void
make_room(struct http_server *server, int64_t now)
{
	int64_t oldest = now + server->idle_ms - ROOM_IDLE_MS;
	struct http_conn *conn;

	for (uint32_t n = server->max_connections / 20 + 1; n > 0; n--)
		if ((conn = TAILQ_FIRST(&server->conns[HTTP_IDLE])) && conn->deadline <= oldest)
			http_conn_cut(conn);
}

void
http_conn_sweep(struct http_server *server)
{
	int64_t now = clock_mono_ms();

	sweep_state(server, HTTP_READING, now);
	sweep_state(server, HTTP_LINGERING, now);
	ws_sweep(server, now);
	if (server->connections >= server->max_connections)
		make_room(server, now);
	/* Those that were idle, and those of streams that have ended, whose head did not say that it closes. */
	if (server->is_draining && now - server->draining_since >= server->drain_idle_ms)
		now += server->idle_ms;
	sweep_state(server, HTTP_IDLE, now);
}
