/*
 * The hub as its files see it.  feed.c: one stream of one reader.  reader.c: all streams of a session, what was read of them
 * and not delivered yet.  hub.c: all readers of this instance, the doorbell, the turns in which they deliver.
 */
#ifndef CORE_HUB_PRIVATE_H
#define CORE_HUB_PRIVATE_H

#include <sys/queue.h>
#include <uthash.h>

#include "core/hub.h"
#include "store/store.h"

/* A stream that somebody here listens to. */
struct channel {
	struct name name;
	LIST_HEAD(, feed) feeds;
	bool deaf; /* Its notices do not come yet. */
	UT_hash_handle hh;
};

/* One stream of one reader. */
struct feed {
	LIST_ENTRY(feed) in_channel;
	TAILQ_ENTRY(feed) in_stale;
	struct channel *channel;
	struct reader *reader;   /* Lent: owns this. */
	struct store_call *call; /* A read under way. */
	struct entry_id position;
	struct entry_id told;    /* The position when the sink was last handed something. */
	struct entry_id since;   /* Of a room: when the session entered it. */
	struct entry_id heard;   /* The latest entry that was notified of since the last read began. */
	char *title;             /* Owned.  NULL: the mailbox. */
	bool stale;              /* Must be read (again) when that is possible: is in hub->stale. */
	bool again;              /* Read once more when the call is done. */
	bool lost;               /* The store does not have the room. */
	bool doubtful;           /* The session perhaps left the room: not read until the mailbox has told. */
	bool sure;               /* It has told just now that the session is in the room. */
	bool wanted;             /* Mark of reader_reconcile_rooms. */
};

struct reader {
	struct hub *hub; /* Lent. */
	struct name session;
	struct sink *sink; /* Lent. */
	struct feed mailbox;
	struct entry_id noticed; /* The latest entry of the mailbox that was notified of. */
	struct feed **rooms; /* Owned, each. */
	size_t rooms_count;
	struct cursor start; /* Positions that the client came with, for rooms that the store has not named yet. */
	struct message **pending; /* Read, and not delivered yet. */
	size_t pending_count, pending_bytes;
	struct gap *gaps; /* The same; their rooms are owned. */
	size_t gaps_count;
	unsigned reading; /* Feeds with a call under way, */
	unsigned stale;   /* and feeds in hub->stale. */
	bool placed;      /* False: the mailbox's position is to be asked for first. */
	bool dirty;       /* Mailbox entries were delivered since the last reader_idle. */
	bool news;        /* Mailbox entries are pending. */
	bool full;        /* Something has to wait until what is pending is delivered. */
	bool ready;       /* In hub->ready; never while it is paused. */
	bool paused;      /* By its sink. */
	unsigned handed;  /* Mailbox entries that were delivered and the store has not been told of. */
	bool announced;   /* Else in hub->unannounced. */
	int64_t since;    /* By store_now. */
	int64_t until;    /* The same: when the session's grants are over. */
	struct event *expiry; /* Owned; NULL unless they have an end. */
	int64_t touched_at;
	int64_t reread_at; /* When it is due. */
	TAILQ_ENTRY(reader) in_rereads;
	TAILQ_ENTRY(reader) in_ready;
	TAILQ_ENTRY(reader) in_unannounced;
	UT_hash_handle hh;
};

struct hub {
	struct event_base *base; /* Lent, as is store. */
	struct store *store;
	struct hub_config config;
	const struct hub_observer *observer; /* Lent, with arg. */
	void *arg;
	struct channel *channels;
	struct reader *readers;
	TAILQ_HEAD(, reader) ready;
	TAILQ_HEAD(, reader) rereads; /* All, in the order in which they are due. */
	TAILQ_HEAD(, reader) unannounced;
	size_t unannounced_count;
	TAILQ_HEAD(, feed) stale;
	struct event *announce;
	struct event *turn;
	struct event *tick;
	int64_t touched_at;
};

/* ---- feed.c ---- */

struct channel *channel_find(struct hub *, const struct name *name);

/* feed is zeroed but for its title. */
void feed_start(struct feed *feed, struct reader *reader, const struct name *name, struct entry_id position);
void feed_stop(struct feed *feed);
/* Cancel a read under way. */
void feed_cancel(struct feed *feed);
/* To be read when that is possible. */
void feed_set_stale(struct feed *feed);
/* Read from its position: now if nothing is pending, which goes first. */
void feed_want(struct feed *feed);
/* Read from its position now, or once more when the read under way is done; not while that is doubtful. */
void feed_read(struct feed *feed);
/* Where the client stands if it has what was delivered. */
struct entry_id feed_stands(const struct feed *feed);
/* Take what a read brought, up to what the reader can still take. */
void feed_take(struct feed *feed, const struct store_view *view);
/* A notice.  *shared: the message once it was made, for the next feed of the same channel. */
void feed_hear(struct feed *feed, struct entry_id prev, const struct store_entry *entry, struct message **shared);

/* ---- reader.c ---- */

bool reader_has_pending(const struct reader *);
bool reader_is_full(const struct reader *);
/* Bytes that the next read may bring: a share of what is left, for each feed that has to be read. */
size_t reader_share(const struct reader *);
void reader_add_gap(struct reader *, const struct feed *feed, struct entry_id from, struct entry_id to);
/* Takes a reference.  False, and nothing was done, if it has to wait for the next batch. */
bool reader_add_message(struct reader *, const struct feed *feed, struct message *message);
/* What was read is pending from there on: put it where it belongs among what is pending of other streams. */
void reader_order(struct reader *, size_t from);
/*
 * What a backend orders in one answer is told in its order, and the mailbox has the end of it.  So the mailbox does not go on from a
 * notice alone while rooms may have to be read, and what a read of it brings waits until they are.
 */
bool reader_rooms_are_read(const struct reader *);
/* If something is pending, nothing is being read and the sink takes it, it is delivered in the next turn. */
void reader_make_ready(struct reader *);
void reader_deliver(struct reader *);
void reader_reread(struct reader *);
store_view_fn reader_on_view;
store_session_fn reader_on_place;

/* ---- hub.c ---- */

struct reader *hub_find(const struct hub *, const struct name *session);
/* reader is ready: see to it that on_turn comes. */
void hub_add_ready(struct hub *, struct reader *reader);
/* Read all streams of reader anew after a while, unless it ends before. */
void hub_reread_later(struct hub *, struct reader *reader);
/* End the session's sink here, if there is one. */
void hub_end(struct hub *, const struct name *session, enum sink_end why);
/* A poll that is answered before that is never announced: it cannot be in another one's way any more. */
void hub_announce_soon(struct hub *, struct reader *reader);
void hub_announced(struct hub *, struct reader *reader);

#endif
