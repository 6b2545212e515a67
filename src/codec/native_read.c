/* Reading the native protocol's answers. */
#include "codec/native_read.h"

#include <string.h>

/* A cursor travels in queries as it is: RFC 3986 section 2.3. */
static bool
read_cursor(struct buf *cursor, struct jspan value)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	return jspan_string(value, cursor) && cursor->len > 0 && strspn(cursor->data, unreserved) == cursor->len;
}

static bool
read_name(struct name *name, struct jspan value)
{
	return jspan_type(value) == JSPAN_STRING && name_parse(name, value.text + 1, value.len - 2);
}

static bool
read_entry_id(struct entry_id *id, struct jspan value)
{
	return jspan_type(value) == JSPAN_STRING && entry_id_parse(id, value.text + 1, value.len - 2);
}

/* A string, or nothing for none. */
static bool
read_optional(struct buf *text, struct jspan value)
{
	buf_clear(text);
	return !value.text || jspan_string(value, text);
}

static bool
is_array_or_none(struct jspan value)
{
	return !value.text || jspan_type(value) == JSPAN_ARRAY;
}

static bool
pick(const char *text, size_t len, const char *const *names, struct jspan *values, size_t n)
{
	struct jspan document;

	if (!jspan_check(&document, text, len) || jspan_type(document) != JSPAN_OBJECT)
		return false;
	jspan_pick(document, names, values, n);
	return true;
}

bool
native_read_opened(struct native_opened *opened, const char *text, size_t len)
{
	static const char *const names[] = {"id", "cursor", "hold", "seq", "transports", "rooms"};
	struct jspan v[6];

	opened->seq = 0;
	if (!pick(text, len, names, v, 6) || !read_name(&opened->id, v[0]) || !read_cursor(&opened->cursor, v[1]))
		return false;
	opened->transports = v[4];
	opened->rooms = v[5];
	return jspan_count(v[2], UINT32_MAX, &opened->hold_ms) && (!v[3].text || jspan_count(v[3], NATIVE_SEQ_MAX, &opened->seq)) &&
	    is_array_or_none(v[4]) && is_array_or_none(v[5]);
}

bool
native_offers(const struct native_opened *opened, const char *transport)
{
	struct jspan value;
	size_t at = 0;

	while (opened->transports.text && jspan_next_element(opened->transports, &at, &value))
		if (jspan_is(value, transport))
			return true;
	return false;
}

void
native_opened_free(struct native_opened *opened)
{
	buf_free(&opened->cursor);
}

bool
native_read_batch(struct native_batch *batch, const char *text, size_t len)
{
	static const char *const names[] = {"cursor", "messages", "gaps"};
	struct jspan v[3];

	if (!pick(text, len, names, v, 3) || !read_cursor(&batch->cursor, v[0]))
		return false;
	batch->messages = v[1];
	batch->gaps = v[2];
	return jspan_type(v[1]) == JSPAN_ARRAY && is_array_or_none(v[2]);
}

void
native_batch_free(struct native_batch *batch)
{
	buf_free(&batch->cursor);
}

bool
native_read_message(struct native_received *message, struct jspan value)
{
	static const char *const names[] = {"id", "from", "room", "event", "data"};
	struct jspan v[5];

	if (jspan_type(value) != JSPAN_OBJECT)
		return false;
	jspan_pick(value, names, v, 5);
	message->data = v[4];
	message->from = (struct name){""};
	return read_entry_id(&message->id, v[0]) && (!v[1].text || read_name(&message->from, v[1])) && read_optional(&message->room, v[2]) &&
	    jspan_string(v[3], &message->event) && v[4].text;
}

void
native_received_free(struct native_received *message)
{
	buf_free(&message->room);
	buf_free(&message->event);
}

bool
native_read_gap(struct native_missing *gap, struct jspan value)
{
	static const char *const names[] = {"room", "from", "to"};
	struct jspan v[3];

	if (jspan_type(value) != JSPAN_OBJECT)
		return false;
	jspan_pick(value, names, v, 3);
	return read_optional(&gap->room, v[0]) && read_entry_id(&gap->from, v[1]) && read_entry_id(&gap->to, v[2]);
}

void
native_missing_free(struct native_missing *gap)
{
	buf_free(&gap->room);
}

bool
native_read_sent(uint64_t *seq, struct jspan *results, const char *text, size_t len)
{
	static const char *const names[] = {"seq", "results"};
	struct jspan v[2];

	*seq = 0;
	if (!pick(text, len, names, v, 2) || jspan_type(v[1]) != JSPAN_ARRAY)
		return false;
	*results = v[1];
	return !v[0].text || jspan_count(v[0], NATIVE_SEQ_MAX, seq);
}

static bool
read_problem(struct native_problem *problem, struct jspan value)
{
	static const char *const names[] = {"code", "detail", "expected"};
	struct jspan v[3];

	problem->expected = 0;
	if (jspan_type(value) != JSPAN_OBJECT)
		return false;
	jspan_pick(value, names, v, 3);
	return jspan_string(v[0], &problem->code) && read_optional(&problem->detail, v[1]) &&
	    (!v[2].text || jspan_count(v[2], NATIVE_SEQ_MAX, &problem->expected));
}

bool
native_read_problem(struct native_problem *problem, const char *text, size_t len)
{
	struct jspan document;

	return jspan_check(&document, text, len) && read_problem(problem, document);
}

bool
native_read_refusal(struct native_problem *problem, struct jspan result)
{
	static const char *const names[] = {"error"};
	struct jspan error = {NULL, 0};

	if (jspan_type(result) == JSPAN_OBJECT)
		jspan_pick(result, names, &error, 1);
	return error.text && read_problem(problem, error);
}

void
native_problem_free(struct native_problem *problem)
{
	buf_free(&problem->code);
	buf_free(&problem->detail);
}
