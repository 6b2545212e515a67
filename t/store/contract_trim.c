/*
 * What is lost is told: trimmed streams, and streams that were made anew.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

#define MAX 20
#define SENT 400

static const struct store_limits small = {
    .away_after_ms = 600000,
    .session_ttl_ms = 900000,
    .room_ttl_ms = 86400000,
    .mailbox_max = MAX,
    .room_max = MAX,
    .max_sessions = 1000,
    .max_rooms = 1000,
    .rooms_per_session = 32,
};

static struct answer *
read_stream(struct kit *k, const char *title, const struct name *id, struct entry_id after)
{
	return title ? read_room(k, title, after) : read_mailbox(k, id, after);
}

/* Send SENT entries to a room (or, without a title, to session id) and see what is left of them. */
static void
test_trimmed(struct kit *k, const char *title, const struct name *id, struct entry_id begin)
{
	struct entry_id ids[SENT];
	struct answer *a, *edge;
	char text[16];
	size_t i, first, wrong = 0;

	for (i = 0; i < SENT; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		ids[i] = do_one(k, id, title ? op_room(title, text) : op_send(id, text));
	}
	a = read_stream(k, title, id, begin);
	ok(a->count >= MAX && a->count <= MAX + k->contract->slack, "%s: as many entries are kept as the limit says",
	    title ? "log" : "mailbox");
	first = SENT - a->count;
	for (i = 0; i < a->count; i++)
		wrong += !same_id(a->entries[i].id, ids[first + i]) || (size_t)atoi(a->entries[i].payload) != first + i;
	is_int((int64_t)wrong, 0, "they are the last ones");
	ok(a->gap, "a reader that had not read those before them is told of a gap");
	is_id(a->gap_from, begin, "from where it stood");
	is_id(a->gap_to, ids[first - 1], "to the last one that is lost");
	edge = read_stream(k, title, id, ids[first - 1]);
	ok(!edge->gap && edge->count == a->count, "who had just read that one has no gap");
	if (first >= 2) {
		edge = read_stream(k, title, id, ids[first - 2]);
		ok(edge->gap && same_id(edge->gap_from, ids[first - 2]) && same_id(edge->gap_to, ids[first - 1]),
		    "who had read all but that one has");
	}
	edge = read_stream(k, title, id, ids[SENT - 1]);
	ok(!edge->gap && edge->count == 0, "who has all has no gap");
	edge = read_stream(k, title, id, ids[SENT - 5]);
	ok(!edge->gap && edge->count == 4, "nor has who is not far behind");
}

static void
test_parts(struct kit *k, const struct name *id, struct entry_id begin)
{
	struct answer *a = await(start_read_mailbox(k, id, begin, 3, 100000));
	struct answer *b = await(start_read_mailbox(k, id, a->last, 3, 100000));

	ok(a->gap && a->more && a->count == 3, "a gap comes with the first part");
	ok(!b->gap && b->more && b->count == 3, "and not with the next");
}

static struct answer *
measure(struct kit *k, const struct name *id)
{
	return await(start_measure(k, id, MAX));
}

/* How much the mailbox takes before something is lost that its client has not acknowledged. */
static void
test_space(struct kit *k)
{
	struct entry_id ids[MAX], last;
	struct name id = open_session(k, "space", "<d>", &last), nobody = session_named("spaceless");
	struct answer *a = measure(k, &id);

	is_status(measure(k, &nobody), STORE_GONE, "no mailbox can be measured of who is not there");
	is_string(a->data, "<d>", "measuring tells what looking does");
	ok(a->space == MAX && !a->has_lost, "a mailbox without entries has space for as many as the limit says");
	for (size_t i = 0; i < MAX; i++)
		ids[i] = do_one(k, &id, op_send(&id, "x"));
	a = measure(k, &id);
	ok(a->space == 0 && !a->has_lost, "with as many entries there is none, but nothing is lost yet");
	store_ack(k->at, &id, ids[6], false);
	ok(kit_until(k, measure(k, &id)->space == 7), "what is acknowledged makes space");
	is_int(await(start_measure(k, &id, 3))->space, 3, "of which no more than enough is told");
	do_one(k, &id, op_send(&id, "x"));
	a = measure(k, &id);
	ok(a->space == 6 && !a->has_lost, "each entry takes some");
	store_hand(k->at, &id, ids[8]);
	ok(kit_until(k, measure(k, &id)->space == 8), "so does what was handed to its client");
	is_id(measure(k, &id)->acked, ids[6], "which has acknowledged no more by that");
	store_ack(k->at, &id, ids[MAX - 1], false);
	ok(kit_until(k, measure(k, &id)->space == MAX - 1), "when all are acknowledged but one there is space for the others");
	for (size_t i = 0; i < SENT; i++)
		last = do_one(k, &id, op_send(&id, "x"));
	a = measure(k, &id);
	ok(a->space == 0 && a->has_lost, "when one is forgotten that was not acknowledged, something is lost");
	store_ack(k->at, &id, last, true);
	ok(kit_until(k, measure(k, &id)->space == MAX), "when all is acknowledged it is over with that");
	a = measure(k, &id);
	ok(!a->has_lost && same_id(a->acked, last), "and nothing is lost any more");
	do_one(k, &id, op_send(&id, "x"));
	a = measure(k, &id);
	ok(a->space == MAX - 1 && !a->has_lost, "then it goes on");
}

