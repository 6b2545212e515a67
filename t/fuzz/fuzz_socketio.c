/* Fuzzes what reads packets of Socket.IO: what is taken is written so that it is read as the same again. */
#include <stdlib.h>
#include <string.h>

#include "codec/socketio.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socketio_packet one, two;
	struct buf written = BUF_EMPTY;
	struct jspan name;

	if (!socketio_parse(&one, (const char *)data, size))
		return 0;
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
	return 0;
}
