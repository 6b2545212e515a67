/* Events of Socket.IO become messages, and messages packets again. */
#include "codec/socketio_event.h"

#include "t/tap.h"

#define S "\x1e"

static const struct name from = {"ABCDEFGHIJKLMNOPQRSTUV"};

static const enum message_flag flags[] = {MESSAGE_PLAIN, MESSAGE_ARGS, MESSAGE_BINARY, MESSAGE_ANSWER};

static struct message *
make_message(enum message_flag flag, const char *event, const char *data)
{
	struct buf payload = BUF_EMPTY;
	struct message *message;

	message_write_head(&payload, flag, &from, NULL, (struct jspan){event, strlen(event)});
	buf_adds(&payload, data);
	message = message_new((struct entry_id){1, 0}, "room", payload.data, payload.len);
	buf_free(&payload);
	return message;
}

/* Read as a message, kept as data, written as packets. */
static void
test_way(const char *text, const char *first, const char *second, const char *kept, const char *wanted, const char *what)
{
	struct buf attachments[2] = {BUF_EMPTY, BUF_EMPTY}, payload = BUF_EMPTY;
	struct socketio_writing writing = {"/a", 2, "OFF"};
	struct socketio_packet packet;
	struct socketio_event event;
	struct message *message;

	buf_adds(&attachments[0], first);
	buf_adds(&attachments[1], second);
	if (!ok(socketio_parse(&packet, text, strlen(text)) && socketio_event_read(&event, &packet, attachments), "%s: is read", what))
		return;
	is_string(event.data.data ? event.data.data : "", kept, "is kept");
	message = make_message(flags[event.form], event.name.data, event.data.data ? event.data.data : "");
	socketio_message_write(&payload, message, &writing);
	is_string(payload.data, wanted, "is written");
	is_int((int64_t)socketio_message_packets(message), 1 + packet.attachments, "as so many packets");
	message_unref(message);
	socketio_event_free(&event);
	buf_free(&payload);
	buf_free(&attachments[0]);
	buf_free(&attachments[1]);
}

static void
test_written(enum message_flag flag, const char *event, const char *data, const char *offset, const char *wanted, const char *what)
{
	struct message *message = make_message(flag, event, data);
	struct socketio_writing writing = {"/", 1, offset};
	struct buf payload = BUF_EMPTY;

	socketio_message_write(&payload, message, &writing);
	is_string(payload.data ? payload.data : "", wanted, what);
	message_unref(message);
	buf_free(&payload);
}

static void
test_repeated(void)
{
	static const char text[] = "51-[\"e\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,\"num\":0}]]";
	struct buf attachment = BUF_EMPTY;
	struct socketio_packet packet;
	struct socketio_event event;

	buf_adds(&attachment, "AQID");
	ok(socketio_parse(&packet, text, strlen(text)) && !socketio_event_read(&event, &packet, &attachment),
	    "an attachment that stands in two places is refused");
	buf_free(&attachment);
}

int
main(void)
{
	test_way("2[\"e\",{\"a\": 1}]", "", "", "{\"a\": 1}", "42/a,[\"e\",{\"a\": 1},\"OFF\"]", "one argument");
	test_way("2[\"e\"]", "", "", "[]", "42/a,[\"e\",\"OFF\"]", "no argument");
	test_way("2[\"e\",1,[2]]", "", "", "[1,[2]]", "42/a,[\"e\",1,[2],\"OFF\"]", "two arguments");
	test_way("2[7,1]", "", "", "1", "42/a,[\"7\",1,\"OFF\"]", "a number as its name");
	test_way("51-[\"e\",{\"_placeholder\":true,\"num\":0}]", "AQID", "", "[{\"$binary\":\"AQID\"}]",
	    "451-/a,[\"e\",{\"_placeholder\":true,\"num\":0},\"OFF\"]" S "bAQID", "an attachment");
	test_way("52-[\"e\",{\"x\":[{\"_placeholder\":true,\"num\":1},null]},{\"num\":0,\"_placeholder\":true}]", "AQID", "",
	    "[{\"x\":[{\"$binary\":\"\"},null]},{\"$binary\":\"AQID\"}]",
	    "452-/a,[\"e\",{\"x\":[{\"_placeholder\":true,\"num\":0},null]},{\"_placeholder\":true,\"num\":1},\"OFF\"]" S "b" S "bAQID",
	    "two attachments, one of them empty, in another order");
	test_repeated();
	test_written(MESSAGE_BINARY, "\"e\"", "[{\"$binary\":\"x\"},{\"$binary\":\"AQID\",\"x\":1},{\"$binary\":1}]", NULL,
	    "42[\"e\",{\"$binary\":\"x\"},{\"$binary\":\"AQID\",\"x\":1},{\"$binary\":1}]", "what only looks like an attachment");
	test_written(MESSAGE_PLAIN, "\"e\"", "", NULL, "42[\"e\"]", "a message without data, without an offset");
	test_written(MESSAGE_SELF, "\"e\"", "null", NULL, "42[\"e\",null]", "one with null");
	test_written(MESSAGE_ANSWER, "\"17\"", "[{\"ok\":true}]", "OFF", "4317[{\"ok\":true}]", "an answer");
	test_written(MESSAGE_GATEWAY, "\"$join\"", "", "OFF", "", "what the gateway says is not told");
	test_written(MESSAGE_LEAVE, "\"$leave\"", "", "OFF", "", "nor that somebody leaves");
	return done();
}
