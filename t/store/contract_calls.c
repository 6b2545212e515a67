/*
 * The calls of store.h with answers that stay.
 */
#include <assert.h>
#include <stdlib.h>

#include "contract_kit.h"

/* ---- Names and operations ---- */

static struct name
named(char kind, const char *text)
{
	struct name name;
	size_t len = strlen(text);

	assert(len <= NAME_LEN - 2);
	memset(name.s, '-', NAME_LEN);
	name.s[0] = kind;
	memcpy(name.s + 2, text, len);
	name.s[NAME_LEN] = '\0';
	return name;
}

struct name
session_named(const char *text)
{
	return named('S', text);
}

struct name
room_named(const char *title)
{
	return named('R', title);
}

struct name
user_named(const char *text)
{
	return named('U', text);
}

static struct store_op
op_of(enum store_op_kind kind, struct name target, const char *payload)
{
	return (struct store_op){.kind = kind, .target = target, .payload = payload, .payload_len = strlen(payload)};
}

struct store_op
op_send(const struct name *target, const char *payload)
{
	return op_of(STORE_SEND_SESSION, *target, payload);
}

static struct store_op
op_of_room(enum store_op_kind kind, const char *title, const char *payload)
{
	struct store_op op = op_of(kind, room_named(title), payload);

	op.title = title;
	return op;
}

struct store_op
op_room(const char *title, const char *payload)
{
	return op_of_room(STORE_SEND_ROOM, title, payload);
}

struct store_op
op_join(const char *title, const char *payload)
{
	return op_of_room(STORE_JOIN, title, payload);
}

struct store_op
op_leave(const char *title, const char *payload)
{
	return op_of_room(STORE_LEAVE, title, payload);
}

struct store_op
op_set(const char *data, const char *payload)
{
	struct store_op op = op_of(STORE_SET, session_named("unused"), payload);

	op.data = data;
	op.data_len = strlen(data);
	return op;
}

struct store_op
op_grant(const char *grants)
{
	return (struct store_op){.kind = STORE_GRANT, .data = grants, .data_len = strlen(grants)};
}

struct store_op
op_grant_user(const struct name *user, const char *grants)
{
	struct store_op op = op_grant(grants);

	op.has_user = true;
	op.target = *user;
	return op;
}

struct store_op
op_send_user(const struct name *user, const char *payload)
{
	return op_of(STORE_SEND_USER, *user, payload);
}

struct store_op
op_refuse(void)
{
	return (struct store_op){.kind = STORE_REFUSE};
}

struct store_op
op_end(const char *payload)
{
	return op_of(STORE_END, session_named("unused"), payload);
}

struct store_op
op_queue(const struct name *queue, const char *payload)
{
	return op_of(STORE_QUEUE, *queue, payload);
}

struct store_op
op_tell(const struct name *target, const char *done, const char *end, const char *refused)
{
	struct store_op op = op_of(STORE_TELL, *target, done);

	op.data = end;
	op.data_len = strlen(end);
	op.event = refused;
	op.event_len = refused ? strlen(refused) : 0;
	return op;
}

struct store_op
op_with(struct store_op op, const char *event)
{
	op.event = event;
	op.event_len = strlen(event);
	return op;
}

struct store_op
op_by(const struct name *id, struct store_op op)
{
	op.session = *id;
	return op;
}

/* ---- Answers ---- */

static struct answer *
answer_new(struct kit *k)
{
	struct answer *a = mem_zero(1, sizeof(*a));

	a->kit = k;
	a->next = k->answers;
	k->answers = a;
	return a;
}

static struct answer *
asked(struct answer *a, struct store_call *call)
{
	a->returned = true;
	if (a->times == 0)
		a->call = call;
	return a;
}

static void
answered(struct answer *a, enum store_status status)
{
	a->call = NULL;
	a->times++;
	a->early |= !a->returned;
	a->status = status;
}

static void
finished(struct answer *a)
{
	if (a->then)
		a->then(a);
}

struct answer *
await(struct answer *a)
{
	if (!kit_until(a->kit, a->times > 0))
		ok(false, "a callback came within %d ms", KIT_LIMIT_MS);
	return a;
}

void
cancel(struct answer *a)
{
	a->cancelled = true;
	store_cancel(a->call);
	a->call = NULL;
}

/* ---- Callbacks ---- */

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct answer *a = arg;

	answered(a, opened->status);
	a->created = opened->created;
	a->position = opened->position;
	finished(a);
}

static void
keep_state(struct answer *a, const struct store_state *state)
{
	a->state = *state;
	a->state.text = kit_keep(a->kit, state->text, state->len);
}

static void
keep_grants(struct answer *a, const struct store_grants *grants)
{
	a->grants = kit_keep(a->kit, grants->text, grants->len);
	a->grants_len = grants->len;
}

