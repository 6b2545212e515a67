/*
 * store_apply and store_swap: one script call for all operations, so that Redis applies all of them or none.  See redis_apply.lua.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

#define RETRIES 5

struct apply_call {
	struct redis_call call;
	store_applied_fn *fn;
	void *arg;
	struct name id;
	uint64_t seq;
	struct store_swap swap; /* The state's number is 0 if it is none; its text is owned, and there, only as ops are. */
	size_t count;
	struct store_op *ops; /* Owned, in one piece with what they point to.  Only when the session must be read first. */
	int tries;
};

static void on_applied(struct redis_call *call, const redisReply *reply);
static void read_session(struct apply_call *apply);

/* ---- The answer ---- */

static void
finish(struct apply_call *apply, struct store_applied *applied)
{
	if (applied->status == STORE_OK)
		applied->count = apply->count;
	apply->fn(apply->arg, applied);
	redis_call_free(&apply->call);
}

static void
finish_without(struct apply_call *apply, enum store_status status, uint64_t next_seq)
{
	finish(apply, &(struct store_applied){.status = status, .next_seq = next_seq});
}

static void
finish_ok(struct apply_call *apply, struct store_applied *applied, const redisReply *words)
{
	struct store_result one, *results = apply->count > 1 ? mem_zero(apply->count, sizeof *results) : &one;

	applied->status = reply_results(results, apply->count, words) ? STORE_OK : STORE_UNAVAILABLE;
	applied->results = results;
	finish(apply, applied);
	if (results != &one)
		free(results);
}

static void
on_applied(struct redis_call *call, const redisReply *reply)
{
	struct apply_call *apply = (struct apply_call *)call;
	struct store_applied applied = {.next_seq = apply->seq ? apply->seq + apply->count : 0};

	if (reply && reply->type == REDIS_REPLY_STATUS && apply->tries++ < RETRIES) {
		read_session(apply); /* It entered or left a room meanwhile. */
	} else if (reply && reply->type == REDIS_REPLY_NIL) {
		finish_without(apply, STORE_GONE, 0);
	} else if (reply && reply->type == REDIS_REPLY_INTEGER) {
		finish_without(apply, STORE_HOLE, (uint64_t)reply->integer);
	} else if (reply && is_string(reply)) {
		finish_ok(apply, &applied, reply);
	} else if (reply && has_fields(reply, 1)) {
		reply_state(reply->element[0], &applied.state);
		applied.status = STORE_STALE;
		finish(apply, &applied);
	} else if (reply && has_fields(reply, 4)) {
		applied.away = reply->element[1]->integer;
		applied.repeated = (size_t)reply->element[2]->integer;
		if (applied.repeated == apply->count)
			applied.next_seq = (uint64_t)reply->element[3]->integer;
		finish_ok(apply, &applied, reply->element[0]);
	} else {
		finish_without(apply, STORE_UNAVAILABLE, 0);
	}
}

/* ---- The command ---- */

static const unsigned keys_of[] = {
	[STORE_SEND_SESSION] = 2,
	[STORE_SEND_ROOM] = ROOM_KEYS,
	[STORE_SEND_USER] = 0, /* See store_redis_order.c. */
	[STORE_JOIN] = ROOM_KEYS,
	[STORE_LEAVE] = ROOM_KEYS,
	[STORE_SET] = 0,
	[STORE_GRANT] = 0,
	[STORE_REFUSE] = 0,
	[STORE_QUEUE] = 1,
	[STORE_TELL] = 2,
	[STORE_END] = 0,
};

/* Does it also append to the session's queue? */
static bool
is_event(const struct store_op *op)
{
	return op->event && (op->kind == STORE_JOIN || op->kind == STORE_LEAVE);
}

unsigned
op_keys(const struct store_op *op)
{
	return keys_of[op->kind] + is_event(op) + op->has_user;
}

void
call_add_op_keys(struct redis_call *call, const struct store_op *op, const struct name *session)
{
	if (op->kind == STORE_SEND_SESSION || op->kind == STORE_TELL) {
		call_add_key(call, 's', &op->target);
		call_add_key(call, 'm', &op->target);
	} else if (op->kind == STORE_QUEUE) {
		call_add_key(call, 'q', &op->target);
	} else if (keys_of[op->kind] > 0) {
		call_add_room_keys(call, &op->target);
	}
	if (is_event(op))
		call_add_queue_key_of(call, session);
	if (op->has_user)
		call_add_key(call, 'u', &op->target);
}

