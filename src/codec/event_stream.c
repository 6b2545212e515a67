#include "codec/event_stream.h"

#include <string.h>

static const char mark[] = "\xef\xbb\xbf";

static void
dispatch(struct event_stream *s, event_stream_event *event, void *arg)
{
	if (s->data.len > 0) {
		s->data.data[--s->data.len] = '\0'; /* The last line end. */
		event(arg, s->name.len ? s->name.data : "message", s->data.data, s->data.len);
	}
	buf_clear(&s->name);
	buf_clear(&s->data);
}

static bool
is_field(const char *line, size_t name_len, const char *name)
{
	return name_len == strlen(name) && memcmp(line, name, name_len) == 0;
}

/* The fields id and retry are for who reconnects by them; cursors are in the data, too. */
static bool
take_line(struct event_stream *s, const char *line, size_t len, event_stream_event *event, void *arg)
{
	const char *colon, *value;
	size_t name_len, value_len;

	if (len == 0) {
		dispatch(s, event, arg);
		return true;
	}
	colon = memchr(line, ':', len);
	name_len = colon ? (size_t)(colon - line) : len;
	value = colon ? colon + 1 : line + len;
	if (colon && value < line + len && *value == ' ')
		value++;
	value_len = (size_t)(line + len - value);
	if (is_field(line, name_len, "event")) {
		buf_clear(&s->name);
		buf_add(&s->name, value, value_len);
	} else if (is_field(line, name_len, "data")) {
		if (value_len >= s->max - s->data.len)
			return false;
		buf_add(&s->data, value, value_len);
		buf_add(&s->data, "\n", 1);
	}
	return true;
}

static bool
end_line(struct event_stream *s, event_stream_event *event, void *arg)
{
	const char *line = s->line.data ? s->line.data : "";
	size_t len = s->line.len, skip = 0;
	bool good;

	if (!s->begun && len >= sizeof mark - 1 && memcmp(line, mark, sizeof mark - 1) == 0)
		skip = sizeof mark - 1;
	s->begun = true;
	good = take_line(s, line + skip, len - skip, event, arg);
	buf_clear(&s->line);
	return good;
}

bool
event_stream_feed(struct event_stream *s, const char *p, size_t len, event_stream_event *event, void *arg)
{
	const char *end = p + len;

	while (p < end) {
		size_t span = 0;

		if (s->after_cr && *p == '\n')
			p++;
		s->after_cr = false;
		while (p + span < end && p[span] != '\n' && p[span] != '\r')
			span++;
		if (span > s->max - s->line.len)
			return false;
		buf_add(&s->line, p, span);
		p += span;
		if (p == end)
			break;
		s->after_cr = *p++ == '\r';
		if (!end_line(s, event, arg))
			return false;
	}
	return true;
}

void
event_stream_reset(struct event_stream *s)
{
	buf_clear(&s->line);
	buf_clear(&s->name);
	buf_clear(&s->data);
	s->begun = s->after_cr = false;
}

void
event_stream_free(struct event_stream *s)
{
	buf_free(&s->line);
	buf_free(&s->name);
	buf_free(&s->data);
}
