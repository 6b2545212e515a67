/*
 * Operations on mailboxes, and what holds for operations of every kind.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

static void
test_send(struct kit *k)
{
	struct entry_id base, one, two;
	struct name alice = open_session(k, "alice", "", NULL);
	struct name bob = open_session(k, "bob", "", &base);
	struct answer *a = apply_one(k, &alice, 0, op_send(&bob, "one"));

	is_status(a, STORE_OK, "a message is sent to a session");
	is_int((int64_t)a->count, 1, "there is a result for it");
	is_int(a->results[0].code, STORE_DONE, "which says that it was done");
	is_int((int64_t)a->next_seq, 0, "without a number there is no next number");
	ok(a->repeated == 0 && !a->away, "it is no repeat, and the sender is not away");
	one = a->results[0].id;
	ok(entry_id_compare(one, base) > 0, "its id is behind the mailbox's beginning");
	two = do_one(k, &alice, op_send(&bob, "two"));
	ok(entry_id_compare(two, one) > 0, "the next one's id is behind it");
	a = read_mailbox(k, &bob, base);
	is_entries(a, "one two", "both are in the mailbox, in order");
	ok(a->count == 2 && same_id(a->entries[0].id, one) && same_id(a->entries[1].id, two),
	    "with the ids that the sender was told");
	ok(!a->gap && !a->more && same_id(a->last, two), "the reader then stands at the last one");
	is_int(apply_one(k, &alice, 0, op_send(&alice, "self"))->results[0].code, STORE_DONE, "one may send to oneself");
}

static void
test_payloads(struct kit *k)
{
	static const size_t sizes[] = {0, 1, 100, 1000, 1100, 65536, 300000};
	struct entry_id after;
	struct name id = open_session(k, "payload", "", &after);
	size_t i, n, wrong = 0;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct store_op op = op_send(&id, "");
		char *payload = mem_alloc(sizes[i]);
		struct answer *a;

		for (n = 0; n < sizes[i]; n++)
			payload[n] = (char)(n * 7 + n / 251);
		op.payload = payload;
		op.payload_len = sizes[i];
		do_one(k, &id, op);
		a = read_mailbox(k, &id, after);
		wrong += a->count != 1 || a->entries[0].len != sizes[i] || memcmp(a->entries[0].payload, payload, sizes[i]) != 0;
		after = a->last;
		free(payload);
	}
	is_int((int64_t)wrong, 0, "a payload is any bytes, from none to 300,000");
}

static void
test_many(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_NO_TARGET, STORE_DONE, STORE_NOT_JOINED, STORE_DONE,
	    STORE_DONE};
	struct entry_id base;
	struct name alice = open_session(k, "many-a", "", NULL);
	struct name bob = open_session(k, "many-b", "", &base);
	struct name nobody = session_named("many-nobody");
	struct store_op ops[64];
	struct answer *a;
	size_t i, wrong = 0;

	ops[0] = op_send(&bob, "1");
	ops[1] = op_send(&nobody, "2");
	ops[2] = op_send(&bob, "3");
	ops[3] = op_leave("many-room", "4");
	ops[4] = op_join("many-room", "5");
	ops[5] = op_send(&bob, "6");
	a = apply(k, &alice, 0, ops, 6);
	is_codes(a, codes, 6, "each operation has a result, and one refused does not stop those behind it");
	a = read_mailbox(k, &bob, base);
	is_entries(a, "1 3 6", "operations of one call are applied in order");
	for (i = 0; i < 64; i++)
		ops[i] = op_send(&bob, "x");
	a = apply(k, &alice, 0, ops, 64);
	for (i = 1; i < a->count; i++)
		wrong += entry_id_compare(a->results[i - 1].id, a->results[i].id) >= 0;
	ok(a->status == STORE_OK && a->count == 64 && wrong == 0, "64 operations fit in one call");
	a = apply(k, &alice, 0, NULL, 0);
	ok(a->status == STORE_OK && a->count == 0, "a call may be without operations");
}

/* Two that fill each other's mailboxes at once: each stream has its own order, and nothing is lost. */
static void
test_crossing(struct kit *k)
{
	enum { N = 40 };
	struct entry_id base_a, base_b;
	struct name alice = open_session(k, "cross-a", "", &base_a);
	struct name bob = open_session(k, "cross-b", "", &base_b);
	struct answer *calls[2 * N], *a;
	char text[16];
	size_t i, wrong = 0;

	for (i = 0; i < N; i++) {
		struct store_op to_bob, to_alice;

		snprintf(text, sizeof(text), "%zu", i);
		to_bob = op_send(&bob, text);
		to_alice = op_send(&alice, text);
		calls[2 * i] = start_apply(k, &alice, 0, &to_bob, 1);
		calls[2 * i + 1] = start_apply(k, &bob, 0, &to_alice, 1);
	}
	for (i = 0; i < 2 * N; i++)
		await(calls[i]);
	a = read_mailbox(k, &bob, base_b);
	for (i = 0; i < a->count; i++)
		wrong += (size_t)atoi(a->entries[i].payload) != i || !same_id(a->entries[i].id, calls[2 * i]->results[0].id);
	ok(a->count == N && wrong == 0, "calls that were not waited for are applied in the order in which they were made");
	is_int((int64_t)read_mailbox(k, &alice, base_a)->count, N, "also with those of others between them");
}

void
contract_apply(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_send(&k);
	test_payloads(&k);
	test_many(&k);
	test_crossing(&k);
	kit_end(&k, "sending");
}
