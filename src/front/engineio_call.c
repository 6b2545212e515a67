/* Requests of Engine.IO sessions, as far as they are alike: see engineio_call.h. */
#include "front/engineio_call.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/session.h"
#include "front/private.h"
#include "front/problem.h"
#include "hook/hook.h"
#include "net/http.h"
#include "store/store.h"

enum { RETRY_MS = 250, LATER_MS = 1000, PATIENCE_MS = 15000 }; /* A proxy that gives up is worse than an answer. */

uint64_t
engineio_random(void)
{
	uint64_t number;

	do
		evutil_secure_rng_get_bytes(&number, sizeof number);
	while (number == 0);
	return number;
}

/* ---- Life ---- */

static void
on_gone(void *arg)
{
	struct engineio_call *call = arg;

	call->req = NULL;
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct engineio_call *call = arg;

	(void)fd;
	(void)what;
	call->step(call);
}

void
engineio_call_park(struct engineio_call *call, struct http_request *req)
{
	call->req = req;
	http_park(req, on_gone, call);
}

void *
engineio_call_start(struct front *front, const struct engineio_kind *kind, size_t size, const struct engineio_client *client)
{
	struct engineio_call *call = mem_zero(1, size);

	call->kind = kind;
	call->front = front;
	call->id = client->id;
	memcpy(call->sid, client->sid, sizeof call->sid);
	call->is_socketio = client->is_socketio;
	call->is_of_version = true;
	event_assign(&call->retry, front->parts.base, -1, 0, on_retry, call);
	LIST_INSERT_HEAD(&front->engineio_calls, call, in_calls);
	return call;
}

void *
engineio_call_new(struct front *front, struct http_request *req, const struct engineio_kind *kind, size_t size,
    const struct engineio_client *client)
{
	struct engineio_call *call = engineio_call_start(front, kind, size, client);
	const char *version = http_query(req, "EIO");

	call->is_of_version = !version || strcmp(version, "4") == 0;
	if (client->is_arriving && client->is_socketio && hook_wants(front->hook, HOOK_CONNECT))
		facts_keep(&call->facts, req);
	engineio_call_park(call, req);
	return call;
}

void
engineio_call_free(struct engineio_call *call)
{
	LIST_REMOVE(call, in_calls);
	event_del(&call->retry);
	if (call->kind->release)
		call->kind->release(call);
	engine_state_free(&call->state);
	facts_free(&call->facts);
	free(call);
}

void
engineio_free(struct front *front)
{
	while (!LIST_EMPTY(&front->engineio_calls))
		engineio_call_free(LIST_FIRST(&front->engineio_calls));
}

/* ---- The store ---- */

void
engineio_call_begin(struct engineio_call *call, void (*step)(struct engineio_call *))
{
	call->deadline = clock_mono_ms() + PATIENCE_MS;
	call->step = step;
	step(call);
}

static void
try_in(struct engineio_call *call, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	if (clock_mono_ms() < call->deadline)
		event_add(&call->retry, &tv);
	else
		call->kind->late(call);
}

void
engineio_call_try_again(struct engineio_call *call)
{
	call->late_code = NULL;
	try_in(call, RETRY_MS);
}

void
engineio_call_try_later(struct engineio_call *call, const char *code)
{
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof random);
	call->late_code = code;
	try_in(call, LATER_MS + random % LATER_MS);
}

bool
engineio_call_take_state(struct engineio_call *call, uint64_t number, const char *text, size_t len)
{
	call->number = number;
	engine_state_free(&call->state);
	if (engine_state_parse(&call->state, text, len))
		return call->state.is_socketio == call->is_socketio;
	if (number != 0) /* Else it is a session of another protocol. */
		log_error("the state of an Engine.IO session is not one of ours: is something else writing under our prefix?");
	return false;
}

bool
engineio_call_take_alike(struct engineio_call *call, struct engine_state *state, uint64_t number)
{
	if (!engine_state_polls_alike(state, &call->state)) {
		engine_state_free(state);
		return false;
	}
	engine_state_free(&call->state);
	call->state = *state;
	call->number = number;
	return true;
}

static void
decide(struct engineio_call *call, const struct store_state *state)
{
	if (engineio_call_take_state(call, state->number, state->text, state->len))
		call->kind->decide(call);
	else
		call->kind->unknown(call);
}

void
engineio_call_decide(struct engineio_call *call, struct engine_state *state, uint64_t number)
{
	call->state = *state;
	call->number = number;
	*state = (struct engine_state){0};
	call->kind->decide(call);
}

static void
on_look(void *arg, const struct store_session *session)
{
	struct engineio_call *call = arg;

	if (session->status == STORE_OK)
		decide(call, &session->state);
	else if (session->status == STORE_GONE)
		call->kind->unknown(call);
	else
		engineio_call_try_again(call);
}

static void
look(struct engineio_call *call)
{
	store_look(call->front->parts.store, &call->id, on_look, call);
}

void
engineio_call_look(struct engineio_call *call)
{
	engineio_call_begin(call, look);
}

void
engineio_call_look_later(struct engineio_call *call)
{
	call->deadline = clock_mono_ms() + PATIENCE_MS;
	call->step = look;
	engineio_call_try_again(call);
}

