/* Reading and writing the native protocol's documents. */
#include "codec/native.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/native_op.h"
#include "codec/token.h"

/* A room of an opening: its name, or the object of a join. */
static bool
parse_opening_room(struct native_parse *p, struct client_op *op, struct jspan value)
{
	op->kind = CLIENT_JOIN;
	if (jspan_type(value) != JSPAN_OBJECT)
		return native_op_room(p, op, value);
	return native_op_join(p, op, value);
}

static bool
parse_list(struct native_parse *p, struct native_request *request, struct jspan list,
    bool (*item)(struct native_parse *, struct client_op *, struct jspan))
{
	struct jspan value;
	size_t at = 0, count = 0;

	while (jspan_next_element(list, &at, &value))
		count++;
	if (count > p->limits->ops)
		return native_fail(p->error, "too_many_ops", "%zu operations; at most %u are taken at once.", count, p->limits->ops);
	request->ops = mem_zero(count + 1, sizeof *request->ops);
	at = 0;
	while (jspan_next_element(list, &at, &value))
		if (!item(p, &request->ops[request->count++], value))
			return false;
	return true;
}

/* A string in which no NUL ends it early. */
static bool
parse_text(struct buf *text, struct jspan value)
{
	return jspan_string(value, text) && text->len > 0 && strlen(text->data) == text->len;
}

static bool
parse_cursor(struct cursor *cursor, struct buf *text, struct jspan value, const struct native_limits *limits)
{
	return parse_text(text, value) && cursor_parse(cursor, text->data, limits->rooms);
}

static bool
parse_send(struct native_parse *p, struct native_request *request, struct jspan document)
{
	static const char *const names[] = {"seq", "ops", "cursor"};
	struct jspan values[3], seq, ops, cursor;

	if (jspan_type(document) != JSPAN_OBJECT)
		return native_fail(p->error, "bad_request", "The body must be an object with \"ops\".");
	jspan_pick(document, names, values, 3);
	seq = values[0];
	ops = values[1];
	cursor = values[2];
	if (cursor.text && !parse_cursor(&request->cursor, &p->text, cursor, p->limits))
		return native_fail(p->error, "bad_cursor", "The cursor is not one that this gateway gave.");
	request->has_cursor = cursor.text != NULL;
	if (request->has_cursor && !ops.text && !seq.text)
		return true;
	if (jspan_type(ops) != JSPAN_ARRAY)
		return native_fail(p->error, "bad_request", "\"ops\" must be an array of operations.");
	if (seq.text && (!jspan_count(seq, (UINT64_C(1) << 53) - 1, &request->seq) || request->seq == 0))
		return native_fail(p->error, "bad_request", "\"seq\" must be a whole number from 1 to 2^53-1.");
	return parse_list(p, request, ops, native_op_parse);
}

static bool
parse_open(struct native_parse *p, struct native_request *request, struct jspan document)
{
	static const char *const names[] = {"rooms", "data", "token", "auth"};
	struct jspan values[4], rooms;

	if (jspan_type(document) != JSPAN_OBJECT)
		return native_fail(p->error, "bad_request", "The body must be an object, or empty.");
	jspan_pick(document, names, values, 4);
	rooms = values[0];
	if (rooms.text && jspan_type(rooms) != JSPAN_ARRAY)
		return native_fail(p->error, "bad_request", "\"rooms\" must be an array of rooms.");
	if (rooms.text && !parse_list(p, request, rooms, parse_opening_room))
		return false;
	request->token = values[2];
	request->auth = values[3];
	return native_op_data(p, &request->data, values[1], p->limits->data);
}

static bool
parse_order(struct native_parse *p, struct native_request *request, struct jspan document)
{
	static const char *const names[] = {"ops"};
	struct jspan ops = {NULL, 0}, first;
	size_t at = 0;

	if (jspan_type(document) == JSPAN_OBJECT)
		jspan_pick(document, names, &ops, 1);
	if (jspan_type(ops) != JSPAN_ARRAY || !jspan_next_element(ops, &at, &first))
		return native_fail(p->error, "bad_request", "The body must be an object with \"ops\", an array of at least one operation.");
	return parse_list(p, request, ops, native_op_order);
}

