/* Operations with their payloads, presence, history: see session.h. */
#include "core/session.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/grants.h"
#include "codec/message.h"
#include "codec/token.h"
#include "core/hub.h"

#define SWEEP_MS 1000
#define SWEEP_FULL 500   /* A sweep that finds so many is followed by the next at once. */
#define HISTORY_EXTRA 16 /* Read more than wanted at once: some entries are the gateway's. */
#define HISTORY_PAGE 64  /* But not more than this: payloads may be large. */

struct history {
	LIST_ENTRY(history) in_histories;
	struct sessions *sessions; /* Lent. */
	char *title;
	char *event;             /* Owned, as is title; NULL: any. */
	struct name room;
	struct message **newest; /* Found so far, newest first. */
	size_t count;
	uint32_t wanted;
	size_t bytes_left;
	sessions_history_fn *done;
	void *arg;
};

struct sessions {
	LIST_HEAD(, history) histories; /* Under way. */
	struct store *store;            /* Lent. */
	struct hub *hub;                /* Lent; NULL before sessions_watch. */
	struct event *tick;
	struct timeval interval;
	bool sweeping;
};

/* The head of a gateway event's payload, behind which the store puts the session's public data. */
static char *
presence_head(struct buf *b, const char *event, const struct name *id)
{
	buf_clear(b);
	message_write_head(b, MESSAGE_GATEWAY, id, NULL, (struct jspan){event, strlen(event)});
	return b->data;
}

void
sessions_write_end(struct buf *b, const struct name *id, const struct message_address *address)
{
	message_write_head(b, MESSAGE_LEAVE, id, address, (struct jspan){"\"$leave\"", 8});
}

static char *
leave_head(struct buf *b, const struct name *id)
{
	buf_clear(b);
	sessions_write_end(b, id, NULL);
	return b->data;
}

/* ---- Operations ---- */

/* id: as in write_payload. */
static enum message_flag
flag_of(const struct client_op *op, const struct name *id)
{
	switch (op->form) {
	case CLIENT_DATA:
		break;
	case CLIENT_ARGS:
		return op->self ? MESSAGE_ARGS_SELF : MESSAGE_ARGS;
	case CLIENT_BINARY:
		return op->self ? MESSAGE_BINARY_SELF : MESSAGE_BINARY;
	case CLIENT_ANSWER:
		return MESSAGE_ANSWER;
	case CLIENT_ANSWER_BINARY:
		return MESSAGE_ANSWER_BINARY;
	}
	if (!id)
		return op->others ? MESSAGE_PLAIN : op->kept ? MESSAGE_KEPT : MESSAGE_BACKEND;
	return op->self ? MESSAGE_SELF : MESSAGE_PLAIN;
}

static void
write_message(struct buf *b, const struct client_op *op, enum message_flag flag, const struct name *from, struct jspan data)
{
	message_write_head(b, flag, from, &op->address, op->event);
	if (data.text)
		buf_add(b, data.text, data.len);
}

/* On whose behalf it is sent; NULL for nobody's.  id: whose operation it is; NULL if it is a backend's. */
static const struct name *
sender_of(const struct client_op *op, const struct name *id)
{
	if (*op->from.s)
		return &op->from;
	return op->others && !id ? &op->session : id;
}

/* The session that it is of, as far as the application's queues go. */
static const struct name *
owner_of(const struct client_op *op, const struct name *id)
{
	if (*op->from.s)
		return &op->from;
	return id ? id : &op->session;
}

static void
write_payload(struct buf *b, const struct client_op *op, const struct name *id)
{
	const struct name *whose = id ? id : &op->session;

	switch (op->kind) {
	case CLIENT_SEND_SESSION:
	case CLIENT_SEND_ROOM:
	case CLIENT_SEND_USER:
		write_message(b, op, flag_of(op, id), sender_of(op, id), op->data);
		return;
	case CLIENT_TELL:
		if (op->data.text)
			write_message(b, op, flag_of(op, id), sender_of(op, id), op->data);
		return;
	case CLIENT_EVENT:
		write_message(b, op, id ? flag_of(op, id) : MESSAGE_GATEWAY, owner_of(op, id), op->data);
		return;
	case CLIENT_JOIN:
		if (!op->quiet)
			presence_head(b, "\"$join\"", whose);
		return;
	case CLIENT_LEAVE:
	case CLIENT_END:
		leave_head(b, whose);
		return;
	case CLIENT_SET:
		presence_head(b, "\"$set\"", whose);
		return;
	case CLIENT_GRANT:
		return;
	}
}

