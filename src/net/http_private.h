/*
 * What the files of the HTTP server share: the server, its connections, and the one request that each connection may have.
 *
 * evhttp is used for what it does well: it owns the connection and turns a whole, checked request into strings.  What goes in is
 * held back until it is complete (http_read.c, http_check.c); what goes out is written here, without evhttp (http_reply.c).
 *
 *	IDLE -> READING -> PENDING -> WRITING -> IDLE        evhttp_connection_free ends each state; on_closed hears of it
 *	    |                         STREAMING ----^      |
 *	    \________________________________/-> LINGERING   the answer is out, what the client still sends is thrown away
 *
 *	PENDING -> UPGRADED <-> RECEIVING -> CLOSING -> LINGERING   a WebSocket: ws.c
 */
#ifndef NET_HTTP_PRIVATE_H
#define NET_HTTP_PRIVATE_H

#include <sys/queue.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "net/http.h"
#include "net/http_check.h"
#include "net/http_uri.h"

struct bufferevent;
struct evbuffer;
struct event;
struct evhttp;
struct evhttp_bound_socket;
struct evhttp_connection;
struct evhttp_request;
struct ws;

enum { HTTP_TICK_MS = 250 };

enum http_state {
	HTTP_NEW,       /* Accepted in this turn of the loop; evhttp has not told us its connection yet. */
	HTTP_IDLE,      /* Between requests. */
	HTTP_READING,   /* A part of a request is here. */
	HTTP_PENDING,   /* A request waits for its answer. */
	HTTP_STREAMING, /* The answer has begun; its end is not known yet. */
	HTTP_WRITING,   /* The rest of the answer waits for the client to read. */
	HTTP_UPGRADED,  /* A WebSocket, between messages. */
	HTTP_RECEIVING, /* A part of a message is here. */
	HTTP_CLOSING,   /* Its closing handshake has begun. */
	HTTP_LINGERING, /* Answered for the last time.  Closing now would reset the answer away. */
	HTTP_ORPHAN,    /* The connection is gone, but its request is not answered and was not parked. */
	HTTP_STATES
};

TAILQ_HEAD(http_conn_list, http_conn);
TAILQ_HEAD(ws_list, ws);

struct http_request {
	struct evhttp_request *ev; /* Lent by evhttp; owned in HTTP_ORPHAN. */
	const char *path;          /* In ev's target. */
	char *query;               /* The same, until params are made of it. */
	struct http_params *params; /* Owned. */
	struct buf headers;        /* Those set for the answer, as lines. */
	char *proof;               /* Owned: what to answer a WebSocket's handshake with, if that was kept. */
	http_gone_fn *gone;
	http_drained_fn *drained;  /* While streaming. */
	void *gone_arg;            /* Of both. */
	bool parked;
	bool answered;
	bool close;       /* The connection ends after the answer. */
	bool has_caching; /* Cache-Control was set. */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) entry; /* In the server's list of its state. */
	struct http_server *server;
	struct evhttp_connection *ev; /* Owned: http_conn_end frees it, and by that this. */
	struct bufferevent *bev;      /* Lent by ev. */
	int fd;
	enum http_state state;
	int64_t deadline; /* In states that have one: see http_conn_set_state. */
	struct ws *ws;    /* Owned; NULL before an upgrade. */
	struct http_head head;
	struct http_chunks chunks;
	size_t seen; /* Bytes of input that chunks has read, or that were thrown away while lingering. */
	size_t left;    /* Of the input, behind the request that evhttp is parsing. */
	uint64_t acked; /* Bytes that the client has acknowledged, when http_conn_progressed was last asked. */
	bool is_head_done;
	bool is_continued;    /* 100 Continue was sent. */
	bool is_line_skipped; /* An empty line before the request was. */
	bool is_delivered;    /* evhttp has called back with the request. */
	struct http_request req;
};

