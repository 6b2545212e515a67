#include "codec/native_read.h"

#include "../tap.h"

#define READ(function, to, text) function(to, text, strlen(text))
#define ID "ilvbTMFRZBJsbvJmjendJA"

static void
test_opened(void)
{
	struct native_opened opened = {0};

	ok(READ(native_read_opened, &opened, "{\"id\":\"" ID "\",\"cursor\":\"1.-.5-0\",\"hold\":25000,\"seq\":1,\"rooms\":[]}") &&
	        opened.seq == 1 && opened.hold_ms == 25000 && opened.rooms.text && !opened.transports.text,
	    "an opening is read");
	is_string(opened.cursor.data, "1.-.5-0", "... with its cursor");
	ok(READ(native_read_opened, &opened, "{\"id\":\"" ID "\",\"cursor\":\"c\",\"hold\":1}") && opened.seq == 0,
	    "without seq the session was there already");
	ok(!READ(native_read_opened, &opened, "{\"id\":\"short\",\"cursor\":\"c\",\"hold\":1}"), "an id that is none is refused");
	ok(!READ(native_read_opened, &opened, "{\"id\":\"" ID "\",\"cursor\":\"c\"}"), "and an opening without hold");
	native_opened_free(&opened);
}

static void
test_batch(void)
{
	struct native_batch batch = {0};
	struct native_received message = {0};
	struct native_missing gap = {0};
	struct jspan value;
	size_t at = 0;

	ok(READ(native_read_batch, &batch, "{\"cursor\":\"c\",\"messages\":[{\"id\":\"5-1\",\"from\":\"" ID
	    "\",\"room\":\"a\\u0062\",\"event\":\"e\",\"data\":[1]},{\"id\":\"5\"},{\"id\":\"5-2\",\"event\":\"e\",\"data\":1}],\"gaps\":[{\"from\":\"1-0\",\"to\":\"2-0\"}]}"),
	    "a batch is read");
	ok(jspan_next_element(batch.messages, &at, &value) && native_read_message(&message, value) && message.id.seq == 1 &&
	        message.data.len == 3 && strcmp(message.from.s, ID) == 0, "... its message");
	is_string(message.room.data, "ab", "... whose room is unescaped");
	ok(jspan_next_element(batch.messages, &at, &value) && !native_read_message(&message, value), "a message without id is none");
	ok(jspan_next_element(batch.messages, &at, &value) && native_read_message(&message, value) && message.from.s[0] == '\0',
	    "one without a sender is one of no session");
	at = 0;
	ok(jspan_next_element(batch.gaps, &at, &value) && native_read_gap(&gap, value) && gap.room.len == 0 && gap.to.ms == 2,
	    "a gap of the mailbox has no room");
	ok(!READ(native_read_batch, &batch, "{\"cursor\":\"a&b\",\"messages\":[]}"), "a cursor that would need escaping is refused");
	ok(!READ(native_read_batch, &batch, "{\"cursor\":\"\",\"messages\":[]}"), "and an empty one");
	ok(!READ(native_read_batch, &batch, "{\"cursor\":\"c\"}"), "and a batch without messages");
	native_missing_free(&gap);
	native_received_free(&message);
	native_batch_free(&batch);
}

static void
test_sent(void)
{
	static const char sent[] = "{\"seq\":3,\"results\":[{\"id\":\"5-0\"},{\"error\":{\"code\":\"x\",\"detail\":\"y\"}}]}";
	struct native_problem problem = {0};
	struct jspan results, value;
	uint64_t seq;
	size_t at = 0;

	ok(native_read_sent(&seq, &results, sent, strlen(sent)) && seq == 3, "results are read");
	ok(jspan_next_element(results, &at, &value) && !native_read_refusal(&problem, value), "what was done is no refusal");
	ok(jspan_next_element(results, &at, &value) && native_read_refusal(&problem, value), "an error is one");
	is_string(problem.code.data, "x", "... with its code");
	ok(READ(native_read_problem, &problem, "{\"code\":\"seq_hole\",\"expected\":7}") && problem.expected == 7 && problem.detail.len == 0,
	    "a problem document is read, with the number that is expected");
	ok(!READ(native_read_problem, &problem, "<html>"), "a page is no problem document");
	native_problem_free(&problem);
}

int
main(void)
{
	test_opened();
	test_batch();
	test_sent();
	return done();
}
