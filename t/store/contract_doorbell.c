/*
 * The doorbell: what is heard of streams that are watched, and only of those.
 */
#include "contract_kit.h"
#include "contract_parts.h"

static void
test_heard(struct kit *k)
{
	struct entry_id prev, id;
	struct name bob = open_session(k, "heard", "", NULL), alice = open_session(k, "heard-a", "", NULL);
	const struct notice *n;
	size_t i, wrong = 0;

	watch_session(k, &bob);
	prev = await(start_look(k, &bob))->last;
	id = do_one(k, &alice, op_send(&bob, "ding"));
	ok(kit_until(k, heard_entry(&k->ear, &bob, id)), "an entry of a watched mailbox is heard of");
	n = heard_entry(&k->ear, &bob, id);
	is_string(n ? n->payload : NULL, "ding", "with its payload, when that is short");
	is_id(n ? n->prev : id_of(0, 0), prev, "and the id of the one before it");
	ear_clear(&k->ear);
	for (i = 0; i < 50; i++) {
		prev = id;
		id = do_one(k, &alice, op_send(&bob, "dong"));
		kit_until(k, (n = heard_entry(&k->ear, &bob, id)));
		wrong += !n || !same_id(n->prev, prev);
	}
	is_int((int64_t)wrong, 0, "each notice follows the one before it");
	is_int((int64_t)k->ear.count, 50, "one for each entry");
	store_unwatch(k->at, &bob);
}

static void
test_batch(struct kit *k)
{
	struct name bob = open_session(k, "batch", "", NULL);
	struct store_op ops[30];
	struct answer *a;
	size_t i, wrong = 0;

	watch_session(k, &bob);
	for (i = 0; i < 30; i++)
		ops[i] = op_send(&bob, "x");
	a = apply(k, &bob, 0, ops, 30);
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &bob) == 30), "all entries of one call are heard of");
	for (i = 0; i < 30 && i < k->ear.count; i++)
		wrong += !same_id(k->ear.notices[i].id, a->results[i].id) ||
		    (i && !same_id(k->ear.notices[i].prev, a->results[i - 1].id));
	is_int((int64_t)wrong, 0, "in order, and each with the id of the one before it");
	store_unwatch(k->at, &bob);
}

static void
test_sizes(struct kit *k)
{
	static char large[100001];
	struct name id = open_session(k, "sizes", "", NULL);
	struct entry_id at;
	const struct notice *n;

	memset(large, 'x', sizeof(large) - 1);
	watch_session(k, &id);
	at = do_one(k, &id, op_send(&id, large));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "an entry of any size is heard of");
	n = heard_entry(&k->ear, &id, at);
	ok(n && (!n->payload || (n->len == sizeof(large) - 1 && strcmp(n->payload, large) == 0)),
	    "with its payload, or with none: then it is to be read");
	at = do_one(k, &id, op_send(&id, ""));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "also an empty one");
	n = heard_entry(&k->ear, &id, at);
	ok(n && n->payload && n->len == 0, "whose payload is not NULL");
	store_unwatch(k->at, &id);
}

/* After a later entry of `other`, which is watched, was heard, nothing of id is under way any more. */
static void
drain(struct kit *k, const struct name *other)
{
	struct entry_id at = do_one(k, other, op_send(other, "end"));

	kit_until(k, heard_entry(&k->ear, other, at));
}

static void
test_counted(struct kit *k)
{
	struct name id = open_session(k, "counted", "", NULL), other = open_session(k, "counted-other", "", NULL);
	struct entry_id at;

	watch_session(k, &other);
	do_one(k, &other, op_send(&id, "x"));
	drain(k, &other);
	is_int((int64_t)heard_count(&k->ear, HEARD_ENTRY, &id), 0, "what is not watched is not heard");
	watch_session(k, &id);
	store_watch(k->at, &id);
	store_watch(k->at, &id);
	at = do_one(k, &other, op_send(&id, "x"));
	kit_until(k, heard_entry(&k->ear, &id, at));
	drain(k, &other);
	is_int((int64_t)heard_count(&k->ear, HEARD_ENTRY, &id), 1, "who watches three times hears each entry once");
	store_unwatch(k->at, &id);
	store_unwatch(k->at, &id);
	ear_clear(&k->ear);
	at = do_one(k, &other, op_send(&id, "x"));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "and after unwatching twice still does");
	store_unwatch(k->at, &id);
	ear_clear(&k->ear);
	do_one(k, &other, op_send(&id, "x"));
	drain(k, &other);
	is_int((int64_t)heard_count(&k->ear, HEARD_ENTRY, &id), 0, "after the third time no more");
	watch_session(k, &id);
	at = do_one(k, &other, op_send(&id, "x"));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "and again when it watches anew");
	store_unwatch(k->at, &id);
	store_unwatch(k->at, &other);
}

