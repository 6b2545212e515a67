/*
 * Telling a session, in the same step, what became of the operation before.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

/* Is the entry i of the mailbox payload "done:" + id + ":end"? */
static void
is_told(const struct answer *view, size_t i, struct entry_id id, const char *what)
{
	char text[ENTRY_ID_SIZE], wanted[ENTRY_ID_SIZE + 16];

	snprintf(wanted, sizeof wanted, "done:%s:end", is_zero(id) ? "" : entry_id_format(text, id));
	is_string(i < view->count ? kit_keep(view->kit, view->entries[i].payload, view->entries[i].len) : "(no entry)", wanted, what);
}

static struct store_op
op_tell_all(const struct name *target)
{
	return op_tell(target, "done:", ":end", "refused");
}

static void
test_done(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "tell", "", &base), other = open_session(k, "tell-other", "", NULL);
	struct store_op ops[] = {op_room("told", "message"), op_tell_all(&id)};
	struct answer *a = apply(k, &id, 0, ops, 2), *view;
	struct entry_id sent = a->results[0].id, joined;

	is_codes(a, codes, 2, "an operation is done, and that is told");
	view = read_mailbox(k, &id, base);
	is_told(view, 0, sent, "what is told has the id of the entry, in the middle");
	ok(view->count == 1 && same_id(view->entries[0].id, a->results[1].id), "telling has the id of what it appended");
	ops[0] = op_send(&other, "direct");
	a = apply(k, &id, 0, ops, 2);
	is_told(read_mailbox(k, &id, view->last), 0, a->results[0].id, "a direct message is told as one to a room");
	ops[0] = op_send(&id, "self");
	a = apply(k, &id, 0, ops, 2);
	view = read_mailbox(k, &id, view->last);
	is_told(view, 2, a->results[0].id, "also one to the session that is told, before that");
	ops[0] = op_join("told", "$join");
	joined = apply(k, &id, 0, ops, 2)->results[0].id;
	is_told(read_mailbox(k, &id, view->last), 0, joined, "of a join it is the id where reading starts");
	ok(apply(k, &id, 0, ops, 2)->results[0].existing, "who is a member joins again");
	is_told(read_mailbox(k, &id, view->last), 1, joined, "and is told the same");
	view = read_mailbox(k, &id, view->last);
	ops[0] = op_set("<d>", "$set");
	apply(k, &id, 0, ops, 2);
	is_told(read_mailbox(k, &id, view->last), 0, id_of(0, 0), "where there is no id, the text is empty");
}

/* The same of several, in the middle of a message to a room. */
static void
test_ids(struct kit *k)
{
	struct name id = open_session(k, "ids", "", NULL);
	struct entry_id since = do_one(k, &id, op_join("ids", "$join"));
	struct store_op ops[] = {op_room("ids-a", "x"), op_refuse(), op_room("ids-b", "x"), op_room("ids", "<>end")};
	char first[ENTRY_ID_SIZE], third[ENTRY_ID_SIZE], wanted[2 * ENTRY_ID_SIZE + 16];
	struct answer *a;

	ops[3].ids = 3;
	ops[3].ids_at = 1;
	a = apply(k, &id, 0, ops, 4);
	snprintf(wanted, sizeof wanted, "<%s,0-0,%s,>end", entry_id_format(first, a->results[0].id), entry_id_format(third, a->results[2].id));
	is_entries(read_room(k, "ids", since), wanted, "a message has the ids of those before it, where it wants them");
	since = a->results[3].id;
	ops[3].ids = 1;
	a = await(start_order(k, NULL, ops + 2, 2));
	snprintf(wanted, sizeof wanted, "<%s,>end", entry_id_format(first, a->results[0].id));
	is_entries(read_room(k, "ids", since), wanted, "also in an order");
}

