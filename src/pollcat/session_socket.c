/* Receiving by a WebSocket, and saying on it what was received. */
#include <string.h>

#include "base/clock.h"
#include "pollcat/session_private.h"

enum { CLOSE_BAD_CURSOR = 4400, CLOSE_TAKEN = 4409, CLOSE_GONE = 4410 };

enum {
	PING_MS = 10000,   /* A ping of our own goes so often: proof that the way works in both directions. */
	SILENT_MS = 20000, /* Without a byte for so long a socket is dead. */
	ACK_MS = 1000,     /* As for streams. */
};

void
session_socket_init(struct session *session)
{
	session->socket_ping_due = session->socket_ack_due = NEVER;
}

void
session_socket_free(struct session *session)
{
	ws_free(session->socket);
	session->socket = NULL;
	session->socket_open = false;
	session->socket_ping_due = session->socket_ack_due = NEVER;
}

static void
on_opened(void *arg)
{
	struct session *session = arg;

	session->heard_at = clock_mono_ms();
	session->socket_open = true;
	session->socket_ping_due = session->heard_at + PING_MS;
}

static void
on_text(void *arg, const char *text, size_t len)
{
	struct session *session = arg;

	session->heard_at = clock_mono_ms();
	if (!native_read_batch(&session->batch, text, len))
		return; /* A pong. */
	session->stream_flows = true;
	session_worked(session);
	if (session->socket_ack_due == NEVER && !session_is_empty(&session->batch))
		session->socket_ack_due = session->heard_at + ACK_MS;
	if (session->events->received(session->arg, &session->batch))
		return;
	session_socket_free(session);
	session->phase = RESTING;
}

static void
on_closed(void *arg, unsigned code, const struct http_answer *answer)
{
	struct session *session = arg;

	session->socket = NULL;
	session_socket_free(session);
	if (code == CLOSE_TAKEN)
		session_fail(session, "another client has taken over the session");
	else if (code == CLOSE_BAD_CURSOR)
		session_fail(session, "the gateway does not know the cursor");
	else if (code == CLOSE_GONE)
		session_renew(session);
	else if (session->stream_flows)
		session->retry.due = clock_mono_ms(); /* As after a stream's end. */
	else if (http_may_repeat(answer))
		session_retry(session, "a WebSocket", answer);
	else
		session_fail_with(session, "a WebSocket", answer);
}

void
session_ask_socket(struct session *session)
{
	static const struct ws_events events = {on_opened, on_text, on_closed};
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "/v1/ws?cursor=%s", session->state->cursor.data);
	session->stream_flows = false;
	session->heard_at = clock_mono_ms();
	session->socket = ws_open(session->http, path.data, session->state->token, &events, session);
	buf_free(&path);
}

int64_t
session_socket_due(const struct session *session)
{
	int64_t due = session->socket ? session->heard_at + SILENT_MS : NEVER;

	if (session->socket_ping_due < due)
		due = session->socket_ping_due;
	return session->socket_ack_due < due ? session->socket_ack_due : due;
}

static void
acknowledge(struct session *session)
{
	struct buf frame = BUF_EMPTY;

	session->socket_ack_due = NEVER;
	buf_addf(&frame, "{\"cursor\":\"%s\"}", session->state->cursor.data);
	ws_send(session->socket, frame.data, frame.len);
	buf_free(&frame);
}

void
session_socket_turn(struct session *session)
{
	static const struct http_answer silence = {.body = "the WebSocket has gone silent"};
	static const char ping[] = "{\"ping\":1}";
	int64_t now = clock_mono_ms();

	if (session->socket_open && session->socket_ack_due <= now)
		acknowledge(session);
	if (session->socket_open && session->socket_ping_due <= now) {
		session->socket_ping_due = now + PING_MS;
		ws_send(session->socket, ping, sizeof ping - 1);
	}
	if (session->socket && session->heard_at + SILENT_MS <= now) {
		session_socket_free(session);
		session_retry(session, "a WebSocket", &silence);
	}
}
