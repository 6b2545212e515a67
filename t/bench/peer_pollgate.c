/*
 * Pollgate by its native protocol, pollgate-protocol(7): by polling, as an event stream, on a WebSocket.
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "frame.h"
#include "util.h"

/* Copies the JSON string behind key (as in `"cursor":"`), which needs no unescaping. */
static bool
find_string(const struct answer *answer, const char *key, char *out, size_t size)
{
	const char *start = memmem(answer->body, answer->body_len, key, strlen(key)), *end;

	if (start == NULL)
		return false;
	start += strlen(key);
	end = strchr(start, '"');
	if (end == NULL || (size_t)(end - start) >= size)
		die("%s: too long or cut", key);
	memcpy(out, start, (size_t)(end - start));
	out[end - start] = '\0';
	return true;
}

static void
write_open(struct request *req, const struct session *session)
{
	char body[256] = "{}";

	if (*session->room)
		snprintf(body, sizeof(body), "{\"rooms\":[\"%s\"]}", session->room);
	request_write(req, "POST", "", body, "/v1/sessions");
}

static enum opening
read_opened(struct session *session, const struct answer *answer)
{
	session->seq = 1;
	if (answer->status != 201 || !find_string(answer, "\"id\":\"", session->id, sizeof(session->id)) ||
	    !find_string(answer, "\"token\":\"", session->token, sizeof(session->token)) ||
	    !find_string(answer, "\"cursor\":\"", session->cursor, sizeof(session->cursor)))
		return OPEN_REFUSED;
	return OPEN_DONE;
}

static void
write_poll(struct request *req, const struct session *session, const char *room)
{
	(void)room; /* The session is in it. */
	request_write(req, "GET", "", NULL, "/v1/poll?token=%s&cursor=%s&hold=%lld", session->token, session->cursor,
	    (long long)wire.hold_ms);
}

static bool
read_polled(struct session *session, const struct answer *answer, message_fn *on_message, void *arg)
{
	if (answer->status != 200 || !find_string(answer, "\"cursor\":\"", session->cursor, sizeof(session->cursor)))
		return false;
	messages_scan(answer->body, answer->body_len, on_message, arg);
	return memmem(answer->body, answer->body_len, "\"gaps\":", 7) == NULL;
}

static const char *
send_body(const struct session *from, const char *to, bool room, const char *data)
{
	static char body[70 << 10];
	char seq[48] = "";

	if (wire.seq)
		snprintf(seq, sizeof(seq), "\"seq\":%llu,", (unsigned long long)from->seq);
	if (snprintf(body, sizeof(body), "{%s\"ops\":[{\"op\":\"send\",\"%s\":\"%s\",\"event\":\"m\",\"data\":%s}]}", seq,
	    room ? "room" : "to", to, data) >= (int)sizeof(body))
		die("a body above %zu bytes", sizeof(body));
	return body;
}

static void
write_send(struct request *req, const struct session *from, const char *to, bool room, const char *data)
{
	request_write(req, "POST", "", send_body(from, to, room, data), "/v1/send?token=%s", from->token);
}

static bool
read_sent(struct session *from, const struct answer *answer)
{
	if (answer->status != 200)
		return false; /* It may be repeated, and has the same number then. */
	from->seq++;
	return memmem(answer->body, answer->body_len, "\"error\"", 7) == NULL;
}

const struct peer peer_pollgate = {
	.name = "pollgate",
	.open = write_open,
	.opened = read_opened,
	.poll = write_poll,
	.polled = read_polled,
	.send = write_send,
	.sent = read_sent,
};

/* ---- Through the application: hookbench sends on what it is told, to the session that the event is named after ---- */

static void
write_event(struct request *req, const struct session *from, const char *to, bool room, const char *data)
{
	static char body[70 << 10];
	char seq[48] = "";

	(void)room;
	if (wire.seq)
		snprintf(seq, sizeof(seq), "\"seq\":%llu,", (unsigned long long)from->seq);
	if (snprintf(body, sizeof(body), "{%s\"ops\":[{\"op\":\"send\",\"event\":\"%s\",\"data\":%s}]}", seq, to, data) >= (int)sizeof(body))
		die("a body above %zu bytes", sizeof(body));
	request_write(req, "POST", "", body, "/v1/send?token=%s", from->token);
}

