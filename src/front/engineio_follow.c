/* What a Socket.IO client gets on its WebSocket: see engineio_follow.h. */
#include "front/engineio_follow.h"

#include <event2/util.h>
#include <stdlib.h>

#include "base/mem.h"
#include "front/engineio_call.h"
#include "front/engineio_payload.h"
#include "front/private.h"
#include "store/store.h"
#include "transport/poll.h"

struct place {
	struct name id;
	struct cursor after;
};

struct engineio_follow {
	struct engineio_call call; /* First. */
	struct engineio_payload payload;
	const struct engineio_followed *ops;
	void *arg; /* NULL once it was stopped. */
	struct poll *poll;
	struct place *places; /* Of sockets, as far as they were told something here: the state does not know. */
	size_t places_count;
	bool has_after;
	struct entry_id after; /* The same of the session itself. */
	uint64_t key;         /* Of the swap that says that the payload is told; 0: none is under way. */
	uint64_t gone_number; /* The state that had a socket whose session is gone. */
	bool is_resting;      /* The client has enough. */
	bool is_asked, is_confirmed; /* Has it all that it was told?  A ping asks, its pong says so. */
};

static struct engineio_follow *
follow_of(struct engineio_call *call)
{
	return (struct engineio_follow *)call;
}

/* ---- Where the client stands ---- */

static void
free_places(struct engineio_follow *follow)
{
	for (size_t i = 0; i < follow->places_count; i++)
		cursor_free(&follow->places[i].after);
	free(follow->places);
	follow->places = NULL;
	follow->places_count = 0;
}

/* As the state says that is at hand. */
static void
keep_places(struct engineio_follow *follow)
{
	const struct engine_state *state = &follow->call.state;

	free_places(follow);
	follow->has_after = true;
	follow->after = state->after;
	follow->places_count = state->sockets_count;
	follow->places = mem_zero(state->sockets_count + 1, sizeof *follow->places);
	for (size_t i = 0; i < state->sockets_count; i++)
		follow->places[i] = (struct place){state->sockets[i].id, cursor_copy(&state->sockets[i].after)};
}

/* Into a state as the store has it. */
static void
set_places(const struct engineio_follow *follow, struct engine_state *state)
{
	if (follow->has_after)
		state->after = follow->after;
	for (size_t i = 0; i < state->sockets_count; i++) {
		struct engine_socket *socket = &state->sockets[i];

		for (size_t j = 0; j < follow->places_count; j++) {
			if (!name_equal(&follow->places[j].id, &socket->id))
				continue;
			cursor_free(&socket->after);
			socket->after = cursor_copy(&follow->places[j].after);
			if (socket->how == ENGINE_SOCKET_NEW_TOLD || socket->how == ENGINE_SOCKET_RECOVERED_TOLD)
				socket->how = ENGINE_SOCKET_CONNECTED;
		}
	}
}

/* ---- The end ---- */

static void
end(struct engineio_call *call)
{
	struct engineio_follow *follow = follow_of(call);
	const struct engineio_followed *ops = follow->ops;
	void *arg = follow->arg;

	engineio_call_free(call);
	if (arg)
		ops->over(arg);
}

/* As of a poll: the client learns of a loss by the end of its session, and that its sockets cannot be recovered. */
static void
end_lost(struct engineio_follow *follow)
{
	engineio_call_close_sockets(&follow->call);
	end(&follow->call);
}

void
engineio_follow_stop(struct engineio_follow *follow)
{
	follow->arg = NULL;
	if (follow->poll)
		poll_cancel(follow->poll);
	if (follow->poll || follow->is_resting)
		engineio_call_free(&follow->call);
}

/* ---- Waiting for something to tell ---- */

static void hold(struct engineio_follow *follow);

static void
go_on(struct engineio_follow *follow)
{
	if (!follow->arg)
		engineio_call_free(&follow->call);
	else
		hold(follow);
}

/* The session of a socket is gone, or is followed elsewhere.  Who did that says so in the state next: give that a moment. */
static void
check_state(struct engineio_follow *follow)
{
	if (follow->gone_number == follow->call.number) {
		end_lost(follow);
		return;
	}
	follow->gone_number = follow->call.number;
	engineio_call_look_later(&follow->call);
}

static void
tell(struct engineio_follow *follow)
{
	const struct buf *text = &follow->payload.text;

	keep_places(follow);
	follow->key = 0;
	if (text->len == 0) /* What came was not for it. */
		return;
	follow->is_asked = follow->is_confirmed = false;
	if (follow->arg)
		follow->is_resting = !follow->ops->tell(follow->arg, text->data, text->len);
}

/* The state remembers it by a number, as it does polls: should the answer be lost, and another swap follow, that still tells. */
static void
commit(struct engineio_follow *follow)
{
	struct engine_state *state = &follow->call.state;

	engineio_payload_commit_after(&follow->payload, state);
	follow->key = engineio_random();
	state->answered = follow->key;
	engineio_call_swap(&follow->call, NULL, 0);
}

