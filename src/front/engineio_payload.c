/* Answers to polls of Engine.IO sessions: see engineio_payload.h. */
#include "front/engineio_payload.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "codec/engineio.h"
#include "codec/frame.h"
#include "codec/socketio_event.h"
#include "codec/token.h"
#include "front/socketio.h"

static void
free_told(struct engineio_payload *payload)
{
	for (size_t i = 0; i < payload->count; i++) {
		cursor_free(&payload->told[i].start);
		cursor_free(&payload->told[i].after);
	}
	free(payload->told);
	payload->told = NULL;
	payload->count = 0;
}

void
engineio_payload_free(struct engineio_payload *payload)
{
	free_told(payload);
	buf_free(&payload->text);
}

static bool
is_due(const struct engine_socket *socket, bool is_repeat)
{
	switch (socket->how) {
	case ENGINE_SOCKET_NEW:
	case ENGINE_SOCKET_RECOVERED:
		return true;
	case ENGINE_SOCKET_NEW_TOLD:
	case ENGINE_SOCKET_RECOVERED_TOLD:
		return is_repeat;
	case ENGINE_SOCKET_CONNECTED:
	case ENGINE_SOCKET_LEFT:
		return false;
	}
	return false;
}

void
engineio_payload_begin(struct engineio_payload *payload, bool is_repeat)
{
	const struct engine_state *state = payload->state;

	free_told(payload);
	buf_clear(&payload->text);
	payload->packets = 0;
	payload->is_over = false;
	payload->start = payload->after = is_repeat ? state->before : state->after;
	payload->count = state->sockets_count;
	payload->told = mem_zero(payload->count + 1, sizeof *payload->told);
	for (size_t i = 0; i < payload->count; i++) {
		const struct engine_socket *socket = &state->sockets[i];
		struct engineio_told *told = &payload->told[i];

		told->start = cursor_copy(is_repeat ? &socket->before : &socket->after);
		told->after = cursor_copy(&told->start);
		told->is_due = is_due(socket, is_repeat);
	}
}

struct poll_session *
engineio_payload_sessions(struct engineio_payload *payload, const struct name *id, uint64_t number)
{
	const struct engine_state *state = payload->state;
	struct poll_session *sessions = mem_zero(payload->count + 1, sizeof *sessions);

	payload->place = (struct cursor){.dirty = entry_id_compare(state->before, state->after) != 0, .mailbox = payload->start};
	sessions[0] = (struct poll_session){.id = *id, .cursor = &payload->place, .has_state = true, .state = number};
	for (size_t i = 0; i < payload->count; i++)
		sessions[1 + i] = (struct poll_session){.id = state->sockets[i].id, .cursor = &payload->told[i].start, .no_presence = true};
	return sessions;
}

enum poll_outcome
engineio_payload_outcome(const struct engineio_payload *payload, const struct poll_part *const *parts, size_t count)
{
	for (size_t i = 1; i < count && parts[0]->outcome == POLL_BATCH; i++)
		if (parts[i]->outcome != POLL_BATCH && payload->state->sockets[i - 1].how != ENGINE_SOCKET_LEFT)
			return parts[i]->outcome;
	return parts[0]->outcome;
}

bool
engineio_payload_is_due(const struct engineio_payload *payload)
{
	for (size_t i = 0; i < payload->count; i++)
		if (payload->told[i].is_due)
			return true;
	return false;
}

/* A first one always fits.  One packet is left for a ping. */
static bool
fits(const struct engineio_payload *payload, unsigned packets, size_t bytes)
{
	return payload->packets == 0 || (payload->packets + packets < payload->options->max_packets &&
	    payload->text.len + bytes <= payload->max);
}

/* ---- The session's own mailbox ---- */

/* As a packet, if it can be one.  False if the payload is to end before it. */
static bool
add_frame(struct engineio_payload *payload, const struct message *message)
{
	struct buf text = BUF_EMPTY;
	enum frame_kind kind = frame_read(&text, message);
	bool is_packet = kind == FRAME_BINARY || (kind == FRAME_TEXT && (text.len == 0 || !memchr(text.data, ENGINEIO_SEPARATOR, text.len)));
	bool goes_on = !is_packet || fits(payload, 1, text.len + 2);

	if (is_packet && goes_on) {
		payload->packets++;
		if (kind == FRAME_BINARY)
			engineio_write_binary(&payload->text, text.data, text.len);
		else
			engineio_write(&payload->text, ENGINEIO_MESSAGE, text.data, text.len);
	}
	buf_free(&text);
	return goes_on;
}

static void
add_frames(struct engineio_payload *payload, const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		payload->is_over |= batch->messages[i]->flag == MESSAGE_FAREWELL;
		if (!add_frame(payload, batch->messages[i]))
			return;
		payload->after = batch->messages[i]->id;
	}
	payload->after = batch->cursor->mailbox;
}

/* ---- Sockets ---- */

