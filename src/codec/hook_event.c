/* Writing events: see hook.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/hook.h"
#include "codec/message.h"
#include "codec/socketio.h"
#include "codec/token.h"

const char *const hook_kind_names[HOOK_KINDS] = {
	[HOOK_CONNECT] = "connect",
	[HOOK_MESSAGE] = "message",
	[HOOK_ACK] = "ack",
	[HOOK_JOIN] = "join",
	[HOOK_LEAVE] = "leave",
	[HOOK_DISCONNECT] = "disconnect",
};

enum hook_kind
hook_kind_of(const struct message *message)
{
	if (message->flag == MESSAGE_LEAVE)
		return HOOK_DISCONNECT;
	if (message_is_answer(message->flag))
		return HOOK_ACK;
	if (message->flag != MESSAGE_GATEWAY)
		return HOOK_MESSAGE;
	return message->event.len == 7 ? HOOK_JOIN : HOOK_LEAVE; /* "$join" or "$leave", in quotes. */
}

struct hook_event
hook_event_of(const struct message *message, struct entry_id id)
{
	struct hook_event event = {.kind = hook_kind_of(message), .session = message->from, .id = id, .namespace = message->address.namespace,
	    .asks = message->address.asks, .number = message->address.number, .event = message->event,
	    .has_args = message_has_args(message->flag)};

	if (event.kind == HOOK_MESSAGE || event.kind == HOOK_ACK)
		event.data = message->data;
	else if (event.kind == HOOK_DISCONNECT)
		event.session_data = message->data;
	else
		event.room = message->data;
	return event;
}

const char *
hook_write_id(char id[HOOK_ID_SIZE], const struct hook_event *event)
{
	memcpy(id, event->session.s, NAME_LEN);
	id[NAME_LEN] = '_';
	if (event->kind == HOOK_CONNECT)
		memcpy(id + NAME_LEN + 1, event->question.s, NAME_LEN + 1);
	else
		entry_id_format(id + NAME_LEN + 1, event->id);
	return id;
}

const char *
hook_write_time(char text[HOOK_TIME_SIZE], int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm = {0};
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(text, HOOK_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, HOOK_TIME_SIZE - len, ".%03dZ", (int)(ms % 1000));
	return text;
}

static void
write_span(struct buf *b, struct jspan value)
{
	if (value.text)
		buf_add(b, value.text, value.len);
	else
		buf_adds(b, "null");
}

static void
write_rooms(struct buf *b, const struct hook_event *event)
{
	const char *comma = "";

	buf_adds(b, "[");
	for (size_t i = 0; i < event->rooms_count; i++) {
		const char *room = event->namespace.text ? socketio_room_name(event->rooms[i], event->namespace) : event->rooms[i];

		if (!room)
			continue;
		buf_adds(b, comma);
		jspan_quote(b, room, strlen(room));
		comma = ",";
	}
	buf_adds(b, "]");
}

static void
write_namespace(struct buf *b, const struct hook_event *event)
{
	if (!event->namespace.text)
		return;
	buf_adds(b, ",\"namespace\":");
	jspan_quote(b, event->namespace.text, event->namespace.len);
}

static void
write_session(struct buf *b, const struct hook_event *event)
{
	buf_addf(b, "{\"session\":{\"id\":\"%s\",\"data\":", event->session.s);
	write_span(b, event->session_data);
	if (event->user.text) {
		buf_adds(b, ",\"user\":");
		write_span(b, event->user);
	}
	if (event->has_session) {
		buf_addf(b, ",\"away\":%s,\"rooms\":", event->away ? "true" : "false");
		write_rooms(b, event);
	}
	buf_adds(b, "}");
	write_namespace(b, event);
}

/* Headers may have any bytes: what is not UTF-8, or breaks a line, is no word of a browser's. */
static void
write_header(struct buf *b, const char *name, const char *value)
{
	struct buf quoted = BUF_EMPTY;
	struct jspan checked;

	buf_addf(b, "\"%s\":", name);
	if (value)
		jspan_quote(&quoted, value, strlen(value));
	if (value && jspan_check(&checked, quoted.data, quoted.len))
		buf_add(b, quoted.data, quoted.len);
	else
		buf_adds(b, "null");
	buf_free(&quoted);
}

