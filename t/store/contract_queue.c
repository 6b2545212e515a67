/*
 * Queues: nothing in them is lost, each entry has an effect once, and a session's end is an entry if that was asked for.  Leases.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

static const struct entry_id start = {0, 0};

static struct name
queue_of(const struct name *session)
{
	struct name queue;

	store_queue_name(&queue, store_queue_of(session));
	return queue;
}

static struct answer *
read_queue(struct kit *k, const struct name *queue, struct entry_id after)
{
	return await(start_read_queue(k, queue, after, 1000, 1000000));
}

static struct answer *
finish(struct kit *k, const struct name *queue, struct entry_id entry, const struct store_op *ops, size_t n)
{
	return await(start_finish(k, &(struct store_item){.queue = queue, .id = entry}, ops, n));
}

/* Finish all that is there. */
static void
drain(struct kit *k, const struct name *queue)
{
	struct answer *a = read_queue(k, queue, start);

	for (size_t i = 0; i < a->count; i++)
		finish(k, queue, a->entries[i].id, NULL, 0);
}

static void
test_append(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE};
	struct name id = open_session(k, "queuer", "<D>", NULL), queue = session_named("a-queue");
	struct store_op ops[] = {op_queue(&queue, "one"), op_queue(&queue, "two")}, three = op_queue(&queue, "three");
	struct answer *a, *first;

	a = read_queue(k, &queue, start);
	ok(a->status == STORE_OK && a->count == 0 && !a->more, "a queue is there, and empty, without being made");
	first = apply(k, &id, 1, ops, 2);
	is_codes(first, codes, 2, "a session's operations append to a queue");
	is_int((int64_t)apply(k, &id, 1, ops, 2)->repeated, 2, "and have numbers");
	ok(same_id(apply(k, &id, 1, ops, 2)->results[1].id, first->results[1].id), "a repeat tells the id of then");
	a = await(start_order(k, NULL, &three, 1));
	is_int(a->results[0].code, STORE_DONE, "so do orders, which are nobody's");
	a = read_queue(k, &queue, start);
	is_entries(a, "one two three", "each entry is there once, in order");
	ok(!a->gap && !a->more && a->count == 3 && same_id(a->entries[0].id, first->results[0].id), "with the id of its result");
	is_entries(read_queue(k, &queue, a->entries[0].id), "two three", "it is read from a position on");
	a = await(start_read_queue(k, &queue, start, 2, 1000));
	is_entries(a, "one two", "so many entries at a time");
	ok(a->more && same_id(a->last, a->entries[1].id), "and says that there are more");
	is_entries(await(start_read_queue(k, &queue, start, 10, 4)), "one", "or so many bytes");
	is_entries(await(start_read_queue(k, &queue, start, 10, 1)), "one", "but one at least");
	a = read_queue(k, &queue, a->last);
	a = read_queue(k, &queue, a->last);
	ok(a->status == STORE_OK && a->count == 0 && !a->more, "behind its end there is nothing");
}

static void
test_finish(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_NO_TARGET, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "finisher", "<F>", &base), nobody = session_named("finish-nobody"), queue = session_named("b-queue");
	struct store_op fill[] = {op_queue(&queue, "1"), op_queue(&queue, "2"), op_queue(&queue, "3"), op_queue(&queue, "4")};
	struct store_op ops[] = {op_send(&id, "a"), op_send(&nobody, "b"), op_by(&id, op_set("<G>", "$set"))};
	struct store_op next = op_queue(&queue, "5");
	struct answer *a, *filled = apply(k, &id, 0, fill, 4);

	a = finish(k, &queue, filled->results[1].id, ops, 3);
	is_codes(a, codes, 3, "an entry is finished with operations of whoever");
	is_entries(read_mailbox(k, &id, base), "a", "which are applied");
	is_string(await(start_look(k, &id))->data, "<G>", "also those that tell rooms");
	is_entries(read_queue(k, &queue, start), "1 3 4", "and it is in the queue no more, wherever it was");
	a = finish(k, &queue, filled->results[1].id, ops, 3);
	ok(a->status == STORE_GONE && a->count == 0, "it is finished once");
	is_entries(read_mailbox(k, &id, base), "a", "and nothing is applied twice");
	is_status(finish(k, &queue, id_of(1, 1), ops, 3), STORE_GONE, "what never was there is not finished");
	a = finish(k, &queue, filled->results[3].id, NULL, 0);
	ok(a->status == STORE_OK && a->count == 0, "an entry is finished without operations");
	is_status(finish(k, &queue, filled->results[0].id, &next, 1), STORE_OK, "or with one that goes to the queue");
	is_entries(read_queue(k, &queue, start), "3 5", "where it is the last");
	drain(k, &queue);
	is_int((int64_t)read_queue(k, &queue, start)->count, 0, "a queue can be emptied");
	a = apply_one(k, &id, 0, next);
	ok(entry_id_compare(a->results[0].id, filled->results[3].id) > 0, "and goes on with greater ids");
	drain(k, &queue);
}