static bool
parse_publish(struct native_parse *p, struct native_request *request, struct jspan document)
{
	if (jspan_type(document) != JSPAN_OBJECT)
		return native_fail(p->error, "bad_request", "The body must be an object with \"room\", \"to\" or \"user\", and \"event\".");
	request->ops = mem_zero(1, sizeof *request->ops);
	request->count = 1;
	return native_op_publish(p, request->ops, document);
}

static bool
parse_renewal(struct native_parse *p, struct native_request *request, struct jspan document)
{
	static const char *const names[] = {"auth"};

	if (jspan_type(document) == JSPAN_OBJECT)
		jspan_pick(document, names, &request->auth, 1);
	return request->auth.text || native_fail(p->error, "bad_request", "The body must be an object with \"auth\", a JSON Web Token.");
}

static bool
check_document(struct jspan *document, const char *body, size_t len, struct native_error *error)
{
	if (!jspan_check(document, body, len))
		return native_fail(error, "bad_json", "The body is not JSON in UTF-8, or nested deeper than %d.", JSPAN_DEPTH_MAX);
	return true;
}

static bool
parse_document(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error, bool (*parse)(struct native_parse *, struct native_request *, struct jspan))
{
	struct native_parse p = {limits, error, BUF_EMPTY};
	struct jspan document;
	bool good;

	*request = (struct native_request){0};
	error->code = NULL;
	if (!check_document(&document, body, len, error))
		return false;
	good = parse(&p, request, document);
	if (!good)
		native_request_free(request);
	buf_free(&p.text);
	return good;
}

bool
native_parse_send(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	return parse_document(request, body, len, limits, error, parse_send);
}

bool
native_parse_open(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	if (len == 0)
		return parse_document(request, "{}", 2, limits, error, parse_open);
	return parse_document(request, body, len, limits, error, parse_open);
}

bool
native_parse_order(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	return parse_document(request, body, len, limits, error, parse_order);
}

bool
native_parse_publish(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	return parse_document(request, body, len, limits, error, parse_publish);
}

bool
native_parse_renewal(struct native_request *request, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	return parse_document(request, body, len, limits, error, parse_renewal);
}

bool
native_parse_frame(struct native_frame *frame, const char *text, size_t len, const struct native_limits *limits)
{
	static const char *const names[] = {"ping", "cursor", "seq", "ops"};
	struct jspan document, values[4] = {{NULL, 0}};
	struct buf cursor = BUF_EMPTY;
	bool good = true;

	if (jspan_check(&document, text, len) && jspan_type(document) == JSPAN_OBJECT)
		jspan_pick(document, names, values, 4);
	*frame = (struct native_frame){.ping = values[0], .has_cursor = values[1].text != NULL};
	frame->is_send = values[2].text || values[3].text || (!frame->ping.text && !frame->has_cursor);
	if (frame->has_cursor)
		good = parse_cursor(&frame->cursor, &cursor, values[1], limits);
	buf_free(&cursor);
	return good;
}

void
native_request_free(struct native_request *request)
{
	for (size_t i = 0; i < request->count; i++)
		free(request->ops[i].room);
	free(request->ops);
	cursor_free(&request->cursor);
	*request = (struct native_request){0};
}

static void
parse_poll(struct native_poll *poll, struct jspan value, const struct native_limits *limits, struct buf *text)
{
	static const char *const names[] = {"token", "cursor"};
	struct jspan values[2];

	jspan_pick(value, names, values, 2);
	if (!parse_text(text, values[0]) || !token_session(&poll->session, text->data))
		poll->wrong = "token_invalid";
	else if (values[1].text && !parse_cursor(&poll->cursor, text, values[1], limits))
		poll->wrong = "bad_cursor";
	else
		poll->has_cursor = values[1].text != NULL;
}