/* Whatever stream an entry goes to. */
static void
test_growing(struct kit *k)
{
	struct name id = open_session(k, "growing", "", NULL);
	struct store_op ops[] = {op_send(&id, "1"), op_room("growing", "2"), op_send(&id, "3"), op_room("growing-b", "4")};
	struct entry_id last = {0, 0};
	int wrong = 0;

	for (int i = 0; i < 50; i++) {
		struct answer *a = apply(k, &id, 0, ops, 4);

		for (int n = 0; n < 4; n++) {
			wrong += entry_id_compare(a->results[n].id, last) <= 0;
			last = a->results[n].id;
		}
	}
	is_int(wrong, 0, "ids grow from call to call, and from operation to operation");
}

static void
test_refused(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_NO_TARGET, STORE_DONE, STORE_FORBIDDEN, STORE_DONE, STORE_NOT_JOINED,
	    STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "untold", "", &base), nobody = session_named("untold-nobody");
	struct store_op tell = op_tell_all(&id);
	struct store_op ops[] = {op_send(&nobody, "x"), tell, op_refuse(), tell, op_leave("untold", "$leave"), tell};
	struct answer *a = apply(k, &id, 0, ops, 6);

	is_codes(a, codes, 6, "that an operation was refused is told");
	is_entries(read_mailbox(k, &id, base), "refused refused refused", "by another text, which has no id");
}

static void
test_nothing(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE, STORE_FORBIDDEN, STORE_DONE, STORE_DONE, STORE_NO_TARGET,
	    STORE_DONE};
	struct entry_id base;
	struct name id = open_session(k, "tell-none", "", &base), nobody = session_named("tell-nobody");
	struct store_op ops[] = {op_send(&id, "x"), op_tell(&id, "", ":end", "refused"), op_refuse(), op_tell(&id, "done:", ":end", NULL),
	    op_send(&id, "y"), op_tell_all(&nobody), op_tell(&nobody, "done:", "", NULL)};
	struct answer *a = apply(k, &id, 0, ops, 7);

	is_codes(a, codes, 7, "there may be nothing to tell, or nobody to be told");
	is_entries(read_mailbox(k, &id, base), "x y", "then nothing is appended");
	ok(is_zero(a->results[1].id) && is_zero(a->results[3].id), "and has no id");
	ops[1].payload = ops[1].data = ops[1].event = NULL;
	ops[1].payload_len = ops[1].data_len = ops[1].event_len = 0;
	is_int(apply(k, &id, 0, ops, 2)->results[1].code, STORE_DONE, "no text is as good as an empty one");
	ops[2] = op_send(&id, "z");
	ops[3] = op_tell(&id, "a", "b", NULL);
	ops[4] = op_tell(&id, "c", "d", NULL);
	a = apply(k, &id, 0, ops + 2, 3);
	ok(entry_id_compare(a->results[2].id, a->results[1].id) > 0, "of telling it is told as of anything else");
}

static void
test_numbers(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "tell-seq", "", &base);
	struct store_op ops[] = {op_room("tell-seq", "m"), op_tell_all(&id), op_room("tell-seq", "n"), op_tell_all(&id)};
	struct answer *a = apply(k, &id, 1, ops, 2), *b = apply(k, &id, 1, ops, 2);

	ok(b->repeated == 2 && same_id(b->results[1].id, a->results[1].id), "a repeat has the results of then");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 1, "and tells nothing again");
	apply(k, &id, 1, ops, 4);
	is_int((int64_t)read_mailbox(k, &id, base)->count, 2, "what is new in it is told");
	apply_one(k, &id, 5, ops[0]);
	a = apply(k, &id, 5, ops, 2);
	ok(a->repeated == 1, "only the telling is new in a call");
	is_told(read_mailbox(k, &id, base), 2, a->results[0].id, "then what the repeated operation did is told");
	apply_one(k, &id, 7, op_send(&id, "x"));
	apply_one(k, &id, 8, op_refuse());
	base = read_mailbox(k, &id, base)->last;
	apply(k, &id, 8, ops, 2);
	is_entries(read_mailbox(k, &id, base), "refused", "or that it was refused");
}

