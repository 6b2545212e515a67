#include "codec/frame.h"

#include <stdlib.h>

#include "../tap.h"

static struct message *
make(const char *event, const char *data)
{
	static const struct name from = {"AAAAAAAAAAAAAAAAAAAAAA"};
	struct buf payload = BUF_EMPTY;
	struct message *message;

	message_write_head(&payload, MESSAGE_PLAIN, &from, NULL, (struct jspan){event, strlen(event)});
	buf_adds(&payload, data);
	message = message_new((struct entry_id){1, 2}, "room", payload.data, payload.len);
	buf_free(&payload);
	return message;
}

static void
is_frame(const char *event, const char *data, enum frame_kind kind, const char *bytes, const char *what)
{
	struct message *message = make(event, data);
	const char *first;

	is_int(frame_share(message), kind, what);
	first = message->frame.data;
	if (bytes)
		is_string(first, bytes, what);
	ok(frame_share(message) == kind && message->frame.data == first, "and is not read again");
	message_unref(message);
}

int
main(void)
{
	is_frame("\"text\"", "\"a\\u0022\\n\"", FRAME_TEXT, "a\"\n", "a string is a text");
	is_frame("\"text\"", "\"\"", FRAME_TEXT, NULL, "an empty one is");
	is_frame("\"binary\"", "\"Zm9v\\/w==\"", FRAME_BINARY, "foo\xff", "base64 is bytes");
	is_frame("\"binary\"", "\"\"", FRAME_BINARY, NULL, "none is");
	is_frame("\"binary\"", "\"Zm9\"", FRAME_NONE, NULL, "what is no base64 is no frame");
	is_frame("\"text\"", "\"a\\ud800\"", FRAME_NONE, NULL, "nor is half a character");
	is_frame("\"text\"", "{}", FRAME_NONE, NULL, "nor is what is no string");
	is_frame("\"text\"", "", FRAME_NONE, NULL, "nor nothing");
	is_frame("\"chat\"", "\"a\"", FRAME_NONE, NULL, "nor another event");
	return done();
}
