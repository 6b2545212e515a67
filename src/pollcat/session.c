#include "pollcat/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/event_stream.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"

enum {
	ANSWER_LIMIT_MS = 20000,
	POLL_SLACK_MS = 15000, /* What an answer may take longer than a poll waits. */
	QUICK_MS = 500, /* Who polls or opens again sooner, without anything received, may be going in circles. */
};

enum {
	SILENT_MS = 40000, /* Without a byte, not even one of the comments that come every 15 seconds, a stream is dead. */
	ACK_MS = 1000,     /* What came by a stream is acknowledged that much later, all at once. */
	EVENT_MAX = 96 << 20,
};

enum phase { OPENING, NUMBERING, POLLING, STREAMING, RESTING };

struct session {
	const struct cat_options *options;
	struct http *http;
	struct state *state;
	const struct session_events *events;
	void *arg;
	enum phase phase;
	bool had_history; /* What was written once is not asked for again. */
	struct http_call *call;
	struct retry retry;
	int64_t poll_started;
	struct native_opened opened;
	struct native_batch batch;

	struct event_stream stream;
	const char *refusal; /* Of the stream that is being read: it ends for good. */
	bool stream_gone, stream_full, stream_flows;
	int64_t heard_at;
	int64_t ack_due;
	struct http_call *ack;
};

struct session *
session_new(const struct cat_options *options, struct http *http, struct state *state, const struct session_events *events, void *arg)
{
	struct session *session = mem_zero(1, sizeof *session);

	*session = (struct session){.options = options, .http = http, .state = state, .events = events, .arg = arg, .phase = OPENING};
	session->retry = (struct retry){.due = 0};
	session->ack_due = NEVER;
	session->stream.max = EVENT_MAX;
	return session;
}

void
session_free(struct session *session)
{
	if (!session)
		return;
	http_cancel(session->call);
	http_cancel(session->ack);
	event_stream_free(&session->stream);
	native_opened_free(&session->opened);
	native_batch_free(&session->batch);
	free(session);
}

static void
fail_with(struct session *session, const char *what, const struct http_answer *answer)
{
	struct native_problem problem = {0};
	struct buf why = BUF_EMPTY;

	if (answer->status == 0)
		buf_adds(&why, answer->body);
	else if (native_read_problem(&problem, answer->body, answer->len))
		buf_addf(&why, "%s was answered %d: %s", what, answer->status, problem.detail.len ? problem.detail.data : problem.code.data);
	else
		buf_addf(&why, "%s was answered %d, not as a gateway answers", what, answer->status);
	session->phase = RESTING;
	session->events->failed(session->arg, why.data);
	native_problem_free(&problem);
	buf_free(&why);
}

/* True if the answer is one; else it will be asked again, or the session has failed. */
static bool
has_answer(struct session *session, const char *what, const struct http_answer *answer)
{
	int64_t outage;

	session->call = NULL;
	if (!http_may_repeat(answer)) {
		outage = retry_worked(&session->retry);
		if (outage > 0)
			report("the gateway answers again, after %lld ms", (long long)outage);
		return true;
	}
	if (session->retry.failures == 0)
		report("%s; trying again", answer->status ? "the gateway is not available" : answer->body);
	if (!retry_later(&session->retry, answer->retry_after_ms, session->options->give_up_ms))
		fail_with(session, what, answer);
	return false;
}

/* ---- Receiving ---- */

static void
receive_again(struct session *session)
{
	const struct cat_options *o = session->options;

	session->phase = o->send_only ? RESTING : o->transport == TRANSPORT_SSE ? STREAMING : POLLING;
	session->retry.due = session->phase == RESTING ? NEVER : 0;
}

static bool
is_empty(const struct native_batch *batch)
{
	struct jspan message;
	size_t at = 0;

	return !jspan_next_element(batch->messages, &at, &message) && !batch->gaps.text;
}

static void
take_batch(struct session *session)
{
	int64_t took = clock_mono_ms() - session->poll_started;

	receive_again(session);
	if (is_empty(&session->batch) && took < QUICK_MS)
		session->retry.due = clock_mono_ms() + QUICK_MS - took;
	if (!session->events->received(session->arg, &session->batch))
		session->phase = RESTING;
}

