/* RFC 6455, sections 5, 7.4 and 8.1: what a client may send, in whatever parts it comes. */
#include "net/ws_parse.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "../tap.h"

enum { MAX = 70000 };

static struct ws_parser parser;
static struct evbuffer *input;
static char big[MAX + 2];

/* A masked frame; first: FIN, RSV and opcode. */
static void
frame(struct buf *b, unsigned first, const void *data, size_t len)
{
	static const unsigned char key[4] = {0x12, 0x84, 0xfe, 0x5d};
	unsigned char head[14] = {(unsigned char)first};
	size_t n = 2;

	if (len > 65535) {
		head[1] = 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			head[n++] = (unsigned char)((uint64_t)len >> shift);
	} else if (len > 125) {
		head[1] = 126;
		head[n++] = (unsigned char)(len >> 8);
		head[n++] = (unsigned char)len;
	} else {
		head[1] = (unsigned char)len;
	}
	head[1] |= 0x80;
	memcpy(head + n, key, 4);
	buf_add(b, head, n + 4);
	for (size_t i = 0; i < len; i++) {
		char c = (char)(((const unsigned char *)data)[i] ^ key[i % 4]);

		buf_add(b, &c, 1);
	}
}

/* What becomes of the bytes, a line for each event; step: how many come at once. */
static const char *
told(const struct buf *bytes, size_t step)
{
	static struct buf said;
	struct ws_event event = {0};

	buf_clear(&said);
	buf_adds(&said, "");
	ws_parser_init(&parser, MAX);
	for (size_t at = 0; at < bytes->len && !event.code; at += step) {
		evbuffer_add(input, bytes->data + at, bytes->len - at < step ? bytes->len - at : step);
		while (!event.code && ws_parse(&parser, input, &event)) {
			buf_addf(&said, "%d/%u/", event.opcode, event.code);
			if (event.len > 40)
				buf_addf(&said, "%zu bytes", event.len);
			else if (!event.code || event.opcode == WS_CLOSE)
				buf_add(&said, event.data, event.len);
			buf_adds(&said, " ");
		}
	}
	if (!event.code)
		buf_adds(&said, ws_parser_is_idle(&parser) ? "idle" : "more");
	if (!event.code && parser.held + parser.left == 0 && parser.frames)
		buf_adds(&said, ", with a buffer");
	ws_parser_free(&parser);
	evbuffer_drain(input, evbuffer_get_length(input));
	return said.data;
}

/* Takes bytes. */
static void
is(struct buf *bytes, const char *wanted, const char *what)
{
	char *at_once = strdup(told(bytes, bytes->len + 1));

	if (strcmp(at_once, told(bytes, 1)) != 0)
		is_string(told(bytes, 1), at_once, "the same comes of it byte by byte");
	is_string(at_once, wanted, what);
	free(at_once);
	buf_free(bytes);
}

static void
test_messages(void)
{
	struct buf b = BUF_EMPTY;

	frame(&b, 0x81, "hello", 5);
	is(&b, "1/0/hello idle", "a text");
	frame(&b, 0x82, "\xff\xfe", 2);
	is(&b, "2/0/\xff\xfe idle", "a binary message");
	frame(&b, 0x81, "", 0);
	frame(&b, 0x82, "", 0);
	is(&b, "1/0/ 2/0/ idle", "empty messages");
	frame(&b, 0x81, big, 125);
	frame(&b, 0x81, big, 126);
	frame(&b, 0x81, big, 65535);
	frame(&b, 0x81, big, 65536);
	frame(&b, 0x81, big, MAX);
	is(&b, "1/0/125 bytes 1/0/126 bytes 1/0/65535 bytes 1/0/65536 bytes 1/0/70000 bytes idle", "each form of a length");
	frame(&b, 0x81, big, MAX + 1);
	is(&b, "8/1009/ ", "a message over the limit");
	frame(&b, 0x01, big, MAX);
	frame(&b, 0x80, big, 1);
	is(&b, "8/1009/ ", "also when no fragment of it is");
}

static void
test_fragments(void)
{
	struct buf b = BUF_EMPTY;

	frame(&b, 0x01, "he", 2);
	frame(&b, 0x00, "l", 1);
	frame(&b, 0x00, "", 0);
	frame(&b, 0x80, "lo", 2);
	is(&b, "1/0/hello idle", "fragments make one message");
	frame(&b, 0x02, "", 0);
	frame(&b, 0x80, "x", 1);
	is(&b, "2/0/x idle", "the first may be empty");
	frame(&b, 0x01, "he", 2);
	frame(&b, 0x89, "now", 3);
	frame(&b, 0x8a, "", 0);
	frame(&b, 0x80, "y", 1);
	is(&b, "9/0/now 10/0/ 1/0/hey idle", "control frames may come between them");
	frame(&b, 0x01, "he", 2);
	is(&b, "more", "a message is not there before its last fragment");
	frame(&b, 0x80, "x", 1);
	is(&b, "8/1002/ ", "nothing can be continued at the beginning");
	frame(&b, 0x81, "a", 1);
	frame(&b, 0x00, "x", 1);
	is(&b, "1/0/a 8/1002/ ", "nor behind a whole message");
	frame(&b, 0x01, "a", 1);
	frame(&b, 0x81, "x", 1);
	is(&b, "8/1002/ ", "a message does not begin amid another one");
}

