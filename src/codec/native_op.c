/* Reading operations: see native_op.h. */
#include "codec/native_op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/grants.h"
#include "codec/token.h"

/* The members of an operation. */
enum { OP, TO, ROOM, USER, EVENT, DATA, SELF, HISTORY, MAX, SESSION, FIELDS };

static const char *const field_names[FIELDS] = {"op", "to", "room", "user", "event", "data", "self", "history", "max", "session"};

bool
native_fail(struct native_error *error, const char *code, const char *format, ...)
{
	va_list ap;

	error->code = code;
	va_start(ap, format);
	vsnprintf(error->detail, sizeof error->detail, format, ap);
	va_end(ap);
	return false;
}

bool
native_room_name(const char *name, size_t len, uint32_t max)
{
	struct jspan value;
	struct buf quoted = BUF_EMPTY;
	bool good = len > 0 && len <= max;

	for (size_t i = 0; good && i < len; i++)
		good = (unsigned char)name[i] >= 0x20 && name[i] != 0x7f;
	if (good) {
		jspan_quote(&quoted, name, len);
		good = jspan_check(&value, quoted.data, quoted.len);
	}
	buf_free(&quoted);
	return good;
}

bool
native_op_room(struct native_parse *p, struct client_op *op, struct jspan room)
{
	if (!jspan_string(room, &p->text) || p->text.len == 0 || strlen(p->text.data) != p->text.len)
		return native_fail(p->error, "bad_op", "room must be a string that is not empty.");
	if (!native_room_name(p->text.data, p->text.len, p->limits->room_name))
		return native_fail(p->error, "bad_op", "A room's name has 1 to %u bytes and no control characters.", p->limits->room_name);
	op->room = mem_copy(p->text.data, p->text.len);
	return true;
}

bool
native_op_event(struct native_parse *p, struct client_op *op, struct jspan event)
{
	if (!jspan_string(event, &p->text) || p->text.len == 0)
		return native_fail(p->error, "bad_op", "event must be a string that is not empty.");
	if (p->text.len > p->limits->event)
		return native_fail(p->error, "bad_op", "An event's name has at most %u bytes.", p->limits->event);
	if (p->text.data[0] == '$')
		return native_fail(p->error, "bad_op", "Events that begin with $ are the gateway's.");
	op->event = event;
	return true;
}

bool
native_op_data(struct native_parse *p, struct jspan *to, struct jspan data, size_t max)
{
	if (data.text && data.len > max)
		return native_fail(p->error, "message_too_large", "data has %zu bytes of JSON; at most %zu are taken.", data.len, max);
	*to = data;
	return true;
}

bool
native_op_id(struct native_parse *p, struct name *id, struct jspan value, const char *what)
{
	if (!jspan_string(value, &p->text) || !name_parse(id, p->text.len ? p->text.data : "", p->text.len))
		return native_fail(p->error, "bad_op", "\"%s\" must be a session's id.", what);
	return true;
}

bool
native_op_user(struct native_parse *p, struct client_op *op, struct jspan user)
{
	if (!jspan_text(user, &p->text) || p->text.len > GRANTS_USER_MAX)
		return native_fail(p->error, "bad_op", "\"user\" must be a string of at most %d bytes.", GRANTS_USER_MAX);
	op->kind = CLIENT_SEND_USER;
	user_name_key(&op->to, p->text.data, p->text.len);
	return true;
}

static bool
parse_history(struct native_parse *p, struct client_op *op, struct jspan history)
{
	uint64_t n;

	if (!history.text)
		return true;
	if (!jspan_count(history, p->limits->history, &n))
		return native_fail(p->error, "bad_op", "\"history\" must be a number from 0 to %u.", p->limits->history);
	op->has_history = true;
	op->history = (uint32_t)n;
	return true;
}

/* To whom, and what: all of a send but whether its sender gets it, too. */
static bool
parse_message(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	struct jspan to = fields[TO], room = fields[ROOM];

	if (!!to.text == !!room.text)
		return native_fail(p->error, "bad_op", "A send has either \"to\" or \"room\".");
	op->kind = to.text ? CLIENT_SEND_SESSION : CLIENT_SEND_ROOM;
	if (to.text ? !native_op_id(p, &op->to, to, "to") : !native_op_room(p, op, room))
		return false;
	return native_op_event(p, op, fields[EVENT]) && native_op_data(p, &op->data, fields[DATA], p->limits->message);
}

static bool
parse_send(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	enum jspan_type self = jspan_type(fields[SELF]);

	if (self != JSPAN_NONE && self != JSPAN_TRUE && self != JSPAN_FALSE)
		return native_fail(p->error, "bad_op", "\"self\" must be true or false.");
	op->self = self == JSPAN_TRUE;
	if (p->limits->events && !fields[TO].text && !fields[ROOM].text) {
		op->kind = CLIENT_EVENT;
		return native_op_event(p, op, fields[EVENT]) && native_op_data(p, &op->data, fields[DATA], p->limits->message);
	}
	return parse_message(p, op, fields);
}

