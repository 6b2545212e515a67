/* Answers whose length is not known: see http.h. */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>

#include "net/http_private.h"

void
http_stream_start(struct http_request *req, int status, const char *type, http_drained_fn *drained)
{
	struct http_conn *conn = http_request_conn(req);
	struct iovec head;

	assert(req->parked && conn->head.method != HTTP_HEAD);
	http_reply_begin(conn);
	req->close |= conn->head.old;
	req->drained = drained;
	http_conn_set_state(conn, HTTP_STREAMING);
	http_reply_write_head(conn, status, type, HTTP_UNKNOWN_LENGTH);
	buf_free(&req->headers);
	head = (struct iovec){conn->server->head.data, conn->server->head.len};
	http_reply_send(conn, &head, 1);
}

size_t
http_stream_write(struct http_request *req, const void *data, size_t len)
{
	struct http_conn *conn = http_request_conn(req);
	char size[24], end[] = "\r\n";
	struct iovec parts[] = {{size, 0}, {(void *)(uintptr_t)data, len}, {end, 0}};

	assert(conn->state == HTTP_STREAMING && len > 0);
	if (!conn->head.old) {
		parts[0].iov_len = (size_t)snprintf(size, sizeof size, "%zx\r\n", len);
		parts[2].iov_len = 2;
	}
	return http_reply_send(conn, parts, 3);
}

void
http_stream_end(struct http_request *req)
{
	struct http_conn *conn = http_request_conn(req);
	char end[] = "0\r\n\r\n";
	struct iovec part = {end, conn->head.old ? 0 : sizeof end - 1};
	size_t waiting;

	assert(conn->state == HTTP_STREAMING);
	waiting = http_reply_send(conn, &part, 1);
	http_conn_set_state(conn, HTTP_WRITING); /* gone is not to run any more. */
	if (waiting > 0)
		http_reply_write_rest(conn);
	else
		http_conn_finish(conn);
}
