/*
 * Who is in a room.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

struct members_call {
	struct redis_call call;
	store_members_fn *fn;
	void *arg;
	struct name room;
	uint32_t max;
	struct store_members members; /* members.members is owned, in one piece with its data. */
};

static void
free_members(struct redis_call *call)
{
	free((void *)((struct members_call *)call)->members.members);
}

static void
finish(struct members_call *list, enum store_status status)
{
	if (status != STORE_OK)
		list->members = (struct store_members){.status = status, .members = list->members.members};
	list->fn(list->arg, &list->members);
	redis_call_free(&list->call);
}

static void
on_total(struct redis_call *call, const redisReply *reply)
{
	struct members_call *list = (struct members_call *)call;

	if (!reply || reply->type != REDIS_REPLY_INTEGER) {
		finish(list, STORE_UNAVAILABLE);
		return;
	}
	/* Some may have left since they were listed. */
	if ((size_t)reply->integer > list->members.count)
		list->members.total = (size_t)reply->integer;
	finish(list, STORE_OK);
}

/* The reply is id, flag and data, id, flag and data ...  What it lends must outlive it. */
static void
take_members(struct members_call *list, const redisReply *reply)
{
	size_t max = reply->elements / 2, size = max * sizeof(struct store_member);
	struct store_member *members;
	char *p;

	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		size += is_string(reply->element[i + 1]) ? (size_t)reply->element[i + 1]->len + 1 : 0;
	members = mem_alloc(size);
	p = (char *)(members + max);
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *id = reply->element[i], *value = reply->element[i + 1];
		struct store_member *member = &members[list->members.count];

		if (!is_string(id) || !is_string(value) || value->len < 1 || !name_parse(&member->id, id->str, (size_t)id->len))
			continue;
		member->away = value->str[0] == 'w';
		member->len = (size_t)value->len - 1;
		member->data = memcpy(p, value->str + 1, member->len + 1);
		p += member->len + 1;
		list->members.count++;
	}
	list->members.members = members;
	list->members.total = list->members.count;
}

static void
on_members(struct redis_call *call, const redisReply *reply)
{
	struct members_call *list = (struct members_call *)call;

	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		finish(list, STORE_UNAVAILABLE);
		return;
	}
	take_members(list, reply);
	if (list->members.count < list->max) {
		finish(list, STORE_OK);
		return;
	}
	call->on_reply = on_total;
	redis_call_start(call, "HLEN");
	call_add_key(call, 'p', &list->room);
	redis_call_send(call);
}

struct store_call *
redis_store_list_members(struct store *store, const struct name *room, uint32_t max, store_members_fn *fn, void *arg)
{
	struct members_call *list = redis_call_new(redis_store_of(store), sizeof *list, on_members);
	struct redis_call *call = &list->call;

	list->fn = fn;
	list->arg = arg;
	list->room = *room;
	list->max = max;
	call->repeatable = true;
	call->on_free = free_members;
	/* All of them in their order, or, of a room with more, any `max` different ones. */
	redis_call_start(call, "HRANDFIELD");
	call_add_key(call, 'p', room);
	redis_command_addu(&call->command, max);
	redis_command_adds(&call->command, "WITHVALUES");
	redis_call_send(call);
	return &call->call;
}
