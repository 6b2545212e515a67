/*
 * Connecting to a namespace: a new socket, or one that was on another engine.  Each step may be done again: src/README.md says what
 * is left when an instance is killed between two of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/frame.h"
#include "codec/native.h"
#include "core/session.h"
#include "front/auth.h"
#include "front/engineio_post.h"
#include "front/private.h"
#include "front/refusal.h"
#include "hook/hook.h"
#include "store/store.h"

static void recover(struct engineio_call *call);

static struct engineio_post *
post_of(struct engineio_call *call)
{
	return (struct engineio_post *)call;
}

/* ---- The secret of a socket ---- */

/* Of the connection with this number: itself the secret of a new socket, or what veils that of a recovered one. */
static void
make_pad(char pad[TOKEN_LEN + 1], const char *sid, uint32_t number)
{
	struct buf label = BUF_EMPTY;

	buf_addf(&label, "socket %u", number);
	token_derive(pad, sid, label.data, label.len);
	buf_free(&label);
}

void
socketio_write_connected(struct buf *b, const struct engine_socket *socket, const char *sid)
{
	struct socketio_packet packet = {.type = SOCKETIO_CONNECT, .namespace = socket->namespace,
	    .namespace_len = strlen(socket->namespace)};
	char pad[TOKEN_LEN + 1], pid[TOKEN_LEN + 1];
	struct buf json = BUF_EMPTY;

	buf_addf(&json, "{\"sid\":\"%s\"", socket->id.s);
	if (sid) {
		make_pad(pad, sid, socket->number);
		if (*socket->veil)
			token_unveil(pid, socket->veil, pad);
		buf_addf(&json, ",\"pid\":\"%s\"", *socket->veil ? pid : pad);
	}
	buf_adds(&json, "}");
	packet.data = (struct jspan){json.data, json.len};
	socketio_write(b, &packet);
	buf_free(&json);
}

/* ---- The state of a socket: the engine that it is on, and where it stood when it came there ---- */

static void
write_state(struct buf *b, const struct name *engine, const struct cursor *cursor)
{
	buf_addf(b, "1 %s ", engine->s);
	cursor_write(b, cursor);
}

/* False if that is no socket. */
static bool
read_state(const struct store_state *state, struct name *engine, struct cursor *cursor, size_t max_rooms)
{
	char *text = mem_copy(state->text, state->len);
	bool good = strncmp(text, "1 ", 2) == 0 && strlen(text) > 2 + NAME_LEN && name_parse(engine, text + 2, NAME_LEN) &&
	    text[2 + NAME_LEN] == ' ' && cursor_parse(cursor, text + 2 + NAME_LEN + 1, max_rooms);

	free(text);
	return good;
}

/* ---- The end of it ---- */

/* By an entry in the engine's own mailbox. */
static void
tell_refusal(struct engineio_post *post)
{
	const struct buf *refusal = &post->step.refusal;
	struct client_op *op = engineio_post_op(post);

	*op = (struct client_op){.kind = CLIENT_SEND_SESSION, .to = post->call.id, .event = frame_event(FRAME_TEXT),
	    .data = {refusal->data, refusal->len}};
	engineio_post_step_done(post);
}

void
socketio_refuse(struct engineio_post *post, const char *why, const char *code)
{
	struct socketio_step *step = &post->step;
	struct socketio_packet packet = {.type = SOCKETIO_CONNECT_ERROR, .namespace = step->packet.namespace,
	    .namespace_len = step->packet.namespace_len};
	struct buf json = BUF_EMPTY, text = BUF_EMPTY;

	buf_adds(&json, "{\"message\":");
	jspan_quote(&json, why, strlen(why));
	if (code) {
		buf_adds(&json, ",\"data\":{\"code\":");
		jspan_quote(&json, code, strlen(code));
		buf_adds(&json, "}");
	}
	buf_adds(&json, "}");
	packet.data = (struct jspan){json.data, json.len};
	socketio_write(&text, &packet);
	buf_clear(&step->refusal);
	jspan_quote(&step->refusal, text.data, text.len);
	step->refused_at = post->from;
	buf_free(&json);
	buf_free(&text);
	tell_refusal(post);
}

