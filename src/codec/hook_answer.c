/* Reading answers: see hook.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/grants.h"
#include "codec/hook.h"
#include "codec/native_op.h"
#include "codec/socketio.h"
#include "codec/socketio_event.h"

#define REASON_MAX 1024 /* Bytes of the code and of the message of a refusal, each. */
#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* The members of an action. */
enum { DO, TO, ROOM, EVENT, DATA, ARGS, ACK, AS, MAX, SESSION, FIELDS };

static const char *const field_names[FIELDS] = {"do", "to", "room", "event", "data", "args", "ack", "as", "max", "session"};

struct reading {
	struct native_parse p;
	const struct hook_event *event;
	struct hook_answer *answer;
	struct jspan ack_history; /* The one that the ack has: what is kept of it; text NULL for none. */
};

static struct buf *
new_text(struct reading *r)
{
	struct buf *text = &r->answer->texts[r->answer->texts_count++];

	*text = (struct buf)BUF_EMPTY;
	return text;
}

static struct jspan
span_of(const struct buf *text)
{
	return (struct jspan){text->data, text->len};
}

static bool
fail(struct reading *r, const char *why)
{
	return native_fail(r->p.error, "bad_op", "%s", why);
}

/* False if value is none; true, and *flag stays as it is, if it is not there. */
static bool
read_flag(struct jspan value, bool *flag)
{
	enum jspan_type type = jspan_type(value);

	if (type != JSPAN_NONE)
		*flag = type == JSPAN_TRUE;
	return type == JSPAN_NONE || type == JSPAN_TRUE || type == JSPAN_FALSE;
}

/* ---- Parts of actions ---- */

/* Of the namespace that the event is of. */
static bool
read_room(struct reading *r, struct client_op *op, struct jspan room)
{
	struct buf title = BUF_EMPTY;

	if (!native_op_room(&r->p, op, room))
		return false;
	if (r->event->namespace.len == 1 && *op->room == '/')
		return fail(r, "No room of the namespace / has a name that begins with /: that would be another namespace's.");
	if (r->event->namespace.len <= 1)
		return true;
	socketio_write_title(&title, r->event->namespace, op->room, strlen(op->room));
	free(op->room);
	op->room = mem_copy(title.data, title.len);
	buf_free(&title);
	return strlen(op->room) <= r->p.limits->room_name || fail(r, "The room's name, with its namespace, is too long.");
}

/* All who are in the namespace. */
static void
take_namespace(struct reading *r, struct client_op *op)
{
	const struct jspan *namespace = &r->event->namespace;

	op->room = namespace->text ? mem_copy(namespace->text, namespace->len) : mem_string("/");
}

static bool
read_target(struct reading *r, struct client_op *op, struct jspan to)
{
	enum { ID, IN, OTHERS, ALL, USER, NAMES };
	static const char *const names[NAMES] = {"id", "room", "others", "all", "user"};
	struct jspan values[NAMES] = {{NULL, 0}}, room;
	int given = 0;

	if (jspan_type(to) == JSPAN_OBJECT)
		jspan_pick(to, names, values, NAMES);
	for (int i = 0; i < NAMES; i++)
		given += values[i].text != NULL;
	if (given != 1 || (values[ALL].text && jspan_type(values[ALL]) != JSPAN_TRUE))
		return fail(r, "The \"to\" of an emit has one of: id, room, others, user, all (which is true).");
	if (values[USER].text && r->event->kind == HOOK_CONNECT)
		return fail(r, "Who connects cannot send to a user yet.");
	if (values[USER].text)
		return native_op_user(&r->p, op, values[USER]);
	op->kind = values[ID].text ? CLIENT_SEND_SESSION : CLIENT_SEND_ROOM;
	op->others = values[OTHERS].text != NULL;
	if (values[ID].text)
		return native_op_id(&r->p, &op->to, values[ID], "id");
	room = values[IN].text ? values[IN] : values[OTHERS];
	if (!room.text || jspan_type(room) == JSPAN_TRUE) {
		take_namespace(r, op);
		return true;
	}
	return read_room(r, op, room);
}

