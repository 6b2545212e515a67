/* Packets of Socket.IO are taken and refused as its reference does, and written as they came. */
#include "codec/socketio.h"

#include <stdlib.h>

#include "base/mem.h"
#include "t/tap.h"

static void
test_taken(const char *text, const char *what)
{
	struct socketio_packet packet;
	struct buf b = BUF_EMPTY;

	if (ok(socketio_parse(&packet, text, strlen(text)), "%s is taken: %s", what, text)) {
		socketio_write(&b, &packet);
		is_string(b.data, text, "and written as it came");
	}
	buf_free(&b);
}

static void
test_refused(const char *text, const char *what)
{
	struct socketio_packet packet;

	ok(!socketio_parse(&packet, text, strlen(text)), "%s is refused: %s", what, text);
}

static void
test_all_taken(void)
{
	test_taken("0", "a connect");
	test_taken("0{\"token\":\"123\"}", "one with auth");
	test_taken("0/admin,{\"token\":\"123\"}", "one to a namespace");
	test_taken("0/admin?a=1,", "a query in a namespace is part of its name, and so");
	test_taken("1", "a disconnect");
	test_taken("1/admin,", "one from a namespace");
	test_taken("2[\"hello\",1]", "an event");
	test_taken("2[5]", "an event whose name is a number");
	test_taken("2", "an event without anything");
	test_taken("2/admin,456[\"project:delete\",123]", "an event that wants an answer");
	test_taken("29007199254740991[\"x\"]", "the greatest id");
	test_taken("3/admin,456[]", "an answer");
	test_taken("3", "an answer without anything");
	test_taken("4{\"message\":\"Not authorized\"}", "an error");
	test_taken("4\"no\"", "an error that is a string");
	test_taken("51-[\"hello\",{\"_placeholder\":true,\"num\":0}]", "an event with an attachment");
	test_taken("52-/admin,7[\"a\",{\"b\":[{\"_placeholder\":true,\"num\":1},{\"num\":0,\"_placeholder\":true}]}]", "one with two, deep");
	test_taken("61-/admin,456[{\"_placeholder\":true,\"num\":0}]", "an answer with an attachment");
	test_taken("51-[\"a\",{\"_placeholder\":false,\"num\":9}]", "what only looks like a placeholder");
	test_taken("510-[\"a\"]", "as many attachments as a client takes");
}

static void
test_all_refused(void)
{
	test_refused("7", "an eighth type");
	test_refused("a", "no type");
	test_refused("9[\"a\"]", "a type above");
	test_refused("0[]", "auth that is no object");
	test_refused("0\"a\"", "auth that is a string");
	test_refused("1{}", "a disconnect with data");
	test_refused("2{}", "an event that is no array");
	test_refused("2[]", "an event without a name");
	test_refused("2[{}]", "an event whose name is an object");
	test_refused("2[true]", "an event whose name is true");
	test_refused("2[\"connect\"]", "an event of the library's own");
	test_refused("2[\"connect_error\"]", "another");
	test_refused("2[\"disconnect\"]", "another");
	test_refused("2[\"disconnecting\"]", "another");
	test_refused("2[\"newListener\"]", "another");
	test_refused("2[\"removeListener\"]", "another");
	test_refused("2[\"dis\\u0063onnect\"]", "one that is written in another way");
	test_refused("2[\"a\"", "JSON that is cut");
	test_refused("2[\"a\"]x", "something behind the JSON");
	test_refused("2[\"\xff\"]", "what is not UTF-8");
	test_refused("0/\xff,", "a namespace that is not");
	test_refused("3{}", "an answer that is no array");
	test_refused("4[]", "an error that is an array");
	test_refused("29007199254740992[\"x\"]", "an id that a client's numbers do not hold");
	test_refused("5[\"a\"]", "no number of attachments");
	test_refused("5-[\"a\"]", "an empty one");
	test_refused("50-[\"a\"]", "none of them");
	test_refused("511-[\"a\"]", "too many");
	test_refused("51[\"a\"]", "no sign behind their number");
	test_refused("5a-[\"a\"]", "one that is no number");
	test_refused("51-[\"a\",{\"_placeholder\":true,\"num\":1}]", "a placeholder for nothing");
	test_refused("51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]", "a placeholder that is no number");
	test_refused("51-[\"a\",{\"_placeholder\":true}]", "a placeholder without a number");
	test_refused("61-{}", "an answer with attachments that is no array");
}

static void
test_parts(void)
{
	struct socketio_packet packet;
	struct jspan name;

	ok(socketio_parse(&packet, "", 0) && packet.type == SOCKETIO_CONNECT, "an empty text connects");
	ok(packet.namespace_len == 1 && *packet.namespace == '/' && !packet.data.text, "to the namespace that has no name");
	ok(socketio_parse(&packet, "0/admin", 7) && packet.namespace_len == 6, "a namespace needs no comma behind it");
	ok(socketio_parse(&packet, "53-/a,12[\"x\",1]", 15), "a packet with all its parts");
	ok(packet.type == SOCKETIO_BINARY_EVENT && packet.attachments == 3, "has a type and a number of attachments");
	ok(packet.namespace_len == 2 && memcmp(packet.namespace, "/a", 2) == 0, "a namespace");
	ok(packet.has_id && packet.id == 12, "an id");
	ok(socketio_event_name(&packet, &name) && name.len == 3 && memcmp(name.text, "\"x\"", 3) == 0, "an event's name");
	ok(socketio_parse(&packet, "2", 1) && !socketio_event_name(&packet, &name), "without data there is no event");
	ok(socketio_parse(&packet, "21", 2) && packet.has_id && packet.id == 1, "an id may be all there is");
}

static void
test_msgpack(void)
{
	static const char packet[] = "\x83\xa4type\x00\xa4" "data\x81\xa1x\xa3nsp\xa3nsp\xa2/a", refusal[] = "\x83\xa4type\x04\xa3nsp\xa2/a\xa4" "data\x81\xa7message\xd9";
	static const char event[] = "\x82\xa4type\x02\xa3nsp\xa1/";
	struct buf b = BUF_EMPTY;

	ok(socketio_refuse_msgpack(&b, packet, sizeof packet - 1), "a connect packet in msgpack is known");
	ok(b.len > sizeof refusal && memcmp(b.data, refusal, sizeof refusal - 1) == 0, "it is refused in msgpack, of its namespace");
	ok((unsigned char)b.data[sizeof refusal - 1] == b.len - sizeof refusal, "with a text that is as long as it says");
	for (size_t len = 0; len < sizeof packet - 1; len++) {
		char *cut = mem_copy(packet, len);

		if (socketio_refuse_msgpack(&b, cut, len))
			ok(false, "one that is cut is none (%zu)", len);
		free(cut);
	}
	ok(!socketio_refuse_msgpack(&b, event, sizeof event - 1), "an event is none");
	buf_free(&b);
}

int
main(void)
{
	test_all_taken();
	test_all_refused();
	test_parts();
	test_msgpack();
	return done();
}
