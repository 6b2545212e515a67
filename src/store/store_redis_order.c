/*
 * store_order: one script call, as for store_apply.  Whose rooms have to be told of an operation, and which sessions a user has, must be
 * known before; so that is read first, of all such sessions and users at once.  See redis_order.lua.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

#define RETRIES 5

struct owner { /* A session whose operations are in the order. */
	struct name id;
	bool tells; /* Its rooms, one by one, or its user's others: they must be known. */
};

struct order_call {
	struct redis_call call;
	store_applied_fn *fn;
	void *arg;
	bool has_key;
	struct store_once once;
	bool finishes;
	struct name queue; /* Of the entry that it finishes. */
	struct entry_id entry;
	size_t count;
	struct store_op *ops; /* Owned, in one piece with what they point to; only if something must be read first. */
	size_t owners_count;
	struct owner *owners; /* Owned. */
	int tries;
};

/* What was read first. */
struct known {
	struct found *owners;    /* Owned: of each owner; rooms NULL if that does not matter. */
	const redisReply **users; /* Owned: for each operation, the sessions it goes to; NULL unless it is a SEND_USER. */
};

static void on_known(struct redis_call *call, const redisReply *reply);
static void on_ordered(struct redis_call *call, const redisReply *reply);

/* ---- Whose they are ---- */

/* Which of the owners it is, from 1; 0 for nobody. */
static size_t
owner_of(const struct order_call *order, const struct store_op *op)
{
	size_t i = 0;

	if (!store_op_has_owner(op))
		return 0;
	while (i < order->owners_count && !name_equal(&order->owners[i].id, &op->session))
		i++;
	return i + 1;
}

/* True if something must be read first. */
static bool
find_owners(struct order_call *order, const struct store_op *ops)
{
	bool any = false;

	order->owners = mem_zero(order->count, sizeof *order->owners);
	for (size_t i = 0; i < order->count; i++) {
		size_t n = owner_of(order, &ops[i]);
		bool tells = ops[i].kind == STORE_SET || ops[i].kind == STORE_END || ops[i].kind == STORE_GRANT;

		any |= ops[i].kind == STORE_SEND_USER;
		if (n == 0)
			continue;
		if (n > order->owners_count)
			order->owners[order->owners_count++].id = ops[i].session;
		order->owners[n - 1].tells |= tells;
		any |= tells;
	}
	return any;
}

/* ---- The answer ---- */

static void
finish(struct order_call *order, const struct store_applied *applied)
{
	order->fn(order->arg, applied);
	redis_call_free(&order->call);
}

static void
finish_without(struct order_call *order, enum store_status status)
{
	finish(order, &(struct store_applied){.status = status});
}

static void
finish_ok(struct order_call *order, const redisReply *words, size_t repeated)
{
	struct store_result *results = mem_zero(order->count, sizeof *results);

	if (reply_results(results, order->count, words))
		finish(order, &(struct store_applied){.status = STORE_OK, .repeated = repeated, .count = order->count, .results = results});
	else
		finish_without(order, STORE_UNAVAILABLE);
	free(results);
}

static void read_first(struct order_call *order);

static void
on_ordered(struct redis_call *call, const redisReply *reply)
{
	struct order_call *order = (struct order_call *)call;
	const char *status = reply && reply->type == REDIS_REPLY_STATUS ? reply->str : "";

	if (strcmp(status, "RETRY") == 0 && order->tries++ < RETRIES)
		read_first(order); /* One of them entered or left a room meanwhile. */
	else if (strcmp(status, "OTHER") == 0)
		finish_without(order, STORE_OTHER);
	else if (strcmp(status, "FULL") == 0)
		finish_without(order, STORE_FULL);
	else if (strcmp(status, "GONE") == 0)
		finish_without(order, STORE_GONE);
	else if (reply && is_string(reply))
		finish_ok(order, reply, 0);
	else if (reply && has_fields(reply, 1) && is_string(reply->element[0]))
		finish_ok(order, reply->element[0], order->count);
	else
		finish_without(order, STORE_UNAVAILABLE);
}

/* ---- The command ---- */

