/*
 * Lists of all rooms and sessions: their names from the sorted sets in which they are due, then what is told of them.  A place is
 * a shard and Redis' own cursor in it.  The sessions of a user are in a set of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

struct list_call {
	struct redis_call call;
	store_rooms_fn *rooms; /* NULL: sessions are listed. */
	store_sessions_fn *sessions;
	void *arg;
	bool is_of_user;       /* Only the sessions of ... */
	struct name user;      /* ... this one. */
	struct entry_id next;
	bool more;
	size_t count;
	struct name *names; /* Owned. */
};

static unsigned
shards_of(const struct list_call *list)
{
	return list->rooms ? CATALOGUE_SHARDS : DEADLINE_SHARDS;
}

static void
free_list(struct redis_call *call)
{
	free(((struct list_call *)call)->names);
}

/* ---- The answer ---- */

static void
finish_without(struct list_call *list, enum store_status status)
{
	if (list->rooms)
		list->rooms(list->arg, &(struct store_rooms){.status = status, .more = list->more, .next = list->next});
	else
		list->sessions(list->arg, &(struct store_sessions){.status = status, .more = list->more, .next = list->next});
	redis_call_free(&list->call);
}

static void
finish_rooms(struct list_call *list, const redisReply *reply)
{
	struct store_room *rooms = mem_zero(list->count, sizeof *rooms);
	struct store_rooms told = {.status = STORE_OK, .more = list->more, .next = list->next, .rooms = rooms};

	for (size_t i = 0; i < list->count; i++) {
		redisReply **field = reply->element[i]->element;

		if (has_fields(reply->element[i], 3) && reply_id(field[0], &rooms[told.count].last) && is_string(field[1])) {
			rooms[told.count].title = field[1]->str;
			rooms[told.count++].members = (size_t)field[2]->integer;
		}
	}
	list->rooms(list->arg, &told);
	free(rooms);
}

static void
finish_sessions(struct list_call *list, const redisReply *reply)
{
	struct store_member *sessions = mem_zero(list->count, sizeof *sessions);
	struct store_sessions told = {.status = STORE_OK, .more = list->more, .next = list->next, .sessions = sessions};

	for (size_t i = 0; i < list->count; i++) {
		redisReply **field = reply->element[i]->element;
		struct entry_id last;

		if (!has_fields(reply->element[i], 3) || !reply_id(field[0], &last))
			continue;
		sessions[told.count++] = (struct store_member){list->names[i], is_string(field[1]),
		    is_string(field[2]) ? field[2]->str : "", is_string(field[2]) ? (size_t)field[2]->len : 0};
	}
	list->sessions(list->arg, &told);
	free(sessions);
}

static void
on_told(struct redis_call *call, const redisReply *reply)
{
	struct list_call *list = (struct list_call *)call;

	if (!reply || !has_fields(reply, list->count)) {
		finish_without(list, STORE_UNAVAILABLE);
		return;
	}
	if (list->rooms)
		finish_rooms(list, reply);
	else
		finish_sessions(list, reply);
	redis_call_free(call);
}

/* ---- The names ---- */

static void
ask_of_names(struct list_call *list)
{
	struct redis_call *call = &list->call;

	call->on_reply = on_told;
	call->repeated = false;
	redis_call_script(call, SCRIPT_LIST, (unsigned)list->count * (list->rooms ? 2 : 1));
	for (size_t i = 0; i < list->count; i++) {
		call_add_key(call, list->rooms ? 'r' : 's', &list->names[i]);
		if (list->rooms)
			call_add_key(call, 'p', &list->names[i]);
	}
	redis_command_adds(&call->command, list->rooms ? "r" : "s");
	if (list->is_of_user)
		call_add_name(call, &list->user);
	redis_call_send(call);
}

/* Ask of those that the reply has from `first` on. */
static void
take_names(struct list_call *list, const redisReply *reply, size_t first)
{
	list->names = mem_zero(reply->elements + 1, sizeof *list->names);
	for (size_t i = first; i < reply->elements; i++) {
		const redisReply *name = reply->element[i];

		if (is_string(name) && name_parse(&list->names[list->count], name->str, (size_t)name->len))
			list->count++;
	}
	if (list->count > 0)
		ask_of_names(list);
	else
		finish_without(list, STORE_OK);
}

static void
on_names(struct redis_call *call, const redisReply *reply)
{
	struct list_call *list = (struct list_call *)call;

	if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_string(reply->element[1])) {
		finish_without(list, STORE_UNAVAILABLE);
		return;
	}
	list->next.ms += (uint64_t)reply->element[0]->integer;
	list->next.seq = strtoull(reply->element[1]->str, NULL, 10);
	list->more = list->next.ms < shards_of(list);
	take_names(list, reply, 2);
}

static struct store_call *
start_list(struct store *store, struct list_call *list, struct entry_id at, uint32_t max)
{
	struct redis_call *call = &list->call;
	unsigned shards = shards_of(list), first = at.ms < shards ? (unsigned)at.ms : shards - 1;

	list->next.ms = first;
	call->on_free = free_list;
	call->repeatable = true;
	redis_call_script(call, SCRIPT_NAMES, shards - first);
	for (unsigned shard = first; shard < shards; shard++)
		keys_add_shard(redis_store_of(store)->keys, &call->command, list->rooms ? 'c' : 'd', shard);
	redis_command_addu(&call->command, at.seq);
	redis_command_addu(&call->command, max);
	redis_call_send(call);
	return &call->call;
}

struct store_call *
redis_store_list_rooms(struct store *store, struct entry_id at, uint32_t max, store_rooms_fn *fn, void *arg)
{
	struct list_call *list = redis_call_new(redis_store_of(store), sizeof *list, on_names);

	list->rooms = fn;
	list->arg = arg;
	return start_list(store, list, at, max);
}

struct store_call *
redis_store_list_sessions(struct store *store, struct entry_id at, uint32_t max, store_sessions_fn *fn, void *arg)
{
	struct list_call *list = redis_call_new(redis_store_of(store), sizeof *list, on_names);

	list->sessions = fn;
	list->arg = arg;
	return start_list(store, list, at, max);
}

/* ---- A user's ---- */

static void
on_user_names(struct redis_call *call, const redisReply *reply)
{
	struct list_call *list = (struct list_call *)call;

	if (reply && reply->type == REDIS_REPLY_ARRAY)
		take_names(list, reply, 0);
	else
		finish_without(list, STORE_UNAVAILABLE);
}

struct store_call *
redis_store_list_user(struct store *store, const struct name *user, store_sessions_fn *fn, void *arg)
{
	struct list_call *list = redis_call_new(redis_store_of(store), sizeof *list, on_user_names);
	struct redis_call *call = &list->call;
	char now[24];

	list->sessions = fn;
	list->arg = arg;
	list->is_of_user = true;
	list->user = *user;
	call->on_free = free_list;
	call->repeatable = true;
	snprintf(now, sizeof now, "(%lld", (long long)redis_store_now(store));
	redis_call_start(call, "ZRANGEBYSCORE");
	call_add_key(call, 'u', user);
	redis_command_adds(&call->command, now);
	redis_command_adds(&call->command, "+inf");
	redis_call_send(call);
	return &call->call;
}
