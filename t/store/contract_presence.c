/*
 * Deadlines: who is not heard from is away, then gone; others read of it once.
 */
#include "contract_kit.h"
#include "contract_parts.h"

/* Sweep until id is found due; false if it is not within the limit.  Touch `friend` meanwhile, if there is one. */
static bool
swept(struct kit *k, const struct name *id, const struct name *friend)
{
	int64_t deadline = clock_mono_ms() + KIT_LIMIT_MS;

	while (clock_mono_ms() < deadline) {
		struct answer *a = await(start_sweep(k));
		size_t i;

		for (i = 0; i < a->count; i++)
			if (name_equal(&a->ids[i], id))
				return true;
		if (friend)
			store_touch(k->at, friend);
		kit_turn(k);
	}
	return false;
}

static struct answer *
lapse(struct kit *k, const struct name *id)
{
	return await(start_lapse(k, id, "$away", "$leave"));
}

static bool
member_away(struct kit *k, const char *title, const struct name *id)
{
	struct name room = room_named(title);
	struct answer *a = await(start_list_members(k, &room, 100));
	size_t i;

	for (i = 0; i < a->count; i++)
		if (name_equal(&a->members[i].id, id))
			return a->members[i].away;
	ok(false, "the session is still a member");
	return false;
}

static void
test_not_due(struct kit *k)
{
	struct name id = open_session(k, "fresh", "", NULL);
	struct answer *a = lapse(k, &id);

	is_status(a, STORE_OK, "who was just heard from may be asked to lapse");
	is_int(a->result, STORE_PRESENCE_NONE, "but does not");
	a = await(start_back(k, &id, "$back"));
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_NONE, "who is not away does not come back");
}

static void
test_away_and_back(struct kit *k)
{
	struct entry_id base, since, since2;
	int64_t opened = clock_mono_ms();
	struct name id = open_session(k, "away", "<d>", &base);
	struct answer *a;

	since = do_one(k, &id, op_join("absence", "$join"));
	since2 = do_one(k, &id, op_join("absence-2", "$join"));
	ok(swept(k, &id, NULL), "who is not heard from is found due");
	ok(clock_mono_ms() - opened >= kit_brief.away_after_ms, "not before its time");
	a = lapse(k, &id);
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_AWAY, "it is then marked away");
	is_int(lapse(k, &id)->result, STORE_PRESENCE_NONE, "once");
	is_entries(read_room(k, "absence", since), "$away<d>", "each room that it is in reads of it: payload and public data");
	is_entries(read_room(k, "absence-2", since2), "$away<d>", "each");
	ok(member_away(k, "absence", &id), "the list of members shows the mark");
	ok(await(start_look(k, &id))->away, "so does a look at the session");
	ok(read_mailbox(k, &id, base)->away, "and who reads its mailbox is told");
	a = apply_one(k, &id, 0, op_room("absence", "x"));
	ok(a->status == STORE_OK && a->away, "and who applies its operations");
	a = await(start_back(k, &id, "$back"));
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_BACK, "it comes back");
	a = await(start_back(k, &id, "$back"));
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_NONE, "once");
	is_entries(read_room(k, "absence", since), "$away<d> x $back<d>", "the room reads of that, too");
	ok(!await(start_look(k, &id))->away && !member_away(k, "absence", &id) && !read_mailbox(k, &id, base)->away,
	    "and the mark is gone");
	is_int(lapse(k, &id)->result, STORE_PRESENCE_NONE, "who came back was heard from");
}

static void
test_place_of_away(struct kit *k)
{
	struct name id = open_session(k, "crashed", "", NULL), other;
	struct store_op join = op_join("place", "$join");

	join.max_members = 1;
	do_one(k, &id, join);
	ok(swept(k, &id, NULL) && lapse(k, &id)->result == STORE_PRESENCE_AWAY, "the one member of a room for one is away");
	other = open_session(k, "crashed, again", "", NULL);
	is_int(apply_one(k, &other, 0, join)->results[0].code, STORE_DONE, "another may take its place");
	other = open_session(k, "too late", "", NULL);
	is_int(apply_one(k, &other, 0, join)->results[0].code, STORE_ROOM_FULL, "and then no more");
}

static void
test_gone(struct kit *k)
{
	struct entry_id since, alone;
	int64_t opened = clock_mono_ms();
	struct name id = open_session(k, "gone", "<d>", NULL);
	struct name friend = open_session(k, "gone-friend", "", NULL), room = room_named("loss");
	struct answer *a;

	do_one(k, &id, op_join("loss", "$join"));
	alone = do_one(k, &id, op_join("alone", "$join"));
	since = do_one(k, &friend, op_join("loss", "$join"));
	store_watch(k->at, &id);
	ok(swept(k, &id, &friend), "who is not heard from is found due");
	ear_clear(&k->ear);
	is_int(lapse(k, &id)->result, STORE_PRESENCE_AWAY, "and is away");
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "who watches it hears of that");
	is_entries(read_room(k, "alone", alone), "$away<d>", "a room stays while its only member is");
	ok(swept(k, &id, &friend), "and found due again");
	ok(clock_mono_ms() - opened >= kit_brief.session_ttl_ms, "not before its time");
	a = lapse(k, &id);
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_GONE, "it is then gone");
	is_status(lapse(k, &id), STORE_GONE, "once");
	is_entries(read_room(k, "loss", since), "$away<d> $leave<d>", "the room reads of both");
	is_int((int64_t)await(start_list_members(k, &room, 10))->total, 1, "it is no member any more");
	is_status(read_room(k, "alone", alone), STORE_GONE, "a room where it was alone and nothing was said is forgotten");
	is_status(await(start_look(k, &id)), STORE_GONE, "nor a session");
	is_status(apply_one(k, &id, 0, op_room("loss", "x")), STORE_GONE, "and can do nothing");
	ok(kit_until(k, heard_count(&k->ear, HEARD_CLOSED, &id) == 1), "who watches it hears that it was closed");
	store_unwatch(k->at, &id);
}

