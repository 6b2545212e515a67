#include "stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "util.h"

struct stream {
	struct bufferevent *bev; /* Owned. */
	const struct stream_handler *handler;
	void *arg;
	int status;
	bool begun;   /* The head was read. */
	bool reading; /* In the handler: it may call stream_free. */
	bool freed;
};

static void
destroy(struct stream *s)
{
	struct linger reset = {.l_onoff = 1}; /* As conn.c does, and why. */

	setsockopt(bufferevent_getfd(s->bev), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	bufferevent_free(s->bev);
	free(s);
}

static void
end(struct stream *s)
{
	const struct stream_handler *handler = s->handler;
	void *arg = s->arg;

	destroy(s);
	handler->ended(arg);
}

/* The head, once it is here; false if it is another than it should be. */
static bool
read_head(struct stream *s, struct evbuffer *in)
{
	struct evbuffer_ptr head_end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char line[13] = "";

	if (head_end.pos < 0)
		return true;
	evbuffer_copyout(in, line, sizeof(line) - 1);
	evbuffer_drain(in, (size_t)head_end.pos + 4);
	s->begun = true;
	return atoi(line + 9) == s->status;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct stream *s = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;
	ssize_t used;

	if (!s->begun && !read_head(s, in)) {
		end(s);
		return;
	}
	len = evbuffer_get_length(in);
	if (!s->begun || len == 0)
		return;
	s->reading = true;
	used = s->handler->read(s->arg, (char *)evbuffer_pullup(in, -1), len);
	s->reading = false;
	if (s->freed)
		destroy(s);
	else if (used < 0)
		end(s);
	else
		evbuffer_drain(in, (size_t)used);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		end(arg);
}

struct stream *
stream_new(struct event_base *base, const struct url *url, const char *request, size_t len, int status,
    const struct stream_handler *handler, void *arg)
{
	struct stream *s = alloc_zeroed(1, sizeof(*s));

	s->bev = bufferevent_socket_new(base, conn_socket(url), BEV_OPT_CLOSE_ON_FREE);
	if (s->bev == NULL)
		die("out of memory");
	s->status = status;
	s->handler = handler;
	s->arg = arg;
	bufferevent_setcb(s->bev, on_read, NULL, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	bufferevent_write(s->bev, request, len);
	return s;
}

/* At once if the socket takes it: the loop's next turn would be counted as delay. */
void
stream_write(struct stream *s, const char *data, size_t len)
{
	ssize_t done = 0;

	if (s->begun && evbuffer_get_length(bufferevent_get_output(s->bev)) == 0)
		done = send(bufferevent_getfd(s->bev), data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (done < 0)
		done = 0;
	if ((size_t)done < len)
		bufferevent_write(s->bev, data + done, len - (size_t)done);
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->reading)
		s->freed = true;
	else
		destroy(s);
}