static void
finish(struct engineio_post *post)
{
	struct socketio_step *step = &post->step;
	struct engine_state *state = &post->call.state;
	struct engine_socket *socket = engine_state_add_socket(state, step->packet.namespace, step->packet.namespace_len);
	char pad[TOKEN_LEN + 1];

	socket->id = step->id;
	socket->number = step->number;
	socket->before = cursor_copy(&step->cursor);
	socket->after = cursor_copy(&step->cursor);
	if (step->is_recovered) {
		socket->how = ENGINE_SOCKET_RECOVERED;
		make_pad(pad, post->call.sid, step->number);
		token_veil(socket->veil, step->pid, pad);
	}
	state->connects = step->number;
	state->connect_by = 0;
	metric_add(SOCKETIO_CONNECTED, 1);
	metric_add(SOCKETIO_RECOVERED, step->is_recovered);
	engineio_post_step_done(post);
}

/* Let the socket be on this engine. */
static void
take_socket(struct engineio_post *post, const struct client_op *ops, size_t count, store_applied_fn *done)
{
	struct socketio_step *step = &post->step;
	struct store_swap swap = {step->socket_number, {engineio_random(), NULL, 0}};
	struct buf text = BUF_EMPTY;

	write_state(&text, &post->call.id, &step->cursor);
	swap.state.text = text.data;
	swap.state.len = text.len;
	sessions_swap(post->call.front->parts.sessions, &step->id, &swap, ops, count, done, post);
	buf_free(&text);
}

/* ---- A new socket ---- */

static void
on_taken_back(void *arg, const struct store_presence *presence)
{
	const struct refusal *refusal = refusal_of(STORE_USER_FULL);

	(void)presence; /* Were it not closed, it would lapse. */
	socketio_refuse(arg, refusal->detail, refusal->code);
}

/* Its user has too many sessions. */
static void
take_back(struct engineio_post *post)
{
	metric_add(SESSIONS_REFUSED, 1);
	sessions_close(post->call.front->parts.sessions, &post->step.id, on_taken_back, post);
}

static bool
is_done(const struct store_result *result)
{
	return result->code == STORE_DONE || result->code == STORE_DONE_BEFORE;
}

/* Of what was ordered with it, the token's grants, if there are any, and the namespace's room come first. */
static void
take_results(struct engineio_post *post, const struct store_result *results)
{
	bool has_grants = post->step.grants.len > 0;

	if (has_grants && !is_done(&results[0])) {
		take_back(post);
	} else if (!is_done(&results[has_grants])) {
		socketio_refuse(post, "Too many rooms", NULL);
	} else {
		finish(post);
	}
}

/* Where all have grants, who has none was refused them by an instance that ended before it could say so. */
static void
on_first(void *arg, const struct store_session *session)
{
	struct engineio_post *post = arg;

	if (session->status == STORE_UNAVAILABLE)
		engineio_call_try_again(&post->call);
	else if (session->status == STORE_OK && session->grants.len > 0)
		finish(post);
	else
		take_back(post);
}

static void
look_at_first(struct engineio_call *call)
{
	store_look(call->front->parts.store, &post_of(call)->step.id, on_first, call);
}

static void
on_placed(void *arg, const struct store_applied *applied)
{
	struct engineio_post *post = arg;

	switch (applied->status) {
	case STORE_STALE: /* A first attempt of this request has done it: nobody else knows the secret yet. */
		if (post->call.front->has_grants)
			engineio_call_begin(&post->call, look_at_first);
		else
			finish(post);
		return;
	case STORE_OK:
		take_results(post, applied->results);
		return;
	default:
		engineio_call_try_again(&post->call);
	}
}

