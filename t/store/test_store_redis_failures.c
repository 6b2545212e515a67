/*
 * What Redis, its memory and the way to it can do to the store: what was answered holds, what was not is applied once or not at
 * all, and whoever lost something is told.
 */
#include <signal.h>
#include <stdlib.h>

#include "../redis_server.h"
#include "contract.h"
#include "contract_kit.h"
#include "store/store_redis_keys.h"

#define TIMEOUT_MS 500
#define SENDERS 20

static struct redis_server server;
static int made;
static char prefix[16];
static const char *login = ""; /* "user:password@" */

static struct store *
make_other(void *arg, struct event_base *base, const struct store_limits *limits)
{
	char url[64];
	struct store_redis_options options = {url, prefix, TIMEOUT_MS};

	(void)arg;
	snprintf(url, sizeof url, "redis://%s127.0.0.1:%d", login, server.port);
	return store_redis_new(base, &options, limits);
}

static struct store *
make(void *arg, struct event_base *base, const struct store_limits *limits)
{
	snprintf(prefix, sizeof prefix, "f%d", made++);
	return make_other(arg, base, limits);
}

static const struct contract contract = {.make = make, .make_other = make_other, .slack = 100};

/* The key of a stream as Redis has it; valid until the next call. */
static const char *
key_of(char kind, const struct name *name)
{
	static struct redis_command command = REDIS_COMMAND_EMPTY;
	static char key[128];
	struct keys *keys = keys_new(prefix);
	size_t before;

	redis_command_start(&command, "");
	before = command.len;
	keys_add(keys, &command, kind, name);
	snprintf(key, sizeof key, "%.*s", (int)(command.len - before), command.data + before);
	memmove(key, strchr(key, '\n') + 1, strlen(strchr(key, '\n')));
	*strchr(key, '\r') = '\0';
	keys_free(keys);
	redis_command_free(&command);
	return key;
}

/* Ask again for as long as the store is unavailable. */
static struct answer *
look_until_up(struct kit *k, const struct name *id)
{
	struct answer *a;

	do
		a = await(start_look(k, id));
	while (a->status == STORE_UNAVAILABLE);
	return a;
}

static struct answer *
send_until_applied(struct kit *k, const struct name *id, uint64_t seq, struct store_op op)
{
	struct answer *a;

	do
		a = apply_one(k, id, seq, op);
	while (a->status == STORE_UNAVAILABLE);
	return a;
}

/* ---- Data that vanish ---- */

static void
test_restart(struct kit *k)
{
	struct name id = open_session(k, "restart", "", NULL);
	struct answer *a;

	watch_session(k, &id);
	redis_server_kill(&server);
	a = await(start_look(k, &id));
	is_status(a, STORE_UNAVAILABLE, "while Redis is gone, calls say so in the end");
	is_status(apply_one(k, &id, 0, op_send(&id, "x")), STORE_UNAVAILABLE, "also those that would write");
	a = start_look(k, &id);
	redis_server_restart(&server);
	ok(await(a)->status != STORE_OK, "a Redis that comes back empty has no session any more");
	is_status(look_until_up(k, &id), STORE_GONE, "which is told as gone");
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "who watches is told to read again");
	open_session(k, "restart", "", NULL);
	ear_clear(&k->ear);
	do_one(k, &id, op_send(&id, "after"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) > 0), "and hears what comes after");
	is_status(await(start_try(k, KIT_LIMIT_MS)), STORE_OK, "the store can be tried again");
	store_unwatch(k->at, &id);
}

