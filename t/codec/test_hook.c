/*
 * Events as they are sent to a backend, their signature, and what is taken of its answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "codec/grants.h"
#include "codec/hook.h"
#include "codec/token.h"

static const struct native_limits limits = {.ops = 5, .event = 64, .room_name = 64, .history = 50, .message = 100, .data = 50};

static struct name
session(void)
{
	struct name name;

	token_session(&name, "AAAAAAAAAAAAAAAAAAAAAA");
	return name;
}

#define span(s) ((struct jspan){s, sizeof(s) - 1})

/* ---- Events ---- */

static void
writes(const struct hook_event *event, const char *wanted, const char *what)
{
	struct buf body = BUF_EMPTY;
	struct jspan value;
	struct name id = session();
	char *at;

	hook_write_event(&body, event);
	ok(jspan_check(&value, body.data, body.len), "%s: it is JSON", what);
	at = strstr(body.data, id.s);
	if (at)
		memcpy(at, "----------SELF--------", NAME_LEN);
	is_string(body.data, wanted, what);
	buf_free(&body);
}

static bool
asks_the_same(const struct name *question, const struct hook_event *event)
{
	struct hook_event named = *event;

	hook_name_question(&named);
	return name_equal(question, &named.question);
}

/* connect: without auth. */
static void
test_questions(const struct hook_event *connect)
{
	struct hook_event event = *connect, other;
	struct name first;
	char text[HOOK_ID_SIZE];

	event.token = "AAAAAAAAAAAAAAAAAAAAAA";
	event.auth = span("{\"password\":\"a\"}");
	hook_name_question(&event);
	first = event.question;
	hook_write_id(text, &event);
	ok(strncmp(text, event.session.s, NAME_LEN) == 0 && text[NAME_LEN] == '_' && strcmp(text + NAME_LEN + 1, first.s) == 0,
	    "a connect is known by its session and its question");
	other = event;
	other.address = "10.0.0.2";
	other.origin = NULL;
	ok(asks_the_same(&first, &other), "which is the same wherever it comes from");
	other.auth = span("{\"password\":\"b\"}");
	ok(!asks_the_same(&first, &other), "but another one with another auth");
	other = event;
	other.token = "BBBBBBBBBBBBBBBBBBBBBB";
	ok(!asks_the_same(&first, &other), "or with another token, so that it shows nothing of the auth");
	other = event;
	other.user = span("\"ann\"");
	ok(!asks_the_same(&first, &other), "or of another user");
	event.again = true;
	hook_name_question(&event);
	first = event.question;
	ok(!asks_the_same(&first, &event), "and each that comes again is another one");
}

static void
test_events(void)
{
	static const char *const rooms[] = {"a", "b \"quoted\""};
	struct hook_event event = {.kind = HOOK_MESSAGE, .session = session(), .id = {1700000000123, 4}, .has_session = true,
	    .session_data = span("{\"name\":\"Ann\"}"), .rooms = rooms, .rooms_count = 2, .event = span("\"chat\""), .data = span("[1,2.50]")};
	char text[HOOK_ID_SIZE], time[HOOK_TIME_SIZE];

	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":{\"name\":\"Ann\"},\"away\":false,\"rooms\":[\"a\",\"b \\\"quoted\\\"\"]},"
	    "\"id\":\"1700000000123-4\",\"event\":\"chat\",\"data\":[1,2.50]}", "a message has its session, and its data as it was");
	hook_write_id(text, &event);
	ok(strncmp(text, event.session.s, NAME_LEN) == 0 && strcmp(text + NAME_LEN, "_1700000000123-4") == 0, "it is known by session and entry");
	is_string(hook_write_time(time, 1700000000123), "2023-11-14T22:13:20.123Z", "its time is written as RFC 3339 has it");
	event.user = span("\"ann\"");
	event.rooms_count = 0;
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":{\"name\":\"Ann\"},\"user\":\"ann\",\"away\":false,\"rooms\":[]},"
	    "\"id\":\"1700000000123-4\",\"event\":\"chat\",\"data\":[1,2.50]}", "a session of somebody says whose it is");
	event.user = (struct jspan){NULL, 0};
	event.has_session = false;
	event.session_data = event.data = (struct jspan){NULL, 0};
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":null},\"id\":\"1700000000123-4\",\"event\":\"chat\",\"data\":null}",
	    "of a session that is gone little is known");
	event.kind = HOOK_JOIN;
	event.room = span("\"lobby\"");
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":null},\"room\":\"lobby\"}", "who joins says where");
	event.kind = HOOK_DISCONNECT;
	event.session_data = span("7");
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":7}}", "who leaves for good has its last data");
	event = (struct hook_event){.kind = HOOK_CONNECT, .session = session(), .session_data = span("1"), .data = span("[\"lobby\"]"),
	    .origin = "https://x", .user_agent = "bad \xff", .address = "10.0.0.1"};
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":1},\"rooms\":[\"lobby\"],"
	    "\"request\":{\"origin\":\"https://x\",\"userAgent\":null,\"address\":\"10.0.0.1\",\"forwardedFor\":null}}", "who connects says from where, in UTF-8 or not at all");
	test_questions(&event);
}

