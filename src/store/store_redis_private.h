/*
 * What the parts of the Redis store share.
 *
 * A call is one command on its way to Redis, and what is to be done with the reply, which may be to send another.  Each part
 * has calls of its own kind, which embed struct redis_call.
 */
#ifndef STORE_STORE_REDIS_PRIVATE_H
#define STORE_STORE_REDIS_PRIVATE_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "net/redis.h"
#include "store/store_private.h"
#include "store/store_redis_keys.h"

struct beat;
struct bell;
struct event_base;
struct prober;
struct redis_call;
struct redis_store;
struct sweeper;

/* ---- Scripts (store_redis_script.c) ---- */

enum script_id {
	SCRIPT_NONE,
	SCRIPT_OPEN,
	SCRIPT_SEND,
	SCRIPT_APPLY,
	SCRIPT_JOINED,
	SCRIPT_ORDER,
	SCRIPT_LEASE,
	SCRIPT_PRESENCE,
	SCRIPT_ACK,
	SCRIPT_SWEEP,
	SCRIPT_PROBE,
	SCRIPT_NAMES,
	SCRIPT_LIST,
	SCRIPT_MEASURE,
	SCRIPTS
};

#define DAY_MS 86400000 /* A session that nobody lapses, since all instances are gone, goes so long after its time. */
#define SHA_LEN 40
#define CLAIM_BASE 10000000000000LL /* See redis_sweep.lua: more than any time in milliseconds until 2286. */

struct script {
	char *text; /* Owned. */
	size_t len;
	char sha[SHA_LEN + 1];
	bool loading; /* SCRIPT LOAD is on its way, in front of whatever is sent now. */
};

void scripts_make(struct script scripts[SCRIPTS], const struct store_limits *limits);
void scripts_free(struct script scripts[SCRIPTS]);

/* ---- The store (store_redis.c) ---- */

struct redis_store {
	struct store store;
	struct event_base *base;
	struct store_limits limits;
	struct redis_address address;
	int64_t timeout_ms;
	struct keys *keys;
	struct script scripts[SCRIPTS];
	struct redis *commands; /* Every command with a reply. */
	struct redis *notices;  /* Subscriptions. */
	bool lost;              /* And the log has said so. */
	int entered;            /* Depth of callbacks: one may free the store. */
	bool freeing;
	int64_t complained; /* When an error was last logged. */
	int64_t clock_ahead_ms; /* Of this machine's clock before that of Redis. */
	int64_t clock_asked_ms;
	LIST_HEAD(, redis_call) calls;
	struct beat *beat;
	struct sweeper *sweeper;
	struct bell *bell;
	struct prober *prober;
	struct name instance; /* Random; also the name of the room that probes are written to. */
};

static inline struct redis_store *
redis_store_of(struct store *store)
{
	return (struct redis_store *)store;
}

/* Around all that calls back: a store that is freed meanwhile lives until the end of it. */
void redis_store_enter(struct redis_store *);
void redis_store_leave(struct redis_store *);

/* ---- Calls (store_redis_call.c) ---- */

/* The reply, never an error; NULL when the store is unavailable.  Sends again, or ends with redis_call_free. */
typedef void redis_call_fn(struct redis_call *, const redisReply *reply);

struct redis_call {
	struct store_call call;
	LIST_ENTRY(redis_call) link;
	struct redis_command command;
	int64_t deadline;
	redis_call_fn *on_reply;                /* NULL: nobody waits for the reply. */
	void (*on_free)(struct redis_call *);   /* Give back what this kind of call owns.  Or NULL. */
	enum script_id script;                  /* The one that command runs. */
	bool repeatable;                        /* Doing it twice is as good as once. */
	bool repeated;
	bool loaded;                            /* Its script was missing once. */
	bool out;                               /* Redis has it: free it when it comes back. */
	bool running;                           /* In on_reply, which will free it. */
	bool cancelled;
};

/* A zeroed call of size bytes that has timeout_ms from now on. */
void *redis_call_new(struct redis_store *, size_t size, redis_call_fn *on_reply);
void redis_call_free(struct redis_call *);

/* Start call->command: EVALSHA, then the keys and arguments are to be added. */
void redis_call_script(struct redis_call *, enum script_id, unsigned keys);
void redis_call_start(struct redis_call *, const char *verb);
void redis_call_send(struct redis_call *);

/* ---- Helpers for commands and replies ---- */

static inline void
call_add_key(struct redis_call *call, char kind, const struct name *name)
{
	keys_add(redis_store_of(call->call.store)->keys, &call->command, kind, name);
}

static inline void
call_add_channel(struct redis_call *call, const struct name *name)
{
	keys_add_channel(redis_store_of(call->call.store)->keys, &call->command, keys_bucket(name));
}

static inline void
call_add_name(struct redis_call *call, const struct name *name)
{
	redis_command_add(&call->command, name->s, NAME_LEN);
}

void call_add_id(struct redis_call *, struct entry_id id);

static inline bool
is_string(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* An array of n fields as HMGET answers; anything else is a server that is not one. */
static inline bool
has_fields(const redisReply *reply, size_t n)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == n;
}

/* False, and 0-0, if it is no id. */
bool reply_id(const redisReply *reply, struct entry_id *id);

