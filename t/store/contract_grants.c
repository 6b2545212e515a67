/*
 * Grants: a text that the store keeps for those who decide what a session may do; and operations that they refused, which have
 * their numbers and results all the same.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

static void
are_grants(const struct answer *a, const char *wanted, const char *what)
{
	ok(a->grants_len == strlen(wanted), "%s", what);
	is_string(a->grants ? a->grants : "", wanted, what);
}

static void
are_grants_of(struct kit *k, const struct name *id, const char *wanted, const char *what)
{
	are_grants(await(start_look(k, id)), wanted, what);
}

static void
test_grant(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "granted", "<d>", &base);
	struct store_op ops[] = {op_grant("all"), op_join("granted-room", "$join")};
	struct answer *a;

	are_grants_of(k, &id, "", "a new session has no grants");
	are_grants(read_mailbox(k, &id, base), "", "whoever reads its mailbox sees none");
	a = apply(k, &id, 0, ops, 2);
	is_codes(a, codes, 2, "they are given together with other operations");
	ok(is_zero(a->results[0].id), "and have no id");
	are_grants_of(k, &id, "all", "they are there for whoever looks");
	are_grants(read_mailbox(k, &id, base), "all", "and for whoever reads the mailbox");
	do_one(k, &id, op_send(&id, "entry"));
	are_grants(read_mailbox(k, &id, base), "all", "also together with entries");
	apply_one(k, &id, 0, op_set("<e>", "$set"));
	are_grants_of(k, &id, "all", "the public data is another thing");
	do_one(k, &id, op_grant("some"));
	are_grants_of(k, &id, "some", "they are replaced");
	is_string(await(start_look(k, &id))->data, "<e>", "and leave the data as it is");
	await(start_open(k, &id, "again"));
	are_grants_of(k, &id, "some", "opening again leaves them as they are");
	do_one(k, &id, op_grant(""));
	are_grants_of(k, &id, "", "they are taken away");
}

static void
test_bytes(struct kit *k)
{
	struct name id = open_session(k, "grant-bytes", "", NULL);
	struct store_op op = {.kind = STORE_GRANT, .data_len = 70000};
	char *text = mem_alloc(op.data_len);
	struct answer *a;

	for (size_t i = 0; i < op.data_len; i++)
		text[i] = (char)(i * 7 + i / 251);
	op.data = text;
	is_status(apply(k, &id, 0, &op, 1), STORE_OK, "grants are any bytes");
	a = await(start_look(k, &id));
	ok(a->grants_len == op.data_len && memcmp(a->grants, text, op.data_len) == 0, "however many, and come back as they were");
	free(text);
}

static void
test_refused(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_FORBIDDEN, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "refused", "", &base);
	struct store_op ops[] = {op_send(&id, "one"), op_refuse(), op_send(&id, "three")};
	struct answer *a = apply(k, &id, 1, ops, 3);

	is_codes(a, codes, 3, "an operation that was refused stops none of the others");
	is_int((int64_t)a->next_seq, 4, "and has its number");
	is_entries(read_mailbox(k, &id, base), "one three", "nothing else comes of it");
	ops[1] = op_send(&id, "two");
	a = apply(k, &id, 1, ops, 3);
	is_codes(a, codes, 3, "a repeat is told the same, whatever may be done by now");
	is_int((int64_t)a->repeated, 3, "as a repeat");
	is_entries(read_mailbox(k, &id, base), "one three", "and is not applied");
	is_int(apply_one(k, &id, 0, op_refuse())->results[0].code, STORE_FORBIDDEN, "without a number it is refused as well");
}

static void
test_swap(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_FORBIDDEN};
	struct name id = open_session(k, "swap-granted", "", NULL);
	struct store_op ops[] = {op_grant("swapped"), op_refuse()};
	struct store_swap swap = {0, {1, "state", 5}};

	is_codes(await(start_swap(k, &id, &swap, ops, 2)), codes, 2, "both may come with a state");
	are_grants_of(k, &id, "swapped", "and have their effect");
	is_codes(await(start_swap(k, &id, &swap, ops, 2)), codes, 2, "and their results again when that is repeated");
}

static void
test_bell(struct kit *k)
{
	struct name id = open_session(k, "grant-rung", "", NULL);
	struct entry_id sent;

	watch_session(k, &id);
	do_one(k, &id, op_grant("x"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "whoever watches the session hears of grants");
	ear_clear(&k->ear);
	apply_one(k, &id, 0, op_refuse());
	sent = do_one(k, &id, op_send(&id, "behind"));
	ok(kit_until(k, heard_entry(&k->ear, &id, sent)), "what follows is heard");
	is_int((int64_t)heard_count(&k->ear, HEARD_CHANGED, &id), 0, "nothing of what was refused");
	store_unwatch(k->at, &id);
}

static void
test_life(struct kit *k)
{
	struct name id = open_session(k, "grant-life", "", NULL);

	do_one(k, &id, op_grant("x"));
	await(start_close(k, &id, ""));
	open_session(k, "grant-life", "", NULL);
	are_grants_of(k, &id, "", "a session that is opened anew has none");
}

static void
test_two(struct kit *k)
{
	struct name id = open_session(k, "grant-two", "", NULL);

	do_one(k, &id, op_grant("by one"));
	k->at = k->second;
	are_grants_of(k, &id, "by one", "every instance sees the grants that one has given");
	k->at = k->first;
}

void
contract_grants(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_grant(&k);
	test_bytes(&k);
	test_refused(&k);
	test_swap(&k);
	test_bell(&k);
	test_life(&k);
	kit_end(&k, "grants");
	if (!kit_start_two(&k, contract, &kit_limits))
		return;
	test_two(&k);
	kit_end(&k, "grants of two");
}