static void
test_flush(struct kit *k)
{
	struct entry_id base, since;
	struct name id = open_session(k, "flush", "", &base), friend = open_session(k, "flush-2", "", NULL), room = room_named("flush");
	struct answer *a;

	since = do_one(k, &id, op_join("flush", "$join"));
	do_one(k, &friend, op_join("flush", "$join"));
	redis_server_do(&server, "FLUSHALL");
	is_status(read_mailbox(k, &id, base), STORE_GONE, "after FLUSHALL a session is gone");
	is_status(read_room(k, "flush", since), STORE_GONE, "and a room");
	is_status(apply_one(k, &id, 0, op_room("flush", "x")), STORE_GONE, "who is gone cannot send");
	open_session(k, "flush", "", &base);
	is_int((int64_t)await(start_list_members(k, &room, 10))->total, 0, "a room that was lost has no members");
	do_one(k, &id, op_room("flush", "new"));
	a = read_room(k, "flush", since);
	ok(a->gap && same_id(a->gap_from, since), "who reads on in a room that is made anew is told of a gap");
	is_entries(a, "new", "and has what is in it");
}

/* The room is lost, the sessions are not. */
static void
test_room_lost(struct kit *k)
{
	struct entry_id base, since;
	struct name id = open_session(k, "room-lost", "<d>", &base), room = room_named("room-lost");
	struct answer *a;

	since = do_one(k, &id, op_join("room-lost", "$join"));
	redis_server_do(&server, "DEL %s", key_of('r', &room));
	redis_server_do(&server, "DEL %s", key_of('p', &room));
	is_status(read_room(k, "room-lost", since), STORE_GONE, "a room that was lost is gone");
	a = apply_one(k, &id, 0, op_join("room-lost", "$join"));
	ok(a->status == STORE_OK && a->results[0].code == STORE_DONE && same_id(a->results[0].id, since),
	    "who is in it enters again, and reads on from where it was");
	a = read_room(k, "room-lost", since);
	ok(a->gap && a->status == STORE_OK, "which is a gap");
	is_entries(a, "$join<d>", "behind which it entered");
	is_int((int64_t)read_mailbox(k, &id, base)->rooms_count, 1, "it is in the room once");
	redis_server_do(&server, "DEL %s", key_of('r', &room));
	is_int(apply_one(k, &id, 0, op_leave("room-lost", "$leave"))->results[0].code, STORE_DONE, "one can leave a room that was lost");
	is_int((int64_t)read_mailbox(k, &id, base)->rooms_count, 0, "and is in it no more");
}

static void
test_stream_deleted(struct kit *k)
{
	struct entry_id base, first, last, next;
	struct name id = open_session(k, "deleted", "", &base);
	struct answer *a;

	first = do_one(k, &id, op_send(&id, "1"));
	last = do_one(k, &id, op_send(&id, "2"));
	redis_server_do(&server, "DEL %s", key_of('m', &id));
	a = read_mailbox(k, &id, last);
	ok(!a->gap && a->count == 0, "when a stream is evicted, who had all of it is told nothing");
	a = read_mailbox(k, &id, first);
	ok(a->gap && same_id(a->gap_from, first) && same_id(a->gap_to, last) && same_id(a->last, last), "who had not is told of a gap");
	next = do_one(k, &id, op_send(&id, "3"));
	a = read_mailbox(k, &id, last);
	ok(!a->gap && a->count == 1 && same_id(a->last, next), "what comes then chains to what was");
	a = read_mailbox(k, &id, base);
	ok(a->gap && same_id(a->gap_to, last) && a->count == 1, "also behind a gap");
}

static void
test_entry_deleted(struct kit *k)
{
	struct entry_id base, ids[4];
	struct name id = open_session(k, "hole", "", &base);
	char text[ENTRY_ID_SIZE];
	struct answer *a;

	for (int i = 0; i < 4; i++)
		ids[i] = do_one(k, &id, op_send(&id, "x"));
	redis_server_do(&server, "XDEL %s %s", key_of('m', &id), entry_id_format(text, ids[2]));
	a = read_mailbox(k, &id, base);
	ok(!a->gap && a->count == 2 && a->more && same_id(a->last, ids[1]), "a hole within a stream ends a view");
	a = read_mailbox(k, &id, ids[1]);
	ok(a->gap && same_id(a->gap_to, ids[2]) && a->count == 1 && !a->more, "and is the next one's gap");
	redis_server_do(&server, "XDEL %s %s", key_of('m', &id), entry_id_format(text, ids[3]));
	a = read_mailbox(k, &id, base);
	ok(a->more && same_id(a->last, ids[1]), "so is a hole at the end");
	a = read_mailbox(k, &id, ids[1]);
	ok(a->gap && same_id(a->last, ids[3]) && !a->more, "of which no entry is left");
}

