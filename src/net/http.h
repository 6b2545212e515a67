/*
 * The HTTP/1.1 server: evhttp (libevent 2.1.12) with its traps closed.  RFC 9110, RFC 9112.
 *
 * One connection object watches each connection for its whole life: its own deadlines (idle, request, write), a check of every
 * parsed request against what evhttp lets through (request smuggling), notice of a client that leaves while its request is
 * parked, a bound on what may be pipelined behind it.  No other file touches evhttp or a bufferevent of a client.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct http_server;
struct http_request;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_config {
	const char *listen;   /* "host:port", "[v6]:port", ":port" (any address), port 0 for any free one. */
	/* At most so many at once; then accepting pauses (the kernel's backlog holds the rest) and idle ones must go sooner. */
	uint32_t connections;
	size_t max_headers;   /* Bytes of request line and headers, default 16 KiB when 0. */
	uint32_t max_header_count; /* 100 when 0 */
	size_t max_body;
	/* None of them 0. */
	int64_t request_ms;   /* From a request's first byte to its last. */
	int64_t idle_ms;      /* Between requests. */
	int64_t write_ms;     /* Without the client taking, or its TCP acknowledging, a byte of its answer. */
	/* Of WebSockets (ws.h), for which request_ms is from a message's first byte to its last; not 0 if one is accepted. */
	int64_t ping_ms;      /* How often each is pinged. */
	int64_t silence_ms;   /* Without the client sending a byte. */
};

/*
 * A request is complete and valid.  Answer it now or later, exactly once; until then it is the callee's, even when the client
 * has left or the server was freed.  What is not valid, or over a limit, is answered before: 400, 413 or 417, a problem
 * document, connection closed.  The answer to HTTP_OTHER closes the connection too.
 */
typedef void http_request_fn(void *arg, struct http_request *req);
/* The client left (or the server is freed) before an answer: req is gone when this returns.  Do not answer. */
typedef void http_gone_fn(void *arg);

/* NULL, after a log line, when listen cannot be bound. */
struct http_server *http_server_new(struct event_base *base, const struct http_config *config, http_request_fn *, void *arg);
int http_server_port(const struct http_server *);
uint32_t http_server_connections(const struct http_server *);

/*
 * Drain: close the listener, once what the kernel has queued is accepted; every answer that begins from now on closes its
 * connection.  Those that are idle then are closed after idle_ms: not at once, since a request may be on its way in any of them,
 * and a balancer that keeps connections would see it fail.  drained runs (from the loop) when no connection is left.  Answering what
 * is parked is the owner's part.
 */
void http_server_drain(struct http_server *, int64_t idle_ms, void (*drained)(void *arg), void *arg);
/* Ends every connection; parked requests get their gone callback.  Not from within a callback of the server. */
void http_server_free(struct http_server *);

/* ---- A request; what these return is valid until it is parked or answered ---- */

enum http_method http_method(const struct http_request *);
const char *http_path(const struct http_request *);  /* Percent-decoded once, no NUL, starts with '/', dot segments resolved. */
/* Value of a query parameter, percent-decoded ('+' is a space); NULL if absent; the last one wins. */
const char *http_query(struct http_request *, const char *name);
/* NULL if absent.  Only those that http_reduce.c keeps may be asked for. */
const char *http_header(const struct http_request *, const char *name);
const char *http_body(const struct http_request *, size_t *len);        /* Never NULL. */
/* The body is larger than max_body and was not read.  Answer 413. */
bool http_is_too_large(const struct http_request *);
const char *http_peer(const struct http_request *);                     /* Numeric address. */

/*
 * Keep the request unanswered for now.  Headers, query and body are given back and must not be asked for again.  gone runs if
 * the client leaves; not after http_reply.
 */
void http_park(struct http_request *, http_gone_fn *gone, void *arg);

/* ---- Answering ---- */

/* Add a header to the answer.  Name and value are copied; a value with CR or LF is a bug. */
void http_set_header(struct http_request *, const char *name, const char *value);

/* The connection is to end after the answer. */
void http_close_after(struct http_request *);

/*
 * Answer and let go of req.  Adds Content-Length, Content-Type (unless type is NULL), Date, X-Content-Type-Options: nosniff,
 * and Cache-Control: no-store, X-Accel-Buffering: no unless Cache-Control was set.  A HEAD request gets the headers only.
 * body is copied.  304 and 204 have no body.
 */
void http_reply(struct http_request *, int status, const char *type, const void *body, size_t len);

/* Answer a HEAD without a Content-Length: what GET would bring is not known (RFC 9110, 9.3.2). */
void http_reply_head(struct http_request *, int status, const char *type);

/* The same with a file's content (takes fd), by sendfile. */
void http_reply_file(struct http_request *, int status, const char *type, int fd, off_t len);

/* ---- Answers whose length is not known ---- */

/* With the argument of http_park: the client has taken what did not fit into the socket. */
typedef void http_drained_fn(void *arg);

/*
 * Begin one: chunked (RFC 9112, 7.1), to an HTTP/1.0 client until the connection closes.  req must be parked and stays so: gone
 * runs when the client leaves, or takes nothing for write_ms; never before these functions have returned.  Not for HEAD.
 */
void http_stream_start(struct http_request *, int status, const char *type, http_drained_fn *drained);
/* Send some more, at least a byte.  Returns how many bytes wait for the client; when there are too many, wait for drained. */
size_t http_stream_write(struct http_request *, const void *data, size_t len);
/* The answer is complete.  Lets go of req. */
void http_stream_end(struct http_request *);

#endif
