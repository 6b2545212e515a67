/*
 * What the parts of the contract test share: a store under test with an ear on its doorbell, its calls as functions that
 * wait for the answer, and answers that are kept (deep copies) until the kit is ended.
 */
#ifndef T_STORE_CONTRACT_KIT_H
#define T_STORE_CONTRACT_KIT_H

#include <event2/event.h>

#include "../tap.h"
#include "base/clock.h"
#include "base/mem.h"
#include "contract.h"

#define KIT_LIMIT_MS (10000 * kit_slowness) /* Nothing takes so long. */

enum heard { HEARD_ENTRY, HEARD_CHANGED, HEARD_CLOSED, HEARD_TAKEN, HEARD_QUEUED };

struct notice {
	enum heard kind;
	struct name stream;
	struct entry_id prev, id; /* TAKEN: prev.ms is when the sink began, prev.seq 1 if it yields. */
	char *payload; /* NULL when it is to be read. */
	size_t len;
};

struct ear {
	struct kit *kit;
	struct notice *notices;
	size_t count, room;
	void (*on_notice)(struct kit *, const struct notice *); /* Of a test; or NULL. */
};

/* One call and its answer.  Which fields are set depends on the call; they are named as in store.h. */
struct answer {
	struct answer *next;
	struct kit *kit;
	struct store_call *call; /* NULL once called back. */
	bool returned;           /* The call that asked has returned. */
	bool early;              /* Called back before that. */
	bool cancelled;
	int times;                        /* Called back so often. */
	void (*then)(struct answer *);    /* Of a test: run at the end of the callback; or NULL. */
	enum store_status status;
	bool created, away, more, gap;
	struct entry_id position, last, gap_from, gap_to, acked;
	uint32_t space;
	bool has_lost;
	uint64_t next_seq;
	size_t repeated, count, rooms_count, total, data_len;
	struct store_result *results;
	struct store_entry *entries;
	struct store_joined *rooms;
	struct store_member *members; /* Also the sessions of a list. */
	struct store_room *listed;
	struct name *ids;
	char *data;
	struct store_state state; /* Its text has a NUL behind it. */
	char *grants;             /* The same. */
	size_t grants_len;
	bool held;
	uint32_t told;
	enum store_presence_result result;
	int64_t latency_us;
};

struct kit {
	const struct contract *contract;
	struct event_base *base;
	struct event *tick;
	struct store *first, *second; /* second: NULL unless asked for and possible. */
	struct store *at;             /* The one that calls go to. */
	struct ear ear, ear_second;
	struct answer *answers;
	void **kept;
	size_t kept_count, kept_room;
};

extern int kit_slowness;                     /* TEST_SLOWNESS of the environment: multiplies all times. */
extern const struct store_limits kit_limits; /* Generous in everything. */
extern struct store_limits kit_brief;        /* The same with away_after_ms 300 and session_ttl_ms 900. */

void kit_prepare(void); /* Once, first: reads the environment. */

void kit_start(struct kit *, const struct contract *, const struct store_limits *limits);
/* With a second instance; false (and nothing started) if the store cannot have one. */
bool kit_start_two(struct kit *, const struct contract *, const struct store_limits *limits);
/* Ends with a test of its own: each callback ran once, and never before the call that asked for it had returned. */
void kit_end(struct kit *, const char *about);
/* For tests that free the store themselves: k->first is NULL then. */
void kit_turn(struct kit *); /* Turn the loop once; 5 ms at the most when nothing happens. */
void *kit_keep(struct kit *, const void *p, size_t len); /* A copy that lives until kit_end, with a NUL behind it. */

/* Turn the loop until condition holds; false when it did not within KIT_LIMIT_MS. */
#define kit_until(k, condition) \
	__extension__({ \
		int64_t kit_deadline = clock_mono_ms() + KIT_LIMIT_MS; \
		while (!(condition) && clock_mono_ms() < kit_deadline) \
			kit_turn(k); \
		(condition); \
	})

/* ---- Names and operations ---- */

struct name session_named(const char *text); /* At most 20 characters of base64url. */
struct name room_named(const char *title);   /* The same. */
struct name user_named(const char *text);    /* The same. */

