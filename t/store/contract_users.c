/*
 * Users: a session is one of a user's from a grant that says so until another one, or its end.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

/* Are these the user's sessions, in any order? */
static void
are_sessions(struct kit *k, const struct name *user, const struct name *ids, size_t n, const char *what)
{
	struct answer *a = await(start_list_user(k, user));
	size_t found = 0;

	for (size_t i = 0; i < a->count; i++)
		for (size_t j = 0; j < n; j++)
			found += name_equal(&a->members[i].id, &ids[j]);
	if (!ok(a->status == STORE_OK && !a->more && a->count == n && found == n, "%s", what))
		printf("#   status %d, %zu sessions, %zu of them right\n", a->status, a->count, found);
}

static struct store_result
send_user(struct kit *k, const struct name *user, const char *payload)
{
	struct store_op op = op_send_user(user, payload);
	struct answer *a = await(start_order(k, NULL, &op, 1));

	return a->count == 1 ? a->results[0] : (struct store_result){.code = STORE_FORBIDDEN};
}

static void
test_grants(struct kit *k)
{
	struct name ids[] = {open_session(k, "of-1", "<1>", NULL), open_session(k, "of-2", "", NULL), open_session(k, "of-3", "", NULL)};
	struct name ann = user_named("ann"), bob = user_named("bob");
	struct answer *a;

	are_sessions(k, &ann, NULL, 0, "a user whom nobody knows has no sessions");
	a = apply_one(k, &ids[0], 0, op_grant_user(&ann, "g"));
	ok(a->results[0].code == STORE_DONE && is_zero(a->results[0].id), "grants say whose a session is");
	is_string(await(start_look(k, &ids[0]))->grants, "g", "and are its grants as ever");
	are_sessions(k, &ann, ids, 1, "it is among the user's sessions");
	a = await(start_list_user(k, &ann));
	ok(a->count == 1 && strcmp(a->members[0].data, "<1>") == 0 && !a->members[0].away, "with its data");
	do_one(k, &ids[1], op_grant_user(&ann, "g"));
	do_one(k, &ids[1], op_grant_user(&ann, "h"));
	are_sessions(k, &ann, ids, 2, "so is another one, once however often that is said");
	do_one(k, &ids[2], op_grant("g"));
	are_sessions(k, &ann, ids, 2, "grants of nobody are of nobody");
	do_one(k, &ids[1], op_grant_user(&bob, "g"));
	are_sessions(k, &ann, ids, 1, "a session that gets grants of another user is no more one of the first");
	are_sessions(k, &bob, ids + 1, 1, "but of the other");
	do_one(k, &ids[1], op_grant("g"));
	are_sessions(k, &bob, NULL, 0, "until it gets grants of nobody");
	apply_one(k, &ids[0], 0, op_set("<2>", "$set"));
	await(start_open(k, &ids[0], "again"));
	a = await(start_list_user(k, &ann));
	ok(a->count == 1 && strcmp(a->members[0].data, "<2>") == 0, "nothing else changes whose it is");
	do_one(k, &ids[0], op_grant(""));
}

static void
test_calls(struct kit *k)
{
	struct name id = open_session(k, "calls-of", "", NULL), other = open_session(k, "calls-of-2", "", NULL), ann = user_named("ann-calls");
	struct name ids[] = {id, other}, bob = user_named("bob-calls");
	struct store_op ops[] = {op_grant_user(&ann, "g"), op_join("calls-of", "$join"), op_set("<d>", "$set"), op_grant_user(&bob, "h"),
	    op_grant_user(&ann, "i")};
	struct store_swap swap = {0, {1, "state", 5}};
	struct store_op order = op_by(&other, op_grant_user(&ann, "o"));

	apply(k, &id, 1, ops, 5);
	are_sessions(k, &ann, ids, 1, "the last grants of a call count");
	are_sessions(k, &bob, NULL, 0, "and none before them");
	do_one(k, &id, op_grant(""));
	is_int((int64_t)apply(k, &id, 1, ops, 5)->repeated, 5, "a repeat is one");
	are_sessions(k, &ann, NULL, 0, "and makes it nobody's session again");
	await(start_swap(k, &id, &swap, ops, 1));
	are_sessions(k, &ann, ids, 1, "grants may come with a state");
	await(start_order(k, NULL, &order, 1));
	are_sessions(k, &ann, ids, 2, "or by an order");
	await(start_close(k, &id, "$leave"));
	await(start_close(k, &other, "$leave"));
}

