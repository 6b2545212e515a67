/*
 * Reading streams.  A read is one HMGET of what the stream's hash knows; only if there is something new the stream is read,
 * by a plain XRANGE (through a script each entry would cost thrice as much).  Between the two anything may happen: the chain of
 * ids shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

struct read_call {
	struct redis_call call;
	store_view_fn *fn;
	void *arg;
	struct name name;
	bool mailbox;
	struct entry_id after; /* Or, of a tail, upto. */
	struct entry_id stands; /* The stream's last id when it was asked. */
	uint32_t max_entries;
	size_t max_bytes;
	bool away;
	char *rooms; /* Owned: the field g. */
	size_t rooms_len;
	struct store_state state; /* Its text is owned; NULL for none. */
	char *grants;             /* Owned; NULL for none. */
	size_t grants_len;
};

static void
free_read(struct redis_call *call)
{
	struct read_call *read = (struct read_call *)call;

	free(read->rooms);
	free((char *)read->state.text);
	free(read->grants);
}

/* ---- The view ---- */

static void
finish(struct read_call *read, struct store_view *view)
{
	struct store_joined *rooms = NULL;

	view->away = read->away;
	view->state = read->state;
	view->grants = (struct store_grants){read->grants ? read->grants : "", read->grants_len};
	if (read->rooms)
		view->rooms = rooms = parse_rooms(read->rooms, read->rooms_len, &view->rooms_count);
	read->fn(read->arg, view);
	redis_call_free(&read->call);
	free(rooms);
}

static void
finish_without(struct read_call *read, enum store_status status)
{
	free(read->rooms);
	read->rooms = NULL;
	finish(read, &(struct store_view){.status = status});
}

static void
set_gap(struct store_view *view, struct entry_id from, struct entry_id to)
{
	view->gap = true;
	view->gap_from = from;
	view->gap_to = to;
}

/* An entry is [id, [p, id before, d, payload]]. */
static bool
parse_entry(const redisReply *reply, struct store_entry *entry, struct entry_id *before)
{
	const redisReply *fields;

	if (!has_fields(reply, 2) || !reply_id(reply->element[0], &entry->id))
		return false;
	fields = reply->element[1];
	if (!has_fields(fields, 4) || !reply_id(fields->element[1], before) || !is_string(fields->element[3]))
		return false;
	entry->payload = fields->element[3]->str;
	entry->len = (size_t)fields->element[3]->len;
	return true;
}

/* Take entries as long as each follows the one before it, and they are not too much. */
static void
take_entries(const struct read_call *read, const redisReply *reply, struct store_view *view, struct store_entry *entries)
{
	struct entry_id before;
	size_t bytes = 0;

	for (size_t i = 0; i < reply->elements; i++) {
		struct store_entry *entry = &entries[view->count];

		if (!parse_entry(reply->element[i], entry, &before))
			return;
		bytes += entry->len;
		if (view->count && bytes > read->max_bytes)
			return;
		if (entry_id_compare(before, view->last) != 0) {
			/* A hole behind entries is told when the reader comes for what follows them. */
			if (view->count)
				return;
			set_gap(view, read->after, before);
		}
		view->last = entry->id;
		view->count++;
	}
}

static void
on_entries(struct redis_call *call, const redisReply *reply)
{
	struct read_call *read = (struct read_call *)call;
	struct store_view view = {.status = STORE_OK, .last = read->after};
	struct store_entry *entries;

	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		finish_without(read, STORE_UNAVAILABLE);
		return;
	}
	view.entries = entries = mem_alloc(reply->elements * sizeof *entries);
	take_entries(read, reply, &view, entries);
	if (!view.count) {
		set_gap(&view, read->after, read->stands);
		view.last = read->stands;
	}
	view.more = entry_id_compare(view.last, read->stands) < 0;
	finish(read, &view);
	free(entries);
}

/* ---- From a position on ---- */

static void
read_entries(struct read_call *read)
{
	struct redis_call *call = &read->call;
	char start[1 + ENTRY_ID_SIZE] = "(";

	entry_id_format(start + 1, read->after);
	call->on_reply = on_entries;
	redis_call_start(call, "XRANGE");
	call_add_key(call, read->mailbox ? 'm' : 'l', &read->name);
	redis_command_adds(&call->command, start);
	redis_command_adds(&call->command, "+");
	redis_command_adds(&call->command, "COUNT");
	redis_command_addu(&call->command, read->max_entries);
	redis_call_send(call);
}

