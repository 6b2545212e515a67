/* What the packets of Socket.IO do, but for connecting: see socketio.h. */
#include "front/socketio.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/base64.h"
#include "codec/frame.h"
#include "codec/native.h"
#include "codec/socketio_event.h"
#include "codec/token.h"
#include "core/session.h"
#include "front/auth.h"
#include "front/engineio_post.h"
#include "front/private.h"
#include "front/refusal.h"
#include "hook/hook.h"
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
	buf_clear(&step->known_grants);
	step->is_known = false;
}

void
socketio_step_free(struct socketio_step *step)
{
	forget(step);
	cursor_free(&step->cursor);
	buf_free(&step->title);
	buf_free(&step->refusal);
	buf_free(&step->grants);
	buf_free(&step->data);
	buf_free(&step->known_grants);
	hook_answer_free(&step->answer);
	auth_free_ops(step->renewal, step->renewal_count);
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
	buf_add(&step->known_grants, view->grants.text, view->grants.len);
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

bool
socketio_may(const struct engineio_post *post, const struct buf *text, enum grants_right right, const char *room)
{
	struct grants grants;

	return !post->call.front->has_grants || (grants_read(&grants, text->data, text->len) && grants_allow(&grants, right, room));
}

/* May it, with a room? */
static bool
may(const struct engineio_post *post, enum grants_right right, const char *room)
{
	return socketio_may(post, &post->step.known_grants, right, room);
}

/* What it may do has an end, and that was. */
static bool
is_expired(const struct engineio_post *post)
{
	const struct buf *text = &post->step.known_grants;
	struct grants grants;

	return post->call.front->has_grants && !grants_hold(&grants, text->data, text->len, store_now(post->call.front->parts.store));
}

/* What a client that waits for the answer `id` gets: an array of arguments. */
static struct client_op *
add_op_of_answer(struct engineio_post *post, const struct name *socket, uint64_t id)
{
	struct buf *number = engineio_post_text(post);
	struct client_op *op = engineio_post_op(post);

	message_write_number(number, id);
	*op = (struct client_op){.to = *socket, .from = *socket, .form = CLIENT_ANSWER, .event = {number->data, number->len}};
	return op;
}

static struct jspan
span_of(const char *text)
{
	return (struct jspan){text, strlen(text)};
}

/* json: lent for good. */
static void
add_answer(struct engineio_post *post, const struct name *socket, uint64_t id, const char *json)
{
	struct client_op *op = add_op_of_answer(post, socket, id);

	op->kind = CLIENT_SEND_SESSION;
	op->data = span_of(json);
}

/* The same: what became of the operation before. */
static void
add_receipt(struct engineio_post *post, const struct name *socket, uint64_t id, const char *refusal)
{
	struct client_op *op = add_op_of_answer(post, socket, id);

	op->kind = CLIENT_TELL;
	op->data = span_of("[{\"ok\":true,\"id\":\"");
	op->data_end = span_of("\"}]");
	op->refusal = span_of(refusal);
}

static void
add_send(struct engineio_post *post, const struct client_op *like, char *title)
{
	struct client_op *op = engineio_post_op(post);

	*op = *like;
	op->kind = title ? CLIENT_SEND_ROOM : CLIENT_SEND_SESSION;
	op->room = title;
	op->is_forbidden = title && !may(post, GRANTS_SEND, title);
	metric_add(AUTH_FORBIDDEN, op->is_forbidden);
	post->messages++;
}

/* Takes event. */
static struct client_op
make_op(struct engineio_post *post, const struct engine_socket *socket, struct socketio_event *event)
{
	struct buf *name = engineio_post_text(post), *data = engineio_post_text(post);

	*name = event->name;
	*data = event->data;
	return (struct client_op){.to = socket->id, .from = socket->id, .form = event->form, .event = {name->data, name->len},
	    .data = {data->data, data->len}};
}

/* Who is in several of them gets it from the first one that has it. */
static void
send_to_rooms(struct engineio_post *post, struct client_op *op)
{
	const struct socketio_step *step = &post->step;
	struct buf *names = step->titles_count > 1 ? engineio_post_text(post) : NULL; /* Two texts for each operation are enough. */
	struct name name;

	for (size_t i = 0; i + 1 < step->titles_count; i++) {
		room_name_key(&name, step->titles[i], strlen(step->titles[i]));
		buf_add(names, name.s, NAME_LEN);
	}
	for (size_t i = 0; i < step->titles_count; i++) {
		if (i > 0)
			op->address.copies = (struct jspan){names->data, i * NAME_LEN};
		add_send(post, op, step->titles[i]);
	}
}

/* To other clients.  Takes event. */
static void
relay(struct engineio_post *post, const struct engine_socket *socket, const struct socketio_packet *packet, struct socketio_event *event)
{
	struct client_op like = make_op(post, socket, event);
	int to = options_of(post)->relay;

	like.self = to == OPTIONS_RELAY_ALL;
	if (to == OPTIONS_RELAY_SELF)
		add_send(post, &like, NULL);
	else if (to != OPTIONS_RELAY_NONE)
		send_to_rooms(post, &like);
	if (packet->has_id && to == OPTIONS_RELAY_NONE)
		add_answer(post, &socket->id, packet->id, "[{\"ok\":true}]");
	else if (packet->has_id)
		add_receipt(post, &socket->id, packet->id, "[{\"error\":\"refused\"}]");
}

/* Why an event is not taken: its client is told by the answer that it waits for, or by an event. */
static struct client_op *
add_complaint(struct engineio_post *post, const struct engine_socket *socket, const struct socketio_packet *packet, struct jspan event,
    const struct refusal *complaint)
{
	struct buf *json = engineio_post_text(post);
	struct client_op *op;

	socketio_write_failure(json, packet->has_id, complaint->code, complaint->detail, event);
	if (packet->has_id) {
		op = add_op_of_answer(post, &socket->id, packet->id);
	} else {
		op = engineio_post_op(post);
		*op = (struct client_op){.to = socket->id, .from = socket->id, .event = span_of("\"$error\"")};
	}
	op->kind = CLIENT_SEND_SESSION;
	op->data = (struct jspan){json->data, json->len};
	return op;
}

/* The same, but only if the operation before, which puts it into the queue, is refused. */
static void
add_refusal(struct engineio_post *post, const struct engine_socket *socket, const struct socketio_packet *packet, struct jspan event)
{
	struct client_op *op = add_complaint(post, socket, packet, event, refusal_of(STORE_QUEUE_FULL));

	op->kind = CLIENT_TELL;
	op->refusal = op->data;
	op->data = (struct jspan){NULL, 0};
}

/* An event, or else an answer to one. */
static bool
is_event(const struct socketio_packet *packet)
{
	return packet->type == SOCKETIO_EVENT || packet->type == SOCKETIO_BINARY_EVENT;
}

/* For the application.  Takes event. */
static void
queue(struct engineio_post *post, const struct engine_socket *socket, const struct socketio_packet *packet, struct socketio_event *event)
{
	struct client_op *op = engineio_post_op(post);

	*op = make_op(post, socket, event);
	op->kind = CLIENT_EVENT;
	op->address = (struct message_address){.asks = is_event(packet) && packet->has_id, .number = packet->id,
	    .namespace = span_of(socket->namespace)};
	post->messages++;
	if (is_event(packet))
		add_refusal(post, socket, packet, op->event);
}

/* True if the event is not taken, and its client told why. */
static bool
complain(struct engineio_post *post, const struct engine_socket *socket, const struct socketio_packet *packet,
    const struct socketio_event *event, bool is_heard)
{
	static const struct refusal gateways = {"bad_event", "Events that begin with $ are the gateway's."},
	    large = {"message_too_large", "The event is larger than --max-message."};
	struct jspan name = {event->name.data, event->name.len};
	struct buf text = BUF_EMPTY;
	bool is_gateways = jspan_string(name, &text) && text.len > 0 && *text.data == '$';
	bool is_large = is_heard && event->data.len > options_of(post)->max_message;

	buf_free(&text);
	if (!is_gateways && !is_large)
		return false;
	if (name.len > options_of(post)->event_max + 2) /* It is told by nothing more than that. */
		name = span_of("null");
	add_complaint(post, socket, packet, name, is_gateways ? &gateways : &large);
	return true;
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

/* An event by which a client enters or leaves a room. */
static bool
take_room_event(struct engineio_post *post, const struct socketio_packet *packet, const struct engine_socket *socket,
    struct jspan name)
{
	const struct front *front = post->call.front;
	bool is_join = front->join_event && jspan_is(name, front->join_event);
	struct buf room = BUF_EMPTY;
	bool taken = (is_join || (front->leave_event && jspan_is(name, front->leave_event))) && read_room(packet, &room);

	if (taken) {
		take_alone(post, is_join ? SOCKETIO_JOIN : SOCKETIO_LEAVE, packet, socket);
		socketio_write_title(&post->step.title, span_of(socket->namespace), room.data ? room.data : "", room.len);
	}
	buf_free(&room);
	return taken;
}

/* A whole event, or an answer to one, with its attachments. */
static enum post_take
take_event(struct engineio_post *post, const struct socketio_packet *packet, const struct engine_socket *socket,
    const struct buf *attachments)
{
	bool is_heard = hook_wants(post->call.front->hook, is_event(packet) ? HOOK_MESSAGE : HOOK_ACK);
	struct socketio_event event;
	struct jspan name;
	size_t targets;

	if (is_event(packet) ? !socketio_event_name(packet, &name) : !is_heard || !packet->has_id || !packet->data.text)
		return POST_TAKEN; /* It tells nobody anything. */
	if (!is_known(post, socket) && post->call.front->has_grants)
		return take_alone(post, SOCKETIO_LEARN, packet, socket);
	if (is_expired(post))
		return POST_OVER;
	if (packet->type == SOCKETIO_EVENT && !is_heard && take_room_event(post, packet, socket, name))
		return POST_ALONE;
	if (!is_known(post, socket) && !is_heard)
		return take_alone(post, SOCKETIO_LEARN, packet, socket);
	targets = !is_heard && post->step.titles_count > 1 ? post->step.titles_count : 1;
	if (!engineio_post_has_room(post, targets + 1))
		return POST_FULL;
	if (!socketio_event_read(&event, packet, attachments))
		return POST_WRONG;
	if (is_event(packet) && complain(post, socket, packet, &event, is_heard))
		socketio_event_free(&event);
	else if (is_heard)
		queue(post, socket, packet, &event);
	else
		relay(post, socket, packet, &event);
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

/* The first packet of a client with another parser. */
static enum post_take
refuse_msgpack(struct engineio_post *post, const struct engineio_packet *binary)
{
	struct buf packet = BUF_EMPTY, answer = BUF_EMPTY, base64 = BUF_EMPTY;
	bool is_connect = post->call.state.connects == 0 && base64_read(&packet, binary->data, binary->len) &&
	    socketio_refuse_msgpack(&answer, packet.data ? packet.data : "", packet.len);
	struct client_op *op;
	struct buf *data;

	if (is_connect) {
		base64_write(&base64, answer.data, answer.len);
		data = engineio_post_text(post);
		jspan_quote(data, base64.data, base64.len);
		op = engineio_post_op(post);
		*op = (struct client_op){.kind = CLIENT_SEND_SESSION, .to = post->call.id, .event = frame_event(FRAME_BINARY),
		    .data = {data->data, data->len}};
		post->call.state.connects++; /* That is said once. */
		metric_add(SOCKETIO_MSGPACK, 1);
	}
	buf_free(&packet);
	buf_free(&answer);
	buf_free(&base64);
	return is_connect ? POST_TAKEN : POST_WRONG;
}

static enum post_take
take_attachment(struct engineio_post *post, const struct engineio_packet *binary)
{
	struct engine_state *state = &post->call.state;
	struct engine_partial *partial = state->partial;
	const struct engine_socket *socket;
	struct socketio_packet packet;
	enum post_take take = POST_TAKEN;

	if (!partial && !engineio_post_has_room(post, 1))
		return POST_FULL;
	if (!partial)
		return refuse_msgpack(post, binary);
	if (size_of(partial) + binary->len > post->call.front->max_payload ||
	    !socketio_parse(&packet, partial->packet.data, partial->packet.len))
		return POST_WRONG;
	buf_add(&partial->attachments[partial->count++], binary->data, binary->len);
	if (partial->count < packet.attachments)
		return POST_TAKEN;
	socket = engine_state_socket(state, packet.namespace, packet.namespace_len);
	if (socket && socket->how != ENGINE_SOCKET_LEFT)
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
	if (socket->how == ENGINE_SOCKET_LEFT) /* It sent that before it learned of its end. */
		return packet.attachments > 0 ? begin_attachments(post, message) : POST_TAKEN;
	switch (packet.type) {
	case SOCKETIO_DISCONNECT:
		return take_alone(post, SOCKETIO_DISCONNECTING, &packet, socket);
	case SOCKETIO_BINARY_EVENT:
	case SOCKETIO_BINARY_ACK:
		return begin_attachments(post, message);
	default:
		return take_event(post, &packet, socket, NULL);
	}
}

/* ---- Steps ---- */

static void
finish_room(struct engineio_post *post, const char *refusal)
{
	struct socketio_step *step = &post->step;
	struct buf *json;

	forget(step);
	step->room_refusal = refusal;
	step->room_at = post->from;
	step->has_room = true;
	if (step->packet.has_id && !refusal) {
		add_answer(post, &step->socket, step->packet.id, "[{\"ok\":true}]");
	} else if (step->packet.has_id) {
		json = engineio_post_text(post);
		buf_addf(json, "[{\"error\":\"%s\"}]", refusal);
		add_answer(post, &step->socket, step->packet.id, json->data);
	}
	engineio_post_step_done(post);
}

static void
on_room(void *arg, const struct store_applied *applied)
{
	struct engineio_post *post = arg;
	const struct refusal *refusal = applied->count > 0 ? refusal_of(applied->results[0].code) : NULL;

	if (applied->status == STORE_UNAVAILABLE)
		engineio_call_try_again(&post->call);
	else if (applied->status != STORE_OK)
		engineio_post_refuse(post);
	else
		finish_room(post, refusal ? refusal->code : NULL);
}

static void
apply_room(struct engineio_call *call)
{
	struct engineio_post *post = (struct engineio_post *)call;
	struct socketio_step *step = &post->step;
	bool is_join = step->kind == SOCKETIO_JOIN;
	struct client_op op = {.kind = is_join ? CLIENT_JOIN : CLIENT_LEAVE, .room = step->title.data,
	    .is_event = hook_wants(call->front->hook, is_join ? HOOK_JOIN : HOOK_LEAVE),
	    .address.namespace = {step->packet.namespace, step->packet.namespace_len}};

	sessions_apply(call->front->parts.sessions, &step->socket, 0, &op, 1, on_room, post);
}

/* In the first namespace a name that begins with / is that of another one, or its own, which is neither entered nor left. */
static bool
is_of_other(const struct engineio_post *post)
{
	return post->step.packet.namespace_len == 1 && *post->step.title.data == '/';
}

static void
change_room(struct engineio_post *post)
{
	const struct buf *title = &post->step.title;

	if (post->step.has_room && post->step.room_at == post->from) { /* It was done, and the swap behind it was not. */
		finish_room(post, post->step.room_refusal);
		return;
	}
	if (!may(post, GRANTS_JOIN, title->data ? title->data : "") && post->step.kind == SOCKETIO_JOIN) {
		finish_room(post, refusal_of(STORE_FORBIDDEN)->code);
		return;
	}
	if (title->len == 0 || strlen(title->data) != title->len ||
	    !native_room_name(title->data, title->len, post->call.front->limits.room_name) || is_of_other(post))
		finish_room(post, "bad_room");
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