/* From a session's field s, see redis_apply.lua; lent by reply.  False, and none, if it is no state. */
bool reply_state(const redisReply *reply, struct store_state *state);

/* The results of n operations in words, see redis_apply.lua.  False if they are none. */
bool reply_results(struct store_result *results, size_t n, const redisReply *words);

/* The next of the rooms in a session's field g; false at the end.  *title is lent and not terminated. */
bool next_room(const char **text, const char *end, struct entry_id *since, struct name *room, const char **title,
    size_t *title_len);
size_t count_rooms(const char *text, size_t len);
/* All of them, to be freed, with titles in text, which become strings: so this is done once with a text. */
struct store_joined *parse_rooms(char *text, size_t len, size_t *count);
#define ROOM_KEYS 4
void call_add_room_keys(struct redis_call *, const struct name *room); /* head log members catalogue */

/* Of a session, what a script is to find as it was read: it changes keys that depend on that. */
struct found {
	const char *rooms; /* Field g; lent by the reply. */
	size_t rooms_len;
	bool has_user;
	struct name user; /* Field o. */
};
void call_find(struct redis_call *, const struct name *session); /* Start to read it. */
bool reply_found(const redisReply *reply, struct found *found);   /* False if it is no answer to that. */
unsigned found_keys(const struct found *);
void call_add_found_keys(struct redis_call *, const struct found *); /* The user's, and those of each room. */
void call_add_found(struct redis_call *, const struct found *);      /* Rooms and user, then channel and name of each room. */

/* The channel and name of the queue of a session. */
void call_add_queue_of(struct redis_call *, const struct name *session);
void call_add_queue_key_of(struct redis_call *, const struct name *session);

/* ---- Operations as the scripts take them (store_redis_apply.c) ---- */

unsigned op_keys(const struct store_op *); /* How many keys an operation has. */
void call_add_op_keys(struct redis_call *, const struct store_op *, const struct name *session); /* Whose operation it is. */
void call_add_op(struct redis_call *, const struct store_op *, const struct name *session);
/* A copy in one piece with what they point to, to be freed. */
struct store_op *copy_ops(const struct store_op *ops, size_t n);

/* ---- The parts, as store_ops has them ---- */

store_open_slot redis_store_open;
store_apply_slot redis_store_apply;
store_swap_slot redis_store_swap;
store_order_slot redis_store_order;
store_finish_slot redis_store_finish;
store_lease_slot redis_store_lease;
store_read_slot redis_store_read_queue;
store_read_slot redis_store_read_mailbox, redis_store_read_room;
store_read_tail_slot redis_store_read_tail;
store_list_members_slot redis_store_list_members;
store_list_rooms_slot redis_store_list_rooms;
store_list_sessions_slot redis_store_list_sessions;
store_list_user_slot redis_store_list_user;
store_look_slot redis_store_look;
store_measure_slot redis_store_measure;
store_lapse_slot redis_store_lapse;
store_presence_slot redis_store_back, redis_store_close;
store_touch_slot redis_store_touch;
store_ack_slot redis_store_ack;
store_hand_slot redis_store_hand;
store_sweep_slot redis_store_sweep;
store_watch_slot redis_store_watch;
store_name_slot redis_store_unwatch;
store_now_slot redis_store_now;
store_take_slot redis_store_take;
store_try_slot redis_store_try;

/* ---- The shared clock (store_redis_clock.c) ---- */

void redis_store_set_clock(struct redis_store *);  /* Ask Redis what time it is. */
void redis_store_keep_clock(struct redis_store *); /* The same if that was long ago. */

/* ---- What is written by and by (store_redis_beat.c): touches, acknowledgements, rooms that are kept ---- */

struct beat *beat_new(struct redis_store *);
void beat_free(struct beat *);
/* A member reads this room: let it live, with a command now and then. */
void beat_keep_room(struct beat *, const struct name *room);
void beat_prune(struct beat *); /* Forget rooms that nobody read for so long that they would be written anyway. */
int64_t beat_room_expiry(struct redis_store *); /* When a room that is used now is past its time. */

/* ---- The sweep and the counts (store_redis_sweep.c) ---- */

struct sweeper *sweeper_new(struct redis_store *);
void sweeper_free(struct sweeper *);
bool sweeper_may_open(const struct sweeper *);      /* Are there fewer sessions than max_sessions, by the last count? */
bool sweeper_may_make_room(const struct sweeper *); /* The same with rooms. */
void sweeper_opened(struct sweeper *, const struct name *session); /* One more. */

/* ---- The doorbell (store_redis_bell.c) ---- */

struct bell *bell_new(struct redis_store *);
void bell_free(struct bell *);
void bell_on_up(struct bell *);
void bell_on_down(struct bell *);
void bell_on_push(struct bell *, const redisReply *push);

/* What is known of the acknowledgement of a watched mailbox, so that it is not sent again. */
struct acked {
	struct entry_id position;
	bool emptied;
};
struct acked *bell_acked(struct bell *, const struct name *session); /* NULL when the session is not watched. */

/* ---- Probes (store_redis_probe.c) ---- */

struct prober *prober_new(void);
void prober_free(struct prober *);
void prober_listen(struct prober *, bool listening); /* The subscription to the instance's bucket is confirmed, or lost. */
void prober_hear(struct prober *, const struct store_entry *entry);

#endif
