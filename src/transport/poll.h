/*
 * Long polling: a parked request as a sink, or as one for each of several sessions.  It is answered with the first batch (and
 * what is ready for its other sessions in the same turn), or with nothing at the end of its hold, or when a newer request of one
 * of its sessions takes over.
 */
#ifndef TRANSPORT_POLL_H
#define TRANSPORT_POLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/message.h"

struct event_base;
struct http_request;
struct hub;
struct poll;
struct polls;

enum poll_outcome {
	POLL_BATCH,
	POLL_CHANGED, /* The session's state is another one: the document is its text, `state` its number. */
	POLL_TAKEN, /* A newer sink took over; the document is a batch without messages. */
	POLL_GONE,  /* There is no such session. */
	POLL_EXPIRED, /* Its grants do not let it read. */
	POLL_WRONG, /* It was not followed. */
};

/* What one session's poll ended with. */
struct poll_part {
	enum poll_outcome outcome;
	const char *wrong;   /* As it came with the session. */
	struct buf document; /* What write_batch wrote: of BATCH and TAKEN. */
	uint64_t state;
};

struct poll_protocol {
	/* The document of the session with this place in the request. */
	void (*write_batch)(void *client, size_t place, struct buf *b, const struct batch *batch);
	/* Answer: a part for each session, in the order in which they came.  The last call, but that req is to be answered. */
	void (*reply)(void *client, struct http_request *req, const struct poll_part *const *parts, size_t count);
	/* The client left: the last call.  NULL: nothing is to be done then. */
	void (*gone)(void *client);
	/* The session has a state of another number.  True if that makes no difference to the poll, which goes on.  NULL: it always does. */
	bool (*is_alike)(void *client, size_t place, uint64_t number, const char *text, size_t len);
};

struct poll_session {
	struct name id;
	const struct cursor *cursor; /* NULL: see reader_start. */
	const char *wrong;           /* If not NULL, why it cannot be followed: only to be told. Lent for good. */
	bool has_state;              /* Its part is known, too, once its state has another number than this. */
	uint64_t state;
	bool no_presence;            /* See struct sink. */
};

struct poll_request {
	const struct poll_session *sessions; /* At least one. */
	uint32_t count;
	int64_t hold_ms; /* -1 for the default, varied by 10 % (up to hold_max_ms) so that clients do not come back all at once. */
	const struct poll_protocol *protocol;
	void *client; /* Lent to protocol. */
	bool keeps;   /* That it polls does not say that the client has what is before the cursors. */
};

/* Lends hub. */
struct polls *polls_new(struct event_base *, struct hub *, int64_t hold_ms, int64_t hold_max_ms);
/* All requests must be gone: http_server_free first. */
void polls_free(struct polls *);

/*
 * Answer req with what the sessions have after their cursors, now or within the hold.  A session that comes twice is followed for
 * the later one.  Takes req, which may have been parked before; copies the rest, but lends protocol for good.
 *
 * req may be NULL, for a client that is answered in another way.  What is returned is there until reply or gone is called.
 */
struct poll *poll_start(struct polls *, struct http_request *req, const struct poll_request *request);

/* Nothing is called any more.  Only of a poll without a request. */
void poll_cancel(struct poll *);

/* Answer all polls that are parked, spread over the time; new ones are answered without being parked. */
void polls_drain(struct polls *, int64_t over_ms);

#endif
