/*
 * The embedded store: the contract, and what only a store in this process can be asked: to be exact, small, and to let time
 * be turned.
 */
#include <malloc.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "contract_kit.h"

#define DAY_MS 86400000

static struct store *
make(void *arg, struct event_base *base, const struct store_limits *limits)
{
	(void)arg;
	return store_memory_new(base, limits);
}

static const struct contract contract = {.make = make};

static void
test_room_ttl(void)
{
	struct kit k;
	struct entry_id since, at;
	struct name id, room = room_named("empty"), kept = room_named("kept");
	struct answer *a;

	kit_start(&k, &contract, &kit_limits);
	id = open_session(&k, "member", "", NULL);
	at = do_one(&k, &id, op_room("empty", "x"));
	since = do_one(&k, &id, op_join("kept", "$join"));
	do_one(&k, &id, op_room("kept", "one"));
	clock_turn(DAY_MS - 1000);
	is_entries(read_room(&k, "kept", since), "one", "a log stays for its time");
	is_int((int64_t)await(start_read_room(&k, &room, at, 10, 1000))->status, STORE_OK, "and so does a room without members");
	clock_turn(2000);
	is_status(await(start_read_room(&k, &room, at, 10, 1000)), STORE_GONE, "after that a room without members is gone");
	a = read_room(&k, "kept", since);
	ok(a->status == STORE_OK && a->count == 0 && a->gap, "one with members loses its log, and who had not read it is told");
	is_int((int64_t)await(start_list_members(&k, &kept, 10))->total, 1, "but not its members");
	at = do_one(&k, &id, op_room("kept", "two"));
	a = read_room(&k, "kept", a->last);
	ok(!a->gap && a->count == 1 && same_id(a->last, at), "the log goes on from there");
	do_one(&k, &id, op_leave("kept", "$leave"));
	clock_turn(DAY_MS - 1000);
	is_entries(await(start_read_tail(&k, &kept, id_of(UINT64_MAX, 0), 1)), "$leave",
	    "its time begins again when the last member leaves");
	clock_turn(2000);
	await(start_sweep(&k));
	is_status(await(start_read_tail(&k, &kept, id_of(UINT64_MAX, 0), 1)), STORE_GONE, "and ends");
	kit_end(&k, "rooms past their time");
}

/* Rooms past their time make place for others, without a sweep. */
static void
test_rooms_limit(void)
{
	struct store_limits limits = kit_limits;
	struct kit k;
	struct name id;

	limits.max_rooms = 2;
	kit_start(&k, &contract, &limits);
	id = open_session(&k, "maker", "", NULL);
	do_one(&k, &id, op_room("one", "x"));
	do_one(&k, &id, op_room("two", "x"));
	is_int(apply_one(&k, &id, 0, op_room("three", "x"))->results[0].code, STORE_ROOMS_LIMIT,
	    "the number of rooms is limited exactly");
	clock_turn(DAY_MS);
	is_int(apply_one(&k, &id, 0, op_room("three", "x"))->results[0].code, STORE_DONE, "rooms past their time do not count");
	kit_end(&k, "limit of rooms");
}

static void
test_clock_back(void)
{
	struct kit k;
	struct entry_id base, one, two;
	struct name id;

	kit_start(&k, &contract, &kit_limits);
	id = open_session(&k, "clock", "", &base);
	one = do_one(&k, &id, op_send(&id, "one"));
	clock_turn(-3600000);
	two = do_one(&k, &id, op_send(&id, "two"));
	clock_turn(3600000);
	ok(entry_id_compare(base, one) < 0 && entry_id_compare(one, two) < 0, "ids increase though the clock goes back");
	is_entries(read_mailbox(&k, &id, base), "one two", "and so entries stay in order");
	kit_end(&k, "a clock that goes back");
}

