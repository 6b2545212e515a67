/*
 * What is written by and by, many at once: who was heard from, how far mailboxes were read, which rooms live on.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_redis_private.h"

#define TOUCH_WINDOW_MS 15000 /* Or a fifth of away_after, if that is less. */
#define TOUCHES_PER_COMMAND 256
#define ACK_WINDOW_MS 200
#define ACK_OFTEN 4    /* Who is acknowledged so often in one window gets much: whoever waits for that is not to wait long, ... */
#define ACK_SOON_MS 20 /* ... but for so long. */
#define ACKS_PER_COMMAND 64

/*
 * A session that is never away for a day must not outlive its hash's time to live: it is renewed (and its place among those of its
 * user) when the session is touched in one quarter of an hour out of 64 (16 hours), which is another one for each bucket.
 */
#define RENEW_MS 900000
#define RENEW_TURNS 64

struct heard { /* A session to be touched or acknowledged, or a room to be kept. */
	struct name name;
	struct entry_id position, handed;
	bool idle;
	unsigned times;     /* It was acknowledged, or handed something. */
	int64_t kept;       /* A room: when it was last said to live. */
	struct heard *next; /* In its shard, while touches are written. */
	UT_hash_handle hh;
};

struct beat {
	struct redis_store *store;
	struct event *touch_timer;
	struct event *ack_timer;
	bool is_soon; /* That was brought forward. */
	int64_t touch_window;
	struct heard *touched, *acked, *rooms;
	int64_t pruned; /* When rooms was last looked through. */
};

static struct heard *
hear(struct heard **set, const struct name *name, bool *new)
{
	struct heard *heard;

	HASH_FIND(hh, *set, name->s, NAME_LEN, heard);
	*new = !heard;
	if (!heard) {
		heard = mem_zero(1, sizeof *heard);
		heard->name = *name;
		HASH_ADD(hh, *set, name.s, NAME_LEN, heard);
	}
	return heard;
}

static void
forget(struct heard **set)
{
	struct heard *heard, *next;

	HASH_ITER (hh, *set, heard, next) {
		HASH_DEL(*set, heard);
		free(heard);
	}
}

static void
start_timer(struct event *timer, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	if (!evtimer_pending(timer, NULL))
		event_add(timer, &tv);
}

/* ---- Touches ---- */

static void
write_touches(struct redis_store *store, const struct heard *heard, int64_t deadline)
{
	while (heard) {
		struct redis_call *call = redis_call_new(store, sizeof *call, NULL);

		redis_call_start(call, "ZADD");
		keys_add_deadlines(store->keys, &call->command, &heard->name);
		redis_command_adds(&call->command, "XX");
		redis_command_adds(&call->command, "GT");
		for (int n = 0; heard && n < TOUCHES_PER_COMMAND; heard = heard->next, n++) {
			redis_command_addi(&call->command, deadline);
			call_add_name(call, &heard->name);
		}
		redis_call_send(call);
	}
}

static void
write_expiry(struct redis_store *store, char kind, const struct name *name, int64_t ms)
{
	struct redis_call *call = redis_call_new(store, sizeof *call, NULL);

	redis_call_start(call, "PEXPIRE");
	call_add_key(call, kind, name);
	redis_command_addi(&call->command, ms);
	redis_call_send(call);
}

struct renewal { /* Of a session's place among those of its user. */
	struct redis_call call;
	struct name session;
};

static void
on_user(struct redis_call *call, const redisReply *reply)
{
	struct redis_store *store = redis_store_of(call->call.store);
	int64_t ttl = store->limits.session_ttl_ms + DAY_MS;
	struct name session = ((struct renewal *)call)->session, user;
	bool has_user = reply && is_string(reply) && name_parse(&user, reply->str, (size_t)reply->len);

	redis_call_free(call);
	if (!has_user)
		return;
	call = redis_call_new(store, sizeof *call, NULL);
	redis_call_start(call, "ZADD");
	call_add_key(call, 'u', &user);
	redis_command_adds(&call->command, "XX"); /* It may be gone. */
	redis_command_addi(&call->command, redis_store_now(&store->store) + ttl);
	call_add_name(call, &session);
	redis_call_send(call);
	write_expiry(store, 'u', &user, ttl);
}

static void
renew(struct redis_store *store, const struct name *session, int64_t now)
{
	struct renewal *renewal;

	if (keys_bucket(session) % RENEW_TURNS != now / RENEW_MS % RENEW_TURNS)
		return;
	write_expiry(store, 's', session, store->limits.session_ttl_ms + DAY_MS);
	renewal = redis_call_new(store, sizeof *renewal, on_user);
	renewal->session = *session;
	redis_call_start(&renewal->call, "HGET");
	call_add_key(&renewal->call, 's', session);
	redis_command_adds(&renewal->call.command, "o");
	redis_call_send(&renewal->call);
}

static void
on_touch_timer(evutil_socket_t none, short what, void *arg)
{
	struct beat *beat = arg;
	struct redis_store *store = beat->store;
	struct heard *shards[DEADLINE_SHARDS] = {NULL}, *heard, *next;
	int64_t now = redis_store_now(&store->store);

	(void)none, (void)what;
	if (!redis_is_up(store->commands)) {
		start_timer(beat->touch_timer, beat->touch_window);
		return;
	}
	HASH_ITER (hh, beat->touched, heard, next) {
		unsigned shard = keys_deadline_shard(&heard->name);

		heard->next = shards[shard];
		shards[shard] = heard;
		renew(store, &heard->name, now);
	}
	for (unsigned i = 0; i < DEADLINE_SHARDS; i++)
		write_touches(store, shards[i], now + store->limits.away_after_ms);
	forget(&beat->touched);
}

