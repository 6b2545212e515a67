/*
 * Reading: what has arrived stays in the connection's input until a whole request is there and right.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>

#include "net/http_private.h"

static enum http_verdict
check_chunks(struct http_conn *conn, struct evbuffer *input, const struct http_refusal **why)
{
	enum http_verdict verdict = HTTP_MORE;
	struct evbuffer_ptr at;
	struct evbuffer_iovec part;

	while (verdict == HTTP_MORE && conn->seen < evbuffer_get_length(input)) {
		evbuffer_ptr_set(input, &at, conn->seen, EVBUFFER_PTR_SET);
		if (evbuffer_peek(input, -1, &at, &part, 1) < 1)
			break;
		verdict = http_check_chunks(&conn->chunks, part.iov_base, part.iov_len, &conn->server->limits, why);
		conn->seen += part.iov_len;
	}
	return verdict;
}

static enum http_verdict
check_body(struct http_conn *conn, struct evbuffer *input, const struct http_refusal **why)
{
	if (conn->head.skips_body)
		return HTTP_DONE;
	if (conn->head.chunked)
		return check_chunks(conn, input, why);
	return evbuffer_get_length(input) - conn->head.read >= conn->head.length ? HTTP_DONE : HTTP_MORE;
}

static enum http_verdict
check_request(struct http_conn *conn, struct evbuffer *input, const struct http_refusal **why)
{
	if (!conn->is_head_done) {
		size_t len = evbuffer_get_length(input);
		const char *p;
		enum http_verdict verdict;

		if (len > conn->server->limits.head + 1)
			len = conn->server->limits.head + 1;
		p = (const char *)evbuffer_pullup(input, (ev_ssize_t)len);
		verdict = http_check_head(&conn->head, p, len, &conn->server->limits, why);
		if (verdict != HTTP_DONE)
			return verdict;
		conn->is_head_done = true;
		conn->seen = conn->head.read;
	}
	return check_body(conn, input, why);
}

/* RFC 9112 2.2: one empty line before a request is to be overlooked. */
static void
skip_empty_line(struct http_conn *conn, struct evbuffer *input)
{
	char start[2];

	if (conn->is_line_skipped || conn->head.lines > 0)
		return;
	if (evbuffer_copyout(input, start, 2) < 2 || memcmp(start, "\r\n", 2) != 0)
		return;
	evbuffer_drain(input, 2);
	conn->is_line_skipped = true;
}

/* There is no whole request yet. */
static void
await_more(struct http_conn *conn)
{
	if (conn->state == HTTP_IDLE)
		http_conn_set_state(conn, HTTP_READING);
	if (conn->is_head_done && conn->head.continues && !conn->is_continued) {
		conn->is_continued = true;
		http_reply_continue(conn);
	}
}

/* All that is there: if only one request were taken in each turn of the loop, a client could fill the input faster than that. */
void
http_read_requests(struct http_conn *conn)
{
	const struct http_refusal *why = NULL;
	enum http_verdict verdict = HTTP_DONE;
	int fd = conn->fd;

	while (verdict == HTTP_DONE && http_conn_at(fd) == conn && (conn->state == HTTP_IDLE || conn->state == HTTP_READING)) {
		struct evbuffer *input = bufferevent_get_input(conn->bev);

		skip_empty_line(conn, input);
		if (evbuffer_get_length(input) == 0)
			break;
		verdict = check_request(conn, input, &why);
		if (verdict == HTTP_DONE)
			http_conn_deliver(conn);
		else if (verdict == HTTP_MORE)
			await_more(conn);
		else
			http_conn_refuse(conn, why);
	}
}