/* The array of arguments: args, or of one, data, if there is any; -> how many binary values that has. */
static unsigned
write_values(struct buf *b, struct jspan data, struct jspan args)
{
	unsigned binaries = 0;

	if (args.text)
		return socketio_write_value(b, args);
	buf_adds(b, "[");
	if (data.text)
		binaries = socketio_write_value(b, data);
	buf_adds(b, "]");
	return binaries;
}

/* data, or the array args, as a message has them. */
static bool
read_values(struct reading *r, struct client_op *op, struct jspan data, struct jspan args)
{
	struct jspan given = args.text ? args : data;
	struct buf *text = new_text(r);
	unsigned binaries;

	if ((data.text && args.text) || (args.text && jspan_type(args) != JSPAN_ARRAY))
		return fail(r, "A message has \"data\", or the array \"args\", not both.");
	if (!given.text)
		return true;
	if (!native_op_data(&r->p, &op->data, given, r->p.limits->message))
		return false;
	binaries = write_values(text, data, args);
	op->form = binaries > 0 ? CLIENT_BINARY : args.text ? CLIENT_ARGS : CLIENT_DATA;
	if (op->form != CLIENT_DATA)
		op->data = span_of(text);
	return true;
}

/* ---- Actions ---- */

static bool
read_emit(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	op->address.asks = fields[ACK].text != NULL;
	if (op->address.asks && !jspan_count(fields[ACK], NUMBER_MAX, &op->address.number))
		return fail(r, "The \"ack\" of an emit is a number from 0 to 2^53-1.");
	if (r->event->namespace.text && jspan_type(fields[EVENT]) == JSPAN_STRING && socketio_is_reserved(fields[EVENT]))
		return fail(r, "An event of Socket.IO is not called connect, connect_error, disconnect, disconnecting, newListener or removeListener.");
	return read_target(r, op, fields[TO]) && native_op_event(&r->p, op, fields[EVENT]) &&
	    read_values(r, op, fields[DATA], fields[ARGS]);
}

static bool
read_append(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_SEND_ROOM;
	op->kept = true;
	return read_room(r, op, fields[ROOM]) && native_op_event(&r->p, op, fields[EVENT]) &&
	    native_op_data(&r->p, &op->data, fields[DATA], r->p.limits->message);
}

static bool
read_join(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_JOIN;
	return read_room(r, op, fields[ROOM]);
}

static bool
read_leave(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_LEAVE;
	return read_room(r, op, fields[ROOM]);
}

static bool
read_set(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	op->kind = CLIENT_SET;
	if (!fields[DATA].text)
		return fail(r, "A set has \"data\".");
	return native_op_data(&r->p, &op->data, fields[DATA], r->p.limits->data);
}

static bool
read_disconnect(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	(void)fields;
	op->kind = CLIENT_END;
	return r->event->kind != HOOK_CONNECT || fail(r, "Who connects is not disconnected, but not accepted.");
}

/* Does this answer let that session enter that room? */
static bool
is_joining(const struct hook_answer *answer, const struct client_op *like)
{
	for (size_t i = 0; i + 1 < answer->count; i++)
		if (answer->ops[i].kind == CLIENT_JOIN && name_equal(&answer->ops[i].session, &like->session) &&
		    strcmp(answer->ops[i].room, like->room) == 0)
			return true;
	return false;
}

/* What hook_read_history reads, without the brace at its end. */
static void
write_history(struct buf *b, const struct reading *r, const struct client_op *op, const struct jspan *fields)
{
	buf_adds(b, "{\"room\":");
	buf_add(b, fields[ROOM].text, fields[ROOM].len);
	buf_adds(b, ",\"title\":");
	jspan_quote(b, op->room, strlen(op->room));
	buf_adds(b, ",\"max\":");
	buf_add(b, fields[MAX].text, fields[MAX].len);
	if (fields[EVENT].text) {
		buf_adds(b, ",\"event\":");
		buf_add(b, fields[EVENT].text, fields[EVENT].len);
	}
	buf_addf(b, ",\"bare\":%s,\"joined\":%s", jspan_is(fields[AS], "data") ? "true" : "false", is_joining(r->answer, op) ? "true" : "false");
}

