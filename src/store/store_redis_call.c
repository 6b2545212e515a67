/*
 * A call's way to Redis and back: again on a new connection where that does no harm, with its script where Redis lost it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store_redis_private.h"

#define COMPLAIN_EVERY_MS 10000

static void on_reply(void *arg, const redisReply *reply);

void *
redis_call_new(struct redis_store *store, size_t size, redis_call_fn *fn)
{
	struct redis_call *call = mem_zero(1, size);

	call->call.store = &store->store;
	call->deadline = clock_mono_ms() + store->timeout_ms;
	call->on_reply = fn;
	LIST_INSERT_HEAD(&store->calls, call, link);
	return call;
}

void
redis_call_free(struct redis_call *call)
{
	assert(!call->out);
	LIST_REMOVE(call, link);
	if (call->on_free)
		call->on_free(call);
	redis_command_free(&call->command);
	free(call);
}

void
redis_call_start(struct redis_call *call, const char *verb)
{
	call->script = SCRIPT_NONE;
	redis_command_start(&call->command, verb);
}

void
redis_call_script(struct redis_call *call, enum script_id script, unsigned keys)
{
	redis_command_start(&call->command, "EVALSHA");
	call->script = script;
	call->loaded = false;
	redis_command_add(&call->command, redis_store_of(call->call.store)->scripts[script].sha, SHA_LEN);
	redis_command_addi(&call->command, keys);
}

/* In a cluster it would be the one that has the call's keys. */
static struct redis *
connection_of(const struct redis_call *call)
{
	return redis_store_of(call->call.store)->commands;
}

void
redis_call_send(struct redis_call *call)
{
	assert(!call->out);
	call->out = true;
	call->running = false;
	redis_send(connection_of(call), &call->command, call->deadline, on_reply, call);
}

/* ---- Errors ---- */

struct load {
	struct redis_call call;
	enum script_id id;
};

static void
on_loaded(struct redis_call *call, const redisReply *reply)
{
	struct load *load = (struct load *)call;

	(void)reply;
	redis_store_of(call->call.store)->scripts[load->id].loading = false;
	redis_call_free(call);
}

static void
load_script(struct redis_store *store, enum script_id id)
{
	struct script *script = &store->scripts[id];
	struct load *load;

	if (script->loading)
		return;
	script->loading = true;
	load = redis_call_new(store, sizeof *load, on_loaded);
	load->id = id;
	redis_call_start(&load->call, "SCRIPT");
	redis_command_adds(&load->call.command, "LOAD");
	redis_command_add(&load->call.command, script->text, script->len);
	redis_call_send(&load->call);
}

static bool
begins(const redisReply *reply, const char *word)
{
	return strncmp(reply->str, word, strlen(word)) == 0;
}

static void
complain(struct redis_store *store, const redisReply *reply)
{
	int64_t now = clock_mono_ms();

	if (store->complained && now - store->complained < COMPLAIN_EVERY_MS)
		return;
	store->complained = now;
	log_warning("Redis refuses a command: %s", reply->str);
}

/* True when the call is under way again. */
static bool
try_again(struct redis_call *call, const redisReply *reply)
{
	struct redis_store *store = redis_store_of(call->call.store);

	if (reply && call->script && !call->loaded && begins(reply, "NOSCRIPT")) {
		call->loaded = true;
		load_script(store, call->script);
	} else if (!reply && call->repeatable && !call->repeated && clock_mono_ms() < call->deadline) {
		call->repeated = true;
	} else {
		return false;
	}
	redis_call_send(call);
	return true;
}

static void
finish(struct redis_store *store, struct redis_call *call, const redisReply *reply, bool failed)
{
	if (failed && reply) {
		complain(store, reply);
		/* A master that became a replica: the name may lead to the new one. */
		if (begins(reply, "READONLY"))
			redis_drop(store->commands, reply->str);
	}
	if (call->on_reply)
		call->on_reply(call, failed ? NULL : reply);
	else
		redis_call_free(call);
}

static void
on_reply(void *arg, const redisReply *reply)
{
	struct redis_call *call = arg;
	struct redis_store *store = redis_store_of(call->call.store);
	bool failed = !reply || reply->type == REDIS_REPLY_ERROR;

	redis_store_enter(store);
	call->out = false;
	call->running = true;
	if (call->cancelled)
		redis_call_free(call);
	else if (!failed || !try_again(call, reply))
		finish(store, call, reply, failed);
	redis_store_leave(store);
}

/* ---- Commands and replies ---- */

void
call_add_id(struct redis_call *call, struct entry_id id)
{
	char text[ENTRY_ID_SIZE];

	redis_command_adds(&call->command, entry_id_format(text, id));
}

bool
reply_id(const redisReply *reply, struct entry_id *id)
{
	*id = (struct entry_id){0, 0};
	return is_string(reply) && entry_id_parse(id, reply->str, (size_t)reply->len);
}

