/*
 * Two instances on the same data: what one does the other sees and hears, and what both do is done once.
 */
#include "contract_kit.h"
#include "contract_parts.h"

static void
at_first(struct kit *k)
{
	k->at = k->first;
}

static void
at_second(struct kit *k)
{
	k->at = k->second;
}

static void
test_seen(struct kit *k)
{
	struct entry_id base, id;
	struct name alice, bob, room = room_named("two");
	struct answer *a;

	at_first(k);
	alice = open_session(k, "two-a", "<A>", &base);
	at_second(k);
	bob = open_session(k, "two-b", "<B>", NULL);
	ok(!await(start_open(k, &alice, "x"))->created, "a session opened through one instance is there for the other");
	id = do_one(k, &bob, op_send(&alice, "hi"));
	at_first(k);
	a = read_mailbox(k, &alice, base);
	is_entries(a, "hi", "what one sends the other reads");
	is_id(a->last, id, "with the same id");
	do_one(k, &alice, op_join("two", "$join"));
	at_second(k);
	a = read_mailbox(k, &alice, base);
	ok(a->rooms_count == 1 && strcmp(a->rooms[0].title, "two") == 0, "a room entered through one is entered for the other");
	is_int((int64_t)await(start_list_members(k, &room, 10))->total, 1, "as is the list of members");
	await(start_close(k, &alice, "$leave"));
	at_first(k);
	is_status(await(start_look(k, &alice)), STORE_GONE, "a session closed through one is closed for the other");
}

static void
test_repeat(struct kit *k)
{
	struct entry_id base;
	struct name id;
	struct store_op op;
	struct answer *a, *b;
	size_t i, wrong = 0;

	at_first(k);
	id = open_session(k, "two-repeat", "", &base);
	op = op_send(&id, "once");
	a = apply(k, &id, 1, &op, 1);
	at_second(k);
	b = apply(k, &id, 1, &op, 1);
	ok(b->status == STORE_OK && b->repeated == 1 && b->next_seq == 2, "a repeat through the other instance is known as one");
	is_id(b->results[0].id, a->results[0].id, "with the same result");
	is_status(apply(k, &id, 3, &op, 1), STORE_HOLE, "as is a hole");
	for (i = 2; i < 40; i++) {
		k->at = k->first;
		a = start_apply(k, &id, i, &op, 1);
		k->at = k->second;
		b = start_apply(k, &id, i, &op, 1);
		await(a);
		await(b);
		wrong += a->status != STORE_OK || b->status != STORE_OK || a->repeated + b->repeated != 1 ||
		    !same_id(a->results[0].id, b->results[0].id);
	}
	is_int((int64_t)wrong, 0, "of two equal calls at once, one through each, one is applied");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 39, "so each message is there once");
}

static void
test_heard(struct kit *k)
{
	struct name id, room = room_named("two-heard");
	struct entry_id at, prev;
	const struct notice *n;

	at_first(k);
	id = open_session(k, "two-heard", "", NULL);
	at_second(k);
	watch_session(k, &id);
	watch_room(k, &id, "two-heard");
	at_first(k);
	prev = await(start_look(k, &id))->last;
	at = do_one(k, &id, op_send(&id, "ding"));
	ok(kit_until(k, (n = heard_entry(&k->ear_second, &id, at))), "what is appended through one is heard through the other");
	is_string(n ? n->payload : NULL, "ding", "with its payload");
	is_id(n ? n->prev : id_of(0, 0), prev, "and the id of the one before it");
	at = do_one(k, &id, op_room("two-heard", "dong"));
	ok(kit_until(k, heard_entry(&k->ear_second, &room, at)), "in a room as well");
	ear_clear(&k->ear_second);
	do_one(k, &id, op_join("two-heard", "$join"));
	ok(kit_until(k, heard_count(&k->ear_second, HEARD_CHANGED, &id) > 0), "it is heard that a session entered a room");
	ear_clear(&k->ear_second);
	do_one(k, &id, op_leave("two-heard", "$leave"));
	ok(kit_until(k, heard_count(&k->ear_second, HEARD_CHANGED, &id) > 0), "that it left it");
	await(start_close(k, &id, "$leave"));
	ok(kit_until(k, heard_count(&k->ear_second, HEARD_CLOSED, &id) > 0), "and that it was closed");
	at_second(k);
	store_unwatch(k->second, &id);
	store_unwatch(k->second, &room);
}

