/* All readers of this instance: the doorbell, the turns in which they deliver, what other instances hear of them: see hub.h. */
#include "core/hub.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/hub_private.h"

#define REREADS_PER_TICK 1000 /* After an instance has come back all are due at about the same time. */
#define READERS_PER_TURN 2000 /* Delivered to before other events get their turn. */
#define ANNOUNCE_MS 500       /* Sinks that stay so long are announced, all of them in one message. */
#define TICK_MS 1000

struct reader *
hub_find(const struct hub *hub, const struct name *session)
{
	struct reader *reader;

	HASH_FIND(hh, hub->readers, session->s, NAME_LEN, reader);
	return reader;
}

bool
hub_has(const struct hub *hub, const struct name *session)
{
	return hub_find(hub, session) != NULL;
}

void
hub_end(struct hub *hub, const struct name *session, enum sink_end why)
{
	struct reader *reader = hub_find(hub, session);

	if (reader)
		reader->sink->ops->end(reader->sink, why);
}

void
hub_ack(struct hub *hub, const struct name *session, const struct cursor *cursor)
{
	struct reader *reader = hub_find(hub, session);

	if (reader)
		reader_ack(reader, cursor);
	else if (cursor->dirty)
		store_ack(hub->store, session, cursor->mailbox, true);
}

/* ---- The doorbell ---- */

static void
on_entry(void *arg, const struct name *stream, struct entry_id prev, const struct store_entry *entry)
{
	struct channel *channel = channel_find(arg, stream);
	struct message *shared = NULL;
	struct feed *feed;

	if (!channel)
		return;
	LIST_FOREACH(feed, &channel->feeds, in_channel)
		feed_hear(feed, prev, entry, &shared);
	message_unref(shared);
}

/* Another instance has perhaps not heard of this sink. */
static void
announce_again(struct hub *hub, struct reader *reader)
{
	if (!reader->announced)
		return;
	reader->announced = false;
	hub_announce_soon(hub, reader);
}

static void
on_changed(void *arg, const struct name *stream)
{
	struct channel *channel = channel_find(arg, stream);
	struct reader *reader = hub_find(arg, stream);
	struct feed *feed;

	if (!channel)
		return;
	channel->deaf = false;
	if (reader) /* The doorbell was perhaps away. */
		announce_again(arg, reader);
	LIST_FOREACH(feed, &channel->feeds, in_channel)
		feed_want(feed);
}

/* What was said to it before comes first, as far as it is here: nobody can read it any more. */
static void
on_closed(void *arg, const struct name *session)
{
	struct reader *reader = hub_find(arg, session);

	if (reader && !reader->paused && !reader->sink->on_state)
		reader_flush(reader);
	hub_end(arg, session, SINK_CLOSED);
}

/* Two that hear of each other: the one that began earlier ends. */
static void
on_taken(void *arg, const struct store_sink *sink)
{
	struct reader *reader = hub_find(arg, &sink->session);

	if (!reader)
		return;
	if (reader->since < sink->since || (reader->since == sink->since && !sink->yields))
		hub_end(arg, &sink->session, SINK_TAKEN);
	else
		announce_again(arg, reader);
}

static const struct store_listener listener = {on_entry, on_changed, on_closed, on_taken};

/* ---- Turns ---- */

void
hub_add_ready(struct hub *hub, struct reader *reader)
{
	if (TAILQ_EMPTY(&hub->ready))
		event_active(hub->turn, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&hub->ready, reader, in_ready);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0, 0};
	struct hub *hub = arg;
	struct reader *reader;

	(void)fd;
	(void)what;
	for (int i = 0; i < READERS_PER_TURN && (reader = TAILQ_FIRST(&hub->ready)); i++) {
		TAILQ_REMOVE(&hub->ready, reader, in_ready);
		reader->ready = false;
		if (reader->reading == 0)
			reader_deliver(reader);
	}
	/* Not event_active(): that would come before sockets are looked at. */
	if (!TAILQ_EMPTY(&hub->ready))
		event_add(hub->turn, &at_once);
}

