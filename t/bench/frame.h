/*
 * Frames of a WebSocket (RFC 6455, section 5) as a generator needs them: whole messages, read where they lie, and a mask of zeros,
 * which is as good as any to a server and costs nothing.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>

enum { FRAME_TEXT = 1, FRAME_CLOSE = 8 };

struct frame {
	unsigned opcode;
	size_t size; /* With its header. */
	const char *data;
	size_t len;
};

/* What a request for a WebSocket has besides: lines. */
extern const char frames_handshake[];

/* Write a text message; dies if it does not fit.  Returns its length. */
size_t frame_write(char *out, size_t size, const char *text, size_t len);
/* The frame at the start of data, from a server; false while it is not whole. */
bool frame_read(struct frame *, const char *data, size_t len);

#endif