static void
on_swapped(void *arg, const struct store_applied *applied)
{
	struct engineio_call *call = arg;

	if (applied->away)
		sessions_back(call->front->parts.sessions, &call->id);
	switch (applied->status) {
	case STORE_OK:
		call->number = call->next_number;
		if (call->closed)
			call->closed(call);
		else
			call->kind->swapped(call);
		return;
	case STORE_STALE:
		call->closed = NULL;
		decide(call, &applied->state);
		return;
	case STORE_GONE:
		call->kind->unknown(call);
		return;
	default: /* It was done, or not: the same once more tells. */
		engineio_call_try_again(call);
	}
}

static void
swap(struct engineio_call *call)
{
	struct buf text = BUF_EMPTY;
	struct store_swap to = {call->number, {call->next_number, NULL, 0}};

	engine_state_write(&text, &call->state);
	to.state.text = text.data;
	to.state.len = text.len;
	sessions_swap(call->front->parts.sessions, &call->id, &to, call->ops, call->ops_count, on_swapped, call);
	buf_free(&text);
}

void
engineio_call_swap(struct engineio_call *call, const struct client_op *ops, size_t count)
{
	call->ops = ops;
	call->ops_count = count;
	call->next_number = engineio_random();
	engineio_call_begin(call, swap);
}

bool
engineio_call_is_swapping(const struct engineio_call *call)
{
	return call->step == swap;
}

static void
on_closed(void *arg, const struct store_presence *presence)
{
	struct engineio_call *call = arg;

	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	call->closed(call); /* Were it not closed, it would end by itself soon: no pong will come. */
}

static void
on_socket_closed(void *arg, const struct store_presence *presence)
{
	(void)arg;
	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
}

void
engineio_call_close_socket(struct engineio_call *call, const struct name *id)
{
	sessions_close(call->front->parts.sessions, id, on_socket_closed, NULL);
}

void
engineio_call_close_sockets(struct engineio_call *call)
{
	for (size_t i = 0; i < call->state.sockets_count; i++)
		engineio_call_close_socket(call, &call->state.sockets[i].id);
}

void
engineio_call_drop_left(struct engineio_call *call)
{
	for (size_t i = call->state.sockets_count; i > 0; i--) {
		struct engine_socket *socket = &call->state.sockets[i - 1];

		if (socket->how != ENGINE_SOCKET_LEFT)
			continue;
		engineio_call_close_socket(call, &socket->id);
		engine_state_remove_socket(&call->state, socket);
	}
}

bool
engineio_call_is_kept(const struct engineio_call *call)
{
	return call->state.sockets_count > 0 && !call->front->parts.options->no_recovery;
}

void
engineio_call_close(struct engineio_call *call, void (*closed)(struct engineio_call *))
{
	const struct front_parts *parts = &call->front->parts;

	call->closed = closed;
	engineio_call_drop_left(call);
	if (engineio_call_is_kept(call)) {
		call->state.phase = ENGINE_OVER;
		engine_state_drop_partial(&call->state);
		engineio_call_swap(call, NULL, 0);
		return;
	}
	engineio_call_close_sockets(call);
	sessions_close(parts->sessions, &call->id, on_closed, call);
}

bool
engineio_call_is_over(const struct engineio_call *call)
{
	const struct front_parts *parts = &call->front->parts;
	int64_t now = store_now(parts->store);

	if (call->state.websocket) /* That is for the instance to judge which has it. */
		return false;
	return now >= call->state.ping_at + parts->options->ping_timeout_ms ||
	    (call->state.connect_by > 0 && now >= call->state.connect_by);
}

/* ---- Answers ---- */

void
engineio_call_reply(struct engineio_call *call, int status, const char *type, const struct buf *body)
{
	if (call->req)
		http_reply(call->req, status, type, body ? body->data : NULL, body ? body->len : 0);
	engineio_call_free(call);
}

void
engineio_call_tell(struct engineio_call *call, enum engineio_type type)
{
	struct buf payload = BUF_EMPTY;

	engineio_write(&payload, type, NULL, 0);
	engineio_call_reply(call, 200, ENGINEIO_PAYLOAD_TYPE, &payload);
	buf_free(&payload);
}

void
engineio_call_refuse(struct engineio_call *call, enum engineio_error error)
{
	if (call->req)
		engineio_refuse(call->req, error);
	engineio_call_free(call);
}

void
engineio_call_refuse_empty(struct engineio_call *call)
{
	engineio_call_reply(call, 400, NULL, NULL);
}

void
engineio_call_refuse_unavailable(struct engineio_call *call)
{
	if (call->req && call->late_code)
		problem_reply(call->req, 503, call->late_code, "Who has to say whether this client may connect cannot be asked at the moment.");
	else if (call->req)
		problem_reply(call->req, 503, "store_unavailable", "The store cannot be used at the moment.");
	engineio_call_free(call);
}

void
engineio_refuse(struct http_request *req, enum engineio_error error)
{
	struct buf body = BUF_EMPTY;

	engineio_write_error(&body, error);
	http_reply(req, error == ENGINEIO_FORBIDDEN ? 403 : 400, "application/json", body.data, body.len);
	buf_free(&body);
}
