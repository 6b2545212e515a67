/* Packets of Socket.IO: see socketio.h. */
#include "codec/socketio.h"

#include <string.h>

#include "base/utf8.h"

#define ID_MAX ((UINT64_C(1) << 53) - 1)

struct reader {
	const char *p, *end;
};

/* Decimal digits; false if there are none, or the number is above max. */
static bool
read_number(struct reader *r, uint64_t max, uint64_t *n)
{
	const char *start = r->p;

	for (*n = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		*n = *n * 10 + (uint64_t)(*r->p - '0');
		if (*n > max)
			return false;
	}
	return r->p > start;
}

static bool
is_binary(enum socketio_type type)
{
	return type == SOCKETIO_BINARY_EVENT || type == SOCKETIO_BINARY_ACK;
}

static bool
read_type(struct reader *r, struct socketio_packet *packet)
{
	uint64_t n;

	if (r->p == r->end) { /* As the reference takes it. */
		packet->type = SOCKETIO_CONNECT;
		return true;
	}
	if (*r->p < '0' || *r->p > '6')
		return false;
	packet->type = (enum socketio_type)(*r->p++ - '0');
	if (!is_binary(packet->type))
		return true;
	if (!read_number(r, SOCKETIO_ATTACHMENTS_MAX, &n) || n == 0 || r->p == r->end || *r->p++ != '-')
		return false;
	packet->attachments = (unsigned)n;
	return true;
}

/* Up to the comma; where nothing follows there need not be one. */
static bool
read_namespace(struct reader *r, struct socketio_packet *packet)
{
	const char *comma;
	struct utf8 utf8 = {0};

	packet->namespace = "/";
	packet->namespace_len = 1;
	if (r->p == r->end || *r->p != '/')
		return true;
	comma = memchr(r->p, ',', (size_t)(r->end - r->p));
	packet->namespace = r->p;
	packet->namespace_len = (size_t)((comma ? comma : r->end) - r->p);
	r->p = comma ? comma + 1 : r->end;
	return utf8_read(&utf8, packet->namespace, packet->namespace_len) && utf8_is_whole(&utf8);
}

static bool
read_id(struct reader *r, struct socketio_packet *packet)
{
	packet->has_id = r->p < r->end && *r->p >= '0' && *r->p <= '9';
	return !packet->has_id || read_number(r, ID_MAX, &packet->id);
}

/* ---- Data ---- */

bool
socketio_is_reserved(struct jspan name)
{
	static const char *const reserved[] = {"connect", "connect_error", "disconnect", "disconnecting", "newListener",
	    "removeListener"};
	struct buf text = BUF_EMPTY;
	bool found = jspan_type(name) != JSPAN_STRING || (memchr(name.text, '\\', name.len) && !jspan_string(name, &text));

	buf_free(&text);
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0] && !found; i++)
		found = jspan_is(name, reserved[i]);
	return found;
}

static bool
is_event(struct jspan data)
{
	struct jspan name;
	size_t at = 0;

	if (jspan_type(data) != JSPAN_ARRAY || !jspan_next_element(data, &at, &name))
		return false;
	return jspan_type(name) == JSPAN_NUMBER || (jspan_type(name) == JSPAN_STRING && !socketio_is_reserved(name));
}

static bool
is_placeholder(struct jspan value, unsigned attachments, bool *right)
{
	static const char *const names[] = {"_placeholder", "num"};
	struct jspan values[2];
	uint64_t n;

	if (jspan_type(value) != JSPAN_OBJECT)
		return false;
	jspan_pick(value, names, values, 2);
	if (jspan_type(values[0]) != JSPAN_TRUE)
		return false;
	*right = jspan_count(values[1], attachments - 1, &n);
	return true;
}

/* Do all placeholders in value stand for something? */
static bool
has_its_attachments(struct jspan value, unsigned attachments)
{
	enum jspan_type type = jspan_type(value);
	struct jspan key, part;
	size_t at = 0;
	bool right;

	if (is_placeholder(value, attachments, &right))
		return right;
	if (type != JSPAN_OBJECT && type != JSPAN_ARRAY)
		return true;
	while (type == JSPAN_OBJECT ? jspan_next_member(value, &at, &key, &part) : jspan_next_element(value, &at, &part))
		if (!has_its_attachments(part, attachments))
			return false;
	return true;
}

