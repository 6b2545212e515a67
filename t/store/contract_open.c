/*
 * Sessions: opened, looked at, acknowledged, closed.
 */
#include "contract_kit.h"
#include "contract_parts.h"

#define LONGEST_DATA 4096

static void
test_open(struct kit *k)
{
	struct name alice = session_named("alice");
	struct answer *a = await(start_open(k, &alice, "{\"name\":\"alice\"}")), *look;
	struct entry_id base = a->position, id;

	is_status(a, STORE_OK, "a session is opened");
	ok(a->created, "a session that was not there is created");
	ok(!is_zero(base), "its mailbox begins at a position of its own");
	look = await(start_look(k, &alice));
	is_status(look, STORE_OK, "an open session can be looked at");
	is_string(look->data, "{\"name\":\"alice\"}", "its public data are there");
	ok(!look->away, "a new session is not away");
	is_id(look->last, base, "its mailbox stands where it began");
	is_id(look->acked, base, "nothing behind that is acknowledged yet");

	a = await(start_open(k, &alice, "other"));
	is_status(a, STORE_OK, "opening may be repeated");
	ok(!a->created, "a repeat says that the session was there");
	is_id(a->position, base, "a repeat says where reading starts");
	id = do_one(k, &alice, op_send(&alice, "hello"));
	a = await(start_open(k, &alice, "other"));
	is_id(a->position, base, "which is before what was not acknowledged");
	is_string(await(start_look(k, &alice))->data, "{\"name\":\"alice\"}", "a repeat leaves the data as they are");
	is_entries(read_mailbox(k, &alice, base), "hello", "a repeat leaves the mailbox as it is");
	store_ack(k->at, &alice, id, false);
	ok(kit_until(k, same_id(await(start_open(k, &alice, "other"))->position, id)), "and behind what was");
}

static void
test_data(struct kit *k)
{
	char longest[LONGEST_DATA + 1];
	struct name id = open_session(k, "nodata", "", NULL);
	struct answer *a = await(start_look(k, &id));

	is_int((int64_t)a->data_len, 0, "a session may be without public data");
	memset(longest, 'x', LONGEST_DATA);
	longest[LONGEST_DATA] = '\0';
	id = open_session(k, "longdata", longest, NULL);
	a = await(start_look(k, &id));
	ok(a->data_len == LONGEST_DATA && strcmp(a->data, longest) == 0, "public data may be 4096 bytes long");
	id = open_session(k, "utf8", "\"gr\303\274n \\u0000 \n\t'\"", NULL);
	is_string(await(start_look(k, &id))->data, "\"gr\303\274n \\u0000 \n\t'\"", "public data are bytes");
}

static void
test_close(struct kit *k)
{
	struct entry_id base, last, again;
	struct name id = open_session(k, "closer", "data", &base);
	struct name other = open_session(k, "closer-friend", "", NULL);
	struct answer *a;

	do_one(k, &id, op_join("closed-room", "join"));
	apply_one(k, &id, 1, op_send(&id, "one"));
	last = do_one(k, &id, op_send(&id, "two"));
	store_ack(k->at, &id, last, false);
	kit_until(k, same_id(await(start_look(k, &id))->acked, last));
	a = await(start_close(k, &id, "leave"));
	is_status(a, STORE_OK, "a session is closed");
	is_int(a->result, STORE_PRESENCE_GONE, "closing says that it is gone");
	is_status(await(start_close(k, &id, "leave")), STORE_GONE, "closing again says that there is no such session");
	is_status(await(start_look(k, &id)), STORE_GONE, "a closed session cannot be looked at");
	is_status(read_mailbox(k, &id, last), STORE_GONE, "a closed session's mailbox cannot be read");
	is_status(apply_one(k, &id, 0, op_send(&other, "x")), STORE_GONE, "a closed session cannot send");
	is_status(apply_one(k, &id, 2, op_send(&other, "x")), STORE_GONE, "nor can it with a number");
	is_status(await(start_back(k, &id, "back")), STORE_GONE, "a closed session cannot come back");
	is_status(await(start_lapse(k, &id, "away", "leave")), STORE_GONE, "a closed session cannot lapse");
	is_int(apply_one(k, &other, 0, op_send(&id, "x"))->results[0].code, STORE_NO_TARGET,
	    "nothing can be sent to a closed session");

	id = open_session(k, "closer", "new", &again);
	ok(entry_id_compare(again, last) > 0, "a session opened anew begins behind all that the old one had");
	a = await(start_look(k, &id));
	is_string(a->data, "new", "it has its own data");
	is_id(a->acked, again, "it has acknowledged nothing");
	a = read_mailbox(k, &id, again);
	ok(a->count == 0 && !a->gap && a->rooms_count == 0, "it has no messages and is in no room");
	is_int((int64_t)apply_one(k, &id, 1, op_send(&other, "x"))->next_seq, 2, "it numbers its operations from 1");
}

