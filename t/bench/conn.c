#include "conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

struct conn {
	struct event_base *base;
	const struct url *url; /* Lent. */
	int fd;                /* -1: not connected */
	struct event *readable, *writable; /* Owned. */
	char *in; /* Owned.  Start of an answer that did not come in one piece, else NULL. */
	size_t in_len;
	char *out; /* Owned.  What the socket did not take yet, else NULL. */
	size_t out_len;
	answer_fn *on_answer; /* NULL: idle */
	void *arg;
};

static char shared[4 << 20];

bool
url_parse(struct url *url, const char *text)
{
	struct in_addr address;

	if (sscanf(text, "http://%15[0-9.]:%d", url->address, &url->port) != 2 || inet_pton(AF_INET, url->address, &address) != 1)
		return false;
	snprintf(url->host, sizeof(url->host), "%s:%d", url->address, url->port);
	return true;
}

const char *
answer_header(const struct answer *answer, const char *name, size_t *len)
{
	size_t name_len = strlen(name);
	const char *end = answer->head + answer->head_len;

	for (const char *line = answer->head, *eol; (eol = memchr(line, '\r', (size_t)(end - line))) != NULL; line = eol + 2) {
		if ((size_t)(eol - line) <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
			continue;
		for (line += name_len + 1; *line == ' '; line++)
			;
		*len = (size_t)(eol - line);
		return line;
	}
	return NULL;
}

static void
disconnect(struct conn *c)
{
	/* A reset leaves no TIME_WAIT behind, of which runs with 10,000 clients would soon have too many. */
	struct linger reset = {.l_onoff = 1};

	if (c->fd < 0)
		return;
	event_free(c->readable);
	event_free(c->writable);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->fd = -1;
	free(c->in);
	free(c->out);
	c->in = c->out = NULL;
	c->in_len = c->out_len = 0;
}

static void
finish(struct conn *c, const struct answer *answer)
{
	answer_fn *on_answer = c->on_answer;

	c->on_answer = NULL;
	if (on_answer)
		on_answer(c->arg, answer);
}

static void
fail(struct conn *c)
{
	struct answer none = {0};

	disconnect(c);
	finish(c, &none);
}

/* The length of the answer at the start of data, 0 while it is incomplete. */
static size_t
parse(const char *data, size_t len, struct answer *answer)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4), *length;
	size_t value_len;

	if (end == NULL)
		return 0;
	*answer = (struct answer){.status = atoi(data + 9), .head = data, .head_len = (size_t)(end - data) + 2, .body = end + 4};
	length = answer_header(answer, "Content-Length", &value_len);
	if (length == NULL && answer->status != 304 && answer->status != 204)
		die("an answer without Content-Length: %.*s", (int)answer->head_len, data);
	answer->body_len = length ? strtoul(length, NULL, 10) : 0;
	value_len = answer->head_len + 2 + answer->body_len;
	return value_len <= len ? value_len : 0;
}

static void
keep(struct conn *c, size_t len)
{
	if (len > c->in_len) {
		c->in = realloc(c->in, len);
		if (c->in == NULL)
			die("out of memory");
		memcpy(c->in + c->in_len, shared + c->in_len, len - c->in_len);
		c->in_len = len;
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct answer answer;
	size_t len = c->in_len;
	const char *close_header;
	ssize_t got;

	(void)what;
	if (c->in)
		memcpy(shared, c->in, len);
	got = recv(fd, shared + len, sizeof(shared) - len - 1, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 || c->on_answer == NULL) {
		fail(c);
		return;
	}
	len += (size_t)got;
	shared[len] = '\0';
	if (parse(shared, len, &answer) == 0) {
		if (len + 1 == sizeof(shared))
			die("an answer above %zu bytes", sizeof(shared));
		keep(c, len);
		return;
	}
	free(c->in);
	c->in = NULL;
	c->in_len = 0;
	close_header = answer_header(&answer, "Connection", &len);
	if (close_header && len == 5 && strncasecmp(close_header, "close", 5) == 0)
		disconnect(c);
	finish(c, &answer);
}

static void
write_more(struct conn *c, const char *data, size_t len)
{
	ssize_t done = send(c->fd, data, len, MSG_NOSIGNAL);
	char *rest;

	if (done < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
		done = (ssize_t)len; /* The read side hears of it, and hears it from the loop. */
	if (done < 0)
		done = 0;
	if ((size_t)done == len) {
		free(c->out);
		c->out = NULL;
		return;
	}
	c->out_len = len - (size_t)done;
	rest = alloc_zeroed(1, c->out_len);
	memcpy(rest, data + done, c->out_len);
	free(c->out);
	c->out = rest;
	event_add(c->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	write_more(c, c->out, c->out_len);
}

int
conn_socket(const struct url *url)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)url->port)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	inet_pton(AF_INET, url->address, &to.sin_addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		die("connect to %s: %s", url->host, strerror(errno));
	return fd;
}

static void
open_socket(struct conn *c)
{
	c->fd = conn_socket(c->url);
	c->readable = event_new(c->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(c->base, c->fd, EV_WRITE, on_writable, c);
	event_add(c->readable, NULL);
}

void
conn_request(struct conn *c, const char *request, size_t len, answer_fn *on_answer, void *arg)
{
	assert(c->on_answer == NULL);
	c->on_answer = on_answer;
	c->arg = arg;
	if (c->fd < 0)
		open_socket(c);
	write_more(c, request, len);
}

bool
conn_busy(const struct conn *c)
{
	return c->on_answer != NULL;
}

struct conn *
conn_new(struct event_base *base, const struct url *url)
{
	struct conn *c = alloc_zeroed(1, sizeof(*c));

	c->base = base;
	c->url = url;
	c->fd = -1;
	return c;
}

void
conn_free(struct conn *c)
{
	if (c == NULL)
		return;
	disconnect(c);
	free(c);
}
