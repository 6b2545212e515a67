/* Frames as messages: see frame.h. */
#include "codec/frame.h"

#include <string.h>

#include "codec/base64.h"

struct jspan
frame_event(enum frame_kind kind)
{
	static const struct jspan events[] = {[FRAME_TEXT] = {"\"text\"", 6}, [FRAME_BINARY] = {"\"binary\"", 8}};

	return events[kind];
}

static bool
has_event(const struct message *message, enum frame_kind kind)
{
	struct jspan event = frame_event(kind);

	return message->event.len == event.len && memcmp(message->event.text, event.text, event.len) == 0;
}

enum frame_kind
frame_read(struct buf *out, const struct message *message)
{
	enum frame_kind kind = has_event(message, FRAME_TEXT) ? FRAME_TEXT : has_event(message, FRAME_BINARY) ? FRAME_BINARY : FRAME_NONE;

	buf_clear(out);
	return kind != FRAME_NONE && jspan_string(message->data, out) ? kind : FRAME_NONE;
}

static enum frame_kind
make_frame(struct message *message)
{
	struct buf text = BUF_EMPTY;
	enum frame_kind kind = frame_read(&text, message);

	if (kind != FRAME_BINARY) {
		message->frame = text;
		return kind;
	}
	if (!base64_read(&message->frame, text.data, text.len))
		kind = FRAME_NONE;
	buf_free(&text);
	return kind;
}

enum frame_kind
frame_share(struct message *message)
{
	if (message->frame_kind == FRAME_UNREAD)
		message->frame_kind = (unsigned char)make_frame(message);
	return message->frame_kind;
}
