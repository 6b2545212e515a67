/* The native protocol's documents: what a send and an opening may say, what is refused and how, what an answer looks like. */
#include "codec/native.h"

#include <stdlib.h>

#include "codec/token.h"
#include "t/tap.h"

#define ID "AAAAAAAAAAAAAAAAAAAAAA"

static const struct native_limits limits = {.ops = 3, .event = 5, .room_name = 8, .history = 10, .polls = 3, .rooms = 1, .message = 20, .data = 10};

static void
test_good_send(void)
{
	const char *body = "{\"seq\":17,\"ops\":[{\"op\":\"send\",\"to\":\"" ID "\",\"event\":\"of\\u0066er\",\"data\":{\"x\": 0.1}},"
	    "{\"op\":\"join\",\"room\":\"l\\u00f6bby\",\"history\":10,\"max\":2},{\"op\":\"send\",\"room\":\"r\",\"event\":\"e\",\"self\":true}]}";
	struct native_request request;
	struct native_error error;

	if (!ok(native_parse_send(&request, body, strlen(body), &limits, &error), "a send of three operations is read"))
		return;
	ok(request.seq == 17 && request.count == 3, "with its number and count");
	ok(request.ops[0].kind == CLIENT_SEND_SESSION && strcmp(request.ops[0].to.s, ID) == 0, "to a session");
	ok(request.ops[0].data.len == 10 && memcmp(request.ops[0].data.text, "{\"x\": 0.1}", 10) == 0, "its data as it was written");
	ok(request.ops[1].kind == CLIENT_JOIN && request.ops[1].history == 10 && request.ops[1].max == 2, "a join with history and limit");
	is_string(request.ops[1].room, "l\xc3\xb6" "bby", "a room's name is unescaped");
	ok(request.ops[2].kind == CLIENT_SEND_ROOM && request.ops[2].self && !request.ops[2].data.text, "to a room, itself included, no data");
	native_request_free(&request);
}

static void
test_bad_sends(void)
{
	static const struct {
		const char *body, *code;
	} cases[] = {
		{"", "bad_json"}, {"{", "bad_json"}, {"[]", "bad_request"}, {"{}", "bad_request"}, {"{\"ops\":{}}", "bad_request"},
		{"{\"ops\":[],\"seq\":0}", "bad_request"}, {"{\"ops\":[],\"seq\":-1}", "bad_request"}, {"{\"ops\":[],\"seq\":\"1\"}", "bad_request"},
		{"{\"ops\":[],\"seq\":9007199254740992}", "bad_request"}, {"{\"ops\":[1]}", "bad_op"}, {"{\"ops\":[{}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"dance\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"send\",\"event\":\"e\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"event\":\"e\",\"to\":\"" ID "\",\"room\":\"r\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"event\":\"e\",\"to\":\"short\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"event\":\"e\",\"to\":1}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"send\",\"event\":\"e\",\"to\":\"\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"$join\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"\\u0024x\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"toolong\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"e\",\"self\":1}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"e\",\"data\":\"1234567890123456789\"}]}", "message_too_large"},
		{"{\"ops\":[{\"op\":\"set\",\"data\":\"123456789\"}]}", "message_too_large"},
		{"{\"ops\":[{\"op\":\"join\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"join\",\"room\":\"\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"join\",\"room\":\"123456789\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"join\",\"room\":\"a\\nb\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"join\",\"room\":\"a\\u0000b\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"join\",\"room\":\"a\\ud800\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"join\",\"room\":\"r\",\"history\":11}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"join\",\"room\":\"r\",\"history\":\"1\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"join\",\"room\":\"r\",\"max\":0}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"leave\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"set\"},{\"op\":\"set\"},{\"op\":\"set\"},{\"op\":\"set\"}]}", "too_many_ops"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct native_request request;
		struct native_error error = {0};

		if (ok(!native_parse_send(&request, cases[i].body, strlen(cases[i].body), &limits, &error), "is refused: %.70s", cases[i].body))
			is_string(error.code, cases[i].code, "by its code");
		else
			native_request_free(&request);
	}
}

static void
test_polls(void)
{
	const char *body = "{\"hold\":500,\"polls\":[{\"token\":\"" ID "\",\"cursor\":\"1.d.7-1\"},{\"token\":\"" ID "\"},"
	    "{\"token\":\"x\"}]}";
	static const char *const wrongs[][2] = {
		{"{\"polls\":[{}]}", "token_invalid"}, {"{\"polls\":[{\"token\":1}]}", "token_invalid"},
		{"{\"polls\":[{\"token\":\"" ID "\\u0000\"}]}", "token_invalid"},
		{"{\"polls\":[{\"token\":\"" ID "\",\"cursor\":\"\"}]}", "bad_cursor"},
		{"{\"polls\":[{\"token\":\"" ID "\",\"cursor\":null}]}", "bad_cursor"},
		{"{\"polls\":[{\"token\":\"" ID "\",\"cursor\":\"1.d.7-1\\u0000\"}]}", "bad_cursor"},
	};
	static const char *const refused[][2] = {
		{"", "bad_json"}, {"[]", "bad_request"}, {"{\"polls\":[]}", "bad_request"}, {"{\"polls\":[1]}", "bad_request"},
		{"{\"polls\":[{}],\"hold\":-1}", "bad_request"}, {"{\"polls\":[{},{},{},{}]}", "too_many_polls"},
	};
	struct native_polls polls;
	struct native_error error;

	if (!ok(native_parse_polls(&polls, body, strlen(body), &limits, &error), "a shared poll is read"))
		return;
	ok(polls.count == 3 && polls.has_hold && polls.hold == 500, "with its count and hold");
	ok(!polls.polls[0].wrong && polls.polls[0].has_cursor && polls.polls[0].cursor.mailbox.ms == 7, "a session with a cursor");
	ok(!polls.polls[1].wrong && !polls.polls[1].has_cursor, "one without");
	is_string(polls.polls[2].wrong, "token_invalid", "one whose token is none");
	native_polls_free(&polls);
	for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
		if (!ok(native_parse_polls(&polls, wrongs[i][0], strlen(wrongs[i][0]), &limits, &error), "is read: %.70s", wrongs[i][0]))
			continue;
		is_string(polls.polls[0].wrong, wrongs[i][1], "and says what is wrong");
		native_polls_free(&polls);
	}
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		ok(!native_parse_polls(&polls, refused[i][0], strlen(refused[i][0]), &limits, &error), "is refused: %.70s", refused[i][0]);
		is_string(error.code, refused[i][1], "by its code");
	}
}

