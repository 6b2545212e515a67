/* Parked polls: see poll.h. */
#include "transport/poll.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"
#include "net/http.h"
#include "transport/spread.h"

#define CATCH_UP_MS 5000 /* A poll that is not to wait: so long for the store to answer. */

struct poll;

/* One session of a poll. */
struct entry {
	struct sink sink; /* First: the hub's view of this. */
	struct poll *poll;
	struct reader *reader; /* NULL once the part is known. */
	uint64_t state;        /* See poll_session. */
	struct poll_part part;
};

/* A request.  It is answered when the parts of all its sessions are known, or in the next turn after one is. */
struct poll {
	struct polls *polls;
	const struct poll_protocol *protocol;
	void *client; /* Lent. */
	struct http_request *req;
	struct event hold;
	bool at_once; /* Not to be parked: answer as soon as all was read. */
	bool keeps;   /* See poll_request. */
	bool busy;    /* Being started or answered: entries that end meanwhile leave it alone. */
	LIST_ENTRY(poll) in_polls;
	uint32_t waiting; /* Entries with a reader. */
	uint32_t count;
	struct entry entries[];
};

struct polls {
	struct event_base *base; /* Lent, as is hub. */
	struct hub *hub;
	int64_t hold_ms, hold_max_ms;
	bool draining;
	LIST_HEAD(, poll) parked;
};

static int64_t
varied_hold(const struct polls *polls)
{
	int64_t ms = spread_around(polls->hold_ms);

	return ms < polls->hold_max_ms ? ms : polls->hold_max_ms;
}

static void
poll_wait(struct poll *poll, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(&poll->hold, &tv);
}

/* All readers were stopped; req is answered or gone. */
static void
poll_free(struct poll *poll)
{
	LIST_REMOVE(poll, in_polls);
	event_del(&poll->hold);
	for (size_t i = 0; i < poll->count; i++)
		buf_free(&poll->entries[i].part.document);
	free(poll);
}

/* All parts are known. */
static void
poll_answer(struct poll *poll)
{
	const struct poll_part **parts = mem_zero(poll->count, sizeof *parts);

	for (size_t i = 0; i < poll->count; i++)
		parts[i] = &poll->entries[i].part;
	poll->protocol->reply(poll->client, poll->req, parts, poll->count);
	free(parts);
	poll_free(poll);
}

/* ---- A session's part ---- */

static void
entry_stop(struct entry *entry, struct cursor *cursor)
{
	reader_stop(entry->reader, cursor);
	entry->reader = NULL;
	entry->poll->waiting--;
	metric_add(POLLS_PARKED, -1);
}

/* The part is known.  What else is ready in this turn comes along. */
static void
entry_settle(struct entry *entry)
{
	struct poll *poll = entry->poll;

	if (poll->busy)
		return;
	if (poll->waiting == 0)
		poll_answer(poll);
	else if (!poll->at_once)
		poll_wait(poll, 0);
}

static void
entry_write(struct entry *entry, const struct batch *batch)
{
	struct poll *poll = entry->poll;

	poll->protocol->write_batch(poll->client, (size_t)(entry - poll->entries), &entry->part.document, batch);
}

static void
entry_end_empty(struct entry *entry)
{
	struct cursor cursor;
	struct batch nothing = {.cursor = &cursor};

	metric_add(POLLS_EMPTY, 1);
	entry_stop(entry, &cursor);
	entry_write(entry, &nothing);
	cursor_free(&cursor);
	entry_settle(entry);
}

static bool
on_deliver(struct sink *sink, const struct batch *batch)
{
	struct entry *entry = (struct entry *)sink;

	entry_stop(entry, NULL);
	entry_write(entry, batch);
	entry_settle(entry);
	return false;
}

static void
on_end(struct sink *sink, enum sink_end why)
{
	struct entry *entry = (struct entry *)sink;

	if (why == SINK_TAKEN) {
		metric_add(POLLS_TAKEN_OVER, 1);
		entry->part.outcome = POLL_TAKEN;
		entry_end_empty(entry);
		return;
	}
	entry->part.outcome = why == SINK_EXPIRED ? POLL_EXPIRED : POLL_GONE;
	entry_stop(entry, NULL);
	entry_settle(entry);
}

static void
on_caught_up(struct sink *sink)
{
	struct entry *entry = (struct entry *)sink;

	if (entry->poll->at_once)
		entry_end_empty(entry);
}

