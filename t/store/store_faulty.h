/*
 * A store around another one that does things wrong when told to, for tests of what uses a store: operations that fail, of
 * which the answer gets lost, that are done twice, or whose answer is overtaken; notices that are lost, late or repeated.
 */
#ifndef T_STORE_STORE_FAULTY_H
#define T_STORE_STORE_FAULTY_H

#include "store/store.h"

enum faulty_kind {
	FAULTY_OPEN,
	FAULTY_APPLY,
	FAULTY_SWAP,
	FAULTY_ORDER,
	FAULTY_FINISH,
	FAULTY_LEASE,
	FAULTY_READ_QUEUE,
	FAULTY_READ_MAILBOX,
	FAULTY_READ_ROOM,
	FAULTY_READ_TAIL,
	FAULTY_LIST_MEMBERS,
	FAULTY_LIST_ROOMS,
	FAULTY_LIST_SESSIONS,
	FAULTY_LIST_USER,
	FAULTY_LOOK,
	FAULTY_LAPSE,
	FAULTY_BACK,
	FAULTY_CLOSE,
	FAULTY_SWEEP,
	FAULTY_TRY,
	FAULTY_NOTICE, /* on_entry */
	FAULTY_KINDS
};

enum faulty_fault {
	FAULTY_NONE,
	FAULTY_FAIL,   /* Not done, answered UNAVAILABLE.  A notice: lost. */
	FAULTY_GONE,   /* Not done, answered GONE.  A notice: lost. */
	FAULTY_UNSURE, /* Done, answered UNAVAILABLE. */
	FAULTY_HOLD,   /* Done; the answer (or notice) waits for store_faulty_release. */
	FAULTY_TWICE   /* Done twice, answered as the second time.  A notice: repeated. */
};

/* Takes inner. */
struct store *store_faulty_new(struct event_base *, struct store *inner);

/* The n-th call of this kind from now on (1: the next one) meets this fault.  One plan for each kind at a time. */
void store_faulty_plan(struct store *, enum faulty_kind, unsigned n, enum faulty_fault);
/* As if the store were lost: every call fails, no notice comes; until it is called with false, which rings on_changed for all. */
void store_faulty_lose(struct store *, bool lost);
/* What is watched from now on is not heard, until it is called with false, which rings on_changed for it. */
void store_faulty_deafen(struct store *, bool deaf);
/* Answer every call so much later. */
void store_faulty_delay(struct store *, int64_t ms);
/* From the next turn of the loop on, let go what is held; how much that is. */
unsigned store_faulty_release(struct store *);

unsigned store_faulty_calls(const struct store *, enum faulty_kind); /* So many, so far. */
unsigned store_faulty_held(const struct store *);
void store_faulty_ring(struct store *, const struct name *stream); /* on_changed, at once. */

#endif