static void
on_polled(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;

	if (!has_answer(session, "a poll", answer))
		return;
	if (answer->status == 410)
		session_renew(session);
	else if (answer->status == 200 && native_read_batch(&session->batch, answer->body, answer->len))
		take_batch(session);
	else
		fail_with(session, "a poll", answer);
}

static void
ask_poll(struct session *session)
{
	struct buf path = BUF_EMPTY;
	struct http_ask ask = {.method = "GET", .token = session->state->token};

	buf_addf(&path, "/v1/poll?cursor=%s", session->state->cursor.data);
	ask.path = path.data;
	ask.limit_ms = (int64_t)session->opened.hold_ms * 11 / 10 + POLL_SLACK_MS;
	session->poll_started = clock_mono_ms();
	session->call = http_start(session->http, &ask, on_polled, session);
	buf_free(&path);
}

/* ---- Receiving by a stream ---- */

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
		if (session->ack_due == NEVER && !is_empty(&session->batch))
			session->ack_due = clock_mono_ms() + ACK_MS;
		session->stream_full = !session->events->received(session->arg, &session->batch);
	}
}

static void
on_piece(void *arg, const char *p, size_t len)
{
	struct session *session = arg;
	int64_t outage;

	session->heard_at = clock_mono_ms();
	if (!event_stream_feed(&session->stream, p, len, on_event, session))
		session->refusal = "the stream has an event that is too long";
	outage = session->stream_flows ? retry_worked(&session->retry) : 0;
	if (outage > 0)
		report("the gateway answers again, after %lld ms", (long long)outage);
	if (session->refusal) {
		stream_end(session);
		session->phase = RESTING;
		session->events->failed(session->arg, session->refusal);
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
	if (session->retry.failures == 0)
		report("%s; trying again", answer->status ? "the gateway is not available" : answer->body);
	if (!retry_later(&session->retry, answer->retry_after_ms, session->options->give_up_ms))
		fail_with(session, "a stream", answer);
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
		fail_with(session, "a stream", answer);
}

static void
ask_stream(struct session *session)
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

/* ---- Opening ---- */

static void
begin(struct session *session, uint64_t seq)
{
	receive_again(session);
	session->events->opened(session->arg, &session->opened.id, seq);
}

/* The number that a send far beyond it is told to be expected. */
static void
on_number(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;
	struct native_problem problem = {0};

	if (!has_answer(session, "a send", answer))
		return;
	if (answer->status == 410)
		session_renew(session);
	else if (answer->status == 409 && native_read_problem(&problem, answer->body, answer->len) && problem.expected > 0)
		begin(session, problem.expected);
	else
		fail_with(session, "a send", answer);
	native_problem_free(&problem);
}

static void
ask_number(struct session *session)
{
	struct buf body = BUF_EMPTY;
	struct http_ask ask = {.method = "POST", .path = "/v1/send", .token = session->state->token, .limit_ms = ANSWER_LIMIT_MS};

	buf_addf(&body, "{\"seq\":%llu,\"ops\":[]}", (unsigned long long)NATIVE_SEQ_MAX);
	ask.body = body.data;
	ask.len = body.len;
	session->call = http_start(session->http, &ask, on_number, session);
	buf_free(&body);
}

/* The result of the join that was asked for, if any. */
static struct jspan
joined(const struct session *session)
{
	struct jspan result = {NULL, 0};
	size_t at = 0;

	if (session->opened.rooms.text)
		jspan_next_element(session->opened.rooms, &at, &result);
	return result;
}

static void
tell_history(struct session *session)
{
	static const char *const names[] = {"history"};
	struct jspan result = joined(session), history = {NULL, 0};

	if (jspan_type(result) == JSPAN_OBJECT)
		jspan_pick(result, names, &history, 1);
	if (jspan_type(history) == JSPAN_ARRAY)
		session->events->history(session->arg, history);
}

/* False after failing, if the room could not be entered. */
static bool
check_joined(struct session *session)
{
	struct native_problem problem = {0};
	struct buf why = BUF_EMPTY;
	bool good = !native_read_refusal(&problem, joined(session));

	if (!good) {
		buf_addf(&why, "the room was not entered: %s", problem.detail.len ? problem.detail.data : problem.code.data);
		session->phase = RESTING;
		session->events->failed(session->arg, why.data);
	}
	native_problem_free(&problem);
	buf_free(&why);
	return good;
}

/* False after failing, if the gateway does not have the transport that is to be used. */
static bool
check_offered(struct session *session)
{
	if (session->options->send_only || session->options->transport == TRANSPORT_POLL ||
	    native_offers(&session->opened, "sse"))
		return true;
	session->phase = RESTING;
	session->events->failed(session->arg, "the gateway does not offer sse");
	return false;
}

static void
take_opened(struct session *session)
{
	struct state *state = session->state;
	bool created = session->opened.seq > 0;
	bool resumed = state->resumed;

	if (!check_offered(session) || !check_joined(session))
		return;
	if (created && resumed) {
		seen_clear(state->seen);
		buf_clear(&state->cursor);
	}
	if (state->cursor.len == 0)
		buf_add(&state->cursor, session->opened.cursor.data, session->opened.cursor.len);
	if (created && resumed)
		session->events->lost(session->arg);
	state->resumed = session->had_history = true;
	/* Not created, but with a token that nobody had before: the answer to an earlier request was lost. */
	if (created || !resumed) {
		begin(session, 1);
		tell_history(session);
	} else {
		session->phase = NUMBERING;
		session->retry.due = 0;
	}
}

static void
on_opened(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;

	if (!has_answer(session, "the opening", answer))
		return;
	if ((answer->status == 201 || answer->status == 200) && native_read_opened(&session->opened, answer->body, answer->len))
		take_opened(session);
	else
		fail_with(session, "the opening", answer);
}

static void
ask_open(struct session *session)
{
	const struct cat_options *o = session->options;
	struct buf body = BUF_EMPTY;
	struct http_ask ask = {.method = "POST", .path = "/v1/sessions", .limit_ms = ANSWER_LIMIT_MS};

	buf_addf(&body, "{\"token\":\"%s\"", session->state->token);
	if (o->data)
		buf_addf(&body, ",\"data\":%s", o->data);
	if (o->room && !o->send_only) {
		buf_adds(&body, ",\"rooms\":[{\"room\":");
		jspan_quote(&body, o->room, strlen(o->room));
		if (o->history > 0 && !session->had_history && !session->state->resumed)
			buf_addf(&body, ",\"history\":%u", o->history);
		buf_adds(&body, "}]");
	}
	buf_adds(&body, "}");
	ask.body = body.data;
	ask.len = body.len;
	session->call = http_start(session->http, &ask, on_opened, session);
	buf_free(&body);
}

void
session_renew(struct session *session)
{
	stream_end(session);
	http_cancel(session->ack);
	session->ack = NULL;
	session->ack_due = NEVER;
	session->stream_gone = false;
	session->phase = OPENING;
	session->retry = (struct retry){.due = clock_mono_ms() + QUICK_MS};
	if (!state_renew(session->state)) {
		session->phase = RESTING;
		session->events->failed(session->arg, "there is no token for another session");
		return;
	}
	session->events->lost(session->arg);
}

int64_t
session_due(const struct session *session)
{
	int64_t due = session->retry.due;

	if (session->phase == RESTING)
		return NEVER;
	if (session->call)
		due = session->phase == STREAMING ? session->heard_at + SILENT_MS : NEVER;
	return !session->ack && session->ack_due < due ? session->ack_due : due;
}

void
session_turn(struct session *session)
{
	static const struct http_answer silence = {.body = "the stream has gone silent"};

	if (session->phase == RESTING)
		return;
	if (!session->ack && session->ack_due <= clock_mono_ms())
		ask_ack(session);
	if (session->call && session->phase == STREAMING && session->heard_at + SILENT_MS <= clock_mono_ms())
		stream_fail(session, &silence);
	if (session->call || !retry_take(&session->retry))
		return;
	if (session->phase == OPENING)
		ask_open(session);
	else if (session->phase == NUMBERING)
		ask_number(session);
	else if (session->phase == STREAMING)
		ask_stream(session);
	else
		ask_poll(session);
}
