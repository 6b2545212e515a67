/*
 * Fuzzes the reading of server-sent events: a stream means the same in whatever pieces it comes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "codec/event_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_event(void *arg, const char *name, const char *data, size_t len)
{
	struct buf *seen = arg;

	if (data[len] != '\0')
		abort();
	buf_adds(seen, name);
	buf_addf(seen, ":%zu:", len);
	buf_add(seen, data, len);
}

static bool
read_in_pieces(struct buf *seen, const char *text, size_t len, size_t piece)
{
	struct event_stream stream = {.max = 256};
	bool good = true;

	for (size_t at = 0; good && at < len; at += piece) {
		size_t rest = len - at;
		char *copy = malloc(rest < piece ? rest : piece); /* Of its size: what is read beyond is found. */

		if (!copy)
			abort();
		memcpy(copy, text + at, rest < piece ? rest : piece);
		good = event_stream_feed(&stream, copy, rest < piece ? rest : piece, on_event, seen);
		free(copy);
	}
	event_stream_free(&stream);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, parts = BUF_EMPTY;
	bool good = read_in_pieces(&whole, (const char *)data, size, size + 1);

	for (size_t piece = 1; piece < 4; piece++) {
		buf_clear(&parts);
		if (read_in_pieces(&parts, (const char *)data, size, piece) != good || parts.len != whole.len ||
		    (whole.len && memcmp(parts.data, whole.data, whole.len) != 0))
			abort();
	}
	buf_free(&whole);
	buf_free(&parts);
	return 0;
}