void
redis_store_touch(struct store *store, const struct name *id)
{
	struct beat *beat = redis_store_of(store)->beat;
	bool new;

	hear(&beat->touched, id, &new);
	if (new)
		start_timer(beat->touch_timer, beat->touch_window);
}

/* ---- Acknowledgements ---- */

static void
on_ack_timer(evutil_socket_t none, short what, void *arg)
{
	struct beat *beat = arg;
	struct redis_store *store = beat->store;
	struct heard *heard, *first = beat->acked;

	(void)none, (void)what;
	beat->is_soon = false;
	if (!redis_is_up(store->commands)) {
		start_timer(beat->ack_timer, ACK_WINDOW_MS);
		return;
	}
	for (unsigned left = HASH_COUNT(beat->acked), n; left; left -= n) {
		struct redis_call *call = redis_call_new(store, sizeof *call, NULL);
		unsigned i;

		n = left < ACKS_PER_COMMAND ? left : ACKS_PER_COMMAND;
		redis_call_script(call, SCRIPT_ACK, 2 * n);
		for (heard = first, i = 0; i < n; heard = heard->hh.next, i++) {
			call_add_key(call, 's', &heard->name);
			call_add_key(call, 'm', &heard->name);
		}
		for (heard = first, i = 0; i < n; heard = heard->hh.next, i++) {
			call_add_id(call, heard->position);
			redis_command_adds(&call->command, heard->idle ? "1" : "0");
			call_add_id(call, heard->handed);
		}
		first = heard;
		redis_call_send(call);
	}
	forget(&beat->acked);
}

static struct heard *
hear_ack(struct beat *beat, const struct name *id)
{
	const struct timeval soon = clock_timeval(ACK_SOON_MS);
	bool new;
	struct heard *heard = hear(&beat->acked, id, &new);

	if (new)
		start_timer(beat->ack_timer, ACK_WINDOW_MS);
	if (++heard->times == ACK_OFTEN && !beat->is_soon) {
		beat->is_soon = true;
		event_add(beat->ack_timer, &soon);
	}
	return heard;
}

void
redis_store_ack(struct store *store, const struct name *id, struct entry_id pos, bool idle)
{
	struct beat *beat = redis_store_of(store)->beat;
	const struct acked *known = bell_acked(redis_store_of(store)->bell, id);
	struct heard *heard;
	int order;

	if (known && entry_id_compare(pos, known->position) <= 0 && (!idle || known->emptied))
		return;
	heard = hear_ack(beat, id);
	order = entry_id_compare(pos, heard->position);
	if (order > 0)
		heard->position = pos;
	if (order >= 0)
		heard->idle = idle || (order == 0 && heard->idle);
}

void
redis_store_hand(struct store *store, const struct name *id, struct entry_id pos)
{
	hear_ack(redis_store_of(store)->beat, id)->handed = pos;
}

/* ---- Rooms that are kept ---- */

int64_t
beat_room_expiry(struct redis_store *store)
{
	return redis_store_now(&store->store) + store->limits.room_ttl_ms;
}

static void
write_room(struct redis_store *store, const struct name *room)
{
	struct redis_call *call;

	write_expiry(store, 'r', room, store->limits.room_ttl_ms);
	write_expiry(store, 'p', room, store->limits.room_ttl_ms);
	call = redis_call_new(store, sizeof *call, NULL);
	redis_call_start(call, "ZADD");
	keys_add_catalogue(store->keys, &call->command, room);
	redis_command_adds(&call->command, "XX"); /* It may have been forgotten since it was read. */
	redis_command_adds(&call->command, "GT");
	redis_command_addi(&call->command, beat_room_expiry(store));
	call_add_name(call, room);
	redis_call_send(call);
}

void
beat_keep_room(struct beat *beat, const struct name *room)
{
	int64_t now = clock_mono_ms();
	bool new;
	struct heard *heard = hear(&beat->rooms, room, &new);

	if (!new && now - heard->kept < beat->store->limits.room_ttl_ms / 4)
		return;
	heard->kept = now;
	write_room(beat->store, room);
}

void
beat_prune(struct beat *beat)
{
	int64_t now = clock_mono_ms(), every = beat->store->limits.room_ttl_ms / 4;
	struct heard *heard, *next;

	if (now - beat->pruned < every)
		return;
	beat->pruned = now;
	HASH_ITER (hh, beat->rooms, heard, next) {
		if (now - heard->kept < every)
			continue;
		HASH_DEL(beat->rooms, heard);
		free(heard);
	}
}

/* ---- Life ---- */

struct beat *
beat_new(struct redis_store *store)
{
	struct beat *beat = mem_zero(1, sizeof *beat);

	beat->store = store;
	beat->touch_window = store->limits.away_after_ms / 5 < TOUCH_WINDOW_MS ? store->limits.away_after_ms / 5 : TOUCH_WINDOW_MS;
	beat->touch_timer = evtimer_new(store->base, on_touch_timer, beat);
	beat->ack_timer = evtimer_new(store->base, on_ack_timer, beat);
	if (!beat->touch_timer || !beat->ack_timer)
		abort();
	return beat;
}

void
beat_free(struct beat *beat)
{
	forget(&beat->touched);
	forget(&beat->acked);
	forget(&beat->rooms);
	event_free(beat->touch_timer);
	event_free(beat->ack_timer);
	free(beat);
}
