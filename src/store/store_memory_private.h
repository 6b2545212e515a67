/*
 * The embedded store, as its files see it.
 *
 * What changes something is done when it is called; what only reads is done when its turn comes.  Either way the answer, and
 * each notice, is a task in one queue that the loop works off: see store_memory.c.
 */
#ifndef STORE_STORE_MEMORY_PRIVATE_H
#define STORE_STORE_MEMORY_PRIVATE_H

#include <event2/event.h>
#include <sys/queue.h>

#include "base/mem.h"

#define uthash_malloc(size) mem_alloc(size)
#define HASH_BKT_CAPACITY_THRESH 4U /* Each link of a chain is a cache miss: keep chains short. */
#include <uthash.h>

#include "store/store_memory_chain.h"
#include "store/store_private.h"

/* ---- What is stored (store_memory_state.c) ---- */

enum stream_kind { STREAM_WATCHED, STREAM_SESSION, STREAM_ROOM, STREAM_QUEUE }; /* WATCHED: nothing but a watch for what may come. */

struct stream {
	UT_hash_handle hh;
	struct name name;
	uint8_t kind; /* enum stream_kind */
	uint32_t watches;
	struct chain chain;
};

struct membership {
	LIST_ENTRY(membership) of_session;
	TAILQ_ENTRY(membership) of_room;
	struct session *session;
	struct room *room;
	struct entry_id since;
};

struct session_results { /* Of the last numbered call that applied something. */
	uint64_t first_seq;
	size_t count;
	struct store_result results[];
};

struct session_state {
	uint64_t number;
	size_t len;
	size_t count;
	struct store_result results[]; /* Of the swap that made it.  Behind them: the text. */
};

struct user {
	UT_hash_handle hh;
	struct name name;
	uint32_t count; /* At least one. */
	TAILQ_HEAD(, session) sessions;
};

struct session {
	struct stream stream; /* First: a stream of kind SESSION is one. */
	TAILQ_ENTRY(session) of_user;
	struct user *user;    /* NULL: nobody's. */
	struct entry_id acked, handed;
	int64_t touched; /* On the monotonic clock. */
	uint64_t next_seq;
	struct session_results *results; /* Owned; NULL before the first. */
	struct session_state *state;     /* Owned; NULL for none. */
	char *data;                      /* Owned; NULL for none. */
	char *grants;                    /* The same. */
	char *end;                       /* Owned: the head of what its queue gets when it ends; NULL for nothing. */
	uint32_t data_len, grants_len;
	uint32_t due_slot; /* Where it is in memory->due. */
	uint32_t rooms;
	bool away;
	bool ended; /* Its client is told, or is to be. */
	LIST_HEAD(, membership) memberships;
};

struct room {
	struct stream stream; /* First: a stream of kind ROOM is one. */
	TAILQ_ENTRY(room) by_age;
	int64_t active; /* The last append, on the monotonic clock; or when it was found that the log is past its time. */
	char *title;    /* Owned. */
	uint32_t members;
	bool said; /* A client sent to it since it was made. */
	TAILQ_HEAD(, membership) memberships;
};

struct order { /* One that had a key. */
	UT_hash_handle hh;
	TAILQ_ENTRY(order) by_age;
	struct name key;
	struct name request;
	int64_t until; /* On the monotonic clock. */
	size_t count;
	struct store_result results[];
};

struct lease {
	UT_hash_handle hh;
	struct name name;
	struct name holder;
	int64_t until; /* On the monotonic clock. */
	uint32_t told; /* By others; STORE_NOTHING_TOLD: nothing. */
};

struct due {
	int64_t at; /* Not after the session's deadline, which a touch moves without coming here. */
	struct session *session;
};

TAILQ_HEAD(task_list, task);

