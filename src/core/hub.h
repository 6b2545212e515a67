/*
 * The hub pairs sinks with what arrives in the store.
 *
 * A reader follows one session's mailbox and the logs of its rooms from a cursor on.  It is registered first and reads then;
 * what the doorbell brings is delivered only if it chains to what the reader has; anything else is read again; and what
 * reading cannot bring is told as a gap.  (REDIS.md, section 5, has the rules and what happens without each.)
 */
#ifndef CORE_HUB_H
#define CORE_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "codec/cursor.h"
#include "core/sink.h"

struct event_base;
struct hub;
struct reader;
struct store;

struct hub_config {
	size_t answer_max;     /* Bytes of messages in one batch, of all its streams; a single larger one goes alone. */
	int64_t away_after_ms; /* A session whose sink stays longer than a part of this is touched meanwhile. */
	int64_t reread_ms;     /* So long after it began, and again after each such time, a sink that stays reads all its streams anew. */
	bool hands;            /* The store is told what was handed to sinks that stay: see store_hand. */
	bool needs_grants;     /* A session is read only as long as its grants hold: see codec/grants.h. */
};

/* Things that the hub finds and others mend. */
struct hub_observer {
	void (*on_back)(void *arg, const struct name *session); /* A session that was marked away has a reader. */
	void (*on_room_lost)(void *arg, const struct name *session, const char *title); /* The store lost a room that it is in. */
};

/* Lends store, observer and arg. */
struct hub *hub_new(struct event_base *, struct store *, const struct hub_config *, const struct hub_observer *, void *arg);
/* All readers must have been stopped. */
void hub_free(struct hub *);

/* Does the session have a sink here? */
bool hub_has(const struct hub *, const struct name *session);

/*
 * Follow session from cursor on (NULL: from where its mailbox is now, and its rooms from where it joined them) for sink, which
 * is lent until reader_stop.  An older sink of the session ends, wherever it is.
 */
struct reader *reader_start(struct hub *, const struct name *session, const struct cursor *cursor, struct sink *sink);

/* Deliver now what else waits for other reads to end.  False if there is nothing; else the sink may have stopped the reader. */
bool reader_flush(struct reader *);

/*
 * For a sink whose client takes what it is given more slowly than it comes.  A paused reader delivers nothing and keeps at most
 * answer_max of what it has read; the rest stays in the store.  Both may be called at any time, also within deliver.
 */
void reader_pause(struct reader *);
void reader_resume(struct reader *);

/* The client has all that comes before cursor, which was delivered to it: what a next poll would say of a sink that stays. */
void reader_ack(struct reader *, const struct cursor *cursor);
/* The same, of a session whose sink may be on any instance, or nowhere. */
void hub_ack(struct hub *, const struct name *session, const struct cursor *cursor);

/* Where a client stands that has what was delivered; the caller frees it. */
void reader_cursor(const struct reader *, struct cursor *cursor);

/* Stop and free.  If cursor is not NULL it is set to where a client stands that has what was delivered; the caller frees it. */
void reader_stop(struct reader *, struct cursor *cursor);

/* The client has been told nothing since it came, and has all of its mailbox: that gives its memory back. */
void reader_idle(struct reader *);

#endif
