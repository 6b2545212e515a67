/* What the packets of Socket.IO do, but for connecting: see socketio.h. */
#include "front/socketio.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/frame.h"
#include "codec/native.h"
#include "codec/socketio_event.h"
#include "core/session.h"
#include "front/engineio_post.h"
#include "front/private.h"
#include "store/store.h"

static const struct options *
options_of(const struct engineio_post *post)
{
	return post->call.front->parts.options;
}

/* ---- What was learned ---- */

static void
forget(struct socketio_step *step)
{
	for (size_t i = 0; i < step->titles_count; i++)
		free(step->titles[i]);
	free(step->titles);
	step->titles = NULL;
	step->titles_count = 0;
	step->is_known = false;
}

void
socketio_step_free(struct socketio_step *step)
{
	forget(step);
	cursor_free(&step->cursor);
	buf_free(&step->title);
}

static bool
is_known(const struct engineio_post *post, const struct engine_socket *socket)
{
	return post->step.is_known && name_equal(&post->step.known, &socket->id);
}

/* Those that it entered; or, if it entered none, that of its namespace. */
static void
learn(struct socketio_step *step, const struct store_view *view, const char *namespace)
{
	forget(step);
	step->is_known = true;
	step->known = step->socket;
	step->titles = mem_zero(view->rooms_count + 1, sizeof *step->titles);
	for (size_t i = 0; i < view->rooms_count; i++)
		if (strcmp(view->rooms[i].title, namespace) != 0)
			step->titles[step->titles_count++] = mem_string(view->rooms[i].title);
	if (step->titles_count == 0)
		step->titles[step->titles_count++] = mem_string(namespace);
}

static void
on_rooms(void *arg, const struct store_view *view)
{
	struct engineio_post *post = arg;
	struct socketio_packet *packet = &post->step.packet;
	char *namespace;

	if (view->status == STORE_UNAVAILABLE) {
		engineio_call_try_again(&post->call);
		return;
	}
	if (view->status != STORE_OK) { /* Its socket's session is gone: what is said on it is said to nobody. */
		engineio_post_refuse(post);
		return;
	}
	namespace = mem_copy(packet->namespace, packet->namespace_len);
	learn(&post->step, view, namespace);
	free(namespace);
	engineio_post_step_learned(post);
}

static void
ask_rooms(struct engineio_call *call)
{
	static const struct entry_id nowhere = {UINT64_MAX, UINT64_MAX}; /* The messages are of no interest. */

	store_read_mailbox(call->front->parts.store, &((struct engineio_post *)call)->step.socket, nowhere, 1, 1, on_rooms, call);
}

/* ---- Events ---- */

static enum post_take
take_alone(struct engineio_post *post, enum socketio_step_kind kind, const struct socketio_packet *packet,
    const struct engine_socket *socket)
{
	post->step.kind = kind;
	post->step.packet = *packet;
	if (socket)
		post->step.socket = socket->id;
	return POST_ALONE;
}

/* json: the array of arguments. */
static void
add_answer(struct engineio_post *post, const struct name *socket, uint64_t id, const char *json)
{
	struct buf *number = engineio_post_text(post), *data = engineio_post_text(post);
	struct client_op *op = engineio_post_op(post);

	buf_adds(number, "\"");
	buf_addn(number, id);
	buf_adds(number, "\"");
	buf_adds(data, json);
	*op = (struct client_op){.kind = CLIENT_SEND_SESSION, .to = *socket, .from = socket, .form = CLIENT_ANSWER,
	    .event = {number->data, number->len}, .data = {data->data, data->len}};
}

static void
add_send(struct engineio_post *post, const struct client_op *like, char *title)
{
	struct client_op *op = engineio_post_op(post);

	*op = *like;
	op->kind = title ? CLIENT_SEND_ROOM : CLIENT_SEND_SESSION;
	op->room = title;
	post->messages++;
}

/* Takes event. */
static void
add_event(struct engineio_post *post, const struct engine_socket *socket, struct socketio_event *event)
{
	struct buf *name = engineio_post_text(post), *data = engineio_post_text(post);
	struct client_op like = {.to = socket->id, .from = &socket->id, .form = event->form};
	int relay = options_of(post)->relay;

	*name = event->name;
	*data = event->data;
	like.event = (struct jspan){name->data, name->len};
	like.data = (struct jspan){data->data, data->len};
	like.self = relay == OPTIONS_RELAY_ALL;
	if (relay == OPTIONS_RELAY_SELF)
		add_send(post, &like, NULL);
	else if (relay != OPTIONS_RELAY_NONE)
		for (size_t i = 0; i < post->step.titles_count; i++)
			add_send(post, &like, post->step.titles[i]);
}

