/*
 * Queues: entries that stay until somebody has done them, and leases, by which one of several does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_memory_private.h"

/* ---- Finishing ---- */

/* The index of the entry in the queue; its count if it is not there. */
static uint32_t
find(const struct chain *chain, struct entry_id entry)
{
	uint32_t upto = chain_upto(chain, entry);

	return upto > 0 && entry_id_compare(chain_at(chain, upto - 1)->id, entry) == 0 ? upto - 1 : chain->count;
}

struct store_call *
memory_finish(struct store *store, const struct store_item *item, const struct store_op *ops, size_t n, store_applied_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct chain *chain = &memory_queue(m, item->queue)->chain;
	struct task *task = memory_post(m, TASK_APPLIED, NULL, n * sizeof(struct store_result), arg);
	struct store_applied *applied = &task->u.applied;
	struct store_result *results = (struct store_result *)(task + 1);
	uint32_t i = find(chain, item->id);

	task->fn.applied = fn;
	if (item->once && memory_recall(m, item->once, results, n, applied))
		return &task->call;
	*applied = (struct store_applied){.status = STORE_GONE};
	if (i == chain->count)
		return &task->call;
	chain_remove(chain, &m->bin, i);
	memory_order_apply(m, ops, n, results);
	if (item->once)
		memory_remember(m, item->once, results, n);
	*applied = (struct store_applied){.status = STORE_OK, .count = n, .results = results};
	return &task->call;
}

/* ---- Leases ---- */

static struct lease *
find_lease(const struct memory *m, const struct name *name)
{
	struct lease *lease;

	HASH_FIND(hh, m->leases, name->s, NAME_LEN, lease);
	return lease;
}

static void
lease_free(struct memory *m, struct lease *lease)
{
	HASH_DEL(m->leases, lease);
	free(lease);
}

void
memory_leases_forget(struct memory *m)
{
	struct lease *lease, *next;

	HASH_ITER(hh, m->leases, lease, next)
		lease_free(m, lease);
}

static struct store_leased
hold(struct memory *m, const struct store_claim *claim)
{
	struct lease *lease = find_lease(m, claim->name);
	struct store_leased leased = {.status = STORE_OK, .told = STORE_NOTHING_TOLD};

	if (lease && lease->until <= clock_mono_ms()) {
		lease_free(m, lease);
		lease = NULL;
	}
	if (lease && !name_equal(&lease->holder, claim->holder)) {
		if (claim->tells < lease->told)
			lease->told = claim->tells;
		return leased;
	}
	if (claim->ms == 0) {
		if (lease)
			lease_free(m, lease);
		return leased;
	}
	leased.held = true;
	if (lease) {
		leased.told = lease->told;
	} else {
		lease = mem_zero(1, sizeof(*lease));
		lease->name = *claim->name;
		HASH_ADD(hh, m->leases, name.s, NAME_LEN, lease);
	}
	lease->holder = *claim->holder;
	lease->until = clock_mono_ms() + claim->ms;
	lease->told = STORE_NOTHING_TOLD;
	return leased;
}

struct store_call *
memory_lease(struct store *store, const struct store_claim *claim, store_leased_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct task *task = memory_post(m, TASK_LEASED, NULL, 0, arg);

	task->fn.leased = fn;
	task->u.leased = hold(m, claim);
	return &task->call;
}
