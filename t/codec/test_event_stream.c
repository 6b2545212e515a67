#include "codec/event_stream.h"

#include "../tap.h"

static void
on_event(void *arg, const char *name, const char *data, size_t len)
{
	buf_addf(arg, "[%s|%zu|%s]", name, len, data);
}

static void
is_read(const char *text, const char *wanted, const char *what)
{
	struct event_stream stream = {.max = 32};
	struct buf seen = BUF_EMPTY;

	buf_adds(&seen, "");
	ok(event_stream_feed(&stream, text, strlen(text), on_event, &seen), "%s", what);
	is_string(seen.data, wanted, "... which is read");
	event_stream_free(&stream);
	buf_free(&seen);
}

int
main(void)
{
	struct event_stream stream = {.max = 8};
	struct buf seen = BUF_EMPTY;

	is_read("data: a\n\n", "[message|1|a]", "an event without a name is a message");
	is_read("event: taken\ndata: {}\n\ndata:b\n\n", "[taken|2|{}][message|1|b]", "a name is of one event");
	is_read("data: a\ndata:  b\n\n", "[message|4|a\n b]", "lines of data are joined, and one space before each is dropped");
	is_read("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[message|1|a][message|1|b][message|1|c]", "lines end in three ways");
	is_read(": comment\n\nid: 7\nretry: 5\n\nevent: x\n\n", "", "what has no data is no event");
	is_read("data\n\n", "[message|0|]", "a field without a colon is empty");
	is_read("\xef\xbb\xbf" "data: a\n\ndata: b\n", "[message|1|a]", "a byte order mark is skipped, what is unfinished dropped");
	ok(!event_stream_feed(&stream, "data: 12345678", 14, on_event, &seen), "a line over the limit is refused");
	event_stream_reset(&stream);
	ok(!event_stream_feed(&stream, "data:12\ndata:34\ndata:56\n", 24, on_event, &seen), "and so is data over it");
	is_int((int64_t)seen.len, 0, "... without an event");
	event_stream_free(&stream);
	buf_free(&seen);
	return done();
}