static bool
on_state(struct sink *sink, uint64_t number, const char *text, size_t len)
{
	struct entry *entry = (struct entry *)sink;
	struct poll *poll = entry->poll;

	if (number == entry->state)
		return true;
	if (poll->protocol->is_alike &&
	    poll->protocol->is_alike(poll->client, (size_t)(entry - poll->entries), number, text, len)) {
		entry->state = number;
		return true;
	}
	entry->part.outcome = POLL_CHANGED;
	entry->part.state = number;
	buf_add(&entry->part.document, text, len);
	entry_stop(entry, NULL);
	entry_settle(entry);
	return false;
}

static const struct sink_ops entry_ops = {on_deliver, on_end, on_caught_up};

/* ---- The request ---- */

static void
on_hold(evutil_socket_t fd, short what, void *arg)
{
	struct poll *poll = arg;
	bool idle = !poll->at_once && poll->waiting == poll->count;

	(void)fd;
	(void)what;
	poll->busy = true;
	for (size_t i = 0; i < poll->count; i++) {
		struct entry *entry = &poll->entries[i];

		if (!entry->reader)
			continue;
		if (idle && !poll->keeps)
			reader_idle(entry->reader);
		if (!reader_flush(entry->reader))
			entry_end_empty(entry);
	}
	poll_answer(poll);
}

static void
stop_all(struct poll *poll)
{
	for (size_t i = 0; i < poll->count; i++)
		if (poll->entries[i].reader)
			entry_stop(&poll->entries[i], NULL);
}

void
poll_cancel(struct poll *poll)
{
	assert(!poll->req);
	stop_all(poll);
	poll_free(poll);
}

static void
on_gone(void *arg)
{
	struct poll *poll = arg;

	metric_add(POLLS_ABANDONED, poll->waiting);
	stop_all(poll);
	if (poll->protocol->gone)
		poll->protocol->gone(poll->client);
	poll_free(poll);
}

static void
entry_start(struct entry *entry, const struct poll_session *session)
{
	struct poll *poll = entry->poll;

	entry->sink.ops = &entry_ops;
	entry->sink.on_state = session->has_state ? on_state : NULL;
	entry->sink.no_presence = session->no_presence;
	entry->state = session->state;
	entry->part.wrong = session->wrong;
	if (session->wrong) {
		entry->part.outcome = POLL_WRONG;
		return;
	}
	metric_add(POLLS, 1);
	metric_add(POLLS_PARKED, 1);
	poll->waiting++;
	entry->reader = reader_start(poll->polls->hub, &session->id, session->cursor, &entry->sink);
}

struct poll *
poll_start(struct polls *polls, struct http_request *req, const struct poll_request *request)
{
	uint32_t count = request->count;
	struct poll *poll = mem_zero(1, sizeof *poll + count * sizeof poll->entries[0]);
	int64_t hold_ms = request->hold_ms >= 0 ? request->hold_ms : varied_hold(polls);

	poll->polls = polls;
	poll->protocol = request->protocol;
	poll->client = request->client;
	poll->req = req;
	poll->keeps = request->keeps;
	poll->count = count;
	LIST_INSERT_HEAD(&polls->parked, poll, in_polls);
	event_assign(&poll->hold, polls->base, -1, 0, on_hold, poll);
	if (req)
		http_park(req, on_gone, poll);
	poll->busy = true;
	for (size_t i = 0; i < count; i++) {
		poll->entries[i].poll = poll;
		entry_start(&poll->entries[i], &request->sessions[i]);
	}
	poll->busy = false;
	if (poll->waiting == 0) {
		poll_answer(poll);
		return NULL;
	}
	poll->at_once = hold_ms == 0 || polls->draining || poll->waiting < count; /* Something is to be told already. */
	poll_wait(poll, poll->at_once ? CATCH_UP_MS : hold_ms);
	return poll;
}

struct polls *
polls_new(struct event_base *base, struct hub *hub, int64_t hold_ms, int64_t hold_max_ms)
{
	struct polls *polls = mem_zero(1, sizeof *polls);

	polls->base = base;
	polls->hub = hub;
	polls->hold_ms = hold_ms;
	polls->hold_max_ms = hold_max_ms;
	LIST_INIT(&polls->parked);
	return polls;
}

void
polls_drain(struct polls *polls, int64_t over_ms)
{
	struct poll *poll;

	polls->draining = true;
	LIST_FOREACH(poll, &polls->parked, in_polls)
		if (poll->at_once || poll->waiting == poll->count) /* Else it is answered in this turn. */
			poll_wait(poll, spread_below(over_ms));
}

void
polls_free(struct polls *polls)
{
	if (!polls)
		return;
	assert(LIST_EMPTY(&polls->parked));
	free(polls);
}