static void
test_order(void)
{
	const char *body = "{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"e\",\"data\":[1],\"history\":5},"
	    "{\"op\":\"append\",\"room\":\"r\",\"event\":\"e\"},{\"op\":\"send\",\"to\":\"" ID "\",\"event\":\"e\"},"
	    "{\"op\":\"join\",\"session\":\"" ID "\",\"room\":\"r\",\"history\":2,\"max\":3},{\"op\":\"leave\",\"session\":\"" ID "\",\"room\":\"r\"},"
	    "{\"op\":\"set\",\"session\":\"" ID "\",\"data\":{}},{\"op\":\"disconnect\",\"session\":\"" ID "\"}]}";
	static const char *const refused[][2] = {
		{"", "bad_json"}, {"[]", "bad_request"}, {"{}", "bad_request"}, {"{\"ops\":[]}", "bad_request"}, {"{\"ops\":[1]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"self\"}]}", "bad_op"}, {"{\"ops\":[{\"op\":\"leave\",\"room\":\"r\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"disconnect\",\"session\":\"" ID "A\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"append\",\"to\":\"" ID "\",\"event\":\"e\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"to\":\"" ID "\",\"event\":\"e\",\"history\":1}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"user\":7,\"event\":\"e\"}]}", "bad_op"},
		{"{\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"$join\"}]}", "bad_op"},
		{"{\"ops\":[1,2,3,4]}", "too_many_ops"},
	};
	struct native_limits more = limits;
	struct native_request request;
	struct name ann;
	struct native_error error;

	more.ops = 7;
	if (ok(native_parse_order(&request, body, strlen(body), &more, &error), "operations of a backend are read")) {
		const struct client_op *ops = request.ops;

		ok(request.count == 7 && ops[0].kind == CLIENT_SEND_ROOM && !ops[0].kept && ops[0].history == 5, "a send with history");
		ok(ops[1].kind == CLIENT_SEND_ROOM && ops[1].kept && !ops[1].has_history, "one for the history");
		ok(ops[2].kind == CLIENT_SEND_SESSION && strcmp(ops[2].to.s, ID) == 0 && !ops[2].session.s[0], "a direct one");
		ok(ops[3].kind == CLIENT_JOIN && strcmp(ops[3].session.s, ID) == 0 && ops[3].max == 3 && ops[3].history == 2, "a join");
		ok(ops[4].kind == CLIENT_LEAVE && ops[5].kind == CLIENT_SET && ops[6].kind == CLIENT_END, "and all others");
		native_request_free(&request);
	}
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		ok(!native_parse_order(&request, refused[i][0], strlen(refused[i][0]), &limits, &error), "is refused: %.70s", refused[i][0]);
		is_string(error.code, refused[i][1], "by its code");
	}
	body = "{\"room\":\"r\",\"event\":\"e\",\"data\":1}";
	ok(native_parse_publish(&request, body, strlen(body), &limits, &error) && request.count == 1, "one message alone is read");
	native_request_free(&request);
	body = "{\"user\":\"ann\",\"event\":\"e\",\"data\":1}";
	user_name_key(&ann, "ann", 3);
	ok(native_parse_publish(&request, body, strlen(body), &limits, &error) && request.ops[0].kind == CLIENT_SEND_USER &&
	    name_equal(&request.ops[0].to, &ann), "it may be for a user");
	native_request_free(&request);
	body = "{\"user\":\"ann\",\"room\":\"r\",\"event\":\"e\"}";
	ok(!native_parse_publish(&request, body, strlen(body), &limits, &error), "but then for nobody else");
	ok(!native_parse_publish(&request, "1", 1, &limits, &error), "a number is none");
	ok(!native_parse_publish(&request, "{\"event\":\"e\"}", 13, &limits, &error), "nor is what has no recipient");
}

