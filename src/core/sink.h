/*
 * The way to reach a client now.  A parked poll is a sink; so will be an event stream and a WebSocket.  The hub calls, a
 * transport implements.
 */
#ifndef CORE_SINK_H
#define CORE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/message.h"

struct sink;

enum sink_end {
	SINK_TAKEN,  /* A newer sink of the session took over, here or on another instance. */
	SINK_CLOSED, /* The session was closed or is not known (any more). */
	SINK_EXPIRED, /* Its grants are over, or it has none: it may read on when it has new ones. */
};

/* Hand batch to the client.  A sink that can take no more after it stops its reader and returns false. */
typedef bool sink_deliver_fn(struct sink *, const struct batch *batch);
/* There will be nothing more.  The sink must stop its reader before it returns. */
typedef void sink_end_fn(struct sink *, enum sink_end why);

/* All was read that there is, and there is nothing to deliver.  May come several times. */
typedef void sink_caught_up_fn(struct sink *);

/*
 * The session's state, each time that the store has told of it, before what was read with it.  A sink whose client is not to be
 * told that stops its reader and returns false.
 */
typedef bool sink_state_fn(struct sink *, uint64_t number, const char *text, size_t len);

struct sink_ops {
	sink_deliver_fn *deliver;
	sink_end_fn *end;
	sink_caught_up_fn *caught_up;
};

struct sink {
	const struct sink_ops *ops;
	sink_state_fn *on_state; /* NULL: it does not care. */
	bool no_presence;        /* What the gateway says of others ($join ...) is not for it, and what came to several rooms is so once. */
};

#endif
