/*
 * Server-sent events as a sink: one answer that stays open and brings batches as they come (the HTML standard, section 9.2).
 *
 * Each batch is an event whose id is the cursor behind it, so that a browser that comes back says by Last-Event-ID where it was.
 * A client that reads slowly pauses its reader; one that reads nothing is cut by the connection's write timeout.
 */
#ifndef TRANSPORT_SSE_H
#define TRANSPORT_SSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/message.h"
#include "core/sink.h"

#define STREAM_TYPE "text/event-stream"

struct event_base;
struct http_request;
struct hub;
struct streams;

struct streams_config {
	int64_t life_ms;    /* A stream ends after about so long (10 % more or less), and its client comes back. */
	int64_t comment_ms; /* After so long without an event a comment is sent. */
	size_t backlog;     /* With so many bytes waiting for the client its reader pauses. */
};

struct stream_protocol {
	void (*write_batch)(struct buf *b, const struct batch *batch); /* The data of an event. */
	/* The same of the event "gone" or "expired", why there will be no more (CLOSED, EXPIRED); and an answer that says so. */
	void (*write_end)(struct buf *b, enum sink_end why);
	void (*refuse)(struct http_request *req, enum sink_end why);
};

/* Lends hub. */
struct streams *streams_new(struct event_base *, struct hub *, const struct streams_config *);
/* All requests must be gone: http_server_free first. */
void streams_free(struct streams *);

/*
 * Answer req with what session has after cursor (NULL: see reader_start), and go on.  The answer begins when the store has told
 * of the session.  Takes req, copies the rest, lends protocol for good.
 */
void stream_start(struct streams *, struct http_request *req, const struct name *session, const struct cursor *cursor,
    const struct stream_protocol *protocol);

/* Answer req with a few events that say nonce, a second apart: does this come through as it is sent? */
void stream_probe(struct streams *, struct http_request *req, const char *nonce);

/* End all streams, spread over the time; new ones end soon after they began. */
void streams_drain(struct streams *, int64_t over_ms);

#endif