static void
on_applied(void *arg, const struct store_applied *applied)
{
	struct answer *a = arg;

	answered(a, applied->status);
	a->next_seq = applied->next_seq;
	a->repeated = applied->repeated;
	a->away = applied->away;
	a->count = applied->count;
	a->results = kit_keep(a->kit, applied->results, applied->count * sizeof(*applied->results));
	keep_state(a, &applied->state);
	finished(a);
}

static void
keep_rooms(struct answer *a, const struct store_joined *rooms, size_t count)
{
	a->rooms_count = count;
	a->rooms = kit_keep(a->kit, rooms, count * sizeof(*rooms));
	for (size_t i = 0; i < count; i++)
		a->rooms[i].title = kit_keep(a->kit, rooms[i].title, strlen(rooms[i].title));
}

static void
on_view(void *arg, const struct store_view *view)
{
	struct answer *a = arg;
	size_t i;

	answered(a, view->status);
	a->last = view->last;
	a->more = view->more;
	a->gap = view->gap;
	a->gap_from = view->gap_from;
	a->gap_to = view->gap_to;
	a->away = view->away;
	a->count = view->count;
	a->entries = kit_keep(a->kit, view->entries, view->count * sizeof(*view->entries));
	for (i = 0; i < a->count; i++)
		a->entries[i].payload = kit_keep(a->kit, view->entries[i].payload, view->entries[i].len);
	keep_rooms(a, view->rooms, view->rooms_count);
	keep_state(a, &view->state);
	keep_grants(a, &view->grants);
	finished(a);
}

static void
on_members(void *arg, const struct store_members *members)
{
	struct answer *a = arg;
	size_t i;

	answered(a, members->status);
	a->total = members->total;
	a->count = members->count;
	a->members = kit_keep(a->kit, members->members, members->count * sizeof(*members->members));
	for (i = 0; i < a->count; i++) {
		a->early |= members->members[i].data[members->members[i].len] != '\0';
		a->members[i].data = kit_keep(a->kit, members->members[i].data, members->members[i].len);
	}
	finished(a);
}

static void
on_rooms(void *arg, const struct store_rooms *rooms)
{
	struct answer *a = arg;

	answered(a, rooms->status);
	a->more = rooms->more;
	a->last = rooms->next;
	a->count = rooms->count;
	a->listed = kit_keep(a->kit, rooms->rooms, rooms->count * sizeof(*rooms->rooms));
	for (size_t i = 0; i < a->count; i++)
		a->listed[i].title = kit_keep(a->kit, rooms->rooms[i].title, strlen(rooms->rooms[i].title));
	finished(a);
}

static void
on_sessions(void *arg, const struct store_sessions *sessions)
{
	struct answer *a = arg;

	answered(a, sessions->status);
	a->more = sessions->more;
	a->last = sessions->next;
	a->count = sessions->count;
	a->members = kit_keep(a->kit, sessions->sessions, sessions->count * sizeof(*sessions->sessions));
	for (size_t i = 0; i < a->count; i++)
		a->members[i].data = kit_keep(a->kit, sessions->sessions[i].data, sessions->sessions[i].len);
	finished(a);
}

static void
on_session(void *arg, const struct store_session *session)
{
	struct answer *a = arg;

	answered(a, session->status);
	a->away = session->away;
	a->last = session->last;
	a->acked = session->acked;
	a->space = session->space;
	a->has_lost = session->has_lost;
	a->data_len = session->data_len;
	a->data = kit_keep(a->kit, session->data, session->data_len);
	keep_state(a, &session->state);
	keep_grants(a, &session->grants);
	keep_rooms(a, session->rooms, session->rooms_count);
	finished(a);
}

static void
on_presence(void *arg, const struct store_presence *presence)
{
	struct answer *a = arg;

	answered(a, presence->status);
	a->result = presence->result;
	finished(a);
}

static void
on_due(void *arg, const struct store_due *due)
{
	struct answer *a = arg;

	answered(a, due->status);
	a->count = due->count;
	a->ids = kit_keep(a->kit, due->ids, due->count * sizeof(*due->ids));
	finished(a);
}

static void
on_probe(void *arg, const struct store_probe *probe)
{
	struct answer *a = arg;

	answered(a, probe->status);
	a->latency_us = probe->latency_us;
	finished(a);
}

static void
on_leased(void *arg, const struct store_leased *leased)
{
	struct answer *a = arg;

	answered(a, leased->status);
	a->held = leased->held;
	a->told = leased->told;
	finished(a);
}

/* ---- Calls that return at once ---- */