static void
test_future(struct kit *k)
{
	struct entry_id at, future = id_of(9999999999999, 7), id_after;
	struct name id = open_session(k, "future", "", NULL);
	char text[ENTRY_ID_SIZE];
	struct answer *a;

	at = do_one(k, &id, op_send(&id, "past"));
	redis_server_do(&server, "HSET %s l %s", key_of('s', &id), entry_id_format(text, future));
	id_after = do_one(k, &id, op_send(&id, "1"));
	ok(entry_id_compare(id_after, future) > 0, "ids go on growing when the clock went back");
	do_one(k, &id, op_send(&id, "2"));
	a = read_mailbox(k, &id, future);
	ok(!a->gap && a->count == 2, "who was there misses nothing");
	a = read_mailbox(k, &id, at);
	ok(a->gap && same_id(a->gap_to, future) && a->count == 2, "who was not is told of a gap");
}

/* After a failover the history may be another one: shorter, and going on differently. */
static void
test_diverged(struct kit *k)
{
	struct entry_id kept, lost, now;
	struct name id = open_session(k, "diverged", "", NULL);
	char text[ENTRY_ID_SIZE];
	struct answer *a;

	kept = do_one(k, &id, op_send(&id, "kept"));
	lost = do_one(k, &id, op_send(&id, "lost"));
	redis_server_do(&server, "XDEL %s %s", key_of('m', &id), entry_id_format(text, lost));
	redis_server_do(&server, "HSET %s l %s", key_of('s', &id), entry_id_format(text, kept));
	a = read_mailbox(k, &id, lost);
	ok(a->gap && same_id(a->gap_from, lost) && same_id(a->last, kept), "who read what a failover lost is told of a gap");
	now = do_one(k, &id, op_send(&id, "other"));
	a = read_mailbox(k, &id, lost);
	ok(a->gap && a->count == 1 && same_id(a->last, now), "also when the history went on without it");
	a = read_mailbox(k, &id, kept);
	ok(!a->gap && a->count == 1, "who had not read it is not");
}

/* ---- Scripts and connections that vanish ---- */

static void
test_scripts(struct kit *k)
{
	struct name id = open_session(k, "scripts", "", NULL);
	struct answer *calls[SENDERS];
	struct entry_id base = await(start_look(k, &id))->last;
	size_t wrong = 0;

	redis_server_do(&server, "SCRIPT FLUSH");
	for (size_t i = 0; i < SENDERS; i++) {
		struct store_op op = op_send(&id, "x");

		calls[i] = start_apply(k, &id, i + 1, &op, 1);
	}
	for (size_t i = 0; i < SENDERS; i++)
		wrong += await(calls[i])->status != STORE_OK;
	is_int((int64_t)wrong, 0, "a Redis that forgot its scripts is told them again");
	is_int((int64_t)read_mailbox(k, &id, base)->count, SENDERS, "and runs each once, in order");
}

static void
test_killed(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "killed", "", &base);
	struct answer *calls[SENDERS], *a;
	struct store_op op = op_send(&id, "x");
	size_t wrong = 0, i;

	watch_session(k, &id);
	base = await(start_look(k, &id))->last;
	for (i = 0; i < SENDERS; i++) {
		redis_server_do(&server, "CLIENT PAUSE 60 WRITE");
		calls[i] = start_apply(k, &id, i + 1, &op, 1);
		kit_turn(k);
		redis_server_do(&server, "CLIENT KILL TYPE normal");
		wrong += await(calls[i])->status != STORE_OK;
	}
	is_int((int64_t)wrong, 0, "numbered operations survive the loss of their connection");
	a = read_mailbox(k, &id, base);
	is_int((int64_t)a->count, SENDERS, "and are applied once");
	redis_server_do(&server, "CLIENT PAUSE 60 WRITE");
	a = start_apply(k, &id, 0, &op, 1);
	kit_turn(k);
	redis_server_do(&server, "CLIENT KILL TYPE normal");
	is_status(await(a), STORE_UNAVAILABLE, "those without a number are not tried twice");
	is_status(look_until_up(k, &id), STORE_OK, "then all goes on");
	ear_clear(&k->ear);
	redis_server_do(&server, "CLIENT KILL TYPE pubsub");
	ok(kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &id) > 0), "when notices may be lost, who watches is told to read again");
	ear_clear(&k->ear);
	do_one(k, &id, op_send(&id, "y"));
	ok(kit_until(k, heard_count(&k->ear, HEARD_ENTRY, &id) > 0), "and hears what comes after");
	store_unwatch(k->at, &id);
}