bool
reply_state(const redisReply *reply, struct store_state *state)
{
	const char *end, *number_end, *words_end;
	uint64_t number = 0;

	*state = (struct store_state){0, "", 0};
	if (!is_string(reply))
		return false;
	end = reply->str + reply->len;
	number_end = memchr(reply->str, '\n', (size_t)reply->len);
	words_end = number_end ? memchr(number_end + 1, '\n', (size_t)(end - number_end) - 1) : NULL;
	if (!words_end)
		return false;
	for (const char *p = reply->str; p < number_end; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	*state = (struct store_state){number, words_end + 1, (size_t)(end - words_end) - 1};
	return true;
}

/* The words are those of redis_apply.lua. */
static bool
parse_result(struct store_result *result, const char *word, size_t len)
{
	static const char letters[] = "dbtfnRJxQU";
	static const enum store_result_code codes[] = {STORE_DONE, STORE_DONE_BEFORE, STORE_NO_TARGET, STORE_ROOM_FULL,
	    STORE_NOT_JOINED, STORE_ROOMS_LIMIT, STORE_JOINED_LIMIT, STORE_FORBIDDEN, STORE_QUEUE_FULL, STORE_USER_FULL};
	const char *letter;

	memset(result, 0, sizeof *result);
	if (len == 1 && (letter = memchr(letters, *word, sizeof letters - 1))) {
		result->code = codes[letter - letters];
		return true;
	}
	result->code = STORE_DONE;
	if (len && *word == '#') {
		result->sessions = (uint32_t)strtoul(word + 1, NULL, 10);
		return true;
	}
	result->existing = len && *word == 'e';
	return entry_id_parse(&result->id, word + result->existing, len - result->existing);
}

bool
reply_results(struct store_result *results, size_t n, const redisReply *words)
{
	const char *p = words->str, *end = p + words->len;

	for (size_t i = 0; i < n; i++) {
		const char *space = memchr(p, ' ', (size_t)(end - p)), *word_end = space ? space : end;

		if (!parse_result(&results[i], p, (size_t)(word_end - p)))
			return false;
		p = space ? space + 1 : end;
	}
	return p == end;
}

bool
next_room(const char **text, const char *end, struct entry_id *since, struct name *room, const char **title,
    size_t *title_len)
{
	const char *line = *text, *line_end, *space;

	if (line == end || !(line_end = memchr(line, '\n', (size_t)(end - line))))
		return false;
	space = memchr(line, ' ', (size_t)(line_end - line));
	if (!space || line_end - space < NAME_LEN + 2 || !entry_id_parse(since, line, (size_t)(space - line)))
		return false;
	memcpy(room->s, space + 1, NAME_LEN);
	room->s[NAME_LEN] = '\0';
	*title = space + NAME_LEN + 2;
	*title_len = (size_t)(line_end - *title);
	*text = line_end + 1;
	return true;
}

struct store_joined *
parse_rooms(char *text, size_t len, size_t *count)
{
	size_t max = count_rooms(text, len), title_len;
	struct store_joined *rooms = mem_zero(max, sizeof *rooms);
	const char *p = text, *end = p + len;

	for (*count = 0; *count < max; ++*count) {
		struct store_joined *room = &rooms[*count];

		if (!next_room(&p, end, &room->since, &room->room, &room->title, &title_len))
			break;
		text[room->title + title_len - text] = '\0';
	}
	return rooms;
}

size_t
count_rooms(const char *text, size_t len)
{
	size_t n = 0;

	for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		n++;
	return n;
}

void
call_add_room_keys(struct redis_call *call, const struct name *room)
{
	call_add_key(call, 'r', room);
	call_add_key(call, 'l', room);
	call_add_key(call, 'p', room);
	keys_add_catalogue(redis_store_of(call->call.store)->keys, &call->command, room);
}

void
call_add_queue_key_of(struct redis_call *call, const struct name *session)
{
	struct name queue;

	store_queue_name(&queue, store_queue_of(session));
	call_add_key(call, 'q', &queue);
}

void
call_add_queue_of(struct redis_call *call, const struct name *session)
{
	struct name queue;

	store_queue_name(&queue, store_queue_of(session));
	call_add_channel(call, &queue);
	call_add_name(call, &queue);
}

void
call_find(struct redis_call *call, const struct name *session)
{
	redis_call_start(call, "HMGET");
	call_add_key(call, 's', session);
	redis_command_adds(&call->command, "g");
	redis_command_adds(&call->command, "o");
}

bool
reply_found(const redisReply *reply, struct found *found)
{
	const redisReply *rooms, *user;

	*found = (struct found){.rooms = ""};
	if (!has_fields(reply, 2))
		return false;
	rooms = reply->element[0];
	user = reply->element[1];
	if (is_string(rooms)) {
		found->rooms = rooms->str;
		found->rooms_len = (size_t)rooms->len;
	}
	found->has_user = is_string(user) && name_parse(&found->user, user->str, (size_t)user->len);
	return true;
}

unsigned
found_keys(const struct found *found)
{
	return found->has_user + ROOM_KEYS * (unsigned)count_rooms(found->rooms, found->rooms_len);
}

void
call_add_found_keys(struct redis_call *call, const struct found *found)
{
	const char *p = found->rooms, *title;
	struct entry_id since;
	struct name room;
	size_t title_len;

	if (found->has_user)
		call_add_key(call, 'u', &found->user);
	while (next_room(&p, found->rooms + found->rooms_len, &since, &room, &title, &title_len))
		call_add_room_keys(call, &room);
}

void
call_add_found(struct redis_call *call, const struct found *found)
{
	const char *p = found->rooms, *title;
	struct entry_id since;
	struct name room;
	size_t title_len;

	redis_command_add(&call->command, found->rooms, found->rooms_len);
	redis_command_adds(&call->command, found->has_user ? found->user.s : "");
	while (next_room(&p, found->rooms + found->rooms_len, &since, &room, &title, &title_len)) {
		call_add_channel(call, &room);
		call_add_name(call, &room);
	}
}
