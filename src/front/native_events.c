/* GET /v1/events: server-sent events of the native protocol. */
#include <string.h>

#include "front/native_call.h"
#include "front/problem.h"
#include "net/http.h"
#include "transport/sse.h"

#define NONCE_MAX 64

static bool
is_nonce(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= NONCE_MAX &&
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static void
probe(struct front *front, struct http_request *req, const char *nonce)
{
	if (!is_nonce(nonce))
		problem_reply(req, 400, "bad_request", "probe must be 1 to 64 characters of A-Z a-z 0-9 - _.");
	else if (http_method(req) == HTTP_HEAD)
		http_reply_head(req, 200, STREAM_TYPE);
	else
		stream_probe(front->parts.streams, req, nonce);
}

static void
stream(struct front *front, struct http_request *req)
{
	static const struct stream_protocol protocol = {native_write_batch, native_write_end, native_refuse_end};
	const char *text;
	struct cursor cursor;
	struct name id;

	if (!native_authenticate(req, &id))
		return;
	/* What a browser adds when it comes back is newer than its URL. */
	text = http_header(req, "Last-Event-ID");
	if (!text || !*text)
		text = http_query(req, "cursor");
	if (!native_read_cursor(front, req, text, &cursor))
		return;
	if (http_method(req) == HTTP_HEAD)
		native_head(front, req, &id, STREAM_TYPE);
	else
		stream_start(front->parts.streams, req, &id, text ? &cursor : NULL, &protocol);
	cursor_free(&cursor);
}

void
native_events(struct front *front, struct http_request *req, const char *part)
{
	const char *nonce = http_query(req, "probe");

	(void)part;
	if (front->parts.options->no_sse)
		problem_reply(req, 404, "transport_disabled", "This gateway does not offer event streams.");
	else if (nonce)
		probe(front, req, nonce);
	else
		stream(front, req);
}