/* ---- A Redis that stands still, with unknown outcomes ---- */

static void
test_stopped(struct kit *k)
{
	struct name ids[SENDERS];
	struct entry_id bases[SENDERS];
	struct answer *calls[SENDERS];
	int64_t until;
	size_t unknown = 0, wrong = 0, i;
	char text[16];

	for (i = 0; i < SENDERS; i++) {
		snprintf(text, sizeof text, "stop-%zu", i);
		ids[i] = open_session(k, text, "", &bases[i]);
		store_watch(k->at, &ids[i]);
	}
	do_one(k, &ids[0], op_join("stopped", "$join"));
	redis_server_signal(&server, SIGSTOP);
	for (i = 0; i < SENDERS; i++) {
		struct store_op op = op_send(&ids[(i + 1) % SENDERS], "x");

		calls[i] = start_apply(k, &ids[i], 1, &op, 1);
	}
	for (i = 0; i < SENDERS; i++)
		unknown += await(calls[i])->status == STORE_UNAVAILABLE;
	is_int((int64_t)unknown, SENDERS, "a Redis that stands still is found out");
	until = clock_mono_ms() + 8 * TIMEOUT_MS - TIMEOUT_MS;
	kit_until(k, clock_mono_ms() >= until);
	ear_clear(&k->ear);
	redis_server_signal(&server, SIGCONT);
	for (i = 0; i < SENDERS; i++) {
		struct answer *a = send_until_applied(k, &ids[i], 1, op_send(&ids[(i + 1) % SENDERS], "x"));

		wrong += a->status != STORE_OK || a->next_seq != 2 || a->results[0].code != STORE_DONE;
		a = send_until_applied(k, &ids[i], 2, op_send(&ids[(i + 1) % SENDERS], "y"));
		wrong += a->status != STORE_OK || a->next_seq != 3;
	}
	is_int((int64_t)wrong, 0, "when it goes on, operations of unknown outcome can be repeated");
	for (i = 0; i < SENDERS; i++) {
		struct answer *a = read_mailbox(k, &ids[i], bases[i]);

		wrong += a->count != 2 || a->gap || a->entries[0].payload[0] != 'x' || a->entries[1].payload[0] != 'y';
	}
	is_int((int64_t)wrong, 0, "and were applied once each, in order");
	for (i = 0; i < SENDERS; i++)
		wrong += !kit_until(k, heard_count(&k->ear, HEARD_CHANGED, &ids[i]) > 0);
	is_int((int64_t)wrong, 0, "all who watch are told to read again");
	for (i = 0; i < SENDERS; i++)
		store_unwatch(k->at, &ids[i]);
}

/* This process stands still, or seems to: what is on its way must not look late, nor the connection alive for sure. */
static void
test_frozen(struct kit *k)
{
	struct name id = open_session(k, "frozen", "", NULL);
	struct answer *a = start_look(k, &id);

	clock_turn(60000);
	is_status(await(a), STORE_OK, "after this process stood still, what was asked before is answered");
	is_status(await(start_look(k, &id)), STORE_OK, "and what is asked then");
	clock_turn(60000);
	redis_server_do(&server, "CLIENT KILL TYPE normal");
	is_status(apply_one(k, &id, 0, op_send(&id, "x")), STORE_OK, "a connection that died meanwhile is found out before it is used");
}