struct answer *
start_open(struct kit *k, const struct name *id, const char *data)
{
	struct answer *a = answer_new(k);

	return asked(a, store_open(k->at, id, data, strlen(data), NULL, on_opened, a));
}

struct answer *
start_open_queued(struct kit *k, const struct name *id, const char *data, const char *end)
{
	struct answer *a = answer_new(k);
	char *brief = mem_string(end); /* The store copies what it is given. */

	asked(a, store_open(k->at, id, data, strlen(data), brief, on_opened, a));
	memset(brief, '#', strlen(brief));
	free(brief);
	return a;
}

/* The store copies what it is given: so it is given copies that do not live long. */
/* Operations that do not outlive the call that is given them. */
static struct store_op *
brief_ops(const struct store_op *ops, size_t n)
{
	struct store_op *brief = mem_zero(n, sizeof(*brief));
	size_t i;

	for (i = 0; i < n; i++) {
		brief[i] = ops[i];
		brief[i].payload = mem_copy(ops[i].payload, ops[i].payload_len);
		brief[i].title = ops[i].title ? mem_string(ops[i].title) : NULL;
		brief[i].data = ops[i].data ? mem_copy(ops[i].data, ops[i].data_len) : NULL;
		brief[i].event = ops[i].event ? mem_copy(ops[i].event, ops[i].event_len) : NULL;
	}
	return brief;
}

static void
spoil_ops(struct store_op *brief, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		memset((char *)brief[i].payload, '#', brief[i].payload_len);
		free((char *)brief[i].payload);
		free((char *)brief[i].title);
		free((char *)brief[i].data);
		free((char *)brief[i].event);
	}
	free(brief);
}

struct answer *
start_apply(struct kit *k, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n)
{
	struct answer *a = answer_new(k);
	struct store_op *brief = brief_ops(ops, n);
	struct name name = *id;

	asked(a, store_apply(k->at, &name, seq, brief, n, on_applied, a));
	spoil_ops(brief, n);
	memset(&name, '#', sizeof(name));
	return a;
}

struct answer *
start_swap(struct kit *k, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n)
{
	struct answer *a = answer_new(k);
	struct store_op *brief = brief_ops(ops, n);
	struct store_swap copy = *swap;
	char *text = mem_copy(swap->state.text, swap->state.len);
	struct name name = *id;

	copy.state.text = text;
	asked(a, store_swap(k->at, &name, &copy, brief, n, on_applied, a));
	spoil_ops(brief, n);
	memset(text, '#', swap->state.len);
	free(text);
	memset(&copy, '#', sizeof(copy));
	memset(&name, '#', sizeof(name));
	return a;
}

struct answer *
start_order(struct kit *k, const struct store_once *once, const struct store_op *ops, size_t n)
{
	struct answer *a = answer_new(k);
	struct store_op *brief = brief_ops(ops, n);
	struct store_once copy = once ? *once : (struct store_once){0};

	asked(a, store_order(k->at, once ? &copy : NULL, brief, n, on_applied, a));
	spoil_ops(brief, n);
	memset(&copy, '#', sizeof(copy));
	return a;
}

struct answer *
start_read_mailbox(struct kit *k, const struct name *id, struct entry_id after, uint32_t entries, size_t bytes)
{
	struct answer *a = answer_new(k);

	return asked(a, store_read_mailbox(k->at, id, after, entries, bytes, on_view, a));
}

struct answer *
start_read_room(struct kit *k, const struct name *room, struct entry_id after, uint32_t entries, size_t bytes)
{
	struct answer *a = answer_new(k);

	return asked(a, store_read_room(k->at, room, after, entries, bytes, on_view, a));
}

struct answer *
start_read_tail(struct kit *k, const struct name *room, struct entry_id upto, uint32_t entries)
{
	struct answer *a = answer_new(k);

	return asked(a, store_read_tail(k->at, room, upto, entries, on_view, a));
}

struct answer *
start_list_members(struct kit *k, const struct name *room, uint32_t max)
{
	struct answer *a = answer_new(k);

	return asked(a, store_list_members(k->at, room, max, on_members, a));
}

struct answer *
start_list_rooms(struct kit *k, struct entry_id at, uint32_t max)
{
	struct answer *a = answer_new(k);

	return asked(a, store_list_rooms(k->at, at, max, on_rooms, a));
}

struct answer *
start_list_sessions(struct kit *k, struct entry_id at, uint32_t max)
{
	struct answer *a = answer_new(k);

	return asked(a, store_list_sessions(k->at, at, max, on_sessions, a));
}

struct answer *
start_list_user(struct kit *k, const struct name *user)
{
	struct answer *a = answer_new(k);

	return asked(a, store_list_user(k->at, user, on_sessions, a));
}