/* What finishes an entry may have a key, as an order. */
static void
test_finish_once(struct kit *k)
{
	static const enum store_result_code done[] = {STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "finish-once", "", &base), queue = session_named("o-queue");
	struct store_op fill[] = {op_queue(&queue, "1"), op_queue(&queue, "2"), op_queue(&queue, "3")}, op = op_send(&id, "effect");
	struct answer *a, *first, *filled = apply(k, &id, 0, fill, 3);
	struct store_once keys[] = {{session_named("fo-1"), session_named("fo-r1")}, {session_named("fo-2"), session_named("fo-r2")},
	    {session_named("fo-3"), session_named("fo-r3")}};
	struct store_item items[] = {{&queue, filled->results[0].id, &keys[0]}, {&queue, filled->results[1].id, &keys[1]},
	    {&queue, id_of(1, 1), &keys[2]}};

	first = await(start_finish(k, &items[0], &op, 1));
	is_codes(first, done, 1, "an entry is finished with a key");
	is_int((int64_t)first->repeated, 0, "for the first time");
	a = await(start_finish(k, &items[0], &op, 1));
	is_codes(a, done, 1, "who repeats that is told the same");
	ok(a->repeated == 1 && same_id(a->results[0].id, first->results[0].id), "with the results of then");
	is_entries(read_mailbox(k, &id, base), "effect", "nothing is applied twice");
	is_entries(read_queue(k, &queue, start), "2 3", "one entry is out of the queue");
	a = await(start_finish(k, &(struct store_item){&queue, filled->results[1].id, &(struct store_once){keys[0].key, keys[1].request}}, &op, 1));
	is_status(a, STORE_OTHER, "a key stands for one request");
	is_status(finish(k, &queue, filled->results[0].id, &op, 1), STORE_GONE, "without its key what is finished is gone");
	for (int i = 0; i < 2; i++) {
		a = await(start_finish(k, &items[1], NULL, 0));
		ok(a->status == STORE_OK && a->count == 0, "without operations, too: %d", i);
	}
	is_entries(read_queue(k, &queue, start), "3", "once");
	for (int i = 0; i < 2; i++)
		is_status(await(start_finish(k, &items[2], &op, 1)), STORE_GONE, "what is not there is gone, and that is not remembered");
	items[2].id = filled->results[2].id;
	is_codes(await(start_finish(k, &items[2], &op, 1)), done, 1, "so its key is free");
	is_entries(read_mailbox(k, &id, base), "effect effect", "and has an effect");
}

static void
test_events(struct kit *k)
{
	struct name id = open_session(k, "eventful", "<E>", NULL), queue = queue_of(&id);
	struct store_op both[] = {op_with(op_join("ev-2", "$join"), "in2"), op_with(op_leave("ev-2", "$leave"), "out2")};
	struct entry_id since;
	struct answer *a;

	drain(k, &queue);
	a = apply_one(k, &id, 1, op_with(op_join("ev", "$join"), "in"));
	since = a->results[0].id;
	is_int(a->results[0].code, STORE_DONE, "a session enters a room with an event");
	is_entries(read_queue(k, &queue, start), "in", "which is in the session's queue");
	apply_one(k, &id, 1, op_with(op_join("ev", "$join"), "in"));
	ok(apply_one(k, &id, 2, op_with(op_join("ev", "$join"), "again"))->results[0].existing, "it is in the room");
	is_entries(read_queue(k, &queue, start), "in", "neither a repeat nor entering again is an event");
	a = apply_one(k, &id, 3, op_with(op_leave("ev", "$leave"), "out"));
	is_entries(read_room(k, "ev", since), "", "a room of nobody is forgotten as ever");
	apply_one(k, &id, 4, op_with(op_leave("ev", "$leave"), "again"));
	is_entries(read_queue(k, &queue, start), "in out", "leaving is one, once");
	apply(k, &id, 5, both, 2);
	is_entries(read_queue(k, &queue, start), "in out in2 out2", "in the order of the operations");
	apply_one(k, &id, 7, op_join("ev", "$join"));
	is_int((int64_t)read_queue(k, &queue, start)->count, 4, "without an event there is no entry");
	await(start_close(k, &id, "$leave"));
	is_int((int64_t)read_queue(k, &queue, start)->count, 4, "nor at the end of a session that was not opened so");
	drain(k, &queue);
}