/* A machine with a wrong clock: that of Redis counts. */
static void
test_skew(struct kit *k)
{
	int64_t before = store_now(k->at);

	clock_turn(600000);
	await(start_sweep(k));
	ok(kit_until(k, store_now(k->at) - before < 300000), "a clock that was set forward is measured by that of Redis");
}

/* ---- No memory ---- */

static void
test_memory(struct kit *k)
{
	struct entry_id base, since;
	struct name id = open_session(k, "memory", "", &base), other = session_named("memory-2");
	struct store_op ops[2] = {op_send(&id, "x"), op_room("memory", "x")};
	struct answer *a;

	since = do_one(k, &id, op_join("memory", "$join"));
	apply_one(k, &id, 1, op_send(&id, "1"));
	redis_server_do(&server, "CONFIG SET maxmemory 1");
	is_status(apply_one(k, &id, 2, op_send(&id, "2")), STORE_UNAVAILABLE, "without memory nothing is appended");
	is_status(apply(k, &id, 2, ops, 2), STORE_UNAVAILABLE, "of several operations none");
	is_status(await(start_open(k, &other, "")), STORE_UNAVAILABLE, "no session is opened");
	a = read_mailbox(k, &id, base);
	ok(a->status == STORE_OK && a->count == 1 && !a->gap, "what is there can be read");
	is_entries(read_room(k, "memory", since), "", "also in rooms");
	a = await(start_close(k, &other, "$leave"));
	is_status(a, STORE_GONE, "what was not opened is not there");
	redis_server_do(&server, "CONFIG SET maxmemory 0");
	a = apply_one(k, &id, 2, op_send(&id, "2"));
	ok(a->status == STORE_OK && a->repeated == 0, "with memory again, what was refused had not been applied");
	is_entries(read_mailbox(k, &id, base), "1 2", "and is, once");
	redis_server_do(&server, "CONFIG SET maxmemory 1");
	is_status(await(start_close(k, &id, "$leave")), STORE_OK, "a session can be closed without memory");
	redis_server_do(&server, "CONFIG SET maxmemory 0");
}

/* ---- What is left in Redis ---- */

static void
test_nothing_left(struct kit *k)
{
	struct name id, room = room_named("left");
	long long before = redis_server_do(&server, "DBSIZE");

	id = open_session(k, "left", "", NULL);
	do_one(k, &id, op_send(&id, "x"));
	ok(redis_server_do(&server, "TTL %s", key_of('s', &id)) > 0, "a session has a time to live, for when all instances are gone");
	ok(redis_server_do(&server, "TTL %s", key_of('m', &id)) > 0, "so has its mailbox");
	store_ack(k->at, &id, await(start_look(k, &id))->last, true);
	ok(kit_until(k, redis_server_do(&server, "EXISTS %s", key_of('m', &id)) == 0),
	    "a mailbox that was read to its end takes no memory");
	do_one(k, &id, op_join("left", "$join"));
	ok(redis_server_do(&server, "TTL %s", key_of('r', &room)) > 0, "a room has a time to live");
	ok(redis_server_do(&server, "TTL %s", key_of('l', &room)) > 0, "and its log");
	ok(redis_server_do(&server, "TTL %s", key_of('p', &room)) > 0, "and its list of members");
	do_one(k, &id, op_leave("left", "$leave"));
	await(start_close(k, &id, "$leave"));
	is_int(redis_server_do(&server, "DBSIZE") - before, 0,
	    "a session leaves nothing behind, nor does a room where nothing was said");

	id = open_session(k, "left", "", NULL);
	do_one(k, &id, op_join("left", "$join"));
	do_one(k, &id, op_room("left", "x"));
	await(start_close(k, &id, "$leave"));
	is_int(redis_server_do(&server, "DEL %s", key_of('r', &room)), 1, "a room where something was said outlives its members");
	is_int(redis_server_do(&server, "DEL %s", key_of('l', &room)), 1, "and so does its log");
	/* The catalogue has the room until it is past its time. */
	is_int(redis_server_do(&server, "DBSIZE") - before, 1, "which is all that is left");
}

