/* Payloads and messages: see message.h for the form. */
#include "codec/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HEAD_LEN (1 + NAME_LEN)

static const char nobody[NAME_LEN + 1] = "----------------------"; /* No hash ends in it: see token.c. */

static void
write_address(struct buf *b, const struct message_address *address)
{
	if (address->asks)
		buf_addn(b, address->number);
	if (address->copies.text) {
		buf_addf(b, "&%zu:", address->copies.len / NAME_LEN);
		buf_add(b, address->copies.text, address->copies.len);
	}
	if (address->namespace.text) {
		buf_addf(b, "@%zu:", address->namespace.len);
		buf_add(b, address->namespace.text, address->namespace.len);
	}
}

void
message_write_head(struct buf *b, enum message_flag flag, const struct name *from, const struct message_address *address,
    struct jspan event)
{
	char f = (char)flag;

	buf_add(b, &f, 1);
	buf_add(b, from ? from->s : nobody, NAME_LEN);
	if (address)
		write_address(b, address);
	buf_add(b, event.text, event.len);
	buf_add(b, "\n", 1);
}

void
message_write_number(struct buf *b, uint64_t number)
{
	buf_adds(b, "\"");
	buf_addn(b, number);
	buf_adds(b, "\"");
}

bool
message_peek(const char *payload, size_t len, enum message_flag *flag, struct name *from)
{
	static const char flags[] = "-sglbkaAmMrRf";

	if (len < HEAD_LEN || !memchr(flags, payload[0], sizeof flags - 1) || !name_parse(from, payload + 1, NAME_LEN))
		return false;
	*flag = (enum message_flag)payload[0];
	return true;
}

/* The digits at the beginning of rest, which is behind them then. */
static bool
take_number(struct jspan *rest, uint64_t *n)
{
	size_t len = 0;

	while (len < rest->len && rest->text[len] >= '0' && rest->text[len] <= '9')
		len++;
	if (len == 0 || !jspan_count((struct jspan){rest->text, len}, UINT64_MAX, n))
		return false;
	*rest = (struct jspan){rest->text + len, rest->len - len};
	return true;
}

/* The same of a mark, a number, ":", and so many times unit bytes. */
static bool
take_part(struct jspan *rest, size_t unit, struct jspan *part)
{
	uint64_t n;

	*rest = (struct jspan){rest->text + 1, rest->len - 1};
	if (!take_number(rest, &n) || rest->len == 0 || *rest->text != ':' || n > (rest->len - 1) / unit)
		return false;
	*part = (struct jspan){rest->text + 1, (size_t)n * unit};
	*rest = (struct jspan){part->text + part->len, rest->len - 1 - part->len};
	return true;
}

static bool
begins_with(const struct jspan *rest, char mark)
{
	return rest->len > 0 && *rest->text == mark;
}

/* "ID," */
static bool
take_id(struct jspan *rest, struct entry_id *id)
{
	const char *comma = rest->len > 0 ? memchr(rest->text, ',', rest->len) : NULL;
	size_t len = comma ? (size_t)(comma - rest->text) : 0;

	if (!comma || !entry_id_parse(id, rest->text, len))
		return false;
	*rest = (struct jspan){comma + 1, rest->len - len - 1};
	return true;
}

static bool
take_copies(struct jspan *rest, struct jspan *names)
{
	struct entry_id id;

	if (!take_part(rest, NAME_LEN, names))
		return false;
	for (size_t i = 0; i < names->len / NAME_LEN; i++)
		if (!take_id(rest, &id))
			return false;
	return true;
}

/* Of what is in front of the data the address is taken off.  False if it is none. */
static bool
take_address(struct jspan *head, struct message_address *address)
{
	if (head->len > 0 && *head->text >= '0' && *head->text <= '9') {
		address->asks = true;
		if (!take_number(head, &address->number))
			return false;
	}
	if (begins_with(head, '&') && !take_copies(head, &address->copies))
		return false;
	return !begins_with(head, '@') || take_part(head, 1, &address->namespace);
}

bool
message_peek_copies(const char *payload, size_t len, struct message_copies *copies)
{
	copies->ids = (struct jspan){payload + HEAD_LEN, len > HEAD_LEN ? len - HEAD_LEN : 0};
	return begins_with(&copies->ids, '&') && take_part(&copies->ids, NAME_LEN, &copies->names);
}

bool
message_next_copy(struct message_copies *copies, struct name *room, struct entry_id *id)
{
	if (copies->names.len == 0 || !name_parse(room, copies->names.text, NAME_LEN) || !take_id(&copies->ids, id))
		return false;
	copies->names = (struct jspan){copies->names.text + NAME_LEN, copies->names.len - NAME_LEN};
	return true;
}

size_t
message_ids_at(const char *payload, size_t len)
{
	struct message_copies copies;

	return message_peek_copies(payload, len, &copies) ? (size_t)(copies.ids.text - payload) : 0;
}

struct message *
message_new(struct entry_id id, const char *room, const char *payload, size_t len)
{
	enum message_flag flag;
	struct name from;
	const char *line = len > HEAD_LEN ? memchr(payload + HEAD_LEN, '\n', len - HEAD_LEN) : NULL;
	struct message *m;
	size_t head_len;

	if (!line || !message_peek(payload, len, &flag, &from))
		return NULL;
	head_len = (size_t)(line - payload);
	if (message_has_args(flag) && (line + 1 == payload + len || line[1] != '['))
		return NULL;
	m = mem_zero(1, sizeof *m);
	m->refs = 1;
	m->flag = flag;
	m->id = id;
	m->from = from;
	m->room = room ? mem_string(room) : NULL;
	m->payload = mem_copy(payload, len);
	m->event = (struct jspan){m->payload + HEAD_LEN, head_len - HEAD_LEN};
	if (head_len + 1 < len)
		m->data = (struct jspan){m->payload + head_len + 1, len - head_len - 1};
	m->size = len + (room ? strlen(room) : 0) + 64;
	if (!take_address(&m->event, &m->address)) {
		message_unref(m);
		return NULL;
	}
	return m;
}

struct jspan
message_first(const struct message *m)
{
	struct jspan first = {NULL, 0};
	size_t at = 0;

	if (!message_has_args(m->flag))
		return m->data;
	return jspan_next_element(m->data, &at, &first) ? first : (struct jspan){NULL, 0};
}

bool
message_has_sender(const struct message *m)
{
	return strcmp(m->from.s, nobody) != 0;
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
