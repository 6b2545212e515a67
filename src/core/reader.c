/* All streams of one session, and what was read of them and not delivered yet: see hub.h. */
#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/grants.h"
#include "core/hub_private.h"

#define HAND_EACH 8 /* So many entries are handed before the store is told: a client that gets little acknowledges in time. */
#define EXPIRY_STEP_MS 3600000 /* The store's clock may be set meanwhile. */

/* ---- What a reader has to deliver ---- */

bool
reader_has_pending(const struct reader *reader)
{
	return reader->pending_count + reader->gaps_count > 0;
}

bool
reader_is_full(const struct reader *reader)
{
	return reader->full || reader->pending_bytes >= reader->hub->config.answer_max;
}

size_t
reader_share(const struct reader *reader)
{
	size_t feeds = reader->reading + reader->stale;
	size_t left = reader_is_full(reader) ? 0 : reader->hub->config.answer_max - reader->pending_bytes;

	return left / feeds > 0 ? left / feeds : 1;
}

void
reader_make_ready(struct reader *reader)
{
	if (reader->ready || reader->paused || reader->reading > 0 || !reader_has_pending(reader))
		return;
	reader->ready = true;
	hub_add_ready(reader->hub, reader);
}

void
reader_add_gap(struct reader *reader, const struct feed *feed, struct entry_id from, struct entry_id to)
{
	if (entry_id_compare(from, to) == 0)
		return;
	reader->gaps = mem_resize(reader->gaps, reader->gaps_count + 1, sizeof *reader->gaps);
	reader->gaps[reader->gaps_count++] = (struct gap){feed->title ? mem_string(feed->title) : NULL, from, to};
}

bool
reader_add_message(struct reader *reader, const struct feed *feed, struct message *message)
{
	if (reader->pending_count > 0 && reader->pending_bytes + message->size > reader->hub->config.answer_max) {
		reader->full = true;
		return false;
	}
	if (reader->pending_count % 8 == 0)
		reader->pending = mem_resize(reader->pending, reader->pending_count + 8, sizeof *reader->pending);
	reader->pending[reader->pending_count++] = message_ref(message);
	reader->pending_bytes += message->size;
	reader->news |= !feed->title;
	return true;
}

void
reader_order(struct reader *reader, size_t from)
{
	for (size_t i = from; i < reader->pending_count; i++) {
		struct message *message = reader->pending[i];
		size_t at = i;

		for (; at > 0 && entry_id_compare(reader->pending[at - 1]->id, message->id) > 0; at--)
			reader->pending[at] = reader->pending[at - 1];
		reader->pending[at] = message;
	}
}

/* Nothing is pending any more. */
static void
reader_forget(struct reader *reader)
{
	reader->pending = NULL;
	reader->gaps = NULL;
	reader->pending_count = reader->pending_bytes = reader->gaps_count = 0;
	reader->full = reader->news = false;
}

static void
reader_clear(struct reader *reader)
{
	for (size_t i = 0; i < reader->pending_count; i++)
		message_unref(reader->pending[i]);
	for (size_t i = 0; i < reader->gaps_count; i++)
		free((char *)reader->gaps[i].room);
	free(reader->pending);
	free(reader->gaps);
	reader_forget(reader);
}

/* ---- Rooms ---- */

static struct feed *
reader_add_room(struct reader *reader, const struct name *room, const char *title, struct entry_id position)
{
	struct feed *feed = mem_zero(1, sizeof *feed);

	feed->title = mem_string(title);
	feed_start(feed, reader, room, position);
	reader->rooms = mem_resize(reader->rooms, reader->rooms_count + 1, sizeof(struct feed *));
	reader->rooms[reader->rooms_count++] = feed;
	return feed;
}

static struct feed *
reader_find_room(const struct reader *reader, const struct name *room)
{
	for (size_t i = 0; i < reader->rooms_count; i++)
		if (name_equal(&reader->rooms[i]->channel->name, room))
			return reader->rooms[i];
	return NULL;
}

static void
reader_drop_pending(struct reader *reader, const char *title)
{
	size_t kept = 0;

	for (size_t i = 0; i < reader->pending_count; i++) {
		struct message *message = reader->pending[i];

		if (!message->room || strcmp(message->room, title) != 0) {
			reader->pending[kept++] = message;
			continue;
		}
		reader->pending_bytes -= message->size;
		message_unref(message);
	}
	reader->pending_count = kept;
}