static void
take_batches(struct engineio_follow *follow)
{
	struct engineio_call *call = &follow->call;
	const struct engine_state *state = &call->state;

	if (follow->payload.is_over)
		end_lost(follow);
	else if (state->connect_by > 0 && store_now(call->front->parts.store) >= state->connect_by)
		end(call);
	else if (engineio_payload_announces(&follow->payload))
		commit(follow);
	else {
		engineio_payload_commit_after(&follow->payload, &call->state);
		tell(follow);
		if (!follow->is_resting)
			hold(follow);
	}
}

static void
on_reply(void *client, struct http_request *req, const struct poll_part *const *parts, size_t count)
{
	struct engineio_follow *follow = client;
	struct engineio_call *call = &follow->call;
	const struct poll_part *part = parts[0];

	(void)req;
	follow->poll = NULL;
	switch (engineio_payload_outcome(&follow->payload, parts, count)) {
	case POLL_BATCH:
		take_batches(follow);
		return;
	case POLL_CHANGED:
		if (engineio_call_take_state(call, part->state, part->document.data ? part->document.data : "", part->document.len))
			call->kind->decide(call);
		else
			end(call);
		return;
	case POLL_EXPIRED:
		end(call);
		return;
	default:
		check_state(follow);
	}
}

static void
write_batch(void *client, size_t place, struct buf *document, const struct batch *batch)
{
	(void)document;
	engineio_payload_add(&((struct engineio_follow *)client)->payload, place, batch);
}

static bool
is_alike(void *client, size_t place, uint64_t number, const char *text, size_t len)
{
	struct engineio_follow *follow = client;
	struct engineio_call *call = &follow->call;
	struct engine_state state;

	(void)place;
	if (!engine_state_parse(&state, text, len))
		return false;
	set_places(follow, &state);
	return engineio_call_take_alike(call, &state, number);
}

static int64_t
hold_of(const struct engineio_follow *follow)
{
	const struct front_parts *parts = &follow->call.front->parts;
	int64_t by = follow->call.state.connect_by, left = by - store_now(parts->store);

	if (engineio_payload_is_due(&follow->payload))
		return 0;
	if (by == 0 || left > parts->options->hold_ms)
		return parts->options->hold_ms;
	return left > 0 ? left : 1;
}

static void
hold(struct engineio_follow *follow)
{
	static const struct poll_protocol protocol = {write_batch, on_reply, NULL, is_alike};
	struct engineio_call *call = &follow->call;
	struct poll_session *sessions;
	struct poll_request request = {.protocol = &protocol, .client = follow};

	engineio_call_drop_left(call);
	engineio_payload_begin(&follow->payload, false);
	sessions = engineio_payload_sessions(&follow->payload, &call->id, call->number);
	request.sessions = sessions;
	request.count = (uint32_t)follow->payload.count + 1;
	request.hold_ms = hold_of(follow);
	request.keeps = !follow->is_confirmed;
	follow->poll = poll_start(call->front->parts.polls, NULL, &request);
	free(sessions);
}

/* ---- Steps ---- */

static void
on_decide(struct engineio_call *call)
{
	struct engineio_follow *follow = follow_of(call);

	if (follow->key != 0 && call->state.answered == follow->key)
		tell(follow);
	else
		set_places(follow, &call->state);
	follow->key = 0;
	if (call->state.phase != ENGINE_OPEN || !call->state.websocket)
		end(call); /* Others may have its sockets. */
	else if (!follow->is_resting)
		go_on(follow);
}

/* It is in the state: now it may be told. */
static void
on_swapped(struct engineio_call *call)
{
	struct engineio_follow *follow = follow_of(call);

	tell(follow);
	if (!follow->is_resting)
		go_on(follow);
}

/* The client waits for the store as well as anybody. */
static void
on_late(struct engineio_call *call)
{
	if (follow_of(call)->arg)
		engineio_call_begin(call, call->step);
	else
		engineio_call_free(call);
}

void
engineio_follow_asked(struct engineio_follow *follow)
{
	follow->is_asked = true;
}

void
engineio_follow_answered(struct engineio_follow *follow)
{
	follow->is_confirmed = follow->is_asked;
}

void
engineio_follow_go_on(struct engineio_follow *follow)
{
	if (!follow->is_resting)
		return;
	follow->is_resting = false;
	hold(follow);
}

static void
release(struct engineio_call *call)
{
	engineio_payload_free(&follow_of(call)->payload);
	free_places(follow_of(call));
}

struct engineio_follow *
engineio_follow_start(struct front *front, const struct engineio_client *client, const struct engineio_followed *ops, void *arg)
{
	static const struct engineio_kind kind = {on_decide, on_swapped, end, on_late, release};
	struct engineio_follow *follow = engineio_call_start(front, &kind, sizeof *follow, client);

	follow->ops = ops;
	follow->arg = arg;
	follow->payload.sid = follow->call.sid;
	follow->payload.state = &follow->call.state;
	follow->payload.options = front->parts.options;
	follow->payload.max = front->max_payload;
	engineio_call_look(&follow->call);
	return follow;
}
