/*
 * The store: sessions, their mailboxes, rooms with their logs and members.  It knows nothing of HTTP or JSON.
 *
 * Two implementations keep this one contract and pass t/store/contract: store_memory (one process) and store_redis (any
 * number of instances).  A stream (a mailbox or a room's log) is a chain: each entry knows the id of the one before it, and
 * the first follows the stream's base id, which is new whenever a stream is made anew.  So a reader that holds the id of the
 * last entry it saw can always tell "nothing new" from "something was lost".  Ids grow from operation to operation, whatever the
 * stream, unless the clock of the store was set back: so entries of several streams can be told in their order.
 *
 * Callbacks run exactly once, from the event loop, never before the call that asked for them has returned, and never after
 * store_cancel.  What a callback is lent is valid until it returns.  All calls copy what they are given.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"

struct event_base;
struct store;
struct store_call; /* A call under way. */

enum store_status {
	STORE_OK,
	STORE_GONE,       /* There is no such session (or room, where a room is asked for). */
	STORE_HOLE,       /* Operations before this one are missing: see store_applied.next_seq.  Nothing was applied. */
	STORE_STALE,      /* The session's state is another one: see store_applied.state.  Nothing was applied. */
	STORE_OTHER,      /* Another order has this key: see store_order.  Nothing was applied. */
	STORE_FULL,       /* Refused by a limit of store_limits.  Nothing was applied. */
	STORE_UNAVAILABLE /* The store cannot be reached or is out of memory.  All was applied or nothing was. */
};

struct store_limits {
	int64_t away_after_ms;  /* No touch for so long: due for store_lapse, which marks the session away ... */
	int64_t session_ttl_ms; /* ... and after so long, all in all, removes it.  Longer than away_after_ms. */
	int64_t room_ttl_ms;    /* A log lives so long after its last entry, a room so long after its last member was seen; but
	                           one where nothing was said goes with its last member: see STORE_LEAVE. */
	uint32_t mailbox_max;   /* Entries kept for each mailbox; Redis may keep some more. */
	uint32_t room_max;      /* The same for a room's log. */
	uint32_t max_sessions;  /* In the whole store.  An instance counts at least every few seconds, not at each call. */
	uint32_t max_rooms;
	uint32_t rooms_per_session;
	uint32_t user_sessions_max; /* Sessions of one user; see STORE_GRANT. */
	uint32_t orders_max;    /* Keys of orders that are remembered at once ... */
	int64_t orders_ttl_ms;  /* ... and for how long each. */
	uint32_t queue_max;     /* Entries of a queue; see STORE_QUEUE. */
};

/* ---- Opening ---- */

struct store_opened {
	enum store_status status; /* OK, FULL, UNAVAILABLE */
	bool created;             /* False: a repeat, the session was there and is unchanged. */
	struct entry_id position; /* Where reading its mailbox starts: its base id, or (a repeat) as far as store_ack said. */
};
typedef void store_opened_fn(void *arg, const struct store_opened *opened);

/*
 * Make session id with its public data (a JSON text; empty for none).  May be repeated.
 *
 * When the session ends, however that comes, its queue gets an entry: `end` + public data.  NULL: it ends without.
 */
struct store_call *store_open(struct store *, const struct name *id, const char *data, size_t len, const char *end,
    store_opened_fn *, void *arg);

/* ---- A session's state ---- */

/* What the client's protocol keeps with a session: any bytes, a few hundred of them. */
struct store_state {
	uint64_t number; /* 0: there is none yet. */
	const char *text;
	size_t len;
};

/* What a session may do, for whoever asks before it does: any bytes, which the store keeps and does not read.  Empty for none. */
struct store_grants {
	const char *text;
	size_t len;
};

struct store_swap {
	uint64_t expected;        /* The number of the state as it was read, 0 for none. */
	struct store_state state; /* The new one.  Its number is random, of its own for each swap, and not 0. */
};

/* ---- Applying a client's operations ---- */

