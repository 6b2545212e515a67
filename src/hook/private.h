/* What the parts of the hook share. */
#ifndef HOOK_PRIVATE_H
#define HOOK_PRIVATE_H

#include <event2/event.h>
#include <sys/queue.h>

#include "base/mem.h"

#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

#include "core/session.h"
#include "hook/hook.h"
#include "net/fetch.h"
#include "store/store.h"

#define LEASE_MS 3000

struct ask;
struct history;
struct identity;
struct lane;
struct queue;

/* ---- The whole (hook.c) ---- */

struct hook {
	struct hook_parts parts;
	struct hook_secrets *secrets; /* Owned; NULL: nothing is signed. */
	struct identity *identity;    /* Owned; NULL: without --hook-auth. */
	bool wants[HOOK_KINDS];
	struct fetcher *fetcher;  /* For events ... */
	struct fetcher *connects; /* ... and for those who wait for the answer. */
	LIST_HEAD(, ask) asks;
	LIST_HEAD(, ask) held;    /* Of connects: they wait for a token. */
	LIST_HEAD(, history) histories;
	LIST_HEAD(, hook_ask) opening; /* Connects. */
	unsigned connecting;      /* Connects that are being asked about. */
	unsigned failures;        /* In a row. */
	int64_t warns_at[HOOK_KINDS]; /* By clock_mono_ms: when the next line may say that such an event was not answered well. */
	bool open;                /* The circuit: one thing at a time is asked. */
	struct name holder;       /* By which leases know this instance. */
	struct queue *queues[STORE_QUEUES];
	struct event *tick;
	unsigned ticks;
	unsigned next_try;        /* The queue to be asked for next. */
	unsigned wish;            /* That whose holder is told how few this instance has. */
	unsigned running;         /* Lanes that have something under way, of all queues. */
	TAILQ_HEAD(, lane) ready; /* Those that have something to ask, in order. */
	bool draining;
};

/* ---- Asking (ask.c) ---- */

struct asked {
	struct hook_answer *answer; /* NULL if it failed: ... */
	const char *why;            /* ... for that, and the backend wants to be left alone for ... */
	int64_t retry_after_ms;     /* ... so long. */
};

/* All lent; but whoever keeps the answer leaves an empty one. */
typedef void ask_fn(void *arg, const struct asked *asked);

/* How many events may be asked about at once: none without a token. */
unsigned ask_limit(struct hook *);

/*
 * Ask about event; attempt counts from 1.  NULL, and nothing will be called, if as much is asked as may, or there is no token.
 * A connect waits for one that is coming.
 */
struct ask *ask_start(struct hook *, struct fetcher *, const struct hook_event *event, unsigned attempt, ask_fn *, void *arg);
void ask_cancel(struct ask *); /* NULL does nothing. */
/* Send, or fail, those that are held. */
void asks_release(struct hook *);

/* ---- The token by which the backend knows who asks, from the metadata server of Google Cloud (identity.c) ---- */

/* There is another token, or there was none to be had: no other one is under way. */
typedef void identity_fn(void *arg);

/* NULL, after a log line, if the environment names a host that is none. */
struct identity *identity_new(struct event_base *, const struct options *, identity_fn *, void *arg);
void identity_free(struct identity *); /* NULL does nothing. */
/* A value for Authorization, lent until the loop goes on; NULL while there is no token. */
const char *identity_header(struct identity *);
/* Of the token that this was. */
unsigned identity_number(const struct identity *);
bool identity_is_coming(const struct identity *);
/* The backend did not take the token of this number: have another one, unless that came in its place. */
void identity_refused(struct identity *, unsigned number);

/* ---- Queues (queue.c) ---- */

struct job { /* An entry. */
	TAILQ_ENTRY(job) in_lane;
	struct entry_id id;
	size_t len;
	char payload[]; /* NUL-terminated. */
};

struct queue {
	struct hook *hook;
	struct name name;
	bool held;
	bool leaving;              /* Nothing of it is begun any more: it is given back when nothing is under way. */
	unsigned rests_until;      /* The tick: it was given back to another, who is to have it. */
	int64_t until;             /* By the monotonic clock: who held it until then may not hold it now. */
	struct store_call *lease;  /* Under way, or NULL; as is ... */
	struct store_call *reading;
	int64_t asked_at;          /* When the lease was. */
	bool stale;                /* There may be more behind position. */
	struct entry_id position;
	unsigned running;          /* Lanes that have something under way. */
	size_t count, bytes;       /* Of entries that were read and are not finished. */
	size_t aside;              /* Of these, those whose lanes wait for clients. */
	unsigned resting;          /* Lanes about whose first entry the backend wants to be left alone. */
	struct lane *lanes;        /* By session. */
};

struct queue *queue_new(struct hook *, unsigned number);
void queue_free(struct queue *);
void queue_hold(struct queue *, int64_t ms); /* Take the lease, or renew it; 0: give it back. */
void queue_wish(struct queue *);             /* Take the lease, or tell who holds it how many queues are held here. */
void queue_release(struct queue *);          /* Give it back if that is to be, and nothing of it is under way. */
void queue_drop(struct queue *);             /* It is held no more: forget all. */
void queue_read(struct queue *);             /* Unless there is enough to do. */
void queue_done(struct queue *, size_t len); /* An entry of len bytes is finished. */
bool queue_is_heavy(const struct queue *);   /* No more of it is read for the bytes that wait. */

/* ---- Lanes: one session's entries in order (lane.c) ---- */

void lane_add(struct queue *, const struct store_entry *entry);
struct lane *lane_next(const struct lane *); /* Of the same queue; NULL at the end. */
void lane_free(struct lane *);
/* Start lanes that are ready, as far as may be. */
void lanes_run(struct hook *);
/* Histories that are being read; nothing calls back any more. */
void histories_free(struct hook *);

#endif
