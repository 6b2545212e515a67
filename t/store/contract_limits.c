/*
 * Limits.  Those of the whole store are counted by sweeping, so a store may take its time to notice.
 */
#include "contract_kit.h"
#include "contract_parts.h"

#define PATIENCE_MS (2 * KIT_LIMIT_MS)

static const struct store_limits tight = {
    .away_after_ms = 600000,
    .session_ttl_ms = 900000,
    .room_ttl_ms = 86400000,
    .mailbox_max = 100,
    .room_max = 100,
    .max_sessions = 5,
    .max_rooms = 5,
    .rooms_per_session = 3,
};

static void
sweep_for(struct kit *k, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	do
		await(start_sweep(k));
	while (clock_mono_ms() < end && (kit_turn(k), true));
}

static struct name
numbered(const char *kind, size_t i)
{
	char text[32];

	snprintf(text, sizeof(text), "%s-%u", kind, (unsigned)i);
	return session_named(text);
}

static void
test_rooms_per_session(struct kit *k)
{
	struct name id = open_session(k, "limit", "", NULL);

	do_one(k, &id, op_join("a", "$join"));
	do_one(k, &id, op_join("b", "$join"));
	do_one(k, &id, op_join("c", "$join"));
	is_int(apply_one(k, &id, 0, op_join("d", "$join"))->results[0].code, STORE_JOINED_LIMIT,
	    "a session is in so many rooms at most");
	is_int(apply_one(k, &id, 0, op_join("b", "$join"))->results[0].code, STORE_DONE,
	    "entering one of them again is no matter");
	do_one(k, &id, op_leave("b", "$leave"));
	is_int(apply_one(k, &id, 0, op_join("d", "$join"))->results[0].code, STORE_DONE, "leaving one makes place");
	await(start_close(k, &id, "$leave"));
}

static void
test_max_sessions(struct kit *k)
{
	int64_t deadline = clock_mono_ms() + PATIENCE_MS;
	struct answer *a;
	struct name id, first = numbered("session", 0);
	size_t i;

	for (i = 0; i < 5; i++) {
		id = numbered("session", i);
		is_status(await(start_open(k, &id, "")), STORE_OK, "as many sessions are opened as the limit says");
	}
	do {
		id = numbered("session", i++);
		a = await(start_open(k, &id, ""));
		sweep_for(k, a->status == STORE_FULL ? 0 : 100);
	} while (a->status == STORE_OK && clock_mono_ms() < deadline);
	is_status(a, STORE_FULL, "then no more");
	is_status(await(start_look(k, &id)), STORE_GONE, "the one refused is not there");
	a = await(start_open(k, &first, ""));
	ok(a->status == STORE_OK && !a->created, "opening one that is there may still be repeated");
	while (--i > 0) {
		id = numbered("session", i - 1);
		await(start_close(k, &id, "$leave"));
	}
	deadline = clock_mono_ms() + PATIENCE_MS;
	id = numbered("session", 0);
	do {
		a = await(start_open(k, &id, ""));
		sweep_for(k, a->status == STORE_OK ? 0 : 100);
	} while (a->status == STORE_FULL && clock_mono_ms() < deadline);
	is_status(a, STORE_OK, "closing sessions makes place");
}

/* Enter and leave more rooms than there may be; by closing if `close`.  How many were refused? */
static size_t
pass_through(struct kit *k, const char *kind, bool close)
{
	size_t i, refused = 0;
	struct name id;
	char title[24];

	id = open_session(k, kind, "", NULL);
	for (i = 0; i < 4 * tight.max_rooms; i++) {
		snprintf(title, sizeof(title), "%s-%zu", kind, i);
		refused += apply_one(k, &id, 0, op_join(title, "$join"))->results[0].code != STORE_DONE;
		if (close) {
			await(start_close(k, &id, "$leave"));
			open_session(k, kind, "", NULL);
		} else {
			apply_one(k, &id, 0, op_leave(title, "$leave"));
		}
		sweep_for(k, i % tight.max_rooms ? 0 : 100);
	}
	return refused;
}

static void
test_rooms_forgotten(struct kit *k)
{
	is_int((int64_t)pass_through(k, "left", false), 0, "rooms that were only entered and left do not count");
	is_int((int64_t)pass_through(k, "closed", true), 0, "nor do those that sessions took with them");
}

static void
test_max_rooms(struct kit *k)
{
	int64_t deadline = clock_mono_ms() + PATIENCE_MS;
	struct name id = numbered("session", 0), room;
	char title[24];
	struct answer *a;
	size_t i = 0;

	do {
		snprintf(title, sizeof(title), "room-%zu", i++);
		a = apply_one(k, &id, 0, op_room(title, "x"));
		sweep_for(k, i <= 5 || a->results[0].code != STORE_DONE ? 0 : 100);
	} while (a->results[0].code == STORE_DONE && clock_mono_ms() < deadline);
	is_int(a->results[0].code, STORE_ROOMS_LIMIT, "there are so many rooms at most");
	room = room_named(title);
	is_status(await(start_read_room(k, &room, id_of(0, 0), 10, 1000)), STORE_GONE, "the one refused is not made");
	is_int(apply_one(k, &id, 0, op_join(title, "$join"))->results[0].code, STORE_ROOMS_LIMIT, "nor is it made by entering");
	is_int((int64_t)read_mailbox(k, &id, id_of(0, 0))->rooms_count, 0, "the session is not in it");
	snprintf(title, sizeof(title), "room-%d", 0);
	is_int(apply_one(k, &id, 0, op_room(title, "y"))->results[0].code, STORE_DONE, "rooms that are there can be sent to");
	is_int(apply_one(k, &id, 0, op_join(title, "$join"))->results[0].code, STORE_DONE, "and entered");
}

void
contract_limits(const struct contract *contract)
{
	struct store_limits limits = tight;
	struct kit k;

	kit_start(&k, contract, &tight);
	test_max_sessions(&k);
	test_max_rooms(&k);
	kit_end(&k, "limits of the store");
	limits.max_sessions = 1000;
	kit_start(&k, contract, &limits);
	test_rooms_forgotten(&k);
	kit_end(&k, "rooms that do not count");
	kit_start(&k, contract, &tight);
	test_rooms_per_session(&k);
	kit_end(&k, "limits of a session");
}
