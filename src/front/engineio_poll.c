/* What an Engine.IO client gets by polling: see engineio_call.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/cursor.h"
#include "front/engineio_call.h"
#include "front/engineio_payload.h"
#include "front/private.h"
#include "net/http.h"
#include "store/store.h"
#include "transport/poll.h"
#include "transport/spread.h"

enum {
	SLACK_MS = 20, /* Timers and the store's clock agree no better. */
	UPGRADE_PACE_MS = 100,
};

struct engineio_poll {
	struct engineio_call call; /* First. */
	uint64_t key;              /* See engine_key. */
	bool is_begun;             /* The state was known once: */
	uint64_t answered;         /* which poll was answered last then. */
	bool is_repeat;            /* That is this one. */
	bool waits;                /* The state says so, and means this one.  Only in strict mode. */
	bool was_held, was_taken;
	uint64_t gone_number; /* The state that had a socket whose session is gone. */
	int64_t hold_until; /* By clock_mono_ms. */
	struct engineio_payload payload;
	void (*then)(struct engineio_poll *); /* Once the state is replaced. */
	enum engineio_type last;              /* To be told once the session is closed. */
};

static struct engineio_poll *
poll_of(struct engineio_call *call)
{
	return (struct engineio_poll *)call;
}

static bool
is_strict(const struct engineio_poll *poll)
{
	return poll->call.front->parts.options->engineio_strict;
}

static void
swap(struct engineio_poll *poll, void (*then)(struct engineio_poll *))
{
	poll->then = then;
	engineio_call_swap(&poll->call, NULL, 0);
}

/* ---- The session's end ---- */

static void
tell_last(struct engineio_call *call)
{
	engineio_call_tell(call, poll_of(call)->last);
}

static void
end(struct engineio_poll *poll, enum engineio_type last)
{
	poll->last = last;
	engineio_call_close(&poll->call, tell_last);
}

static void
refuse_unknown(struct engineio_call *call)
{
	engineio_call_refuse(call, ENGINEIO_UNKNOWN_SID);
}

/* Of what was for it some is gone.  It cannot be told so, but by the end of its session, and that its sockets cannot be recovered. */
static void
end_lost(struct engineio_poll *poll)
{
	engineio_call_close_sockets(&poll->call);
	end(poll, ENGINEIO_CLOSE);
}

/* No pong came.  Whoever was waiting is told, whoever comes later finds no session. */
static void
end_silent(struct engineio_poll *poll)
{
	metric_add(ENGINEIO_TIMED_OUT, 1);
	if (poll->was_held)
		end(poll, ENGINEIO_CLOSE);
	else
		engineio_call_close(&poll->call, refuse_unknown);
}

/* Closed by its client's own POST while it polled; or (another protocol, as a repeat) it never was. */
static void
on_unknown(struct engineio_call *call)
{
	if (poll_of(call)->was_held)
		engineio_call_tell(call, ENGINEIO_NOOP);
	else
		refuse_unknown(call);
}

/* Its session goes on as soon as the store does: let it come again, unless it may have been told something. */
static void
on_late(struct engineio_call *call)
{
	if (engineio_call_is_swapping(call))
		engineio_call_refuse_unavailable(call);
	else
		engineio_call_tell(call, ENGINEIO_NOOP);
}

/* ---- What it is told ---- */

static void
write_batch(void *client, size_t place, struct buf *document, const struct batch *batch)
{
	struct engineio_poll *poll = client;

	(void)document;
	engineio_payload_add(&poll->payload, place, batch);
}

static void leave(struct engineio_poll *poll);

static bool
is_ping_due(const struct engineio_poll *poll)
{
	const struct engine_state *state = &poll->call.state;

	if (poll->is_repeat)
		return state->pinged;
	return !state->pinged && store_now(poll->call.front->parts.store) + SLACK_MS >= state->ping_at;
}

static void
tell_payload(struct engineio_poll *poll)
{
	if (!poll->call.req) {
		leave(poll);
		return;
	}
	if (poll->payload.text.len == 0)
		engineio_write(&poll->payload.text, ENGINEIO_NOOP, NULL, 0);
	engineio_call_reply(&poll->call, 200, ENGINEIO_PAYLOAD_TYPE, &poll->payload.text);
}

