#include "store/store_memory_chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RING_START 4

void
bin_put(struct bin *bin, void *p)
{
	if (!bin->held) {
		free(p);
		return;
	}
	if (bin->count == bin->room) {
		bin->room = bin->room ? 2 * bin->room : 64;
		bin->kept = mem_resize(bin->kept, bin->room, sizeof(*bin->kept));
	}
	bin->kept[bin->count++] = p;
}

void
bin_empty(struct bin *bin)
{
	while (bin->count > 0)
		free(bin->kept[--bin->count]);
}

struct chain_entry *
chain_entry_ref(struct chain_entry *entry)
{
	entry->refs++;
	return entry;
}

void
chain_entry_unref(struct chain_entry *entry, struct bin *bin)
{
	if (--entry->refs == 0)
		bin_put(bin, entry);
}

void
chain_start(struct chain *chain, struct entry_id base)
{
	*chain = (struct chain){.last = base, .before = base};
}

struct chain_entry *
chain_at(const struct chain *chain, uint32_t i)
{
	uint32_t slot = chain->first + i;

	return chain->ring[slot < chain->room ? slot : slot - chain->room];
}

static void
drop_first(struct chain *chain, struct bin *bin)
{
	struct chain_entry *entry = chain->ring[chain->first];

	chain->before = entry->id;
	chain->first = chain->first + 1 == chain->room ? 0 : chain->first + 1;
	chain->count--;
	chain_entry_unref(entry, bin);
}

/* To a ring of twice the size, in which the oldest is first. */
static void
grow(struct chain *chain)
{
	uint32_t i, room = chain->room ? 2 * chain->room : RING_START;
	struct chain_entry **ring = mem_zero(room, sizeof(struct chain_entry *));

	for (i = 0; i < chain->count; i++)
		ring[i] = chain_at(chain, i);
	free(chain->ring);
	chain->ring = ring;
	chain->room = room;
	chain->first = 0;
}

struct chain_entry *
chain_append(struct chain *chain, struct bin *bin, struct entry_id id, const char *payload, size_t len, const char *data,
    size_t data_len, uint32_t max)
{
	struct chain_entry *entry = mem_alloc(sizeof(*entry) + len + data_len + 1);
	uint32_t slot;

	assert(len + data_len < UINT32_MAX && entry_id_compare(id, chain->last) > 0);
	entry->id = id;
	entry->refs = 1;
	entry->len = (uint32_t)(len + data_len);
	if (len > 0)
		memcpy(entry->payload, payload, len);
	if (data_len > 0)
		memcpy(entry->payload + len, data, data_len);
	entry->payload[entry->len] = '\0';

	while (chain->count > 0 && chain->count >= max)
		drop_first(chain, bin);
	if (chain->count == chain->room)
		grow(chain);
	slot = chain->first + chain->count++;
	chain->ring[slot < chain->room ? slot : slot - chain->room] = entry;
	chain->last = id;
	return entry;
}

void
chain_remove(struct chain *chain, struct bin *bin, uint32_t i)
{
	struct chain_entry *entry = chain_at(chain, i);

	/* Mostly it is one of the first: those move up. */
	for (; i > 0; i--)
		chain->ring[(chain->first + i) % chain->room] = chain_at(chain, i - 1);
	chain->ring[chain->first] = entry;
	drop_first(chain, bin);
}

void
chain_clear(struct chain *chain, struct bin *bin)
{
	while (chain->count > 0)
		drop_first(chain, bin);
	free(chain->ring);
	chain_start(chain, chain->last);
}

uint32_t
chain_upto(const struct chain *chain, struct entry_id id)
{
	uint32_t low = 0, high = chain->count;

	/* Readers are mostly up to date or one entry behind: so begin at the end. */
	if (high > 0 && entry_id_compare(chain_at(chain, high - 1)->id, id) <= 0)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (entry_id_compare(chain_at(chain, middle)->id, id) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
