/*
 * Rooms: their logs, members and the data that members show.
 */
#include "contract_kit.h"
#include "contract_parts.h"

static const struct store_joined *
joined(const struct answer *view, const char *title)
{
	struct name room = room_named(title);
	size_t i;

	for (i = 0; i < view->rooms_count; i++)
		if (name_equal(&view->rooms[i].room, &room))
			return &view->rooms[i];
	return NULL;
}

static const struct store_member *
member(const struct answer *list, const struct name *id)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (name_equal(&list->members[i].id, id))
			return &list->members[i];
	return NULL;
}

static struct answer *
members(struct kit *k, const char *title, uint32_t max)
{
	struct name room = room_named(title);

	return await(start_list_members(k, &room, max));
}

static void
test_join(struct kit *k)
{
	struct entry_id base, since, second;
	struct name alice = open_session(k, "join-a", "<A>", &base);
	struct name bob = open_session(k, "join-b", "<B>", NULL);
	struct answer *a = apply_one(k, &alice, 0, op_join("lobby", "$join"));
	const struct store_joined *j;

	is_int(a->results[0].code, STORE_DONE, "a session enters a room that is made for it");
	ok(!a->results[0].existing, "it was no member before");
	since = a->results[0].id;
	a = read_mailbox(k, &alice, base);
	j = joined(a, "lobby");
	ok(a->rooms_count == 1 && j, "the session is in that room");
	is_string(j ? j->title : NULL, "lobby", "the room has its title");
	is_id(j ? j->since : id_of(0, 0), since, "and a position where reading starts");
	a = await(start_look(k, &alice));
	j = joined(a, "lobby");
	ok(a->rooms_count == 1 && j, "whoever looks at the session sees the room, too");
	is_string(j ? j->title : NULL, "lobby", "with its title");
	is_int((int64_t)await(start_look(k, &bob))->rooms_count, 0, "and none of a session that is in none");
	a = read_room(k, "lobby", since);
	ok(a->status == STORE_OK && a->count == 0 && !a->gap, "there is nothing to read at first, not even one's own entering");

	second = apply_one(k, &bob, 0, op_join("lobby", "$join"))->results[0].id;
	a = read_room(k, "lobby", since);
	is_entries(a, "$join<B>", "members read who enters: payload and public data");
	is_id(a->last, second, "who entered reads from there");
	a = apply_one(k, &alice, 0, op_join("lobby", "$join"));
	ok(a->results[0].code == STORE_DONE && a->results[0].existing, "who enters again is told that it was a member");
	is_id(a->results[0].id, since, "and where the first time said");
	is_id(read_room(k, "lobby", since)->last, second, "nothing is appended for it");
	is_int((int64_t)read_mailbox(k, &alice, base)->rooms_count, 1, "nor is it in the room twice");
}

static void
test_leave(struct kit *k)
{
	struct entry_id base, since, again;
	struct name alice = open_session(k, "leave-a", "<A>", &base);
	struct name bob = open_session(k, "leave-b", "<B>", NULL);

	is_int(apply_one(k, &alice, 0, op_leave("exit", "$leave"))->results[0].code, STORE_NOT_JOINED,
	    "a room that does not exist cannot be left");
	do_one(k, &bob, op_join("exit", "$join"));
	is_int(apply_one(k, &alice, 0, op_leave("exit", "$leave"))->results[0].code, STORE_NOT_JOINED,
	    "nor can one that the session is not in");
	since = do_one(k, &alice, op_join("exit", "$join"));
	do_one(k, &alice, op_leave("exit", "$leave"));
	is_entries(read_room(k, "exit", since), "$leave<A>", "members read who leaves: payload and public data");
	is_int((int64_t)read_mailbox(k, &alice, base)->rooms_count, 0, "who left is in the room no more");
	is_int((int64_t)members(k, "exit", 10)->total, 1, "nor in the list of its members");
	again = do_one(k, &alice, op_join("exit", "$join"));
	ok(entry_id_compare(again, since) > 0, "who enters once more starts reading there");
	do_one(k, &alice, op_room("exit", "bye"));
	do_one(k, &alice, op_leave("exit", "1"));
	do_one(k, &bob, op_leave("exit", "2"));
	is_entries(read_room(k, "exit", again), "bye 1<A> 2<B>",
	    "a room where something was said keeps its log when all have left");
}

