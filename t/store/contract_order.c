/*
 * Orders: operations of who is no session, applied once however often, and wherever, they are asked for with their key.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

static struct store_once
once(const char *key, const char *request)
{
	return (struct store_once){session_named(key), session_named(request)};
}

static struct answer *
order(struct kit *k, const struct store_once *key, const struct store_op *ops, size_t n)
{
	return await(start_order(k, key, ops, n));
}

static struct answer *
order_one(struct kit *k, struct store_op op)
{
	return order(k, NULL, &op, 1);
}

static size_t
rooms_of(struct kit *k, const struct name *id)
{
	return await(start_look(k, id))->rooms_count;
}

static size_t
members_of(struct kit *k, const char *title)
{
	struct name room = room_named(title);

	return await(start_list_members(k, &room, 100))->total;
}

static void
test_sends(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE, STORE_NO_TARGET, STORE_DONE};
	struct entry_id base, since;
	struct name id = open_session(k, "ordered", "", &base), nobody = session_named("ordered-nobody");
	struct store_op ops[] = {op_send(&id, "direct"), op_room("ordered", "room"), op_send(&nobody, "lost"), op_send(&id, "more")};
	struct answer *a;

	since = do_one(k, &id, op_join("ordered", "$join"));
	a = order(k, NULL, ops, 4);
	is_codes(a, codes, 4, "whoever is no session sends to sessions and rooms, each with a result of its own");
	ok(a->next_seq == 0 && a->repeated == 0 && !a->away, "there are no numbers");
	is_entries(read_mailbox(k, &id, base), "direct more", "a session gets what is sent to it, in order");
	is_entries(read_room(k, "ordered", since), "room", "a room gets what is sent to it");
	is_id(read_mailbox(k, &id, base)->last, a->results[3].id, "a result has the id of the entry");
	is_int(order_one(k, op_room("ordered-new", "x"))->results[0].code, STORE_DONE, "a room is made if need be");
}

static void
test_moves(struct kit *k)
{
	struct entry_id since;
	struct name alice = open_session(k, "moved-a", "<A>", NULL), bob = open_session(k, "moved-b", "<B>", NULL);
	struct name nobody = session_named("moved-nobody");
	struct store_op enter[] = {op_by(&alice, op_join("moved", "$join")), op_by(&bob, op_join("moved", "$join"))};
	struct answer *a = order(k, NULL, enter, 2);

	since = a->results[0].id;
	is_int((int64_t)members_of(k, "moved"), 2, "sessions are made to enter a room, several in one order");
	ok(order(k, NULL, enter, 2)->results[1].existing, "who is a member is one already");
	is_entries(read_room(k, "moved", since), "$join<B>", "the others see who enters, with its data");
	is_int((int64_t)rooms_of(k, &bob), 1, "the session is in the room");
	is_int(order_one(k, op_by(&bob, op_set("<C>", "$set")))->results[0].code, STORE_DONE, "a session's data is set");
	is_string(await(start_look(k, &bob))->data, "<C>", "it is its data");
	is_int(order_one(k, op_by(&bob, op_leave("moved", "$leave")))->results[0].code, STORE_DONE, "a session is made to leave");
	is_entries(read_room(k, "moved", since), "$join<B> $set<C> $leave<C>", "the others see all of it");
	is_int((int64_t)rooms_of(k, &bob), 0, "it is in the room no more");
	is_int(order_one(k, op_by(&bob, op_leave("moved", "$leave")))->results[0].code, STORE_NOT_JOINED, "nobody leaves twice");
	is_int(order_one(k, op_by(&nobody, op_join("moved", "$join")))->results[0].code, STORE_NO_TARGET, "nobody enters who is not there");
	is_int(order_one(k, op_by(&nobody, op_leave("moved", "$leave")))->results[0].code, STORE_NO_TARGET, "nor leaves");
	is_int(order_one(k, op_by(&nobody, op_set("x", "$set")))->results[0].code, STORE_NO_TARGET, "nor has data");
}

static void
test_end(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE, STORE_DONE, STORE_NO_TARGET, STORE_NO_TARGET,
	    STORE_NO_TARGET};
	struct entry_id since, base;
	struct name alice = open_session(k, "ended-a", "<A>", NULL), bob = open_session(k, "ended-b", "<B>", &base);
	struct store_op ops[] = {op_by(&bob, op_join("ended-2", "$join")), op_by(&bob, op_set("<C>", "$set")), op_by(&bob, op_end("$leave")),
	    op_by(&bob, op_join("ended", "$join")), op_send(&bob, "late"), op_by(&bob, op_end("$leave"))};
	struct answer *a;

	since = do_one(k, &alice, op_join("ended", "$join"));
	do_one(k, &bob, op_join("ended", "$join"));
	do_one(k, &alice, op_join("ended-2", "$join"));
	watch_session(k, &bob);
	a = order(k, NULL, ops, 6);
	is_codes(a, codes, 6, "a session is ended, and what comes behind that finds it gone");
	is_status(await(start_look(k, &bob)), STORE_GONE, "it is gone");
	is_status(read_mailbox(k, &bob, base), STORE_GONE, "with its mailbox");
	is_entries(read_room(k, "ended", since), "$join<B> $set<C> $leave<C>", "its room sees all that was done before");
	is_int((int64_t)members_of(k, "ended-2"), 1, "it is in no room that it entered just before");
	ok(kit_until(k, heard_count(&k->ear, HEARD_CLOSED, &bob) > 0), "whoever watches it hears that it was closed");
	store_unwatch(k->at, &bob);
	open_session(k, "ended-b", "", NULL);
	is_int((int64_t)rooms_of(k, &bob), 0, "one opened anew is in no room");
}

static void
test_bell(struct kit *k)
{
	struct name id = open_session(k, "bell-o", "", NULL);
	struct entry_id sent;

	watch_session(k, &id);
	order_one(k, op_by(&id, op_join("bell-o", "$join")));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "whoever watches a session hears that it entered a room");
	ear_clear(&k->ear);
	order_one(k, op_by(&id, op_leave("bell-o", "$leave")));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "and that it left");
	sent = order_one(k, op_send(&id, "ring"))->results[0].id;
	ok(kit_until(k, heard_entry(&k->ear, &id, sent)), "and what is sent to it");
	store_unwatch(k->at, &id);
}

static void
test_once(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_NO_TARGET, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "once", "", &base), nobody = session_named("once-nobody");
	struct store_op ops[] = {op_send(&id, "a"), op_send(&nobody, "b"), op_by(&id, op_join("once", "$join"))};
	struct store_op another = op_send(&id, "c");
	struct store_once key = once("k1", "r1"), same_key = once("k1", "r2"), other_key = once("k2", "r1");
	struct answer *first = order(k, &key, ops, 3), *a;

	is_codes(first, codes, 3, "an order with a key is applied");
	is_int((int64_t)first->repeated, 0, "it is no repeat");
	order_one(k, op_by(&id, op_leave("once", "$leave")));
	open_session(k, "once-nobody", "", NULL);
	a = order(k, &key, ops, 3);
	is_codes(a, codes, 3, "its repeat has the results of then");
	is_int((int64_t)a->repeated, 3, "and says that it is one");
	ok(same_id(a->results[0].id, first->results[0].id) && same_id(a->results[2].id, first->results[2].id), "with the ids of then");
	is_entries(read_mailbox(k, &id, base), "a", "nothing was applied twice");
	is_int((int64_t)rooms_of(k, &id), 0, "whatever happened meanwhile");
	a = order(k, &same_key, &another, 1);
	is_status(a, STORE_OTHER, "another request with the same key is refused");
	is_int((int64_t)a->count, 0, "there are no results");
	is_entries(read_mailbox(k, &id, base), "a", "nothing of it was applied");
	is_int((int64_t)order(k, &other_key, ops, 1)->repeated, 0, "the same request with another key is another one");
	is_entries(read_mailbox(k, &id, base), "a a", "and is applied");
}

static void
test_once_ended(struct kit *k)
{
	struct name id = open_session(k, "once-end", "", NULL);
	struct store_op op = op_by(&id, op_end("$leave"));
	struct store_once key = once("k3", "r3");

	is_int(order(k, &key, &op, 1)->results[0].code, STORE_DONE, "a session is ended by an order with a key");
	open_session(k, "once-end", "", NULL);
	is_int(order(k, &key, &op, 1)->results[0].code, STORE_DONE, "its repeat says that it was");
	is_status(await(start_look(k, &id)), STORE_OK, "and leaves one that was opened anew alone");
}

static void
test_both(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "once-both", "", &base);
	size_t wrong = 0, i;

	for (i = 0; i < 40; i++) {
		char text[16];
		struct store_once key;
		struct store_op ops[] = {op_send(&id, "x"), op_by(&id, op_set("d", "$set"))};
		struct answer *a, *b;

		snprintf(text, sizeof(text), "both-%zu", i);
		key = once(text, "r");
		k->at = k->first;
		a = start_order(k, &key, ops, 1 + i % 2);
		k->at = k->second ? k->second : k->first;
		b = start_order(k, &key, ops, 1 + i % 2);
		await(a);
		await(b);
		wrong += a->status != STORE_OK || b->status != STORE_OK || a->repeated + b->repeated != 1 + i % 2 ||
		    !same_id(a->results[0].id, b->results[0].id);
	}
	k->at = k->first;
	is_int((int64_t)wrong, 0, "of two equal orders at once one is applied, wherever they are made");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 40, "so each message is there once");
}

static bool
was_applied(const struct answer *a)
{
	return a->status == STORE_OK && a->repeated == 0;
}

static struct answer *
order_until_applied(struct kit *k, const struct store_once *key, struct store_op op)
{
	struct answer *a = order(k, key, &op, 1);

	kit_until(k, was_applied(a) || was_applied(a = order(k, key, &op, 1)));
	return a;
}

static void
test_limits(const struct contract *contract)
{
	struct store_limits limits = kit_limits;
	struct entry_id base;
	struct store_once keys[] = {once("l1", "r"), once("l2", "r"), once("l3", "r")};
	struct store_op op;
	struct name id;
	struct answer *a;
	struct kit k;

	limits.orders_max = 2;
	limits.orders_ttl_ms = 300 * kit_slowness;
	kit_start(&k, contract, &limits);
	id = open_session(&k, "orders", "", &base);
	op = op_send(&id, "x");
	order(&k, &keys[0], &op, 1);
	order(&k, &keys[1], &op, 1);
	a = order(&k, &keys[2], &op, 1);
	is_status(a, STORE_FULL, "no more keys are remembered than the limit says");
	is_int((int64_t)a->count, 0, "there are no results then");
	is_entries(read_mailbox(&k, &id, base), "x x", "and nothing was applied");
	is_status(order(&k, NULL, &op, 1), STORE_OK, "an order without a key needs none of them");
	is_int((int64_t)order(&k, &keys[1], &op, 1)->repeated, 1, "a repeat is known all the same");
	a = order_until_applied(&k, &keys[2], op);
	ok(was_applied(a), "keys are forgotten in time, which makes place for others");
	a = order_until_applied(&k, &keys[0], op);
	ok(was_applied(a), "then a key is as good as new");
	kit_end(&k, "limits of orders");
}

/* A session with a state is ended by whoever keeps that. */
static void
test_end_told(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "told", "", &base), plain = open_session(k, "untold", "", NULL);
	struct store_op end = op_by(&id, op_end("$leave")), send = op_send(&id, "last words");
	struct store_swap swap = {0, {5, "state", 5}};
	struct store_op ops[2];

	end.event = "farewell";
	end.event_len = strlen(end.event);
	ops[0] = send;
	ops[1] = end;
	await(start_swap(k, &id, &swap, NULL, 0));
	is_int(order(k, NULL, ops, 2)->results[1].code, STORE_DONE, "a session with a state is told of its end");
	is_entries(read_mailbox(k, &id, base), "last words farewell", "behind what was sent before");
	is_status(await(start_look(k, &id)), STORE_OK, "and is there until it is closed");
	end.session = plain;
	is_int(order_one(k, end)->results[0].code, STORE_DONE, "one without");
	is_status(await(start_look(k, &plain)), STORE_GONE, "is ended");
}

void
contract_order(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_sends(&k);
	test_moves(&k);
	test_end(&k);
	test_end_told(&k);
	test_bell(&k);
	test_once(&k);
	test_once_ended(&k);
	kit_end(&k, "orders");
	if (!kit_start_two(&k, contract, &kit_limits))
		kit_start(&k, contract, &kit_limits);
	test_both(&k);
	kit_end(&k, "orders at two");
	test_limits(contract);
}
