/*
 * Fuzzes what reads the native protocol: sends, openings, shared polls, cursors, payloads, and what backends ask for.  jansson is the judge of what is JSON: what it
 * accepts jspan accepts (up to its depth), and what jspan accepts jansson refuses only for reasons that are not syntax.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/cursor.h"
#include "codec/message.h"
#include "codec/native.h"
#include "codec/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct native_limits limits = {.ops = 8, .event = 16, .room_name = 32, .history = 100, .polls = 4, .rooms = 8, .message = 4096, .data = 256};

static int
deepest(const char *text, size_t len)
{
	int depth = 0, most = 0;

	for (size_t i = 0; i < len; i++) {
		depth += text[i] == '[' || text[i] == '{';
		depth -= text[i] == ']' || text[i] == '}';
		most = depth > most ? depth : most;
	}
	return most;
}

static void
compare_with_jansson(const char *text, size_t len)
{
	json_error_t error;
	struct jspan value;
	bool accepted = jspan_check(&value, text, len);
	json_t *other = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

	if (memchr(text, 0, len)) /* To jansson a NUL is the end. */
		accepted = other != NULL;
	if (other && !accepted && deepest(text, len) < JSPAN_DEPTH_MAX)
		abort();
	if (!other && accepted && json_error_code(&error) != json_error_numeric_overflow &&
	    json_error_code(&error) != json_error_null_byte_in_key && !memmem(text, len, "\\u", 2))
		abort();
	json_decref(other);
}

/* All values inside can be walked over, and the walk ends. */
static void
walk(struct jspan value)
{
	struct jspan key, inner;
	struct buf text = BUF_EMPTY;
	size_t at = 0;

	switch (jspan_type(value)) {
	case JSPAN_OBJECT:
		while (jspan_next_member(value, &at, &key, &inner)) {
			jspan_string(key, &text);
			walk(inner);
		}
		break;
	case JSPAN_ARRAY:
		while (jspan_next_element(value, &at, &inner))
			walk(inner);
		break;
	default:
		jspan_string(value, &text);
	}
	buf_free(&text);
}

static void
round_trip_cursor(const char *text)
{
	struct cursor cursor, again;
	struct buf b = BUF_EMPTY;

	if (!cursor_parse(&cursor, text, 8))
		return;
	cursor_write(&b, &cursor);
	if (!cursor_parse(&again, b.data, 8) || again.count != cursor.count || again.dirty != cursor.dirty)
		abort();
	cursor_free(&again);
	cursor_free(&cursor);
	buf_free(&b);
}

static void
round_trip_payload(const char *payload, size_t len)
{
	struct message *message = message_new((struct entry_id){1, 0}, "room", payload, len);
	struct buf b = BUF_EMPTY;

	if (message)
		native_write_message(&b, message);
	message_unref(message);
	buf_free(&b);
}

/* A key, written as a string of RFC 8941, is read as itself. */
static void
check_key(const char *text)
{
	struct buf key = BUF_EMPTY, quoted = BUF_EMPTY, again = BUF_EMPTY;

	if (order_key_parse(&key, text, 64)) {
		buf_adds(&quoted, "\"");
		for (size_t i = 0; i < key.len; i++)
			buf_addf(&quoted, "%s%c", strchr("\"\\", key.data[i]) ? "\\" : "", key.data[i]);
		buf_adds(&quoted, "\"");
		if (key.len > 64 || !order_key_parse(&again, quoted.data, 64) || strcmp(again.data, key.data) != 0)
			abort();
	}
	buf_free(&key);
	buf_free(&quoted);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_copy(data, size);
	struct native_request request;
	struct native_polls polls;
	struct native_frame frame;
	struct native_error error;
	struct jspan value;

	compare_with_jansson(text, size);
	if (jspan_check(&value, text, size))
		walk(value);
	if (native_parse_send(&request, text, size, &limits, &error))
		native_request_free(&request);
	if (native_parse_open(&request, text, size, &limits, &error))
		native_request_free(&request);
	if (native_parse_order(&request, text, size, &limits, &error))
		native_request_free(&request);
	if (native_parse_publish(&request, text, size, &limits, &error))
		native_request_free(&request);
	check_key(text);
	if (native_parse_frame(&frame, text, size, &limits) && frame.ping.text)
		walk(frame.ping);
	cursor_free(&frame.cursor);
	if (native_parse_polls(&polls, text, size, &limits, &error))
		native_polls_free(&polls);
	round_trip_cursor(text);
	round_trip_payload(text, size);
	free(text);
	return 0;
}