/* Nobody has to remember who came and went where nothing was said. */
static void
test_forgotten(struct kit *k)
{
	struct entry_id first, second, anew, base;
	struct name alice = open_session(k, "quiet-a", "<A>", &base);
	struct name bob = open_session(k, "quiet-b", "<B>", NULL), room = room_named("quiet");
	struct store_op ops[4] = {op_join("brief", "$join"), op_set("<C>", "$set"), op_leave("brief", "$leave"),
	    op_join("brief", "$again")};
	struct answer *a;

	first = do_one(k, &alice, op_join("quiet", "$join"));
	second = do_one(k, &bob, op_join("quiet", "$join"));
	do_one(k, &alice, op_leave("quiet", "$leave"));
	is_entries(read_room(k, "quiet", second), "$leave<A>", "a room where nothing was said stays while somebody is in it");
	do_one(k, &bob, op_leave("quiet", "$leave"));
	is_status(read_room(k, "quiet", second), STORE_GONE, "and is forgotten when the last member leaves");
	is_status(await(start_read_tail(k, &room, id_of(UINT64_MAX, 0), 10)), STORE_GONE, "with its log");
	is_int((int64_t)members(k, "quiet", 10)->total, 0, "and its members");
	is_int(apply_one(k, &bob, 0, op_leave("quiet", "$leave"))->results[0].code, STORE_NOT_JOINED, "who left is not in it");

	a = apply_one(k, &alice, 0, op_join("quiet", "$join"));
	anew = a->results[0].id;
	ok(a->results[0].code == STORE_DONE && !a->results[0].existing, "it can be entered again, and is made anew");
	is_int((int64_t)members(k, "quiet", 10)->total, 1, "for who is in it now");
	a = read_room(k, "quiet", second);
	ok(a->gap && same_id(a->gap_from, second) && !same_id(a->gap_to, first) && !same_id(a->gap_to, second),
	    "who reads on from the old one is told of a gap");
	is_entries(a, "$join<A>", "behind which it begins");
	ok(read_room(k, "quiet", first)->gap, "wherever it stood");
	ok(!read_room(k, "quiet", anew)->gap, "who enters it has none");
	await(start_close(k, &alice, "$leave"));
	is_status(read_room(k, "quiet", anew), STORE_GONE, "it is forgotten as well when the last member is closed");

	alice = open_session(k, "quiet-c", "", &base);
	a = apply(k, &alice, 0, ops, 4);
	ok(a->status == STORE_OK && a->results[3].code == STORE_DONE && !a->results[3].existing &&
	        !same_id(a->results[0].id, a->results[3].id),
	    "left and entered in one call, it is made anew");
	ok(read_room(k, "brief", a->results[0].id)->gap, "which is a gap");
	a = read_mailbox(k, &alice, base);
	ok(a->rooms_count == 1 && !read_room(k, "brief", a->rooms[0].since)->gap, "but not for who entered last");
}

static void
test_said(struct kit *k)
{
	struct entry_id since, at;
	struct name alice = open_session(k, "said-a", "<A>", NULL);
	struct name bob = open_session(k, "said-b", "<B>", NULL), room = room_named("said");

	since = do_one(k, &alice, op_join("said", "$join"));
	do_one(k, &bob, op_room("said", "hello"));
	await(start_close(k, &alice, "$leave"));
	is_entries(read_room(k, "said", since), "hello $leave<A>",
	    "a room where something was said stays when the last is closed");
	at = do_one(k, &bob, op_join("said", "$join"));
	is_entries(await(start_read_tail(k, &room, at, 3)), "hello $leave<A> $join<B>", "and who enters it can read it");
	do_one(k, &bob, op_leave("said", "$leave"));
	do_one(k, &bob, op_join("said", "$join"));
	do_one(k, &bob, op_leave("said", "$leave"));
	is_entries(read_room(k, "said", at), "$leave<B> $join<B> $leave<B>", "however often it is left");
	do_one(k, &bob, op_join("once", "$join"));
	do_one(k, &bob, op_leave("once", "$leave"));
	at = do_one(k, &bob, op_room("once", "x"));
	do_one(k, &bob, op_join("once", "$join"));
	do_one(k, &bob, op_leave("once", "$leave"));
	is_entries(read_room(k, "once", at), "$join<B> $leave<B>", "so does one that was forgotten before it was sent to");
}