static bool
read_history(struct reading *r, struct client_op *op, const struct jspan *fields)
{
	static const char event[] = "\"$history\"";
	struct buf *text = new_text(r);
	bool is_of_ack = false;
	uint64_t max;

	if (!jspan_count(fields[MAX], r->p.limits->history, &max) || max == 0)
		return native_fail(r->p.error, "bad_op", "\"max\" must be a number of messages from 1 to %u.", r->p.limits->history);
	if (fields[AS].text && !jspan_is(fields[AS], "messages") && !jspan_is(fields[AS], "data"))
		return fail(r, "The \"as\" of a history is \"messages\" or \"data\".");
	if (!read_flag(fields[ACK], &is_of_ack) || (is_of_ack && (r->ack_history.text || r->event->kind != HOOK_MESSAGE ||
	    !name_equal(&op->session, &r->event->session))))
		return fail(r, "The \"ack\" of a history is true or false, and one at most, of the answer to a message, is the ack's.");
	if ((fields[EVENT].text && !native_op_event(&r->p, op, fields[EVENT])) || !read_room(r, op, fields[ROOM]))
		return false;
	write_history(text, r, op, fields);
	op->kind = CLIENT_EVENT;
	op->event = (struct jspan){event, sizeof event - 1};
	op->address.namespace = r->event->namespace;
	if (is_of_ack)
		r->ack_history = span_of(text);
	else
		buf_adds(text, "}");
	op->data = span_of(text);
	return true;
}

