/* Receiving by an event stream, and saying what was received: no next poll does. */
#include <string.h>

#include "base/clock.h"
#include "pollcat/session_private.h"

enum {
	SILENT_MS = 40000, /* Without a byte, not even one of the comments that come every 15 seconds, a stream is dead. */
	ACK_MS = 1000,     /* What came by a stream is acknowledged that much later, all at once. */
	EVENT_MAX = 96 << 20,
};

void
session_stream_init(struct session *session)
{
	session->ack_due = NEVER;
	session->stream.max = EVENT_MAX;
}

void
session_stream_free(struct session *session)
{
	http_cancel(session->ack);
	event_stream_free(&session->stream);
}

void
session_stream_forget(struct session *session)
{
	http_cancel(session->ack);
	session->ack = NULL;
	session->ack_due = NEVER;
	session->stream_gone = false;
}

static void
stream_end(struct session *session)
{
	http_cancel(session->call);
	session->call = NULL;
	event_stream_reset(&session->stream);
}

static void
on_event(void *arg, const char *name, const char *data, size_t len)
{
	struct session *session = arg;

	if (session->refusal || session->stream_gone || session->stream_full)
		return;
	if (strcmp(name, "taken") == 0) {
		session->refusal = "another client has taken over the session";
	} else if (strcmp(name, "gone") == 0) {
		session->stream_gone = true;
	} else if (strcmp(name, "message") == 0) {
		if (!native_read_batch(&session->batch, data, len)) {
			session->refusal = "the stream has something else than messages";
			return;
		}
		session->stream_flows = true;
		if (session->ack_due == NEVER && !session_is_empty(&session->batch))
			session->ack_due = clock_mono_ms() + ACK_MS;
		session->stream_full = !session->events->received(session->arg, &session->batch);
	}
}

static void
on_piece(void *arg, const char *p, size_t len)
{
	struct session *session = arg;

	session->heard_at = clock_mono_ms();
	if (!event_stream_feed(&session->stream, p, len, on_event, session))
		session->refusal = "the stream has an event that is too long";
	if (session->stream_flows)
		session_worked(session);
	if (session->refusal) {
		stream_end(session);
		session_fail(session, session->refusal);
	} else if (session->stream_gone) {
		session_renew(session);
	} else if (session->stream_full) {
		stream_end(session);
		session->phase = RESTING;
	}
}

static void
stream_fail(struct session *session, const struct http_answer *answer)
{
	stream_end(session);
	session_retry(session, "a stream", answer);
}

/* A stream ends now and then in order, and the next one goes on where it was. */
static void
on_stream_end(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;

	session->call = NULL;
	if (http_may_repeat(answer))
		stream_fail(session, answer);
	else if (answer->status == 410)
		session_renew(session);
	else if (answer->status == 200)
		session->retry.due = clock_mono_ms() + (session->stream_flows ? 0 : QUICK_MS);
	else
		session_fail_with(session, "a stream", answer);
}

void
session_ask_stream(struct session *session)
{
	struct buf path = BUF_EMPTY;
	struct http_ask ask = {.method = "GET", .token = session->state->token, .piece = on_piece};

	buf_addf(&path, "/v1/events?cursor=%s", session->state->cursor.data);
	ask.path = path.data;
	event_stream_reset(&session->stream);
	session->stream_flows = false;
	session->heard_at = clock_mono_ms();
	session->call = http_start(session->http, &ask, on_stream_end, session);
	buf_free(&path);
}

/* If it is lost, the next one says more, as does the cursor of the next stream. */
static void
on_acked(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;

	(void)answer;
	session->ack = NULL;
}

static void
ask_ack(struct session *session)
{
	struct buf body = BUF_EMPTY;
	struct http_ask ask = {.method = "POST", .path = "/v1/send", .token = session->state->token, .limit_ms = ANSWER_LIMIT_MS};

	session->ack_due = NEVER;
	buf_addf(&body, "{\"cursor\":\"%s\"}", session->state->cursor.data);
	ask.body = body.data;
	ask.len = body.len;
	session->ack = http_start(session->http, &ask, on_acked, session);
	buf_free(&body);
}

int64_t
session_stream_due(const struct session *session)
{
	int64_t due = session->call && session->phase == STREAMING ? session->heard_at + SILENT_MS : NEVER;

	return !session->ack && session->ack_due < due ? session->ack_due : due;
}

void
session_stream_turn(struct session *session)
{
	static const struct http_answer silence = {.body = "the stream has gone silent"};

	if (!session->ack && session->ack_due <= clock_mono_ms())
		ask_ack(session);
	if (session->call && session->phase == STREAMING && session->heard_at + SILENT_MS <= clock_mono_ms())
		stream_fail(session, &silence);
}
