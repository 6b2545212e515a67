/* Opening a session, or finding again one that was there. */
#include <string.h>

#include "codec/jspan.h"
#include "pollcat/seen.h"
#include "pollcat/session_private.h"

static void
begin(struct session *session, uint64_t seq)
{
	session_receive(session);
	session->events->opened(session->arg, &session->opened.id, seq);
}

/* The number that a send far beyond it is told to be expected. */
static void
on_number(void *arg, const struct http_answer *answer)
{
	struct session *session = arg;
	struct native_problem problem = {0};

	if (!session_has_answer(session, "a send", answer))
		return;
	if (answer->status == 410)
		session_renew(session);
	else if (answer->status == 409 && native_read_problem(&problem, answer->body, answer->len) && problem.expected > 0)
		begin(session, problem.expected);
	else
		session_fail_with(session, "a send", answer);
	native_problem_free(&problem);
}

void
session_ask_number(struct session *session)
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
		session_fail(session, why.data);
	}
	native_problem_free(&problem);
	buf_free(&why);
	return good;
}

/* False after failing, if the gateway does not have the transport that is to be used. */
static bool
check_offered(struct session *session)
{
	bool ws = session->options->transport == TRANSPORT_WS;

	if (session->options->send_only || session->options->transport == TRANSPORT_POLL ||
	    native_offers(&session->opened, ws ? "ws" : "sse"))
		return true;
	session_fail(session, ws ? "the gateway does not offer ws" : "the gateway does not offer sse");
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

	if (!session_has_answer(session, "the opening", answer))
		return;
	if ((answer->status == 201 || answer->status == 200) && native_read_opened(&session->opened, answer->body, answer->len))
		take_opened(session);
	else
		session_fail_with(session, "the opening", answer);
}

void
session_ask_open(struct session *session)
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