static bool
is_right(const struct socketio_packet *packet)
{
	enum jspan_type type = jspan_type(packet->data);

	switch (packet->type) {
	case SOCKETIO_CONNECT:
		return type == JSPAN_OBJECT;
	case SOCKETIO_DISCONNECT:
		return false;
	case SOCKETIO_EVENT:
		return is_event(packet->data);
	case SOCKETIO_ACK:
		return type == JSPAN_ARRAY;
	case SOCKETIO_CONNECT_ERROR:
		return type == JSPAN_OBJECT || type == JSPAN_STRING;
	case SOCKETIO_BINARY_EVENT:
		return is_event(packet->data) && has_its_attachments(packet->data, packet->attachments);
	case SOCKETIO_BINARY_ACK:
		return type == JSPAN_ARRAY && has_its_attachments(packet->data, packet->attachments);
	}
	return false;
}

bool
socketio_parse(struct socketio_packet *packet, const char *text, size_t len)
{
	struct reader r = {text, text + len};

	*packet = (struct socketio_packet){0};
	if (!read_type(&r, packet) || !read_namespace(&r, packet) || !read_id(&r, packet))
		return false;
	if (r.p == r.end)
		return true;
	return jspan_check(&packet->data, r.p, (size_t)(r.end - r.p)) && is_right(packet);
}

bool
socketio_event_name(const struct socketio_packet *packet, struct jspan *name)
{
	size_t at = 0;

	return packet->data.text && jspan_next_element(packet->data, &at, name);
}

void
socketio_write_failure(struct buf *b, bool is_answer, const char *code, const char *detail, struct jspan name)
{
	if (is_answer) {
		buf_addf(b, "[{\"error\":\"%s\",\"detail\":\"%s\"}]", code, detail);
		return;
	}
	buf_addf(b, "{\"code\":\"%s\",\"detail\":\"%s\",\"event\":", code, detail);
	buf_add(b, name.text, name.len);
	buf_adds(b, "}");
}

void
socketio_write(struct buf *b, const struct socketio_packet *packet)
{
	buf_addn(b, (uint64_t)packet->type);
	if (is_binary(packet->type)) {
		buf_addn(b, packet->attachments);
		buf_adds(b, "-");
	}
	if (packet->namespace_len > 1) {
		buf_add(b, packet->namespace, packet->namespace_len);
		buf_adds(b, ",");
	}
	if (packet->has_id)
		buf_addn(b, packet->id);
	if (packet->data.text)
		buf_add(b, packet->data.text, packet->data.len);
}

/* ---- MessagePack ---- */

/* Behind the last occurrence of text: the data, in front of the namespace, may be anything.  Or NULL. */
static const char *
behind_last(const char *text, const char *packet, const char *end)
{
	size_t len = strlen(text);

	for (size_t at = (size_t)(end - packet); at >= len; at--)
		if (memcmp(packet + at - len, text, len) == 0)
			return packet + at;
	return NULL;
}

bool
socketio_refuse_msgpack(struct buf *b, const char *packet, size_t len)
{
	/* A map of three, up to its namespace; and its data, a map of one, with a text of 60 bytes. */
	static const char head[] = "\x83\xa4type\x04\xa3nsp", tail[] = "\xa4" "data\x81\xa7message\xd9\x3c"
	    "This gateway does not speak msgpack: use the default parser.";
	static const char first[] = "\xa4type\x00"; /* A connect packet. */
	const char *end = packet + len, *namespace = behind_last("\xa3nsp", packet, end);
	size_t namespace_len;

	if (len < sizeof first || (*packet & 0xf0) != 0x80 || memcmp(packet + 1, first, sizeof first - 1) != 0 || !namespace || namespace == end)
		return false;
	namespace_len = (unsigned char)*namespace - 0xa0u; /* One of up to 31 bytes. */
	if (namespace_len > 31 || (size_t)(end - namespace) <= namespace_len || !utf8_check(namespace + 1, namespace_len))
		return false;
	buf_add(b, head, sizeof head - 1);
	buf_add(b, namespace, namespace_len + 1);
	buf_add(b, tail, sizeof tail - 1);
	return true;
}

/* ---- Rooms ---- */

void
socketio_write_title(struct buf *title, struct jspan namespace, const char *room, size_t len)
{
	buf_clear(title);
	if (namespace.len > 1) {
		buf_add(title, namespace.text, namespace.len);
		buf_adds(title, "#");
	}
	buf_add(title, room, len);
}

const char *
socketio_room_name(const char *title, struct jspan namespace)
{
	if (namespace.len <= 1)
		return strcmp(title, "/") == 0 ? NULL : title;
	return strncmp(title, namespace.text, namespace.len) == 0 && title[namespace.len] == '#' ? title + namespace.len + 1 : NULL;
}