static void
test_ends(struct kit *k)
{
	struct name ann = user_named("ann-ends"), ids[3];
	struct store_op end[2];

	for (int i = 0; i < 3; i++) {
		char text[16];

		snprintf(text, sizeof text, "ends-%d", i);
		ids[i] = open_session(k, text, "", NULL);
		do_one(k, &ids[i], op_join("ends-of", "$join"));
		do_one(k, &ids[i], op_grant_user(&ann, "g"));
	}
	await(start_close(k, &ids[2], "$leave"));
	are_sessions(k, &ann, ids, 2, "a session that is closed is nobody's");
	end[0] = op_by(&ids[1], op_end("$leave"));
	await(start_order(k, NULL, end, 1));
	are_sessions(k, &ann, ids, 1, "nor is one that an order ended");
	end[0] = op_by(&ids[0], op_grant_user(&ann, "h"));
	end[1] = op_by(&ids[0], op_end("$leave"));
	await(start_order(k, NULL, end, 2));
	are_sessions(k, &ann, NULL, 0, "whatever it was granted just before");
	open_session(k, "ends-0", "", NULL);
	are_sessions(k, &ann, NULL, 0, "one that is opened anew is nobody's");
}

static void
test_lapse(const struct contract *contract)
{
	struct kit k;
	struct name id, ann = user_named("ann-lapse");

	kit_start(&k, contract, &kit_brief);
	id = open_session(&k, "lapse-of", "", NULL);
	do_one(&k, &id, op_grant_user(&ann, "g"));
	kit_until(&k, await(start_lapse(&k, &id, "$away", "$leave"))->result == STORE_PRESENCE_AWAY);
	ok(await(start_list_user(&k, &ann))->count == 1, "a session that is away is still its user's");
	ok(await(start_list_user(&k, &ann))->members[0].away, "and told to be away");
	await(start_back(&k, &id, "$back"));
	are_sessions(&k, &ann, &id, 1, "so is one that comes back");
	kit_until(&k, await(start_lapse(&k, &id, "$away", "$leave"))->status == STORE_GONE);
	are_sessions(&k, &ann, NULL, 0, "one that lapsed is nobody's");
	kit_end(&k, "sessions of users that lapse");
}

static void
test_send(struct kit *k)
{
	struct entry_id bases[3];
	struct name ids[] = {open_session(k, "to-1", "", &bases[0]), open_session(k, "to-2", "", &bases[1]), open_session(k, "to-3", "", &bases[2])};
	struct name ann = user_named("ann-to"), bob = user_named("bob-to");
	struct store_op ops[] = {op_send(&ids[2], "a"), op_send_user(&ann, "b"), op_tell(&ids[2], "done:", ":end", "refused"), op_send_user(&bob, "c"),
	    op_by(&ids[1], op_end("$leave")), op_send_user(&ann, "d"), op_room("to-room", "e")};
	struct answer *a;

	is_int(send_user(k, &ann, "nobody").code, STORE_DONE, "who has no sessions gets nothing, which is done");
	is_int(send_user(k, &ann, "nobody").sessions, 0, "at none");
	do_one(k, &ids[0], op_grant_user(&ann, "g"));
	do_one(k, &ids[1], op_grant_user(&ann, "g"));
	is_int(send_user(k, &ann, "both").sessions, 2, "a user gets a message at each session");
	is_entries(read_mailbox(k, &ids[0], bases[0]), "both", "it is in the mailbox of one");
	is_entries(read_mailbox(k, &ids[1], bases[1]), "both", "and of the other");
	is_entries(read_mailbox(k, &ids[2], bases[2]), "", "and of nobody else's");
	watch_session(k, &ids[0]);
	send_user(k, &ann, "ring");
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &ids[0]) > 0), "whoever watches one hears of it");
	store_unwatch(k->at, &ids[0]);
	bases[0] = await(start_look(k, &ids[0]))->last;
	a = await(start_order(k, NULL, ops, 7));
	ok(a->count == 7 && a->results[1].sessions == 2 && a->results[3].sessions == 0 && a->results[5].sessions == 1,
	    "among other operations it goes to those that are there at that moment");
	ok(a->count == 7 && is_zero(a->results[1].id) && !is_zero(a->results[6].id), "it has no id");
	is_entries(read_mailbox(k, &ids[0], bases[0]), "b d", "each once");
	is_entries(read_mailbox(k, &ids[2], bases[2]), "a done::end", "and is told as done");
	do_one(k, &ids[0], op_grant(""));
}

