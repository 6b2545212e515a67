#include "pollcat/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"

enum {
	ANSWER_LIMIT_MS = 20000,
	POLL_SLACK_MS = 15000, /* What an answer may take longer than a poll waits. */
	QUICK_MS = 500, /* Who polls or opens again sooner, without anything received, may be going in circles. */
};

enum phase { OPENING, NUMBERING, POLLING, RESTING };

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
};

struct session *
session_new(const struct cat_options *options, struct http *http, struct state *state, const struct session_events *events, void *arg)
{
	struct session *session = mem_zero(1, sizeof *session);

	*session = (struct session){.options = options, .http = http, .state = state, .events = events, .arg = arg, .phase = OPENING};
	session->retry = (struct retry){.due = 0};
	return session;
}

void
session_free(struct session *session)
{
	if (!session)
		return;
	http_cancel(session->call);
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
poll_again(struct session *session)
{
	session->phase = session->options->send_only ? RESTING : POLLING;
	session->retry.due = session->phase == POLLING ? 0 : NEVER;
}

static void
take_batch(struct session *session)
{
	int64_t took = clock_mono_ms() - session->poll_started;
	struct jspan message;
	size_t at = 0;
	bool empty = !jspan_next_element(session->batch.messages, &at, &message) && !session->batch.gaps.text;

	poll_again(session);
	if (empty && took < QUICK_MS)
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

/* ---- Opening ---- */

static void
begin(struct session *session, uint64_t seq)
{
	poll_again(session);
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

static void
take_opened(struct session *session)
{
	struct state *state = session->state;
	bool created = session->opened.seq > 0;
	bool resumed = state->resumed;

	if (!check_joined(session))
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
	http_cancel(session->call);
	session->call = NULL;
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
	return session->phase == RESTING || session->call ? NEVER : session->retry.due;
}

void
session_turn(struct session *session)
{
	if (session->phase == RESTING || session->call || !retry_take(&session->retry))
		return;
	if (session->phase == OPENING)
		ask_open(session);
	else if (session->phase == NUMBERING)
		ask_number(session);
	else
		ask_poll(session);
}