static void
is_letter(const struct hook_event *event, const char *wanted, const char *what)
{
	struct buf text = BUF_EMPTY;
	struct name id = session();
	char *at;

	hook_write_letter(&text, event);
	at = strstr(text.data, id.s);
	if (at)
		memcpy(at, "----------SELF--------", NAME_LEN);
	is_string(text.data, wanted, what);
	buf_free(&text);
}

static void
test_letters(void)
{
	struct hook_event event = {.kind = HOOK_JOIN, .session = session(), .id = {17, 4}, .namespace = {"/admin", 6}, .room = span("\"/admin#den\"")};

	is_letter(&event, "{\"id\":\"17-4\",\"session\":\"----------SELF--------\",\"type\":\"join\",\"namespace\":\"/admin\",\"room\":\"den\"}",
	    "a room has the name that the backend knows");
	event = (struct hook_event){.kind = HOOK_ACK, .session = session(), .id = {17, 4}, .namespace = {"/", 1}, .event = span("\"9\""),
	    .data = span("[1,2]"), .has_args = true};
	is_letter(&event, "{\"id\":\"17-4\",\"session\":\"----------SELF--------\",\"type\":\"ack\",\"namespace\":\"/\",\"ack\":9,\"data\":1,"
	    "\"args\":[1,2]}", "an answer has its number, and all arguments");
	event = (struct hook_event){.kind = HOOK_DISCONNECT, .session = session(), .id = {17, 4}, .session_data = span("7")};
	is_letter(&event, "{\"id\":\"17-4\",\"session\":\"----------SELF--------\",\"type\":\"disconnect\",\"data\":7}", "an end has the session's data");
}

/* ---- Signatures ---- */

static void
refuses_secret(const char *text, const char *what)
{
	const char *wrong;
	struct hook_secrets *secrets = hook_secrets_read(text, strlen(text), &wrong);

	ok(!secrets && wrong, "no secret: %s", what);
	hook_secrets_free(secrets);
}

