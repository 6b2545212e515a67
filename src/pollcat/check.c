/*
 * Opens a session of its own, which sends itself messages that a parked poll, a stream and a WebSocket must bring, and closes it.
 * One step after the other; each waits in a loop of its own.
 */
#include "pollcat/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/event_stream.h"
#include "codec/native_read.h"
#include "codec/token.h"
#include "pollcat/report.h"
#include "pollcat/ws.h"

enum { STEP_LIMIT_MS = 15000, PARKED_MS = 300, STREAM_MAX = 1 << 20, LINES = 4, LINE_MS = 150 };

struct check {
	struct http *http;
	char token[TOKEN_LEN + 1];
	struct buf answer; /* Which lends to `opened`. */
	struct native_opened opened;
	struct native_batch batch;
	unsigned sent;   /* The number of the last message to itself, */
	int64_t sent_at; /* by clock_mono_us. */
	bool failed;
};

struct step {
	struct check *check;
	struct http_call *call; /* NULL: answered. */
	struct ws *socket;      /* NULL: closed. */
	int64_t started, began, ended; /* clock_mono_us; began: what comes piece by piece. */
	int status;
	struct buf body;
	struct event_stream stream;
	bool flows; /* A batch has come, */
	bool found; /* and the last message to itself. */
};

/* ---- Steps ---- */

static void
on_step(void *arg, const struct http_answer *answer)
{
	struct step *step = arg;

	step->call = NULL;
	step->ended = clock_mono_us();
	step->status = answer->status;
	buf_add(&step->body, answer->body, answer->len);
}

static void
step_start(struct step *step, struct check *check, struct http_ask ask)
{
	*step = (struct step){.check = check, .started = clock_mono_us(), .stream = {.max = STREAM_MAX}};
	ask.token = check->token;
	ask.len = ask.body ? strlen(ask.body) : 0;
	step->call = http_start(check->http, &ask, on_step, step);
}

static bool
step_is_over(const struct step *step)
{
	return !step->call && !step->socket;
}

/* Wait until the step is over, or (if come is not NULL) *come, one of its members; for at most ms. */
static void
step_wait(struct step *step, const bool *come, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms, now;

	while (!step_is_over(step) && !(come && *come) && (now = clock_mono_ms()) < until)
		http_turn(step->check->http, NULL, 0, until - now);
}

/* A request, which has a limit of its own. */
static void
step_run(struct step *step, struct check *check, struct http_ask ask)
{
	ask.limit_ms = STEP_LIMIT_MS;
	step_start(step, check, ask);
	step_wait(step, NULL, 2 * STEP_LIMIT_MS);
}

static void
step_free(struct step *step)
{
	http_cancel(step->call);
	ws_free(step->socket);
	event_stream_free(&step->stream);
	buf_free(&step->body);
}

/* ---- What is shown ---- */

static void
show(struct check *check, const char *what, bool good, int64_t us, const char *detail)
{
	check->failed |= !good;
	if (good)
		printf("%-6s ok    %8.1f ms  %s\n", what, (double)us / 1000, detail);
	else
		printf("%-6s FAIL  %s\n", what, detail);
	fflush(stdout);
}

static void
show_failure(const char *what, const struct step *step)
{
	struct native_problem problem = {0};
	struct buf detail = BUF_EMPTY;

	if (step->status == 0)
		buf_add(&detail, step->body.data, step->body.len);
	else
		buf_addf(&detail, "answered %d", step->status);
	if (step->status && native_read_problem(&problem, step->body.data, step->body.len))
		buf_addf(&detail, ", %s", problem.code.data ? problem.code.data : "");
	else if (step->status)
		buf_adds(&detail, ", not as a gateway answers");
	report_tame(detail.data, detail.len, "");
	show(step->check, what, false, 0, detail.data);
	native_problem_free(&problem);
	buf_free(&detail);
}

/* ---- Sending ---- */

static bool
open_session(struct check *check)
{
	struct step step;
	struct buf body = BUF_EMPTY;
	bool good;

	buf_addf(&body, "{\"token\":\"%s\"}", check->token);
	step_run(&step, check, (struct http_ask){.method = "POST", .path = "/v1/sessions", .body = body.data});
	buf_add(&check->answer, step.body.data, step.body.len);
	good = step.status == 201 && native_read_opened(&check->opened, check->answer.data, check->answer.len);
	if (good)
		show(check, "open", true, step.ended - step.started, "a session was opened");
	else
		show_failure("open", &step);
	step_free(&step);
	buf_free(&body);
	return good;
}