static void
test_ends(struct kit *k)
{
	struct name id = session_named("ending"), queue = queue_of(&id);
	struct store_op end = op_by(&id, op_end("$end"));
	struct entry_id entry, base = start;
	struct answer *a;

	drain(k, &queue);
	await(start_open_queued(k, &id, "<1>", "over:"));
	await(start_open(k, &id, "<x>"));
	await(start_open_queued(k, &id, "<x>", "x"));
	do_one(k, &id, op_join("ends", "$join"));
	await(start_close(k, &id, "$leave"));
	is_entries(read_queue(k, &queue, start), "over:<1>", "a session opened for that ends with an entry: its end and its data");
	is_status(await(start_close(k, &id, "$leave")), STORE_GONE, "it ends once");
	is_int((int64_t)read_queue(k, &queue, start)->count, 1, "with one entry");
	await(start_open_queued(k, &id, "<2>", "gone:"));
	do_one(k, &id, op_join("ends", "$join"));
	apply_one(k, &id, 0, op_set("<3>", "$set"));
	a = await(start_order(k, NULL, &end, 1));
	is_entries(read_queue(k, &queue, start), "over:<1> gone:<3>", "ended by an order it has its last data, and its own end");
	drain(k, &queue);
	await(start_open_queued(k, &id, "", "over"));
	a = await(start_order(k, NULL, &(struct store_op){.kind = STORE_QUEUE, .target = queue, .payload = "do", .payload_len = 2}, 1));
	entry = a->results[0].id;
	finish(k, &queue, entry, &end, 1);
	is_entries(read_queue(k, &queue, base), "over", "so it is if an entry of the queue ends it");
	drain(k, &queue);
}

static void
test_full(const struct contract *contract)
{
	static const enum store_result_code full[] = {STORE_QUEUE_FULL, STORE_QUEUE_FULL, STORE_DONE};
	struct store_limits limits = kit_limits;
	struct kit k;
	struct name id = session_named("filler"), queue = queue_of(&id);
	struct store_op fill = op_queue(&queue, "x");
	struct store_op back = fill, more[] = {fill, op_with(op_join("full", "$join"), "in"), op_with(op_leave("out", "$leave"), "out")};
	struct entry_id first, base;
	struct answer *a;

	limits.queue_max = 3;
	kit_start(&k, contract, &limits);
	a = await(start_open_queued(&k, &id, "", "over"));
	base = a->position;
	do_one(&k, &id, op_with(op_join("out", "$join"), "in"));
	first = do_one(&k, &id, fill);
	do_one(&k, &id, fill);
	a = apply(&k, &id, 0, more, 3);
	is_codes(a, full, 3, "a full queue refuses entries and who enters a room, but not who leaves");
	is_int((int64_t)await(start_look(&k, &id))->rooms_count, 0, "so that the session is in no room");
	is_entries(read_queue(&k, &queue, start), "in x x out", "nothing is lost from it");
	back.is_taken_back = true;
	is_int(apply_one(&k, &id, 0, back)->results[0].code, STORE_DONE, "what is taken back is not refused");
	finish(&k, &queue, read_queue(&k, &queue, start)->last, NULL, 0);
	do_one(&k, &id, op_send(&id, "mail"));
	is_entries(read_mailbox(&k, &id, base), "mail", "all else goes on");
	finish(&k, &queue, first, NULL, 0);
	finish(&k, &queue, read_queue(&k, &queue, start)->entries[0].id, NULL, 0);
	is_int(apply_one(&k, &id, 0, fill)->results[0].code, STORE_DONE, "what is finished makes place");
	await(start_close(&k, &id, "$leave"));
	is_entries(read_queue(&k, &queue, start), "x out x over", "the end of a session is never refused");
	kit_end(&k, "full queues");
}

static void
test_lapse(const struct contract *contract)
{
	struct kit k;
	struct name id = session_named("lapsing"), queue = queue_of(&id);

	kit_start(&k, contract, &kit_brief);
	await(start_open_queued(&k, &id, "<L>", "over:"));
	kit_until(&k, (await(start_lapse(&k, &id, "$away", "$leave")), read_queue(&k, &queue, start)->count > 0));
	is_entries(read_queue(&k, &queue, start), "over:<L>", "a session that lapses has an end, and an entry");
	kit_end(&k, "sessions that lapse");
}

static bool
holds(struct kit *k, const struct name *lease, const struct name *who, int64_t ms)
{
	struct store_claim claim = {.name = lease, .holder = who, .ms = ms, .tells = STORE_NOTHING_TOLD};
	struct answer *a = await(start_lease(k, &claim));

	return a->status == STORE_OK && a->held;
}

