/*
 * What the tests of the core share: a hub on the embedded store, with faults to be planned in between, and a sink that writes
 * down what it gets.
 */
#ifndef T_CORE_KIT_H
#define T_CORE_KIT_H

#include "../store/store_faulty.h"
#include "../tap.h"
#include "base/buf.h"
#include "core/hub.h"
#include "core/session.h"

struct world {
	struct event_base *base;
	struct store *store;       /* The hub's: a faulty one around inner. */
	struct store *inner;
	struct hub *hub;
	struct sessions *sessions; /* On store. */
	struct sessions *others;   /* On inner: what others do succeeds. */
	int rooms_lost;
	void (*when_back)(struct world *, const struct name *session); /* Of a test; or NULL.  Must not turn the loop. */
};

/* away_after_ms is the hub's.  In the store a session is away after a minute and gone after two. */
struct world_options {
	int64_t away_after_ms; /* 800 when 0: the hub ticks every 100 ms. */
	size_t answer_max;     /* 4096 when 0. */
	uint32_t mailbox_max;  /* 5 when 0. */
	uint32_t room_max;     /* 50 when 0. */
	uint32_t max_sessions; /* 100 when 0. */
	int64_t reread_ms;     /* An hour when 0. */
	int64_t sweep_ms;      /* 50 when 0. */
	bool needs_grants;
};

void world_new(struct world *, const struct world_options *options);
void world_free(struct world *);
/* Turn the loop until *what is at least n; false when it does not come to that. */
bool reaches(struct world *, const int *what, int n);
/* What is already under way is done; nothing else is waited for. */
void settle(struct world *);
/* Turn the loop for so long. */
void pass(struct world *, int ms);
/* Another instance has a sink of the session, which began so much later than now. */
void take_elsewhere(struct world *, const struct name *session, int64_t later_ms);

/* *cursor is set to where the session's mailbox begins; needs no freeing. */
struct name open_session(struct world *, struct cursor *cursor);
/* Apply an operation of session id, which must be done.  The result's id. */
struct entry_id apply(struct world *, const struct name *id, const struct client_op *op);
/* event has no need of escapes. */
struct entry_id send_to(struct world *, const struct name *from, const struct name *to, const char *event);
struct entry_id send_room(struct world *, const struct name *from, const char *room, const char *event);
struct entry_id send_room_self(struct world *, const struct name *from, const char *room, const char *event);
void set_data(struct world *, const struct name *id, const char *json);
void grant(struct world *, const struct name *id, const char *json);
struct entry_id join(struct world *, const struct name *id, const char *room);
void leave(struct world *, const struct name *id, const char *room);
void close_session(struct world *, const struct name *id);

struct probe {
	struct sink sink; /* First. */
	struct world *world;
	struct reader *reader; /* NULL once stopped. */
	struct name session;
	struct buf got;       /* "room/event " (with "=data") for each message, "gap:room " for each gap, "| " behind each batch. */
	struct cursor cursor; /* Of the last batch, or of the end. */
	size_t largest;       /* The most bytes of messages in a batch of several. */
	int batches, ends, caught_up;
	enum sink_end why;
	enum { PROBE_STOPS, PROBE_KEEPS, PROBE_RESTARTS, PROBE_PAUSES } then; /* After a batch. */
	void (*on_batch)(struct probe *, const struct batch *); /* Of a test; or NULL. */
	void *arg;
};

/* cursor may be NULL, or that of the same probe. */
void probe_start(struct world *, struct probe *, const struct name *id, const struct cursor *cursor);
/* Deliver what waits; if there is nothing, stop.  The cursor is then that of the answer. */
void probe_hold_over(struct probe *);
void probe_halt(struct probe *); /* The client leaves. */
void probe_stop(struct probe *); /* The same, and forget all. */

#endif