const struct peer peer_pollgate_hook = {
	.name = "pollgate-hook",
	.open = write_open,
	.opened = read_opened,
	.poll = write_poll,
	.polled = read_polled,
	.send = write_event,
	.sent = read_sent,
};

/* ---- An event stream ---- */

static void
begin_events(struct request *req, const struct session *session, bool reads)
{
	(void)reads;
	request_write(req, "GET", "", NULL, "/v1/events?token=%s&cursor=%s", session->token, session->cursor);
}

/* The gateway writes each event as one chunk. */
static bool
take_event(struct session *session, const char *text, size_t len, message_fn *on_message, void *arg)
{
	const char *id = memmem(text, len, "id: ", 4), *end = id ? memchr(id, '\n', len - (size_t)(id - text)) : NULL;

	if (memmem(text, len, "event: ", 7) || memmem(text, len, "\"gaps\":", 7))
		return false;
	if (end && (size_t)(end - id - 4) < sizeof(session->cursor))
		snprintf(session->cursor, sizeof(session->cursor), "%.*s", (int)(end - id - 4), id + 4);
	messages_scan(text, len, on_message, arg);
	return true;
}

static ssize_t
take_events(struct session *session, char *data, size_t len, struct pushed *pushed, message_fn *on_message, void *arg)
{
	size_t used = 0;

	(void)pushed;
	for (;;) {
		char *start = memmem(data + used, len - used, "\r\n", 2);
		size_t size = start ? strtoul(data + used, NULL, 16) : 0;

		if (start == NULL || (size_t)(data + len - start) < 2 + size + 2)
			return (ssize_t)used;
		if (size == 0 || !take_event(session, start + 2, size, on_message, arg))
			return -1;
		used = (size_t)(start - data) + 2 + size + 2;
	}
}

static const struct push events = {.status = 200, .begin = begin_events, .take = take_events};

const struct peer peer_pollgate_sse = {
	.name = "pollgate-sse",
	.open = write_open,
	.opened = read_opened,
	.send = write_send,
	.sent = read_sent,
	.push = &events,
};

/* ---- A WebSocket ---- */

static void
begin_socket(struct request *req, const struct session *session, bool reads)
{
	request_write(req, "GET", frames_handshake, NULL, "/v1/ws?token=%s%s%s", session->token, reads ? "&cursor=" : "",
	    reads ? session->cursor : "");
}

static void
frame_send(struct request *req, const struct session *from, const char *to, bool room, const char *data)
{
	const char *body = send_body(from, to, room, data);

	req->len = frame_write(req->text, sizeof(req->text), body, strlen(body));
}

/* A batch, or the answer to a send. */
static bool
take_frame(struct session *session, const char *text, size_t len, struct pushed *pushed, message_fn *on_message, void *arg)
{
	struct answer answer = {.status = 200, .body = text, .body_len = len};

	if (memmem(text, len, "\"results\":", 10)) {
		pushed->sent++;
		return read_sent(session, &answer);
	}
	if (!find_string(&answer, "{\"cursor\":\"", session->cursor, sizeof(session->cursor)) || memmem(text, len, "\"gaps\":", 7))
		return false;
	messages_scan(text, len, on_message, arg);
	return true;
}

static ssize_t
take_frames(struct session *session, char *data, size_t len, struct pushed *pushed, message_fn *on_message, void *arg)
{
	struct frame frame;
	size_t used = 0;

	while (frame_read(&frame, data + used, len - used)) {
		if (frame.opcode == FRAME_CLOSE || (frame.opcode == FRAME_TEXT && !take_frame(session, frame.data, frame.len, pushed, on_message, arg)))
			return -1;
		used += frame.size;
	}
	return (ssize_t)used;
}

static const struct push socket_push = {.status = 101, .begin = begin_socket, .take = take_frames, .sends = true, .answers = true};

const struct peer peer_pollgate_ws = {
	.name = "pollgate-ws",
	.open = write_open,
	.opened = read_opened,
	.send = frame_send,
	.push = &socket_push,
};