/* What the application wants to be done comes behind. */
static void
place_new(struct engineio_post *post)
{
	struct socketio_step *step = &post->step;
	struct client_op *ops = mem_zero(step->answer.count + 2, sizeof *ops);
	char *namespace = mem_copy(step->packet.namespace, step->packet.namespace_len);
	size_t n = 0;

	if (step->grants.len > 0)
		ops[n++] = (struct client_op){.kind = CLIENT_GRANT, .data = {step->grants.data, step->grants.len}};
	/* There may be thousands, who all would have to read it. */
	ops[n++] = (struct client_op){.kind = CLIENT_JOIN, .quiet = true, .room = namespace};
	for (size_t i = 0; i < step->answer.count; i++) {
		ops[n] = step->answer.ops[i];
		ops[n++].is_forbidden = i < step->answer.rooms && !socketio_may(post, &step->grants, GRANTS_JOIN, step->answer.ops[i].room);
	}
	take_socket(post, ops, n, on_placed);
	free(ops);
	free(namespace);
}

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct engineio_post *post = arg;
	struct socketio_step *step = &post->step;

	step->is_new = opened->status == STORE_OK;
	if (opened->status == STORE_FULL) {
		metric_add(SESSIONS_REFUSED, 1);
		socketio_refuse(post, "Too many sessions", NULL);
		return;
	}
	if (opened->status != STORE_OK) {
		engineio_call_try_again(&post->call);
		return;
	}
	metric_add(SESSIONS_OPENED, opened->created);
	cursor_free(&step->cursor);
	step->cursor.mailbox = opened->position;
	place_new(post);
}

static void
open_socket(struct engineio_call *call)
{
	struct socketio_step *step = &post_of(call)->step;
	struct message_address address = {.namespace = {step->packet.namespace, step->packet.namespace_len}};
	struct buf end = BUF_EMPTY;

	if (hook_wants(call->front->hook, HOOK_DISCONNECT))
		sessions_write_end(&end, &step->id, &address);
	store_open(call->front->parts.store, &step->id, step->data.data ? step->data.data : "", step->data.len, end.data, on_opened, call);
	buf_free(&end);
}

static void
on_admitted(struct engineio_post *post)
{
	engineio_call_begin(&post->call, open_socket);
}

static void
begin_new(struct engineio_post *post)
{
	struct socketio_step *step = &post->step;

	step->is_recovered = false;
	step->socket_number = 0;
	make_pad(step->pid, post->call.sid, step->number);
	token_session(&step->id, step->pid);
	socketio_ask(post, on_admitted);
}

/* ---- One that was on another engine ---- */

static void
on_taken(void *arg, const struct store_applied *applied)
{
	struct engineio_post *post = arg;

	switch (applied->status) {
	case STORE_OK:
		finish(post);
		return;
	case STORE_STALE:
		engineio_call_begin(&post->call, recover);
		return;
	case STORE_GONE:
		begin_new(post);
		return;
	default:
		engineio_call_try_again(&post->call);
	}
}

/*
 * Behind what the client says that it had; or, if it does not say, what it is known to have had.  Behind both if it had something
 * without an offset that it could say.
 */
static void
place(struct engineio_post *post)
{
	static const char *const names[] = {"offset"};
	struct socketio_step *step = &post->step;
	struct buf text = BUF_EMPTY;
	struct cursor cursor;
	struct jspan offset;

	jspan_pick(step->packet.data, names, &offset, 1);
	if (!step->was_taken && jspan_string(offset, &text) && text.len > 0 && strlen(text.data) == text.len &&
	    cursor_parse(&cursor, text.data, post->call.front->limits.rooms)) {
		if (step->was_asked)
			cursor_catch_up(&cursor, &step->cursor);
		cursor_free(&step->cursor);
		step->cursor = cursor;
	}
	buf_free(&text);
	step->is_recovered = true;
	take_socket(post, step->renewal, step->renewal_count, on_taken);
}

static void ask_engine(struct engineio_call *call);

static void
on_engine_over(void *arg, const struct store_applied *applied)
{
	struct engineio_post *post = arg;

	if (applied->status == STORE_UNAVAILABLE)
		engineio_call_try_again(&post->call);
	else if (applied->status == STORE_STALE)
		engineio_call_begin(&post->call, ask_engine);
	else
		place(post);
}