/* Thousands with deadlines in a random order: each is found due when it is, and not before. */
static void
test_many_deadlines(void)
{
	enum { N = 3000 };
	struct kit k;
	struct name ids[N];
	static bool due[N], touched[N];
	uint32_t random = 1;
	size_t i, wrong = 0, closed = 0, round, found = 0;
	char text[16];

	kit_start(&k, &contract, &kit_limits);
	for (i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		ids[i] = open_session(&k, text, "", NULL);
		if (i % 100 == 99)
			clock_turn(10);
	}
	for (i = 0; i < N; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 30 == 0) {
			await(start_close(&k, &ids[i], ""));
			closed++;
			due[i] = true;
		}
	}
	clock_turn(kit_limits.away_after_ms / 2);
	for (i = 0; i < N; i += 3) {
		store_touch(k.at, &ids[i]);
		touched[i] = true;
	}
	clock_turn(kit_limits.away_after_ms / 2 + 1000);
	for (round = 0; round < 2; round++) {
		struct answer *a;

		while ((a = await(start_sweep(&k)))->count > 0)
			for (size_t j = 0; j < a->count; j++, found++) {
				i = (size_t)atoi(a->ids[j].s + 2);
				wrong += due[i] || touched[i] != (round == 1);
				due[i] = true;
				await(start_close(&k, &ids[i], ""));
			}
		clock_turn(kit_limits.away_after_ms / 2);
	}
	is_int((int64_t)wrong, 0, "each of thousands of sessions is due when it has not been touched for so long");
	is_int((int64_t)(found + closed), N, "and all are, but for those that were closed");
	kit_end(&k, "many deadlines");
}

static void
test_try_late(void)
{
	struct kit k;
	struct answer *a;

	kit_start(&k, &contract, &kit_limits);
	a = start_try(&k, 1000);
	clock_turn(1500);
	await(a);
	ok(a->status == STORE_UNAVAILABLE && a->latency_us >= 1500000,
	    "a loop that does not come in time is told when the store is tried");
	kit_end(&k, "a late loop");
}

static struct kit *asking;
static int asked;

static void
on_looked(void *arg, const struct store_session *session)
{
	(void)session;
	if (++asked < 1000000)
		store_look(asking->at, arg, on_looked, arg);
}

/* Who asks again in each callback must not keep the loop from sockets and timers. */
static void
test_fair(void)
{
	struct kit k;
	struct name id;

	kit_start(&k, &contract, &kit_limits);
	id = open_session(&k, "busy", "", NULL);
	asking = &k;
	asked = 0;
	store_look(k.at, &id, on_looked, &id);
	kit_turn(&k);
	kit_turn(&k);
	ok(asked > 0 && asked < 1000, "calls made by callbacks let the loop have its turn");
	kit_end(&k, "endless calls");
}

static size_t
memory_used(void)
{
	return mallinfo2().uordblks;
}

struct sized {
	struct store *store;
	struct name id;
	int opened, acked;
};

static void
on_opened(void *arg, const struct store_opened *opened)
{
	((struct sized *)arg)->opened += opened->created;
}

static void
on_applied(void *arg, const struct store_applied *applied)
{
	struct sized *sized = arg;

	store_ack(sized->store, &sized->id, applied->results[0].id, true);
	sized->acked++;
}

/* Under a sanitizer mallinfo2() says nothing. */
static void
test_size(void)
{
	enum { N = 20000 };
	struct event_base *base = event_base_new();
	struct sized sized = {.store = store_memory_new(base, &kit_limits)};
	size_t before = memory_used(), each;
	char text[16];
	int i;

	for (i = 0; i < N; i++) {
		struct store_op op;

		snprintf(text, sizeof(text), "%d", i);
		sized.id = session_named(text);
		store_open(sized.store, &sized.id, "{\"name\":\"somebody\"}", 19, NULL, on_opened, &sized);
		store_watch(sized.store, &sized.id);
		op = op_send(&sized.id,
		    "A message of some length, so that what is left when it was read and given back would show up.");
		store_apply(sized.store, &sized.id, 1, &op, 1, on_applied, &sized);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	each = (memory_used() - before) / N;
	ok(sized.opened == N && sized.acked == N && each <= 500, "an idle session takes no more than 500 bytes: %zu", each);
	is_int(metrics[METRIC_STORE_WATCHES], N, "streams that are watched are counted");
	store_free(sized.store);
	is_int(metrics[METRIC_STORE_WATCHES], 0, "until the store is freed");
	event_base_free(base);
}

int
main(void)
{
	contract_run(&contract);
	test_room_ttl();
	test_rooms_limit();
	test_clock_back();
	test_many_deadlines();
	test_try_late();
	test_fair();
	test_size();
	return done();
}