/* What is worth to be kept of this answer goes into the state first. */
static void
tell(struct engineio_poll *poll)
{
	struct engine_state *state = &poll->call.state;
	bool has_moved = poll->payload.text.len > 0 || engineio_payload_has_moved(&poll->payload);

	if (!has_moved && !poll->waits) {
		tell_payload(poll);
		return;
	}
	if (has_moved) {
		engineio_payload_commit(&poll->payload, state);
		state->answered = poll->key;
	}
	state->polling = false;
	swap(poll, tell_payload);
}

/* The hold is over, or there is something to tell. */
static void
answer(struct engineio_poll *poll)
{
	if (engineio_call_is_over(&poll->call)) {
		engineio_call_look(&poll->call); /* A pong may have come that was not heard of. */
		return;
	}
	if (poll->payload.is_over) {
		end_lost(poll);
		return;
	}
	if (is_ping_due(poll)) {
		engineio_write(&poll->payload.text, ENGINEIO_PING, NULL, 0);
		poll->call.state.pinged = true;
	}
	tell(poll);
}

/* ---- Waiting ---- */

/* The session of a socket is gone.  Who closes one says so in the state next: give that a moment. */
static void
check_gone(struct engineio_poll *poll)
{
	struct engineio_call *call = &poll->call;

	if (poll->gone_number == call->number) {
		end_lost(poll);
		return;
	}
	poll->gone_number = call->number;
	engineio_call_look_later(call);
}

static void
reply(void *client, struct http_request *req, const struct poll_part *const *parts, size_t count)
{
	struct engineio_poll *poll = client;
	struct engineio_call *call = &poll->call;
	const struct poll_part *part = parts[0];

	engineio_call_park(call, req);
	switch (engineio_payload_outcome(&poll->payload, parts, count)) {
	case POLL_BATCH:
		answer(poll);
		return;
	case POLL_CHANGED:
		if (engineio_call_take_state(call, part->state, part->document.data ? part->document.data : "", part->document.len))
			call->kind->decide(call);
		else
			on_unknown(call);
		return;
	case POLL_GONE:
		if (parts[0]->outcome == POLL_GONE)
			engineio_call_tell(call, ENGINEIO_NOOP); /* Closed by its client. */
		else
			check_gone(poll);
		return;
	case POLL_EXPIRED: /* With a new token it goes on with its sockets. */
		end(poll, ENGINEIO_CLOSE);
		return;
	default: /* Somebody else gets it. */
		poll->was_taken = true;
		if (is_strict(poll)) /* A newer poll, or the socket to which the session has moved? */
			engineio_call_look(call);
		else
			engineio_call_tell(call, ENGINEIO_NOOP);
	}
}

static void
free_closed(struct engineio_call *call)
{
	engineio_call_free(call);
}

/* To the reference a poll that its client gives up is a session that it gives up. */
static void
leave(struct engineio_poll *poll)
{
	poll->call.req = NULL;
	if (poll->waits)
		engineio_call_close(&poll->call, free_closed);
	else
		engineio_call_free(&poll->call);
}

static void
on_gone(void *client)
{
	leave(client);
}

static bool
is_alike(void *client, size_t place, uint64_t number, const char *text, size_t len)
{
	struct engine_state state;

	(void)place;
	return engine_state_parse(&state, text, len) && engineio_call_take_alike(&((struct engineio_poll *)client)->call, &state, number);
}

/* How long to wait: not beyond the next ping, or the end of what is waited for a pong or a namespace. */
static int64_t
hold_of(const struct engineio_poll *poll)
{
	const struct front_parts *parts = &poll->call.front->parts;
	const struct engine_state *state = &poll->call.state;
	int64_t due = state->ping_at + (state->pinged ? parts->options->ping_timeout_ms + SLACK_MS : 0) - store_now(parts->store);
	int64_t left = poll->hold_until - clock_mono_ms();

	if (state->connect_by > 0 && state->connect_by + SLACK_MS - store_now(parts->store) < due)
		due = state->connect_by + SLACK_MS - store_now(parts->store);
	if (poll->is_repeat || engineio_payload_is_due(&poll->payload) || due < 0 || left < 0)
		return 0;
	/* A client that is about to leave for a WebSocket waits for its polls to end, and asks again at once if it is not. */
	if (store_now(parts->store) < state->upgrade_until && !state->arrived && left > UPGRADE_PACE_MS)
		left = UPGRADE_PACE_MS;
	return due < left ? due : left;
}