struct store_op op_send(const struct name *target, const char *payload);
struct store_op op_room(const char *title, const char *payload);
struct store_op op_join(const char *title, const char *payload);
struct store_op op_leave(const char *title, const char *payload);
struct store_op op_set(const char *data, const char *payload);
struct store_op op_grant(const char *grants);
struct store_op op_grant_user(const struct name *user, const char *grants);
struct store_op op_send_user(const struct name *user, const char *payload);
struct store_op op_refuse(void);
struct store_op op_end(const char *payload);
struct store_op op_queue(const struct name *queue, const char *payload);
struct store_op op_tell(const struct name *target, const char *done, const char *end, const char *refused);
struct store_op op_with(struct store_op op, const char *event);
/* The same operation, of this session. */
struct store_op op_by(const struct name *id, struct store_op op);

/* ---- Calls: start_* return at once, the others wait for the answer ---- */

struct answer *await(struct answer *);
void cancel(struct answer *);

struct answer *start_open(struct kit *, const struct name *id, const char *data);
struct answer *start_open_queued(struct kit *, const struct name *id, const char *data, const char *end);
struct answer *start_finish(struct kit *, const struct store_item *item, const struct store_op *ops, size_t n);
struct answer *start_lease(struct kit *, const struct store_claim *claim);
struct answer *start_read_queue(struct kit *, const struct name *queue, struct entry_id after, uint32_t entries, size_t bytes);
struct answer *start_apply(struct kit *, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n);
struct answer *start_swap(struct kit *, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n);
struct answer *start_order(struct kit *, const struct store_once *once, const struct store_op *ops, size_t n);
struct answer *start_read_mailbox(struct kit *, const struct name *id, struct entry_id after, uint32_t entries, size_t bytes);
struct answer *start_read_room(struct kit *, const struct name *room, struct entry_id after, uint32_t entries, size_t bytes);
struct answer *start_read_tail(struct kit *, const struct name *room, struct entry_id upto, uint32_t entries);
struct answer *start_list_members(struct kit *, const struct name *room, uint32_t max);
struct answer *start_list_rooms(struct kit *, struct entry_id at, uint32_t max);
struct answer *start_list_sessions(struct kit *, struct entry_id at, uint32_t max);
struct answer *start_list_user(struct kit *, const struct name *user);
struct answer *start_look(struct kit *, const struct name *id);
struct answer *start_measure(struct kit *, const struct name *id, uint32_t enough);
struct answer *start_lapse(struct kit *, const struct name *id, const char *away, const char *leave);
struct answer *start_back(struct kit *, const struct name *id, const char *back);
struct answer *start_close(struct kit *, const struct name *id, const char *leave);
struct answer *start_sweep(struct kit *);
struct answer *start_try(struct kit *, int64_t limit_ms);

/* Open a session that must be new, and return its name; *base is where its mailbox begins (or NULL). */
struct name open_session(struct kit *, const char *text, const char *data, struct entry_id *base);
struct answer *apply(struct kit *, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n);
struct answer *apply_one(struct kit *, const struct name *id, uint64_t seq, struct store_op op);
struct answer *read_mailbox(struct kit *, const struct name *id, struct entry_id after);
struct answer *read_room(struct kit *, const char *title, struct entry_id after);
/* Send, join ... that must succeed; the id of the result. */
struct entry_id do_one(struct kit *, const struct name *id, struct store_op op);

enum touched { TOUCHED_KEPT, TOUCHED_LAPSED, TOUCHED_STARVED };
/*
 * For ms, touch id through one store and have the other call for its lapse.  STARVED: it lapsed, but this program had not had
 * the processor for so long that it was right.
 */
enum touched keep_touched(struct kit *, struct store *touching, struct store *lapsing, const struct name *id, int64_t ms);

/* ---- Looking at answers ---- */

struct entry_id id_of(uint64_t ms, uint64_t seq);
bool same_id(struct entry_id, struct entry_id);
void is_id(struct entry_id got, struct entry_id wanted, const char *what);
bool is_zero(struct entry_id);
/* Are the entries of this view these, separated by spaces? */
void is_entries(const struct answer *, const char *wanted, const char *what);
/* Do the answer's results have these codes? */
void is_codes(const struct answer *, const enum store_result_code *codes, size_t n, const char *what);
void is_status(const struct answer *, enum store_status wanted, const char *what);

/* ---- The ear ---- */

size_t heard_count(const struct ear *, enum heard kind, const struct name *stream);
const struct notice *heard_entry(const struct ear *, const struct name *stream, struct entry_id id);
void ear_clear(struct ear *);
/* Watch at k->at, and make sure by entries of session `prober` that it hears. */
void watch_session(struct kit *, const struct name *id);
void watch_room(struct kit *, const struct name *prober, const char *title);

#endif
