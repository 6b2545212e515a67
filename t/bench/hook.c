/*
 * hookbench: an application's backend for pollgate's --hook.  Each message goes to the session that its event is named after, at once or
 * after --delay.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct backend {
	struct event_base *base;
	int delay_ms;
};

struct later {
	struct evhttp_request *req;
	struct evbuffer *answer; /* Owned. */
};

static void
answer(struct evhttp_request *req, struct evbuffer *body)
{
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
	evhttp_send_reply(req, 200, "OK", body);
	evbuffer_free(body);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct later *later = arg;

	(void)fd, (void)what;
	answer(later->req, later->answer);
	free(later);
}

/* What is to be done: nothing, if it is no message. */
static struct evbuffer *
decide(const char *text, size_t len)
{
	static const char event[] = "\"event\":\"", data[] = "\"data\":";
	struct evbuffer *out = evbuffer_new();
	const char *end = text + len, *to = memmem(text, len, event, strlen(event)), *quote, *value;

	if (to == NULL)
		return out;
	to += strlen(event);
	quote = memchr(to, '"', (size_t)(end - to));
	value = quote ? memmem(quote, (size_t)(end - quote), data, strlen(data)) : NULL;
	if (value == NULL)
		return out;
	value += strlen(data);
	evbuffer_add_printf(out, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"id\":\"%.*s\"},\"event\":\"m\",\"data\":%.*s}]}", (int)(quote - to), to,
	    (int)(end - 1 - value), value);
	return out;
}

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct backend *backend = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(in);
	struct evbuffer *out = decide((const char *)evbuffer_pullup(in, -1), len);
	struct timeval tv = {backend->delay_ms / 1000, backend->delay_ms % 1000 * 1000};
	struct later *later;

	if (backend->delay_ms == 0) {
		answer(req, out);
		return;
	}
	later = alloc_zeroed(1, sizeof(*later));
	*later = (struct later){req, out};
	event_base_once(backend->base, -1, EV_TIMEOUT, on_time, later, &tv);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"delay", required_argument, NULL, 'd'}, {"port", required_argument, NULL, 'p'}, {0}};
	struct backend backend = {.base = event_base_new()};
	struct evhttp *http = evhttp_new(backend.base);
	int letter, port = 0;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (letter == 'd')
			backend.delay_ms = atoi(optarg);
		else if (letter == 'p')
			port = atoi(optarg);
		else
			die("usage: hookbench --port PORT [--delay MS]");
	evhttp_set_timeout(http, 3600);
	evhttp_set_gencb(http, on_request, &backend);
	if (evhttp_bind_socket(http, "127.0.0.1", (ev_uint16_t)port) != 0)
		die("cannot listen on port %d", port);
	printf("listening\n");
	fflush(stdout);
	event_base_dispatch(backend.base);
	return 0;
}
