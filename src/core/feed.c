/* One stream of one reader: its channel, its place in the stream, notices and reads: see hub_private.h. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub_private.h"

/* Asked from the store at once.  Payloads may be large, and what does not fit in the answer is read for nothing. */
#define READ_ENTRIES 64

/* ---- Channels ---- */

struct channel *
channel_find(struct hub *hub, const struct name *name)
{
	struct channel *channel;

	HASH_FIND(hh, hub->channels, name->s, NAME_LEN, channel);
	return channel;
}

void
feed_start(struct feed *feed, struct reader *reader, const struct name *name, struct entry_id position)
{
	struct hub *hub = reader->hub;
	struct channel *channel = channel_find(hub, name);

	if (!channel) {
		channel = mem_zero(1, sizeof *channel);
		channel->name = *name;
		HASH_ADD(hh, hub->channels, name.s, NAME_LEN, channel);
		channel->deaf = !store_watch(hub->store, name);
	}
	feed->reader = reader;
	feed->channel = channel;
	feed->position = feed->told = position;
	LIST_INSERT_HEAD(&channel->feeds, feed, in_channel);
}

void
feed_cancel(struct feed *feed)
{
	if (!feed->call)
		return;
	store_cancel(feed->call);
	feed->call = NULL;
	feed->reader->reading--;
}

static void
feed_set_fresh(struct feed *feed)
{
	if (!feed->stale)
		return;
	feed->stale = false;
	feed->reader->stale--;
	TAILQ_REMOVE(&feed->reader->hub->stale, feed, in_stale);
}

void
feed_set_stale(struct feed *feed)
{
	if (feed->stale)
		return;
	feed->stale = true;
	feed->reader->stale++;
	TAILQ_INSERT_TAIL(&feed->reader->hub->stale, feed, in_stale);
}

void
feed_stop(struct feed *feed)
{
	struct hub *hub = feed->reader->hub;
	struct channel *channel = feed->channel;

	feed_cancel(feed);
	feed_set_fresh(feed);
	LIST_REMOVE(feed, in_channel);
	if (LIST_EMPTY(&channel->feeds)) {
		store_unwatch(hub->store, &channel->name);
		HASH_DEL(hub->channels, channel);
		free(channel);
	}
	free(feed->title);
}

/* ---- Entries ---- */

struct entry_id
feed_stands(const struct feed *feed)
{
	return reader_has_pending(feed->reader) ? feed->told : feed->position;
}

enum entry_kind { ENTRY_WANTED, ENTRY_UNWANTED, ENTRY_LEAVING };

/* Does the reader have the entry from another room, which the session had entered by then? */
static bool
feed_has_copy(const struct feed *feed, const struct store_entry *entry)
{
	const struct reader *reader = feed->reader;
	struct message_copies copies;
	struct entry_id id;
	struct name room;

	if (!message_peek_copies(entry->payload, entry->len, &copies))
		return false;
	while (message_next_copy(&copies, &room, &id))
		for (size_t i = 0; i < reader->rooms_count; i++)
			if (name_equal(&reader->rooms[i]->channel->name, &room) && entry_id_compare(reader->rooms[i]->since, id) < 0)
				return true;
	return false;
}

/* A room's member does not get what is for the history alone, nor what it sent itself, unless it asked. */
static enum entry_kind
feed_judge(const struct feed *feed, const struct store_entry *entry)
{
	enum message_flag flag;
	struct name from;

	if (!feed->title || !message_peek(entry->payload, entry->len, &flag, &from))
		return ENTRY_WANTED;
	if (flag == MESSAGE_KEPT || (feed->reader->sink->no_presence && feed_has_copy(feed, entry)))
		return ENTRY_UNWANTED;
	if (message_is_for_sender(flag))
		return ENTRY_WANTED;
	if (!name_equal(&from, &feed->reader->session))
		return feed->reader->sink->no_presence && message_is_gateways(flag) ? ENTRY_UNWANTED : ENTRY_WANTED;
	return flag == MESSAGE_LEAVE ? ENTRY_LEAVING : ENTRY_UNWANTED;
}

/* What follows may not be for this session. */
static void
feed_doubt(struct feed *feed)
{
	feed->doubtful = true;
	feed_set_stale(feed);
	feed_want(&feed->reader->mailbox);
}

