/*
 * Socket.IO 5 on Engine.IO 4: by polling (each request at random, or all of a session at one server, as Socket.IO itself needs),
 * and on a WebSocket.  The server puts a client that emits "join" into the room of that name, and gives its "m" to the others
 * there.  Pings are to be switched off at the servers: no measurement takes long.
 */
#include "peer.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "frame.h"
#include "util.h"

#define POLLING "/socket.io/?EIO=4&transport=polling"

enum step { HANDSHAKE, CONNECT, CONNECTED, JOIN, JOINED };

/* Every request has a number of its own, as those of the reference's client have. */
static unsigned long long
stamp(void)
{
	static unsigned long long count;

	return ++count;
}

static const char *
join_packet(const struct session *session)
{
	static char packet[64];

	snprintf(packet, sizeof(packet), "420[\"join\",\"%s\"]", session->room);
	return packet;
}

static bool
read_sid(struct session *session, const char *text, size_t len)
{
	const char *sid = memmem(text, len, "\"sid\":\"", 7), *end = sid ? memchr(sid + 7, '"', len - (size_t)(sid + 7 - text)) : NULL;

	if (end == NULL || (size_t)(end - sid - 7) >= sizeof(session->token))
		return false;
	snprintf(session->token, sizeof(session->token), "%.*s", (int)(end - sid - 7), sid + 7);
	return true;
}

static bool
has(const struct answer *answer, const char *text)
{
	return answer->status == 200 && memmem(answer->body, answer->body_len, text, strlen(text)) != NULL;
}

/* ---- Polling ---- */

static void
write_get(struct request *req, const struct session *session)
{
	request_write(req, "GET", "", NULL, POLLING "&t=%llx&sid=%s", stamp(), session->token);
}

static void
write_post(struct request *req, const struct session *session, const char *packets)
{
	request_write(req, "POST", "", packets, POLLING "&t=%llx&sid=%s", stamp(), session->token);
}

static void
write_open(struct request *req, const struct session *session)
{
	switch ((enum step)session->step) {
	case HANDSHAKE:
		request_write(req, "GET", "", NULL, POLLING "&t=%llx", stamp());
		return;
	case CONNECT:
		write_post(req, session, "40");
		return;
	case CONNECTED:
		write_get(req, session);
		return;
	default:
		write_post(req, session, join_packet(session));
	}
}

static enum opening
read_opened(struct session *session, const struct answer *answer)
{
	switch ((enum step)session->step) {
	case HANDSHAKE:
		if (!has(answer, "0{") || !read_sid(session, answer->body, answer->body_len))
			return OPEN_REFUSED;
		break;
	case CONNECTED:
		if (!has(answer, "40{"))
			return OPEN_REFUSED;
		session->step = *session->room ? JOIN : JOINED;
		return *session->room ? OPEN_MORE : OPEN_DONE;
	default:
		if (!has(answer, "ok"))
			return OPEN_REFUSED;
	}
	session->step++;
	return session->step == JOINED ? OPEN_DONE : OPEN_MORE;
}

static void
write_poll(struct request *req, const struct session *session, const char *room)
{
	(void)room;
	write_get(req, session);
}

static bool
read_polled(struct session *session, const struct answer *answer, message_fn *on_message, void *arg)
{
	(void)session;
	if (answer->status != 200 || answer->body_len == 0 || answer->body[0] == '1')
		return false;
	messages_scan(answer->body, answer->body_len, on_message, arg);
	return true;
}

static const char *
message_packet(const char *body)
{
	static char packet[70 << 10];

	if (snprintf(packet, sizeof(packet), "42[\"m\",%s]", body) >= (int)sizeof(packet))
		die("a packet above %zu bytes", sizeof(packet));
	return packet;
}

static void
write_send(struct request *req, const struct session *from, const char *to, bool room, const char *body)
{
	(void)to, (void)room; /* It is in one room. */
	write_post(req, from, message_packet(body));
}

static bool
read_sent(struct session *from, const struct answer *answer)
{
	(void)from;
	return has(answer, "ok");
}

const struct peer peer_socketio = {
	.name = "socketio",
	.rooms_only = true,
	.open = write_open,
	.opened = read_opened,
	.poll = write_poll,
	.polled = read_polled,
	.send = write_send,
	.sent = read_sent,
};

const struct peer peer_socketio_sticky = {
	.name = "socketio-sticky",
	.sticky = true,
	.rooms_only = true,
	.open = write_open,
	.opened = read_opened,
	.poll = write_poll,
	.polled = read_polled,
	.send = write_send,
	.sent = read_sent,
};

/* ---- A WebSocket ---- */

static void
begin_socket(struct request *req, const struct session *session, bool reads)
{
	(void)session, (void)reads;
	request_write(req, "GET", frames_handshake, NULL, "/socket.io/?EIO=4&transport=websocket");
}

static void
frame_send(struct request *req, const struct session *from, const char *to, bool room, const char *body)
{
	const char *packet = message_packet(body);

	(void)from, (void)to, (void)room;
	req->len = frame_write(req->text, sizeof(req->text), packet, strlen(packet));
}

/* The opening goes on when the server says so. */
static void
answer_frame(struct session *session, const char *text, size_t len, struct request *reply)
{
	const char *packet = NULL;

	if (len > 1 && memcmp(text, "0{", 2) == 0)
		packet = "40";
	else if (len > 2 && memcmp(text, "40{", 3) == 0 && *session->room)
		packet = join_packet(session);
	else if (len > 2 && memcmp(text, "430", 3) == 0)
		session->step = JOINED;
	if (packet)
		reply->len = frame_write(reply->text, sizeof(reply->text), packet, strlen(packet));
}

static ssize_t
take_frames(struct session *session, char *data, size_t len, struct pushed *pushed, message_fn *on_message, void *arg)
{
	struct frame frame;
	size_t used = 0;

	while (frame_read(&frame, data + used, len - used)) {
		if (frame.opcode == FRAME_CLOSE)
			return -1;
		answer_frame(session, frame.data, frame.len, pushed->reply);
		messages_scan(frame.data, frame.len, on_message, arg);
		used += frame.size;
	}
	return (ssize_t)used;
}

/* Else what it says would go to all. */
static bool
is_ready(const struct session *session)
{
	return session->step == JOINED;
}

static const struct push socket_push = {.status = 101, .begin = begin_socket, .take = take_frames, .sends = true, .is_ready = is_ready};

const struct peer peer_socketio_ws = {
	.name = "socketio-ws",
	.rooms_only = true,
	.send = frame_send,
	.push = &socket_push,
};