/* NULL is as good as empty. */
static void
add_text(struct redis_command *command, const char *text, size_t len)
{
	redis_command_add(command, text ? text : "", len);
}

void
call_add_op(struct redis_call *call, const struct store_op *op, const struct name *session)
{
	static const char kinds[] = {'d', 'r', 'u', 'j', 'l', 's', 'p', 'x', 'q', 't', 'c'};
	struct redis_command *command = &call->command;

	if (is_event(op))
		redis_command_adds(command, op->kind == STORE_JOIN ? "J" : "L");
	else if (op->is_taken_back)
		redis_command_adds(command, "Q");
	else if (op->has_user)
		redis_command_adds(command, "P");
	else if (op->ids > 0)
		redis_command_adds(command, "i");
	else
		redis_command_add(command, &kinds[op->kind], 1);
	if (keys_of[op->kind] > 0) {
		call_add_channel(call, &op->target);
		call_add_name(call, &op->target);
	}
	if (op->kind == STORE_SEND_ROOM || op->kind == STORE_JOIN)
		redis_command_adds(command, op->title);
	if (op->kind != STORE_GRANT && op->kind != STORE_REFUSE)
		add_text(command, op->payload, op->payload_len);
	if (op->kind == STORE_SET || op->kind == STORE_GRANT || op->kind == STORE_TELL)
		add_text(command, op->data, op->data_len);
	if (op->kind == STORE_TELL || op->kind == STORE_END)
		add_text(command, op->event, op->event_len);
	if (op->has_user) {
		call_add_name(call, &op->target);
		redis_command_addi(command, redis_store_now(call->call.store));
	}
	if (op->ids > 0) {
		redis_command_addu(command, op->ids);
		redis_command_addu(command, op->ids_at);
	}
	if (op->kind == STORE_JOIN)
		redis_command_addu(command, op->max_members);
	if (is_event(op)) {
		call_add_queue_of(call, session);
		redis_command_add(command, op->event, op->event_len);
	}
}

/* "before" and "last" of the scripts. */
static void
add_numbers(struct apply_call *apply)
{
	struct redis_command *command = &apply->call.command;

	if (apply->seq) {
		redis_command_addu(command, apply->seq - 1);
		redis_command_addu(command, apply->seq + apply->count - 1);
	} else {
		redis_command_adds(command, "");
		redis_command_adds(command, "");
	}
}

/* "expected", "number" and "state" of the script. */
static void
add_swap(struct apply_call *apply, const struct store_state *state)
{
	struct redis_command *command = &apply->call.command;

	if (state->number) {
		redis_command_addu(command, apply->swap.expected);
		redis_command_addu(command, state->number);
		redis_command_add(command, state->text, state->len);
	} else {
		for (int i = 0; i < 3; i++)
			redis_command_adds(command, "");
	}
}

static void
make_send(struct apply_call *apply, const struct store_op *op)
{
	struct redis_call *call = &apply->call;

	redis_call_script(call, SCRIPT_SEND, 3);
	call_add_key(call, 's', &apply->id);
	call_add_op_keys(call, op, &apply->id);
	add_numbers(apply);
	call_add_channel(call, &op->target);
	call_add_name(call, &op->target);
	redis_command_add(&call->command, op->payload, op->payload_len);
}

/* found: what the session is thought to have; NULL if that does not matter. */
static void
make_apply(struct apply_call *apply, const struct store_op *ops, const struct found *found)
{
	struct redis_call *call = &apply->call;
	struct redis_store *store = redis_store_of(call->call.store);
	unsigned keys = 1;

	for (size_t i = 0; i < apply->count; i++)
		keys += op_keys(&ops[i]);
	if (found)
		keys += found_keys(found);
	redis_call_script(call, SCRIPT_APPLY, keys);
	call_add_key(call, 's', &apply->id);
	for (size_t i = 0; i < apply->count; i++)
		call_add_op_keys(call, &ops[i], &apply->id);
	if (found)
		call_add_found_keys(call, found);
	add_numbers(apply);
	redis_command_addu(&call->command, apply->count);
	call_add_name(call, &apply->id);
	call_add_channel(call, &apply->id);
	redis_command_addi(&call->command, beat_room_expiry(store));
	redis_command_adds(&call->command, sweeper_may_make_room(store->sweeper) ? "1" : "0");
	add_swap(apply, &apply->swap.state);
	for (size_t i = 0; i < apply->count; i++)
		call_add_op(call, &ops[i], &apply->id);
	if (found)
		call_add_found(call, found);
}

