/*
 * Answers.  They are written straight to the socket, which nearly always takes them at once: no buffer, no wait for the loop, no
 * change of the poll set.  What the socket does not take goes to the bufferevent.  evhttp is told only when all is out.
 */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/http_private.h"

enum {
	SENDFILE_MIN = 16 * 1024, /* Below, reading the file and sending it with the head is cheaper. */
	SENDFILE_MAX = 512 * 1024, /* Of one file in one turn of the loop. */
};

static const char *
reason(int status)
{
	static const char *const reasons[600] = {
		[200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content", [206] = "Partial Content",
		[301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
		[307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request", [401] = "Unauthorized",
		[403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
		[408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [411] = "Length Required",
		[412] = "Precondition Failed", [413] = "Content Too Large", [415] = "Unsupported Media Type",
		[417] = "Expectation Failed", [422] = "Unprocessable Content", [426] = "Upgrade Required",
		[429] = "Too Many Requests", [500] = "Internal Server Error",
		[501] = "Not Implemented", [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
	};

	assert(status >= 200 && status < 600);
	return reasons[status] ? reasons[status] : "";
}

static void
add_date(struct http_server *server)
{
	int64_t s = clock_wall_ms() / 1000;

	if (s != server->date_s) {
		time_t t = (time_t)s;
		struct tm tm;

		server->date_s = s;
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
	}
	buf_add(&server->head, server->date, sizeof(server->date) - 1);
}

#define ADD(b, literal) buf_add((b), literal, sizeof(literal) - 1)

void
http_reply_write_head(struct http_conn *conn, int status, const char *type, uint64_t len)
{
	struct buf *b = &conn->server->head;
	struct http_request *req = &conn->req;

	buf_clear(b);
	ADD(b, "HTTP/1.1 ");
	buf_addn(b, (uint64_t)status);
	ADD(b, " ");
	buf_adds(b, reason(status));
	ADD(b, "\r\nDate: ");
	add_date(conn->server);
	if (len == HTTP_UNKNOWN_LENGTH) {
		if (!conn->head.old && conn->head.method != HTTP_HEAD)
			ADD(b, "\r\nTransfer-Encoding: chunked");
	} else if (status != 204 && status != 304) {
		ADD(b, "\r\nContent-Length: ");
		buf_addn(b, len);
	}
	if (type) {
		ADD(b, "\r\nContent-Type: ");
		buf_adds(b, type);
	}
	ADD(b, "\r\nX-Content-Type-Options: nosniff");
	if (!req->has_caching)
		ADD(b, "\r\nCache-Control: no-store\r\nX-Accel-Buffering: no");
	if (req->close)
		ADD(b, "\r\nConnection: close");
	else if (conn->head.old)
		ADD(b, "\r\nConnection: keep-alive");
	ADD(b, "\r\n");
	buf_add(b, req->headers.data, req->headers.len);
	ADD(b, "\r\n");
	if (status >= 500)
		metric_add(RESPONSES_5XX, 1);
	else if (status >= 400)
		metric_add(RESPONSES_4XX, 1);
}

static bool
is_full(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS;
}

ssize_t
http_reply_send_now(struct http_conn *conn, struct iovec *parts, size_t n, int flags)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
	ssize_t sent = sendmsg(conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL | flags);

	return sent == -1 && is_full(errno) ? 0 : sent;
}

size_t
http_reply_send(struct http_conn *conn, struct iovec *parts, size_t n)
{
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	size_t waiting = evbuffer_get_length(output);
	ssize_t done = waiting ? 0 : http_reply_send_now(conn, parts, n, 0);
	size_t sent = done > 0 ? (size_t)done : 0;

	for (size_t i = 0; i < n; i++) {
		size_t gone = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		evbuffer_add(output, (char *)parts[i].iov_base + gone, parts[i].iov_len - gone);
		sent -= gone;
	}
	if (!waiting && evbuffer_get_length(output) > 0)
		http_reply_write_on(conn);
	return evbuffer_get_length(output);
}

/* The same with the head and a body. */
static ssize_t
send_now(struct http_conn *conn, const void *body, size_t len, int flags)
{
	struct iovec parts[2] = {
		{conn->server->head.data, conn->server->head.len},
		{(void *)(uintptr_t)body, len},
	};

	return http_reply_send_now(conn, parts, len ? 2 : 1, flags);
}

void
http_reply_write_on(struct http_conn *conn)
{
	struct timeval limit = clock_timeval(conn->server->write_ms);

	http_conn_progressed(conn);
	bufferevent_set_timeouts(conn->bev, NULL, &limit);
	bufferevent_enable(conn->bev, EV_WRITE);
}

void
http_reply_write_rest(struct http_conn *conn)
{
	http_conn_set_state(conn, HTTP_WRITING);
	/* A client that has closed its sending half would be taken for one that has left. */
	bufferevent_disable(conn->bev, EV_READ);
	http_reply_write_on(conn);
}

static void
send_all(struct http_conn *conn, const void *body, size_t len)
{
	struct buf *head = &conn->server->head;
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	ssize_t n = send_now(conn, body, len, 0);

	if (n == -1) {
		http_conn_end(conn);
	} else if ((size_t)n == head->len + len) {
		http_conn_finish(conn);
	} else {
		if ((size_t)n < head->len) {
			evbuffer_add(output, head->data + n, head->len - (size_t)n);
			n = (ssize_t)head->len;
		}
		evbuffer_add(output, (const char *)body + ((size_t)n - head->len), len - ((size_t)n - head->len));
		http_reply_write_rest(conn);
	}
}

/* Send what the socket takes of the file; what is left is in *from and *left.  False if the connection or the file is broken. */
static bool
sendfile_now(struct http_conn *conn, int fd, off_t *from, off_t *left)
{
	while (*left > 0 && *from < SENDFILE_MAX) {
		ssize_t n = sendfile(conn->fd, fd, from, (size_t)(*left < SENDFILE_MAX ? *left : SENDFILE_MAX));

		if (n == -1 && is_full(errno))
			return true;
		if (n <= 0)
			return false;
		*left -= n;
	}
	return true;
}

/* Takes fd. */
static void
send_small_file(struct http_conn *conn, int fd, size_t len)
{
	char content[SENDFILE_MIN];
	ssize_t n = pread(fd, content, len, 0);

	close(fd);
	if (n == (ssize_t)len)
		send_all(conn, content, len);
	else
		http_conn_end(conn);
}

/* Takes fd. */
static void
send_file(struct http_conn *conn, int fd, off_t len)
{
	struct buf *head = &conn->server->head;
	struct evbuffer *output = bufferevent_get_output(conn->bev);
	ssize_t n = send_now(conn, NULL, 0, MSG_MORE);
	off_t from = 0;
	bool works = n != -1;

	if (works && (size_t)n < head->len)
		evbuffer_add(output, head->data + n, head->len - (size_t)n);
	else if (works)
		works = sendfile_now(conn, fd, &from, &len);
	if (!works || len == 0) {
		close(fd);
	} else if (evbuffer_add_file(output, fd, from, len) == -1) {
		close(fd);
		works = false;
	}
	if (!works)
		http_conn_end(conn);
	else if (len == 0)
		http_conn_finish(conn);
	else
		http_reply_write_rest(conn);
}

/* An answer to a request whose connection is gone: only its memory is left. */
static bool
bury(struct http_conn *conn)
{
	struct evhttp_request *ev = conn->req.ev;

	if (conn->state != HTTP_ORPHAN)
		return false;
	http_request_end(&conn->req);
	evhttp_request_free(ev);
	free(conn);
	return true;
}

void
http_reply_begin(struct http_conn *conn)
{
	assert(conn->state == HTTP_PENDING && !conn->req.answered);
	conn->req.answered = true;
	if (conn->server->is_draining)
		conn->req.close = true;
}

void
http_set_header(struct http_request *req, const char *name, const char *value)
{
	assert(!strpbrk(name, "\r\n: ") && !strpbrk(value, "\r\n"));
	if (strcasecmp(name, "Cache-Control") == 0)
		req->has_caching = true;
	buf_adds(&req->headers, name);
	ADD(&req->headers, ": ");
	buf_adds(&req->headers, value);
	ADD(&req->headers, "\r\n");
}

void
http_reply(struct http_request *req, int status, const char *type, const void *body, size_t len)
{
	struct http_conn *conn = http_request_conn(req);

	if (bury(conn))
		return;
	http_reply_begin(conn);
	http_reply_write_head(conn, status, type, len);
	if (status == 204 || status == 304 || conn->head.method == HTTP_HEAD)
		len = 0;
	send_all(conn, body, len);
}

void
http_reply_head(struct http_request *req, int status, const char *type)
{
	struct http_conn *conn = http_request_conn(req);

	assert(conn->head.method == HTTP_HEAD);
	if (bury(conn))
		return;
	http_reply_begin(conn);
	http_reply_write_head(conn, status, type, HTTP_UNKNOWN_LENGTH);
	send_all(conn, NULL, 0);
}

void
http_reply_file(struct http_request *req, int status, const char *type, int fd, off_t len)
{
	struct http_conn *conn = http_request_conn(req);

	if (len == 0 || conn->state == HTTP_ORPHAN || conn->head.method == HTTP_HEAD) {
		close(fd);
		http_reply(req, status, type, NULL, (size_t)len);
		return;
	}
	http_reply_begin(conn);
	http_reply_write_head(conn, status, type, (uint64_t)len);
	if (len <= SENDFILE_MIN)
		send_small_file(conn, fd, (size_t)len);
	else
		send_file(conn, fd, len);
}

void
http_reply_refusal(struct http_conn *conn, const struct http_refusal *why)
{
	static const char format[] =
	    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\"}";
	char body[512];
	int len = snprintf(body, sizeof(body), format, reason(why->status), why->status, why->code, why->detail);

	assert(len > 0 && (size_t)len < sizeof(body));
	conn->req.close = true;
	http_reply_write_head(conn, why->status, "application/problem+json", (uint64_t)len);
	send_now(conn, body, conn->head.method == HTTP_HEAD && conn->head.lines ? 0 : (size_t)len, 0);
	http_request_end(&conn->req);
}

void
http_reply_continue(struct http_conn *conn)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	send(conn->fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
