/*
 * Answers whose length is not known: see http.h.
 *
 * What the socket does not take at once goes to the connection's output.  A broken connection is not ended here but by the event
 * that it will give, so that nothing is called back while the owner writes.
 */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>

#include "net/http_private.h"

enum { PARTS = 3 };

/* Send these, or keep what the socket does not take, all of it if the connection is broken.  Returns how many bytes wait. */
static size_t
send_parts(struct http_conn *conn, struct iovec parts[PARTS])
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	size_t waiting = evbuffer_get_length(output);
	ssize_t n = waiting ? 0 : http_reply_send_now(conn, parts, PARTS, 0);
	size_t sent = n > 0 ? (size_t)n : 0;

	for (int i = 0; i < PARTS; i++) {
		size_t gone = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		evbuffer_add(output, (char *)parts[i].iov_base + gone, parts[i].iov_len - gone);
		sent -= gone;
	}
	if (!waiting && evbuffer_get_length(output) > 0)
		http_reply_write_on(conn);
	return evbuffer_get_length(output);
}

void
http_stream_start(struct http_request *req, int status, const char *type, http_drained_fn *drained)
{
	struct http_conn *conn = http_request_conn(req);
	struct iovec parts[PARTS] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};

	assert(req->parked && conn->head.method != HTTP_HEAD);
	http_reply_begin(conn);
	req->close |= conn->head.old;
	req->drained = drained;
	http_conn_set_state(conn, HTTP_STREAMING);
	http_reply_write_head(conn, status, type, HTTP_UNKNOWN_LENGTH);
	buf_free(&req->headers);
	parts[0] = (struct iovec){conn->server->head.data, conn->server->head.len};
	send_parts(conn, parts);
}

size_t
http_stream_write(struct http_request *req, const void *data, size_t len)
{
	struct http_conn *conn = http_request_conn(req);
	char size[24], end[] = "\r\n";
	struct iovec parts[PARTS] = {{size, 0}, {(void *)(uintptr_t)data, len}, {end, 0}};

	assert(conn->state == HTTP_STREAMING && len > 0);
	if (!conn->head.old) {
		parts[0].iov_len = (size_t)snprintf(size, sizeof size, "%zx\r\n", len);
		parts[2].iov_len = 2;
	}
	return send_parts(conn, parts);
}

void
http_stream_end(struct http_request *req)
{
	struct http_conn *conn = http_request_conn(req);
	char end[] = "0\r\n\r\n";
	struct iovec parts[PARTS] = {{end, conn->head.old ? 0 : sizeof end - 1}, {NULL, 0}, {NULL, 0}};
	size_t waiting;

	assert(conn->state == HTTP_STREAMING);
	req->close |= conn->server->is_draining;
	waiting = send_parts(conn, parts);
	http_conn_set_state(conn, HTTP_WRITING); /* gone is not to run any more. */
	if (waiting > 0)
		http_reply_write_rest(conn);
	else
		http_conn_finish(conn);
}