static bool
parse_join(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	uint64_t n = 0;

	op->kind = CLIENT_JOIN;
	if (!parse_history(p, op, fields[HISTORY]))
		return false;
	if (fields[MAX].text && (!jspan_count(fields[MAX], UINT32_MAX, &n) || n == 0))
		return native_fail(p->error, "bad_op", "\"max\" must be a number of members, at least 1.");
	op->max = (uint32_t)n;
	return native_op_room(p, op, fields[ROOM]);
}

bool
native_op_join(struct native_parse *p, struct client_op *op, struct jspan value)
{
	struct jspan fields[FIELDS];

	jspan_pick(value, field_names, fields, FIELDS);
	return parse_join(p, op, fields);
}

static bool
parse_leave(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_LEAVE;
	return native_op_room(p, op, fields[ROOM]);
}

static bool
parse_set(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_SET;
	return native_op_data(p, &op->data, fields[DATA], p->limits->data);
}

/* ---- Of a backend ---- */

static bool
parse_publish(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	if (fields[HISTORY].text && !fields[ROOM].text)
		return native_fail(p->error, "bad_op", "Only a room has a history.");
	if (!!fields[TO].text + !!fields[ROOM].text + !!fields[USER].text != 1)
		return native_fail(p->error, "bad_op", "A message has one of \"room\", \"to\" and \"user\".");
	if (!fields[USER].text)
		return parse_history(p, op, fields[HISTORY]) && parse_message(p, op, fields);
	return native_op_user(p, op, fields[USER]) && native_op_event(p, op, fields[EVENT]) &&
	    native_op_data(p, &op->data, fields[DATA], p->limits->message);
}

static bool
parse_append(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kept = true;
	if (!fields[ROOM].text)
		return native_fail(p->error, "bad_op", "Only a room has a history.");
	return parse_publish(p, op, fields);
}

static bool
parse_session_join(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	return native_op_id(p, &op->session, fields[SESSION], "session") && parse_join(p, op, fields);
}

static bool
parse_session_leave(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	return native_op_id(p, &op->session, fields[SESSION], "session") && parse_leave(p, op, fields);
}

static bool
parse_session_set(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	return native_op_id(p, &op->session, fields[SESSION], "session") && parse_set(p, op, fields);
}

static bool
parse_disconnect(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_END;
	return native_op_id(p, &op->session, fields[SESSION], "session");
}

bool
native_op_publish(struct native_parse *p, struct client_op *op, struct jspan value)
{
	struct jspan fields[FIELDS];

	jspan_pick(value, field_names, fields, FIELDS);
	return parse_publish(p, op, fields);
}

/* ---- Which it is ---- */

struct kind {
	const char *name;
	bool (*parse)(struct native_parse *p, struct client_op *op, const struct jspan *fields);
};

static bool
refuse_kind(struct native_parse *p, const struct kind *kinds)
{
	struct buf names = BUF_EMPTY;

	for (const struct kind *kind = kinds; kind->name; kind++)
		buf_addf(&names, "%s%s", kind > kinds ? ", " : "", kind->name);
	native_fail(p->error, "bad_op", "Each of \"ops\" is an object with \"op\", which is one of: %s.", names.data);
	buf_free(&names);
	return false;
}

static bool
parse_kind(struct native_parse *p, struct client_op *op, struct jspan value, const struct kind *kinds)
{
	struct jspan fields[FIELDS] = {{NULL, 0}};

	if (jspan_type(value) == JSPAN_OBJECT)
		jspan_pick(value, field_names, fields, FIELDS);
	for (const struct kind *kind = kinds; kind->name; kind++)
		if (jspan_is(fields[OP], kind->name))
			return kind->parse(p, op, fields);
	return refuse_kind(p, kinds);
}

bool
native_op_parse(struct native_parse *p, struct client_op *op, struct jspan value)
{
	static const struct kind kinds[] = {{"send", parse_send}, {"join", parse_join}, {"leave", parse_leave}, {"set", parse_set},
		{NULL, NULL}};

	return parse_kind(p, op, value, kinds);
}

bool
native_op_order(struct native_parse *p, struct client_op *op, struct jspan value)
{
	static const struct kind kinds[] = {{"send", parse_publish}, {"append", parse_append}, {"join", parse_session_join},
		{"leave", parse_session_leave}, {"set", parse_session_set}, {"disconnect", parse_disconnect}, {NULL, NULL}};

	return parse_kind(p, op, value, kinds);
}
