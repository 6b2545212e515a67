/* Writing events: see hook.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/hook.h"
#include "codec/message.h"

const char *const hook_kind_names[HOOK_KINDS] = {
	[HOOK_CONNECT] = "connect",
	[HOOK_MESSAGE] = "message",
	[HOOK_JOIN] = "join",
	[HOOK_LEAVE] = "leave",
	[HOOK_DISCONNECT] = "disconnect",
};

enum hook_kind
hook_kind_of(const struct message *message)
{
	if (message->flag == MESSAGE_LEAVE)
		return HOOK_DISCONNECT;
	if (message->flag != MESSAGE_GATEWAY)
		return HOOK_MESSAGE;
	return message->event.len == 7 ? HOOK_JOIN : HOOK_LEAVE; /* "$join" or "$leave", in quotes. */
}

const char *
hook_write_id(char id[HOOK_ID_SIZE], const struct hook_event *event)
{
	memcpy(id, event->session.s, NAME_LEN + 1);
	if (event->id.ms > 0) {
		id[NAME_LEN] = '_';
		entry_id_format(id + NAME_LEN + 1, event->id);
	}
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
write_session(struct buf *b, const struct hook_event *event)
{
	buf_addf(b, "{\"session\":{\"id\":\"%s\",\"data\":", event->session.s);
	write_span(b, event->session_data);
	if (event->user.text) {
		buf_adds(b, ",\"user\":");
		write_span(b, event->user);
	}
	if (event->has_session) {
		buf_addf(b, ",\"away\":%s,\"rooms\":[", event->away ? "true" : "false");
		for (size_t i = 0; i < event->rooms_count; i++) {
			buf_adds(b, i > 0 ? "," : "");
			jspan_quote(b, event->rooms[i], strlen(event->rooms[i]));
		}
		buf_adds(b, "]");
	}
	buf_adds(b, "}");
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

void
hook_write_event(struct buf *body, const struct hook_event *event)
{
	char id[ENTRY_ID_SIZE];

	write_session(body, event);
	switch (event->kind) {
	case HOOK_CONNECT:
		buf_adds(body, ",\"rooms\":");
		write_span(body, event->data);
		write_request(body, event);
		break;
	case HOOK_MESSAGE:
		buf_addf(body, ",\"id\":\"%s\",\"event\":", entry_id_format(id, event->id));
		write_span(body, event->event);
		buf_adds(body, ",\"data\":");
		write_span(body, event->data);
		break;
	case HOOK_JOIN:
	case HOOK_LEAVE:
		buf_adds(body, ",\"room\":");
		write_span(body, event->room);
		break;
	case HOOK_DISCONNECT:
	case HOOK_KINDS:
		break;
	}
	buf_adds(body, "}");
}