enum store_op_kind {
	STORE_SEND_SESSION, /* Append payload to the mailbox of `target`. */
	STORE_SEND_ROOM,    /* Append payload to the log of room `target`, which is made if need be. */
	STORE_SEND_USER,    /* Only in orders: append payload to the mailbox of each session of user `target`.  One that becomes the user's
	                       while the call is under way may be left out. */
	STORE_JOIN,         /* Enter room `target`, made if need be; append `payload` (unless that is empty) + public data unless already a
	                       member.  A room that the session is in but that the store lost is made anew: `since` stays, so that
	                       readers see the gap. */
	STORE_LEAVE,        /* Leave it; append `payload` + public data.  Done as well if the store lost the room meanwhile.
	                       When the last member goes, by this, store_close or store_lapse, a room that no STORE_SEND_ROOM was
	                       applied to since it was made is forgotten at once, with its log; nothing is appended then. */
	STORE_SET,          /* `data` becomes the session's public data; append `payload` + data to each joined room. */
	STORE_GRANT,        /* `data` becomes the session's grants, and it is a session of user `target` (if has_user) or of nobody from then
	                       on, until it ends.  Refused if that user has user_sessions_max others.  Who watches hears on_changed. */
	STORE_REFUSE,       /* Nothing: an operation that somebody else refused, but that has a number, and a result when repeated. */
	STORE_QUEUE,        /* Append payload to the queue `target`; refused when that has queue_max entries. */
	STORE_TELL,         /* Append to the mailbox of `target` what became of the operation before this one, so never the first of a call.
	                       Was that done: payload + the id of its result as text (nothing if it has none) + `data`; was it refused:
	                       `event`.  An empty payload or event: nothing is appended, and that is done. */
	STORE_END           /* Only in orders: what store_close does, with `payload`.  But if the session has a state and is not away, and
	                       this an `event`, that is appended to its mailbox instead: its protocol tells its client, and closes it
	                       then.  If nobody hears that, the session ends when it falls silent. */
};

struct store_op {
	enum store_op_kind kind;
	struct name target;
	const char *title; /* Of a room: its name as people know it, 1-255 bytes without control characters. */
	const char *payload;
	size_t payload_len;
	const char *data; /* SET, GRANT and TELL only. */
	size_t data_len;
	uint32_t ids;         /* SEND_ROOM only: the ids of so many operations before it, of this call, get into the payload (0-0 for one
	                         without), each with "," behind it, ... */
	size_t ids_at;        /* ... behind so many bytes. */
	uint32_t max_members; /* JOIN only: refuse if so many members are there and not away; 0 for no such limit. */
	struct name session;  /* Only in orders: whose JOIN, LEAVE, SET or END it is. */
	bool is_taken_back;   /* QUEUE: also when it is full. */
	bool has_user;        /* GRANT */
	const char *event;    /* JOIN and LEAVE: if the session really enters or leaves, the entry for its queue; NULL for none.  TELL: see there. */
	size_t event_len;
};

enum store_result_code {
	STORE_DONE,
	STORE_DONE_BEFORE,   /* A repeat of an operation so old that its id is not known any more. */
	STORE_NO_TARGET,     /* No such session: the target, or in an order the one whose operation it is. */
	STORE_ROOM_FULL,     /* max_members reached. */
	STORE_NOT_JOINED,    /* LEAVE of a room that the session is not in. */
	STORE_ROOMS_LIMIT,   /* max_rooms reached and the room would be a new one. */
	STORE_JOINED_LIMIT,  /* rooms_per_session reached. */
	STORE_FORBIDDEN,     /* REFUSE. */
	STORE_QUEUE_FULL,    /* QUEUE, or JOIN with an event: queue_max reached. */
	STORE_USER_FULL      /* GRANT: user_sessions_max reached. */
};

struct store_result {
	enum store_result_code code;
	struct entry_id id; /* SEND, QUEUE, TELL: of the entry.  JOIN: where reading starts (with `existing`, where the first JOIN said). */
	bool existing;      /* JOIN: was a member before. */
	uint32_t sessions;  /* SEND_USER: to so many. */
};

struct store_applied {
	enum store_status status; /* OK, GONE, HOLE, STALE, UNAVAILABLE; of an order OK, OTHER, FULL, UNAVAILABLE, and see store_finish */
	uint64_t next_seq;        /* OK, HOLE: the number that the session's next operation has.  0 when seq was 0. */
	size_t repeated;          /* So many, from the first on, had been applied before; their results are as they were then. */
	bool away;                /* The session was marked away: call store_back. */
	size_t count;
	const struct store_result *results; /* Lent; count = n of the call when OK, else 0. */
	struct store_state state;           /* STALE: what is there. */
};
typedef void store_applied_fn(void *arg, const struct store_applied *applied);

/*
 * Apply n operations of session id, in order, all of them or (when the status is not OK) none; each has a result of its own,
 * and one that is refused does not stop those behind it.
 *
 * seq numbers the first operation; a session's first has number 1.  Numbers below the session's next one were applied before
 * and are not applied again: what is new in the call is.  seq 0: apply as it comes, without numbering.
 */