static bool
parse_polls(struct native_polls *polls, struct jspan document, const struct native_limits *limits, struct native_error *error)
{
	static const char *const names[] = {"polls", "hold"};
	struct jspan values[2] = {{NULL, 0}}, value;
	struct buf text = BUF_EMPTY;
	size_t at = 0, count = 0;

	if (jspan_type(document) == JSPAN_OBJECT)
		jspan_pick(document, names, values, 2);
	if (jspan_type(values[0]) != JSPAN_ARRAY)
		return native_fail(error, "bad_request", "The body must be an object with \"polls\", an array.");
	polls->has_hold = values[1].text != NULL;
	if (polls->has_hold && !jspan_count(values[1], UINT64_MAX, &polls->hold))
		return native_fail(error, "bad_request", "\"hold\" must be a number of milliseconds.");
	for (; jspan_next_element(values[0], &at, &value); count++)
		if (jspan_type(value) != JSPAN_OBJECT)
			return native_fail(error, "bad_request", "Each of \"polls\" is an object with \"token\" and \"cursor\".");
	if (count == 0)
		return native_fail(error, "bad_request", "\"polls\" must not be empty.");
	if (count > limits->polls)
		return native_fail(error, "too_many_polls", "%zu polls; at most %u are taken at once.", count, limits->polls);
	polls->polls = mem_zero(count, sizeof *polls->polls);
	at = 0;
	while (jspan_next_element(values[0], &at, &value))
		parse_poll(&polls->polls[polls->count++], value, limits, &text);
	buf_free(&text);
	return true;
}

bool
native_parse_polls(struct native_polls *polls, const char *body, size_t len, const struct native_limits *limits,
    struct native_error *error)
{
	struct jspan document;

	*polls = (struct native_polls){0};
	error->code = NULL;
	return check_document(&document, body, len, error) && parse_polls(polls, document, limits, error);
}

void
native_polls_free(struct native_polls *polls)
{
	for (size_t i = 0; i < polls->count; i++)
		if (polls->polls[i].has_cursor)
			cursor_free(&polls->polls[i].cursor);
	free(polls->polls);
	*polls = (struct native_polls){0};
}

/* Of several arguments the first is the data, and all are told besides. */
static void
write_data(struct buf *b, const struct message *message)
{
	struct jspan data = message_first(message), more;
	size_t at = 0;

	buf_adds(b, ",\"data\":");
	if (data.text)
		buf_add(b, data.text, data.len);
	else
		buf_adds(b, "null");
	if (message_has_args(message->flag) && jspan_next_element(message->data, &at, &more) &&
	    jspan_next_element(message->data, &at, &more)) {
		buf_adds(b, ",\"args\":");
		buf_add(b, message->data.text, message->data.len);
	}
}

void
native_write_message(struct buf *b, struct message *message)
{
	char id[ENTRY_ID_SIZE];
	struct buf *m = &message->native;

	if (m->len == 0) {
		buf_adds(m, "{\"id\":\"");
		buf_adds(m, entry_id_format(id, message->id));
		buf_adds(m, "\",");
		if (message_has_sender(message)) {
			buf_adds(m, "\"from\":\"");
			buf_add(m, message->from.s, NAME_LEN);
			buf_adds(m, "\",");
		}
		if (message->room) {
			buf_adds(m, "\"room\":");
			jspan_quote(m, message->room, strlen(message->room));
			buf_adds(m, ",");
		}
		buf_adds(m, "\"event\":");
		buf_add(m, message->event.text, message->event.len);
		write_data(m, message);
		buf_adds(m, "}");
	}
	buf_add(b, m->data, m->len);
}

static void
write_gap(struct buf *b, const struct gap *gap)
{
	char from[ENTRY_ID_SIZE], to[ENTRY_ID_SIZE];

	buf_adds(b, "{");
	if (gap->room) {
		buf_adds(b, "\"room\":");
		jspan_quote(b, gap->room, strlen(gap->room));
		buf_adds(b, ",");
	}
	buf_addf(b, "\"from\":\"%s\",\"to\":\"%s\"}", entry_id_format(from, gap->from), entry_id_format(to, gap->to));
}

void
native_write_batch(struct buf *b, const struct batch *batch)
{
	buf_adds(b, "{\"cursor\":\"");
	cursor_write(b, batch->cursor);
	buf_adds(b, "\",\"messages\":[");
	for (size_t i = 0; i < batch->count; i++) {
		if (i > 0)
			buf_adds(b, ",");
		native_write_message(b, batch->messages[i]);
	}
	buf_adds(b, "]");
	for (size_t i = 0; i < batch->gaps_count; i++) {
		buf_adds(b, i == 0 ? ",\"gaps\":[" : ",");
		write_gap(b, &batch->gaps[i]);
	}
	buf_adds(b, batch->gaps_count ? "]}" : "}");
}