static bool
was_taken(const struct step *step)
{
	struct native_problem problem = {0};
	struct jspan results, result;
	size_t at = 0;
	uint64_t next;
	bool taken = step->status == 200 && native_read_sent(&next, &results, step->body.data, step->body.len) &&
	    jspan_next_element(results, &at, &result) && !native_read_refusal(&problem, result);

	native_problem_free(&problem);
	return taken;
}

/* The session's next message to itself, whose data is its number.  False after showing that it was not taken. */
static bool
send_message(struct check *check)
{
	struct buf body = BUF_EMPTY;
	struct step step;
	bool taken;

	check->sent++;
	check->sent_at = clock_mono_us();
	buf_addf(&body, "{\"seq\":%u,\"ops\":[{\"op\":\"send\",\"to\":\"%s\",\"event\":\"check\",\"data\":%u}]}", check->sent, check->opened.id.s,
	    check->sent);
	step_run(&step, check, (struct http_ask){.method = "POST", .path = "/v1/send", .body = body.data});
	taken = was_taken(&step);
	if (!taken)
		show_failure("send", &step);
	step_free(&step);
	buf_free(&body);
	return taken;
}

/* Whether the batch has that message. */
static bool
has_message(const struct check *check)
{
	struct native_received message = {0};
	struct jspan value;
	size_t at = 0;
	uint64_t number;
	bool found = false;

	while (!found && jspan_next_element(check->batch.messages, &at, &value))
		found = native_read_message(&message, value) && name_equal(&message.from, &check->opened.id) &&
		    jspan_count(message.data, UINT32_MAX, &number) && number == check->sent;
	native_received_free(&message);
	return found;
}

static void
take_batch(struct step *step, const char *text, size_t len)
{
	if (!native_read_batch(&step->check->batch, text, len))
		return;
	step->flows = true;
	step->found = step->found || has_message(step->check);
}

static void
show_arrival(const struct step *step, const char *what, const char *detail)
{
	show(step->check, what, step->found, step->ended - step->check->sent_at, step->found ? detail : "the message did not come");
}

/* ---- A poll ---- */

/* The poll is held for a while before the message is sent, so that it is a parked one that brings it. */
static void
check_poll(struct check *check)
{
	struct step poll;
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "/v1/poll?cursor=%s&hold=%d", check->opened.cursor.data, STEP_LIMIT_MS / 2);
	step_start(&poll, check, (struct http_ask){.method = "GET", .path = path.data, .limit_ms = STEP_LIMIT_MS});
	step_wait(&poll, NULL, PARKED_MS);
	if (!poll.call && poll.status == 200) {
		show(check, "poll", false, 0, "a poll was answered although there was nothing");
	} else if (!poll.call) {
		show_failure("poll", &poll);
	} else if (send_message(check)) {
		show(check, "send", true, clock_mono_us() - check->sent_at, "a message was taken");
		step_wait(&poll, NULL, STEP_LIMIT_MS);
		take_batch(&poll, poll.body.data, poll.body.len);
		if (poll.flows)
			show_arrival(&poll, "poll", "it came by a poll that was parked");
		else
			show_failure("poll", &poll);
	}
	step_free(&poll);
	buf_free(&path);
}

/* ---- An event stream, a WebSocket ---- */

/* A message that is sent once the first batch has come must come, too. */
static void
check_flow(struct step *step, const char *what, const char *hint, const char *detail)
{
	struct check *check = step->check;

	step_wait(step, &step->flows, STEP_LIMIT_MS);
	step->found = false; /* It was the one before. */
	if (!step->flows && step_is_over(step)) {
		show_failure(what, step);
	} else if (!step->flows) {
		show(check, what, false, 0, hint);
	} else if (send_message(check)) {
		step_wait(step, &step->found, STEP_LIMIT_MS);
		show_arrival(step, what, detail);
	}
}

static void
on_event(void *arg, const char *name, const char *data, size_t len)
{
	if (strcmp(name, "message") == 0)
		take_batch(arg, data, len);
}

static void
on_piece(void *arg, const char *p, size_t len)
{
	struct step *step = arg;

	step->ended = clock_mono_us();
	event_stream_feed(&step->stream, p, len, on_event, step);
}

