/*
 * Server-sent events as a client reads them: WHATWG HTML, "Interpreting an event stream".  Fed with bytes as they come.
 */
#ifndef CODEC_EVENT_STREAM_H
#define CODEC_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct event_stream {
	size_t max;      /* Bytes that a line, or an event's data, may have. */
	struct buf line;
	struct buf name; /* Of the event that is being read; empty for "message". */
	struct buf data; /* Of it, each line with a line end. */
	bool begun;      /* The first line is over: no byte order mark is due. */
	bool after_cr;
};

/* An event: NUL-terminated, lent. */
typedef void event_stream_event(void *arg, const char *name, const char *data, size_t len);

/* False if something was longer than max, after which nothing more is to be fed. */
bool event_stream_feed(struct event_stream *stream, const char *p, size_t len, event_stream_event *event, void *arg);

/* Ready for the next stream; what was not finished is dropped, as the standard wants. */
void event_stream_reset(struct event_stream *stream);
void event_stream_free(struct event_stream *stream);

#endif