static unsigned
count_keys(const struct order_call *order, const struct store_op *ops, const struct known *known)
{
	unsigned keys = (order->has_key ? 2 : 0) + order->finishes;

	for (size_t i = 0; i < order->owners_count; i++)
		keys += 4 + (known->owners[i].rooms ? found_keys(&known->owners[i]) : 0);
	for (size_t i = 0; i < order->count; i++)
		keys += op_keys(&ops[i]) + (known->users[i] ? 2 * (unsigned)known->users[i]->elements : 0);
	return keys;
}

/* The i-th session of a user. */
static struct name
session_of(const redisReply *sessions, size_t i)
{
	const redisReply *id = sessions->element[i];
	struct name name = {{0}};

	if (!is_string(id) || !name_parse(&name, id->str, (size_t)id->len))
		memset(name.s, '-', NAME_LEN); /* Which is nobody's. */
	return name;
}

static void
add_keys(struct order_call *order, const struct store_op *ops, const struct known *known)
{
	struct redis_call *call = &order->call;
	const struct keys *keys = redis_store_of(call->call.store)->keys;

	if (order->has_key) {
		call_add_key(call, 'o', &order->once.key);
		keys_add_shard(keys, &call->command, 'o', 0);
	}
	if (order->finishes)
		call_add_key(call, 'q', &order->queue);
	for (size_t i = 0; i < order->owners_count; i++) {
		call_add_key(call, 's', &order->owners[i].id);
		call_add_key(call, 'm', &order->owners[i].id);
		keys_add_deadlines(keys, &call->command, &order->owners[i].id);
		call_add_queue_key_of(call, &order->owners[i].id);
		if (known->owners[i].rooms)
			call_add_found_keys(call, &known->owners[i]);
	}
	for (size_t i = 0; i < order->count; i++) {
		call_add_op_keys(call, &ops[i], &ops[i].session);
		for (size_t j = 0; known->users[i] && j < known->users[i]->elements; j++) {
			struct name session = session_of(known->users[i], j);

			call_add_key(call, 's', &session);
			call_add_key(call, 'm', &session);
		}
	}
}

static void
add_send_user(struct redis_call *call, const struct store_op *op, const redisReply *sessions)
{
	redis_command_adds(&call->command, "u");
	call_add_name(call, &op->target);
	redis_command_add(&call->command, op->payload, op->payload_len);
	redis_command_addu(&call->command, sessions->elements);
	for (size_t i = 0; i < sessions->elements; i++) {
		struct name session = session_of(sessions, i);

		call_add_channel(call, &session);
		call_add_name(call, &session);
	}
}

static void
add_settings(struct order_call *order)
{
	struct redis_store *store = redis_store_of(order->call.call.store);
	struct redis_command *command = &order->call.command;

	redis_command_adds(command, order->has_key ? order->once.key.s : "");
	redis_command_adds(command, order->once.request.s);
	redis_command_addi(command, redis_store_now(&store->store));
	redis_command_addi(command, store->limits.orders_ttl_ms);
	redis_command_addu(command, store->limits.orders_max);
	redis_command_addu(command, order->count);
	redis_command_addu(command, order->owners_count);
	redis_command_addi(command, beat_room_expiry(store));
	redis_command_adds(command, sweeper_may_make_room(store->sweeper) ? "1" : "0");
	if (order->finishes)
		call_add_id(&order->call, order->entry);
	else
		redis_command_adds(command, "");
}

static void
send_order(struct order_call *order, const struct store_op *ops, const struct known *known)
{
	struct redis_call *call = &order->call;

	redis_call_script(call, SCRIPT_ORDER, count_keys(order, ops, known));
	add_keys(order, ops, known);
	add_settings(order);
	for (size_t i = 0; i < order->owners_count; i++) {
		call_add_name(call, &order->owners[i].id);
		call_add_channel(call, &order->owners[i].id);
		call_add_queue_of(call, &order->owners[i].id);
		if (known->owners[i].rooms)
			call_add_found(call, &known->owners[i]);
		else
			redis_command_adds(&call->command, "-");
	}
	for (size_t i = 0; i < order->count; i++) {
		redis_command_addu(&call->command, owner_of(order, &ops[i]));
		if (known->users[i])
			add_send_user(call, &ops[i], known->users[i]);
		else
			call_add_op(call, &ops[i], &ops[i].session);
	}
	call->on_reply = on_ordered;
	call->repeatable = order->has_key || order->finishes;
	call->repeated = false;
	redis_call_send(call);
}

