/*
 * Fuzzes what reads packets of Socket.IO: what is taken is written so that it is read as the same again.  The input is a payload of
 * Engine.IO; attachments that it has make an event, which as a message is written as packets that make the same event.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/engineio.h"
#include "codec/socketio_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static bool
same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void
check_packet(const char *text, size_t len)
{
	struct socketio_packet one, two;
	struct buf written = BUF_EMPTY;
	struct jspan name;

	if (!socketio_parse(&one, text, len))
		return;
	must(one.type == SOCKETIO_BINARY_EVENT || one.type == SOCKETIO_BINARY_ACK ? one.attachments > 0 : one.attachments == 0);
	must(one.attachments <= SOCKETIO_ATTACHMENTS_MAX && *one.namespace == '/');
	if (one.type == SOCKETIO_EVENT && socketio_event_name(&one, &name))
		must(jspan_type(name) == JSPAN_STRING || jspan_type(name) == JSPAN_NUMBER);
	socketio_write(&written, &one);
	must(socketio_parse(&two, written.data, written.len));
	must(one.type == two.type && one.attachments == two.attachments && one.has_id == two.has_id && one.id == two.id);
	must(same(one.namespace, one.namespace_len, two.namespace, two.namespace_len));
	must(same(one.data.text, one.data.len, two.data.text, two.data.len));
	buf_free(&written);
}

/* The event of a payload's first packet and the attachments behind it. */
static bool
read_event(struct socketio_event *event, const char *payload, size_t size)
{
	struct buf attachments[SOCKETIO_ATTACHMENTS_MAX] = {BUF_EMPTY};
	struct engineio_packet packet;
	struct socketio_packet first = {0};
	struct jspan name;
	unsigned count = 0;
	size_t at = 0;
	bool good = engineio_next(payload, size, &at, &packet) == ENGINEIO_PACKET && packet.type == ENGINEIO_MESSAGE &&
	    !packet.binary && socketio_parse(&first, packet.data, packet.len) &&
	    (first.type == SOCKETIO_EVENT || first.type == SOCKETIO_BINARY_EVENT) && socketio_event_name(&first, &name);

	while (good && count < first.attachments) {
		good = engineio_next(payload, size, &at, &packet) == ENGINEIO_PACKET && packet.binary;
		if (good)
			buf_add(&attachments[count++], packet.data, packet.len);
	}
	good = good && socketio_event_read(event, &first, attachments);
	for (unsigned i = 0; i < count; i++)
		buf_free(&attachments[i]);
	return good;
}

static struct message *
message_of(const struct socketio_event *event)
{
	static const enum message_flag flags[] = {MESSAGE_PLAIN, MESSAGE_ARGS, MESSAGE_BINARY, MESSAGE_ANSWER};
	static const struct name from = {"ABCDEFGHIJKLMNOPQRSTUV"};
	struct buf payload = BUF_EMPTY;
	struct message *message;

	message_write_head(&payload, flags[event->form], &from, NULL, (struct jspan){event->name.data, event->name.len});
	buf_add(&payload, event->data.data, event->data.len);
	message = message_new((struct entry_id){1, 0}, NULL, payload.data, payload.len);
	buf_free(&payload);
	return message;
}

static void
check_event(const char *payload, size_t size)
{
	struct socketio_writing writing = {"/", 1, NULL};
	struct socketio_event one, two;
	struct buf written = BUF_EMPTY;
	struct message *message;

	if (!read_event(&one, payload, size))
		return;
	message = message_of(&one);
	must(message != NULL);
	socketio_message_write(&written, message, &writing);
	must(read_event(&two, written.data, written.len));
	must(same(one.name.data, one.name.len, two.name.data, two.name.len));
	/* What has no attachments left is no binary event any more. */
	must(one.form != two.form || same(one.data.data, one.data.len, two.data.data, two.data.len));
	socketio_event_free(&one);
	socketio_event_free(&two);
	message_unref(message);
	buf_free(&written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_packet((const char *)data, size);
	check_event((const char *)data, size);
	return 0;
}
