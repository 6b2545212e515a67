/* Reading answers: see hook.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/hook.h"
#include "codec/native_op.h"

#define REASON_MAX 1024 /* Bytes of the code and of the message of a refusal, each. */

/* The members of an action. */
enum { DO, TO, ROOM, EVENT, DATA, MAX, SESSION, FIELDS };

static const char *const field_names[FIELDS] = {"do", "to", "room", "event", "data", "max", "session"};

/* ---- Actions ---- */

/* Exactly one of "id", "room", "others" and "user". */
static bool
read_target(struct native_parse *p, struct client_op *op, struct jspan to)
{
	static const char *const names[] = {"id", "room", "others", "user"};
	struct jspan values[4] = {{NULL, 0}};
	int given;

	if (jspan_type(to) == JSPAN_OBJECT)
		jspan_pick(to, names, values, 4);
	given = !!values[0].text + !!values[1].text + !!values[2].text + !!values[3].text;
	if (given != 1)
		return native_fail(p->error, "bad_op", "The \"to\" of an emit has one of: id, room, others, user.");
	if (values[3].text)
		return native_op_user(p, op, values[3]);
	op->kind = values[0].text ? CLIENT_SEND_SESSION : CLIENT_SEND_ROOM;
	op->others = values[2].text != NULL;
	if (values[0].text)
		return native_op_id(p, &op->to, values[0], "id");
	return native_op_room(p, op, values[1].text ? values[1] : values[2]);
}

static bool
read_message(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	return native_op_event(p, op, fields[EVENT]) && native_op_data(p, &op->data, fields[DATA], p->limits->message);
}

static bool
read_emit(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	return read_target(p, op, fields[TO]) && read_message(p, op, fields);
}

static bool
read_append(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_SEND_ROOM;
	op->kept = true;
	return native_op_room(p, op, fields[ROOM]) && read_message(p, op, fields);
}

static bool
read_join(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_JOIN;
	return native_op_room(p, op, fields[ROOM]);
}

static bool
read_leave(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_LEAVE;
	return native_op_room(p, op, fields[ROOM]);
}

static bool
read_set(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_SET;
	if (!fields[DATA].text)
		return native_fail(p->error, "bad_op", "A set has \"data\".");
	return native_op_data(p, &op->data, fields[DATA], p->limits->data);
}

static bool
read_disconnect(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	(void)p, (void)fields;
	op->kind = CLIENT_END;
	return true;
}

/* It comes behind what is done before it, and so is an event of its own: the action is its data. */
static bool
read_history(struct native_parse *p, struct client_op *op, const struct jspan *fields)
{
	static const char event[] = "\"$history\"";
	uint64_t max;

	op->kind = CLIENT_EVENT;
	op->event = (struct jspan){event, sizeof event - 1};
	if (!jspan_count(fields[MAX], p->limits->history, &max) || max == 0)
		return native_fail(p->error, "bad_op", "\"max\" must be a number of messages from 1 to %u.", p->limits->history);
	return native_op_room(p, op, fields[ROOM]);
}

static const struct action {
	const char *name;
	bool (*read)(struct native_parse *, struct client_op *, const struct jspan *fields);
} actions[] = {
	{"emit", read_emit},
	{"append", read_append},
	{"join", read_join},
	{"leave", read_leave},
	{"set", read_set},
	{"history", read_history},
	{"disconnect", read_disconnect},
};

static const struct action *
find_action(struct native_parse *p, struct jspan name)
{
	if (jspan_text(name, &p->text) && p->text.len > 0)
		for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
			if (strcmp(p->text.data, actions[i].name) == 0)
				return &actions[i];
	return NULL;
}

static bool
read_action(struct native_parse *p, struct client_op *op, struct jspan value, const struct name *session)
{
	struct jspan fields[FIELDS] = {{NULL, 0}};
	const struct action *action;

	if (jspan_type(value) == JSPAN_OBJECT)
		jspan_pick(value, field_names, fields, FIELDS);
	action = find_action(p, fields[DO]);
	if (!action)
		return native_fail(p->error, "bad_op",
		    "Each of \"actions\" is an object with \"do\": emit, append, join, leave, set, history or disconnect.");
	op->session = *session;
	if (fields[SESSION].text && !native_op_id(p, &op->session, fields[SESSION], "session"))
		return false;
	if (!action->read(p, op, fields))
		return false;
	if (op->kind == CLIENT_EVENT)
		op->data = value;
	return true;
}

/* ---- Answers ---- */