struct memory {
	struct store store; /* First. */
	struct store_limits limits;
	uint64_t seed[3];
	struct stream *streams; /* By name. */
	uint32_t sessions, rooms;
	TAILQ_HEAD(, room) by_age; /* All rooms, the least active first. */
	struct user *users;   /* By name: those who have sessions. */
	struct order *orders; /* By key. */
	TAILQ_HEAD(, order) orders_by_age; /* The oldest first. */
	struct lease *leases; /* By name. */
	struct due *due;           /* A heap of all sessions, the earliest first. */
	size_t due_room;
	struct entry_id last_id; /* Of all streams: no id comes twice, though a stream goes and comes again in one millisecond. */
	struct bin bin;
	struct event *turn;
	struct task_list tasks;
	uint64_t tasks_made;
	bool armed, running, dying;
	struct {
		void *p;
		size_t size;
	} scratch[2]; /* What is lent to a callback is built here. */
};

struct memory *memory_of(struct store *);

struct session *memory_session(struct memory *, const struct name *); /* NULL: there is none. */
struct session *memory_session_new(struct memory *, const struct name *, const char *data, size_t len);
/* Leave all rooms with an entry of payload leave + data, tell its queue and who watches, and free it. */
void memory_session_remove(struct memory *, struct session *, const char *leave, size_t len);
void memory_session_set(struct memory *, struct session *, const char *data, size_t len);
void memory_session_grant(struct memory *, struct session *, const char *grants, size_t len);
/* Takes state. */
void memory_session_swap(struct memory *, struct session *, struct session_state *state);
struct store_state memory_session_state(const struct session *);

/* Made if need be. */
struct stream *memory_queue(struct memory *, const struct name *);
bool memory_queue_is_full(struct memory *, const struct stream *queue);
struct entry_id memory_append_queue(struct memory *, struct stream *queue, const char *payload, size_t len, const struct session *data_of);
/* That of a session. */
struct stream *memory_queue_of(struct memory *, const struct session *);

struct room *memory_room(struct memory *, const struct name *); /* NULL: there is none.  A log past its time is empty then. */
struct room *memory_room_new(struct memory *, const struct name *, const char *title);
/* Forget rooms and logs past their time; at most max of them. */
void memory_rooms_age(struct memory *, unsigned max);

struct membership *memory_membership(const struct session *, const struct room *); /* NULL: not a member. */
void memory_join(struct session *, struct room *, struct entry_id since);
/* End it.  An entry of payload leave + data is appended, or a room of nobody where nothing was said is forgotten. */
void memory_leave(struct memory *, struct membership *, const char *leave, size_t len);

/* Append payload + data (len 0 for none), post a notice to who watches; the entry's id. */
struct entry_id memory_append(struct memory *, struct session *to, const char *payload, size_t len);
struct entry_id memory_append_room(struct memory *, struct room *to, const char *payload, size_t len,
    const struct session *data_of);
/* Append payload + the session's data to all its rooms. */
void memory_append_rooms(struct memory *, struct session *, const char *payload, size_t len);

void memory_watch(struct memory *, const struct name *);
void memory_unwatch(struct memory *, const struct name *);
bool memory_watched(struct memory *, const struct name *);
void memory_forget(struct memory *); /* Frees all that is stored. */

/* ---- Users (store_memory_user.c) ---- */

/* The session is this user's from now on, or nobody's (NULL).  False, and nothing is done, if the user has as many as it may. */
bool memory_user_take(struct memory *, struct session *, const struct name *user);
/* Append payload to the mailboxes of the user's sessions: to how many. */
uint32_t memory_user_send(struct memory *, const struct name *user, const char *payload, size_t len);

/* ---- Deadlines (store_memory_due.c) ---- */

void memory_due_add(struct memory *, struct session *);
void memory_due_remove(struct memory *, struct session *);
int64_t memory_deadline(const struct memory *, const struct session *);
/* The session's deadline may have come nearer. */
void memory_due_update(struct memory *, struct session *);
/* Claim up to max sessions that are due; ids is filled. */
size_t memory_due_claim(struct memory *, struct name *ids, size_t max);

/* ---- Tasks (store_memory.c) ---- */

enum task_kind {
	TASK_OPENED,
	TASK_APPLIED,
	TASK_PRESENCE,
	TASK_READ_MAILBOX,
	TASK_READ_ROOM,
	TASK_READ_QUEUE,
	TASK_READ_TAIL,
	TASK_MEMBERS,
	TASK_ROOMS,
	TASK_SESSIONS,
	TASK_USER,
	TASK_LOOK,
	TASK_SWEEP,
	TASK_TRY,
	TASK_LEASED,
	TASK_ENTRY,
	TASK_QUEUED,
	TASK_CHANGED,
	TASK_CLOSED
};

