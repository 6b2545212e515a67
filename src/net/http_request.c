/*
 * A request as its handler sees it.  Nothing is copied: the path and the query are decoded where evhttp has put the target.
 */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_private.h"
#include "net/http_reduce.h"

struct http_conn *
http_request_conn(const struct http_request *req)
{
	return (struct http_conn *)((char *)(uintptr_t)req - offsetof(struct http_conn, req));
}

bool
http_request_begin(struct http_conn *conn, struct evhttp_request *ev)
{
	struct http_request *req = &conn->req;

	req->ev = ev;
	/* The body of an unknown method may not have been read, and evhttp is lenient with chunks: end there. */
	req->close = conn->head.close || conn->head.chunked || conn->head.method == HTTP_OTHER ||
	    (conn->head.skips_body && conn->head.length > 0);
	req->path = http_uri_split(ev->uri, &req->query);
	return req->path != NULL;
}

/* What the handler needs only until it parks or answers. */
static void
release(struct http_request *req)
{
	free(req->params);
	req->params = NULL;
	req->path = req->query = NULL;
}

void
http_request_end(struct http_request *req)
{
	release(req);
	buf_free(&req->headers);
	free(req->proof);
	memset(req, 0, sizeof(*req));
}

enum http_method
http_method(const struct http_request *req)
{
	return http_request_conn(req)->head.method;
}

const char *
http_path(const struct http_request *req)
{
	assert(!req->parked);
	return req->path;
}

const char *
http_query(struct http_request *req, const char *name)
{
	assert(!req->parked);
	if (!req->query)
		return NULL;
	if (!req->params)
		req->params = http_params_new(req->query);
	return http_params_get(req->params, name);
}

const char *
http_header(const struct http_request *req, const char *name)
{
	assert(!req->parked && http_keeps_header(name, strlen(name)));
	return evhttp_find_header(evhttp_request_get_input_headers(req->ev), name);
}

const char *
http_body(const struct http_request *req, size_t *len)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(req->ev);

	assert(!req->parked);
	*len = evbuffer_get_length(body);
	return *len ? (const char *)evbuffer_pullup(body, -1) : "";
}

void
http_close_after(struct http_request *req)
{
	req->close = true;
}

bool
http_is_too_large(const struct http_request *req)
{
	return http_request_conn(req)->head.too_large;
}

const char *
http_peer(const struct http_request *req)
{
	const struct http_conn *conn = http_request_conn(req);
	char *address = NULL;
	ev_uint16_t port;

	if (conn->state == HTTP_ORPHAN)
		return "";
	evhttp_connection_get_peer(conn->ev, &address, &port);
	/* IPv4 on a socket that takes both. */
	return strncmp(address, "::ffff:", 7) == 0 && strchr(address, '.') ? address + 7 : address;
}

/* Most of a parked poll's memory would be the browser's headers and three copies of its target. */
void
http_request_shed(struct http_request *req)
{
	struct evhttp_request *ev = req->ev;

	release(req);
	evhttp_clear_headers(ev->input_headers);
	evbuffer_drain(ev->input_buffer, evbuffer_get_length(ev->input_buffer));
	if (ev->uri_elems)
		evhttp_uri_free(ev->uri_elems);
	ev->uri_elems = NULL;
}

void
http_park(struct http_request *req, http_gone_fn *gone, void *arg)
{
	struct http_conn *conn = http_request_conn(req);

	assert(conn->state == HTTP_PENDING);
	req->gone = gone;
	req->gone_arg = arg;
	if (req->parked)
		return;
	req->parked = true;
	http_request_shed(req);
	/* Only to hear that the client leaves.  Never EV_WRITE as well: EVHTTP.md section 1. */
	bufferevent_enable(conn->bev, EV_READ);
}