struct http_server {
	LIST_ENTRY(http_server) entry;
	struct event_base *base;             /* Lent. */
	struct evhttp *http;                 /* Owned. */
	struct evhttp_bound_socket *bound;   /* Lent by http; NULL once the listener is closed. */
	struct evconnlistener *listener;     /* Lent by bound. */
	struct event *tick, *adopt, *resume, *stay, *close_listener, *tell_drained; /* Owned. */
	http_request_fn *on_request;
	void *arg;
	void (*drained)(void *arg);
	void *drained_arg;
	struct http_limits limits;
	int64_t request_ms, idle_ms, write_ms, ping_ms, silence_ms;
	int64_t draining_since, drain_idle_ms;
	uint32_t max_connections;
	uint32_t connections;
	uint32_t peak; /* Most of them since memory was last given back. */
	int port;
	int64_t complain_at;
	bool is_accepting;
	bool is_draining;
	bool is_paused; /* Out of descriptors: not accepting for a moment. */
	struct http_conn_list conns[HTTP_STATES]; /* Each in the order of its deadlines. */
	struct ws_list pings; /* In the order in which they are due. */
	struct buf head; /* Where heads of answers are put together. */
	int64_t date_s;
	char date[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
};

/* ---- http_listen.c ---- */

/*
 * A listening socket for "host:port", -1 after a log line; *port is the port it got.  A connection of it breaks (ETIMEDOUT) when
 * its peer acknowledges nothing of what was sent, or has no room for more, for write_ms.
 */
int http_listen(const char *address, int64_t write_ms, int *port);

/*
 * Let no new connection begin: its first packet is dropped, so that the client sends it again, a second later, and is then refused.
 * Those that have begun are still made.  Closing at once would reset what the kernel made and nobody accepted yet.
 */
void http_listen_deafen(int fd);

/* ---- http.c ---- */

/* A connection was taken in or has gone: accept as many as may be. */
void http_server_count(struct http_server *server, int change);

/* ---- http_conn.c ---- */

/* For evhttp_set_bevcb and evhttp_set_gencb. */
struct bufferevent *http_conn_new(struct event_base *base, void *server);
void http_conn_on_request(struct evhttp_request *ev, void *server);

/* Take over what was accepted in this turn of the loop. */
void http_conn_adopt(struct http_server *server);
/* End those whose deadline has passed. */
void http_conn_sweep(struct http_server *server);

/* The connection of a descriptor; NULL once it has ended: for callers that have called something which may end it. */
struct http_conn *http_conn_at(int fd);
/* Its deadline begins anew. */
void http_conn_set_state(struct http_conn *conn, enum http_state state);
/* A whole request, checked, is at the start of the input: have evhttp parse it and call back. */
void http_conn_deliver(struct http_conn *conn);
/* The opposite. */
void http_conn_refuse(struct http_conn *conn, const struct http_refusal *why);
/* Whether the client has taken any byte since this was last asked. */
bool http_conn_progressed(struct http_conn *conn);
/* The last that is sent is out.  Closing while there is something unread would reset the connection, and what was sent with it. */
void http_conn_linger(struct http_conn *conn);
/* The answer is out: wait for the next request, or end. */
void http_conn_finish(struct http_conn *conn);
void http_conn_end(struct http_conn *conn);
/* The same for a client that breaks a limit. */
void http_conn_cut(struct http_conn *conn);

/* ---- http_read.c ---- */

/* Something has arrived: deliver all requests that are complete. */
void http_read_requests(struct http_conn *conn);

/* ---- http_request.c ---- */

/* Fill in conn->req from what evhttp has parsed; false if the target is no good. */
bool http_request_begin(struct http_conn *conn, struct evhttp_request *ev);
/* Give back what only the handler needed: target, headers and body. */
void http_request_shed(struct http_request *req);
/* Give back what only the request needed.  gone is not called. */
void http_request_end(struct http_request *req);
struct http_conn *http_request_conn(const struct http_request *req);

/* ---- http_reply.c ---- */

#define HTTP_UNKNOWN_LENGTH UINT64_MAX /* Chunked, if there is a body. */

/* The handler answers now. */
void http_reply_begin(struct http_conn *conn);
/* Put the head of an answer into the server's buffer. */
void http_reply_write_head(struct http_conn *conn, int status, const char *type, uint64_t len);
/* Send what the socket takes; the number of bytes, -1 if the connection is broken. */
ssize_t http_reply_send_now(struct http_conn *conn, struct iovec *parts, size_t n, int flags);
/*
 * Send these, or keep in the output what the socket does not take, all of it if the connection is broken: that is not ended here
 * but by the event which it will give.  Returns how many bytes wait.
 */
size_t http_reply_send(struct http_conn *conn, struct iovec *parts, size_t n);
/* Something is in the output: write it when the client reads, and cut one that takes nothing. */
void http_reply_write_on(struct http_conn *conn);
/* The rest of the answer is in the output. */
void http_reply_write_rest(struct http_conn *conn);

/* Answer a request that no handler will see, with a problem document, and linger. */
void http_reply_refusal(struct http_conn *conn, const struct http_refusal *why);
void http_reply_continue(struct http_conn *conn);

#endif
