/*
 * A session's life in Redis: made, looked at, silent, back, closed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_redis_private.h"

#define RETRIES 5

/* ---- Open ---- */

struct open_call {
	struct redis_call call;
	store_opened_fn *fn;
	void *arg;
	struct name id;
};

static void
on_opened(struct redis_call *call, const redisReply *reply)
{
	struct open_call *open = (struct open_call *)call;
	struct store_opened opened = {.status = STORE_UNAVAILABLE};

	if (reply && reply->type == REDIS_REPLY_NIL) {
		opened.status = STORE_FULL;
	} else if (reply && has_fields(reply, 2) && reply_id(reply->element[0], &opened.position)) {
		opened.status = STORE_OK;
		opened.created = reply->element[1]->integer;
		if (opened.created)
			sweeper_opened(redis_store_of(call->call.store)->sweeper, &open->id);
	}
	open->fn(open->arg, &opened);
	redis_call_free(call);
}

struct store_call *
redis_store_open(struct store *store, const struct name *id, const char *data, size_t len, const char *end,
    store_opened_fn *fn, void *arg)
{
	struct redis_store *rs = redis_store_of(store);
	struct open_call *open = redis_call_new(rs, sizeof *open, on_opened);
	struct redis_call *call = &open->call;

	open->fn = fn;
	open->arg = arg;
	open->id = *id;
	call->repeatable = true;
	redis_call_script(call, SCRIPT_OPEN, 3);
	call_add_key(call, 's', id);
	call_add_key(call, 'm', id);
	keys_add_deadlines(rs->keys, &call->command, id);
	call_add_name(call, id);
	redis_command_addi(&call->command, redis_store_now(store) + rs->limits.away_after_ms);
	redis_command_adds(&call->command, sweeper_may_open(rs->sweeper) ? "1" : "0");
	redis_command_add(&call->command, data, len);
	redis_command_adds(&call->command, end ? end : "");
	redis_call_send(call);
	return &call->call;
}

/* ---- Look ---- */

#define LOOKED "lwuasgp" /* Fields of the session, in the order of redis_measure.lua. */

struct look_call {
	struct redis_call call;
	store_session_fn *fn;
	void *arg;
	bool measures;
};

static void
on_looked(struct redis_call *call, const redisReply *reply)
{
	struct look_call *look = (struct look_call *)call;
	struct store_session session = {.status = STORE_UNAVAILABLE, .data = "", .grants.text = ""};
	struct store_joined *rooms = NULL;

	if (reply && has_fields(reply, sizeof LOOKED - 1 + (look->measures ? 2 : 0))) {
		redisReply **field = reply->element;

		session.status = reply_id(field[0], &session.last) ? STORE_OK : STORE_GONE;
		session.away = is_string(field[1]);
		if (is_string(field[2])) {
			session.data = field[2]->str;
			session.data_len = (size_t)field[2]->len;
		}
		if (!reply_id(field[3], &session.acked)) /* All is read, and the mailbox is gone. */
			session.acked = session.last;
		reply_state(field[4], &session.state);
		if (is_string(field[5]))
			session.rooms = rooms = parse_rooms(field[5]->str, (size_t)field[5]->len, &session.rooms_count);
		if (is_string(field[6]))
			session.grants = (struct store_grants){field[6]->str, (size_t)field[6]->len};
		if (look->measures) {
			session.space = (uint32_t)field[7]->integer;
			session.has_lost = field[8]->integer != 0;
		}
	}
	look->fn(look->arg, &session);
	free(rooms);
	redis_call_free(call);
}

static struct look_call *
new_look(struct store *store, store_session_fn *fn, void *arg)
{
	struct look_call *look = redis_call_new(redis_store_of(store), sizeof *look, on_looked);

	look->fn = fn;
	look->arg = arg;
	look->call.repeatable = true;
	return look;
}

struct store_call *
redis_store_look(struct store *store, const struct name *id, store_session_fn *fn, void *arg)
{
	struct redis_call *call = &new_look(store, fn, arg)->call;

	redis_call_start(call, "HMGET");
	call_add_key(call, 's', id);
	for (const char *field = LOOKED; *field; field++)
		redis_command_add(&call->command, field, 1);
	redis_call_send(call);
	return &call->call;
}

struct store_call *
redis_store_measure(struct store *store, const struct name *id, uint32_t enough, store_session_fn *fn, void *arg)
{
	struct look_call *look = new_look(store, fn, arg);
	struct redis_call *call = &look->call;

	look->measures = true;
	redis_call_script(call, SCRIPT_MEASURE, 2);
	call_add_key(call, 's', id);
	call_add_key(call, 'm', id);
	redis_command_addu(&call->command, enough);
	redis_call_send(call);
	return &call->call;
}

/* ---- Lapse, back, close: the rooms and the user are read first, since a script must be told all keys; see redis_presence.lua ---- */