struct store_call *store_apply(struct store *, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n,
    store_applied_fn *, void *arg);

/*
 * The same without numbering, and swap->state becomes the session's state: both, if the state now has the number `expected`, or
 * (STALE) neither.  Who watches the session hears on_changed.
 *
 * May be repeated until the next swap: a call whose number the state has already was applied, `repeated` is n then, and the
 * results are as they were.
 */
struct store_call *store_swap(struct store *, const struct name *id, const struct store_swap *swap, const struct store_op *ops,
    size_t n, store_applied_fn *, void *arg);

/* ---- Orders: operations of who is no session ---- */

struct store_once {
	struct name key;     /* What the order is known by: a hash of that. */
	struct name request; /* A hash of all that is asked for: the same key must stand for the same. */
};

/*
 * Apply n operations (at least one), each of the session that it names, in order, all of them or none; each has a result of its own, and one
 * that is refused does not stop those behind it.  Sending needs no session.
 *
 * With once, which may be NULL, the call may be repeated anywhere, also while another one with this key is under way: one is
 * applied, and for orders_ttl_ms the others find that: `repeated` is n then, and the results are as they were.
 */
struct store_call *store_order(struct store *, const struct store_once *once, const struct store_op *ops, size_t n, store_applied_fn *,
    void *arg);

/* ---- Queues: what is still to be done by somebody ---- */

/*
 * A queue is a stream of its own kind, which is there whenever it is asked for.  Nothing in it goes with time or for what comes
 * behind: an entry stays until it is finished.  Sessions share some queues, each has its one.
 */
#define STORE_QUEUES 16
#define STORE_LETTERS STORE_QUEUES /* The number of one more: for what could not be done. */
unsigned store_queue_of(const struct name *session); /* Below STORE_QUEUES. */
void store_queue_name(struct name *queue, unsigned number);

struct store_item { /* An entry of a queue.  All lent until store_finish has returned. */
	const struct name *queue;
	struct entry_id id;
	const struct store_once *once; /* By which finishing it is an order of its own; NULL for none. */
};

/*
 * Apply n operations as store_order does (n may be 0) and take the item out of its queue: both, or, if it is not there (any
 * more), neither (GONE).  So of all who do the same entry one has an effect.  May be repeated: with once as an order, else it is GONE
 * then.
 */
struct store_call *store_finish(struct store *, const struct store_item *item, const struct store_op *ops, size_t n, store_applied_fn *,
    void *arg);

#define STORE_NOTHING_TOLD UINT32_MAX

struct store_claim { /* All lent until store_lease has returned. */
	const struct name *name;   /* Of what is to be held, ... */
	const struct name *holder; /* ... by whom, ... */
	int64_t ms;                /* ... for so long from now on; 0: no more. */
	uint32_t tells;            /* If another has it, that one is told this number, unless STORE_NOTHING_TOLD. */
};

struct store_leased {
	enum store_status status; /* OK, UNAVAILABLE */
	bool held;
	uint32_t told; /* Held: the smallest number that others told since the holder claimed it last, or STORE_NOTHING_TOLD. */
};
typedef void store_leased_fn(void *arg, const struct store_leased *leased);

/*
 * Hold what a name stands for, unless another holder has it; who holds it goes on.  Clocks and processes may stand still: whoever
 * had it may go on for a moment believing that it does.
 */
struct store_call *store_lease(struct store *, const struct store_claim *claim, store_leased_fn *, void *arg);

/* ---- Reading ---- */

struct store_entry {
	struct entry_id id;
	const char *payload;
	size_t len;
};

struct store_joined { /* A room that a session is in. */
	struct name room;
	const char *title;
	struct entry_id since; /* Never read at or before this. */
};

struct store_view {
	enum store_status status; /* OK, GONE, UNAVAILABLE */
	size_t count;
	const struct store_entry *entries; /* In order, after the position asked for (or after the gap). */
	struct entry_id last;              /* The reader's position once it has these. */
	bool more;                         /* There is more: read on from `last`. */
	bool gap;                          /* Entries between gap_from (the position asked for) and gap_to (the position ... */
	struct entry_id gap_from;          /* ... that the first entry here follows, or `last`) are gone, and whether any ... */
	struct entry_id gap_to;            /* ... existed may not be known. */
	/* Mailbox only: the session. */
	bool away;
	struct store_state state;
	struct store_grants grants;
	size_t rooms_count;
	const struct store_joined *rooms;
};
typedef void store_view_fn(void *arg, const struct store_view *view);