/* From here on nothing that is under way for it can be written. */
static void
end_engine(struct engineio_post *post, struct engine_state *state)
{
	struct socketio_step *step = &post->step;
	struct store_swap swap = {step->engine_number, {engineio_random(), NULL, 0}};
	struct buf text = BUF_EMPTY;

	state->phase = ENGINE_OVER;
	engine_state_write(&text, state);
	swap.state.text = text.data;
	swap.state.len = text.len;
	sessions_swap(post->call.front->parts.sessions, &step->engine, &swap, NULL, 0, on_engine_over, post);
	buf_free(&text);
}

static void
on_engine(void *arg, const struct store_session *session)
{
	struct engineio_post *post = arg;
	struct socketio_step *step = &post->step;
	const struct engine_socket *socket;
	struct engine_state state;

	if (session->status == STORE_UNAVAILABLE) {
		engineio_call_try_again(&post->call);
		return;
	}
	if (session->status != STORE_OK || !engine_state_parse(&state, session->state.text, session->state.len)) {
		place(post);
		return;
	}
	socket = engine_state_find_socket(&state, &step->id);
	step->was_asked = socket && socket->was_asked;
	if (socket) {
		cursor_free(&step->cursor);
		step->cursor = cursor_copy(&socket->before);
	}
	step->engine_number = session->state.number;
	if (state.phase == ENGINE_OVER)
		place(post);
	else
		end_engine(post, &state);
	engine_state_free(&state);
}

static void
ask_engine(struct engineio_call *call)
{
	store_look(call->front->parts.store, &post_of(call)->step.engine, on_engine, call);
}

/* Its operations lend what is granted, which is new each time. */
static void
forget_renewal(struct socketio_step *step)
{
	auth_free_ops(step->renewal, step->renewal_count);
	step->renewal = NULL;
	step->renewal_count = 0;
}

/* Let what the token grants now be what it may do.  False if it is another user's. */
static bool
renew(struct engineio_post *post, const struct store_session *session)
{
	struct socketio_step *step = &post->step;
	struct auth_granted granted = {.text = {step->grants.data, step->grants.len},
	    .tells = hook_wants(post->call.front->hook, HOOK_LEAVE),
	    .namespace = {step->packet.namespace, step->packet.namespace_len}};
	struct grants before, now;
	char *namespace = mem_copy(step->packet.namespace, step->packet.namespace_len);
	bool same = grants_read(&now, step->grants.data, step->grants.len) &&
	    grants_read(&before, session->grants.text, session->grants.len) && grants_same_user(&before, &now);

	forget_renewal(step);
	granted.grants = &now;
	if (step->data.len > 0)
		granted.data = (struct jspan){step->data.data, step->data.len};
	if (same)
		step->renewal = auth_renew(&granted, session, namespace, &step->renewal_count);
	free(namespace);
	return same;
}

/* Without tokens it is the application that can grant more. */
static bool
needs_readmission(const struct engineio_post *post, const struct store_session *session)
{
	const struct front *front = post->call.front;
	struct grants grants;

	return front->has_grants && !front->auth && !post->step.was_readmitted &&
	    !grants_hold(&grants, session->grants.text, session->grants.len, store_now(front->parts.store));
}

static void
on_readmitted(struct engineio_post *post)
{
	post->step.was_readmitted = true;
	engineio_call_begin(&post->call, recover);
}

static void
on_socket(void *arg, const struct store_session *session)
{
	struct engineio_post *post = arg;
	struct socketio_step *step = &post->step;

	if (session->status == STORE_UNAVAILABLE) {
		engineio_call_try_again(&post->call);
		return;
	}
	cursor_free(&step->cursor);
	if (session->status != STORE_OK || !read_state(&session->state, &step->engine, &step->cursor, post->call.front->limits.rooms)) {
		begin_new(post);
		return;
	}
	if (needs_readmission(post, session)) {
		cursor_free(&step->cursor);
		socketio_ask_again(post, on_readmitted);
		return;
	}
	if (step->grants.len > 0 && !renew(post, session)) {
		cursor_free(&step->cursor);
		begin_new(post);
		return;
	}
	step->socket_number = session->state.number;
	step->was_taken = name_equal(&step->engine, &post->call.id);
	if (step->was_taken)
		place(post);
	else
		engineio_call_begin(&post->call, ask_engine);
}