/* The feed moves to behind entry.  False if what follows has to wait, or it did not move, since this has to. */
static bool
feed_accept(struct feed *feed, const struct store_entry *entry, struct message **shared)
{
	enum entry_kind kind = feed_judge(feed, entry);

	if (kind == ENTRY_WANTED) {
		if (!*shared)
			*shared = message_new(entry->id, feed->title, entry->payload, entry->len);
		if (!*shared)
			log_error("an entry of a stream is not one of ours and was skipped: is something else writing under our prefix?");
		else if (!reader_add_message(feed->reader, feed, *shared))
			return false;
	}
	feed->position = entry->id;
	if (kind == ENTRY_LEAVING)
		feed_doubt(feed);
	return kind != ENTRY_LEAVING;
}

static bool
feed_accept_gap(struct feed *feed, struct entry_id from, struct entry_id to)
{
	/* A room that its last member leaves is forgotten, and made anew by whoever sends to it. */
	if (feed->title && !feed->sure) {
		feed_doubt(feed);
		return false;
	}
	/* A client handles a batch's gaps first, and then drops what is not behind them: so none behind messages of its stream. */
	if (reader_has_pending(feed->reader) && entry_id_compare(feed->told, feed->position) != 0) {
		feed->reader->full = true;
		return false;
	}
	reader_add_gap(feed->reader, feed, from, to);
	feed->position = to;
	return true;
}

/* True if it took all of it. */
static bool
feed_accept_view(struct feed *feed, const struct store_view *view)
{
	bool good = !view->gap || feed_accept_gap(feed, view->gap_from, view->gap_to);

	for (size_t i = 0; good && i < view->count; i++) {
		struct message *message = NULL;

		good = feed_accept(feed, &view->entries[i], &message);
		message_unref(message);
	}
	if (good)
		feed->position = view->last;
	return good;
}

/* ---- Reads ---- */

void
feed_read(struct feed *feed)
{
	struct reader *reader = feed->reader;
	struct store *store = reader->hub->store;
	size_t share;

	if (feed->doubtful) {
		feed_set_stale(feed);
		return;
	}
	if (feed->call) {
		feed->again = true;
		return;
	}
	feed->again = false;
	feed->heard = (struct entry_id){0, 0};
	feed_set_fresh(feed);
	reader->reading++;
	share = reader_share(reader);
	if (feed->title)
		feed->call = store_read_room(store, &feed->channel->name, feed->position, READ_ENTRIES, share, reader_on_view, feed);
	else if (reader->placed)
		feed->call = store_read_mailbox(store, &reader->session, feed->position, READ_ENTRIES, share, reader_on_view, feed);
	else
		feed->call = store_look(store, &reader->session, reader_on_place, feed);
}

void
feed_want(struct feed *feed)
{
	if (reader_has_pending(feed->reader))
		feed_set_stale(feed);
	else
		feed_read(feed);
}

void
feed_take(struct feed *feed, const struct store_view *view)
{
	struct reader *reader = feed->reader;
	size_t pending = reader->pending_count;
	bool all = feed_accept_view(feed, view);

	reader_order(reader, pending);
	feed->sure &= !all;
	if (all && !view->more && !feed->again && entry_id_compare(feed->heard, feed->position) <= 0)
		return;
	feed_set_stale(feed);
	/* What came while it was read has to wait, or a stream that never pauses would never be delivered from. */
	if (!reader_is_full(reader) && (view->more || feed->again || !reader_has_pending(reader)))
		feed_read(feed);
}

void
feed_hear(struct feed *feed, struct entry_id prev, const struct store_entry *entry, struct message **shared)
{
	bool chains = entry_id_compare(prev, feed->position) == 0;

	if (entry_id_compare(entry->id, feed->position) <= 0)
		return;
	if (entry_id_compare(entry->id, feed->heard) > 0)
		feed->heard = entry->id;
	if (!feed->title && entry_id_compare(entry->id, feed->reader->noticed) > 0)
		feed->reader->noticed = entry->id;
	if (feed->lost) /* Not any more. */
		feed_want(feed);
	if (feed->call || feed->stale)
		return;
	if (chains && entry->payload && (feed->title || reader_rooms_are_read(feed->reader)) && feed_accept(feed, entry, shared)) {
		reader_make_ready(feed->reader);
		return;
	}
	if (!chains)
		metric_add(STORE_REREADS, 1);
	feed_want(feed);
}