/* The session left the room and joined it anew: what is in between is not for it. */
static void
reader_skip(struct reader *reader, struct feed *feed, struct entry_id since)
{
	feed_cancel(feed);
	reader_drop_pending(reader, feed->title);
	reader_add_gap(reader, feed, feed->told, since);
	feed->position = since;
	feed->doubtful = false;
	feed_set_stale(feed);
}

static void
reader_see_room(struct reader *reader, const struct store_joined *joined)
{
	struct feed *feed = reader_find_room(reader, &joined->room);
	const struct entry_id *position = cursor_find(&reader->start, &joined->room);

	if (!feed) {
		feed = reader_add_room(reader, &joined->room, joined->title, position ? *position : joined->since);
		feed->sure = true;
		feed_set_stale(feed);
	}
	if (entry_id_compare(feed->position, joined->since) < 0)
		reader_skip(reader, feed, joined->since);
	else if (feed->doubtful && !reader->mailbox.stale && !reader->mailbox.again) { /* Else this may be from before it left. */
		feed->doubtful = false;
		feed->sure = true;
	}
	feed->since = joined->since;
	feed->wanted = true;
}

/* Follow exactly the rooms that the store says the session is in. */
static void
reader_reconcile_rooms(struct reader *reader, const struct store_view *view)
{
	size_t kept = 0;

	for (size_t i = 0; i < view->rooms_count; i++)
		reader_see_room(reader, &view->rooms[i]);
	cursor_free(&reader->start);
	for (size_t i = 0; i < reader->rooms_count; i++) {
		struct feed *feed = reader->rooms[i];

		if (feed->wanted) {
			feed->wanted = false;
			reader->rooms[kept++] = feed;
			continue;
		}
		feed_stop(feed);
		free(feed);
	}
	reader->rooms_count = kept;
}

/* The session is in rooms that the store does not have. */
static void
reader_tell_lost(struct reader *reader)
{
	const struct hub *hub = reader->hub;

	for (size_t i = 0; i < reader->rooms_count; i++)
		if (reader->rooms[i]->lost)
			hub->observer->on_room_lost(hub->arg, &reader->session, reader->rooms[i]->title);
}

bool
reader_rooms_are_read(const struct reader *reader)
{
	for (size_t i = 0; i < reader->rooms_count; i++) {
		const struct feed *feed = reader->rooms[i];

		if (feed->call || (feed->stale && !feed->lost) || feed->channel->deaf)
			return false;
	}
	return true;
}

/*
 * What the mailbox was read up to may be the end of something that begins in rooms: in those that are deaf, in those where something
 * came while they were read, and, where the mailbox is ahead of its own notices, in any.
 */
static void
reader_suspect_rooms(struct reader *reader)
{
	bool ahead = entry_id_compare(reader->mailbox.position, reader->noticed) > 0;

	for (size_t i = 0; reader->news && i < reader->rooms_count; i++) {
		struct feed *feed = reader->rooms[i];

		if (feed->call)
			feed->again |= ahead || feed->channel->deaf || feed->heard.ms > 0;
		else if (ahead || feed->channel->deaf)
			feed_set_stale(feed);
	}
}

/* Read the rooms that are to be read, unless that has to wait for the store or for what is pending. */
static void
reader_read_rooms(struct reader *reader)
{
	for (size_t i = 0; i < reader->rooms_count; i++)
		if (reader->rooms[i]->stale && !reader->rooms[i]->lost && !reader_is_full(reader))
			feed_read(reader->rooms[i]);
}

/* ---- Until when it may read ---- */

static void
wait_for_expiry(struct reader *reader, int64_t left)
{
	struct timeval tv = clock_timeval(left < EXPIRY_STEP_MS ? left : EXPIRY_STEP_MS);

	event_add(reader->expiry, &tv);
}

static void
on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct reader *reader = arg;
	int64_t left = reader->until - store_now(reader->hub->store);

	(void)fd, (void)what;
	if (left > 0)
		wait_for_expiry(reader, left);
	else
		reader->sink->ops->end(reader->sink, SINK_EXPIRED);
}

/* False if the grants let it read no more. */
static bool
reader_take_grants(struct reader *reader, const struct store_grants *text)
{
	int64_t now = store_now(reader->hub->store);
	struct grants grants;

	if (!reader->hub->config.needs_grants)
		return true;
	if (!grants_hold(&grants, text->text, text->len, now))
		return false;
	if (reader->until == grants.until)
		return true;
	reader->until = grants.until;
	if (reader->expiry)
		event_free(reader->expiry);
	reader->expiry = NULL;
	if (grants.until) {
		reader->expiry = event_new(reader->hub->base, -1, 0, on_expiry, reader);
		wait_for_expiry(reader, grants.until - now);
	}
	return true;
}

