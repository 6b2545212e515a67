/* Parked polls: see poll.h. */
#include "transport/poll.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"
#include "net/http.h"

#define BODY_KEPT 65536
#define CATCH_UP_MS 5000 /* A poll that is not to wait: so long for the store to answer. */

struct poll {
	struct sink sink; /* First: the hub's view of this. */
	struct polls *polls;
	const struct poll_protocol *protocol;
	struct http_request *req;
	struct reader *reader;
	struct event hold;
	bool at_once; /* Not to be parked: answer as soon as all was read. */
	LIST_ENTRY(poll) in_polls;
};

struct polls {
	struct event_base *base; /* Lent, as is hub. */
	struct hub *hub;
	int64_t hold_ms, hold_max_ms;
	bool draining;
	LIST_HEAD(, poll) parked;
	struct buf body; /* Of the answer that is being written. */
};

static int64_t
random_below(int64_t limit)
{
	uint32_t bits;

	evutil_secure_rng_get_bytes(&bits, sizeof bits);
	return limit > 0 ? (int64_t)(bits % (uint64_t)limit) : 0;
}

/* The default, 10 % more or less. */
static int64_t
varied_hold(const struct polls *polls)
{
	int64_t ms = polls->hold_ms - polls->hold_ms / 10 + random_below(polls->hold_ms / 5);

	return ms < polls->hold_max_ms ? ms : polls->hold_max_ms;
}

/* The reader was stopped; req is answered or gone. */
static void
poll_free(struct poll *poll)
{
	LIST_REMOVE(poll, in_polls);
	event_del(&poll->hold);
	metric_add(POLLS_PARKED, -1);
	free(poll);
}

static void
poll_answer(struct poll *poll, const struct batch *batch)
{
	struct buf *body = &poll->polls->body;

	buf_clear(body);
	poll->protocol->write_batch(body, batch);
	http_reply(poll->req, 200, poll->protocol->type, body->data, body->len);
	if (body->room > BODY_KEPT)
		buf_free(body);
	poll_free(poll);
}

static void
poll_answer_empty(struct poll *poll)
{
	struct cursor cursor;
	struct batch nothing = {.cursor = &cursor};

	metric_add(POLLS_EMPTY, 1);
	reader_stop(poll->reader, &cursor);
	poll_answer(poll, &nothing);
	cursor_free(&cursor);
}

static bool
on_deliver(struct sink *sink, const struct batch *batch)
{
	struct poll *poll = (struct poll *)sink;

	reader_stop(poll->reader, NULL);
	poll_answer(poll, batch);
	return false;
}

static void
on_end(struct sink *sink, enum sink_end why)
{
	struct poll *poll = (struct poll *)sink;

	if (why == SINK_TAKEN) {
		metric_add(POLLS_TAKEN_OVER, 1);
		poll_answer_empty(poll);
		return;
	}
	reader_stop(poll->reader, NULL);
	poll->protocol->refuse_gone(poll->req);
	poll_free(poll);
}

static void
on_caught_up(struct sink *sink)
{
	struct poll *poll = (struct poll *)sink;

	if (poll->at_once)
		poll_answer_empty(poll);
}

static const struct sink_ops poll_ops = {on_deliver, on_end, on_caught_up};

static void
on_hold(evutil_socket_t fd, short what, void *arg)
{
	struct poll *poll = arg;

	(void)fd;
	(void)what;
	if (!poll->at_once)
		reader_idle(poll->reader);
	if (!reader_flush(poll->reader))
		poll_answer_empty(poll);
}

static void
on_gone(void *arg)
{
	struct poll *poll = arg;

	metric_add(POLLS_ABANDONED, 1);
	reader_stop(poll->reader, NULL);
	poll_free(poll);
}

static void
poll_wait(struct poll *poll, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_add(&poll->hold, &tv);
}

void
poll_start(struct polls *polls, struct http_request *req, const struct name *session, const struct cursor *cursor, int64_t hold_ms,
    const struct poll_protocol *protocol)
{
	struct poll *poll = mem_zero(1, sizeof *poll);

	metric_add(POLLS, 1);
	metric_add(POLLS_PARKED, 1);
	if (hold_ms < 0)
		hold_ms = varied_hold(polls);
	poll->sink.ops = &poll_ops;
	poll->polls = polls;
	poll->protocol = protocol;
	poll->req = req;
	poll->at_once = hold_ms == 0 || polls->draining;
	LIST_INSERT_HEAD(&polls->parked, poll, in_polls);
	event_assign(&poll->hold, polls->base, -1, 0, on_hold, poll);
	poll_wait(poll, poll->at_once ? CATCH_UP_MS : hold_ms);
	http_park(req, on_gone, poll);
	poll->reader = reader_start(polls->hub, session, cursor, &poll->sink);
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
		poll_wait(poll, random_below(over_ms));
}

void
polls_free(struct polls *polls)
{
	if (!polls)
		return;
	assert(LIST_EMPTY(&polls->parked));
	buf_free(&polls->body);
	free(polls);
}