/* A user's set ends with its last session, and with time if nobody does it. */
static void
test_users_left(struct kit *k)
{
	struct name id = open_session(k, "user-left", "", NULL), other = open_session(k, "user-left-2", "", NULL);
	struct name ann = user_named("left"), bob = user_named("left-bob");
	long long before = redis_server_do(&server, "DBSIZE"), ttl;
	struct store_op op = op_send_user(&ann, "x");

	do_one(k, &id, op_grant_user(&ann, "g"));
	do_one(k, &other, op_grant_user(&ann, "g"));
	ttl = redis_server_do(&server, "TTL %s", key_of('u', &ann));
	ok(ttl > kit_limits.session_ttl_ms / 1000 + 80000, "a user has a time to live, which is that of a session");
	redis_server_do(&server, "PEXPIRE %s 5000000", key_of('u', &ann));
	redis_server_do(&server, "HSET %s w 1", key_of('s', &id));
	await(start_back(k, &id, "$back"));
	ok(redis_server_do(&server, "TTL %s", key_of('u', &ann)) >= ttl - 10, "a session that comes back lets its user live on");
	redis_server_do(&server, "DEL %s", key_of('s', &id));
	is_int((int64_t)await(start_list_user(k, &ann))->count, 1, "a session that was lost is not listed");
	is_int((int64_t)await(start_order(k, NULL, &op, 1))->results[0].sessions, 1, "nor sent to");
	open_session(k, "user-left", "", NULL);
	is_int((int64_t)await(start_list_user(k, &ann))->count, 1, "nor if it was opened anew");
	do_one(k, &id, op_grant_user(&bob, "g"));
	is_int((int64_t)await(start_order(k, NULL, &op, 1))->results[0].sessions, 1, "and is another's");
	redis_server_do(&server, "ZADD %s XX 1 %s", key_of('u', &ann), id.s);
	do_one(k, &other, op_grant_user(&ann, "g"));
	is_int(redis_server_do(&server, "ZCARD %s", key_of('u', &ann)), 1, "what is past its time is forgotten");
	do_one(k, &other, op_grant(""));
	is_int(redis_server_do(&server, "EXISTS %s", key_of('u', &ann)), 0, "a user without sessions is no more");
	await(start_close(k, &id, "$leave"));
	await(start_close(k, &other, "$leave"));
	is_int(redis_server_do(&server, "EXISTS %s", key_of('u', &bob)), 0, "however they ended");
	ok(redis_server_do(&server, "DBSIZE") < before, "nothing is left");
}

/* One of those that are renewed in this quarter of an hour: see store_redis_beat.c. */
static struct name
session_renewed_now(struct kit *k)
{
	unsigned turn = (unsigned)(store_now(k->at) / 900000 % 64);
	char text[24];

	for (int i = 0;; i++) {
		struct name id;

		snprintf(text, sizeof text, "renewed-%d", i);
		id = session_named(text);
		if (keys_bucket(&id) % 64 == turn)
			return id;
	}
}

/* A session that is never away for a day is its user's for as long. */
static void
test_user_renewed(void)
{
	struct store_limits limits = kit_limits;
	struct kit k;
	struct name id, ann = user_named("renewed");
	long long ttl;

	limits.away_after_ms = 1000; /* So touches are not kept for long. */
	kit_start(&k, &contract, &limits);
	await(start_sweep(&k)); /* It knows the time. */
	id = session_renewed_now(&k);
	await(start_open(&k, &id, ""));
	do_one(&k, &id, op_grant_user(&ann, "g"));
	ttl = redis_server_do(&server, "TTL %s", key_of('u', &ann));
	redis_server_do(&server, "PEXPIRE %s 60000", key_of('u', &ann));
	redis_server_do(&server, "ZADD %s %lld %s", key_of('u', &ann), (long long)store_now(k.at) + 60000, id.s);
	store_touch(k.at, &id);
	ok(kit_until(&k, redis_server_do(&server, "TTL %s", key_of('u', &ann)) >= ttl - 10), "who is heard from stays its user's");
	is_int(redis_server_do(&server, "ZCOUNT %s %lld +inf", key_of('u', &ann), (long long)store_now(k.at) + 80000000), 1, "for as long as its session lives");
	redis_server_do(&server, "ZADD %s 1 %s", key_of('u', &ann), id.s);
	is_int((int64_t)await(start_list_user(&k, &ann))->count, 0, "who is not heard from is so no more");
	kit_end(&k, "users that are renewed");
}

