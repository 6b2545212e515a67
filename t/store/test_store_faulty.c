/*
 * The faulty store keeps the contract while nothing is planned, though it is slow; and does what is planned.
 */
#include "store_faulty.h"

#include "contract_kit.h"

static struct store *
make(void *arg, struct event_base *base, const struct store_limits *limits)
{
	const int64_t *delay_ms = arg;
	struct store *store = store_faulty_new(base, store_memory_new(base, limits));

	store_faulty_delay(store, *delay_ms);
	return store;
}

static void
test_fail(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "fail", "", &base);
	struct store_op op = op_send(&id, "x");

	store_faulty_plan(k->at, FAULTY_APPLY, 2, FAULTY_FAIL);
	is_status(apply(k, &id, 1, &op, 1), STORE_OK, "a call before the one that was planned for succeeds");
	is_status(apply(k, &id, 2, &op, 1), STORE_UNAVAILABLE, "the one planned to fail fails");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 1, "and is not done");
	is_status(apply(k, &id, 2, &op, 1), STORE_OK, "the next one succeeds");
	store_faulty_plan(k->at, FAULTY_APPLY, 1, FAULTY_UNSURE);
	is_status(apply(k, &id, 3, &op, 1), STORE_UNAVAILABLE, "a call may fail and yet");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 3, "be done");
	is_int((int64_t)apply(k, &id, 3, &op, 1)->repeated, 1, "so its repeat is one");
	store_faulty_plan(k->at, FAULTY_APPLY, 1, FAULTY_TWICE);
	is_int((int64_t)apply(k, &id, 4, &op, 1)->repeated, 1, "a call may be done twice");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 4, "in all its numbered operations once");
	is_int(store_faulty_calls(k->at, FAULTY_APPLY), 6, "calls are counted");
	store_faulty_plan(k->at, FAULTY_READ_MAILBOX, 1, FAULTY_GONE);
	is_status(read_mailbox(k, &id, base), STORE_GONE, "a call may be answered as if there were no such session");
}

static void
test_hold(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "hold", "<d>", &base);
	struct answer *view, *look;

	do_one(k, &id, op_send(&id, "before"));
	do_one(k, &id, op_join("hold", "$join"));
	store_faulty_plan(k->at, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	store_faulty_plan(k->at, FAULTY_LOOK, 1, FAULTY_HOLD);
	view = start_read_mailbox(k, &id, base, 10, 1000);
	look = start_look(k, &id);
	kit_until(k, store_faulty_held(k->at) == 2);
	do_one(k, &id, op_send(&id, "after"));
	await(start_close(k, &id, "$leave"));
	ok(view->times == 0 && look->times == 0, "an answer may be held");
	is_int(store_faulty_release(k->at), 2, "until it is released");
	is_entries(await(view), "before", "and is then as it was");
	ok(view->rooms_count == 1 && strcmp(view->rooms[0].title, "hold") == 0, "as a whole");
	is_string(await(look)->data, "<d>", "whatever its kind");
	store_faulty_plan(k->at, FAULTY_LOOK, 1, FAULTY_HOLD);
	look = start_look(k, &id);
	kit_until(k, store_faulty_held(k->at) == 1);
	cancel(look);
	is_int(store_faulty_release(k->at), 0, "a call whose answer is held may be cancelled");
}

static void
test_notices(struct kit *k)
{
	struct name id = open_session(k, "notices", "", NULL);
	struct entry_id at;

	store_watch(k->at, &id);
	store_faulty_plan(k->at, FAULTY_NOTICE, 1, FAULTY_FAIL);
	do_one(k, &id, op_send(&id, "lost"));
	at = do_one(k, &id, op_send(&id, "heard"));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "a notice may be lost");
	is_int((int64_t)k->ear.count, 1, "and the next one come");
	store_faulty_plan(k->at, FAULTY_NOTICE, 1, FAULTY_TWICE);
	do_one(k, &id, op_send(&id, "twice"));
	ok(kit_until(k, k->ear.count == 3), "a notice may be repeated");
	store_faulty_plan(k->at, FAULTY_NOTICE, 1, FAULTY_HOLD);
	do_one(k, &id, op_send(&id, "late"));
	at = do_one(k, &id, op_send(&id, "early"));
	ok(kit_until(k, heard_entry(&k->ear, &id, at)), "a notice may be overtaken");
	store_faulty_release(k->at);
	ok(kit_until(k, k->ear.count == 5) && strcmp(k->ear.notices[4].payload, "late") == 0, "and come late");
	store_unwatch(k->at, &id);
	ear_clear(&k->ear);
}

static void
test_lost(struct kit *k)
{
	struct name id = open_session(k, "lost", "", NULL);
	struct store_op op = op_send(&id, "x");

	store_watch(k->at, &id);
	store_faulty_lose(k->at, true);
	is_status(apply(k, &id, 0, &op, 1), STORE_UNAVAILABLE, "a store that is lost can do nothing");
	is_status(await(start_look(k, &id)), STORE_UNAVAILABLE, "nothing at all");
	is_status(await(start_try(k, 1000)), STORE_UNAVAILABLE, "and says so when tried");
	store_faulty_lose(k->at, false);
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) == 1),
	    "when it is back all that is watched is to be read again");
	is_status(apply(k, &id, 0, &op, 1), STORE_OK, "and it can be used");
	store_unwatch(k->at, &id);
}

int
main(void)
{
	int64_t none = 0, some = 2;
	struct contract prompt = {.make = make, .arg = &none};
	struct contract slow = {.make = make, .arg = &some, .fuzz_steps = 400};
	struct kit k;

	contract_run(&slow);
	kit_start(&k, &prompt, &kit_limits);
	test_fail(&k);
	test_hold(&k);
	test_notices(&k);
	test_lost(&k);
	kit_end(&k, "faults");
	return done();
}