static bool
is_named(struct jspan event, const char *name)
{
	size_t len = strlen(name);

	return jspan_type(event) == JSPAN_STRING && event.len == len + 2 && memcmp(event.text + 1, name, len) == 0;
}

/* The room of an event with one argument, a string. */
static bool
read_room(const struct socketio_packet *packet, struct buf *room)
{
	struct jspan value, more;
	size_t at = 0;

	return jspan_next_element(packet->data, &at, &value) && jspan_next_element(packet->data, &at, &value) &&
	    jspan_string(value, room) && !jspan_next_element(packet->data, &at, &more);
}

/* Rooms of the first namespace have the names that native clients know; those of others have it in front. */
static void
write_title(struct buf *title, const struct socketio_packet *packet, const struct buf *room)
{
	buf_clear(title);
	if (packet->namespace_len > 1) {
		buf_add(title, packet->namespace, packet->namespace_len);
		buf_adds(title, "#");
	}
	buf_add(title, room->data ? room->data : "", room->len);
}

/* An event by which a client enters or leaves a room. */
static bool
take_room_event(struct engineio_post *post, const struct socketio_packet *packet, const struct engine_socket *socket,
    struct jspan name)
{
	bool is_join = is_named(name, "join");
	struct buf room = BUF_EMPTY;
	bool taken = options_of(post)->room_events && (is_join || is_named(name, "leave")) && read_room(packet, &room);

	if (taken) {
		take_alone(post, is_join ? SOCKETIO_JOIN : SOCKETIO_LEAVE, packet, socket);
		write_title(&post->step.title, packet, &room);
	}
	buf_free(&room);
	return taken;
}

/* A whole event, with its attachments. */
static enum post_take
take_event(struct engineio_post *post, const struct socketio_packet *packet, const struct engine_socket *socket,
    const struct buf *attachments)
{
	struct socketio_event event;
	struct jspan name;
	size_t targets;

	if (!socketio_event_name(packet, &name))
		return POST_TAKEN;
	if (packet->type == SOCKETIO_EVENT && take_room_event(post, packet, socket, name))
		return POST_ALONE;
	if (!is_known(post, socket))
		return take_alone(post, SOCKETIO_LEARN, packet, socket);
	targets = post->step.titles_count > 1 ? post->step.titles_count : 1;
	if (!engineio_post_has_room(post, targets + packet->has_id))
		return POST_FULL;
	if (!socketio_event_read(&event, packet, attachments))
		return POST_WRONG;
	add_event(post, socket, &event);
	if (packet->has_id)
		add_answer(post, &socket->id, packet->id, "[{\"ok\":true}]");
	return POST_TAKEN;
}

/* ---- Attachments ---- */

static size_t
size_of(const struct engine_partial *partial)
{
	size_t size = partial->packet.len;

	for (unsigned i = 0; i < partial->count; i++)
		size += partial->attachments[i].len;
	return size;
}

static enum post_take
take_attachment(struct engineio_post *post, const struct engineio_packet *binary)
{
	struct engine_state *state = &post->call.state;
	struct engine_partial *partial = state->partial;
	const struct engine_socket *socket;
	struct socketio_packet packet;
	enum post_take take = POST_TAKEN;

	if (!partial || size_of(partial) + binary->len > post->call.front->max_payload ||
	    !socketio_parse(&packet, partial->packet.data, partial->packet.len))
		return POST_WRONG;
	buf_add(&partial->attachments[partial->count++], binary->data, binary->len);
	if (partial->count < packet.attachments)
		return POST_TAKEN;
	socket = engine_state_socket(state, packet.namespace, packet.namespace_len);
	if (socket && packet.type == SOCKETIO_BINARY_EVENT)
		take = take_event(post, &packet, socket, partial->attachments);
	if (take == POST_TAKEN || take == POST_WRONG)
		engine_state_drop_partial(state);
	else /* It comes again. */
		buf_free(&partial->attachments[--partial->count]);
	return take;
}

static enum post_take
begin_attachments(struct engineio_post *post, const struct engineio_packet *text)
{
	struct engine_state *state = &post->call.state;

	state->partial = mem_zero(1, sizeof *state->partial);
	buf_add(&state->partial->packet, text->data, text->len);
	return POST_TAKEN;
}

/* ---- Packets ---- */