static void
test_send(struct kit *k)
{
	struct entry_id since, id;
	struct name alice = open_session(k, "talk-a", "", NULL);
	struct name bob = open_session(k, "talk-b", "", NULL);
	struct store_op ops[3] = {op_join("talk", "$join"), op_room("talk", "one"), op_room("talk", "two")};
	struct answer *a = apply(k, &alice, 0, ops, 3);

	since = a->results[0].id;
	is_entries(read_room(k, "talk", since), "one two", "what is sent to a room after entering it can be read there");
	id = do_one(k, &bob, op_room("talk", "three"));
	a = read_room(k, "talk", a->results[2].id);
	is_entries(a, "three", "one may send to a room without being in it");
	is_id(a->last, id, "the sender is told the entry's id");
	do_one(k, &bob, op_room("made", "first"));
	is_int(members(k, "made", 10)->status, STORE_OK, "sending to a room makes it");
	is_int((int64_t)members(k, "made", 10)->total, 0, "without a member");
	a = apply_one(k, &alice, 0, op_join("made", "$join"));
	id = a->results[0].id;
	{
		struct name room = room_named("made");

		is_entries(await(start_read_tail(k, &room, id, 10)), "first $join",
		    "who enters later can read what was said before");
	}
}

static void
test_members(struct kit *k)
{
	enum { N = 7 };
	struct name ids[N];
	const struct store_member *m;
	struct answer *a;
	char text[16], data[16];
	size_t i, found = 0;

	is_int((int64_t)members(k, "crowd", 10)->total, 0, "a room that does not exist has no members");
	is_status(members(k, "crowd", 10), STORE_OK, "which is no error");
	for (i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "crowd-%zu", i);
		snprintf(data, sizeof(data), "%s", "<x>");
		data[1] = (char)('a' + i);
		ids[i] = open_session(k, text, i ? data : "", NULL);
		do_one(k, &ids[i], op_join("crowd", "$join"));
	}
	a = members(k, "crowd", 10);
	for (i = 0; i < N; i++)
		found += member(a, &ids[i]) != NULL;
	ok(a->total == N && a->count == N && found == N, "all members are listed");
	m = member(a, &ids[3]);
	is_string(m ? m->data : NULL, "<d>", "with their public data");
	m = member(a, &ids[0]);
	is_string(m ? m->data : NULL, "", "which may be none");
	ok(m && !m->away, "none is away");
	a = members(k, "crowd", 3);
	ok(a->total == N && a->count == 3, "no more are listed than asked for, but all are counted");
	a = members(k, "crowd", 0);
	ok(a->total == N && a->count == 0, "or only counted");
	await(start_close(k, &ids[2], "$leave"));
	a = members(k, "crowd", 10);
	ok(a->total == N - 1 && !member(a, &ids[2]), "a session that is closed is no member any more");
}

static void
test_set(struct kit *k)
{
	struct entry_id since[2];
	struct name id = open_session(k, "set", "<old>", NULL), friend = open_session(k, "set-friend", "", NULL);
	struct name room = room_named("set-1");
	struct answer *a;

	do_one(k, &friend, op_join("set-2", "$join"));
	since[0] = do_one(k, &id, op_join("set-1", "$join"));
	since[1] = do_one(k, &id, op_join("set-2", "$join"));
	is_int(apply_one(k, &id, 0, op_set("<new>", "$set"))->results[0].code, STORE_DONE, "a session sets its public data");
	is_string(await(start_look(k, &id))->data, "<new>", "they are its data from then on");
	is_entries(read_room(k, "set-1", since[0]), "$set<new>", "each room that it is in is told the new data");
	is_entries(read_room(k, "set-2", since[1]), "$set<new>", "each");
	a = await(start_list_members(k, &room, 10));
	is_string(a->count ? a->members[0].data : NULL, "<new>", "the list of members has them");
	do_one(k, &id, op_set("", "$set"));
	is_int((int64_t)await(start_look(k, &id))->data_len, 0, "public data can be taken back");
	do_one(k, &id, op_leave("set-2", "$leave"));
	is_entries(read_room(k, "set-2", since[1]), "$set<new> $set $leave", "also in the room's log");
}

