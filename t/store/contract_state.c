/*
 * A session's state: replaced together with operations, by one who knows what it was, once however often that is repeated.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

static struct store_swap
swap_to(uint64_t expected, uint64_t number, const char *text)
{
	return (struct store_swap){expected, {number, text, strlen(text)}};
}

static struct answer *
swap(struct kit *k, const struct name *id, struct store_swap to, const struct store_op *ops, size_t n)
{
	return await(start_swap(k, id, &to, ops, n));
}

static void
is_state(const struct answer *a, uint64_t number, const char *text, const char *what)
{
	if (!ok(a->state.number == number && a->state.len == strlen(text) && strcmp(a->state.text, text) == 0, "%s", what))
		printf("#   number %llu, %zu bytes: %s\n", (unsigned long long)a->state.number, a->state.len, a->state.text);
}

static void
is_state_of(struct kit *k, const struct name *id, uint64_t number, const char *text, const char *what)
{
	is_state(await(start_look(k, id)), number, text, what);
}

static void
test_swap(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "state", "<d>", &base);
	struct answer *a;

	is_state_of(k, &id, 0, "", "a new session has no state");
	is_state(read_mailbox(k, &id, base), 0, "", "whoever reads its mailbox sees none");
	a = swap(k, &id, swap_to(0, 11, "first"), NULL, 0);
	is_status(a, STORE_OK, "it gets its first state from one who knows that there is none");
	ok(a->count == 0 && a->repeated == 0 && a->next_seq == 0 && !a->away, "without operations there are no results");
	is_state_of(k, &id, 11, "first", "the state is there");
	is_state(read_mailbox(k, &id, base), 11, "first", "it is there for whoever reads the mailbox");
	do_one(k, &id, op_send(&id, "entry"));
	is_state(read_mailbox(k, &id, base), 11, "first", "also together with entries");
	a = swap(k, &id, swap_to(11, 12, ""), NULL, 0);
	is_status(a, STORE_OK, "one who knows it may replace it");
	is_state_of(k, &id, 12, "", "a state may be empty");
	is_string(await(start_look(k, &id))->data, "<d>", "the public data is another thing");
}

static void
test_stale(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "stale", "", &base);
	struct store_op op = op_send(&id, "no");
	struct answer *a;

	a = swap(k, &id, swap_to(5, 6, "x"), &op, 1);
	is_status(a, STORE_STALE, "a state that is not there cannot be replaced");
	is_state(a, 0, "", "it is told that there is none");
	swap(k, &id, swap_to(0, 7, "seven"), NULL, 0);
	a = swap(k, &id, swap_to(0, 8, "eight"), &op, 1);
	is_status(a, STORE_STALE, "a first state is not set over another one");
	is_state(a, 7, "seven", "the one that is there is told");
	ok(a->count == 0, "there are no results");
	is_entries(read_mailbox(k, &id, base), "", "nothing was applied");
	is_state_of(k, &id, 7, "seven", "nothing was replaced");
}

static void
test_operations(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE, STORE_NO_TARGET, STORE_DONE, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "with-ops", "", &base), nobody = session_named("with-nobody");
	struct store_op ops[] = {op_join("with-room", "$join"), op_room("with-room", "hello"), op_send(&nobody, "lost"),
	    op_send(&id, "mine"), op_set("<new>", "$set")};
	struct answer *a = swap(k, &id, swap_to(0, 1, "s"), ops, 5), *again;

	is_codes(a, codes, 5, "operations are applied with it, each with its result");
	is_entries(read_mailbox(k, &id, base), "mine", "they have their effect");
	is_entries(read_room(k, "with-room", id_of(0, 0)), "$join hello $set<new>", "in order");
	is_int((int64_t)read_mailbox(k, &id, base)->rooms_count, 1, "a session enters rooms in this way, too");
	open_session(k, "with-nobody", "", NULL);
	again = swap(k, &id, swap_to(0, 1, "s"), ops, 5);
	is_codes(again, codes, 5, "a repeat has the results that it had");
	is_int((int64_t)again->repeated, 5, "all of it is known as a repeat");
	ok(same_id(again->results[0].id, a->results[0].id) && same_id(again->results[3].id, a->results[3].id),
	    "with the ids that it had");
	is_entries(read_mailbox(k, &id, base), "mine", "nothing is applied twice");
	swap(k, &id, swap_to(1, 2, "t"), NULL, 0);
	is_status(swap(k, &id, swap_to(0, 1, "s"), ops, 5), STORE_STALE, "behind the next swap it is not known any more");
}

static void
test_numbers(struct kit *k)
{
	struct entry_id base, one;
	struct name id = open_session(k, "both", "", &base);
	struct store_op op = op_send(&id, "swapped");
	struct answer *a = apply_one(k, &id, 1, op_send(&id, "numbered"));

	one = a->results[0].id;
	swap(k, &id, swap_to(0, 1, "s"), &op, 1);
	a = apply_one(k, &id, 1, op_send(&id, "numbered"));
	ok(a->repeated == 1 && same_id(a->results[0].id, one), "numbered operations are not disturbed");
	is_int((int64_t)a->next_seq, 2, "nor is their number");
	is_status(swap(k, &id, swap_to(0, 1, "s"), &op, 1), STORE_OK, "nor do they disturb a repeat");
	is_entries(read_mailbox(k, &id, base), "numbered swapped", "each was applied once");
}

/* Many who know the same state: one of them wins. */
static void
test_race(struct kit *k)
{
	enum { N = 20 };
	struct entry_id base;
	struct name id = open_session(k, "race", "", &base);
	struct answer *calls[N];
	char text[N][16];
	size_t i, won = 0, stale = 0;

	for (i = 0; i < N; i++) {
		struct store_op op;
		struct store_swap to;

		snprintf(text[i], sizeof(text[i]), "%zu", i);
		op = op_send(&id, text[i]);
		to = swap_to(0, i + 1, text[i]);
		k->at = k->second && i % 2 ? k->second : k->first;
		calls[i] = start_swap(k, &id, &to, &op, 1);
	}
	for (i = 0; i < N; i++) {
		await(calls[i]);
		won += calls[i]->status == STORE_OK;
		stale += calls[i]->status == STORE_STALE;
	}
	ok(won == 1 && stale == N - 1, "of many who know the same state one replaces it");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 1, "and only its operations are applied");
	k->at = k->first;
}