/* ---- With a SET or GRANT: the session's rooms, and whose it is, are read first ---- */

static size_t
size_of(const struct store_op *op)
{
	return (op->title ? strlen(op->title) + 1 : 0) + op->payload_len + op->data_len + op->event_len;
}

static const char *
copy_into(char **p, const char *bytes, size_t len)
{
	char *copy = *p;

	if (len)
		memcpy(copy, bytes, len);
	*p += len;
	return copy;
}

struct store_op *
copy_ops(const struct store_op *ops, size_t n)
{
	size_t size = n * sizeof *ops;
	struct store_op *copies;
	char *p;

	for (size_t i = 0; i < n; i++)
		size += size_of(&ops[i]);
	copies = mem_alloc(size);
	p = (char *)(copies + n);
	for (size_t i = 0; i < n; i++) {
		copies[i] = ops[i];
		if (ops[i].title)
			copies[i].title = copy_into(&p, ops[i].title, strlen(ops[i].title) + 1);
		copies[i].payload = copy_into(&p, ops[i].payload, ops[i].payload_len);
		copies[i].data = copy_into(&p, ops[i].data, ops[i].data_len);
		if (ops[i].event)
			copies[i].event = copy_into(&p, ops[i].event, ops[i].event_len);
	}
	return copies;
}

static void
free_ops(struct redis_call *call)
{
	struct apply_call *apply = (struct apply_call *)call;

	free(apply->ops);
	free((char *)apply->swap.state.text);
}

static void on_found(struct redis_call *call, const redisReply *reply);

static void
read_session(struct apply_call *apply)
{
	apply->call.on_reply = on_found;
	apply->call.repeatable = true;
	call_find(&apply->call, &apply->id);
	redis_call_send(&apply->call);
}

/* What is numbered is not applied twice. */
static bool
is_repeatable(const struct apply_call *apply)
{
	return apply->seq != 0 || apply->swap.state.number != 0;
}

static void
on_found(struct redis_call *call, const redisReply *reply)
{
	struct apply_call *apply = (struct apply_call *)call;
	struct found found;

	if (!reply || !reply_found(reply, &found)) {
		finish_without(apply, STORE_UNAVAILABLE, 0);
		return;
	}
	make_apply(apply, apply->ops, &found);
	call->on_reply = on_applied;
	call->repeatable = is_repeatable(apply);
	call->repeated = false;
	redis_call_send(call);
}

static struct apply_call *
new_apply(struct store *store, const struct name *id, store_applied_fn *fn, void *arg)
{
	struct apply_call *apply = redis_call_new(redis_store_of(store), sizeof *apply, on_applied);

	apply->fn = fn;
	apply->arg = arg;
	apply->id = *id;
	return apply;
}

static struct store_call *
start_apply(struct apply_call *apply, const struct store_op *ops, size_t n)
{
	struct store_state *state = &apply->swap.state;
	bool reads = false;

	apply->count = n;
	for (size_t i = 0; i < n; i++)
		reads |= ops[i].kind == STORE_SET || ops[i].kind == STORE_GRANT;
	if (reads) {
		apply->ops = copy_ops(ops, n);
		state->text = state->number ? mem_copy(state->text, state->len) : NULL;
		apply->call.on_free = free_ops;
		read_session(apply);
		return &apply->call.call;
	}
	if (n == 1 && ops->kind == STORE_SEND_SESSION && !state->number)
		make_send(apply, ops);
	else
		make_apply(apply, ops, NULL);
	apply->call.repeatable = is_repeatable(apply);
	redis_call_send(&apply->call);
	return &apply->call.call;
}

struct store_call *
redis_store_apply(struct store *store, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n,
    store_applied_fn *fn, void *arg)
{
	struct apply_call *apply = new_apply(store, id, fn, arg);

	apply->seq = seq;
	return start_apply(apply, ops, n);
}

struct store_call *
redis_store_swap(struct store *store, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n,
    store_applied_fn *fn, void *arg)
{
	struct apply_call *apply = new_apply(store, id, fn, arg);

	apply->swap = *swap;
	return start_apply(apply, ops, n);
}