static void
hold(struct engineio_poll *poll)
{
	static const struct poll_protocol protocol = {write_batch, reply, on_gone, is_alike};
	struct engineio_call *call = &poll->call;
	struct http_request *req = call->req;
	struct poll_request request = {.protocol = &protocol, .client = poll};
	struct poll_session *sessions;

	poll->is_repeat = poll->key != 0 && poll->key == call->state.answered;
	metric_add(ENGINEIO_REPEATED, poll->is_repeat && !poll->was_held);
	if (!poll->is_repeat)
		engineio_call_drop_left(call);
	engineio_payload_begin(&poll->payload, poll->is_repeat);
	sessions = engineio_payload_sessions(&poll->payload, &call->id, call->number);
	poll->was_held = true;
	call->req = NULL;
	request.sessions = sessions;
	request.count = (uint32_t)poll->payload.count + 1;
	request.hold_ms = hold_of(poll);
	poll_start(call->front->parts.polls, req, &request);
	free(sessions);
}

/* ---- Who may wait ---- */

static void
begin_waiting(struct engineio_poll *poll)
{
	poll->waits = true;
	if (poll->call.req)
		hold(poll);
	else
		leave(poll);
}

static void
refuse_overlap(struct engineio_poll *poll)
{
	engineio_call_refuse_empty(&poll->call);
}

/* As the reference: the session ends, and the one that waits is told so. */
static void
overlap(struct engineio_poll *poll)
{
	poll->call.state.phase = ENGINE_CLOSING;
	swap(poll, refuse_overlap);
}

static void
take_turn(struct engineio_poll *poll)
{
	if (!is_strict(poll) || poll->waits) {
		hold(poll);
	} else if (poll->call.state.polling) {
		overlap(poll);
	} else {
		poll->call.state.polling = true;
		swap(poll, begin_waiting);
	}
}

/* Another poll was told something since this one came: it is the newer one. */
static bool
is_overtaken(const struct engineio_poll *poll)
{
	uint64_t answered = poll->call.state.answered;

	return poll->is_begun && answered != poll->answered && answered != poll->key;
}

static void
on_decide(struct engineio_call *call)
{
	struct engineio_poll *poll = poll_of(call);
	const struct engine_state *state = &call->state;

	if (!call->req)
		leave(poll);
	else if (!call->is_of_version)
		engineio_call_refuse(call, ENGINEIO_BAD_REQUEST);
	else if (state->websocket && poll->was_held && !is_strict(poll)) /* Else it came too late, as with the reference. */
		engineio_call_tell(call, ENGINEIO_NOOP);
	else if (state->websocket)
		engineio_call_refuse(call, ENGINEIO_BAD_REQUEST);
	else if (state->phase == ENGINE_OVER)
		on_unknown(call);
	else if (state->phase == ENGINE_LEFT)
		end(poll, ENGINEIO_NOOP);
	else if (state->phase == ENGINE_CLOSING && state->polling && !poll->waits)
		refuse_unknown(call);
	else if (state->phase == ENGINE_CLOSING)
		end(poll, ENGINEIO_CLOSE);
	else if (engineio_call_is_over(call))
		end_silent(poll);
	else if (poll->was_taken || is_overtaken(poll))
		engineio_call_tell(call, ENGINEIO_NOOP);
	else {
		poll->is_begun = true;
		poll->answered = state->answered;
		take_turn(poll);
	}
}

static void
on_swapped(struct engineio_call *call)
{
	poll_of(call)->then(poll_of(call));
}

static void
release(struct engineio_call *call)
{
	engineio_payload_free(&poll_of(call)->payload);
}

void
engineio_poll(struct front *front, struct http_request *req, const struct engineio_client *client)
{
	static const struct engineio_kind kind = {on_decide, on_swapped, on_unknown, on_late, release};
	uint64_t key = engine_key(http_query(req, "t"), NULL, 0);
	struct engineio_poll *poll = engineio_call_new(front, req, &kind, sizeof *poll, client);

	poll->key = key;
	poll->payload.sid = poll->call.sid;
	poll->payload.state = &poll->call.state;
	poll->payload.options = front->parts.options;
	poll->payload.max = front->max_payload;
	poll->hold_until = clock_mono_ms() + spread_around(front->parts.options->hold_ms);
	engineio_call_look(&poll->call);
}
