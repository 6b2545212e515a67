/* What an Engine.IO client sends, by a request or on its WebSocket: see engineio_post.h. */
#include "front/engineio_post.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/frame.h"
#include "codec/jspan.h"
#include "front/private.h"
#include "hook/hook.h"
#include "net/http.h"
#include "store/store.h"

static struct engineio_post *
post_of(struct engineio_call *call)
{
	return (struct engineio_post *)call;
}

/* ---- Answers ---- */

static void
answer_request(struct engineio_call *call, enum engineio_outcome outcome)
{
	struct buf done = BUF_EMPTY;

	switch (outcome) {
	case ENGINEIO_DONE:
		buf_adds(&done, "ok");
		engineio_call_reply(call, 200, "text/html", &done);
		buf_free(&done);
		return;
	case ENGINEIO_WRONG_PAYLOAD:
		engineio_call_refuse_empty(call);
		return;
	case ENGINEIO_GONE:
		engineio_call_refuse(call, ENGINEIO_UNKNOWN_SID);
		return;
	case ENGINEIO_ELSEWHERE:
		engineio_call_refuse(call, ENGINEIO_BAD_REQUEST);
		return;
	case ENGINEIO_UNAVAILABLE:
		engineio_call_refuse_unavailable(call);
	}
}

/* Of what was on a WebSocket, whose owner is told and may go on from the state as it is now. */
static void
answer_frame(struct engineio_call *call, enum engineio_outcome outcome)
{
	struct engineio_post *post = post_of(call);

	post->posted(post->arg, outcome, &call->state, call->number);
	engineio_call_free(call);
}

static void
finish(struct engineio_call *call, enum engineio_outcome outcome)
{
	if (post_of(call)->is_frame)
		answer_frame(call, outcome);
	else
		answer_request(call, outcome);
}

static void
finish_wrong(struct engineio_call *call)
{
	finish(call, ENGINEIO_WRONG_PAYLOAD);
}

/* The store has no such session (any more).  If it ended while a socket was made for it, nobody will ever hear of that one. */
static void
finish_unknown(struct engineio_call *call)
{
	const struct socketio_step *step = &post_of(call)->step;

	if (step->is_new)
		engineio_call_close_socket(call, &step->id);
	finish(call, ENGINEIO_GONE);
}

/* The session is over. */
static void
finish_gone(struct engineio_call *call)
{
	if (engine_state_find_socket(&call->state, &post_of(call)->step.id))
		finish(call, ENGINEIO_GONE);
	else
		finish_unknown(call);
}

static void
finish_done(struct engineio_call *call)
{
	finish(call, ENGINEIO_DONE);
}

static void
finish_late(struct engineio_call *call)
{
	finish(call, ENGINEIO_UNAVAILABLE);
}

void
engineio_post_refuse(struct engineio_post *post)
{
	engineio_call_close_sockets(&post->call); /* As with the reference, that is for good. */
	engineio_call_close(&post->call, finish_wrong);
}

/* ---- A group ---- */

/* One message may go to all rooms of its sender, and be acknowledged. */
static size_t
capacity(const struct engineio_post *post)
{
	const struct options *o = post->call.front->parts.options;

	return (o->ops_max > o->rooms_per_session ? o->ops_max : o->rooms_per_session) + 2;
}

static void
free_group(struct engineio_post *post)
{
	for (size_t i = 0; i < post->texts_count; i++)
		buf_free(&post->texts[i]);
	post->texts_count = post->count = post->messages = 0;
}

bool
engineio_post_has_room(const struct engineio_post *post, size_t ops)
{
	return post->count + ops <= capacity(post);
}

struct buf *
engineio_post_text(struct engineio_post *post)
{
	struct buf *text = &post->texts[post->texts_count++];

	assert(post->texts_count <= 2 * capacity(post));
	*text = (struct buf)BUF_EMPTY;
	return text;
}

struct client_op *
engineio_post_op(struct engineio_post *post)
{
	struct client_op *op = &post->ops[post->count++];

	*op = (struct client_op){0};
	return op;
}

