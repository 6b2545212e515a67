/*
 * Orders: operations of who is no session, and those that were applied and may be asked for again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_memory_private.h"

/* ---- What was applied ---- */

static void
order_free(struct memory *m, struct order *order)
{
	HASH_DEL(m->orders, order);
	TAILQ_REMOVE(&m->orders_by_age, order, by_age);
	free(order);
}

void
memory_orders_age(struct memory *m)
{
	int64_t now = clock_mono_ms();
	struct order *order;

	while ((order = TAILQ_FIRST(&m->orders_by_age)) && order->until <= now)
		order_free(m, order);
}

void
memory_orders_forget(struct memory *m)
{
	struct order *order;

	while ((order = TAILQ_FIRST(&m->orders_by_age)))
		order_free(m, order);
}

static struct order *
find(const struct memory *m, const struct name *key)
{
	struct order *order;

	HASH_FIND(hh, m->orders, key->s, NAME_LEN, order);
	return order;
}

void
memory_remember(struct memory *m, const struct store_once *once, const struct store_result *results, size_t n)
{
	struct order *order = mem_zero(1, sizeof(*order) + n * sizeof(*results));

	order->key = once->key;
	order->request = once->request;
	order->until = clock_mono_ms() + m->limits.orders_ttl_ms;
	order->count = n;
	memcpy(order->results, results, n * sizeof(*results));
	HASH_ADD(hh, m->orders, key.s, NAME_LEN, order);
	TAILQ_INSERT_TAIL(&m->orders_by_age, order, by_age);
}

bool
memory_recall(struct memory *m, const struct store_once *once, struct store_result *results, size_t n, struct store_applied *applied)
{
	const struct order *known;

	memory_orders_age(m);
	known = find(m, &once->key);
	if (!known) {
		*applied = (struct store_applied){.status = STORE_FULL};
		return HASH_COUNT(m->orders) >= m->limits.orders_max;
	}
	if (!name_equal(&known->request, &once->request) || known->count != n) {
		*applied = (struct store_applied){.status = STORE_OTHER};
		return true;
	}
	memcpy(results, known->results, n * sizeof(*results));
	*applied = (struct store_applied){.status = STORE_OK, .repeated = n, .count = n, .results = results};
	return true;
}

/* ---- Applying ---- */

static void
apply(struct memory *m, const struct store_op *op, struct store_result *result)
{
	struct session *s = store_op_has_owner(op) ? memory_session(m, &op->session) : NULL;

	if (store_op_has_owner(op) && !s) {
		*result = (struct store_result){.code = STORE_NO_TARGET};
	} else if (op->kind == STORE_END) {
		if (op->event && !s->away && memory_session_state(s).number != 0) {
			memory_append(m, s, op->event, op->event_len);
			s->ended = true;
		} else {
			memory_session_remove(m, s, op->payload, op->payload_len);
		}
		*result = (struct store_result){.code = STORE_DONE};
	} else {
		memory_apply_op(m, s, op, result);
	}
}

void
memory_order_apply(struct memory *m, const struct store_op *ops, size_t n, struct store_result *results)
{
	for (size_t i = 0; i < n; i++)
		apply(m, &ops[i], &results[i]);
}

struct store_call *
memory_order(struct store *store, const struct store_once *once, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	struct memory *m = memory_of(store);
	struct task *task = memory_post(m, TASK_APPLIED, NULL, n * sizeof(struct store_result), arg);
	struct store_applied *applied = &task->u.applied;
	struct store_result *results = (struct store_result *)(task + 1);

	task->fn.applied = fn;
	if (once && memory_recall(m, once, results, n, applied))
		return &task->call;
	memory_order_apply(m, ops, n, results);
	if (once)
		memory_remember(m, once, results, n);
	*applied = (struct store_applied){.status = STORE_OK, .count = n, .results = results};
	return &task->call;
}