static const struct action {
	const char *name;
	bool (*read)(struct reading *, struct client_op *, const struct jspan *fields);
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
find_action(struct jspan name)
{
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (jspan_is(name, actions[i].name))
			return &actions[i];
	return NULL;
}

static bool
read_action(struct reading *r, struct client_op *op, struct jspan value)
{
	struct jspan fields[FIELDS] = {{NULL, 0}};
	const struct action *action;

	if (jspan_type(value) == JSPAN_OBJECT)
		jspan_pick(value, field_names, fields, FIELDS);
	action = find_action(fields[DO]);
	if (!action)
		return fail(r, "Each of \"actions\" is an object with \"do\": emit, append, join, leave, set, history or disconnect.");
	op->session = r->event->session;
	op->is_order = r->event->kind == HOOK_CONNECT;
	if (fields[SESSION].text && !native_op_id(&r->p, &op->session, fields[SESSION], "session"))
		return false;
	if (r->event->kind == HOOK_CONNECT && !name_equal(&op->session, &r->event->session))
		return fail(r, "What follows from a connect is done with the session that connects.");
	return action->read(r, op, fields);
}

static bool
read_room_name(struct reading *r, struct client_op *op, struct jspan value)
{
	op->kind = CLIENT_JOIN;
	op->session = r->event->session;
	return read_room(r, op, value);
}

/* ---- The acknowledgement ---- */

/* Of a session that is not of Socket.IO. */
static void
write_plain_ack(struct buf *b, const struct hook_event *event, struct jspan ack, struct jspan args)
{
	char id[ENTRY_ID_SIZE];
	struct jspan data = ack;
	size_t at = 0;

	if (args.text)
		jspan_next_element(args, &at, &data);
	buf_addf(b, "{\"id\":\"%s\",\"data\":", entry_id_format(id, event->id));
	if (data.text)
		buf_add(b, data.text, data.len);
	else
		buf_adds(b, "null");
	buf_adds(b, "}");
}

static struct client_op
ack_op(struct reading *r, unsigned binaries)
{
	static const char event[] = "\"$ack\"";
	struct client_op op = {.kind = CLIENT_SEND_SESSION, .to = r->event->session, .event = {event, sizeof event - 1}};
	struct buf *name;

	if (!r->event->namespace.text)
		return op;
	name = new_text(r);
	message_write_number(name, r->event->number);
	op.event = span_of(name);
	op.form = binaries > 0 ? CLIENT_ANSWER_BINARY : CLIENT_ANSWER;
	return op;
}

/* The history that is a part of the ack gets the ack as a part. */
static void
join_ack(struct reading *r, struct buf *text, unsigned binaries)
{
	struct hook_answer *answer = r->answer;

	for (size_t i = 0; i < answer->count; i++) {
		struct client_op *op = &answer->ops[i];
		struct buf whole = BUF_EMPTY;

		if (op->data.text != r->ack_history.text)
			continue;
		buf_add(&whole, op->data.text, op->data.len);
		buf_addf(&whole, ",\"binary\":%s,\"ack\":", binaries > 0 ? "true" : "false");
		buf_add(&whole, text->data, text->len);
		buf_adds(&whole, "}");
		buf_free(text);
		*text = whole;
		op->data = span_of(text);
		op->address.asks = r->event->asks;
		op->address.number = r->event->number;
	}
}

static void
drop_ack_history(struct hook_answer *answer, struct jspan history)
{
	for (size_t i = 0; i < answer->count; i++) {
		if (answer->ops[i].data.text != history.text)
			continue;
		free(answer->ops[i].room);
		answer->count--;
		memmove(&answer->ops[i], &answer->ops[i + 1], (answer->count - i) * sizeof answer->ops[i]);
		return;
	}
}

/* Where in the answer the session that it is about ends: what is behind that does not reach it. */
static size_t
find_end(const struct hook_answer *answer, const struct name *session)
{
	size_t at = 0;

	while (at < answer->count && (answer->ops[at].kind != CLIENT_END || !name_equal(&answer->ops[at].session, session)))
		at++;
	return at;
}

static void
add_ack(struct reading *r, const struct buf *text, unsigned binaries)
{
	struct hook_answer *answer = r->answer;
	size_t at = find_end(answer, &r->event->session);

	memmove(&answer->ops[at + 1], &answer->ops[at], (answer->count - at) * sizeof *answer->ops);
	answer->ops[at] = ack_op(r, binaries);
	answer->ops[at].data = span_of(text);
	answer->count++;
}

static bool
read_ack(struct reading *r, struct jspan ack, struct jspan args)
{
	struct hook_answer *answer = r->answer;
	struct buf *text = new_text(r);
	unsigned binaries = 0;
	struct jspan given = args.text ? args : ack;
	bool ends, waits;

	if ((ack.text && args.text) || (args.text && jspan_type(args) != JSPAN_ARRAY))
		return native_fail(r->p.error, "bad_request", "An answer has \"ack\", or the array \"ackArgs\", not both.");
	if (!native_op_data(&r->p, &given, given, r->p.limits->message))
		return false;
	ends = find_end(answer, &r->event->session) < answer->count;
	waits = !r->event->namespace.text || r->event->asks;
	if (r->ack_history.text && (ends || !waits)) { /* It would come too late, or nobody waits for it. */
		drop_ack_history(answer, r->ack_history);
		r->ack_history = (struct jspan){NULL, 0};
	}
	if (!waits)
		return true;
	if (!given.text && !r->ack_history.text)
		return true;
	if (!r->event->namespace.text)
		write_plain_ack(text, r->event, ack, args);
	else
		binaries = write_values(text, ack, args);
	if (r->ack_history.text) {
		join_ack(r, text, binaries);
		return true;
	}
	add_ack(r, text, binaries);
	return true;
}

/* ---- Answers ---- */

/* For an array's elements, behind what there is. */
static bool
has_room(struct reading *r, struct jspan list, const char *what)
{
	struct hook_answer *answer = r->answer;
	struct jspan value;
	size_t at = 0, count = answer->count;

	if (list.text && jspan_type(list) != JSPAN_ARRAY)
		return native_fail(r->p.error, "bad_request", "\"%s\" must be an array.", what);
	while (list.text && jspan_next_element(list, &at, &value))
		count++;
	if (count > r->p.limits->ops)
		return native_fail(r->p.error, "too_many_ops", "%zu of \"%s\"; at most %u are taken at once.", count, what, r->p.limits->ops);
	return true;
}

static bool
read_list(struct reading *r, struct jspan list, bool (*item)(struct reading *, struct client_op *, struct jspan), const char *what)
{
	struct jspan value;
	size_t at = 0;

	if (!has_room(r, list, what))
		return false;
	while (list.text && jspan_next_element(list, &at, &value))
		if (!item(r, &r->answer->ops[r->answer->count++], value))
			return false;
	return true;
}

/* A text for a refused client; what is none, or too long, is an error. */
static bool
read_reason(struct native_parse *p, struct buf *reason, struct jspan value, const char *what)
{
	if (!value.text || (jspan_text(value, reason) && reason->len <= REASON_MAX))
		return true;
	return native_fail(p->error, "bad_request", "\"%s\" must be a string of at most %d bytes.", what, REASON_MAX);
}

/* Who it is, and what it may do: everything, unless that is said. */
static bool
read_claims(struct reading *r, struct jspan user, struct jspan grants, struct jspan expires)
{
	static const char all[] = GRANTS_EVERYTHING;
	struct buf *text = new_text(r);
	struct grants_claims made;
	const char *wrong;
	uint64_t ms = 0;

	if (expires.text && (!jspan_count(expires, INT64_MAX / 2, &ms) || ms == 0))
		return native_fail(r->p.error, "bad_request", "\"expires\" must be a number of milliseconds.");
	if (!user.text && !grants.text && !expires.text)
		return true;
	buf_adds(text, "{\"" HOOK_CLAIM "\":");
	buf_add(text, grants.text ? grants.text : all, grants.text ? grants.len : sizeof all - 1);
	if (user.text) {
		buf_adds(text, ",\"sub\":");
		buf_add(text, user.text, user.len);
	}
	buf_adds(text, "}");
	r->answer->claims = span_of(text);
	r->answer->expires_ms = (int64_t)ms;
	wrong = grants_make(&made, r->answer->claims, HOOK_CLAIM, false, 0);
	buf_free(&made.grants);
	return !wrong || native_fail(r->p.error, "bad_request", "user and grants: %s", wrong);
}

static bool
read_connect(struct reading *r, struct jspan document)
{
	enum { ACCEPT, CODE, MESSAGE, PUBLIC, ROOMS, ACTIONS, USER, GRANTS, EXPIRES, NAMES };
	static const char *const names[NAMES] = {"accept", "code", "message", "data", "rooms", "actions", "user", HOOK_CLAIM, "expires"};
	struct jspan values[NAMES];
	struct hook_answer *answer = r->answer;
	bool accepts = true;

	jspan_pick(document, names, values, NAMES);
	if (!read_flag(values[ACCEPT], &accepts))
		return native_fail(r->p.error, "bad_request", "\"accept\" must be true or false.");
	answer->refuses = !accepts;
	if (!read_claims(r, values[USER], values[GRANTS], values[EXPIRES]) ||
	    !read_reason(&r->p, &answer->code, values[CODE], "code") || !read_reason(&r->p, &answer->message, values[MESSAGE], "message") ||
	    !native_op_data(&r->p, &answer->data, values[PUBLIC], r->p.limits->data) || !read_list(r, values[ROOMS], read_room_name, "rooms"))
		return false;
	answer->rooms = answer->count;
	return read_list(r, values[ACTIONS], read_action, "actions");
}

static bool
read_effects(struct reading *r, struct jspan document)
{
	static const char *const names[] = {"ack", "ackArgs", "actions"};
	struct jspan values[3];

	jspan_pick(document, names, values, 3);
	if (!read_list(r, values[2], read_action, "actions"))
		return false;
	return r->event->kind != HOOK_MESSAGE || read_ack(r, values[0], values[1]);
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
	struct reading r = {.p = {limits, error, BUF_EMPTY}, .event = event, .answer = answer};
	struct jspan document;
	bool good;

	*answer = (struct hook_answer){0};
	error->code = NULL;
	if (is_blank(text, len))
		return true;
	buf_add(&answer->text, text, len);
	answer->ops = mem_zero(limits->ops + 1, sizeof *answer->ops);
	answer->texts = mem_zero(2 * (limits->ops + 1), sizeof *answer->texts);
	if (!jspan_check(&document, answer->text.data, len))
		good = native_fail(error, "bad_json", "The answer is not JSON in UTF-8, or nested deeper than %d.", JSPAN_DEPTH_MAX);
	else if (jspan_type(document) != JSPAN_OBJECT)
		good = native_fail(error, "bad_request", "The answer must be an object, or empty.");
	else
		good = event->kind == HOOK_CONNECT ? read_connect(&r, document) : read_effects(&r, document);
	if (!good)
		hook_answer_free(answer);
	buf_free(&r.p.text);
	return good;
}

void
hook_answer_free(struct hook_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->ops[i].room);
	for (size_t i = 0; i < answer->texts_count; i++)
		buf_free(&answer->texts[i]);
	free(answer->ops);
	free(answer->texts);
	buf_free(&answer->text);
	buf_free(&answer->code);
	buf_free(&answer->message);
	*answer = (struct hook_answer){0};
}

