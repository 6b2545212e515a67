/*
 * What clients do with sessions, in the store's terms: the events that others see of it ($join, $leave, $away, $back, $set) are
 * made here, and here only.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/op.h"
#include "store/store.h"

struct event_base;
struct hub;
struct sessions;

/* Lends store. */
struct sessions *sessions_new(struct event_base *, struct store *, int64_t away_after_ms);
/* After the store was freed: nothing else ends what is under way. */
void sessions_free(struct sessions *);

/* Sweep for sessions that are due, every second; those which have a sink at this hub are not. */
void sessions_watch(struct sessions *, struct hub *);

/* What the application is told of the end of a session, but for its data: see store_open.  address: NULL for none. */
void sessions_write_end(struct buf *b, const struct name *id, const struct message_address *address);

/* Apply ops of session id: see store_apply.  A session that was away is marked back. */
struct store_call *sessions_apply(struct sessions *, const struct name *id, uint64_t seq, const struct client_op *ops, size_t n,
    store_applied_fn *, void *arg);

/* The same with a new state of the session, see store_swap. */
struct store_call *sessions_swap(struct sessions *, const struct name *id, const struct store_swap *swap, const struct client_op *ops,
    size_t n, store_applied_fn *, void *arg);

/* Apply operations of a backend's, each of the session that it names: see store_order. */
struct store_call *sessions_order(struct sessions *, const struct store_once *once, const struct client_op *ops, size_t n,
    store_applied_fn *, void *arg);

/* What is said of an event when it is done: see store_finish. */
struct finish {
	struct name queue;
	struct entry_id entry;
	size_t count;
	const struct client_op *ops; /* Each of the session that it names. */
	const char *letter; /* An entry for the queue of what could not be done; NULL for none. */
	size_t letter_len;
};
struct store_call *sessions_finish(struct sessions *, const struct finish *finish, store_applied_fn *, void *arg);

/* The client asked for its session's end. */
struct store_call *sessions_close(struct sessions *, const struct name *id, store_presence_fn *, void *arg);

/* The mark "away" is wrong: tell the rooms. */
void sessions_back(struct sessions *, const struct name *id);

/* The store lost a room that the session is in: make it anew. */
void sessions_rejoin(struct sessions *, const struct name *id, const char *title);

struct history_query {
	const char *title; /* Of the room. */
	struct entry_id upto;
	uint32_t wanted;
	size_t max_bytes; /* Of them together; one always comes. */
	const char *event; /* Only messages of this event; NULL: all. */
};

/*
 * The last messages of a room at or before upto, without the gateway's own, oldest first.  Lent to the callback.
 * Not cancelled by anything but the store's end: arg must live until the callback.
 */
struct message;
typedef void sessions_history_fn(void *arg, enum store_status status, struct message *const *messages, size_t count);
void sessions_history(struct sessions *, const struct history_query *query, sessions_history_fn *, void *arg);

#endif