static void
test_unknown(struct kit *k)
{
	struct name nobody = session_named("nobody");

	is_status(await(start_look(k, &nobody)), STORE_GONE, "who never opened cannot be looked at");
	is_status(read_mailbox(k, &nobody, id_of(0, 0)), STORE_GONE, "nor read");
	is_status(apply_one(k, &nobody, 0, op_room("r", "x")), STORE_GONE, "nor send");
	is_status(await(start_close(k, &nobody, "leave")), STORE_GONE, "nor be closed");
	is_status(await(start_back(k, &nobody, "back")), STORE_GONE, "nor come back");
	store_touch(k->at, &nobody);
	store_ack(k->at, &nobody, id_of(1, 1), true);
	store_take(k->at, &(struct store_sink){.session = nobody, .since = 1}, 1);
	is_status(await(start_look(k, &nobody)), STORE_GONE, "touch, ack and take of nobody do nothing");
}

static void
test_ack(struct kit *k)
{
	struct name id = open_session(k, "acker", "", NULL);
	struct entry_id one = do_one(k, &id, op_send(&id, "one"));
	struct entry_id two = do_one(k, &id, op_send(&id, "two"));

	store_ack(k->at, &id, one, false);
	ok(kit_until(k, same_id(await(start_look(k, &id))->acked, one)), "what a client has is remembered");
	store_ack(k->at, &id, two, false);
	ok(kit_until(k, same_id(await(start_look(k, &id))->acked, two)), "the position moves on");
	store_ack(k->at, &id, one, false);
	await(start_try(k, KIT_LIMIT_MS));
	is_id(await(start_look(k, &id))->acked, two, "it never moves back");
	is_id(await(start_look(k, &id))->last, two, "acknowledging leaves the mailbox where it is");
}

/* With `idle` the entries are given back: who has them all does not notice. */
static void
test_idle(struct kit *k)
{
	struct entry_id base, one, two, three;
	struct name id = open_session(k, "idler", "", &base);
	struct answer *a;

	one = do_one(k, &id, op_send(&id, "one"));
	two = do_one(k, &id, op_send(&id, "two"));
	store_ack(k->at, &id, one, true);
	await(start_try(k, KIT_LIMIT_MS));
	is_entries(read_mailbox(k, &id, base), "one two", "an idle client that has not all of its mailbox keeps it");
	store_ack(k->at, &id, two, true);
	ok(kit_until(k, read_mailbox(k, &id, one)->gap), "an idle client's mailbox gives its entries back");
	a = read_mailbox(k, &id, two);
	ok(a->status == STORE_OK && a->count == 0 && !a->gap && same_id(a->last, two), "who has them all does not notice");
	a = read_mailbox(k, &id, base);
	ok(a->gap && same_id(a->gap_from, base) && same_id(a->gap_to, two) && same_id(a->last, two),
	    "who has not is told of a gap");
	three = do_one(k, &id, op_send(&id, "three"));
	a = read_mailbox(k, &id, two);
	is_entries(a, "three", "the next entry follows");
	ok(!a->gap && same_id(a->last, three), "and chains to the last one given back");
	a = read_mailbox(k, &id, one);
	ok(a->gap && same_id(a->gap_to, two) && a->count == 1, "who has not all is told of a gap up to there");
}

void
contract_open(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_open(&k);
	test_data(&k);
	test_close(&k);
	test_unknown(&k);
	test_ack(&k);
	test_idle(&k);
	kit_end(&k, "sessions");
}
