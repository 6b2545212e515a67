#include "pollcat/session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pollcat/report.h"
#include "pollcat/session_private.h"

/* What an answer may take longer than a poll waits. */
#define POLL_SLACK_MS 15000

/* ---- Answers ---- */

void
session_fail(struct session *session, const char *why)
{
	session->phase = RESTING;
	session->events->failed(session->arg, why);
}

void
session_fail_with(struct session *session, const char *what, const struct http_answer *answer)
{
	struct native_problem problem = {0};
	struct buf why = BUF_EMPTY;

	if (answer->status == 0)
		buf_adds(&why, answer->body);
	else if (native_read_problem(&problem, answer->body, answer->len))
		buf_addf(&why, "%s was answered %d: %s", what, answer->status, problem.detail.len ? problem.detail.data : problem.code.data);
	else
		buf_addf(&why, "%s was answered %d, not as a gateway answers", what, answer->status);
	session_fail(session, why.data);
	native_problem_free(&problem);
	buf_free(&why);
}

void
session_retry(struct session *session, const char *what, const struct http_answer *answer)
{
	if (session->retry.failures == 0)
		report("%s; trying again", answer->status ? "the gateway is not available" : answer->body);
	if (!retry_later(&session->retry, answer->retry_after_ms, session->options->gateway.give_up_ms))
		session_fail_with(session, what, answer);
}

void
session_worked(struct session *session)
{
	int64_t outage = retry_worked(&session->retry);

	if (outage > 0)
		report("the gateway answers again, after %lld ms", (long long)outage);
}

bool
session_has_answer(struct session *session, const char *what, const struct http_answer *answer)
{
	bool good = !http_may_repeat(answer);

	session->call = NULL;
	if (good)
		session_worked(session);
	else
		session_retry(session, what, answer);
	return good;
}

/* ---- Receiving ---- */

void
session_receive(struct session *session)
{
	static const enum phase phases[] = {[TRANSPORT_POLL] = POLLING, [TRANSPORT_SSE] = STREAMING, [TRANSPORT_WS] = SOCKET};
	const struct cat_options *o = session->options;

	session->phase = o->send_only ? RESTING : phases[o->transport];
	session->retry.due = session->phase == RESTING ? NEVER : 0;
}

bool
session_is_empty(const struct native_batch *batch)
{
	struct jspan message;
	size_t at = 0;

	return !jspan_next_element(batch->messages, &at, &message) && !batch->gaps.text;
}

static void
take_batch(struct session *session)
{
	int64_t took = clock_mono_ms() - session->poll_started;

	session_receive(session);
	if (session_is_empty(&session->batch) && took < QUICK_MS)
		session->retry.due = clock_mono_ms() + QUICK_MS - took;
	if (!session->events->received(session->arg, &session->batch))
		session->phase = RESTING;
}

static void
on_polled(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;

	if (!session_has_answer(session, "a poll", answer))
		return;
	if (answer->status == 410)
		session_renew(session);
	else if (answer->status == 200 && native_read_batch(&session->batch, answer->body, answer->len))
		take_batch(session);
	else
		session_fail_with(session, "a poll", answer);
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

/* ---- Life ---- */

struct session *
session_new(const struct cat_options *options, struct http *http, struct state *state, const struct session_events *events, void *arg)
{
	struct session *session = mem_zero(1, sizeof *session);

	*session = (struct session){.options = options, .http = http, .state = state, .events = events, .arg = arg, .phase = OPENING};
	session->retry = (struct retry){.due = 0};
	session_stream_init(session);
	session_socket_init(session);
	return session;
}

void
session_free(struct session *session)
{
	if (!session)
		return;
	http_cancel(session->call);
	session_stream_free(session);
	session_socket_free(session);
	native_opened_free(&session->opened);
	native_batch_free(&session->batch);
	free(session);
}

void
session_renew(struct session *session)
{
	http_cancel(session->call);
	session->call = NULL;
	session_stream_forget(session);
	session_socket_free(session);
	session->phase = OPENING;
	session->retry = (struct retry){.due = clock_mono_ms() + QUICK_MS};
	if (state_renew(session->state))
		session->events->lost(session->arg);
	else
		session_fail(session, "there is no token for another session");
}

/* ---- What is due ---- */

/* For an answer, or on a connection that stays. */
static bool
is_waiting(const struct session *session)
{
	return session->call || session->socket;
}

int64_t
session_due(const struct session *session)
{
	int64_t due = is_waiting(session) ? NEVER : session->retry.due, stream_due = session_stream_due(session),
	        socket_due = session_socket_due(session);

	if (session->phase == RESTING)
		return NEVER;
	if (stream_due < due)
		due = stream_due;
	return socket_due < due ? socket_due : due;
}

void
session_turn(struct session *session)
{
	if (session->phase == RESTING)
		return;
	session_stream_turn(session);
	session_socket_turn(session);
	if (is_waiting(session) || !retry_take(&session->retry))
		return;
	if (session->phase == OPENING)
		session_ask_open(session);
	else if (session->phase == NUMBERING)
		session_ask_number(session);
	else if (session->phase == STREAMING)
		session_ask_stream(session);
	else if (session->phase == SOCKET)
		session_ask_socket(session);
	else
		ask_poll(session);
}