/* Read what follows `after`, at most max_entries and (but for the first entry) max_bytes of payload. */
struct store_call *store_read_mailbox(struct store *, const struct name *id, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *, void *arg);
struct store_call *store_read_room(struct store *, const struct name *room, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *, void *arg);

/* The same of a queue, which has no gaps: OK, UNAVAILABLE. */
struct store_call *store_read_queue(struct store *, const struct name *queue, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *, void *arg);

/*
 * The last max entries of a room at or before `upto`, oldest first; `last` is the id of the first one returned (to go on with
 * what is before it: ask again upto the position just below), `more` whether there may be any before it.  No gaps.
 */
struct store_call *store_read_tail(struct store *, const struct name *room, struct entry_id upto, uint32_t max_entries,
    store_view_fn *, void *arg);

/* ---- Members and presence ---- */

struct store_member {
	struct name id;
	bool away;
	const char *data; /* JSON text, or empty; NUL-terminated. */
	size_t len;
};

struct store_members {
	enum store_status status; /* OK (also for a room that nobody is in), UNAVAILABLE */
	size_t total;             /* Members in all; */
	size_t count;             /* at most max of them are listed. */
	const struct store_member *members;
};
typedef void store_members_fn(void *arg, const struct store_members *members);
struct store_call *store_list_members(struct store *, const struct name *room, uint32_t max, store_members_fn *, void *arg);

struct store_session {
	enum store_status status; /* OK, GONE, UNAVAILABLE */
	bool away;
	struct entry_id last;  /* Of its mailbox. */
	struct entry_id acked; /* As store_ack last said; before that, the base id: where reading the mailbox starts. */
	const char *data;
	size_t data_len;
	struct store_state state;
	struct store_grants grants;
	size_t rooms_count;
	const struct store_joined *rooms;
	/* Of store_measure only: */
	uint32_t space; /* So many entries more, and one of its mailbox is forgotten that it has not acknowledged, nor was handed; `enough` for as many
	                   and more. */
	bool has_lost;  /* One was forgotten already. */
};
typedef void store_session_fn(void *arg, const struct store_session *session);
struct store_call *store_look(struct store *, const struct name *id, store_session_fn *, void *arg);
/* The same, and how much its mailbox takes. */
struct store_call *store_measure(struct store *, const struct name *id, uint32_t enough, store_session_fn *, void *arg);

/*
 * Lists of all there is, in parts: from `at` on, 0-0 for the beginning, about max of them; go on at `next` while there is more.
 * What is there all the while is listed, perhaps more than once; a part may have nothing and yet be followed by others.
 */
struct store_room {
	const char *title;
	size_t members;
	struct entry_id last; /* Of its log. */
};

struct store_rooms {
	enum store_status status; /* OK, UNAVAILABLE */
	bool more;
	struct entry_id next; /* No more than a number for this store. */
	size_t count;
	const struct store_room *rooms;
};
typedef void store_rooms_fn(void *arg, const struct store_rooms *rooms);
struct store_call *store_list_rooms(struct store *, struct entry_id at, uint32_t max, store_rooms_fn *, void *arg);

struct store_sessions {
	enum store_status status; /* OK, UNAVAILABLE */
	bool more;
	struct entry_id next;
	size_t count;
	const struct store_member *sessions;
};
typedef void store_sessions_fn(void *arg, const struct store_sessions *sessions);
struct store_call *store_list_sessions(struct store *, struct entry_id at, uint32_t max, store_sessions_fn *, void *arg);
/* The sessions of a user, all of them at once. */
struct store_call *store_list_user(struct store *, const struct name *user, store_sessions_fn *, void *arg);

/* A client of session id was heard from.  Cheap: collected and written together a few times a minute. */
void store_touch(struct store *, const struct name *id);

/*
 * The client has all of its mailbox up to pos.  Remembered if later than before; with `idle`, a mailbox that has nothing
 * behind pos also gives its memory back.  Best effort.
 */
void store_ack(struct store *, const struct name *id, struct entry_id pos, bool idle);
/* The client was handed all of its mailbox up to pos on a connection that it goes on to read: store_measure counts that as acknowledged. */
void store_hand(struct store *, const struct name *id, struct entry_id pos);

enum store_presence_result { STORE_PRESENCE_NONE, STORE_PRESENCE_AWAY, STORE_PRESENCE_BACK, STORE_PRESENCE_GONE };

struct store_presence {
	enum store_status status; /* OK, GONE, UNAVAILABLE */
	enum store_presence_result result;
};
typedef void store_presence_fn(void *arg, const struct store_presence *presence);