/* Claim it, telling a number; what the claimer is told. */
static uint32_t
claim(struct kit *k, const struct name *lease, const struct name *who, uint32_t tells)
{
	return await(start_lease(k, &(struct store_claim){.name = lease, .holder = who, .ms = 60000, .tells = tells}))->told;
}

static void
test_telling(struct kit *k)
{
	struct name lease = session_named("lease-told");
	struct name me = session_named("me"), you = session_named("you"), other = session_named("other");

	is_int(claim(k, &lease, &me, 1), STORE_NOTHING_TOLD, "who holds what nobody else wants is told nothing");
	is_int(claim(k, &lease, &you, 7), STORE_NOTHING_TOLD, "who does not get a lease is told nothing");
	is_int(claim(k, &lease, &me, 1), 7, "but tells its holder a number");
	is_int(claim(k, &lease, &me, 1), STORE_NOTHING_TOLD, "once");
	claim(k, &lease, &you, 7);
	claim(k, &lease, &other, 0);
	claim(k, &lease, &you, 12);
	claim(k, &lease, &other, STORE_NOTHING_TOLD);
	is_int(claim(k, &lease, &me, 1), 0, "of several the smallest is told");
	claim(k, &lease, &you, 3);
	ok(!holds(k, &lease, &me, 0), "who was told may give it back");
	is_int(claim(k, &lease, &you, 3), STORE_NOTHING_TOLD, "then whoever gets it is told nothing");
	holds(k, &lease, &you, 100);
	claim(k, &lease, &me, 3);
	ok(kit_until(k, holds(k, &lease, &me, 60000)), "who tells something does not make a lease last");
	holds(k, &lease, &me, 0);
}

static void
test_leases(struct kit *k)
{
	struct name one = session_named("lease-1"), other = session_named("lease-2");
	struct name me = session_named("me"), you = session_named("you");

	ok(holds(k, &one, &me, 60000), "a lease is held by who asks first");
	ok(!holds(k, &one, &you, 60000), "and by nobody else");
	ok(holds(k, &one, &me, 60000), "who holds it may go on");
	ok(holds(k, &other, &you, 60000), "another lease is another one");
	ok(!holds(k, &one, &you, 0), "who does not hold it gives nothing back");
	ok(!holds(k, &one, &you, 60000), "it is held as before");
	ok(!holds(k, &one, &me, 0), "who holds it gives it back");
	ok(holds(k, &one, &you, 100), "then another holds it");
	ok(kit_until(k, holds(k, &one, &me, 60000)), "until its time is over");
	ok(!holds(k, &one, &you, 60000), "then it does not");
	holds(k, &one, &me, 0);
	holds(k, &other, &you, 0);
}

/* Whichever instance it is done at. */
static void
test_both(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "queue-both", "", &base), queue = session_named("c-queue");
	struct store *second = k->second ? k->second : k->first;
	size_t wrong = 0;
	int64_t deadline;

	store_watch(second, &queue);
	deadline = clock_mono_ms() + KIT_LIMIT_MS;
	while (!heard_count(k->second ? &k->ear_second : &k->ear, HEARD_QUEUED, &queue) && clock_mono_ms() < deadline) {
		do_one(k, &id, op_queue(&queue, "ring"));
		kit_turn(k);
	}
	ok(heard_count(k->second ? &k->ear_second : &k->ear, HEARD_QUEUED, &queue) > 0, "whoever watches a queue hears of its entries");
	store_unwatch(second, &queue);
	drain(k, &queue);
	for (int i = 0; i < 40; i++) {
		struct entry_id entry = do_one(k, &id, op_queue(&queue, "do"));
		struct store_op effect = op_send(&id, "done");
		struct store_item item = {.queue = &queue, .id = entry};
		struct answer *a = start_finish(k, &item, &effect, 1), *b;

		k->at = second;
		b = start_finish(k, &item, &effect, 1);
		k->at = k->first;
		await(a);
		await(b);
		wrong += (a->status == STORE_OK) + (b->status == STORE_OK) != 1 || (a->status == STORE_GONE) + (b->status == STORE_GONE) != 1;
	}
	is_int((int64_t)wrong, 0, "of two who finish an entry at once one does, wherever they are");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 40, "so each effect is there once");
}

void
contract_queue(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_append(&k);
	test_finish(&k);
	test_finish_once(&k);
	test_events(&k);
	test_ends(&k);
	test_leases(&k);
	test_telling(&k);
	kit_end(&k, "queues");
	test_full(contract);
	test_lapse(contract);
	if (!kit_start_two(&k, contract, &kit_limits))
		kit_start(&k, contract, &kit_limits);
	test_both(&k);
	kit_end(&k, "queues at two");
}
