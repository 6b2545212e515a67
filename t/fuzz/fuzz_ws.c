/*
 * Fuzzes what reads a WebSocket client's bytes: what is told must not depend on the parts in which they come, be no longer than
 * the limit, and be UTF-8 where it is text.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "net/ws_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 600 };

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check(const struct ws_event *event)
{
	struct utf8 utf8 = {0};

	if (event->code)
		return;
	must(event->len <= MAX);
	must(event->opcode == WS_TEXT || event->opcode == WS_BINARY || event->opcode == WS_PING || event->opcode == WS_PONG);
	must(event->opcode < WS_CLOSE || event->len <= WS_CONTROL_MAX);
	must(event->opcode != WS_TEXT || (utf8_read(&utf8, event->data, event->len) && utf8_is_whole(&utf8)));
}

static void
parse(struct buf *told, const uint8_t *data, size_t size, size_t step)
{
	struct evbuffer *input = evbuffer_new();
	struct ws_parser parser;
	struct ws_event event = {0};

	ws_parser_init(&parser, MAX);
	for (size_t at = 0; at < size && !event.code; at += step) {
		evbuffer_add(input, data + at, size - at < step ? size - at : step);
		while (!event.code && ws_parse(&parser, input, &event)) {
			check(&event);
			buf_addf(told, "%d/%u/%zu:", event.opcode, event.code, event.code ? 0 : event.len);
			if (!event.code)
				buf_add(told, event.data, event.len);
		}
		must(event.code || evbuffer_get_length(input) == 0);
		must(event.code || !ws_parser_is_idle(&parser) || !parser.frames);
	}
	ws_parser_free(&parser);
	evbuffer_free(input);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one = BUF_EMPTY, two = BUF_EMPTY;

	parse(&one, data, size, size + 1);
	parse(&two, data, size, 1);
	must(one.len == two.len && (one.len == 0 || memcmp(one.data, two.data, one.len) == 0));
	buf_free(&one);
	buf_free(&two);
	return 0;
}