static bool
add_connected(struct engineio_payload *payload, const struct engine_socket *socket, struct engineio_told *told)
{
	struct buf text = BUF_EMPTY;
	bool goes_on;

	socketio_write_connected(&text, socket, payload->options->no_recovery ? NULL : payload->sid);
	goes_on = fits(payload, 1, text.len + 2);
	if (goes_on) {
		payload->packets++;
		engineio_write(&payload->text, ENGINEIO_MESSAGE, text.data, text.len);
		told->is_due = false;
		told->is_announced = true;
	}
	buf_free(&text);
	return goes_on;
}

static void
move(struct cursor *cursor, const struct message *message)
{
	struct name room;

	if (message->room)
		room_name_key(&room, message->room, strlen(message->room));
	cursor_move(cursor, message->room ? &room : NULL, message->id);
}

static bool
add_message(struct engineio_payload *payload, const struct engine_socket *socket, struct engineio_told *told,
    const struct message *message)
{
	struct socketio_writing writing = {.namespace = socket->namespace, .namespace_len = strlen(socket->namespace)};
	unsigned packets = socketio_message_packets(message);
	struct buf offset = BUF_EMPTY;

	if (!fits(payload, packets, message->size))
		return false;
	move(&told->after, message);
	told->is_left = message->flag == MESSAGE_FAREWELL;
	told->is_asked |= message->address.asks;
	/* An answer is asked for behind the last argument: there is no place for an offset. */
	if (!payload->options->no_recovery && !message->address.asks) {
		cursor_write(&offset, &told->after);
		writing.offset = offset.data;
	}
	socketio_message_write(&payload->text, message, &writing);
	payload->packets += packets;
	buf_free(&offset);
	return true;
}

static void
add_messages(struct engineio_payload *payload, size_t place, const struct batch *batch)
{
	const struct engine_socket *socket = &payload->state->sockets[place];
	struct engineio_told *told = &payload->told[place];
	bool is_recovered = socket->how == ENGINE_SOCKET_RECOVERED || socket->how == ENGINE_SOCKET_RECOVERED_TOLD;

	if (told->is_due && !is_recovered && !add_connected(payload, socket, told))
		return;
	for (size_t i = 0; i < batch->count; i++) {
		/* A client that is not told that it is connected has nothing of what it missed. */
		if (told->is_due && batch->messages[i]->flag == MESSAGE_FAREWELL && !add_connected(payload, socket, told))
			return;
		if (told->is_left || !add_message(payload, socket, told, batch->messages[i]))
			return;
	}
	cursor_free(&told->after);
	told->after = cursor_copy(batch->cursor);
	if (told->is_due && !batch->more) /* What it missed comes first. */
		add_connected(payload, socket, told);
}

void
engineio_payload_add(struct engineio_payload *payload, size_t place, const struct batch *batch)
{
	payload->is_over |= batch->gaps_count > 0;
	if (place == 0)
		add_frames(payload, batch);
	else
		add_messages(payload, place - 1, batch);
}

bool
engineio_payload_announces(const struct engineio_payload *payload)
{
	for (size_t i = 0; i < payload->count; i++)
		if (payload->told[i].is_announced || payload->told[i].is_left)
			return true;
	return false;
}

/* ---- Told ---- */

bool
engineio_payload_has_moved(const struct engineio_payload *payload)
{
	for (size_t i = 0; i < payload->count; i++)
		if (!cursor_equal(&payload->told[i].start, &payload->told[i].after))
			return true;
	return entry_id_compare(payload->start, payload->after) != 0;
}

static enum engine_socket_how
how_after(enum engine_socket_how how, bool is_announced)
{
	switch (how) {
	case ENGINE_SOCKET_NEW:
	case ENGINE_SOCKET_NEW_TOLD:
		return is_announced ? ENGINE_SOCKET_NEW_TOLD : how == ENGINE_SOCKET_NEW ? how : ENGINE_SOCKET_CONNECTED;
	case ENGINE_SOCKET_RECOVERED:
	case ENGINE_SOCKET_RECOVERED_TOLD:
		return is_announced ? ENGINE_SOCKET_RECOVERED_TOLD : how == ENGINE_SOCKET_RECOVERED ? how : ENGINE_SOCKET_CONNECTED;
	case ENGINE_SOCKET_CONNECTED:
	case ENGINE_SOCKET_LEFT:
		return how;
	}
	return how;
}

void
engineio_payload_commit_after(struct engineio_payload *payload, struct engine_state *state)
{
	state->after = payload->after;
	for (size_t i = 0; i < payload->count; i++) {
		struct engine_socket *socket = &state->sockets[i];
		struct engineio_told *told = &payload->told[i];

		cursor_free(&socket->after);
		socket->after = told->after;
		socket->was_asked |= told->is_asked;
		socket->how = told->is_left ? ENGINE_SOCKET_LEFT : how_after(socket->how, told->is_announced);
		told->after = (struct cursor){0};
	}
}

void
engineio_payload_commit(struct engineio_payload *payload, struct engine_state *state)
{
	state->before = payload->start;
	for (size_t i = 0; i < payload->count; i++) {
		struct engine_socket *socket = &state->sockets[i];

		cursor_free(&socket->before);
		socket->before = payload->told[i].start;
		payload->told[i].start = (struct cursor){0};
	}
	engineio_payload_commit_after(payload, state);
}