static void
test_frames(void)
{
	struct buf b = BUF_EMPTY;

	for (unsigned rsv = 0x10; rsv <= 0x40; rsv <<= 1) {
		frame(&b, 0x81 | rsv, "x", 1);
		is(&b, "8/1002/ ", "a reserved bit");
	}
	for (unsigned opcode = 3; opcode <= 15; opcode = opcode == 7 ? 11 : opcode + 1) {
		frame(&b, 0x80 | opcode, "x", 1);
		is(&b, "8/1002/ ", "a reserved opcode");
	}
	buf_add(&b, "\x81\x01x", 3);
	is(&b, "8/1002/ ", "a frame without a mask");
	frame(&b, 0x89, big, 125);
	is(&b, "9/0/125 bytes idle", "a control frame has up to 125 bytes");
	frame(&b, 0x89, big, 126);
	is(&b, "8/1002/ ", "not more");
	frame(&b, 0x09, "x", 1);
	is(&b, "8/1002/ ", "and no fragments");
	buf_add(&b, "\x81\xfe\x00\x7d", 4);
	is(&b, "8/1002/ ", "a length in two bytes where one does");
	buf_add(&b, "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10);
	is(&b, "8/1002/ ", "in eight where two do");
	buf_add(&b, "\x81\xff\x80\x00\x00\x00\x00\x01\x00\x00", 10);
	is(&b, "8/1002/ ", "a length with its highest bit set");
	buf_add(&b, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" "abcd" "x", 15);
	is(&b, "8/1009/ ", "a length of all that there is");
}

static void
test_text(void)
{
	struct buf b = BUF_EMPTY;

	frame(&b, 0x01, "\xe2", 1);
	frame(&b, 0x00, "\x82", 1);
	frame(&b, 0x80, "\xac", 1);
	is(&b, "1/0/\xe2\x82\xac idle", "a character may be parted over fragments");
	frame(&b, 0x81, "\xe2\x82", 2);
	is(&b, "1/1007/ ", "but not over messages");
	frame(&b, 0x01, "a\xff", 2);
	is(&b, "1/1007/ ", "what is not UTF-8 is refused before the message is whole");
	frame(&b, 0x01, "\xe2", 1);
	frame(&b, 0x80, "x", 1);
	is(&b, "1/1007/ ", "also at the border of fragments");
}

static void
test_close(void)
{
	static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	static const unsigned bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
	struct buf b = BUF_EMPTY;
	char payload[32], wanted[32];
	bool right = true;

	frame(&b, 0x88, "", 0);
	is(&b, "8/1005/ ", "a close frame need not have a code");
	frame(&b, 0x88, "\x0f\xa0" "bye", 5);
	is(&b, "8/4000/bye ", "it may have one and a reason");
	frame(&b, 0x88, "\x03", 1);
	is(&b, "8/1002/\x03 ", "a code has two bytes");
	frame(&b, 0x88, "\x03\xe8\xff", 3);
	is(&b, "8/1007/\xff ", "a reason is UTF-8");
	frame(&b, 0x88, "\x03\xe8\xe2\x82", 4);
	is(&b, "8/1007/\xe2\x82 ", "whole UTF-8");
	for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
		bool is_good = i < sizeof good / sizeof good[0];
		unsigned code = is_good ? good[i] : bad[i - sizeof good / sizeof good[0]];

		payload[0] = (char)(code >> 8);
		payload[1] = (char)code;
		frame(&b, 0x88, payload, 2);
		snprintf(wanted, sizeof wanted, "8/%u/", is_good ? code : 1002);
		right &= strncmp(told(&b, 100), wanted, strlen(wanted)) == 0;
		buf_free(&b);
	}
	ok(right, "codes that may be in a frame are told, others are an error");
	frame(&b, 0x81, "a", 1);
	frame(&b, 0x88, "", 0);
	frame(&b, 0x81, "b", 1);
	is(&b, "1/0/a 8/1005/ ", "what is before a close frame is told, what is behind it not");
}

int
main(void)
{
	memset(big, 'x', sizeof big);
	input = evbuffer_new();
	test_messages();
	test_fragments();
	test_frames();
	test_text();
	test_close();
	evbuffer_free(input);
	return done();
}