/*
 * A store that loses a session, or a stream, rings no bell for it.  Who polls finds out by the next poll; a sink that stays would
 * wait for ever.
 */
static void
reread(struct hub *hub, int64_t now)
{
	struct reader *reader;

	for (int i = 0; i < REREADS_PER_TICK && (reader = TAILQ_FIRST(&hub->rereads)) && reader->reread_at <= now; i++) {
		TAILQ_REMOVE(&hub->rereads, reader, in_rereads);
		hub_reread_later(hub, reader);
		reader_reread(reader);
	}
}

void
hub_reread_later(struct hub *hub, struct reader *reader)
{
	reader->reread_at = clock_mono_ms() + hub->config.reread_ms;
	TAILQ_INSERT_TAIL(&hub->rereads, reader, in_rereads);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hub *hub = arg;
	struct feed *feed, *next;
	struct reader *reader, *following;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	for (feed = TAILQ_FIRST(&hub->stale); feed; feed = next) {
		next = TAILQ_NEXT(feed, in_stale);
		feed_want(feed);
	}
	reread(hub, now);
	if (now - hub->touched_at < hub->config.away_after_ms / 8)
		return;
	hub->touched_at = now;
	HASH_ITER(hh, hub->readers, reader, following) {
		if (now - reader->touched_at < hub->config.away_after_ms / 2)
			continue;
		reader->touched_at = now;
		store_touch(hub->store, &reader->session);
	}
}

/* ---- Announcing sinks to the other instances ---- */

void
hub_announced(struct hub *hub, struct reader *reader)
{
	reader->announced = true;
	TAILQ_REMOVE(&hub->unannounced, reader, in_unannounced);
	hub->unannounced_count--;
}

void
hub_announce_soon(struct hub *hub, struct reader *reader)
{
	struct timeval soon = clock_timeval(ANNOUNCE_MS);

	if (hub->unannounced_count++ == 0)
		event_add(hub->announce, &soon);
	TAILQ_INSERT_TAIL(&hub->unannounced, reader, in_unannounced);
}

static void
on_announce(evutil_socket_t fd, short what, void *arg)
{
	struct hub *hub = arg;
	struct store_sink *sinks;
	struct reader *reader;
	size_t n = 0;

	(void)fd;
	(void)what;
	if (hub->unannounced_count == 0)
		return;
	sinks = mem_zero(hub->unannounced_count, sizeof *sinks);
	while ((reader = TAILQ_FIRST(&hub->unannounced))) {
		sinks[n++] = (struct store_sink){.session = reader->session, .since = reader->since};
		hub_announced(hub, reader);
	}
	store_take(hub->store, sinks, n);
	free(sinks);
}

/* ---- Life ---- */

struct hub *
hub_new(struct event_base *base, struct store *store, const struct hub_config *config, const struct hub_observer *observer,
    void *arg)
{
	struct hub *hub = mem_zero(1, sizeof *hub);
	int64_t tick_ms = config->away_after_ms / 8 < TICK_MS ? config->away_after_ms / 8 : TICK_MS;
	struct timeval tick = clock_timeval(tick_ms);

	hub->base = base;
	hub->store = store;
	hub->config = *config;
	hub->observer = observer;
	hub->arg = arg;
	hub->touched_at = clock_mono_ms();
	TAILQ_INIT(&hub->ready);
	TAILQ_INIT(&hub->stale);
	TAILQ_INIT(&hub->rereads);
	TAILQ_INIT(&hub->unannounced);
	hub->announce = event_new(base, -1, 0, on_announce, hub);
	hub->turn = event_new(base, -1, 0, on_turn, hub);
	hub->tick = event_new(base, -1, EV_PERSIST, on_tick, hub);
	event_add(hub->tick, &tick);
	store_listen(store, &listener, hub);
	return hub;
}

void
hub_free(struct hub *hub)
{
	if (!hub)
		return;
	assert(!hub->readers && !hub->channels && TAILQ_EMPTY(&hub->rereads));
	event_free(hub->announce);
	event_free(hub->turn);
	event_free(hub->tick);
	free(hub);
}