static enum post_take
take_frame(struct engineio_post *post, const struct engineio_packet *packet)
{
	struct client_op *op;
	struct buf *text;

	if (post->call.front->parts.options->relay != OPTIONS_RELAY_SELF)
		return POST_TAKEN;
	if (!engineio_post_has_room(post, 1))
		return POST_FULL;
	text = engineio_post_text(post);
	jspan_quote(text, packet->data, packet->len);
	op = engineio_post_op(post);
	*op = (struct client_op){.kind = CLIENT_SEND_SESSION, .to = post->call.id,
	    .event = frame_event(packet->binary ? FRAME_BINARY : FRAME_TEXT), .data = {text->data, text->len}};
	post->messages++;
	return POST_TAKEN;
}

static enum engineio_step
next_packet(const struct engineio_post *post, size_t *at, struct engineio_packet *packet)
{
	if (!post->is_frame)
		return engineio_next(post->body, post->len, at, packet);
	if (*at > post->len)
		return ENGINEIO_END;
	*at = post->len + 1;
	return engineio_read(packet, post->body, post->len) ? ENGINEIO_PACKET : ENGINEIO_WRONG;
}

static enum post_take
take_packet(struct engineio_post *post, const struct engineio_packet *packet)
{
	if (packet->type == ENGINEIO_MESSAGE)
		return post->call.is_socketio ? socketio_take(post, packet) : take_frame(post, packet);
	post->has_pong |= packet->type == ENGINEIO_PONG;
	post->has_close |= packet->type == ENGINEIO_CLOSE;
	return POST_TAKEN;
}

/* The packets from post->from on, as many as go together; if that is none, why. */
static enum post_take
make_group(struct engineio_post *post)
{
	enum post_take take = POST_TAKEN;
	struct engineio_packet packet;
	size_t next;

	free_group(post);
	if (!post->ops) {
		post->ops = mem_zero(capacity(post), sizeof *post->ops);
		post->texts = mem_zero(2 * capacity(post), sizeof *post->texts);
	}
	post->to = next = post->from;
	post->has_pong = post->has_close = false;
	while (!post->has_close && next_packet(post, &next, &packet) == ENGINEIO_PACKET) {
		take = take_packet(post, &packet);
		if (take != POST_TAKEN)
			break;
		post->to = next;
	}
	if (take == POST_TAKEN)
		post->to = next;
	else if (take == POST_ALONE && post->to == post->from)
		post->to = next;
	else if (post->to > post->from)
		take = POST_TAKEN;
	return take;
}

static bool
is_done(const struct engineio_post *post)
{
	return post->from > post->len;
}

static void
swap_group(struct engineio_post *post)
{
	const struct front_parts *parts = &post->call.front->parts;
	struct engine_state *state = &post->call.state;

	state->posted = post->key;
	state->posted_to = post->to;
	if (post->has_pong && state->pinged) { /* Else it would live without ever asking. */
		state->pinged = false;
		state->ping_at = store_now(parts->store) + parts->options->ping_interval_ms;
	}
	if (post->has_close)
		engineio_call_drop_left(&post->call);
	/* It may have polled before it closed, and that may not have come yet. */
	if (post->has_close && parts->options->engineio_strict && !state->polling)
		state->phase = ENGINE_LEFT;
	else if (post->has_close && engineio_call_is_kept(&post->call))
		state->phase = ENGINE_OVER;
	engineio_call_swap(&post->call, post->ops, post->count);
}

static void
do_group(struct engineio_post *post)
{
	switch (make_group(post)) {
	case POST_ALONE:
		socketio_step(post);
		return;
	case POST_WRONG:
		engineio_post_refuse(post);
		return;
	case POST_OVER:
		engineio_call_close(&post->call, finish_gone);
		return;
	default:
		swap_group(post);
	}
}

void
engineio_post_step_done(struct engineio_post *post)
{
	swap_group(post);
}

void
engineio_post_step_learned(struct engineio_post *post)
{
	do_group(post);
}

/* ---- Steps ---- */

