/*
 * Numbered operations: applied once however often they are sent, answered as the first time, and never with one missing.
 */
#include "contract_kit.h"
#include "contract_parts.h"

static bool
same_results(const struct answer *a, size_t from_a, const struct answer *b, size_t from_b, size_t n)
{
	size_t i;

	if (a->count < from_a + n || b->count < from_b + n)
		return false;
	for (i = 0; i < n; i++) {
		const struct store_result *x = &a->results[from_a + i], *y = &b->results[from_b + i];

		if (x->code != y->code || x->existing != y->existing || !same_id(x->id, y->id))
			return false;
	}
	return true;
}

static void
test_first(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "first", "", &base);
	struct answer *a = apply_one(k, &id, 2, op_send(&id, "two"));

	is_status(a, STORE_HOLE, "a session's first operation cannot have number 2");
	is_int((int64_t)a->next_seq, 1, "it must have number 1");
	is_int((int64_t)a->count, 0, "there are no results");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 0, "and nothing was applied");
	a = apply_one(k, &id, 1, op_send(&id, "one"));
	is_status(a, STORE_OK, "number 1 is applied");
	is_int((int64_t)a->next_seq, 2, "the next one is number 2");
	is_int((int64_t)a->repeated, 0, "it is no repeat");
}

static void
test_repeat(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "repeat", "<d>", &base);
	struct name nobody = session_named("repeat-late");
	struct store_op ops[5] = {op_send(&id, "one"), op_send(&nobody, "lost"), op_join("repeat", "$join"),
	    op_join("repeat", "$join"),
	    op_leave("nowhere", "$leave")};
	struct answer *first = apply(k, &id, 1, ops, 5), *again;

	is_int((int64_t)first->next_seq, 6, "a call of five operations takes five numbers");
	open_session(k, "repeat-late", "", NULL);
	again = apply(k, &id, 1, ops, 5);
	is_status(again, STORE_OK, "a call may be repeated");
	is_int((int64_t)again->repeated, 5, "all of it is known as a repeat");
	is_int((int64_t)again->next_seq, 6, "the next number is as it was");
	ok(same_results(first, 0, again, 0, 5), "the results are as they were, also those that would be others now");
	is_entries(read_mailbox(k, &id, base), "one", "nothing is applied twice");
	again = apply(k, &id, 1, ops, 5);
	ok(again->repeated == 5 && same_results(first, 0, again, 0, 5), "a call may be repeated more than once");
	again = apply(k, &id, 1, ops, 2);
	ok(again->repeated == 2 && again->count == 2 && same_results(first, 0, again, 0, 2), "also its beginning alone");
	is_int((int64_t)again->next_seq, 6, "and then the next number is still the session's");
	again = apply(k, &id, 3, ops + 2, 3);
	ok(again->repeated == 3 && same_results(first, 2, again, 0, 3), "or its end");
}

static void
test_overlap(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "overlap", "", &base);
	struct store_op ops[6] = {op_send(&id, "1"), op_send(&id, "2"), op_send(&id, "3"), op_send(&id, "4"), op_send(&id, "5"),
	    op_send(&id, "6")};
	struct answer *first = apply(k, &id, 1, ops, 2), *more, *again;

	more = apply(k, &id, 1, ops, 4);
	is_status(more, STORE_OK, "a repeat may have new operations behind the old");
	ok(more->repeated == 2 && more->next_seq == 5 && more->count == 4, "it says how many were repeated");
	ok(same_results(first, 0, more, 0, 2), "those have the results that they had");
	is_entries(read_mailbox(k, &id, base), "1 2 3 4", "only the new ones are applied");
	again = apply(k, &id, 1, ops, 4);
	ok(again->repeated == 4 && same_results(more, 0, again, 0, 4), "such a call may be repeated as a whole");
	more = apply(k, &id, 4, ops + 3, 3);
	ok(more->repeated == 1 && more->next_seq == 7 && same_results(again, 3, more, 0, 1),
	    "a call may begin in the middle of the last one");
	is_entries(read_mailbox(k, &id, base), "1 2 3 4 5 6", "and all are applied once");
}