/* ---- Reading ---- */

/* False if the sink stopped the reader. */
static bool
reader_tell_state(struct reader *reader, const struct store_state *state)
{
	struct sink *sink = reader->sink;

	return !sink->on_state || sink->on_state(sink, state->number, state->text, state->len);
}

/* A read is done. */
static void
reader_settle(struct reader *reader)
{
	reader_make_ready(reader);
	if (reader->reading == 0 && reader->stale == 0 && !reader_has_pending(reader))
		reader->sink->ops->caught_up(reader->sink);
}

static void
reader_take(struct reader *reader, struct feed *feed, const struct store_view *view)
{
	struct hub *hub = reader->hub;

	feed->lost = false;
	if (!feed->title) {
		if (view->away)
			hub->observer->on_back(hub->arg, &reader->session);
		reader_reconcile_rooms(reader, view);
		if (!feed->again && !feed->stale)
			reader_tell_lost(reader);
	}
	feed_take(feed, view);
	if (!feed->title) {
		reader_suspect_rooms(reader);
		reader_read_rooms(reader);
	}
}

void
reader_reread(struct reader *reader)
{
	for (size_t i = 0; i < reader->rooms_count; i++)
		feed_set_stale(reader->rooms[i]);
	feed_want(&reader->mailbox);
}

void
reader_on_view(void *arg, const struct store_view *view)
{
	struct feed *feed = arg;
	struct reader *reader = feed->reader;

	feed->call = NULL;
	reader->reading--;
	switch (view->status) {
	case STORE_OK:
		if (!feed->title && !reader_take_grants(reader, &view->grants)) {
			reader->sink->ops->end(reader->sink, SINK_EXPIRED);
			return;
		}
		if (!feed->title && !reader_tell_state(reader, &view->state))
			return;
		reader_take(reader, feed, view);
		break;
	case STORE_GONE:
		if (!feed->title) {
			reader->sink->ops->end(reader->sink, SINK_CLOSED);
			return;
		}
		feed->lost = true;
		feed_set_stale(feed);
		feed_want(&reader->mailbox); /* Perhaps it left the room, and the room went with it. */
		break;
	default:
		feed_set_stale(feed); /* Tried again by the tick, or when the doorbell is back. */
	}
	reader_settle(reader);
}

void
reader_on_place(void *arg, const struct store_session *session)
{
	struct feed *feed = arg;
	struct reader *reader = feed->reader;

	feed->call = NULL;
	reader->reading--;
	if (session->status == STORE_GONE) {
		reader->sink->ops->end(reader->sink, SINK_CLOSED);
		return;
	}
	if (session->status != STORE_OK) {
		feed_set_stale(feed);
		return;
	}
	reader->placed = true;
	feed->position = feed->told = session->last;
	feed_read(feed);
}

/* ---- Delivering ---- */

void
reader_cursor(const struct reader *reader, struct cursor *cursor)
{
	*cursor = (struct cursor){.dirty = reader->dirty, .mailbox = feed_stands(&reader->mailbox)};
	if (reader->rooms_count + reader->start.count == 0)
		return;
	cursor->rooms = mem_zero(reader->rooms_count + reader->start.count, sizeof *cursor->rooms);
	for (size_t i = 0; i < reader->rooms_count; i++)
		cursor->rooms[cursor->count++] = (struct cursor_room){reader->rooms[i]->channel->name, feed_stands(reader->rooms[i])};
	for (size_t i = 0; i < reader->start.count; i++) /* The store has not been heard of yet: keep what the client had. */
		if (!reader_find_room(reader, &reader->start.rooms[i].room))
			cursor->rooms[cursor->count++] = reader->start.rooms[i];
}

/* Go on with what did not fit. */
static void
reader_continue(struct reader *reader)
{
	if (reader->mailbox.stale)
		feed_read(&reader->mailbox);
	reader_read_rooms(reader);
}

/* What the reader had is with a sink that stays. */
static void
reader_hand(struct reader *reader, const struct reader *had)
{
	for (size_t i = 0; i < had->pending_count; i++)
		reader->handed += !had->pending[i]->room;
	if (!reader->hub->config.hands || reader->handed < HAND_EACH)
		return;
	reader->handed = 0;
	store_hand(reader->hub->store, &reader->session, reader->mailbox.told);
}