static void
on_swapped(struct engineio_call *call)
{
	struct engineio_post *post = post_of(call);

	metric_add(MESSAGES_SENT, (int64_t)post->messages);
	post->from = post->to;
	post->step.is_new = false;
	if (post->has_close && call->state.phase == ENGINE_OPEN)
		engineio_call_close(call, finish_done);
	else if (post->has_close || is_done(post))
		finish_done(call);
	else
		do_group(post);
}

static void
on_decide(struct engineio_call *call)
{
	struct engineio_post *post = post_of(call);
	const struct engine_state *state = &call->state;
	bool is_repeat = post->key != 0 && post->key == state->posted;

	if (!call->is_of_version || state->websocket != post->is_frame) {
		finish(call, ENGINEIO_ELSEWHERE);
		return;
	}
	if (is_repeat && state->posted_to > post->from) {
		metric_add(ENGINEIO_REPEATED, 1);
		post->from = (size_t)state->posted_to;
		post->step.is_new = false;
	}
	if (is_repeat && is_done(post))
		finish_done(call);
	else if (state->phase != ENGINE_OPEN)
		finish_gone(call);
	else if (engineio_call_is_over(call)) {
		metric_add(ENGINEIO_TIMED_OUT, 1);
		engineio_call_close(call, finish_gone);
	} else if (post->is_wrong)
		engineio_post_refuse(post);
	else
		do_group(post);
}

static void
release(struct engineio_call *call)
{
	struct engineio_post *post = post_of(call);

	free_group(post);
	socketio_step_free(&post->step);
	free(post->ops);
	free(post->texts);
	free(post->body);
}

/* Is there one that connects to a namespace? */
static bool
has_connect(const char *body, size_t len)
{
	struct engineio_packet packet;
	size_t at = 0;

	while (engineio_next(body, len, &at, &packet) == ENGINEIO_PACKET)
		if (packet.type == ENGINEIO_MESSAGE && !packet.binary && (packet.len == 0 || *packet.data == '0'))
			return true;
	return false;
}

/* As a whole, before anything of it is done. */
static bool
is_right(const struct engineio_post *post)
{
	struct engineio_packet packet;
	enum engineio_step step;
	size_t at = 0;

	while ((step = next_packet(post, &at, &packet)) == ENGINEIO_PACKET)
		if (packet.type == ENGINEIO_PING) /* That is for the gateway. */
			return false;
	return step == ENGINEIO_END;
}

/* What clients of older revisions send. */
static bool
is_octets(const char *type)
{
	return type && strcasecmp(type, "application/octet-stream") == 0;
}

static const struct engineio_kind post_kind = {on_decide, on_swapped, finish_unknown, finish_late, release};

void
engineio_post(struct front *front, struct http_request *req, const struct engineio_client *client)
{
	size_t len;
	const char *body = http_body(req, &len);
	char *copy = mem_copy(body, len);
	uint64_t key = engine_key(http_query(req, "t"), body, len);
	bool is_of_other_type = is_octets(http_header(req, "Content-Type"));
	struct engineio_client arriving = *client;
	struct engineio_post *post;

	arriving.is_arriving = hook_wants(front->hook, HOOK_CONNECT) && has_connect(copy, len);
	post = engineio_call_new(front, req, &post_kind, sizeof *post, &arriving);
	post->facts = &post->call.facts;
	post->key = key;
	post->body = copy;
	post->len = len;
	post->is_wrong = is_of_other_type || !is_right(post);
	engineio_call_look(&post->call);
}

struct engineio_post *
engineio_post_frame(const struct engineio_frame *frame, engineio_posted_fn *posted, void *arg)
{
	struct engine_state *state = frame->state;
	struct engineio_post *post = engineio_call_start(frame->front, &post_kind, sizeof *post, frame->client);

	post->is_frame = true;
	post->key = engineio_random(); /* So that a swap whose answer was lost is known to be done. */
	post->posted = posted;
	post->facts = frame->facts;
	post->arg = arg;
	post->body = mem_copy(frame->text, frame->len);
	post->len = frame->len;
	post->is_wrong = !is_right(post);
	if (state->phase == ENGINE_OPEN && state->websocket) /* Then deciding takes an answer of the store's. */
		engineio_call_decide(&post->call, state, frame->number);
	else
		engineio_call_look(&post->call);
	return post;
}