static void
check_sse(struct check *check)
{
	struct step step;
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "/v1/events?cursor=%s", check->opened.cursor.data);
	step_start(&step, check, (struct http_ask){.method = "GET", .path = path.data, .piece = on_piece});
	check_flow(&step, "sse", "nothing comes: is the stream held back on its way?", "it came by a stream");
	step_free(&step);
	buf_free(&path);
}

static void
on_socket_opened(void *arg)
{
	(void)arg; /* The first batch tells more. */
}

static void
on_socket_text(void *arg, const char *text, size_t len)
{
	struct step *step = arg;

	step->ended = clock_mono_us();
	take_batch(step, text, len);
}

static void
on_socket_closed(void *arg, unsigned code, const struct http_answer *answer)
{
	struct step *step = arg;

	step->socket = NULL;
	step->status = answer->status;
	if (code)
		buf_addf(&step->body, "closed with %u", code);
	else
		buf_add(&step->body, answer->body, answer->len);
}

static void
check_ws(struct check *check)
{
	static const struct ws_events events = {on_socket_opened, on_socket_text, on_socket_closed};
	struct step step = {.check = check};
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "/v1/ws?cursor=%s", check->opened.cursor.data);
	step.socket = ws_open(check->http, path.data, check->token, &events, &step);
	check_flow(&step, "ws", "nothing comes: does something on the way let WebSockets open and no more?", "it came by a WebSocket");
	step_free(&step);
	buf_free(&path);
}

/* ---- An answer in pieces ---- */

static void
on_line(void *arg, const char *p, size_t len)
{
	struct step *step = arg;

	(void)p, (void)len;
	step->ended = clock_mono_us();
	if (step->began == 0)
		step->began = step->ended;
}

static bool
is_refused(const struct step *step, const char *code)
{
	struct native_problem problem = {0};
	bool is = native_read_problem(&problem, step->body.data, step->body.len) && problem.code.len > 0 && strcmp(problem.code.data, code) == 0;

	native_problem_free(&problem);
	return is;
}

/* Lines that are sent one by one come so, or all at once.  Nothing here depends on it, but it tells about the network. */
static void
check_stream(struct check *check)
{
	struct step step;
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "/v1/check/stream?ms=%d&count=%d", LINE_MS, LINES);
	step_run(&step, check, (struct http_ask){.method = "GET", .path = path.data, .piece = on_line});
	if (step.status == 200 && step.began > 0 && step.ended - step.began < LINE_MS * 1000)
		printf("stream held back: all of it came at once, when it was complete\n");
	else if (step.status == 200 && step.began > 0)
		show(check, "stream", true, step.began - step.started, "it came line by line");
	else if (is_refused(&step, "check_disabled"))
		printf("stream switched off: not tested\n");
	else
		show_failure("stream", &step);
	step_free(&step);
	buf_free(&path);
}

/* ---- All of it ---- */

static bool
is_tested(const char *transport)
{
	return strcmp(transport, "poll") == 0 || strcmp(transport, "sse") == 0 || strcmp(transport, "ws") == 0;
}

/* What the gateway offers besides is not passed over in silence. */
static void
show_others(struct check *check)
{
	struct buf name = BUF_EMPTY;
	struct jspan value;
	size_t at = 0;

	while (check->opened.transports.text && jspan_next_element(check->opened.transports, &at, &value)) {
		if (!jspan_string(value, &name) || name.len == 0 || is_tested(name.data))
			continue;
		report_tame(name.data, name.len, "");
		printf("%-6s offered, not tested\n", name.data);
	}
	buf_free(&name);
}

static void
close_session(struct check *check)
{
	struct step step;

	step_run(&step, check, (struct http_ask){.method = "POST", .path = "/v1/close"});
	if (step.status == 200)
		show(check, "close", true, step.ended - step.started, "the session was closed");
	else
		show_failure("close", &step);
	step_free(&step);
}

int
check_gateway(struct http *http)
{
	struct check check = {.http = http};

	if (!token_new(check.token)) {
		report("there is no randomness for a token");
		return STATUS_FAILED;
	}
	if (open_session(&check)) {
		check_poll(&check);
		check_stream(&check);
		if (native_offers(&check.opened, "sse"))
			check_sse(&check);
		if (native_offers(&check.opened, "ws"))
			check_ws(&check);
		show_others(&check);
		close_session(&check);
	}
	buf_free(&check.answer);
	native_opened_free(&check.opened);
	native_batch_free(&check.batch);
	return check.failed ? STATUS_FAILED : STATUS_OK;
}