static const struct notice *
heard_taken(const struct ear *ear, const struct name *session)
{
	size_t i;

	for (i = 0; i < ear->count; i++)
		if (ear->notices[i].kind == HEARD_TAKEN && name_equal(&ear->notices[i].stream, session))
			return &ear->notices[i];
	return NULL;
}

static void
test_taken(struct kit *k)
{
	enum { MANY = 500 };
	struct store_sink sink = {.since = 1763783427123}, many[MANY];
	const struct notice *n, *other;
	struct name id;
	char text[16];
	size_t i;

	at_first(k);
	id = sink.session = open_session(k, "two-taken", "", NULL);
	watch_session(k, &id);
	at_second(k);
	watch_session(k, &id);
	ear_clear(&k->ear);
	store_take(k->second, &sink, 1);
	ok(kit_until(k, (n = heard_taken(&k->ear, &id))), "a sink at one instance is heard of by the other");
	ok(n && n->prev.ms == 1763783427123, "and when it began");
	for (i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "sink-%u", (unsigned)i);
		many[i] = (struct store_sink){.session = session_named(text), .since = (int64_t)i};
	}
	many[MANY - 1] = sink;
	ear_clear(&k->ear);
	store_take(k->second, many, MANY);
	ok(kit_until(k, heard_taken(&k->ear, &id)), "hundreds can be told of at once");
	is_int((int64_t)k->ear.count, 1, "of which those are heard of whose session is watched");
	ear_clear(&k->ear);
	store_take(k->first, &sink, 1);
	store_take(k->second, &sink, 1);
	ok(kit_until(k, (n = heard_taken(&k->ear, &id)) && (other = heard_taken(&k->ear_second, &id))),
	    "each hears of the other's sink that began in the same millisecond");
	ok(n && other && n->prev.seq + other->prev.seq == 1, "and one of them is to yield");
	ear_clear(&k->ear_second);
	do_one(k, &id, op_send(&id, "x"));
	kit_until(k, heard_count(&k->ear_second, HEARD_ENTRY, &id) > 0);
	is_int((int64_t)heard_count(&k->ear_second, HEARD_TAKEN, &id), 0, "but not by the one that told");
	store_unwatch(k->first, &id);
	store_unwatch(k->second, &id);
}

static size_t
count_entries(const struct answer *view, const char *payload)
{
	size_t i, n = 0;

	for (i = 0; i < view->count; i++)
		n += strcmp(view->entries[i].payload, payload) == 0;
	return n;
}

enum { CROWD = 20 };

/* Start the same through both instances for all, and count by result; each session must have it once. */
static size_t
both(struct kit *k, const struct name *ids, struct answer *(*start)(struct kit *, const struct name *),
    enum store_presence_result wanted)
{
	struct answer *calls[2 * CROWD];
	size_t i, once = 0;

	for (i = 0; i < CROWD; i++) {
		k->at = i % 2 ? k->first : k->second;
		calls[2 * i] = start(k, &ids[i]);
		k->at = i % 2 ? k->second : k->first;
		calls[2 * i + 1] = start(k, &ids[i]);
	}
	for (i = 0; i < CROWD; i++) {
		const struct answer *a = await(calls[2 * i]), *b = await(calls[2 * i + 1]);

		once += (a->result == wanted && b->result == STORE_PRESENCE_NONE) ||
		    (a->result == STORE_PRESENCE_NONE && b->result == wanted);
	}
	return once;
}

static struct answer *
start_lapsing(struct kit *k, const struct name *id)
{
	return start_lapse(k, id, "$away", "$leave");
}

static struct answer *
start_coming(struct kit *k, const struct name *id)
{
	return start_back(k, id, "$back");
}