struct answer *
start_look(struct kit *k, const struct name *id)
{
	struct answer *a = answer_new(k);

	return asked(a, store_look(k->at, id, on_session, a));
}

struct answer *
start_measure(struct kit *k, const struct name *id, uint32_t enough)
{
	struct answer *a = answer_new(k);

	return asked(a, store_measure(k->at, id, enough, on_session, a));
}

struct answer *
start_lapse(struct kit *k, const struct name *id, const char *away, const char *leave)
{
	struct answer *a = answer_new(k);

	return asked(a, store_lapse(k->at, id, away, leave, on_presence, a));
}

struct answer *
start_back(struct kit *k, const struct name *id, const char *back)
{
	struct answer *a = answer_new(k);

	return asked(a, store_back(k->at, id, back, on_presence, a));
}

struct answer *
start_close(struct kit *k, const struct name *id, const char *leave)
{
	struct answer *a = answer_new(k);

	return asked(a, store_close(k->at, id, leave, on_presence, a));
}

struct answer *
start_sweep(struct kit *k)
{
	struct answer *a = answer_new(k);

	return asked(a, store_sweep(k->at, on_due, a));
}

struct answer *
start_try(struct kit *k, int64_t limit_ms)
{
	struct answer *a = answer_new(k);

	return asked(a, store_try(k->at, limit_ms, on_probe, a));
}

struct answer *
start_finish(struct kit *k, const struct store_item *item, const struct store_op *ops, size_t n)
{
	struct answer *a = answer_new(k);
	struct store_op *brief = brief_ops(ops, n);
	struct name queue = *item->queue;
	struct store_once once = item->once ? *item->once : (struct store_once){0};
	struct store_item copy = {.queue = &queue, .id = item->id, .once = item->once ? &once : NULL};

	asked(a, store_finish(k->at, &copy, brief, n, on_applied, a));
	spoil_ops(brief, n);
	memset(&queue, '#', sizeof(queue));
	memset(&once, '#', sizeof(once));
	memset(&copy, '#', sizeof(copy));
	return a;
}

struct answer *
start_lease(struct kit *k, const struct store_claim *claim)
{
	struct answer *a = answer_new(k);

	return asked(a, store_lease(k->at, claim, on_leased, a));
}

struct answer *
start_read_queue(struct kit *k, const struct name *queue, struct entry_id after, uint32_t entries, size_t bytes)
{
	struct answer *a = answer_new(k);

	return asked(a, store_read_queue(k->at, queue, after, entries, bytes, on_view, a));
}

/* ---- Calls that wait ---- */

struct name
open_session(struct kit *k, const char *text, const char *data, struct entry_id *base)
{
	struct name id = session_named(text);
	struct answer *a = await(start_open(k, &id, data));

	if (a->status != STORE_OK || !a->created)
		ok(false, "session %s is opened", text);
	if (base)
		*base = a->position;
	return id;
}

struct answer *
apply(struct kit *k, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n)
{
	return await(start_apply(k, id, seq, ops, n));
}

struct answer *
apply_one(struct kit *k, const struct name *id, uint64_t seq, struct store_op op)
{
	return apply(k, id, seq, &op, 1);
}

struct entry_id
do_one(struct kit *k, const struct name *id, struct store_op op)
{
	struct answer *a = apply_one(k, id, 0, op);

	if (a->status != STORE_OK || a->count != 1 || a->results[0].code != STORE_DONE) {
		ok(false, "operation %d succeeds", op.kind);
		printf("#   status %d, code %d\n", a->status, a->count ? (int)a->results[0].code : -1);
		return id_of(0, 0);
	}
	return a->results[0].id;
}

struct answer *
read_mailbox(struct kit *k, const struct name *id, struct entry_id after)
{
	return await(start_read_mailbox(k, id, after, 1000, 10000000));
}

struct answer *
read_room(struct kit *k, const char *title, struct entry_id after)
{
	struct name room = room_named(title);

	return await(start_read_room(k, &room, after, 1000, 10000000));
}

enum touched
keep_touched(struct kit *k, struct store *touching, struct store *lapsing, const struct name *id, int64_t ms)
{
	int64_t now = clock_mono_ms(), end = now + ms, before;
	enum touched result = TOUCHED_KEPT;

	while (now < end && result == TOUCHED_KEPT) {
		before = now;
		store_touch(touching, id);
		k->at = lapsing;
		await(start_sweep(k));
		if (await(start_lapse(k, id, "$away", "$leave"))->result != STORE_PRESENCE_NONE)
			result = TOUCHED_LAPSED;
		kit_turn(k);
		now = clock_mono_ms();
		if (result == TOUCHED_LAPSED && now - before > kit_brief.away_after_ms / 2)
			result = TOUCHED_STARVED;
	}
	return result;
}