/*
 * Each appends its payload + public data to the log of every room the session is in, once however many instances call it:
 * lapse: if the session is due: mark it away (payload `away`; its readers hear on_changed, for it may be that only the touches
 *        were late), or, being away already, remove it as store_close does (payload `leave`).  NONE when it was touched in the
 *        meantime.
 * back:  clear the mark (NONE if there was none).
 * close: remove the session, its mailbox and memberships; its parked readers hear on_closed.
 */
struct store_call *store_lapse(struct store *, const struct name *id, const char *away, const char *leave, store_presence_fn *, void *arg);
struct store_call *store_back(struct store *, const struct name *id, const char *back, store_presence_fn *, void *arg);
struct store_call *store_close(struct store *, const struct name *id, const char *leave, store_presence_fn *, void *arg);

struct store_due {
	enum store_status status; /* OK, UNAVAILABLE */
	size_t count;
	const struct name *ids;
};
typedef void store_due_fn(void *arg, const struct store_due *due);

/*
 * Sessions that are due for store_lapse, claimed for some seconds so that other instances do not get them too; also brings
 * the counts up to date and forgets rooms past their time.  Visits a part of the store at each call: call it every second.
 */
struct store_call *store_sweep(struct store *, store_due_fn *, void *arg);

/* ---- The doorbell ---- */

struct store_sink {
	struct name session;
	int64_t since; /* When it began, by store_now. */
	bool yields;   /* Heard: where two began in the same millisecond this is the one that ends. */
};

struct store_listener {
	/* An entry was appended behind prev; payload is NULL when it is to be read. */
	void (*on_entry)(void *arg, const struct name *stream, struct entry_id prev, const struct store_entry *entry);
	/* Something about the stream or session changed, or notices may have been lost: read again.  Of a session that enters or leaves
	   a room or gets grants it comes before the entries that the same call appends behind that. */
	void (*on_changed)(void *arg, const struct name *stream);
	/* The session was closed. */
	void (*on_closed)(void *arg, const struct name *session);
	/* Another instance (never this one) announced a sink of the session. */
	void (*on_taken)(void *arg, const struct store_sink *sink);
};

/* Set once, before anything else.  Lends listener and arg for the life of the store. */
void store_listen(struct store *, const struct store_listener *listener, void *arg);

/* The same for queues: something was appended, or may have been; also of other names that are watched.  Optional. */
typedef void store_queued_fn(void *arg, const struct name *queue);
void store_listen_queues(struct store *, store_queued_fn *, void *arg);

/*
 * Hear of this stream (session, room or queue).  Counted: unwatch as often as watched.  A notice is a matter of speed only: it can be
 * lost, repeated or late, never wrong.  Watch first, then read; on_changed comes whenever watching was interrupted.  False: notices
 * do not come yet; on_changed will tell when they do.
 */
bool store_watch(struct store *, const struct name *stream);
void store_unwatch(struct store *, const struct name *stream);

/* Milliseconds since the epoch, by the clock that all instances share. */
int64_t store_now(struct store *);

/* Tell all other instances that these n sinks are here.  Best effort. */
void store_take(struct store *, const struct store_sink *sinks, size_t n);

struct store_probe {
	enum store_status status; /* OK, UNAVAILABLE */
	int64_t latency_us;       /* From writing an entry to hearing of it. */
};
typedef void store_probe_fn(void *arg, const struct store_probe *probe);
/* Append to a stream of this instance's own and wait until the doorbell told; UNAVAILABLE after limit_ms. */
struct store_call *store_try(struct store *, int64_t limit_ms, store_probe_fn *, void *arg);

/* ---- The store itself ---- */

/* The callback will not run.  The operation may or may not take effect.  NULL does nothing. */
void store_cancel(struct store_call *);

/* Cancels all calls. */
void store_free(struct store *);

struct store *store_memory_new(struct event_base *base, const struct store_limits *limits);

struct store_redis_options {
	const char *url;    /* redis://[[user]:password@]host[:port][/db]; checked by store_redis_check_url */
	const char *prefix; /* In front of every key and channel. */
	int64_t timeout_ms; /* A command takes no longer, or is UNAVAILABLE. */
};
/* NULL, or a sentence that says what is wrong with url. */
const char *store_redis_check_url(const char *url);
/* Connects from the loop, and again for as long as it takes; calls made while there is no connection wait a little, then say UNAVAILABLE. */
struct store *store_redis_new(struct event_base *base, const struct store_redis_options *options, const struct store_limits *limits);

#endif