/* The other text of an operation: of a refusal; for the backend, the room that is entered or left; for the client, the end. */
static void
write_event(struct buf *b, const struct client_op *op, const struct name *id)
{
	if (op->kind == CLIENT_TELL && op->refusal.text) {
		write_message(b, op, flag_of(op, id), sender_of(op, id), op->refusal);
	} else if (op->kind == CLIENT_END) {
		message_write_head(b, MESSAGE_FAREWELL, NULL, NULL, (struct jspan){"\"$end\"", 6});
	} else if (id && op->is_event) {
		const char *event = op->kind == CLIENT_JOIN ? "\"$join\"" : "\"$leave\"";

		message_write_head(b, MESSAGE_GATEWAY, id, &op->address, (struct jspan){event, strlen(event)});
		jspan_quote(b, op->room, strlen(op->room));
	}
}

/* Whose session it is, if the grants say so. */
static void
take_user(struct store_op *to, struct jspan text)
{
	struct grants grants;
	struct buf user = BUF_EMPTY;

	if (!text.text || !grants_read(&grants, text.text, text.len) || !grants.user.text)
		return;
	to->has_user = jspan_string(grants.user, &user);
	user_name_key(&to->target, user.data ? user.data : "", user.len);
	buf_free(&user);
}

static void
make_store_op(struct store_op *to, struct buf *payload, const struct client_op *op, const struct name *id)
{
	static const enum store_op_kind kinds[] = {
		[CLIENT_SEND_SESSION] = STORE_SEND_SESSION,
		[CLIENT_SEND_ROOM] = STORE_SEND_ROOM,
		[CLIENT_SEND_USER] = STORE_SEND_USER,
		[CLIENT_JOIN] = STORE_JOIN,
		[CLIENT_LEAVE] = STORE_LEAVE,
		[CLIENT_SET] = STORE_SET,
		[CLIENT_END] = STORE_END,
		[CLIENT_GRANT] = STORE_GRANT,
		[CLIENT_EVENT] = STORE_QUEUE,
		[CLIENT_TELL] = STORE_TELL,
	};

	if (op->is_forbidden) {
		*to = (struct store_op){.kind = STORE_REFUSE};
		return;
	}
	*to = (struct store_op){.kind = kinds[op->kind], .target = op->to, .title = op->room, .max_members = op->max,
	    .session = op->session};
	if (op->kind == CLIENT_EVENT)
		store_queue_name(&to->target, store_queue_of(owner_of(op, id)));
	else if (op->room)
		room_name_key(&to->target, op->room, strlen(op->room));
	if (op->kind == CLIENT_SET || op->kind == CLIENT_GRANT) {
		to->data = op->data.text ? op->data.text : "";
		to->data_len = op->data.len;
		if (op->kind == CLIENT_GRANT)
			take_user(to, op->data);
	} else if (op->kind == CLIENT_TELL) {
		to->data = op->data_end.text;
		to->data_len = op->data_end.len;
	}
	to->is_taken_back = op->kind == CLIENT_EVENT && !id; /* What the gateway has still to do is not refused. */
	write_payload(payload, op, id);
	if (op->address.copies.text) {
		to->ids = (uint32_t)(op->address.copies.len / NAME_LEN);
		to->ids_at = message_ids_at(payload->data, payload->len);
	}
	to->payload = payload->data ? payload->data : "";
	to->payload_len = payload->len;
}

struct made_ops {
	size_t count;
	struct store_op *ops;
	struct buf *payloads; /* What they point to; for each its payload, then its event. */
};

static void
make_ops(struct made_ops *made, const struct client_op *ops, size_t n, const struct name *id)
{
	made->count = n;
	made->ops = mem_zero(n + 1, sizeof *made->ops);
	made->payloads = mem_zero(2 * n + 1, sizeof *made->payloads);
	for (size_t i = 0; i < n; i++) {
		struct buf *event = &made->payloads[2 * i + 1];
		const struct name *whose = ops[i].is_order ? NULL : id;

		make_store_op(&made->ops[i], &made->payloads[2 * i], &ops[i], whose);
		if (ops[i].is_forbidden)
			continue;
		write_event(event, &ops[i], whose);
		made->ops[i].event = event->data;
		made->ops[i].event_len = event->len;
	}
}