enum post_take
socketio_take(struct engineio_post *post, const struct engineio_packet *message)
{
	struct engine_state *state = &post->call.state;
	const struct engine_socket *socket;
	struct socketio_packet packet;

	if (message->binary)
		return take_attachment(post, message);
	if (state->partial || !socketio_parse(&packet, message->data, message->len))
		return POST_WRONG;
	if (packet.type == SOCKETIO_CONNECT)
		return take_alone(post, SOCKETIO_CONNECTING, &packet, NULL);
	socket = engine_state_socket(state, packet.namespace, packet.namespace_len);
	if (!socket || packet.type == SOCKETIO_CONNECT_ERROR)
		return POST_WRONG;
	switch (packet.type) {
	case SOCKETIO_DISCONNECT:
		return take_alone(post, SOCKETIO_DISCONNECTING, &packet, socket);
	case SOCKETIO_BINARY_EVENT:
	case SOCKETIO_BINARY_ACK:
		return begin_attachments(post, message);
	case SOCKETIO_EVENT:
		return take_event(post, &packet, socket, NULL);
	default: /* Nothing that a client gets asks for an answer. */
		return POST_TAKEN;
	}
}

/* ---- Steps ---- */

static const char *
answer_to(enum store_result_code code)
{
	switch (code) {
	case STORE_ROOM_FULL:
		return "[{\"error\":\"room_full\"}]";
	case STORE_NOT_JOINED:
		return "[{\"error\":\"not_joined\"}]";
	case STORE_ROOMS_LIMIT:
		return "[{\"error\":\"too_many_rooms\"}]";
	case STORE_JOINED_LIMIT:
		return "[{\"error\":\"too_many_joined\"}]";
	case STORE_DONE:
	case STORE_DONE_BEFORE:
		return "[{\"ok\":true}]";
	default:
		return "[{\"error\":\"refused\"}]";
	}
}

static void
finish_room(struct engineio_post *post, const char *answer)
{
	struct socketio_step *step = &post->step;

	forget(step);
	if (step->packet.has_id)
		add_answer(post, &step->socket, step->packet.id, answer);
	engineio_post_step_done(post);
}

static void
on_room(void *arg, const struct store_applied *applied)
{
	struct engineio_post *post = arg;

	if (applied->status == STORE_UNAVAILABLE)
		engineio_call_try_again(&post->call);
	else if (applied->status != STORE_OK)
		engineio_post_refuse(post);
	else
		finish_room(post, answer_to(applied->results[0].code));
}

static void
apply_room(struct engineio_call *call)
{
	struct engineio_post *post = (struct engineio_post *)call;
	struct socketio_step *step = &post->step;
	struct client_op op = {.kind = step->kind == SOCKETIO_JOIN ? CLIENT_JOIN : CLIENT_LEAVE, .room = step->title.data};

	sessions_apply(call->front->parts.sessions, &step->socket, 0, &op, 1, on_room, post);
}

static void
change_room(struct engineio_post *post)
{
	const struct buf *title = &post->step.title;

	/* That of the namespace is not to be left, and needs not be entered. */
	if (title->len == 0 || strlen(title->data) != title->len ||
	    !native_room_name(title->data, title->len, post->call.front->limits.room_name) || strcmp(title->data, "/") == 0)
		finish_room(post, "[{\"error\":\"bad_room\"}]");
	else
		engineio_call_begin(&post->call, apply_room);
}

static void
on_disconnected(void *arg, const struct store_presence *presence)
{
	struct engineio_post *post = arg;
	struct engine_state *state = &post->call.state;
	struct socketio_packet *packet = &post->step.packet;

	if (presence->status == STORE_UNAVAILABLE) {
		engineio_call_try_again(&post->call);
		return;
	}
	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	engine_state_remove_socket(state, engine_state_socket(state, packet->namespace, packet->namespace_len));
	engineio_post_step_done(post);
}

static void
disconnect(struct engineio_call *call)
{
	struct engineio_post *post = (struct engineio_post *)call;

	sessions_close(call->front->parts.sessions, &post->step.socket, on_disconnected, post);
}

void
socketio_step(struct engineio_post *post)
{
	switch (post->step.kind) {
	case SOCKETIO_LEARN:
		engineio_call_begin(&post->call, ask_rooms);
		return;
	case SOCKETIO_CONNECTING:
		socketio_connect(post);
		return;
	case SOCKETIO_DISCONNECTING:
		engineio_call_begin(&post->call, disconnect);
		return;
	case SOCKETIO_JOIN:
	case SOCKETIO_LEAVE:
		change_room(post);
		return;
	}
}
