/* Payloads and messages: see message.h for the form. */
#include "codec/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HEAD_LEN (1 + NAME_LEN)

void
message_write_head(struct buf *b, enum message_flag flag, const struct name *from, const char *event, size_t event_len)
{
	static const char nobody[NAME_LEN + 1] = "----------------------"; /* No hash ends in it: see token.c. */
	char f = (char)flag;

	buf_add(b, &f, 1);
	buf_add(b, from ? from->s : nobody, NAME_LEN);
	buf_add(b, event, event_len);
	buf_add(b, "\n", 1);
}

bool
message_peek(const char *payload, size_t len, enum message_flag *flag, struct name *from)
{
	if (len < HEAD_LEN || !memchr("-sglbkaAmMr", payload[0], 11) || !name_parse(from, payload + 1, NAME_LEN))
		return false;
	*flag = (enum message_flag)payload[0];
	return true;
}

struct message *
message_new(struct entry_id id, const char *room, const char *payload, size_t len)
{
	enum message_flag flag;
	struct name from;
	const char *line = len > HEAD_LEN ? memchr(payload + HEAD_LEN, '\n', len - HEAD_LEN) : NULL;
	struct message *m;
	size_t event_len;

	if (!line || !message_peek(payload, len, &flag, &from))
		return NULL;
	event_len = (size_t)(line - payload) - HEAD_LEN;
	if (message_has_args(flag) && (line + 1 == payload + len || line[1] != '['))
		return NULL;
	m = mem_zero(1, sizeof *m);
	m->refs = 1;
	m->flag = flag;
	m->id = id;
	m->from = from;
	m->room = room ? mem_string(room) : NULL;
	m->payload = mem_copy(payload, len);
	m->event = (struct jspan){m->payload + HEAD_LEN, event_len};
	if (HEAD_LEN + event_len + 1 < len)
		m->data = (struct jspan){m->event.text + event_len + 1, len - HEAD_LEN - event_len - 1};
	m->size = len + (room ? strlen(room) : 0) + 64;
	return m;
}

bool
message_has_sender(const struct message *m)
{
	return m->flag != MESSAGE_BACKEND && m->flag != MESSAGE_KEPT;
}

struct message *
message_ref(struct message *m)
{
	m->refs++;
	return m;
}

void
message_unref(struct message *m)
{
	if (!m)
		return;
	assert(m->refs > 0);
	if (--m->refs > 0)
		return;
	buf_free(&m->native);
	buf_free(&m->frame);
	free(m->room);
	free(m->payload);
	free(m);
}