void
hook_write_failure(struct buf *b, struct entry_id id, const char *code, const char *detail)
{
	char text[ENTRY_ID_SIZE];

	buf_addf(b, "{\"id\":\"%s\",\"error\":{\"code\":\"%s\",\"detail\":", entry_id_format(text, id), code);
	jspan_quote(b, detail, strlen(detail));
	buf_adds(b, "}}");
}

/* ---- Histories ---- */

bool
hook_is_history(const struct message *message)
{
	return message->flag == MESSAGE_GATEWAY && jspan_is(message->event, "$history");
}

bool
hook_read_history(struct hook_history *history, struct jspan data)
{
	enum { NAME, TITLE, MOST, KIND, BARE, JOINED, BINARY, REST, NAMES };
	static const char *const names[NAMES] = {"room", "title", "max", "event", "bare", "joined", "binary", "ack"};
	struct jspan values[NAMES];
	uint64_t max;

	*history = (struct hook_history){0};
	if (jspan_type(data) != JSPAN_OBJECT)
		return false;
	jspan_pick(data, names, values, NAMES);
	if (!values[NAME].text || !jspan_text(values[TITLE], &history->title) || !jspan_count(values[MOST], UINT32_MAX, &max)) {
		hook_history_free(history);
		return false;
	}
	history->room = values[NAME];
	history->event = values[KIND];
	history->max = (uint32_t)max;
	history->is_bare = jspan_type(values[BARE]) == JSPAN_TRUE;
	history->is_joined = jspan_type(values[JOINED]) == JSPAN_TRUE;
	history->has_binaries = jspan_type(values[BINARY]) == JSPAN_TRUE;
	history->ack = values[REST];
	return true;
}

void
hook_history_free(struct hook_history *history)
{
	buf_free(&history->title);
}

void
hook_write_history(struct buf *b, const struct hook_history *history, const struct buf *messages)
{
	enum jspan_type type = jspan_type(history->ack);
	struct jspan value;
	size_t at = 0;

	if (type == JSPAN_ARRAY) {
		buf_add(b, history->ack.text, history->ack.len - 1);
		buf_adds(b, jspan_next_element(history->ack, &at, &value) ? "," : "");
	} else if (type == JSPAN_OBJECT) {
		buf_add(b, history->ack.text, history->ack.len - 1);
		buf_adds(b, ",\"history\":");
	}
	buf_adds(b, "{\"room\":");
	buf_add(b, history->room.text, history->room.len);
	buf_adds(b, ",\"messages\":");
	buf_add(b, messages->data, messages->len);
	buf_adds(b, type == JSPAN_ARRAY ? "}]" : type == JSPAN_OBJECT ? "}}" : "}");
}