static void
test_tail(struct kit *k)
{
	struct name room = room_named("trim");
	struct answer *a = await(start_read_tail(k, &room, id_of(UINT64_MAX, 0), 5)), *all;

	is_entries(a, "395 396 397 398 399", "reading backwards begins at the end");
	all = await(start_read_tail(k, &room, id_of(UINT64_MAX, 0), 1000));
	ok(!all->gap && !all->more && all->count >= MAX, "and ends where the log was trimmed, without a gap");
}

static void
test_recreated(struct kit *k)
{
	struct entry_id old, at, base, id;
	struct name name = open_session(k, "anew", "", &old);
	struct answer *a;

	at = do_one(k, &name, op_send(&name, "lost"));
	await(start_close(k, &name, "leave"));
	open_session(k, "anew", "", &base);
	a = read_mailbox(k, &name, base);
	ok(!a->gap && a->count == 0, "a stream made anew has nothing for who begins with it");
	a = read_mailbox(k, &name, at);
	ok(a->gap && same_id(a->gap_from, at) && same_id(a->gap_to, base) && same_id(a->last, base),
	    "who had read the old one is told of a gap");
	a = read_mailbox(k, &name, old);
	ok(a->gap && same_id(a->gap_from, old) && same_id(a->gap_to, base), "and so is who had seen nothing of it");
	id = do_one(k, &name, op_send(&name, "new"));
	a = read_mailbox(k, &name, old);
	is_entries(a, "new", "then come the new one's entries");
	ok(a->gap && same_id(a->gap_from, old) && same_id(a->gap_to, base) && same_id(a->last, id),
	    "behind a gap up to its beginning");
	a = read_mailbox(k, &name, base);
	ok(!a->gap && a->count == 1, "who begins with the new one reads them without");
}

/* A log's time is short here, so that it can be waited for; members are heard from all the while. */
static void
test_room_ttl(struct kit *k, int64_t ttl_ms)
{
	struct entry_id since;
	struct name id = open_session(k, "keeper", "", NULL), empty = room_named("empty"), kept = room_named("kept");
	int64_t begun = clock_mono_ms(), gone_ms = 0, deadline = begun + KIT_LIMIT_MS;
	bool lost = false, log_gone = false;
	struct answer *a;

	do_one(k, &id, op_room("empty", "x"));
	since = do_one(k, &id, op_join("kept", "$join"));
	do_one(k, &id, op_room("kept", "one"));
	while ((!gone_ms || !log_gone) && clock_mono_ms() < deadline) {
		store_touch(k->at, &id);
		await(start_sweep(k));
		if (await(start_read_tail(k, &empty, id_of(UINT64_MAX, 0), 10))->status == STORE_GONE && !gone_ms)
			gone_ms = clock_mono_ms() - begun;
		a = read_room(k, "kept", since);
		lost |= a->status != STORE_OK;
		log_gone = a->gap && a->count == 0;
		kit_turn(k);
	}
	ok(gone_ms >= ttl_ms, "a room without members is gone after its time, and not before");
	ok(log_gone, "so is the log of one with members, and who had not read it is told of a gap");
	for (begun = clock_mono_ms(); clock_mono_ms() < begun + 2 * ttl_ms; kit_turn(k)) {
		store_touch(k->at, &id);
		lost |= read_room(k, "kept", since)->status != STORE_OK;
	}
	ok(!lost, "but not that room, while a member is heard from");
	is_int((int64_t)await(start_list_members(k, &kept, 10))->total, 1, "nor its members");
	a = read_room(k, "kept", since);
	do_one(k, &id, op_room("kept", "two"));
	a = read_room(k, "kept", a->last);
	is_entries(a, "two", "its log goes on");
	ok(!a->gap, "from where it was");
}

void
contract_trim(const struct contract *contract)
{
	struct store_limits limits;
	struct kit k;
	struct entry_id begin;
	struct name id;

	kit_start(&k, contract, &small);
	id = open_session(&k, "trim", "", &begin);
	test_trimmed(&k, NULL, &id, begin);
	test_parts(&k, &id, begin);
	begin = do_one(&k, &id, op_join("trim", "$join"));
	test_trimmed(&k, "trim", &id, begin);
	test_tail(&k);
	test_recreated(&k);
	test_space(&k);
	kit_end(&k, "gaps");

	limits = kit_brief;
	limits.room_ttl_ms = limits.session_ttl_ms;
	kit_start(&k, contract, &limits);
	test_room_ttl(&k, limits.room_ttl_ms);
	kit_end(&k, "rooms past their time");
}
