/*
 * Long polling: a parked request as a sink.  It is answered with the first batch, or with nothing at the end of its hold, or
 * when a newer request of the session takes over.
 */
#ifndef TRANSPORT_POLL_H
#define TRANSPORT_POLL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/message.h"

struct event_base;
struct http_request;
struct hub;
struct polls;

struct poll_protocol {
	const char *type; /* Content-Type of an answer */
	void (*write_batch)(struct buf *b, const struct batch *batch);
	void (*refuse_gone)(struct http_request *req); /* Answer: there is no such session. */
};

/* Lends hub. */
struct polls *polls_new(struct event_base *, struct hub *, int64_t hold_ms, int64_t hold_max_ms);
/* All requests must be gone: http_server_free first. */
void polls_free(struct polls *);

/*
 * Answer req with what session has after cursor (NULL: see reader_start), now or within the hold.  hold_ms: -1 for the default,
 * varied by 10 % (up to hold_max_ms) so that clients do not come back all at once.  Takes req, copies the rest, lends protocol for good.
 */
void poll_start(struct polls *, struct http_request *req, const struct name *session, const struct cursor *cursor, int64_t hold_ms,
    const struct poll_protocol *protocol);

/* Answer all polls that are parked, spread over the time; new ones are answered without being parked. */
void polls_drain(struct polls *, int64_t over_ms);

#endif
