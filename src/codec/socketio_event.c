/* Events of Socket.IO as messages: see socketio_event.h. */
#include "codec/socketio_event.h"

#include <assert.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/engineio.h"

/* ---- JSON with some of its objects replaced ---- */

struct replacing {
	/* True, and something was written in place of object, if it is one to be replaced. */
	bool (*replace)(struct replacing *, struct buf *out, struct jspan object);
	const struct buf *attachments; /* From placeholders to data: */
	unsigned count;
	unsigned used; /* A bit for each. */
	bool is_wrong;
	struct jspan *found; /* From data to placeholders: base64.  NULL: only counted. */
	unsigned found_count;
};

static void
write_replaced(struct replacing *r, struct buf *out, struct jspan value)
{
	enum jspan_type type = jspan_type(value);
	struct jspan key, part;
	size_t at = 0;

	if (type != JSPAN_OBJECT && type != JSPAN_ARRAY) {
		buf_add(out, value.text, value.len);
		return;
	}
	if (type == JSPAN_OBJECT && r->replace(r, out, value))
		return;
	buf_adds(out, type == JSPAN_OBJECT ? "{" : "[");
	for (size_t i = 0; type == JSPAN_OBJECT ? jspan_next_member(value, &at, &key, &part) : jspan_next_element(value, &at, &part); i++) {
		if (i > 0)
			buf_adds(out, ",");
		if (type == JSPAN_OBJECT) {
			buf_add(out, key.text, key.len);
			buf_adds(out, ":");
		}
		write_replaced(r, out, part);
	}
	buf_adds(out, type == JSPAN_OBJECT ? "}" : "]");
}

/* socketio_parse has seen to it that num is one of the attachments. */
static bool
replace_placeholder(struct replacing *r, struct buf *out, struct jspan object)
{
	static const char *const names[] = {"_placeholder", "num"};
	struct jspan values[2];
	uint64_t n;

	jspan_pick(object, names, values, 2);
	if (jspan_type(values[0]) != JSPAN_TRUE || !jspan_count(values[1], r->count - 1, &n))
		return false;
	r->is_wrong |= r->used >> n & 1;
	r->used |= 1u << n;
	if (r->is_wrong)
		return true;
	buf_adds(out, "{\"$binary\":\"");
	buf_add(out, r->attachments[n].data, r->attachments[n].len);
	buf_adds(out, "\"}");
	return true;
}

static bool
has_true(struct jspan object, const char *name)
{
	struct jspan value;

	jspan_pick(object, &name, &value, 1);
	return jspan_type(value) == JSPAN_TRUE;
}

static bool
replace_data(struct replacing *r, struct buf *out, struct jspan object)
{
	static const char head[] = "{\"$binary\":\"", tail[] = "\"}";
	size_t head_len = sizeof head - 1, frame = head_len + sizeof tail - 1;
	struct jspan base64;

	r->is_wrong |= has_true(object, "_placeholder");
	/* Exactly as replace_placeholder writes it: anything else is a client's own. */
	if (object.len < frame || memcmp(object.text, head, head_len) != 0 || r->found_count == SOCKETIO_ATTACHMENTS_MAX)
		return false;
	base64 = (struct jspan){object.text + head_len, object.len - frame};
	if (!base64_check(base64.text, base64.len))
		return false;
	buf_addf(out, "{\"_placeholder\":true,\"num\":%u}", r->found_count);
	if (r->found)
		r->found[r->found_count] = base64;
	r->found_count++;
	return true;
}

/* ---- From a packet ---- */

static size_t
count_elements(struct jspan array)
{
	struct jspan value;
	size_t at = 0, n = 0;

	while (jspan_next_element(array, &at, &value))
		n++;
	return n;
}

static void
write_name(struct buf *b, struct jspan name)
{
	if (jspan_type(name) == JSPAN_STRING)
		buf_add(b, name.text, name.len);
	else
		jspan_quote(b, name.text, name.len);
}

/* Sets form and name; *at is behind the name then. */
static void
begin_event(struct socketio_event *event, const struct socketio_packet *packet, size_t *at)
{
	size_t n = count_elements(packet->data);
	struct jspan name;

	if (packet->type == SOCKETIO_ACK || packet->type == SOCKETIO_BINARY_ACK) {
		event->form = packet->attachments > 0 ? CLIENT_ANSWER_BINARY : CLIENT_ANSWER;
		message_write_number(&event->name, packet->id);
		return;
	}
	assert(n > 0);
	event->form = packet->attachments > 0 ? CLIENT_BINARY : n == 2 ? CLIENT_DATA : CLIENT_ARGS;
	jspan_next_element(packet->data, at, &name);
	write_name(&event->name, name);
}

bool
socketio_event_read(struct socketio_event *event, const struct socketio_packet *packet, const struct buf *attachments)
{
	struct replacing r = {.replace = replace_placeholder, .attachments = attachments, .count = packet->attachments};
	struct jspan value;
	size_t at = 0;

	*event = (struct socketio_event){0};
	begin_event(event, packet, &at);
	if (event->form != CLIENT_DATA)
		buf_adds(&event->data, "[");
	for (size_t i = 0; jspan_next_element(packet->data, &at, &value); i++) {
		if (i > 0)
			buf_adds(&event->data, ",");
		if (packet->attachments > 0)
			write_replaced(&r, &event->data, value);
		else
			buf_add(&event->data, value.text, value.len);
	}
	if (event->form != CLIENT_DATA)
		buf_adds(&event->data, "]");
	if (r.is_wrong)
		socketio_event_free(event);
	return !r.is_wrong;
}

void
socketio_event_free(struct socketio_event *event)
{
	buf_free(&event->name);
	buf_free(&event->data);
}