/* The rights that the manual asks for. */
static void
test_rights(struct kit *k)
{
	struct entry_id base;
	struct name id = open_session(k, "rights", "<d>", &base), room = room_named("rights");
	struct answer *a;

	watch_session(k, &id);
	do_one(k, &id, op_join("rights", "$join"));
	do_one(k, &id, op_send(&id, "x"));
	do_one(k, &id, op_set("<e>", "$set"));
	do_one(k, &id, op_grant_user(&room, "g"));
	is_int((int64_t)await(start_list_user(k, &room))->count, 1, "who has only the rights of the manual can have users");
	is_int((int64_t)await(start_list_members(k, &room, 10))->total, 1, "an ACL user with the rights of the manual can do everything");
	is_int((int64_t)await(start_read_tail(k, &room, id_of(UINT64_MAX, 0), 10))->count, 2, "read the end of a log");
	a = read_mailbox(k, &id, base);
	ok(a->count >= 1 && !a->gap, "read a mailbox");
	store_ack(k->at, &id, a->last, true);
	store_touch(k->at, &id);
	ok(kit_until(k, same_id(await(start_look(k, &id))->acked, a->last)), "acknowledge it");
	do_one(k, &id, op_send(&id, "x"));
	store_hand(k->at, &id, a->last);
	is_status(await(start_measure(k, &id, 10)), STORE_OK, "measure it");
	is_status(await(start_sweep(k)), STORE_OK, "sweep");
	is_status(await(start_back(k, &id, "$back")), STORE_OK, "come back");
	is_status(await(start_try(k, KIT_LIMIT_MS)), STORE_OK, "probe");
	do_one(k, &id, op_leave("rights", "$leave"));
	is_status(await(start_close(k, &id, "$leave")), STORE_OK, "and close");
	store_unwatch(k->at, &id);
}

static void
make_user(void)
{
	redis_server_do(&server,
	    "ACL SETUSER gate on >secret resetkeys ~f* resetchannels &f* -@all +ping +info +client|setname +select +evalsha "
	    "+script|load +time +hget +hmget +hset +hdel +hexists +hlen +hvals +hrandfield +xadd +xlen +xrange +xrevrange +del +unlink +pexpire "
	    "+zadd +zrem +zscore +zcard +zrangebyscore +zremrangebyscore +publish +subscribe +unsubscribe");
}

static void
with_kit(void (*test)(struct kit *), const char *about)
{
	struct kit k;

	kit_start(&k, &contract, &kit_limits);
	test(&k);
	kit_end(&k, about);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	redis_server_start(&server);
	with_kit(test_restart, "restart");
	with_kit(test_flush, "FLUSHALL");
	with_kit(test_room_lost, "a lost room");
	with_kit(test_stream_deleted, "a deleted stream");
	with_kit(test_entry_deleted, "deleted entries");
	with_kit(test_future, "a clock that went back");
	with_kit(test_skew, "a clock that is wrong");
	with_kit(test_diverged, "failover");
	with_kit(test_scripts, "SCRIPT FLUSH");
	with_kit(test_killed, "killed connections");
	with_kit(test_stopped, "a stopped Redis");
	with_kit(test_frozen, "a frozen instance");
	with_kit(test_memory, "no memory");
	with_kit(test_nothing_left, "what is left");
	with_kit(test_users_left, "what is left of users");
	test_user_renewed();
	make_user();
	login = "gate:secret@";
	with_kit(test_rights, "rights");
	redis_server_end(&server);
	return done();
}
