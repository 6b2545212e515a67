/*
 * Opens a session of its own, which sends itself a message that a parked poll must bring, and closes it.  One step after the
 * other; each waits in a loop of its own.
 */
#include "pollcat/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/event_stream.h"
#include "codec/native_read.h"
#include "codec/token.h"
#include "pollcat/report.h"
#include "pollcat/ws.h"

enum { STEP_LIMIT_MS = 15000, PARKED_MS = 300, STREAM_MAX = 1 << 20, LINES = 4, LINE_MS = 150 };

struct check;

struct step {
	struct http_call *call; /* NULL: answered. */
	struct ws *socket;      /* NULL: closed. */
	int64_t started, began, ended; /* clock_mono_us; began: what comes piece by piece. */
	int status;
	struct buf body;
	struct event_stream stream;
	unsigned events;   /* So many batches have come by the stream. */
	struct check *check;
	const char *wanted; /* The message that the stream is to bring. */
	bool found;
};

struct check {
	struct http *http;
	char token[TOKEN_LEN + 1];
	struct step open; /* Whose answer `opened` is lent by. */
	struct native_opened opened;
	struct native_batch batch;
	char *cursor; /* Owned: of the next poll. */
	bool failed;
};

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
step_start(struct check *check, struct step *step, const char *method, const char *path, const char *body)
{
	struct http_ask ask = {.method = method, .path = path, .token = check->token, .body = body, .len = body ? strlen(body) : 0,
	    .limit_ms = STEP_LIMIT_MS};

	*step = (struct step){.started = clock_mono_us()};
	step->call = http_start(check->http, &ask, on_step, step);
}

static void
step_wait(struct check *check, struct step *step)
{
	while (step->call)
		http_turn(check->http, NULL, 0, STEP_LIMIT_MS);
}

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
show_failure(struct check *check, const char *what, const struct step *step)
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
	show(check, what, false, 0, detail.data);
	native_problem_free(&problem);
	buf_free(&detail);
}

static bool
open_session(struct check *check)
{
	struct step *step = &check->open;
	struct buf body = BUF_EMPTY;
	bool good;

	buf_addf(&body, "{\"token\":\"%s\"}", check->token);
	step_start(check, step, "POST", "/v1/sessions", body.data);
	step_wait(check, step);
	good = step->status == 201 && native_read_opened(&check->opened, step->body.data, step->body.len);
	if (good) {
		check->cursor = mem_string(check->opened.cursor.data);
		show(check, "open", true, step->ended - step->started, "a session was opened");
	} else
		show_failure(check, "open", step);
	buf_free(&body);
	return good;
}

/* Whether the batch has the message with this text, which came from the session itself. */
static bool
has_message(struct check *check, const char *text)
{
	struct native_received message = {0};
	struct jspan value;
	size_t at = 0;
	bool found = false;

	while (!found && jspan_next_element(check->batch.messages, &at, &value))
		found = native_read_message(&message, value) && name_equal(&message.from, &check->opened.id) && jspan_is(message.data, text);
	native_received_free(&message);
	return found;
}

static bool
send_self(struct check *check, int seq, const char *text, struct step *step)
{
	struct buf body = BUF_EMPTY;
	struct native_problem problem = {0};
	struct jspan results, result;
	size_t at = 0;
	uint64_t next;
	bool good;

	buf_addf(&body, "{\"seq\":%d,\"ops\":[{\"op\":\"send\",\"to\":\"%s\",\"event\":\"check\",\"data\":\"%s\"}]}", seq,
	    check->opened.id.s, text);
	step_start(check, step, "POST", "/v1/send", body.data);
	step_wait(check, step);
	good = step->status == 200 && native_read_sent(&next, &results, step->body.data, step->body.len) &&
	    jspan_next_element(results, &at, &result) && !native_read_refusal(&problem, result);
	native_problem_free(&problem);
	buf_free(&body);
	return good;
}

/* The poll is held for a while before the message is sent, so that it is a parked one that brings it. */
static void
check_poll(struct check *check, const char *text)
{
	struct step poll, send = {0};
	struct buf path = BUF_EMPTY;
	int64_t until = clock_mono_ms() + PARKED_MS;

	buf_addf(&path, "/v1/poll?cursor=%s&hold=%d", check->cursor, STEP_LIMIT_MS / 2);
	step_start(check, &poll, "GET", path.data, NULL);
	while (poll.call && clock_mono_ms() < until)
		http_turn(check->http, NULL, 0, until - clock_mono_ms());
	if (!poll.call) {
		if (poll.status == 200)
			show(check, "poll", false, 0, "a poll was answered although there was nothing");
		else
			show_failure(check, "poll", &poll);
	} else if (!send_self(check, 1, text, &send)) {
		show_failure(check, "send", &send);
	} else {
		show(check, "send", true, send.ended - send.started, "a message was taken");
		step_wait(check, &poll);
		if (poll.status != 200 || !native_read_batch(&check->batch, poll.body.data, poll.body.len))
			show_failure(check, "poll", &poll);
		else
			show(check, "poll", has_message(check, text), poll.ended - send.started,
			    has_message(check, text) ? "it came by a poll that was parked" : "the message did not come");
	}
	http_cancel(poll.call);
	buf_free(&poll.body);
	buf_free(&send.body);
	buf_free(&path);
}

static void
on_event(void *arg, const char *name, const char *data, size_t len)
{
	struct step *step = arg;
	struct check *check = step->check;

	if (strcmp(name, "message") != 0 || !native_read_batch(&check->batch, data, len))
		return;
	step->events++;
	step->found = step->found || (step->wanted && has_message(check, step->wanted));
}

