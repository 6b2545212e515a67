#include "peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "util.h"

struct wire_options wire;

const struct peer *const peers[] = {&peer_pollgate, &peer_pollgate_sse, &peer_pollgate_ws, &peer_pollgate_hook, &peer_nchan,
	&peer_socketio, &peer_socketio_sticky, &peer_socketio_ws, NULL};

static size_t
append(struct request *req, size_t at, const char *text, size_t len)
{
	if (at + len >= sizeof(req->text))
		die("a request above %zu bytes", sizeof(req->text));
	memcpy(req->text + at, text, len);
	return at + len;
}

void
request_write(struct request *req, const char *method, const char *more, const char *body, const char *target, ...)
{
	size_t n, body_len = body ? strlen(body) : 0;
	char length[64];
	va_list ap;

	n = append(req, 0, method, strlen(method));
	n = append(req, n, " ", 1);
	va_start(ap, target);
	n += (size_t)vsnprintf(req->text + n, 4096, target, ap);
	va_end(ap);
	n = append(req, n, " HTTP/1.1\r\nHost: ", 17);
	n = append(req, n, req->url->host, strlen(req->url->host));
	n = append(req, n, "\r\n", 2);
	n = append(req, n, wire.headers, strlen(wire.headers));
	n = append(req, n, more, strlen(more));
	if (body) {
		int len = snprintf(length, sizeof(length), "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_len);

		n = append(req, n, length, (size_t)len);
	}
	n = append(req, n, "\r\n", 2);
	req->len = body ? append(req, n, body, body_len) : n;
}

void
messages_scan(const char *text, size_t len, message_fn *on_message, void *arg)
{
	const char *end = text + len;

	while ((text = memmem(text, (size_t)(end - text), "\"n\":", 4)) != NULL) {
		text += 4;
		on_message(arg, strtoull(text, NULL, 10));
	}
}

void
name_random(char name[23])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (int i = 0; i < 21; i++)
		name[i] = digits[random_below(64)];
	name[21] = "AQgw"[random_below(4)]; /* 128 bits: the last character has two. */
	name[22] = '\0';
}