static void
test_bytes(struct kit *k)
{
	struct name id = open_session(k, "bytes", "", NULL);
	struct store_swap to = {0, {UINT64_MAX, NULL, 70000}};
	char *text = mem_alloc(to.state.len);
	struct answer *a;
	size_t i;

	for (i = 0; i < to.state.len; i++)
		text[i] = (char)(i * 7 + i / 251);
	to.state.text = text;
	is_status(swap(k, &id, to, NULL, 0), STORE_OK, "a state is any bytes");
	a = await(start_look(k, &id));
	ok(a->state.number == UINT64_MAX && a->state.len == to.state.len && memcmp(a->state.text, text, to.state.len) == 0,
	    "however many, and comes back as it was");
	free(text);
}

static void
test_bell(struct kit *k)
{
	struct name id = open_session(k, "rung", "", NULL);
	struct entry_id sent;

	watch_session(k, &id);
	swap(k, &id, swap_to(0, 1, "s"), NULL, 0);
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "whoever watches the session hears of a swap");
	ear_clear(&k->ear);
	swap(k, &id, swap_to(0, 1, "s"), NULL, 0);
	swap(k, &id, swap_to(5, 6, "t"), NULL, 0);
	sent = do_one(k, &id, op_send(&id, "behind"));
	ok(kit_until(k, heard_entry(&k->ear, &id, sent)), "what follows is heard");
	is_int((int64_t)heard_count(&k->ear, HEARD_CHANGED, &id), 0, "not of a repeat, nor of one that was refused");
	store_unwatch(k->at, &id);
}

static void
test_life(struct kit *k)
{
	struct name id = open_session(k, "life", "", NULL), nobody = session_named("life-nobody");
	struct answer *a;

	is_status(swap(k, &nobody, swap_to(0, 1, "s"), NULL, 0), STORE_GONE, "what is no session has no state");
	swap(k, &id, swap_to(0, 1, "s"), NULL, 0);
	is_status(await(start_close(k, &id, "")), STORE_OK, "a session with a state is closed");
	a = swap(k, &id, swap_to(1, 2, "t"), NULL, 0);
	is_status(a, STORE_GONE, "its state is gone");
	open_session(k, "life", "", NULL);
	is_state_of(k, &id, 0, "", "one that is opened anew has none");
}

static void
test_away(struct kit *k)
{
	struct name id = open_session(k, "away-state", "", NULL);
	enum store_presence_result result = STORE_PRESENCE_NONE;
	struct answer *a;

	swap(k, &id, swap_to(0, 1, "s"), NULL, 0);
	kit_until(k, result != STORE_PRESENCE_NONE || (result = await(start_lapse(k, &id, "$away", "$leave"))->result));
	is_int(result, STORE_PRESENCE_AWAY, "a session falls silent");
	is_state_of(k, &id, 1, "s", "it keeps its state");
	a = swap(k, &id, swap_to(1, 2, "t"), NULL, 0);
	ok(a->status == STORE_OK && a->away, "a swap tells that it was away");
	a = swap(k, &id, swap_to(1, 2, "t"), NULL, 0);
	ok(a->status == STORE_OK && a->away, "so does its repeat");
}

void
contract_state(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_swap(&k);
	test_stale(&k);
	test_operations(&k);
	test_numbers(&k);
	test_bytes(&k);
	test_bell(&k);
	test_life(&k);
	kit_end(&k, "states");
	if (!kit_start_two(&k, contract, &kit_limits))
		kit_start(&k, contract, &kit_limits);
	test_race(&k);
	kit_end(&k, "states of two");
	kit_start(&k, contract, &kit_brief);
	test_away(&k);
	kit_end(&k, "states of who is away");
}
