/*
 * The sweep: finds the sessions that are due, and brings back how many sessions and rooms there are.  It goes round the store's
 * parts, a few at each call.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/store_redis_private.h"

/* All parts of the store are swept within a quarter of away_after, but not more often or more seldom than this. */
#define PARTS 16
#define SHARDS_PER_PART (DEADLINE_SHARDS / PARTS)
#define ROUND_MIN_MS 1000
#define ROUND_MAX_MS 8000
#define CLAIM_MS 10000
#define CLAIMS_PER_SHARD 32

struct sweeper {
	struct redis_store *store;
	unsigned part; /* The next to be swept. */
	int64_t sessions[PARTS], rooms[PARTS];
};

struct sweep_call {
	struct redis_call call;
	store_due_fn *fn;
	void *arg;
	unsigned parts; /* Still to visit, with the one under way. */
	unsigned part;
	struct name *ids; /* Owned. */
	size_t count;
};

static int64_t
sum(const int64_t counts[PARTS])
{
	int64_t all = 0;

	for (int i = 0; i < PARTS; i++)
		all += counts[i];
	return all;
}

bool
sweeper_may_open(const struct sweeper *sweeper)
{
	return sum(sweeper->sessions) < sweeper->store->limits.max_sessions;
}

bool
sweeper_may_make_room(const struct sweeper *sweeper)
{
	return sum(sweeper->rooms) < sweeper->store->limits.max_rooms;
}

void
sweeper_opened(struct sweeper *sweeper, const struct name *session)
{
	sweeper->sessions[keys_deadline_shard(session) / SHARDS_PER_PART]++;
}

static void
free_sweep(struct redis_call *call)
{
	free(((struct sweep_call *)call)->ids);
}

static void
finish_sweep(struct sweep_call *sweep, enum store_status status)
{
	sweep->fn(sweep->arg, &(struct store_due){status, sweep->count, sweep->ids});
	redis_call_free(&sweep->call);
}

static void
sweep_part(struct sweep_call *sweep)
{
	struct redis_call *call = &sweep->call;
	struct redis_store *store = redis_store_of(call->call.store);
	struct sweeper *sweeper = store->sweeper;
	int64_t now = redis_store_now(&store->store);

	sweep->part = sweeper->part;
	sweeper->part = (sweeper->part + 1) % PARTS;
	redis_call_script(call, SCRIPT_SWEEP, 1 + SHARDS_PER_PART);
	keys_add_shard(store->keys, &call->command, 'c', sweep->part * (CATALOGUE_SHARDS / PARTS));
	for (unsigned i = 0; i < SHARDS_PER_PART; i++)
		keys_add_shard(store->keys, &call->command, 'd', sweep->part * SHARDS_PER_PART + i);
	redis_command_addi(&call->command, now);
	redis_command_addi(&call->command, now + CLAIM_MS - CLAIM_BASE);
	redis_command_addi(&call->command, CLAIMS_PER_SHARD);
	redis_call_send(call);
}

static void
on_swept(struct redis_call *call, const redisReply *reply)
{
	struct sweep_call *sweep = (struct sweep_call *)call;
	struct sweeper *sweeper = redis_store_of(call->call.store)->sweeper;

	if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2) {
		finish_sweep(sweep, STORE_UNAVAILABLE);
		return;
	}
	sweeper->sessions[sweep->part] = reply->element[0]->integer;
	sweeper->rooms[sweep->part] = reply->element[1]->integer;
	metric_set(SESSIONS, sum(sweeper->sessions));
	metric_set(ROOMS, sum(sweeper->rooms));
	if (reply->elements > 2)
		sweep->ids = mem_resize(sweep->ids, sweep->count + reply->elements - 2, sizeof *sweep->ids);
	for (size_t i = 2; i < reply->elements; i++)
		if (is_string(reply->element[i]) &&
		    name_parse(&sweep->ids[sweep->count], reply->element[i]->str, (size_t)reply->element[i]->len))
			sweep->count++;
	if (--sweep->parts)
		sweep_part(sweep);
	else
		finish_sweep(sweep, STORE_OK);
}

struct store_call *
redis_store_sweep(struct store *store, store_due_fn *fn, void *arg)
{
	struct redis_store *rs = redis_store_of(store);
	struct sweep_call *sweep = redis_call_new(rs, sizeof *sweep, on_swept);
	int64_t round_ms = rs->limits.away_after_ms / 4;

	if (round_ms < ROUND_MIN_MS)
		round_ms = ROUND_MIN_MS;
	if (round_ms > ROUND_MAX_MS)
		round_ms = ROUND_MAX_MS;
	sweep->fn = fn;
	sweep->arg = arg;
	sweep->call.on_free = free_sweep;
	/* It is called every second. */
	sweep->parts = (unsigned)((PARTS * 1000 + round_ms - 1) / round_ms);
	beat_prune(rs->beat);
	redis_store_keep_clock(rs);
	sweep_part(sweep);
	return &sweep->call.call;
}

struct sweeper *
sweeper_new(struct redis_store *store)
{
	struct sweeper *sweeper = mem_zero(1, sizeof *sweeper);

	sweeper->store = store;
	return sweeper;
}

void
sweeper_free(struct sweeper *sweeper)
{
	free(sweeper);
}