static bool
read_list(struct native_parse *p, struct hook_answer *answer, struct jspan list, const struct name *session,
    bool (*item)(struct native_parse *, struct client_op *, struct jspan, const struct name *), const char *what)
{
	struct jspan value;
	size_t at = 0, count = 0;

	if (!list.text)
		return true;
	if (jspan_type(list) != JSPAN_ARRAY)
		return native_fail(p->error, "bad_request", "\"%s\" must be an array.", what);
	while (jspan_next_element(list, &at, &value))
		count++;
	if (count > p->limits->ops)
		return native_fail(p->error, "too_many_ops", "%zu of \"%s\"; at most %u are taken at once.", count, what, p->limits->ops);
	answer->ops = mem_zero(count + 1, sizeof *answer->ops);
	at = 0;
	while (jspan_next_element(list, &at, &value))
		if (!item(p, &answer->ops[answer->count++], value, session))
			return false;
	return true;
}

static bool
read_room(struct native_parse *p, struct client_op *op, struct jspan value, const struct name *session)
{
	op->kind = CLIENT_JOIN;
	op->session = *session;
	return native_op_room(p, op, value);
}

/* A text for a refused client; what is none, or too long, is an error. */
static bool
read_reason(struct native_parse *p, struct buf *reason, struct jspan value, const char *what)
{
	if (!value.text || (jspan_text(value, reason) && reason->len <= REASON_MAX))
		return true;
	return native_fail(p->error, "bad_request", "\"%s\" must be a string of at most %d bytes.", what, REASON_MAX);
}

static bool
read_connect(struct native_parse *p, struct hook_answer *answer, struct jspan document, const struct name *session)
{
	static const char *const names[] = {"accept", "code", "message", "data", "rooms"};
	struct jspan values[5];
	enum jspan_type accept;

	jspan_pick(document, names, values, 5);
	accept = jspan_type(values[0]);
	if (accept != JSPAN_NONE && accept != JSPAN_TRUE && accept != JSPAN_FALSE)
		return native_fail(p->error, "bad_request", "\"accept\" must be true or false.");
	answer->refuses = accept == JSPAN_FALSE;
	return read_reason(p, &answer->code, values[1], "code") && read_reason(p, &answer->message, values[2], "message") &&
	    native_op_data(p, &answer->data, values[3], p->limits->data) &&
	    read_list(p, answer, values[4], session, read_room, "rooms");
}

static bool
read_effects(struct native_parse *p, struct hook_answer *answer, struct jspan document, const struct hook_event *event)
{
	static const char *const names[] = {"ack", "actions"};
	struct jspan values[2];

	jspan_pick(document, names, values, 2);
	if (event->kind == HOOK_MESSAGE && !native_op_data(p, &answer->ack, values[0], p->limits->message))
		return false;
	return read_list(p, answer, values[1], &event->session, read_action, "actions");
}

static bool
is_blank(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return len == 0;
}

bool
hook_read_answer(struct hook_answer *answer, const struct hook_event *event, const char *text, size_t len,
    const struct native_limits *limits, struct native_error *error)
{
	struct native_parse p = {limits, error, BUF_EMPTY};
	struct jspan document;
	bool good;

	*answer = (struct hook_answer){0};
	error->code = NULL;
	if (is_blank(text, len))
		return true;
	if (!jspan_check(&document, text, len))
		return native_fail(error, "bad_json", "The answer is not JSON in UTF-8, or nested deeper than %d.", JSPAN_DEPTH_MAX);
	if (jspan_type(document) != JSPAN_OBJECT)
		return native_fail(error, "bad_request", "The answer must be an object, or empty.");
	if (event->kind == HOOK_CONNECT)
		good = read_connect(&p, answer, document, &event->session);
	else
		good = read_effects(&p, answer, document, event);
	if (!good)
		hook_answer_free(answer);
	buf_free(&p.text);
	return good;
}

void
hook_answer_free(struct hook_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->ops[i].room);
	free(answer->ops);
	buf_free(&answer->code);
	buf_free(&answer->message);
	*answer = (struct hook_answer){0};
}

/* ---- What comes of them ---- */

void
hook_write_ack(struct buf *b, struct entry_id id, struct jspan ack)
{
	char text[ENTRY_ID_SIZE];

	buf_addf(b, "{\"id\":\"%s\",\"data\":", entry_id_format(text, id));
	buf_add(b, ack.text, ack.len);
	buf_adds(b, "}");
}

void
hook_write_failure(struct buf *b, struct entry_id id, const char *code, const char *detail)
{
	char text[ENTRY_ID_SIZE];

	buf_addf(b, "{\"id\":\"%s\",\"error\":{\"code\":\"%s\",\"detail\":", entry_id_format(text, id), code);
	jspan_quote(b, detail, strlen(detail));
	buf_adds(b, "}}");
}

bool
hook_read_history(struct hook_history *history, struct jspan action, const struct native_limits *limits)
{
	static const char *const names[] = {"room", "max"};
	struct jspan values[2];
	uint64_t max;

	if (jspan_type(action) != JSPAN_OBJECT)
		return false;
	jspan_pick(action, names, values, 2);
	if (!jspan_text(values[0], &history->room) || !native_room_name(history->room.data, history->room.len, limits->room_name) ||
	    !jspan_count(values[1], limits->history, &max) || max == 0)
		return false;
	history->max = (uint32_t)max;
	return true;
}