/* The mailbox's other fields: away, rooms, acknowledged, state, grants. */
static void
take_session(struct read_call *read, redisReply **field)
{
	struct acked *acked = bell_acked(redis_store_of(read->call.call.store)->bell, &read->name);

	read->away = is_string(field[1]);
	if (is_string(field[2])) {
		read->rooms_len = (size_t)field[2]->len;
		read->rooms = mem_copy(field[2]->str, read->rooms_len);
	}
	if (reply_state(field[4], &read->state))
		read->state.text = mem_copy(read->state.text, read->state.len);
	else
		read->state.text = NULL;
	if (is_string(field[5])) {
		read->grants_len = (size_t)field[5]->len;
		read->grants = mem_copy(field[5]->str, read->grants_len);
	}
	if (acked) {
		acked->emptied = !reply_id(field[3], &acked->position);
		if (acked->emptied)
			reply_id(field[0], &acked->position);
	}
}

static void
on_stands(struct redis_call *call, const redisReply *reply)
{
	struct read_call *read = (struct read_call *)call;
	struct store_view view = {.status = STORE_OK};
	int order;

	if (!reply || !has_fields(reply, read->mailbox ? 6 : 1)) {
		finish_without(read, STORE_UNAVAILABLE);
		return;
	}
	if (!reply_id(reply->element[0], &read->stands)) {
		finish_without(read, STORE_GONE);
		return;
	}
	if (read->mailbox)
		take_session(read, reply->element);
	else
		beat_keep_room(redis_store_of(call->call.store)->beat, &read->name);
	order = entry_id_compare(read->after, read->stands);
	if (order < 0) {
		read_entries(read);
		return;
	}
	if (order > 0)
		set_gap(&view, read->after, read->stands);
	view.last = read->stands;
	finish(read, &view);
}

static struct read_call *
new_read(struct store *store, const struct name *name, struct entry_id at, uint32_t max_entries, redis_call_fn *on_reply,
    store_view_fn *fn, void *arg)
{
	struct read_call *read = redis_call_new(redis_store_of(store), sizeof *read, on_reply);

	read->call.repeatable = true;
	read->call.on_free = free_read;
	read->fn = fn;
	read->arg = arg;
	read->name = *name;
	read->after = at;
	read->max_entries = max_entries;
	return read;
}

static struct store_call *
start_read(struct read_call *read, size_t max_bytes, char kind, const char *fields)
{
	struct redis_call *call = &read->call;

	read->max_bytes = max_bytes;
	read->mailbox = kind == 's';
	redis_call_start(call, "HMGET");
	call_add_key(call, kind, &read->name);
	for (; *fields; fields++)
		redis_command_add(&call->command, fields, 1);
	redis_call_send(call);
	return &call->call;
}

struct store_call *
redis_store_read_mailbox(struct store *store, const struct name *id, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *fn, void *arg)
{
	return start_read(new_read(store, id, after, max_entries, on_stands, fn, arg), max_bytes, 's', "lwgasp");
}

struct store_call *
redis_store_read_room(struct store *store, const struct name *room, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *fn, void *arg)
{
	return start_read(new_read(store, room, after, max_entries, on_stands, fn, arg), max_bytes, 'r', "l");
}

/* ---- The end of a log ---- */

static void
on_room(struct redis_call *call, const redisReply *reply)
{
	finish_without((struct read_call *)call, !reply ? STORE_UNAVAILABLE : is_string(reply) ? STORE_OK : STORE_GONE);
}

static void
on_tail(struct redis_call *call, const redisReply *reply)
{
	struct read_call *read = (struct read_call *)call;
	struct store_view view = {.status = STORE_OK};
	struct store_entry *entries;
	struct entry_id before;

	if (!reply || reply->type != REDIS_REPLY_ARRAY) {
		finish_without(read, STORE_UNAVAILABLE);
		return;
	}
	if (!reply->elements) {
		call->on_reply = on_room;
		redis_call_start(call, "HGET");
		call_add_key(call, 'r', &read->name);
		redis_command_adds(&call->command, "l");
		redis_call_send(call);
		return;
	}
	view.entries = entries = mem_alloc(reply->elements * sizeof *entries);
	for (size_t i = reply->elements; i-- > 0;)
		if (parse_entry(reply->element[i], &entries[view.count], &before))
			view.count++;
	if (view.count)
		view.last = entries[0].id;
	view.more = reply->elements == read->max_entries;
	finish(read, &view);
	free(entries);
}

struct store_call *
redis_store_read_tail(struct store *store, const struct name *room, struct entry_id upto, uint32_t max_entries, store_view_fn *fn,
    void *arg)
{
	struct read_call *read = new_read(store, room, upto, max_entries, on_tail, fn, arg);
	struct redis_call *call = &read->call;

	redis_call_start(call, "XREVRANGE");
	call_add_key(call, 'l', room);
	call_add_id(call, upto);
	redis_command_adds(&call->command, "-");
	redis_command_adds(&call->command, "COUNT");
	redis_command_addu(&call->command, max_entries);
	redis_call_send(call);
	return &call->call;
}