static void
free_ops(struct made_ops *made)
{
	for (size_t i = 0; i < 2 * made->count; i++)
		buf_free(&made->payloads[i]);
	free(made->payloads);
	free(made->ops);
}

struct store_call *
sessions_apply(struct sessions *sessions, const struct name *id, uint64_t seq, const struct client_op *ops, size_t n,
    store_applied_fn *done, void *arg)
{
	struct made_ops made;
	struct store_call *call;

	make_ops(&made, ops, n, id);
	store_touch(sessions->store, id);
	call = store_apply(sessions->store, id, seq, made.ops, n, done, arg);
	free_ops(&made);
	return call;
}

struct store_call *
sessions_swap(struct sessions *sessions, const struct name *id, const struct store_swap *swap, const struct client_op *ops, size_t n,
    store_applied_fn *done, void *arg)
{
	struct made_ops made;
	struct store_call *call;

	make_ops(&made, ops, n, id);
	store_touch(sessions->store, id);
	call = store_swap(sessions->store, id, swap, made.ops, n, done, arg);
	free_ops(&made);
	return call;
}

struct store_call *
sessions_order(struct sessions *sessions, const struct store_once *once, const struct client_op *ops, size_t n, store_applied_fn *done,
    void *arg)
{
	struct made_ops made;
	struct store_call *call;

	make_ops(&made, ops, n, NULL);
	call = store_order(sessions->store, once, made.ops, n, done, arg);
	free_ops(&made);
	return call;
}

struct store_call *
sessions_finish(struct sessions *sessions, const struct finish *finish, store_applied_fn *done, void *arg)
{
	struct store_item item = {.queue = &finish->queue, .id = finish->entry};
	struct made_ops made;
	struct store_call *call;

	make_ops(&made, finish->ops, finish->count, NULL);
	if (finish->letter) {
		struct store_op *op = &made.ops[made.count]; /* There is room for one more. */

		*op = (struct store_op){.kind = STORE_QUEUE, .payload = finish->letter, .payload_len = finish->letter_len};
		store_queue_name(&op->target, STORE_LETTERS);
	}
	call = store_finish(sessions->store, &item, made.ops, made.count + (finish->letter != NULL), done, arg);
	free_ops(&made);
	return call;
}

static void
on_rejoined(void *arg, const struct store_applied *applied)
{
	(void)arg;
	(void)applied; /* The hub asks again if it did not help. */
}

void
sessions_rejoin(struct sessions *sessions, const struct name *id, const char *title)
{
	char *copy = mem_string(title);
	struct client_op join = {.kind = CLIENT_JOIN, .room = copy};

	sessions_apply(sessions, id, 0, &join, 1, on_rejoined, NULL);
	free(copy);
}

/* ---- Presence ---- */

static void
on_back_told(void *arg, const struct store_presence *presence)
{
	(void)arg;
	(void)presence;
}

void
sessions_back(struct sessions *sessions, const struct name *id)
{
	struct buf head = BUF_EMPTY;

	store_back(sessions->store, id, presence_head(&head, "\"$back\"", id), on_back_told, NULL);
	buf_free(&head);
}

struct store_call *
sessions_close(struct sessions *sessions, const struct name *id, store_presence_fn *done, void *arg)
{
	struct buf head = BUF_EMPTY;
	struct store_call *call;

	call = store_close(sessions->store, id, leave_head(&head, id), done, arg);
	buf_free(&head);
	return call;
}

static void
on_lapsed(void *arg, const struct store_presence *presence)
{
	(void)arg;
	if (presence->result == STORE_PRESENCE_GONE)
		metric_add(SESSIONS_EXPIRED, 1);
}

static void
lapse(struct sessions *sessions, const struct name *id)
{
	struct buf away = BUF_EMPTY, leave = BUF_EMPTY;

	store_lapse(sessions->store, id, presence_head(&away, "\"$away\"", id), leave_head(&leave, id), on_lapsed, NULL);
	buf_free(&away);
	buf_free(&leave);
}

static void on_due(void *arg, const struct store_due *due);

static void
sweep(struct sessions *sessions)
{
	if (sessions->sweeping)
		return;
	sessions->sweeping = true;
	store_sweep(sessions->store, on_due, sessions);
}