/* Sweep through both instances until as many as CROWD were found due; touch `friend` meanwhile. */
static void
sweep_both(struct kit *k, size_t *found, const struct name *ids, const struct name *friend)
{
	int64_t deadline = clock_mono_ms() + KIT_LIMIT_MS;
	size_t i, j, n = 0;

	while (n < CROWD && clock_mono_ms() < deadline) {
		struct answer *calls[2];

		at_first(k);
		calls[0] = start_sweep(k);
		at_second(k);
		calls[1] = start_sweep(k);
		for (size_t c = 0; c < 2; c++)
			for (await(calls[c]), i = 0; i < calls[c]->count; i++)
				for (j = 0; j < CROWD; j++)
					if (name_equal(&calls[c]->ids[i], &ids[j])) {
						found[j]++;
						n++;
					}
		store_touch(k->second, friend);
		kit_turn(k);
	}
}

static void
test_presence(struct kit *k)
{
	struct entry_id since;
	struct name ids[CROWD], watcher, room = room_named("two-crowd");
	size_t found[CROWD] = {0}, again[CROWD] = {0}, i, twice = 0;
	char text[16];

	for (i = 0; i < CROWD; i++) {
		k->at = i % 2 ? k->first : k->second;
		snprintf(text, sizeof(text), "crowd-%zu", i);
		ids[i] = open_session(k, text, "<d>", NULL);
		do_one(k, &ids[i], op_join("two-crowd", "$join"));
	}
	watcher = open_session(k, "crowd-watcher", "", NULL);
	since = do_one(k, &watcher, op_join("two-crowd", "$join"));
	sweep_both(k, found, ids, &watcher);
	for (i = 0; i < CROWD; i++)
		twice += found[i] != 1;
	is_int((int64_t)twice, 0, "each session that is due is claimed by one instance");
	is_int((int64_t)both(k, ids, start_lapsing, STORE_PRESENCE_AWAY), CROWD,
	    "each is marked away once, though both call for it");
	is_int((int64_t)count_entries(read_room(k, "two-crowd", since), "$away<d>"), CROWD, "and told of once");
	is_int((int64_t)both(k, ids, start_coming, STORE_PRESENCE_BACK), CROWD, "each comes back once");
	is_int((int64_t)count_entries(read_room(k, "two-crowd", since), "$back<d>"), CROWD, "and is told of once");

	sweep_both(k, again, ids, &watcher);
	both(k, ids, start_lapsing, STORE_PRESENCE_AWAY);
	sweep_both(k, again, ids, &watcher);
	both(k, ids, start_lapsing, STORE_PRESENCE_GONE);
	is_int((int64_t)count_entries(read_room(k, "two-crowd", since), "$leave<d>"), CROWD, "each goes once");
	is_int((int64_t)await(start_list_members(k, &room, 100))->total, 1, "and is no member any more");
}

static void
test_touched(struct kit *k)
{
	enum touched touched = TOUCHED_STARVED;
	struct name id;
	char text[24];
	int i;

	for (i = 0; i < 5 && touched == TOUCHED_STARVED; i++) {
		at_first(k);
		snprintf(text, sizeof(text), "two-touched-%d", i);
		id = open_session(k, text, "", NULL);
		touched = keep_touched(k, k->first, k->second, &id, 3 * kit_brief.away_after_ms);
	}
	is_int(touched, TOUCHED_KEPT, "who is heard from through one instance is not marked away by the other");
}

static void
test_free_one(struct kit *k)
{
	struct entry_id base;
	struct name id;

	at_first(k);
	id = open_session(k, "two-free", "", &base);
	do_one(k, &id, op_send(&id, "x"));
	store_free(k->first);
	k->first = NULL;
	at_second(k);
	is_entries(read_mailbox(k, &id, base), "x", "what one instance has written stays when it goes");
}

void
contract_two(const struct contract *contract)
{
	struct kit k;

	if (!kit_start_two(&k, contract, &kit_limits)) {
		ok(true, "two instances # SKIP the store has but one");
		return;
	}
	test_seen(&k);
	test_repeat(&k);
	test_heard(&k);
	test_taken(&k);
	test_free_one(&k);
	kit_end(&k, "two instances");
	kit_start_two(&k, contract, &kit_brief);
	test_presence(&k);
	test_touched(&k);
	kit_end(&k, "two instances and deadlines");
}