static void
test_room(struct kit *k)
{
	struct name id = open_session(k, "bell", "<d>", NULL), room = room_named("bell");
	struct entry_id at;
	const struct notice *n;

	watch_room(k, &id, "bell");
	at = do_one(k, &id, op_join("bell", "$join"));
	ok(kit_until(k, heard_entry(&k->ear, &room, at)), "who watches a room hears who enters");
	n = heard_entry(&k->ear, &room, at);
	is_string(n ? n->payload : NULL, "$join<d>", "with payload and public data");
	at = do_one(k, &id, op_room("bell", "talk"));
	ok(kit_until(k, (n = heard_entry(&k->ear, &room, at))), "what is said");
	is_string(n ? n->payload : NULL, "talk", "as it was said");
	ear_clear(&k->ear);
	do_one(k, &id, op_set("<e>", "$set"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &room) == 1), "whose data change");
	ear_clear(&k->ear);
	do_one(k, &id, op_leave("bell", "$leave"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &room) == 1), "who leaves");
	is_string(k->ear.count ? k->ear.notices[0].payload : NULL, "$leave<e>", "with the data it had");
	do_one(k, &id, op_join("bell", "$join"));
	kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &room) == 2);
	ear_clear(&k->ear);
	await(start_close(k, &id, "$leave"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &room) == 1), "and who is closed");
	store_unwatch(k->at, &room);
}

/* A watch may come before its stream. */
static void
test_before(struct kit *k)
{
	struct name id = session_named("early"), room = room_named("early");

	store_watch(k->at, &id);
	store_watch(k->at, &room);
	open_session(k, "early", "", NULL);
	do_one(k, &id, op_send(&id, "x"));
	do_one(k, &id, op_join("early", "$join"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) + heard_count(&k->ear, HEARD_CHANGED, &id) > 0),
	    "a session may be watched before it is opened");
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &room) + heard_count(&k->ear, HEARD_CHANGED, &room) > 0),
	    "a room before it is made");
	await(start_close(k, &id, "$leave"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CLOSED, &id) == 1), "and stays watched until its end");
	open_session(k, "early", "", NULL);
	ear_clear(&k->ear);
	do_one(k, &id, op_send(&id, "x"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) > 0), "and beyond, should it be opened again");
	store_unwatch(k->at, &id);
	store_unwatch(k->at, &room);
}

/* Who watches is told whether that is so already. */
static void
test_audible(struct kit *k)
{
	struct name id = open_session(k, "audible", "", NULL), other = open_session(k, "audible-other", "", NULL);
	struct entry_id at;

	ear_clear(&k->ear);
	if (!store_watch(k->at, &id))
		kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0);
	at = do_one(k, &other, op_send(&id, "x"));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "what comes once a watch is true, or has changed, is heard");
	ok(store_watch(k->at, &id), "and then it is true at once");
	store_unwatch(k->at, &id);
	store_unwatch(k->at, &id);
}

static void
test_changed(struct kit *k)
{
	struct name id = open_session(k, "changed", "", NULL);
	struct store_op ops[] = {op_join("changed-2", "$join"), op_send(&id, "x")};

	watch_session(k, &id);
	do_one(k, &id, op_join("changed", "$join"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "who watches a session hears that it entered a room");
	ear_clear(&k->ear);
	apply(k, &id, 0, ops, 2);
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) > 0) && k->ear.notices[0].kind == HEARD_CHANGED,
	    "before it hears what comes in the same call");
	ear_clear(&k->ear);
	do_one(k, &id, op_leave("changed", "$leave"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "and that it left it");
	ear_clear(&k->ear);
	await(start_close(k, &id, "$leave"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CLOSED, &id) > 0), "and that it was closed");
	await(start_close(k, &id, "$leave"));
	await(start_try(k, KIT_LIMIT_MS));
	is_int((int64_t)heard_count(&k->ear, HEARD_CLOSED, &id), 1, "once");
	store_unwatch(k->at, &id);
}

static void
unwatch_at_once(struct kit *k, const struct notice *n)
{
	struct store_op op = op_send(&n->stream, "3");

	k->ear.on_notice = NULL;
	store_unwatch(k->at, &n->stream);
	start_apply(k, &n->stream, 0, &op, 1);
}

static void
test_within(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "within", "", NULL), other = open_session(k, "within-other", "", NULL);
	struct store_op ops[2] = {op_send(&id, "1"), op_send(&id, "2")};

	watch_session(k, &other);
	watch_session(k, &id);
	base = await(start_look(k, &id))->last;
	k->ear.on_notice = unwatch_at_once;
	apply(k, &other, 0, ops, 2);
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) > 0), "one may unwatch and send while hearing");
	drain(k, &other);
	is_int((int64_t)heard_count(&k->ear, HEARD_ENTRY, &id), 1, "and hears no more from then on");
	ok(kit_until(k, read_mailbox(k, &id, base)->count == 3), "what was sent is in the mailbox");
	store_unwatch(k->at, &other);
}

void
contract_doorbell(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_heard(&k);
	test_batch(&k);
	test_sizes(&k);
	test_counted(&k);
	test_room(&k);
	test_before(&k);
	test_audible(&k);
	test_changed(&k);
	test_within(&k);
	kit_end(&k, "the doorbell");
}
