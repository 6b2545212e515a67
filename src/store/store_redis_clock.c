/*
 * The time by Redis' clock, which is the one that all instances share: a machine whose own clock is wrong must not think that
 * sessions are silent, nor that its sinks are newer than those of others.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store_redis_private.h"

#define ASK_AGAIN_MS 60000
#define SKEW_MIN_MS 20 /* Below, the answer's way says more about it than the clocks: ours is taken as right. */
#define SKEW_MAX_MS 2000

struct clock_call {
	struct redis_call call;
	int64_t sent_us;
};

static int64_t
number(const redisReply *reply)
{
	return is_string(reply) ? strtoll(reply->str, NULL, 10) : 0;
}

static void
on_time(struct redis_call *call, const redisReply *reply)
{
	struct redis_store *store = redis_store_of(call->call.store);
	int64_t half_trip_ms = (clock_mono_us() - ((struct clock_call *)call)->sent_us) / 2000;

	if (reply && has_fields(reply, 2)) {
		int64_t theirs = number(reply->element[0]) * 1000 + number(reply->element[1]) / 1000 + half_trip_ms;
		int64_t ahead = clock_wall_ms() - theirs;

		if (llabs(ahead) > SKEW_MAX_MS && llabs(ahead - store->clock_ahead_ms) > SKEW_MAX_MS)
			log_warning("this machine's clock is %lld ms ahead of that of Redis, which counts", (long long)ahead);
		store->clock_ahead_ms = llabs(ahead) < SKEW_MIN_MS + half_trip_ms ? 0 : ahead;
	}
	redis_call_free(call);
}

void
redis_store_set_clock(struct redis_store *store)
{
	struct clock_call *clock = redis_call_new(store, sizeof *clock, on_time);

	store->clock_asked_ms = clock_mono_ms();
	clock->sent_us = clock_mono_us();
	redis_call_start(&clock->call, "TIME");
	redis_call_send(&clock->call);
}

void
redis_store_keep_clock(struct redis_store *store)
{
	if (clock_mono_ms() - store->clock_asked_ms >= ASK_AGAIN_MS)
		redis_store_set_clock(store);
}

int64_t
redis_store_now(struct store *store)
{
	return clock_wall_ms() - redis_store_of(store)->clock_ahead_ms;
}