static void
recover(struct engineio_call *call)
{
	store_look(call->front->parts.store, &post_of(call)->step.id, on_socket, call);
}

/* ---- The beginning ---- */

/* The secret of a socket that the client had, of which there cannot be one on this engine. */
static bool
read_pid(struct engineio_post *post)
{
	static const char *const names[] = {"pid"};
	struct socketio_step *step = &post->step;
	struct buf text = BUF_EMPTY;
	struct jspan pid;
	bool good = false;

	if (!post->call.front->parts.options->no_recovery && step->packet.data.text) {
		jspan_pick(step->packet.data, names, &pid, 1);
		good = jspan_string(pid, &text) && text.len == TOKEN_LEN && token_session(&step->id, text.data) &&
		    !engine_state_find_socket(&post->call.state, &step->id);
	}
	if (good)
		memcpy(step->pid, text.data, TOKEN_LEN + 1);
	buf_free(&text);
	return good;
}

/* The first one is everybody's, and says nothing of what may be done there. */
static bool
may_enter(const struct engineio_post *post)
{
	const struct socketio_step *step = &post->step;
	char *namespace = mem_copy(step->packet.namespace, step->packet.namespace_len);
	bool may = !post->call.front->auth || strcmp(namespace, "/") == 0 || socketio_may(post, &step->grants, GRANTS_JOIN, namespace);

	free(namespace);
	return may;
}

static void
on_judged(struct engineio_post *post)
{
	if (!may_enter(post))
		socketio_refuse(post, "The token does not let its session enter this namespace.", "forbidden");
	else if (!post->step.is_new && read_pid(post))
		engineio_call_begin(&post->call, recover);
	else
		begin_new(post);
}

static struct engine_socket *
socket_of(const struct engineio_post *post)
{
	return engine_state_socket(&post->call.state, post->step.packet.namespace, post->step.packet.namespace_len);
}

/* A number sign would make it a room of another one. */
static bool
is_namespace(const struct engineio_post *post)
{
	const struct socketio_packet *packet = &post->step.packet;

	return native_room_name(packet->namespace, packet->namespace_len, post->call.front->limits.room_name) &&
	    !memchr(packet->namespace, '#', packet->namespace_len);
}

void
socketio_connect(struct engineio_post *post)
{
	struct socketio_step *step = &post->step;
	const struct engine_state *state = &post->call.state;
	const struct socketio_packet *packet = &step->packet;
	const struct options *o = post->call.front->parts.options;

	if (step->refusal.len > 0 && step->refused_at == post->from) { /* That was decided, and the swap behind it was not done. */
		tell_refusal(post);
		return;
	}
	cursor_free(&step->cursor);
	buf_clear(&step->data);
	buf_clear(&step->grants);
	forget_renewal(step);
	hook_answer_free(&step->answer);
	step->was_readmitted = false;
	step->number = state->connects + 1;
	if (socket_of(post) && socket_of(post)->how == ENGINE_SOCKET_LEFT)
		engineio_call_drop_left(&post->call);
	if (socket_of(post)) {
		if (o->engineio_strict)
			engineio_post_refuse(post);
		else /* Some clients do that. */
			engineio_post_step_done(post);
	} else if (!is_namespace(post)) {
		socketio_refuse(post, "Invalid namespace", NULL);
	} else if (state->sockets_count >= o->namespaces_max) {
		socketio_refuse(post, "Too many namespaces", NULL);
	} else if (packet->data.len > o->max_message) {
		socketio_refuse(post, "The auth is larger than --max-message.", "message_too_large");
	} else {
		socketio_judge(post, on_judged);
	}
}
