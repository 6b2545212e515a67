/*
 * The faulty store, as its two files see it: calls and their faults, answers and their ways.
 */
#ifndef T_STORE_STORE_FAULTY_PRIVATE_H
#define T_STORE_STORE_FAULTY_PRIVATE_H

#include <event2/event.h>
#include <sys/queue.h>

#include "store/store_private.h"
#include "store_faulty.h"

struct watched {
	LIST_ENTRY(watched) link;
	struct name stream;
	bool deaf;
};

struct faulty_call {
	struct store_call call; /* First. */
	TAILQ_ENTRY(faulty_call) link;
	struct faulty *faulty;
	enum faulty_kind kind; /* Or FAULTY_KINDS: on_changed. */
	enum faulty_fault fault;
	int runs;                 /* Of the operation, so far. */
	void *who;                /* Who is told of the next run: this call, or nobody. */
	struct store_call *inner; /* NULL once answered. */
	bool held;
	struct event *timer; /* Owned; NULL unless the answer waits for it. */
	void *arg;
	union {
		store_opened_fn *opened;
		store_applied_fn *applied;
		store_view_fn *view;
		store_members_fn *members;
		store_rooms_fn *rooms;
		store_sessions_fn *sessions;
		store_session_fn *session;
		store_presence_fn *presence;
		store_due_fn *due;
		store_probe_fn *probe;
		store_leased_fn *leased;
	} fn;
	union {
		enum store_status status; /* The first field of all. */
		struct store_opened opened;
		struct store_applied applied;
		struct store_view view;
		struct store_members members;
		struct store_rooms rooms;
		struct store_sessions sessions;
		struct store_session session;
		struct store_presence presence;
		struct store_due due;
		struct store_probe probe;
		struct store_leased leased;
		struct {
			struct name stream;
			struct entry_id prev;
			struct store_entry entry;
		} notice;
	} answer;
	void **copies; /* Owned; what the answer points to, once it has to wait. */
	size_t copies_count;
};

TAILQ_HEAD(call_list, faulty_call);

struct faulty {
	struct store store; /* First. */
	struct event_base *base;
	struct store *inner; /* Owned. */
	struct call_list calls;
	LIST_HEAD(, watched) watches;
	unsigned count[FAULTY_KINDS + 1];
	struct {
		unsigned at; /* Which call meets it. */
		enum faulty_fault fault;
	} plan[FAULTY_KINDS + 1];
	bool lost;
	bool deaf; /* So are new watches. */
	int64_t delay_ms;
};

struct watched *faulty_watch_of(const struct faulty *, const struct name *stream);

void faulty_call_free(struct faulty_call *);
/* The answer is UNAVAILABLE, or GONE. */
void faulty_call_fail(struct faulty_call *);
/* The answer is there: tell it now, or keep it and tell it later, as the fault and the delay say. */
void faulty_call_answered(struct faulty_call *);
/* Tell the answer from the loop. */
void faulty_call_tell_after(struct faulty_call *, int64_t ms);
void faulty_tell_changed(struct faulty *, const struct name *stream);
void faulty_tell_notice(struct faulty *, const struct faulty_call *);

#endif