static void
test_touched(struct kit *k)
{
	int64_t present_ms = 3 * kit_brief.away_after_ms, away_ms = present_ms + kit_brief.session_ttl_ms;
	enum touched present = TOUCHED_STARVED, away = TOUCHED_STARVED;
	struct name id;
	char text[24];
	int i;

	for (i = 0; i < 5 && (present == TOUCHED_STARVED || away == TOUCHED_STARVED); i++) {
		snprintf(text, sizeof(text), "touched-%d", i);
		id = open_session(k, text, "", NULL);
		present = keep_touched(k, k->at, k->at, &id, present_ms);
		if (present != TOUCHED_KEPT)
			continue;
		ok(swept(k, &id, NULL) && lapse(k, &id)->result == STORE_PRESENCE_AWAY, "who is heard from no more is away");
		away = keep_touched(k, k->at, k->at, &id, away_ms);
	}
	is_int(present, TOUCHED_KEPT, "who is heard from is never away");
	is_int(away, TOUCHED_KEPT, "who is away and heard from is never gone");
	ok(await(start_look(k, &id))->away, "though away until called back");
}

static void
test_close(struct kit *k)
{
	struct entry_id since[3];
	struct name id = open_session(k, "close", "<d>", NULL), friend = open_session(k, "close-friend", "", NULL);
	static const char *const titles[3] = {"close-1", "close-2", "close-3"};
	struct answer *a;
	size_t i;

	for (i = 0; i < 3; i++) {
		do_one(k, &id, op_join(titles[i], "$join"));
		since[i] = do_one(k, &friend, op_join(titles[i], "$join"));
	}
	do_one(k, &id, op_leave(titles[2], "$leave"));
	a = await(start_close(k, &id, "$leave"));
	ok(a->status == STORE_OK && a->result == STORE_PRESENCE_GONE, "a session is closed");
	is_entries(read_room(k, titles[0], since[0]), "$leave<d>",
	    "each room that it was in reads of it: payload and public data");
	is_entries(read_room(k, titles[1], since[1]), "$leave<d>", "each");
	is_entries(read_room(k, titles[2], since[2]), "$leave<d>", "but not one that it had left");
	await(start_close(k, &id, "$leave"));
	is_entries(read_room(k, titles[0], since[0]), "$leave<d>", "closing again appends nothing");
}

static void
test_claim(struct kit *k)
{
	enum { N = 50 };
	struct name ids[N];
	size_t found[N] = {0}, i, j, twice = 0, n = 0;
	int64_t deadline = clock_mono_ms() + KIT_LIMIT_MS, all_at = 0;
	char text[16];

	for (i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "claim-%zu", i);
		ids[i] = open_session(k, text, "", NULL);
	}
	/* Once all were found, sweep on for some time in which nothing may come again. */
	while (clock_mono_ms() < deadline && (n < N || clock_mono_ms() < all_at + 300)) {
		struct answer *a = await(start_sweep(k));

		for (i = 0; i < a->count; i++)
			for (j = 0; j < N; j++)
				if (name_equal(&a->ids[i], &ids[j])) {
					n += found[j] == 0;
					twice += found[j]++ > 0;
				}
		if (n == N && !all_at)
			all_at = clock_mono_ms();
		kit_turn(k);
	}
	is_int((int64_t)n, N, "all that are due are found");
	is_int((int64_t)twice, 0, "each is claimed by who found it, and not found again at once");
	for (i = 0; i < N; i++)
		await(start_close(k, &ids[i], "$leave"));
}

/* A session whose protocol is to tell its client of the end. */
static void
test_end_untold(struct kit *k)
{
	struct name silent = open_session(k, "end-silent", "", NULL), away = open_session(k, "end-away", "<d>", NULL);
	struct name friend = open_session(k, "end-friend", "", NULL);
	struct store_swap swap = {0, {5, "state", 5}};
	struct store_op end = op_end("$leave");
	struct entry_id since;

	await(start_swap(k, &silent, &swap, NULL, 0));
	await(start_swap(k, &away, &swap, NULL, 0));
	do_one(k, &away, op_join("end", "$join"));
	since = do_one(k, &friend, op_join("end", "$join"));
	end.event = "farewell";
	end.event_len = strlen(end.event);
	end.session = silent;
	is_int(await(start_order(k, NULL, &end, 1))->results[0].code, STORE_DONE, "a session is to end");
	ok(swept(k, &silent, NULL) && lapse(k, &silent)->result == STORE_PRESENCE_GONE, "if nobody tells its client, it ends when it falls silent");
	is_status(await(start_look(k, &silent)), STORE_GONE, "and is not there any more");
	kit_until(k, lapse(k, &away)->result == STORE_PRESENCE_AWAY);
	end.session = away;
	is_int(await(start_order(k, NULL, &end, 1))->results[0].code, STORE_DONE, "another one is to end while it is away");
	is_status(await(start_look(k, &away)), STORE_GONE, "and does");
	is_entries(read_room(k, "end", since), "$away<d> $leave<d>", "which its rooms are told");
}

void
contract_presence(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_brief);
	test_not_due(&k);
	test_away_and_back(&k);
	test_place_of_away(&k);
	test_gone(&k);
	test_touched(&k);
	test_close(&k);
	test_end_untold(&k);
	test_claim(&k);
	kit_end(&k, "presence");
}