static void
test_old(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "old", "", &base);
	struct store_op ops[4] = {op_send(&id, "1"), op_send(&id, "2"), op_send(&id, "3"), op_send(&id, "4")};
	enum store_result_code before[2] = {STORE_DONE_BEFORE, STORE_DONE_BEFORE};
	struct answer *a, *last;

	apply(k, &id, 1, ops, 2);
	last = apply(k, &id, 3, ops + 2, 1);
	a = apply(k, &id, 1, ops, 2);
	is_codes(a, before, 2, "a repeat of what is older than the last call is known, though its results are not");
	ok(a->repeated == 2 && a->next_seq == 4, "it counts as repeated");
	a = apply(k, &id, 1, ops, 4);
	ok(a->status == STORE_OK && a->repeated == 3 && a->next_seq == 5 && a->count == 4 &&
	    a->results[0].code == STORE_DONE_BEFORE &&
	    a->results[1].code == STORE_DONE_BEFORE && same_results(a, 2, last, 0, 1) && a->results[3].code == STORE_DONE,
	    "one call may have old, repeated and new operations");
	is_entries(read_mailbox(k, &id, base), "1 2 3 4", "each is applied once");
}

static void
test_hole(struct kit *k)
{
	struct entry_id base, since;
	struct name id = open_session(k, "hole", "<d>", &base);
	struct store_op ops[4] = {op_send(&id, "x"), op_room("hole", "x"), op_join("hole-2", "x"), op_set("changed", "x")};
	struct answer *a;
	struct name room = room_named("hole-2");

	since = do_one(k, &id, op_join("hole", "$join"));
	apply_one(k, &id, 1, op_send(&id, "one"));
	a = apply(k, &id, 3, ops, 4);
	is_status(a, STORE_HOLE, "a call behind a missing number is refused");
	is_int((int64_t)a->next_seq, 2, "the missing number is told");
	is_int((int64_t)a->count, 0, "without results");
	is_entries(read_mailbox(k, &id, base), "one", "nothing of it is applied: no message,");
	is_int((int64_t)read_room(k, "hole", since)->count, 0, "no message to a room,");
	is_int((int64_t)await(start_list_members(k, &room, 10))->total, 0, "no entering,");
	is_string(await(start_look(k, &id))->data, "<d>", "no setting of data");
	is_status(apply_one(k, &id, 2, op_send(&id, "two")), STORE_OK, "the missing one is then applied");
	a = apply(k, &id, 3, ops, 4);
	ok(a->status == STORE_OK && a->next_seq == 7 && a->repeated == 0, "and then the refused one");
}

static void
test_unnumbered(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "mixed", "", &base);
	struct store_op ops[2] = {op_send(&id, "1"), op_send(&id, "2")};
	struct answer *first = apply(k, &id, 1, ops, 2), *again;

	do_one(k, &id, op_send(&id, "x"));
	do_one(k, &id, op_send(&id, "x"));
	again = apply(k, &id, 1, ops, 2);
	ok(again->repeated == 2 && same_results(first, 0, again, 0, 2), "operations without a number leave what is remembered");
	is_int((int64_t)apply_one(k, &id, 3, op_send(&id, "3"))->next_seq, 4, "and do not count");
	is_entries(read_mailbox(k, &id, base), "1 2 x x 3", "they are applied each time");
}

/* As a client does that did not hear of the first answers: all are under way at once. */
static void
test_impatient(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "impatient", "", &base);
	struct store_op op = op_send(&id, "once");
	struct answer *calls[10];
	size_t i, repeated = 0, wrong = 0;

	for (i = 0; i < 10; i++)
		calls[i] = start_apply(k, &id, 1, &op, 1);
	for (i = 0; i < 10; i++) {
		await(calls[i]);
		repeated += calls[i]->repeated;
		wrong += !same_results(calls[0], 0, calls[i], 0, 1);
	}
	ok(repeated == 9 && wrong == 0, "of ten equal calls at once one is applied, and all are answered alike");
	is_entries(read_mailbox(k, &id, base), "once", "its message is there once");
}

void
contract_numbers(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_first(&k);
	test_repeat(&k);
	test_overlap(&k);
	test_old(&k);
	test_hole(&k);
	test_unnumbered(&k);
	test_impatient(&k);
	kit_end(&k, "numbers");
}
