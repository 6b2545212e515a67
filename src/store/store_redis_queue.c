/*
 * Queues in Redis: streams without a chain, and leases.  Their entries are finished by store_redis_order.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

/* ---- Reading ---- */

struct queue_call {
	struct redis_call call;
	store_view_fn *fn;
	void *arg;
	struct entry_id after;
	uint32_t max_entries;
	size_t max_bytes;
};

/* An entry is [id, [d, payload]]. */
static bool
parse_entry(const redisReply *reply, struct store_entry *entry)
{
	const redisReply *fields;

	if (!has_fields(reply, 2) || !reply_id(reply->element[0], &entry->id))
		return false;
	fields = reply->element[1];
	if (!has_fields(fields, 2) || !is_string(fields->element[1]))
		return false;
	entry->payload = fields->element[1]->str;
	entry->len = (size_t)fields->element[1]->len;
	return true;
}

static void
on_entries(struct redis_call *call, const redisReply *reply)
{
	struct queue_call *read = (struct queue_call *)call;
	struct store_view view = {.status = STORE_UNAVAILABLE, .last = read->after};
	struct store_entry *entries = NULL;
	size_t bytes = 0;

	if (reply && reply->type == REDIS_REPLY_ARRAY) {
		view.status = STORE_OK;
		view.more = reply->elements == read->max_entries;
		view.entries = entries = mem_zero(reply->elements + 1, sizeof *entries);
		for (size_t i = 0; i < reply->elements && parse_entry(reply->element[i], &entries[view.count]); i++) {
			bytes += entries[view.count].len;
			if (view.count > 0 && bytes > read->max_bytes) {
				view.more = true;
				break;
			}
			view.last = entries[view.count++].id;
		}
	}
	read->fn(read->arg, &view);
	free(entries);
	redis_call_free(call);
}

struct store_call *
redis_store_read_queue(struct store *store, const struct name *queue, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *fn, void *arg)
{
	struct queue_call *read = redis_call_new(redis_store_of(store), sizeof *read, on_entries);
	struct redis_call *call = &read->call;
	char start[1 + ENTRY_ID_SIZE] = "(";

	read->fn = fn;
	read->arg = arg;
	read->after = after;
	read->max_entries = max_entries;
	read->max_bytes = max_bytes;
	call->repeatable = true;
	entry_id_format(start + 1, after);
	redis_call_start(call, "XRANGE");
	call_add_key(call, 'q', queue);
	redis_command_adds(&call->command, start);
	redis_command_adds(&call->command, "+");
	redis_command_adds(&call->command, "COUNT");
	redis_command_addu(&call->command, max_entries);
	redis_call_send(call);
	return &call->call;
}

/* ---- Leases ---- */

#define NOT_HELD -2 /* Of redis_lease.lua. */

struct lease_call {
	struct redis_call call;
	store_leased_fn *fn;
	void *arg;
};

static void
on_leased(struct redis_call *call, const redisReply *reply)
{
	struct lease_call *lease = (struct lease_call *)call;
	struct store_leased leased = {.status = STORE_UNAVAILABLE};

	if (reply && reply->type == REDIS_REPLY_INTEGER)
		leased = (struct store_leased){STORE_OK, reply->integer != NOT_HELD,
		    reply->integer >= 0 ? (uint32_t)reply->integer : STORE_NOTHING_TOLD};
	lease->fn(lease->arg, &leased);
	redis_call_free(call);
}

struct store_call *
redis_store_lease(struct store *store, const struct store_claim *claim, store_leased_fn *fn, void *arg)
{
	struct lease_call *lease = redis_call_new(redis_store_of(store), sizeof *lease, on_leased);
	struct redis_call *call = &lease->call;

	lease->fn = fn;
	lease->arg = arg;
	call->repeatable = true;
	redis_call_script(call, SCRIPT_LEASE, 1);
	call_add_key(call, 'w', claim->name);
	call_add_name(call, claim->holder);
	redis_command_addi(&call->command, claim->ms);
	redis_command_addi(&call->command, claim->tells == STORE_NOTHING_TOLD ? -1 : (int64_t)claim->tells);
	redis_call_send(call);
	return &call->call;
}