struct presence_call {
	struct redis_call call;
	store_presence_fn *fn;
	void *arg;
	struct name id;
	const char *action;
	char *payload; /* Owned: for being away or back. */
	char *leave;   /* Owned: for the end. */
	int tries;
};

static void on_presence_rooms(struct redis_call *call, const redisReply *reply);

static void
free_presence(struct redis_call *call)
{
	struct presence_call *presence = (struct presence_call *)call;

	free(presence->payload);
	free(presence->leave);
}

static void
read_rooms(struct presence_call *presence)
{
	struct redis_call *call = &presence->call;

	call->on_reply = on_presence_rooms;
	call_find(call, &presence->id);
	redis_call_send(call);
}

static void
finish_presence(struct presence_call *presence, enum store_status status, enum store_presence_result result)
{
	presence->fn(presence->arg, &(struct store_presence){status, result});
	redis_call_free(&presence->call);
}

static void
on_presence(struct redis_call *call, const redisReply *reply)
{
	struct presence_call *presence = (struct presence_call *)call;

	if (!reply || reply->type != REDIS_REPLY_STATUS)
		finish_presence(presence, STORE_UNAVAILABLE, STORE_PRESENCE_NONE);
	else if (strcmp(reply->str, "NONE") == 0)
		finish_presence(presence, STORE_OK, STORE_PRESENCE_NONE);
	else if (strcmp(reply->str, "AWAY") == 0)
		finish_presence(presence, STORE_OK, STORE_PRESENCE_AWAY);
	else if (strcmp(reply->str, "BACK") == 0)
		finish_presence(presence, STORE_OK, STORE_PRESENCE_BACK);
	else if (strcmp(reply->str, "CLOSED") == 0)
		finish_presence(presence, STORE_OK, STORE_PRESENCE_GONE);
	else if (strcmp(reply->str, "GONE") == 0)
		finish_presence(presence, STORE_GONE, STORE_PRESENCE_NONE);
	else if (presence->tries++ < RETRIES)
		read_rooms(presence);
	else
		finish_presence(presence, STORE_UNAVAILABLE, STORE_PRESENCE_NONE);
}

static void
on_presence_rooms(struct redis_call *call, const redisReply *reply)
{
	struct presence_call *presence = (struct presence_call *)call;
	struct redis_store *store = redis_store_of(call->call.store);
	const struct store_limits *limits = &store->limits;
	struct found found;
	int64_t now = redis_store_now(&store->store);

	if (!reply || !reply_found(reply, &found)) {
		finish_presence(presence, STORE_UNAVAILABLE, STORE_PRESENCE_NONE);
		return;
	}
	call->on_reply = on_presence;
	redis_call_script(call, SCRIPT_PRESENCE, 4 + found_keys(&found));
	call_add_key(call, 's', &presence->id);
	call_add_key(call, 'm', &presence->id);
	keys_add_deadlines(store->keys, &call->command, &presence->id);
	call_add_queue_key_of(call, &presence->id);
	call_add_found_keys(call, &found);
	redis_command_adds(&call->command, presence->action);
	call_add_name(call, &presence->id);
	call_add_channel(call, &presence->id);
	redis_command_addi(&call->command, now);
	redis_command_addi(&call->command, now + limits->away_after_ms);
	redis_command_addi(&call->command, now + limits->session_ttl_ms - limits->away_after_ms);
	redis_command_adds(&call->command, presence->payload ? presence->payload : "");
	redis_command_adds(&call->command, presence->leave ? presence->leave : "");
	call_add_queue_of(call, &presence->id);
	call_add_found(call, &found);
	redis_call_send(call);
}

static struct store_call *
change_presence(struct store *store, const struct name *id, const char *action, const char *payload, const char *leave,
    store_presence_fn *fn, void *arg)
{
	struct presence_call *presence = redis_call_new(redis_store_of(store), sizeof *presence, on_presence_rooms);

	presence->fn = fn;
	presence->arg = arg;
	presence->id = *id;
	presence->action = action;
	presence->payload = payload ? mem_string(payload) : NULL;
	presence->leave = leave ? mem_string(leave) : NULL;
	presence->call.on_free = free_presence;
	presence->call.repeatable = true;
	read_rooms(presence);
	return &presence->call.call;
}

struct store_call *
redis_store_lapse(struct store *store, const struct name *id, const char *away, const char *leave, store_presence_fn *fn,
    void *arg)
{
	return change_presence(store, id, "lapse", away, leave, fn, arg);
}

struct store_call *
redis_store_back(struct store *store, const struct name *id, const char *back, store_presence_fn *fn, void *arg)
{
	return change_presence(store, id, "back", back, NULL, fn, arg);
}

struct store_call *
redis_store_close(struct store *store, const struct name *id, const char *leave, store_presence_fn *fn, void *arg)
{
	return change_presence(store, id, "close", NULL, leave, fn, arg);
}
