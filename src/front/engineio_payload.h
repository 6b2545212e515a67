/*
 * The answer to a poll of an Engine.IO session: what of its mailbox, and of those of its sockets, one answer holds, and where the
 * client stands once it has that.
 */
#ifndef FRONT_ENGINEIO_PAYLOAD_H
#define FRONT_ENGINEIO_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/cursor.h"
#include "codec/engine_state.h"
#include "codec/message.h"
#include "transport/poll.h"

struct options;

/* Of a socket. */
struct engineio_told {
	struct cursor start, after;
	bool is_due;       /* It is still to be told that it is connected, */
	bool is_announced; /* and this answer does. */
	bool is_left;      /* It is told here that it is disconnected, */
	bool is_asked;     /* or asked to answer an event. */
};

struct engineio_payload {
	struct buf text;
	unsigned packets;
	bool is_over; /* Of what was for it some is gone, or somebody ended it. */
	struct entry_id start, after; /* In the mailbox of the session itself. */
	struct cursor place;          /* The first of them, to be lent. */
	struct engineio_told *told;   /* As many as there are sockets. */
	size_t count;
	/* Lent: */
	const char *sid;
	const struct engine_state *state;
	const struct options *options;
	size_t max; /* Bytes. */
};

/* Begin one from where the client stands; to be told what it was told last once more if is_repeat.  Its fields `Lent` are set. */
void engineio_payload_begin(struct engineio_payload *, bool is_repeat);
void engineio_payload_free(struct engineio_payload *);

/*
 * What to poll for with it: the session id, whose state has this number, and its sockets.  The caller frees what is returned; it
 * lends what the payload has until that is begun again.
 */
struct poll_session *engineio_payload_sessions(struct engineio_payload *, const struct name *id, uint64_t number);
/*
 * What such a poll came to: that of the session itself, but what another one follows, or what is gone, is not to be told, unless it
 * knows that it is.
 */
enum poll_outcome engineio_payload_outcome(const struct engineio_payload *, const struct poll_part *const *parts, size_t count);

/* Is there something to be told that no mailbox has? */
bool engineio_payload_is_due(const struct engineio_payload *);

/* Add what fits of a batch: of the session itself (place 0), or of a socket. */
void engineio_payload_add(struct engineio_payload *, size_t place, const struct batch *batch);

/* Does the client stand elsewhere than it did, if only behind what was not for it? */
bool engineio_payload_has_moved(const struct engineio_payload *);
/* Does it tell a socket that it is connected, or that it is not any more? */
bool engineio_payload_announces(const struct engineio_payload *);

/* Let state, of which `state` is a copy or itself, say what was told. */
void engineio_payload_commit(struct engineio_payload *, struct engine_state *state);
/* The same, but that it has what it was told before is not known. */
void engineio_payload_commit_after(struct engineio_payload *, struct engine_state *state);

#endif