/* ---- What is read first ---- */

static void
known_start(struct known *known, const struct order_call *order)
{
	known->owners = mem_zero(order->owners_count, sizeof *known->owners);
	known->users = mem_zero(order->count, sizeof *known->users);
}

static void
known_free(struct known *known)
{
	free(known->owners);
	free(known->users);
}

static void
read_first(struct order_call *order)
{
	struct redis_call *call = &order->call;
	unsigned tells = 0, users = 0;

	for (size_t i = 0; i < order->owners_count; i++)
		tells += order->owners[i].tells;
	for (size_t i = 0; i < order->count; i++)
		users += order->ops[i].kind == STORE_SEND_USER;
	call->on_reply = on_known;
	call->repeatable = true;
	redis_call_script(call, SCRIPT_JOINED, tells + users);
	for (size_t i = 0; i < order->owners_count; i++)
		if (order->owners[i].tells)
			call_add_key(call, 's', &order->owners[i].id);
	for (size_t i = 0; i < order->count; i++)
		if (order->ops[i].kind == STORE_SEND_USER)
			call_add_key(call, 'u', &order->ops[i].target);
	redis_command_addu(&call->command, tells);
	redis_command_addi(&call->command, redis_store_now(call->call.store));
	redis_call_send(call);
}

/* False if the reply is none. */
static bool
take_known(struct known *known, const struct order_call *order, const redisReply *reply)
{
	size_t told = 0;
	bool good = reply->type == REDIS_REPLY_ARRAY;

	for (size_t i = 0; good && i < order->owners_count; i++)
		if (order->owners[i].tells)
			good = told < reply->elements && reply_found(reply->element[told++], &known->owners[i]);
	for (size_t i = 0; good && i < order->count; i++) {
		if (order->ops[i].kind != STORE_SEND_USER)
			continue;
		good = told < reply->elements && reply->element[told]->type == REDIS_REPLY_ARRAY;
		known->users[i] = good ? reply->element[told++] : NULL;
	}
	return good;
}

static void
on_known(struct redis_call *call, const redisReply *reply)
{
	struct order_call *order = (struct order_call *)call;
	struct known known;

	known_start(&known, order);
	if (reply && take_known(&known, order, reply))
		send_order(order, order->ops, &known);
	else
		finish_without(order, STORE_UNAVAILABLE);
	known_free(&known);
}

static void
free_order(struct redis_call *call)
{
	struct order_call *order = (struct order_call *)call;

	free(order->ops);
	free(order->owners);
}

static struct order_call *
new_order(struct store *store, store_applied_fn *fn, void *arg)
{
	struct order_call *order = redis_call_new(redis_store_of(store), sizeof *order, on_ordered);

	order->fn = fn;
	order->arg = arg;
	order->call.on_free = free_order;
	return order;
}

static struct store_call *
start_order(struct order_call *order, const struct store_op *ops, size_t n)
{
	order->count = n;
	if (find_owners(order, ops)) {
		order->ops = copy_ops(ops, n);
		read_first(order);
	} else {
		struct known none;

		known_start(&none, order);
		send_order(order, ops, &none);
		known_free(&none);
	}
	return &order->call.call;
}

static void
set_once(struct order_call *order, const struct store_once *once)
{
	order->has_key = once != NULL;
	if (once)
		order->once = *once;
}

struct store_call *
redis_store_order(struct store *store, const struct store_once *once, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	struct order_call *order = new_order(store, fn, arg);

	set_once(order, once);
	return start_order(order, ops, n);
}

struct store_call *
redis_store_finish(struct store *store, const struct store_item *item, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	struct order_call *order = new_order(store, fn, arg);

	set_once(order, item->once);
	order->finishes = true;
	order->queue = *item->queue;
	order->entry = item->id;
	return start_order(order, ops, n);
}
