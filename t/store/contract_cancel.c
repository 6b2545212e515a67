/*
 * Calls under way: cancelled, made from callbacks, left behind when the store is freed.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

#define KINDS 17

static struct answer *
start_kind(struct kit *k, size_t kind, const struct name *id)
{
	struct name room = room_named("calls"), fresh = session_named("calls-fresh");
	struct store_op op = op_send(id, "x");

	switch (kind) {
	case 0: return start_open(k, &fresh, "data");
	case 1: return start_apply(k, id, 0, &op, 1);
	case 2: return start_read_mailbox(k, id, id_of(0, 0), 10, 1000);
	case 3: return start_read_room(k, &room, id_of(0, 0), 10, 1000);
	case 4: return start_read_tail(k, &room, id_of(UINT64_MAX, 0), 10);
	case 5: return start_list_members(k, &room, 10);
	case 6: return start_look(k, id);
	case 7: return start_lapse(k, id, "$away", "$leave");
	case 8: return start_back(k, id, "$back");
	case 9: return start_close(k, &fresh, "$leave");
	case 10: return start_sweep(k);
	case 11: return start_order(k, NULL, &op, 1);
	case 12: return start_list_rooms(k, id_of(0, 0), 10);
	case 13: return start_list_sessions(k, id_of(0, 0), 10);
	case 15: return start_list_user(k, id);
	case 14: return start_list_members(k, &room, 0);
	default: return start_try(k, KIT_LIMIT_MS);
	}
}

static void
test_cancelled(struct kit *k)
{
	struct name id = open_session(k, "calls", "", NULL);
	struct answer *calls[KINDS];
	size_t i, round, called = 0;

	do_one(k, &id, op_join("calls", "$join"));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < KINDS; i++)
			calls[i] = start_kind(k, i, &id);
		for (i = 0; i < KINDS; i++)
			cancel(calls[(i * 5 + round) % KINDS]);
		for (i = 0; i < KINDS; i++)
			await(start_kind(k, i, &id));
		for (i = 0; i < KINDS; i++)
			called += (size_t)calls[i]->times;
	}
	is_int((int64_t)called, 0, "a call that is cancelled is not called back, of whatever kind");
	store_cancel(NULL);
	is_status(await(start_look(k, &id)), STORE_OK, "cancelling nothing does nothing");
}

static void
test_one_of_many(struct kit *k)
{
	struct name id = open_session(k, "one-of-many", "", NULL);
	struct answer *calls[9];
	size_t i, called = 0;

	for (i = 0; i < 9; i++)
		calls[i] = start_kind(k, i % 2 ? 6 : 1, &id);
	cancel(calls[0]);
	cancel(calls[5]);
	cancel(calls[8]);
	for (i = 0; i < 9; i++)
		if (!calls[i]->cancelled)
			called += (size_t)await(calls[i])->times;
	is_int((int64_t)called, 6, "the others are");
}

static struct answer *victims[2];

static void
cancel_victims(struct answer *a)
{
	(void)a;
	cancel(victims[0]);
	cancel(victims[1]);
}

/* What is cancelled by a callback may be next in the same turn of the loop. */
static void
test_cancel_within(struct kit *k)
{
	struct name id = open_session(k, "cancel-within", "", NULL);
	struct answer *first = start_kind(k, 6, &id);

	victims[0] = start_kind(k, 6, &id);
	victims[1] = start_kind(k, 1, &id);
	first->then = cancel_victims;
	await(first);
	await(start_kind(k, 6, &id));
	ok(victims[0]->times == 0 && victims[1]->times == 0, "a callback may cancel other calls");
}

static struct answer *followers[3];

static void
ask_more(struct answer *a)
{
	struct name id = session_named("ask-more");

	followers[0] = start_kind(a->kit, 6, &id);
	followers[1] = start_kind(a->kit, 1, &id);
	followers[2] = start_kind(a->kit, 2, &id);
}

static void
test_ask_within(struct kit *k)
{
	struct name id = open_session(k, "ask-more", "", NULL);
	struct answer *first = start_kind(k, 6, &id);

	first->then = ask_more;
	await(first);
	is_status(await(followers[0]), STORE_OK, "a callback may make calls");
	is_status(await(followers[1]), STORE_OK, "of any kind");
	is_status(await(followers[2]), STORE_OK, "as many as it wants");
}

/* One who makes calls that change what it was lent, and reads it then; sanitizers see the rest. */
struct borrower {
	struct kit *kit;
	bool close; /* Close the session, too. */
	bool done, intact;
};

static void
change_all(struct borrower *b)
{
	struct name id = session_named("lent");
	struct store_op ops[40];
	size_t i;

	for (i = 0; i < 38; i++)
		ops[i] = i % 2 ? op_room("lent", "later") : op_send(&id, "later");
	ops[38] = op_set("later", "$set");
	ops[39] = op_leave("lent", "$leave");
	start_apply(b->kit, &id, 0, ops, 40);
	if (b->close)
		start_close(b->kit, &id, "$leave");
	b->done = true;
}