static void
test_open(void)
{
	const char *body = "{\"rooms\":[\"a\",{\"room\":\"b\",\"history\":2}],\"data\":{\"n\":1},\"token\":\"t\"}";
	struct native_request request;
	struct native_error error;

	ok(native_parse_open(&request, "", 0, &limits, &error) && request.count == 0, "an opening may have no body");
	native_request_free(&request);
	if (ok(native_parse_open(&request, body, strlen(body), &limits, &error), "an opening with rooms, data and token")) {
		ok(request.count == 2 && request.ops[0].kind == CLIENT_JOIN && !request.ops[0].has_history && request.ops[1].history == 2,
		    "its rooms are joins");
		ok(request.data.len == 7 && request.token.len == 3, "with data and token");
		native_request_free(&request);
	}
	ok(!native_parse_open(&request, "[]", 2, &limits, &error), "an array is no opening");
	ok(!native_parse_open(&request, "{\"rooms\":[1]}", 13, &limits, &error), "a room is a name or an object");
}

static void
test_batch(void)
{
	struct buf payload = BUF_EMPTY, out = BUF_EMPTY;
	struct name from;
	struct cursor cursor = {.mailbox = {5, 0}};
	struct message *messages[2];
	struct gap gap = {"r\"", {1, 0}, {2, 0}};
	struct batch batch = {&cursor, 2, messages, 1, &gap, false};

	name_parse(&from, ID, NAME_LEN);
	message_write_head(&payload, MESSAGE_PLAIN, &from, NULL, (struct jspan){"\"chat\"", 6});
	messages[1] = message_new((struct entry_id){6, 1}, NULL, payload.data, payload.len);
	buf_adds(&payload, "[1]");
	messages[0] = message_new((struct entry_id){5, 0}, "r\"", payload.data, payload.len);
	native_write_batch(&out, &batch);
	is_string(out.data, "{\"cursor\":\"1.-.5-0\",\"messages\":[{\"id\":\"5-0\",\"from\":\"" ID "\",\"room\":\"r\\\"\",\"event\":\"chat\",\"data\":[1]},"
	    "{\"id\":\"6-1\",\"from\":\"" ID "\",\"event\":\"chat\",\"data\":null}],\"gaps\":[{\"room\":\"r\\\"\",\"from\":\"1-0\",\"to\":\"2-0\"}]}",
	    "a batch is written as the manual says");
	ok(!message_new((struct entry_id){1, 1}, NULL, "x", 1) && !message_new((struct entry_id){1, 1}, NULL, "-" ID "\"e\"", 26),
	    "what is not one of our payloads makes no message");
	message_unref(messages[0]);
	message_unref(messages[1]);
	buf_clear(&payload);
	buf_clear(&out);
	message_write_head(&payload, MESSAGE_BACKEND, NULL, NULL, (struct jspan){"\"news\"", 6});
	messages[0] = message_new((struct entry_id){7, 0}, NULL, payload.data, payload.len);
	native_write_message(&out, messages[0]);
	is_string(out.data, "{\"id\":\"7-0\",\"event\":\"news\",\"data\":null}", "one of no session has no \"from\"");
	message_unref(messages[0]);
	buf_free(&payload);
	buf_free(&out);
}

static void
test_args(const char *args, const char *wanted, const char *what)
{
	struct buf payload = BUF_EMPTY, out = BUF_EMPTY;
	struct message *message;
	struct name from;

	name_parse(&from, ID, NAME_LEN);
	message_write_head(&payload, MESSAGE_ARGS, &from, NULL, (struct jspan){"\"e\"", 3});
	buf_adds(&payload, args);
	message = message_new((struct entry_id){5, 0}, NULL, payload.data, payload.len);
	if (ok(message, "%s is a message", what)) {
		native_write_message(&out, message);
		is_string(strstr(out.data, "\"event\":"), wanted, what);
	}
	message_unref(message);
	buf_free(&payload);
	buf_free(&out);
}

int
main(void)
{
	test_good_send();
	test_bad_sends();
	test_open();
	test_polls();
	test_order();
	test_batch();
	test_args("[1,{\"a\":[2]}]", "\"event\":\"e\",\"data\":1,\"args\":[1,{\"a\":[2]}]}", "one with several arguments");
	test_args("[]", "\"event\":\"e\",\"data\":null}", "one with none");
	test_args("[[1]]", "\"event\":\"e\",\"data\":[1]}", "one with one");
	return done();
}