struct task {
	struct store_call call; /* First. */
	TAILQ_ENTRY(task) link;
	uint64_t number;
	enum task_kind kind;
	bool running;
	struct name name;
	void *arg;
	union {
		store_opened_fn *opened;
		store_applied_fn *applied;
		store_presence_fn *presence;
		store_view_fn *view;
		store_members_fn *members;
		store_rooms_fn *rooms;
		store_sessions_fn *sessions;
		store_session_fn *session;
		store_due_fn *due;
		store_probe_fn *probe;
		store_leased_fn *leased;
	} fn;
	union {
		struct store_opened opened;
		struct store_applied applied; /* What it lends is behind the task. */
		struct store_presence presence;
		struct store_leased leased;
		struct {
			struct entry_id at;
			uint32_t entries;
			size_t bytes;
		} read;
		uint32_t members_max;
		uint32_t enough; /* Of a look. */
		struct {
			int64_t started_us;
			int64_t limit_us;
		} probe;
		struct {
			struct entry_id prev;
			struct chain_entry *entry; /* A reference. */
		} notice;
	} u;
};

struct task *memory_post(struct memory *, enum task_kind, const struct name *, size_t extra, void *arg); /* name may be NULL. */
void memory_post_entry(struct memory *, const struct stream *, struct entry_id prev, struct chain_entry *);
void memory_post_notice(struct memory *, enum task_kind, const struct stream *);
void *memory_scratch(struct memory *, unsigned which, size_t n, size_t size);

/* ---- Operations (store_memory_apply.c) ---- */

/*
 * Apply one; s is whose it is, and needed for all but sending.  *result is set, which is one of several: the one in front of it
 * is that of the operation before.
 */
void memory_apply_op(struct memory *, struct session *s, const struct store_op *, struct store_result *result);
/* Tell who watches the session. */
void memory_tell_changed(struct memory *, struct session *);

/* ---- Orders (store_memory_order.c) ---- */

void memory_orders_age(struct memory *);    /* Forget those past their time. */
void memory_orders_forget(struct memory *); /* Forget all. */

/*
 * Was this order, of n operations, applied before?  True, and it is answered, if it was, or cannot be applied; results are as they
 * were.  Else it is to be applied, and remembered.
 */
bool memory_recall(struct memory *, const struct store_once *once, struct store_result *results, size_t n, struct store_applied *applied);
void memory_remember(struct memory *, const struct store_once *once, const struct store_result *results, size_t n);

/* Apply n operations of whoever, as in store_order. */
void memory_order_apply(struct memory *, const struct store_op *ops, size_t n, struct store_result *results);

/* ---- Queues (store_memory_queue.c) ---- */

void memory_leases_forget(struct memory *);

/* ---- Slots of the store, and running tasks of their kinds (store_memory_apply.c, _list.c, _order.c, _presence.c, _read.c, _user.c) ---- */

store_apply_slot memory_apply;
store_swap_slot memory_swap;
store_order_slot memory_order;
store_finish_slot memory_finish;
store_lease_slot memory_lease;
store_list_rooms_slot memory_list_rooms;
store_list_sessions_slot memory_list_sessions;
store_list_user_slot memory_list_user;
store_touch_slot memory_touch;
store_lapse_slot memory_lapse;
store_presence_slot memory_back, memory_close;
store_sweep_slot memory_sweep;

void memory_run_sweep(struct memory *, struct task *);

void memory_run_read(struct memory *, struct task *);
void memory_run_tail(struct memory *, struct task *);
void memory_run_members(struct memory *, struct task *);
void memory_run_rooms(struct memory *, struct task *);
void memory_run_sessions(struct memory *, struct task *);
void memory_run_user(struct memory *, struct task *);
struct store_member memory_session_told(const struct session *); /* What lists tell of it. */
void memory_run_look(struct memory *, struct task *);

#endif