static void
on_lent_view(void *arg, const struct store_view *view)
{
	struct borrower *b = arg;
	size_t i;

	change_all(b);
	b->intact = view->count == 5 && view->rooms_count == 1 && strcmp(view->rooms[0].title, "lent") == 0;
	for (i = 0; i < view->count; i++)
		b->intact &= strcmp(view->entries[i].payload, "before") == 0;
}

static void
on_lent_log(void *arg, const struct store_view *view)
{
	struct borrower *b = arg;
	size_t i;

	change_all(b);
	b->intact = view->count > 0;
	for (i = 0; i < view->count; i++)
		b->intact &= view->entries[i].payload[view->entries[i].len] == '\0' &&
		    strlen(view->entries[i].payload) == view->entries[i].len;
}

static void
on_lent_members(void *arg, const struct store_members *members)
{
	struct borrower *b = arg;

	change_all(b);
	b->intact = members->count == 1 && strcmp(members->members[0].data, "before") == 0;
}

static void
on_lent_session(void *arg, const struct store_session *session)
{
	struct borrower *b = arg;

	change_all(b);
	b->intact = session->data_len == 6 && memcmp(session->data, "before", 6) == 0;
}

static void
test_lent(const struct contract *contract, bool close)
{
	struct store_limits tight = kit_limits;
	struct borrower b;
	size_t kind, i, wrong = 0;
	struct kit k;

	tight.mailbox_max = tight.room_max = 5;
	for (kind = 0; kind < 5; kind++) {
		struct entry_id base;
		struct name id, room = room_named("lent");

		kit_start(&k, contract, &tight);
		b = (struct borrower){.kit = &k, .close = close};
		id = open_session(&k, "lent", "before", &base);
		for (i = 0; i < 5; i++)
			do_one(&k, &id, op_send(&id, "before"));
		do_one(&k, &id, op_join("lent", "$join"));
		do_one(&k, &id, op_room("lent", "before"));
		if (kind == 0)
			store_read_mailbox(k.at, &id, base, 100, 10000, on_lent_view, &b);
		else if (kind == 1)
			store_read_room(k.at, &room, id_of(0, 0), 100, 10000, on_lent_log, &b);
		else if (kind == 2)
			store_read_tail(k.at, &room, id_of(UINT64_MAX, 0), 100, on_lent_log, &b);
		else if (kind == 3)
			store_list_members(k.at, &room, 10, on_lent_members, &b);
		else
			store_look(k.at, &id, on_lent_session, &b);
		kit_until(&k, b.done);
		wrong += !b.intact;
		for (struct answer *a = k.answers; a; a = a->next)
			await(a);
		kit_end(&k, "lending");
	}
	is_int((int64_t)wrong, 0, close ? "what a callback is lent stays while it closes the session"
	                                : "what a callback is lent stays while it makes calls that change it");
}

static void
test_free(const struct contract *contract)
{
	struct kit k;
	struct name id;
	size_t i, called = 0, turns;
	struct answer *calls[KINDS];

	kit_start(&k, contract, &kit_limits);
	id = open_session(&k, "calls", "", NULL);
	store_watch(k.at, &id);
	for (i = 0; i < KINDS; i++)
		calls[i] = start_kind(&k, i, &id);
	store_free(k.first);
	k.first = NULL;
	ear_clear(&k.ear);
	for (turns = 0; turns < 10; turns++)
		kit_turn(&k);
	for (i = 0; i < KINDS; i++) {
		called += (size_t)calls[i]->times;
		calls[i]->cancelled = true;
	}
	is_int((int64_t)called, 0, "freeing a store cancels all calls");
	is_int((int64_t)k.ear.count, 0, "and nothing more is heard");
	kit_end(&k, "freeing");
	store_free(NULL);
}

static void
free_store(struct answer *a)
{
	store_free(a->kit->first);
	a->kit->first = NULL;
}

static void
test_free_within(const struct contract *contract)
{
	struct kit k;
	struct name id;
	struct answer *first, *second;
	size_t turns;

	kit_start(&k, contract, &kit_limits);
	id = open_session(&k, "calls", "", NULL);
	first = start_kind(&k, 6, &id);
	second = start_kind(&k, 6, &id);
	first->then = free_store;
	await(first);
	for (turns = 0; turns < 10; turns++)
		kit_turn(&k);
	is_int(second->times, 0, "a store may be freed by a callback");
	second->cancelled = true;
	kit_end(&k, "freeing within");
}

static void
test_try(struct kit *k)
{
	struct answer *a = await(start_try(k, KIT_LIMIT_MS)), *b;

	is_status(a, STORE_OK, "the store can be tried");
	ok(a->latency_us >= 0 && a->latency_us < KIT_LIMIT_MS * 1000, "and says how long it took");
	a = start_try(k, KIT_LIMIT_MS);
	b = start_try(k, KIT_LIMIT_MS);
	ok(await(b)->status == STORE_OK && await(a)->status == STORE_OK, "it can be tried twice at a time");
	is_int((int64_t)k->ear.count, 0, "nobody else hears of it");
}

void
contract_calls(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_try(&k);
	test_cancelled(&k);
	test_one_of_many(&k);
	test_cancel_within(&k);
	test_ask_within(&k);
	kit_end(&k, "calls");
	test_lent(contract, false);
	test_lent(contract, true);
	test_free(contract);
	test_free_within(contract);
}