static void
on_due(void *arg, const struct store_due *due)
{
	struct sessions *sessions = arg;

	sessions->sweeping = false;
	for (size_t i = 0; i < due->count; i++) {
		if (hub_has(sessions->hub, &due->ids[i]))
			store_touch(sessions->store, &due->ids[i]);
		else
			lapse(sessions, &due->ids[i]);
	}
	if (due->count >= SWEEP_FULL)
		sweep(sessions);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sweep(arg);
}

void
sessions_watch(struct sessions *sessions, struct hub *hub)
{
	sessions->hub = hub;
	event_add(sessions->tick, &sessions->interval);
}

/* ---- History ---- */

static void on_tail(void *arg, const struct store_view *view);

static void
history_free(struct history *history)
{
	LIST_REMOVE(history, in_histories);
	for (size_t i = 0; i < history->count; i++)
		message_unref(history->newest[i]);
	free(history->newest);
	free(history->title);
	free(history->event);
	free(history);
}

static void
history_finish(struct history *history, enum store_status status)
{
	for (size_t i = 0, j = history->count; i + 1 < j; i++) {
		struct message *message = history->newest[i];

		history->newest[i] = history->newest[--j];
		history->newest[j] = message;
	}
	history->done(history->arg, status, history->newest, history->count);
	history_free(history);
}

/* False if that is all that is wanted. */
static bool
history_take(struct history *history, const struct store_entry *entry)
{
	enum message_flag flag;
	struct name from;
	struct message *message;

	if (!message_peek(entry->payload, entry->len, &flag, &from) || flag == MESSAGE_GATEWAY || flag == MESSAGE_LEAVE)
		return true;
	message = message_new(entry->id, history->title, entry->payload, entry->len);
	if (!message || (history->event && !jspan_is(message->event, history->event))) {
		message_unref(message);
		return true;
	}
	if (history->count > 0 && message->size > history->bytes_left) {
		message_unref(message);
		return false;
	}
	history->bytes_left -= message->size < history->bytes_left ? message->size : history->bytes_left;
	history->newest[history->count++] = message;
	return history->count < history->wanted;
}

static void
history_read(struct history *history, struct entry_id upto)
{
	size_t entries = history->wanted - history->count + HISTORY_EXTRA;

	store_read_tail(history->sessions->store, &history->room, upto, (uint32_t)(entries < HISTORY_PAGE ? entries : HISTORY_PAGE),
	    on_tail, history);
}

static void
on_tail(void *arg, const struct store_view *view)
{
	struct history *history = arg;
	bool wants = history->wanted > 0;

	for (size_t i = view->count; i > 0 && wants; i--)
		wants = history_take(history, &view->entries[i - 1]);
	if (wants && view->status == STORE_OK && view->more && view->count > 0)
		history_read(history, entry_id_before(view->entries[0].id));
	else
		history_finish(history, view->status == STORE_GONE ? STORE_OK : view->status);
}

void
sessions_history(struct sessions *sessions, const struct history_query *query, sessions_history_fn *done, void *arg)
{
	struct history *history = mem_zero(1, sizeof *history);

	LIST_INSERT_HEAD(&sessions->histories, history, in_histories);
	history->sessions = sessions;
	history->title = mem_string(query->title);
	history->event = query->event ? mem_string(query->event) : NULL;
	room_name_key(&history->room, query->title, strlen(query->title));
	history->newest = mem_zero(query->wanted + 1, sizeof *history->newest);
	history->wanted = query->wanted;
	history->bytes_left = query->max_bytes;
	history->done = done;
	history->arg = arg;
	history_read(history, query->upto);
}

/* ---- Life ---- */

struct sessions *
sessions_new(struct event_base *base, struct store *store, int64_t away_after_ms)
{
	struct sessions *sessions = mem_zero(1, sizeof *sessions);
	int64_t interval = away_after_ms / 4 < SWEEP_MS ? away_after_ms / 4 : SWEEP_MS;

	LIST_INIT(&sessions->histories);
	sessions->store = store;
	sessions->tick = event_new(base, -1, EV_PERSIST, on_tick, sessions);
	sessions->interval = clock_timeval(interval);
	return sessions;
}

void
sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	while (!LIST_EMPTY(&sessions->histories))
		history_free(LIST_FIRST(&sessions->histories));
	event_free(sessions->tick);
	free(sessions);
}