static void
write_request(struct buf *b, const struct hook_event *event)
{
	buf_adds(b, ",\"request\":{");
	write_header(b, "origin", event->origin);
	buf_adds(b, ",");
	write_header(b, "userAgent", event->user_agent);
	buf_adds(b, ",");
	write_header(b, "address", event->address);
	buf_adds(b, ",");
	write_header(b, "forwardedFor", event->forwarded_for);
	buf_adds(b, "}");
}

/* What a CONNECT asks, but for where it comes from. */
static void
write_question(struct buf *b, const struct hook_event *event)
{
	if (event->auth.text) {
		buf_adds(b, ",\"auth\":");
		write_span(b, event->auth);
	}
	if (event->again)
		buf_adds(b, ",\"again\":true");
	buf_adds(b, ",\"rooms\":");
	if (event->data.text)
		write_span(b, event->data);
	else
		buf_adds(b, "[]");
}

static void
write_connect(struct buf *b, const struct hook_event *event)
{
	write_question(b, event);
	write_request(b, event);
}

void
hook_name_question(struct hook_event *event)
{
	char token[TOKEN_LEN + 1];
	struct buf text = BUF_EMPTY;

	if (event->again) {
		if (!token_new(token))
			abort(); /* Nothing works without randomness. */
	} else {
		buf_adds(&text, "connect ");
		write_session(&text, event);
		write_question(&text, event);
		token_derive(token, event->token, text.data, text.len);
		buf_free(&text);
	}
	memcpy(event->question.s, token, TOKEN_LEN + 1);
}

static void
write_data(struct buf *b, const struct hook_event *event)
{
	struct jspan data = event->data;
	size_t at = 0;

	if (event->has_args && !jspan_next_element(event->data, &at, &data))
		data = (struct jspan){NULL, 0};
	buf_adds(b, ",\"data\":");
	write_span(b, data);
	if (!event->namespace.text)
		return;
	buf_adds(b, event->has_args ? ",\"args\":" : ",\"args\":[");
	if (event->data.text)
		write_span(b, event->data);
	buf_adds(b, event->has_args ? "" : "]");
}

static void
write_message(struct buf *b, const struct hook_event *event)
{
	char id[ENTRY_ID_SIZE];

	buf_addf(b, ",\"id\":\"%s\",\"event\":", entry_id_format(id, event->id));
	write_span(b, event->event);
	write_data(b, event);
	if (event->namespace.text)
		buf_addf(b, ",\"ack\":%s", event->asks ? "true" : "false");
}

static void
write_ack(struct buf *b, const struct hook_event *event)
{
	buf_adds(b, ",\"ack\":");
	buf_add(b, event->event.text + 1, event->event.len - 2);
	write_data(b, event);
}

static void
write_room(struct buf *b, const struct hook_event *event)
{
	struct buf title = BUF_EMPTY;
	const char *room = NULL;

	buf_adds(b, ",\"room\":");
	if (event->namespace.text && jspan_text(event->room, &title))
		room = socketio_room_name(title.data, event->namespace);
	if (room)
		jspan_quote(b, room, strlen(room));
	else
		write_span(b, event->room);
	buf_free(&title);
}

void
hook_write_event(struct buf *body, const struct hook_event *event)
{
	write_session(body, event);
	switch (event->kind) {
	case HOOK_CONNECT:
		write_connect(body, event);
		break;
	case HOOK_MESSAGE:
		write_message(body, event);
		break;
	case HOOK_ACK:
		write_ack(body, event);
		break;
	case HOOK_JOIN:
	case HOOK_LEAVE:
		write_room(body, event);
		break;
	case HOOK_DISCONNECT:
	case HOOK_KINDS:
		break;
	}
	buf_adds(body, "}");
}

void
hook_write_letter(struct buf *b, const struct hook_event *event)
{
	char id[ENTRY_ID_SIZE];

	buf_addf(b, "{\"id\":\"%s\",\"session\":\"%s\",\"type\":\"%s\"", entry_id_format(id, event->id), event->session.s,
	    hook_kind_names[event->kind]);
	write_namespace(b, event);
	switch (event->kind) {
	case HOOK_MESSAGE:
		buf_adds(b, ",\"event\":");
		write_span(b, event->event);
		write_data(b, event);
		break;
	case HOOK_ACK:
		write_ack(b, event);
		break;
	case HOOK_JOIN:
	case HOOK_LEAVE:
		write_room(b, event);
		break;
	default:
		buf_adds(b, ",\"data\":");
		write_span(b, event->session_data);
	}
	buf_adds(b, "}");
}