static void
test_swap(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "tell-swap", "", &base);
	struct store_op ops[] = {op_room("tell-swap", "m"), op_tell_all(&id)};
	struct store_swap swap = {0, {1, "state", 5}}, stale = {7, {2, "other", 5}};
	struct answer *a = await(start_swap(k, &id, &swap, ops, 2));

	is_told(read_mailbox(k, &id, base), 0, a->results[0].id, "what comes with a state is told");
	ok(await(start_swap(k, &id, &swap, ops, 2))->repeated == 2, "a repeat is one");
	is_status(await(start_swap(k, &id, &stale, ops, 2)), STORE_STALE, "another one is stale");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 1, "neither tells anything");
}

static void
test_order(struct kit *k)
{
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE, STORE_DONE, STORE_DONE, STORE_NO_TARGET, STORE_DONE};
	struct entry_id base, queued;
	struct name id = open_session(k, "tell-order", "", &base), ended = open_session(k, "tell-ended", "", NULL);
	struct name queue = session_named("tell-queue");
	struct store_op tell = op_tell_all(&id), end = op_by(&ended, op_end("$leave")), fill = op_queue(&queue, "do");
	struct store_op ops[] = {op_room("tell-order", "m"), tell, end, tell, end, tell};
	struct store_once once = {session_named("tell-key"), session_named("tell-request")};
	struct answer *a = await(start_order(k, &once, ops, 6)), *view;

	is_codes(a, codes, 6, "orders tell, and it needs no session");
	view = read_mailbox(k, &id, base);
	is_told(view, 0, a->results[0].id, "what was appended");
	is_told(view, 1, id_of(0, 0), "what was done");
	ok(await(start_order(k, &once, ops, 6))->repeated == 6, "a repeat is one");
	is_int((int64_t)read_mailbox(k, &id, base)->count, 3, "and tells nothing");
	queued = await(start_order(k, NULL, &fill, 1))->results[0].id;
	a = await(start_finish(k, &(struct store_item){.queue = &queue, .id = queued}, ops, 2));
	is_told(read_mailbox(k, &id, view->last), 0, a->results[0].id, "so does what finishes an entry of a queue");
	is_status(await(start_finish(k, &(struct store_item){.queue = &queue, .id = queued}, ops, 2)), STORE_GONE, "once");
	is_int((int64_t)read_mailbox(k, &id, view->last)->count, 1, "as all of it");
}

/* The rooms of the session are read first then, and the operations copied. */
static void
test_with_set(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "tell-set", "", &base);
	struct store_op ops[] = {op_set("<d>", "$set"), op_tell_all(&id), op_room("tell-set", "m"), op_tell_all(&id), op_refuse(),
	    op_tell_all(&id)};
	struct answer *a = apply(k, &id, 0, ops, 6), *view = read_mailbox(k, &id, base);

	is_told(view, 1, a->results[2].id, "what comes with new data is told");
	is_entries(read_mailbox(k, &id, view->count > 1 ? view->entries[1].id : base), "refused", "whatever becomes of it");
}

static void
test_bell(struct kit *k)
{
	struct name id = open_session(k, "tell-bell", "", NULL), from = open_session(k, "tell-from", "", NULL);
	struct store_op ops[] = {op_room("tell-bell", "m"), op_tell_all(&id)};
	struct answer *a;

	watch_session(k, &id);
	a = apply(k, &from, 0, ops, 2);
	ok(kit_until(k, heard_entry(&k->ear, &id, a->results[1].id)), "whoever watches the mailbox hears what is told");
	store_unwatch(k->at, &id);
}

void
contract_tell(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_done(&k);
	test_ids(&k);
	test_growing(&k);
	test_refused(&k);
	test_nothing(&k);
	test_numbers(&k);
	test_swap(&k);
	test_order(&k);
	test_with_set(&k);
	test_bell(&k);
	kit_end(&k, "telling");
}
