#include "kit.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/token.h"
#include "store/store_private.h"

/* ---- The world ---- */

static void
on_back(void *arg, const struct name *session)
{
	struct world *w = arg;

	sessions_back(w->sessions, session);
	if (w->when_back)
		w->when_back(w, session);
}

static void
on_room_lost(void *arg, const struct name *session, const char *title)
{
	struct world *w = arg;

	w->rooms_lost++;
	sessions_rejoin(w->sessions, session, title);
}

static const struct hub_observer observer = {on_back, on_room_lost};

static uint32_t
or(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

void
world_new(struct world *w, const struct world_options *options)
{
	struct store_limits limits = {.away_after_ms = 60000, .session_ttl_ms = 120000, .room_ttl_ms = 60000,
	    .mailbox_max = or(options->mailbox_max, 5), .room_max = or(options->room_max, 50),
	    .max_sessions = or(options->max_sessions, 100), .max_rooms = 100, .rooms_per_session = 10, .user_sessions_max = 100,
	    .orders_max = 100, .orders_ttl_ms = 60000};
	struct hub_config config = {.answer_max = options->answer_max ? options->answer_max : 4096,
	    .away_after_ms = options->away_after_ms ? options->away_after_ms : 800,
	    .reread_ms = options->reread_ms ? options->reread_ms : 3600000, .needs_grants = options->needs_grants};

	*w = (struct world){.base = event_base_new()};
	w->inner = store_memory_new(w->base, &limits);
	w->store = store_faulty_new(w->base, w->inner);
	w->sessions = sessions_new(w->base, w->store, 4 * (options->sweep_ms ? options->sweep_ms : 50));
	w->others = sessions_new(w->base, w->inner, limits.away_after_ms);
	w->hub = hub_new(w->base, w->store, &config, &observer, w);
}

void
world_free(struct world *w)
{
	store_free(w->store);
	hub_free(w->hub);
	sessions_free(w->sessions);
	sessions_free(w->others);
	event_base_free(w->base);
}

void
pass(struct world *w, int ms)
{
	struct timeval tick = clock_timeval(ms);

	event_base_loopexit(w->base, &tick);
	event_base_dispatch(w->base);
}

bool
reaches(struct world *w, const int *what, int n)
{
	for (int i = 0; i < 2000 && *what < n; i++)
		pass(w, 5);
	return *what >= n;
}

void
settle(struct world *w)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

void
take_elsewhere(struct world *w, const struct name *session, int64_t later_ms)
{
	struct store_sink sink = {.session = *session, .since = clock_wall_ms() + later_ms};

	w->store->listener->on_taken(w->store->listener_arg, &sink);
}

/* ---- What clients do ---- */

static void
on_opened(void *arg, const struct store_opened *opened)
{
	*(struct entry_id *)arg = opened->position;
}

struct name
open_session(struct world *w, struct cursor *cursor)
{
	char token[TOKEN_LEN + 1];
	struct name id;

	token_new(token);
	token_session(&id, token);
	*cursor = (struct cursor){0};
	store_open(w->inner, &id, "", 0, NULL, on_opened, &cursor->mailbox);
	settle(w);
	return id;
}

struct applied {
	int done;
	struct entry_id id;
};

static void
on_applied(void *arg, const struct store_applied *applied)
{
	struct applied *result = arg;

	result->done = applied->status == STORE_OK && applied->results[0].code == STORE_DONE;
	if (result->done)
		result->id = applied->results[0].id;
}

struct entry_id
apply(struct world *w, const struct name *id, const struct client_op *op)
{
	struct applied result = {0};

	sessions_apply(w->others, id, 0, op, 1, on_applied, &result);
	settle(w);
	if (!result.done)
		ok(false, "an operation was applied");
	return result.id;
}

struct entry_id
send_to(struct world *w, const struct name *from, const struct name *to, const char *event)
{
	struct buf quoted = BUF_EMPTY;
	struct client_op op = {.kind = CLIENT_SEND_SESSION, .to = *to};
	struct entry_id id;

	jspan_quote(&quoted, event, strlen(event));
	op.event = (struct jspan){quoted.data, quoted.len};
	id = apply(w, from, &op);
	buf_free(&quoted);
	return id;
}

static struct entry_id
apply_room(struct world *w, const struct name *id, enum client_op_kind kind, const char *room, const char *event, bool self)
{
	struct buf quoted = BUF_EMPTY;
	struct client_op op = {.kind = kind, .room = mem_string(room), .self = self};
	struct entry_id result;

	jspan_quote(&quoted, event, strlen(event));
	op.event = (struct jspan){quoted.data, quoted.len};
	result = apply(w, id, &op);
	buf_free(&quoted);
	free(op.room);
	return result;
}

struct entry_id
send_room(struct world *w, const struct name *from, const char *room, const char *event)
{
	return apply_room(w, from, CLIENT_SEND_ROOM, room, event, false);
}

struct entry_id
send_room_self(struct world *w, const struct name *from, const char *room, const char *event)
{
	return apply_room(w, from, CLIENT_SEND_ROOM, room, event, true);
}

struct entry_id
join(struct world *w, const struct name *id, const char *room)
{
	return apply_room(w, id, CLIENT_JOIN, room, "", false);
}

void
leave(struct world *w, const struct name *id, const char *room)
{
	apply_room(w, id, CLIENT_LEAVE, room, "", false);
}

void
set_data(struct world *w, const struct name *id, const char *json)
{
	apply(w, id, &(struct client_op){.kind = CLIENT_SET, .data = {json, strlen(json)}});
}

void
grant(struct world *w, const struct name *id, const char *json)
{
	apply(w, id, &(struct client_op){.kind = CLIENT_GRANT, .data = {json, strlen(json)}});
}

static void
on_presence(void *arg, const struct store_presence *presence)
{
	(void)arg;
	(void)presence;
}

void
close_session(struct world *w, const struct name *id)
{
	sessions_close(w->others, id, on_presence, NULL);
}

/* ---- The probe ---- */

static void
note(struct probe *probe, const struct batch *batch)
{
	size_t bytes = 0;

	probe->batches++;
	for (size_t i = 0; i < batch->gaps_count; i++)
		buf_addf(&probe->got, "gap:%s ", batch->gaps[i].room ? batch->gaps[i].room : "");
	for (size_t i = 0; i < batch->count; i++) {
		const struct message *message = batch->messages[i];

		buf_addf(&probe->got, "%s/%.*s", message->room ? message->room : "", (int)message->event.len - 2,
		    message->event.text + 1);
		if (message->data.text)
			buf_addf(&probe->got, "=%.*s", (int)message->data.len, message->data.text);
		buf_adds(&probe->got, " ");
		bytes += message->size;
	}
	buf_adds(&probe->got, "| ");
	if (batch->count > 1 && bytes > probe->largest)
		probe->largest = bytes;
}

static bool
on_deliver(struct sink *sink, const struct batch *batch)
{
	struct probe *probe = (struct probe *)sink;

	note(probe, batch);
	cursor_free(&probe->cursor);
	probe->cursor = cursor_copy(batch->cursor);
	if (probe->on_batch)
		probe->on_batch(probe, batch);
	if (probe->then == PROBE_PAUSES)
		reader_pause(probe->reader);
	if (probe->then == PROBE_PAUSES || probe->then == PROBE_KEEPS)
		return true;
	reader_stop(probe->reader, NULL);
	probe->reader = NULL;
	if (probe->then == PROBE_RESTARTS)
		probe->reader = reader_start(probe->world->hub, &probe->session, &probe->cursor, sink);
	return false;
}

static void
on_end(struct sink *sink, enum sink_end why)
{
	struct probe *probe = (struct probe *)sink;

	probe->ends++;
	probe->why = why;
	cursor_free(&probe->cursor);
	reader_stop(probe->reader, &probe->cursor);
	probe->reader = NULL;
}

static void
on_caught_up(struct sink *sink)
{
	((struct probe *)sink)->caught_up++;
}

static const struct sink_ops ops = {on_deliver, on_end, on_caught_up};

void
probe_start(struct world *w, struct probe *probe, const struct name *id, const struct cursor *cursor)
{
	*probe = (struct probe){.sink = {.ops = &ops}, .world = w, .session = *id};
	probe->reader = reader_start(w->hub, id, cursor, &probe->sink);
}

void
probe_hold_over(struct probe *probe)
{
	reader_idle(probe->reader);
	if (reader_flush(probe->reader))
		return;
	cursor_free(&probe->cursor);
	reader_stop(probe->reader, &probe->cursor);
	probe->reader = NULL;
}

void
probe_halt(struct probe *probe)
{
	if (probe->reader)
		reader_stop(probe->reader, NULL);
	probe->reader = NULL;
}

void
probe_stop(struct probe *probe)
{
	probe_halt(probe);
	buf_free(&probe->got);
	cursor_free(&probe->cursor);
}