void
reader_deliver(struct reader *reader)
{
	struct cursor cursor;
	struct batch batch;
	struct reader had = *reader; /* What is delivered outlives a reader that the sink stops. */

	metric_add(MESSAGES_DELIVERED, (int64_t)reader->pending_count);
	metric_add(GAPS, (int64_t)reader->gaps_count);
	reader->dirty |= reader->news;
	reader_forget(reader);
	reader->mailbox.told = reader->mailbox.position;
	for (size_t i = 0; i < reader->rooms_count; i++)
		reader->rooms[i]->told = reader->rooms[i]->position;
	reader_cursor(reader, &cursor);
	batch = (struct batch){&cursor, had.pending_count, had.pending, had.gaps_count, had.gaps, had.full || had.stale > 0};
	if (had.sink->ops->deliver(had.sink, &batch)) {
		reader_hand(reader, &had);
		reader_continue(reader);
	}
	reader_clear(&had);
	cursor_free(&cursor);
}

static void
reader_make_unready(struct reader *reader)
{
	if (reader->ready)
		TAILQ_REMOVE(&reader->hub->ready, reader, in_ready);
	reader->ready = false;
}

bool
reader_flush(struct reader *reader)
{
	assert(!reader->paused);
	if (!reader_has_pending(reader))
		return false;
	reader_make_unready(reader);
	reader_deliver(reader);
	return true;
}

void
reader_pause(struct reader *reader)
{
	reader->paused = true;
	reader_make_unready(reader);
}

void
reader_resume(struct reader *reader)
{
	reader->paused = false;
	reader_make_ready(reader);
}

/* ---- Life ---- */

/* No stream begins there: so the client has not been told yet where it is. */
static bool
is_nowhere(struct entry_id position)
{
	return entry_id_compare(position, (struct entry_id){0, 0}) == 0;
}

struct reader *
reader_start(struct hub *hub, const struct name *session, const struct cursor *cursor, struct sink *sink)
{
	struct reader *reader = mem_zero(1, sizeof *reader);

	hub_end(hub, session, SINK_TAKEN);
	reader->hub = hub;
	reader->session = *session;
	reader->sink = sink;
	reader->since = store_now(hub->store);
	reader->touched_at = clock_mono_ms();
	reader->placed = cursor && !is_nowhere(cursor->mailbox);
	reader->dirty = reader->placed && cursor->dirty;
	HASH_ADD(hh, hub->readers, session.s, NAME_LEN, reader);
	feed_start(&reader->mailbox, reader, session, cursor ? cursor->mailbox : (struct entry_id){0, 0});
	if (cursor && cursor->count > 0) {
		reader->start.rooms = (struct cursor_room *)mem_copy(cursor->rooms, cursor->count * sizeof *cursor->rooms);
		reader->start.count = cursor->count;
	}
	store_touch(hub->store, session);
	hub_announce_soon(hub, reader);
	hub_reread_later(hub, reader);
	if (reader->dirty)
		store_ack(hub->store, session, cursor->mailbox, false);
	feed_read(&reader->mailbox);
	return reader;
}

void
reader_idle(struct reader *reader)
{
	if (!reader->dirty)
		return;
	reader->dirty = false;
	store_ack(reader->hub->store, &reader->session, feed_stands(&reader->mailbox), true);
}

void
reader_ack(struct reader *reader, const struct cursor *cursor)
{
	if (!cursor->dirty)
		return;
	/* Of a mailbox with more in it the store keeps the memory. */
	store_ack(reader->hub->store, &reader->session, cursor->mailbox, true);
	if (entry_id_compare(cursor->mailbox, feed_stands(&reader->mailbox)) >= 0)
		reader->dirty = false;
}

void
reader_stop(struct reader *reader, struct cursor *cursor)
{
	struct hub *hub = reader->hub;

	if (cursor)
		reader_cursor(reader, cursor);
	HASH_DEL(hub->readers, reader);
	TAILQ_REMOVE(&hub->rereads, reader, in_rereads);
	if (!reader->announced)
		hub_announced(hub, reader);
	reader_make_unready(reader);
	for (size_t i = 0; i < reader->rooms_count; i++) {
		feed_stop(reader->rooms[i]);
		free(reader->rooms[i]);
	}
	feed_stop(&reader->mailbox);
	free(reader->rooms);
	reader_clear(reader);
	cursor_free(&reader->start);
	if (reader->expiry)
		event_free(reader->expiry);
	free(reader);
}
