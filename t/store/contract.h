/*
 * The contract of store.h as a test that any implementation runs: store_memory, store_redis, a store that wraps one.
 *
 * Nothing here sleeps: it turns the loop until what it waits for is there, or a limit is reached.  So a store may be slow.
 */
#ifndef T_STORE_CONTRACT_H
#define T_STORE_CONTRACT_H

#include "store/store.h"

struct event_base;

struct contract {
	/* Make a store on data of its own, empty. */
	struct store *(*make)(void *arg, struct event_base *base, const struct store_limits *limits);
	/* Make another instance on the data of the one made last; NULL if the store has but one. */
	struct store *(*make_other)(void *arg, struct event_base *base, const struct store_limits *limits);
	void *arg;
	uint32_t slack; /* So many entries more than mailbox_max or room_max may be kept. */
	int fuzz_steps; /* 0 for the usual 10,000. */
};

/* Run all of it, as TAP.  done() of tap.h remains to be called. */
void contract_run(const struct contract *contract);

#endif