static void
on_piece(void *arg, const char *p, size_t len)
{
	struct step *step = arg;

	step->ended = clock_mono_us();
	event_stream_feed(&step->stream, p, len, on_event, step);
}

/* Until a batch has come and, if one is wanted, the message. */
static bool
stream_wait(struct check *check, struct step *step)
{
	int64_t until = clock_mono_ms() + STEP_LIMIT_MS, now;

	while ((step->call || step->socket) && !(step->wanted ? step->found : step->events > 0) && (now = clock_mono_ms()) < until)
		http_turn(check->http, NULL, 0, until - now);
	return step->wanted ? step->found : step->events > 0;
}

/* A message that is sent once the stream flows must come by it. */
static void
check_sse(struct check *check, const char *text)
{
	struct step step = {.check = check, .stream = {.max = STREAM_MAX}}, send = {0};
	struct buf path = BUF_EMPTY;
	struct http_ask ask = {.method = "GET", .token = check->token, .piece = on_piece};
	bool flows;

	buf_addf(&path, "/v1/events?cursor=%s", check->cursor);
	ask.path = path.data;
	step.call = http_start(check->http, &ask, on_step, &step);
	flows = stream_wait(check, &step);
	step.wanted = text;
	if (!flows && step.call)
		show(check, "sse", false, 0, "nothing comes: is the stream held back on its way?");
	else if (!flows)
		show_failure(check, "sse", &step);
	else if (!send_self(check, 2, text, &send))
		show_failure(check, "send", &send);
	else if (stream_wait(check, &step))
		show(check, "sse", true, step.ended - send.started, "it came by a stream");
	else
		show(check, "sse", false, 0, "the stream flows, but the message did not come");
	http_cancel(step.call);
	event_stream_free(&step.stream);
	buf_free(&step.body);
	buf_free(&send.body);
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
	bool is = native_read_problem(&problem, step->body.data, step->body.len) && problem.code.data && strcmp(problem.code.data, code) == 0;

	native_problem_free(&problem);
	return is;
}

/* Lines that are sent one by one come so, or all at once.  Nothing here depends on it, but it tells about the network. */
static void
check_stream(struct check *check)
{
	struct step step = {.started = clock_mono_us()};
	struct buf path = BUF_EMPTY;
	struct http_ask ask = {.method = "GET", .limit_ms = STEP_LIMIT_MS, .piece = on_line};

	buf_addf(&path, "/v1/check/stream?ms=%d&count=%d", LINE_MS, LINES);
	ask.path = path.data;
	step.call = http_start(check->http, &ask, on_step, &step);
	step_wait(check, &step);
	if (step.status == 200 && step.began > 0 && step.ended - step.began < LINE_MS * 1000)
		printf("stream held back: all of it came at once, when it was complete\n");
	else if (step.status == 200 && step.began > 0)
		show(check, "stream", true, step.began - step.started, "it came line by line");
	else if (is_refused(&step, "check_disabled"))
		printf("stream switched off: not tested\n");
	else
		show_failure(check, "stream", &step);
	buf_free(&step.body);
	buf_free(&path);
}

/* ---- A WebSocket ---- */

static void
on_socket_opened(void *arg)
{
	(void)arg; /* The first batch tells more. */
}

static void
on_socket_text(void *arg, const char *text, size_t len)
{
	on_event(arg, "message", text, len);
	((struct step *)arg)->ended = clock_mono_us();
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

/* A message that is sent once the socket has brought a batch must come by it. */
static void
check_ws(struct check *check, const char *text)
{
	static const struct ws_events events = {on_socket_opened, on_socket_text, on_socket_closed};
	struct step step = {.check = check}, send = {0};
	struct buf path = BUF_EMPTY;
	bool flows;

	buf_addf(&path, "/v1/ws?cursor=%s", check->cursor);
	step.socket = ws_open(check->http, path.data, check->token, &events, &step);
	flows = stream_wait(check, &step);
	step.wanted = text;
	if (!flows && step.socket)
		show(check, "ws", false, 0, "nothing comes: does something on the way let WebSockets open and no more?");
	else if (!flows)
		show_failure(check, "ws", &step);
	else if (!send_self(check, 3, text, &send))
		show_failure(check, "send", &send);
	else if (stream_wait(check, &step))
		show(check, "ws", true, step.ended - send.started, "it came by a WebSocket");
	else
		show(check, "ws", false, 0, "the socket works, but the message did not come");
	ws_free(step.socket);
	buf_free(&step.body);
	buf_free(&send.body);
	buf_free(&path);
}

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

	step_start(check, &step, "POST", "/v1/close", "");
	step_wait(check, &step);
	if (step.status == 200)
		show(check, "close", true, step.ended - step.started, "the session was closed");
	else
		show_failure(check, "close", &step);
	buf_free(&step.body);
}

int
check_gateway(struct http *http)
{
	struct check check = {.http = http};
	char text[TOKEN_LEN + 1], second[TOKEN_LEN + 1], third[TOKEN_LEN + 1]; /* Nobody else's messages have them. */

	if (!token_new(check.token) || !token_new(text) || !token_new(second) || !token_new(third)) {
		report("there is no randomness for a token");
		return STATUS_FAILED;
	}
	if (open_session(&check)) {
		check_poll(&check, text);
		check_stream(&check);
		if (native_offers(&check.opened, "sse"))
			check_sse(&check, second);
		if (native_offers(&check.opened, "ws"))
			check_ws(&check, third);
		show_others(&check);
		close_session(&check);
	}
	buf_free(&check.open.body);
	free(check.cursor);
	native_opened_free(&check.opened);
	native_batch_free(&check.batch);
	return check.failed ? STATUS_FAILED : STATUS_OK;
}