static void
test_set_in_order(struct kit *k)
{
	struct name id = open_session(k, "order", "<1>", NULL);
	struct store_op ops[5] = {op_join("order", "$join"), op_set("<2>", "$set"), op_room("order", "x"), op_set("<3>", "$set"),
	    op_leave("order", "$leave")};
	struct answer *a = apply(k, &id, 0, ops, 5);

	is_entries(read_room(k, "order", a->results[0].id), "$set<2> x $set<3> $leave<3>",
	    "operations of one call see what those before them did");
}

static void
test_max_members(struct kit *k)
{
	struct name ids[3] = {open_session(k, "max-1", "", NULL), open_session(k, "max-2", "", NULL),
	    open_session(k, "max-3", "", NULL)};
	struct store_op join = op_join("pair", "$join");
	struct entry_id since;
	struct answer *a;

	join.max_members = 2;
	since = do_one(k, &ids[0], join);
	do_one(k, &ids[1], join);
	a = apply_one(k, &ids[2], 0, join);
	is_int(a->results[0].code, STORE_ROOM_FULL, "a third is refused where two may be");
	a = read_room(k, "pair", since);
	is_entries(a, "$join", "nobody reads of who was refused");
	a = apply_one(k, &ids[0], 0, join);
	ok(a->results[0].code == STORE_DONE && a->results[0].existing, "a member is not refused for a room that is full");
	is_int(apply_one(k, &ids[2], 0, op_join("pair", "$join"))->results[0].code, STORE_DONE, "who sets no limit has none");
	do_one(k, &ids[2], op_leave("pair", "$leave"));
	do_one(k, &ids[1], op_leave("pair", "$leave"));
	is_int(apply_one(k, &ids[2], 0, join)->results[0].code, STORE_DONE, "who leaves makes place");
	await(start_close(k, &ids[0], "$leave"));
	is_int(apply_one(k, &ids[1], 0, join)->results[0].code, STORE_DONE, "and so does who is closed");
}

static void
test_hushed(struct kit *k)
{
	struct name alice = open_session(k, "hush-a", "<a>", NULL), bob = open_session(k, "hush-b", "<b>", NULL);
	struct entry_id first, second, said;
	struct answer *a;

	first = do_one(k, &alice, op_join("hush", ""));
	said = do_one(k, &alice, op_room("hush", "said"));
	second = do_one(k, &bob, op_join("hush", ""));
	ok(entry_id_compare(first, said) < 0 && same_id(second, said), "who enters without a payload starts behind what is there");
	is_entries(read_room(k, "hush", first), "said", "and nothing is appended");
	is_entries(read_room(k, "hush", second), "", "what was said before is not for it");
	do_one(k, &alice, op_room("hush", "more"));
	is_entries(read_room(k, "hush", second), "more", "what is said then is");
	a = apply_one(k, &bob, 0, op_join("hush", ""));
	ok(a->results[0].existing && same_id(a->results[0].id, second), "it is a member");
	is_int((int64_t)read_mailbox(k, &bob, id_of(0, 0))->rooms_count, 1, "of the room");
	do_one(k, &bob, op_leave("hush", "$leave"));
	is_entries(read_room(k, "hush", second), "more $leave<b>", "that is told of its leaving if there is a payload");
}

void
contract_rooms(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_join(&k);
	test_leave(&k);
	test_forgotten(&k);
	test_said(&k);
	test_send(&k);
	test_members(&k);
	test_set(&k);
	test_set_in_order(&k);
	test_max_members(&k);
	test_hushed(&k);
	kit_end(&k, "rooms");
}