static void
test_once(struct kit *k)
{
	struct entry_id base, other_base;
	struct name id = open_session(k, "once-of", "", &base), other = open_session(k, "once-of-2", "", &other_base);
	struct name ann = user_named("ann-once"), queue = session_named("once-of-queue");
	struct store_op op = op_send_user(&ann, "x"), fill = op_queue(&queue, "do");
	struct store_once once = {session_named("once-of-key"), session_named("once-of-request")};
	struct entry_id queued;
	struct answer *a;

	do_one(k, &id, op_grant_user(&ann, "g"));
	is_int((int64_t)await(start_order(k, &once, &op, 1))->results[0].sessions, 1, "with a key it is sent");
	do_one(k, &other, op_grant_user(&ann, "g"));
	a = await(start_order(k, &once, &op, 1));
	ok(a->repeated == 1 && a->results[0].sessions == 1, "a repeat tells what was done, though there are more sessions by now");
	await(start_close(k, &id, "$leave"));
	do_one(k, &other, op_grant(""));
	ok(await(start_order(k, &once, &op, 1))->results[0].sessions == 1, "or none");
	is_int((int64_t)read_mailbox(k, &other, other_base)->count, 0, "and sends nothing");
	do_one(k, &other, op_grant_user(&ann, "g"));
	queued = await(start_order(k, NULL, &fill, 1))->results[0].id;
	is_int((int64_t)await(start_finish(k, &(struct store_item){.queue = &queue, .id = queued}, &op, 1))->results[0].sessions, 1, "what finishes an entry of a queue may send to users");
	is_entries(read_mailbox(k, &other, other_base), "x", "once");
	await(start_close(k, &other, "$leave"));
}

static void
test_limit(const struct contract *contract)
{
	struct store_limits limits = kit_limits;
	struct kit k;
	struct name ids[3], ann = user_named("ann-full"), bob = user_named("bob-full");
	struct store_op again;

	limits.user_sessions_max = 2;
	kit_start(&k, contract, &limits);
	for (int i = 0; i < 3; i++) {
		char text[16];

		snprintf(text, sizeof text, "full-of-%d", i);
		ids[i] = open_session(&k, text, "", NULL);
	}
	do_one(&k, &ids[0], op_grant_user(&ann, "g"));
	do_one(&k, &ids[1], op_grant_user(&ann, "g"));
	do_one(&k, &ids[2], op_grant_user(&bob, "b"));
	again = op_grant_user(&ann, "g");
	is_int(apply_one(&k, &ids[2], 1, again)->results[0].code, STORE_USER_FULL, "a user has so many sessions at most");
	is_string(await(start_look(&k, &ids[2]))->grants, "b", "the grants that were refused are not there");
	are_sessions(&k, &bob, ids + 2, 1, "and the session is whose it was");
	is_int(apply_one(&k, &ids[1], 0, op_grant_user(&ann, "h"))->results[0].code, STORE_DONE, "those that there are get new grants");
	await(start_close(&k, &ids[0], "$leave"));
	is_int(apply_one(&k, &ids[2], 1, again)->results[0].code, STORE_USER_FULL, "a repeat is told the same, though one has ended");
	is_int(apply_one(&k, &ids[2], 2, again)->results[0].code, STORE_DONE, "which makes place");
	are_sessions(&k, &ann, ids + 1, 2, "for another");
	are_sessions(&k, &bob, NULL, 0, "which then is no more the first user's");
	kit_end(&k, "limits of users");
}

/* Many grants at once, wherever they are made: never more than there may be. */
static void
test_both(const struct contract *contract)
{
	enum { N = 12 };
	struct store_limits limits = kit_limits;
	struct kit k;
	struct name ids[N], ann = user_named("ann-both");
	struct answer *calls[N];
	size_t done = 0, full = 0;

	limits.user_sessions_max = 5;
	if (!kit_start_two(&k, contract, &limits))
		kit_start(&k, contract, &limits);
	for (int i = 0; i < N; i++) {
		char text[16];

		snprintf(text, sizeof text, "both-of-%d", i);
		ids[i] = open_session(&k, text, "", NULL);
	}
	for (int i = 0; i < N; i++) {
		struct store_op op = op_grant_user(&ann, "g");

		k.at = k.second && i % 2 ? k.second : k.first;
		calls[i] = start_apply(&k, &ids[i], 0, &op, 1);
	}
	for (int i = 0; i < N; i++) {
		await(calls[i]);
		done += calls[i]->count == 1 && calls[i]->results[0].code == STORE_DONE;
		full += calls[i]->count == 1 && calls[i]->results[0].code == STORE_USER_FULL;
	}
	ok(done == 5 && full == N - 5, "of many at once as many get a place as there are");
	k.at = k.second ? k.second : k.first;
	is_int((int64_t)await(start_list_user(&k, &ann))->count, 5, "and are listed, at every instance");
	is_int(send_user(&k, &ann, "x").sessions, 5, "and sent to");
	kit_end(&k, "users at two");
}

void
contract_users(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_grants(&k);
	test_calls(&k);
	test_ends(&k);
	test_send(&k);
	test_once(&k);
	kit_end(&k, "users");
	test_lapse(contract);
	test_limit(contract);
	test_both(contract);
}
