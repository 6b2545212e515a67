/*
 * A stream's entries in memory: a ring that begins small and drops its oldest entry once it holds as many as it may.
 *
 * Entries are counted references, since a notice of one may outlive its place in the stream.  And what a callback is lent
 * stays until it returns, whatever it calls meanwhile: what is freed then goes into a bin that is emptied afterwards.
 */
#ifndef STORE_STORE_MEMORY_CHAIN_H
#define STORE_STORE_MEMORY_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"

struct bin {
	bool held; /* Set while something is lent. */
	void **kept; /* Owned, as is all in it. */
	size_t count, room;
};

void bin_put(struct bin *, void *p); /* Free p, now or when nothing is lent any more. */
void bin_empty(struct bin *);

struct chain_entry {
	struct entry_id id;
	uint32_t refs;
	uint32_t len;
	char payload[]; /* NUL-terminated. */
};

struct chain {
	struct entry_id last;
	struct entry_id before; /* The one that the first entry follows; `last` when there is none. */
	struct chain_entry **ring;
	uint32_t first, count, room;
};

void chain_start(struct chain *, struct entry_id base);
/* Append payload and data, one behind the other, and keep max entries.  The entry is the chain's: ref it to keep it. */
struct chain_entry *chain_append(struct chain *, struct bin *, struct entry_id id, const char *payload, size_t len,
    const char *data,
    size_t data_len, uint32_t max);
/* Take out entry i, wherever it is. */
void chain_remove(struct chain *, struct bin *, uint32_t i);
/* Drop all entries; the chain goes on where it is. */
void chain_clear(struct chain *, struct bin *);

/* Entry i of count, from the oldest. */
struct chain_entry *chain_at(const struct chain *, uint32_t i);
/* How many entries are at or before id: so the index of the first one behind it. */
uint32_t chain_upto(const struct chain *, struct entry_id id);

struct chain_entry *chain_entry_ref(struct chain_entry *);
void chain_entry_unref(struct chain_entry *, struct bin *);

#endif