static void
test_signatures(void)
{
	/* The example of the Standard Webhooks specification. */
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body[] = "{\"test\": 2432232314}";
	const char *wrong;
	struct hook_secrets *secrets = hook_secrets_read(secret, sizeof secret - 1, &wrong);
	struct buf signature = BUF_EMPTY;

	hook_sign(&signature, secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, sizeof body - 1);
	is_string(signature.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "the signature is that of the specification");
	hook_secrets_free(secrets);
	buf_clear(&signature);
	secrets = hook_secrets_read("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \r\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 81, &wrong);
	ok(secrets, "there may be several, one a line");
	if (secrets)
		hook_sign(&signature, secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, sizeof body - 1);
	ok(signature.len == 2 * 47 + 1 && strcmp(signature.data + 48, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") == 0, "of which each signs");
	hook_secrets_free(secrets);
	buf_free(&signature);
	refuses_secret("", "nothing");
	refuses_secret("\n \n", "nothing but lines");
	refuses_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "without whsec_");
	refuses_secret("whsec_", "an empty one");
	refuses_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La", "too short");
	refuses_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "no base64");
	refuses_secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	    "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "five");
}

/* ---- Answers ---- */

static const struct hook_event *
event_of(enum hook_kind kind)
{
	static struct hook_event event;

	event = (struct hook_event){.kind = kind, .session = session(), .id = {5, 6}};
	return &event;
}

static struct hook_answer
reads(enum hook_kind kind, const char *text, const char *what)
{
	struct hook_answer answer;
	struct native_error error;
	bool good = hook_read_answer(&answer, event_of(kind), text, strlen(text), &limits, &error);

	if (!ok(good, "%s", what))
		printf("#   %s: %s\n", error.code, error.detail);
	return answer;
}

static void
refuses(enum hook_kind kind, const char *text, const char *code)
{
	struct hook_answer answer;
	struct native_error error;
	bool good = hook_read_answer(&answer, event_of(kind), text, strlen(text), &limits, &error);

	ok(!good && error.code && strcmp(error.code, code) == 0, "%s is refused: %s", text, code);
	if (good)
		hook_answer_free(&answer);
}

static void
test_connect(void)
{
	struct hook_answer a = reads(HOOK_CONNECT, "", "an empty answer");
	struct name self = session();

	ok(!a.refuses && a.count == 0 && !a.data.text, "accepts, and asks for nothing");
	a = reads(HOOK_CONNECT, " {\"accept\":true,\"data\":{\"n\":1},\"rooms\":[\"a\",\"b\"]}\n", "an answer to a connect");
	ok(!a.refuses && a.data.len == 7 && a.count == 2 && a.rooms == 2, "has data and rooms");
	ok(a.ops[1].kind == CLIENT_JOIN && strcmp(a.ops[1].room, "b") == 0 && name_equal(&a.ops[1].session, &self), "which are entered");
	hook_answer_free(&a);
	a = reads(HOOK_CONNECT, "{\"accept\":false,\"code\":\"banned\",\"message\":\"Go \\u00e4way\"}", "one that refuses");
	ok(a.refuses && strcmp(a.code.data, "banned") == 0 && strcmp(a.message.data, "Go \xc3\xa4way") == 0, "says why");
	hook_answer_free(&a);
	refuses(HOOK_CONNECT, "{\"accept\":1}", "bad_request");
	refuses(HOOK_CONNECT, "{\"accept\":false,\"code\":5}", "bad_request");
	refuses(HOOK_CONNECT, "{\"accept\":false,\"message\":\"a\\u0000b\"}", "bad_request");
	refuses(HOOK_CONNECT, "{\"rooms\":\"a\"}", "bad_request");
	refuses(HOOK_CONNECT, "{\"rooms\":[\"a\",\"\"]}", "bad_op");
	refuses(HOOK_CONNECT, "{\"rooms\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]}", "too_many_ops");
	refuses(HOOK_CONNECT, "{\"data\":\"12345678901234567890123456789012345678901234567890\"}", "message_too_large");
}

static bool
is_span(struct jspan value, const char *text)
{
	return value.len == strlen(text) && memcmp(value.text, text, value.len) == 0;
}

static void
test_claims(void)
{
	struct hook_answer a = reads(HOOK_CONNECT, "{\"user\":\"ann\"}", "an answer that says who it is");
	struct grants_claims made;
	struct grants grants;

	ok(!grants_make(&made, a.claims, HOOK_CLAIM, false, 7) && grants_read(&grants, made.grants.data, made.grants.len), "makes grants");
	ok(is_span(grants.user, "\"ann\"") && grants.until == 7 && grants_allow(&grants, GRANTS_JOIN, "any") && grants.has_direct, "of that user, to do everything");
	buf_free(&made.grants);
	hook_answer_free(&a);
	a = reads(HOOK_CONNECT, "{\"expires\":1000,\"grants\":{\"join\":[\"a*\"],\"direct\":false}}", "one that says what it may do");
	ok(a.expires_ms == 1000 && !grants_make(&made, a.claims, HOOK_CLAIM, false, 0) && grants_read(&grants, made.grants.data, made.grants.len), "makes grants, too");
	ok(grants_allow(&grants, GRANTS_JOIN, "ab") && !grants_allow(&grants, GRANTS_JOIN, "b") && !grants_allow(&grants, GRANTS_SEND, "ab") &&
	    !grants.has_direct, "to do that");
	buf_free(&made.grants);
	hook_answer_free(&a);
	a = reads(HOOK_CONNECT, "{\"accept\":true}", "one that says neither");
	ok(!a.claims.text, "makes none");
	hook_answer_free(&a);
	refuses(HOOK_CONNECT, "{\"user\":7}", "bad_request");
	refuses(HOOK_CONNECT, "{\"grants\":[]}", "bad_request");
	refuses(HOOK_CONNECT, "{\"grants\":{\"join\":\"a\"}}", "bad_request");
	refuses(HOOK_CONNECT, "{\"expires\":0}", "bad_request");
	refuses(HOOK_CONNECT, "{\"expires\":1.5}", "bad_request");
	refuses(HOOK_CONNECT, "{\"accept\":\"yes\"}", "bad_request");
	refuses(HOOK_CONNECT, "{\"accept\":false,\"code\":7}", "bad_request");
	refuses(HOOK_CONNECT, "{\"rooms\":[{\"room\":\"r\"}]}", "bad_op");
}

/* An ack has no use behind the end of who waits for it. */
static void
test_end(void)
{
	struct hook_answer a = reads(HOOK_MESSAGE, "{\"ack\":1,\"actions\":[{\"do\":\"disconnect\",\"session\":\"0123456789012345678901\"},"
	    "{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\"},{\"do\":\"disconnect\"},{\"do\":\"leave\",\"room\":\"r\"}]}", "an ack and an end");

	ok(a.count == 5 && a.ops[0].kind == CLIENT_END && a.ops[1].kind == CLIENT_SEND_ROOM, "what comes before the end does");
	ok(is_span(a.ops[2].event, "\"$ack\"") && is_span(a.ops[2].data, "{\"id\":\"5-6\",\"data\":1}"), "the ack next");
	ok(a.ops[3].kind == CLIENT_END && a.ops[4].kind == CLIENT_LEAVE && strcmp(a.ops[4].room, "r") == 0, "and then the end, and what is behind it");
	hook_answer_free(&a);
	a = reads(HOOK_MESSAGE, "{\"ack\":1,\"actions\":[{\"do\":\"history\",\"room\":\"r\",\"max\":1,\"ack\":true},{\"do\":\"disconnect\"}]}",
	    "an ack with a history, and an end");
	ok(a.count == 2 && is_span(a.ops[0].event, "\"$ack\"") && a.ops[1].kind == CLIENT_END, "it comes without the history, which would be late");
	hook_answer_free(&a);
}

static void
test_actions(void)
{
	struct hook_answer a = reads(HOOK_MESSAGE, "{\"ack\":[1],\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\",\"data\":0.10},"
	    "{\"do\":\"emit\",\"to\":{\"others\":\"r\"},\"event\":\"e\"},{\"do\":\"emit\",\"to\":{\"id\":\"0123456789012345678901\"},\"event\":\"e\"},"
	    "{\"do\":\"append\",\"room\":\"r\",\"event\":\"e\",\"data\":1},{\"do\":\"history\",\"room\":\"r\",\"max\":20}]}", "several actions");
	struct name self = session();
	struct hook_history history;

	ok(a.count == 6, "come in order, with an ack behind them");
	ok(a.ops[0].kind == CLIENT_SEND_ROOM && !a.ops[0].others && a.ops[0].data.len == 4, "emit to a room, its data as it was");
	ok(a.ops[1].kind == CLIENT_SEND_ROOM && a.ops[1].others && name_equal(&a.ops[1].session, &self), "emit to the others of it");
	ok(a.ops[2].kind == CLIENT_SEND_SESSION && strcmp(a.ops[2].to.s, "0123456789012345678901") == 0, "emit to a session");
	ok(a.ops[3].kind == CLIENT_SEND_ROOM && a.ops[3].kept, "append to a history");
	ok(a.ops[4].kind == CLIENT_EVENT && hook_read_history(&history, a.ops[4].data), "ask for a history");
	ok(history.max == 20 && strcmp(history.title.data, "r") == 0 && !history.event.text && !history.is_bare && !history.is_joined, "of a room");
	hook_history_free(&history);
	ok(a.ops[5].kind == CLIENT_SEND_SESSION && name_equal(&a.ops[5].to, &self) && is_span(a.ops[5].event, "\"$ack\"") &&
	    is_span(a.ops[5].data, "{\"id\":\"5-6\",\"data\":[1]}"), "the ack is a message that names what it is for");
	hook_answer_free(&a);
	a = reads(HOOK_LEAVE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"user\":\"ann\"},\"event\":\"e\"}]}", "an emit to a user");
	ok(a.ops[0].kind == CLIENT_SEND_USER, "goes to that");
	hook_answer_free(&a);
	a = reads(HOOK_JOIN, "{\"ack\":1,\"actions\":[{\"do\":\"join\",\"room\":\"x\"},{\"do\":\"leave\",\"room\":\"y\",\"session\":\"0123456789012345678901\"},"
	    "{\"do\":\"set\",\"data\":null},{\"do\":\"disconnect\"}],\"unknown\":1}", "the others");
	ok(a.count == 4, "only a message has an ack");
	ok(a.ops[0].kind == CLIENT_JOIN && name_equal(&a.ops[0].session, &self), "join is done with the session of the event");
	ok(a.ops[1].kind == CLIENT_LEAVE && strcmp(a.ops[1].session.s, "0123456789012345678901") == 0, "or with another one");
	ok(a.ops[2].kind == CLIENT_SET && a.ops[2].data.len == 4 && a.ops[3].kind == CLIENT_END, "set, and disconnect");
	hook_answer_free(&a);
	refuses(HOOK_MESSAGE, "<html>", "bad_json");
	refuses(HOOK_MESSAGE, "[]", "bad_request");
	refuses(HOOK_MESSAGE, "{\"actions\":{}}", "bad_request");
	refuses(HOOK_MESSAGE, "{\"actions\":[1]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"dance\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":\"r\",\"event\":\"e\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\",\"id\":\"x\"},\"event\":\"e\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"id\":\"short\"},\"event\":\"e\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"$join\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"}}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"set\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"history\",\"room\":\"r\",\"max\":51}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"history\",\"room\":\"r\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\",\"data\":1,\"args\":[1]}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"join\",\"room\":\"x\",\"session\":7}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"join\",\"room\":\"x\"},{\"do\":\"join\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"ack\":\"1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\"}",
	    "message_too_large");
}

static void
test_failure(void)
{
	struct buf text = BUF_EMPTY;

	hook_write_failure(&text, (struct entry_id){5, 6}, "hook_failed", "no \"way\"");
	is_string(text.data, "{\"id\":\"5-6\",\"error\":{\"code\":\"hook_failed\",\"detail\":\"no \\\"way\\\"\"}}", "a failure names what failed");
	buf_free(&text);
}

/* ---- Socket.IO ---- */

static void
test_socketio_events(void)
{
	static const char *const rooms[] = {"/admin", "/admin#a", "b"};
	struct hook_event event = {.kind = HOOK_MESSAGE, .session = session(), .id = {17, 4}, .namespace = span("/admin"), .has_session = true,
	    .rooms = rooms, .rooms_count = 3, .event = span("\"chat\""), .data = span("[1,{\"$binary\":\"AQ==\"}]"), .has_args = true, .asks = true};
	const char *head = "{\"session\":{\"id\":\"----------SELF--------\",\"data\":null,\"away\":false,\"rooms\":[\"a\"]},\"namespace\":\"/admin\"";
	char wanted[512];

	snprintf(wanted, sizeof wanted, "%s,\"id\":\"17-4\",\"event\":\"chat\",\"data\":1,\"args\":[1,{\"$binary\":\"AQ==\"}],\"ack\":true}", head);
	writes(&event, wanted, "a client of Socket.IO sends arguments, in a namespace, whose rooms are its own");
	event.asks = event.has_args = false;
	event.data = span("7");
	snprintf(wanted, sizeof wanted, "%s,\"id\":\"17-4\",\"event\":\"chat\",\"data\":7,\"args\":[7],\"ack\":false}", head);
	writes(&event, wanted, "one of them is an array, too");
	event.data = (struct jspan){NULL, 0};
	snprintf(wanted, sizeof wanted, "%s,\"id\":\"17-4\",\"event\":\"chat\",\"data\":null,\"args\":[],\"ack\":false}", head);
	writes(&event, wanted, "and so is none");
	event.kind = HOOK_ACK;
	event.event = span("\"12\"");
	event.data = span("[]");
	event.has_args = true;
	snprintf(wanted, sizeof wanted, "%s,\"ack\":12,\"data\":null,\"args\":[]}", head);
	writes(&event, wanted, "what it answers has the number of what it was asked by");
	event.kind = HOOK_JOIN;
	event.room = span("\"/admin#a\"");
	snprintf(wanted, sizeof wanted, "%s,\"room\":\"a\"}", head);
	writes(&event, wanted, "the room that it enters has no namespace in front");
	event = (struct hook_event){.kind = HOOK_CONNECT, .session = session(), .namespace = span("/"), .auth = span("{\"token\":\"x\"}")};
	writes(&event, "{\"session\":{\"id\":\"----------SELF--------\",\"data\":null},\"namespace\":\"/\",\"auth\":{\"token\":\"x\"},\"rooms\":[],"
	    "\"request\":{\"origin\":null,\"userAgent\":null,\"address\":null,\"forwardedFor\":null}}", "who connects says what it has to say for itself");
}

static struct hook_answer
reads_of_socketio(bool asks, const char *text, const char *what)
{
	struct hook_event event = {.kind = HOOK_MESSAGE, .session = session(), .id = {5, 6}, .namespace = span("/admin"), .asks = asks, .number = 12};
	struct hook_answer answer;
	struct native_error error;
	bool good = hook_read_answer(&answer, &event, text, strlen(text), &limits, &error);

	if (!ok(good, "%s", what))
		printf("#   %s: %s\n", error.code, error.detail);
	return answer;
}

static void
test_socketio_answers(void)
{
	struct hook_answer a = reads_of_socketio(true, "{\"ackArgs\":[null,{\"b\":{ \"$binary\" : \"AQ==\" }}],\"actions\":["
	    "{\"do\":\"emit\",\"to\":{\"all\":true},\"event\":\"e\",\"args\":[1,2],\"ack\":9},{\"do\":\"emit\",\"to\":{\"others\":true},\"event\":\"e\",\"data\":{\"$binary\":\"AQ==\"}},"
	    "{\"do\":\"join\",\"room\":\"r\"}]}", "an answer to a client of Socket.IO");

	ok(a.count == 4 && a.ops[0].form == CLIENT_ARGS && is_span(a.ops[0].data, "[1,2]") && strcmp(a.ops[0].room, "/admin") == 0, "emits arguments to all of a namespace");
	ok(a.ops[0].address.asks && a.ops[0].address.number == 9, "and asks for an answer with a number");
	ok(a.ops[1].form == CLIENT_BINARY && is_span(a.ops[1].data, "[{\"$binary\":\"AQ==\"}]") && a.ops[1].others && strcmp(a.ops[1].room, "/admin") == 0,
	    "emits a binary one to the others of it");
	ok(strcmp(a.ops[2].room, "/admin#r") == 0, "a room is one of the namespace");
	ok(a.ops[3].form == CLIENT_ANSWER_BINARY && is_span(a.ops[3].event, "\"12\"") && is_span(a.ops[3].data, "[null,{\"b\":{\"$binary\":\"AQ==\"}}]"),
	    "the ack has arguments, too");
	hook_answer_free(&a);
	a = reads_of_socketio(true, "{\"ack\":[1]}", "an ack with one argument");
	ok(a.count == 1 && a.ops[0].form == CLIENT_ANSWER && is_span(a.ops[0].data, "[[1]]"), "may be any value");
	hook_answer_free(&a);
	a = reads_of_socketio(false, "{\"ack\":1}", "an ack that nobody waits for");
	is_int((int64_t)a.count, 0, "is left out");
	hook_answer_free(&a);
}

static void
is_later(const struct client_op *op, const char *messages, const char *wanted, const char *what)
{
	struct hook_history history;
	struct buf list = BUF_EMPTY, text = BUF_EMPTY;

	buf_adds(&list, messages);
	ok(op->kind == CLIENT_EVENT && hook_read_history(&history, op->data), "%s is read later", what);
	hook_write_history(&text, &history, &list);
	is_string(text.data, wanted, what);
	hook_history_free(&history);
	buf_free(&list);
	buf_free(&text);
}

static void
test_histories(void)
{
	static const char actions[] = "{\"ackArgs\":%s,\"actions\":[{\"do\":\"join\",\"room\":\"r\"},"
	    "{\"do\":\"history\",\"room\":\"r\",\"max\":20,\"event\":\"m\",\"as\":\"data\",\"ack\":true},{\"do\":\"history\",\"room\":\"s\",\"max\":1}]}";
	char text[512];
	struct hook_answer a;
	struct hook_history history;

	snprintf(text, sizeof text, actions, "[null]");
	a = reads_of_socketio(true, text, "an ack with a history");
	is_int((int64_t)a.count, 3, "is one event");
	is_later(&a.ops[1], "[1]", "[null,{\"room\":\"r\",\"messages\":[1]}]", "its last argument");
	ok(a.ops[1].address.asks && a.ops[1].address.number == 12 && is_span(a.ops[1].address.namespace, "/admin"), "which keeps who waits for it");
	ok(hook_read_history(&history, a.ops[1].data) && history.is_joined && history.is_bare && is_span(history.event, "\"m\"") &&
	    strcmp(history.title.data, "/admin#r") == 0, "what is to be read is said");
	hook_history_free(&history);
	is_later(&a.ops[2], "[]", "{\"room\":\"s\",\"messages\":[]}", "another one");
	hook_answer_free(&a);
	snprintf(text, sizeof text, actions, "[]");
	a = reads_of_socketio(true, text, "an ack of a history alone");
	is_later(&a.ops[1], "[1]", "[{\"room\":\"r\",\"messages\":[1]}]", "its only argument");
	hook_answer_free(&a);
	a = reads_of_socketio(false, text, "a history for an ack that nobody waits for");
	ok(a.count == 2 && a.ops[1].kind == CLIENT_EVENT && !a.ops[1].address.asks, "is left out");
	hook_answer_free(&a);
	a = reads(HOOK_MESSAGE, text, "an ack with a history, to another client");
	is_later(&a.ops[1], "[1]", "{\"id\":\"5-6\",\"data\":null,\"history\":{\"room\":\"r\",\"messages\":[1]}}", "is a member of it");
	hook_answer_free(&a);
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"history\",\"room\":\"r\",\"max\":1,\"ack\":true},{\"do\":\"history\",\"room\":\"r\",\"max\":1,\"ack\":true}]}", "bad_op");
	refuses(HOOK_JOIN, "{\"actions\":[{\"do\":\"history\",\"room\":\"r\",\"max\":1,\"ack\":true}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"history\",\"room\":\"r\",\"max\":1,\"as\":\"x\"}]}", "bad_op");
}

static void
test_refused(void)
{
	refuses(HOOK_MESSAGE, "{\"ack\":1,\"ackArgs\":[1]}", "bad_request");
	refuses(HOOK_MESSAGE, "{\"ackArgs\":1}", "bad_request");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"all\":1},\"event\":\"e\"}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\",\"args\":7}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\",\"args\":[],\"data\":1}]}", "bad_op");
	refuses(HOOK_MESSAGE, "{\"actions\":[{\"do\":\"emit\",\"to\":{\"room\":\"r\"},\"event\":\"e\",\"ack\":9007199254740992}]}", "bad_op");
	refuses(HOOK_CONNECT, "{\"actions\":[{\"do\":\"disconnect\"}]}", "bad_op");
	refuses(HOOK_CONNECT, "{\"actions\":[{\"do\":\"join\",\"room\":\"x\",\"session\":\"0123456789012345678901\"}]}", "bad_op");
}

int
main(void)
{
	test_events();
	test_letters();
	test_signatures();
	test_connect();
	test_claims();
	test_actions();
	test_end();
	test_failure();
	test_socketio_events();
	test_socketio_answers();
	test_histories();
	test_refused();
	return done();
}