/* ---- From an application ---- */

/* However it is written: {"$binary":"<base64>"}. */
static bool
replace_binary(struct replacing *r, struct buf *out, struct jspan object)
{
	struct jspan key, value, more;
	struct buf text = BUF_EMPTY;
	size_t at = 0;
	bool is_one = r->found_count < SOCKETIO_ATTACHMENTS_MAX && jspan_next_member(object, &at, &key, &value) &&
	    jspan_is(key, "$binary") && jspan_string(value, &text) && base64_check(text.data, text.len) && !jspan_next_member(object, &at, &more, &more);

	if (is_one) {
		r->found_count++;
		buf_adds(out, "{\"$binary\":\"");
		buf_add(out, text.data, text.len);
		buf_adds(out, "\"}");
	}
	buf_free(&text);
	return is_one;
}

unsigned
socketio_write_value(struct buf *out, struct jspan value)
{
	struct replacing r = {.replace = replace_binary};

	write_replaced(&r, out, value);
	return r.found_count;
}

/* ---- To packets ---- */

static bool
is_nothing(const struct message *message)
{
	return message_is_gateways(message->flag) ||
	    (message->flag != MESSAGE_FAREWELL && !message_is_answer(message->flag) && socketio_is_reserved(message->event));
}

/*
 * None in a message that has a placeholder of somebody's own in it, which clients would take for one of ours: there they stay
 * what they are in JSON.
 */
static unsigned
count_binaries(const struct message *message)
{
	struct replacing r = {.replace = replace_data};
	struct buf ignored = BUF_EMPTY;

	if (message_has_binary(message->flag))
		write_replaced(&r, &ignored, message->data);
	buf_free(&ignored);
	return r.is_wrong ? 0 : r.found_count;
}

unsigned
socketio_message_packets(const struct message *message)
{
	return is_nothing(message) ? 0 : 1 + count_binaries(message);
}

/* The arguments behind the event's name, each with a comma in front. */
static void
write_args(struct buf *b, const struct message *message, struct replacing *r)
{
	bool has_binaries = count_binaries(message) > 0;
	struct jspan value;
	size_t at = 0;

	if (!message_has_args(message->flag)) {
		if (message->data.text) {
			buf_adds(b, ",");
			buf_add(b, message->data.text, message->data.len);
		}
		return;
	}
	while (jspan_next_element(message->data, &at, &value)) {
		buf_adds(b, ",");
		if (has_binaries)
			write_replaced(r, b, value);
		else
			buf_add(b, value.text, value.len);
	}
}

/* The packet with data as its JSON, and found behind it. */
static void
write_packet(struct buf *payload, struct socketio_packet *packet, const struct buf *json, const struct jspan *found)
{
	struct buf text = BUF_EMPTY;

	packet->data = (struct jspan){json->data, json->len};
	socketio_write(&text, packet);
	engineio_write(payload, ENGINEIO_MESSAGE, text.data, text.len);
	for (unsigned i = 0; i < packet->attachments; i++)
		engineio_write_binary(payload, found[i].text, found[i].len);
	buf_free(&text);
}

static void
write_event(struct buf *payload, const struct message *message, const struct socketio_writing *writing)
{
	struct jspan found[SOCKETIO_ATTACHMENTS_MAX];
	struct replacing r = {.replace = replace_data, .found = found};
	struct buf json = BUF_EMPTY;
	struct socketio_packet packet = {.namespace = writing->namespace, .namespace_len = writing->namespace_len,
	    .has_id = message->address.asks, .id = message->address.number};

	buf_adds(&json, "[");
	buf_add(&json, message->event.text, message->event.len);
	write_args(&json, message, &r);
	if (writing->offset)
		buf_addf(&json, ",\"%s\"", writing->offset);
	buf_adds(&json, "]");
	packet.type = r.found_count > 0 ? SOCKETIO_BINARY_EVENT : SOCKETIO_EVENT;
	packet.attachments = r.found_count;
	write_packet(payload, &packet, &json, found);
	buf_free(&json);
}

/* Its event is the number, as a string. */
static void
write_answer(struct buf *payload, const struct message *message, const struct socketio_writing *writing)
{
	struct jspan found[SOCKETIO_ATTACHMENTS_MAX];
	struct replacing r = {.replace = replace_data, .found = found};
	struct buf json = BUF_EMPTY;
	struct socketio_packet packet = {.namespace = writing->namespace, .namespace_len = writing->namespace_len};
	struct jspan number = {message->event.text + 1, message->event.len - 2};

	if (count_binaries(message) > 0)
		write_replaced(&r, &json, message->data);
	else
		buf_add(&json, message->data.text, message->data.len);
	packet.has_id = jspan_count(number, UINT64_MAX, &packet.id);
	packet.type = r.found_count > 0 ? SOCKETIO_BINARY_ACK : SOCKETIO_ACK;
	packet.attachments = r.found_count;
	write_packet(payload, &packet, &json, found);
	buf_free(&json);
}

static void
write_farewell(struct buf *payload, const struct socketio_writing *writing)
{
	struct socketio_packet packet = {.type = SOCKETIO_DISCONNECT, .namespace = writing->namespace,
	    .namespace_len = writing->namespace_len};
	struct buf none = BUF_EMPTY;

	write_packet(payload, &packet, &none, NULL);
}

void
socketio_message_write(struct buf *payload, const struct message *message, const struct socketio_writing *writing)
{
	if (is_nothing(message))
		return;
	if (message->flag == MESSAGE_FAREWELL)
		write_farewell(payload, writing);
	else if (message_is_answer(message->flag))
		write_answer(payload, message, writing);
	else
		write_event(payload, message, writing);
}
