/*
 * Applying a client's operations.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/store_memory_private.h"

static struct store_result
send_session(struct memory *m, const struct store_op *op)
{
	struct session *to = memory_session(m, &op->target);

	if (!to)
		return (struct store_result){.code = STORE_NO_TARGET};
	return (struct store_result){.code = STORE_DONE, .id = memory_append(m, to, op->payload, op->payload_len)};
}

/* The room, made if need be; NULL if it may not be made. */
static struct room *
enter(struct memory *m, const struct store_op *op)
{
	struct room *r = memory_room(m, &op->target);

	if (!r && m->rooms >= m->limits.max_rooms)
		memory_rooms_age(m, 16);
	if (!r && m->rooms < m->limits.max_rooms)
		r = memory_room_new(m, &op->target, op->title);
	return r;
}

static void
write_with_ids(struct buf *payload, const struct store_op *op, const struct store_result *result)
{
	char id[ENTRY_ID_SIZE];

	buf_add(payload, op->payload, op->ids_at);
	for (uint32_t i = op->ids; i > 0; i--)
		buf_addf(payload, "%s,", entry_id_format(id, (result - i)->code == STORE_DONE ? (result - i)->id : (struct entry_id){0, 0}));
	buf_add(payload, op->payload + op->ids_at, op->payload_len - op->ids_at);
}

static struct store_result
send_room(struct memory *m, const struct store_op *op, const struct store_result *result)
{
	struct room *r = enter(m, op);
	struct buf payload = BUF_EMPTY;
	struct entry_id id;

	if (!r)
		return (struct store_result){.code = STORE_ROOMS_LIMIT};
	r->said = true;
	if (op->ids > 0) {
		write_with_ids(&payload, op, result);
		id = memory_append_room(m, r, payload.data, payload.len, NULL);
		buf_free(&payload);
	} else {
		id = memory_append_room(m, r, op->payload, op->payload_len, NULL);
	}
	return (struct store_result){.code = STORE_DONE, .id = id};
}

/* Members that are away do not count: whoever lost its session by a crash may come in anew. */
static bool
is_full(const struct room *r, uint32_t max)
{
	const struct membership *member;
	uint32_t present = 0;

	if (r->members < max)
		return false;
	TAILQ_FOREACH(member, &r->memberships, of_room)
		present += !member->session->away;
	return present >= max;
}

static struct store_result
queue(struct memory *m, const struct store_op *op)
{
	struct stream *to = memory_queue(m, &op->target);

	if (!op->is_taken_back && memory_queue_is_full(m, to))
		return (struct store_result){.code = STORE_QUEUE_FULL};
	return (struct store_result){.code = STORE_DONE, .id = memory_append_queue(m, to, op->payload, op->payload_len, NULL)};
}

/* Queue the operation's event, if it has one. */
static void
queue_event(struct memory *m, const struct session *s, const struct store_op *op)
{
	if (op->event)
		memory_append_queue(m, memory_queue_of(m, s), op->event, op->event_len, NULL);
}

static struct store_result
join(struct memory *m, struct session *s, const struct store_op *op)
{
	struct room *r = memory_room(m, &op->target);
	struct membership *member = r ? memory_membership(s, r) : NULL;
	struct entry_id since;

	if (member)
		return (struct store_result){.code = STORE_DONE, .id = member->since, .existing = true};
	if (op->event && memory_queue_is_full(m, memory_queue_of(m, s)))
		return (struct store_result){.code = STORE_QUEUE_FULL};
	if (s->rooms >= m->limits.rooms_per_session)
		return (struct store_result){.code = STORE_JOINED_LIMIT};
	if (r && op->max_members > 0 && is_full(r, op->max_members))
		return (struct store_result){.code = STORE_ROOM_FULL};
	r = enter(m, op);
	if (!r)
		return (struct store_result){.code = STORE_ROOMS_LIMIT};
	since = op->payload_len > 0 ? memory_append_room(m, r, op->payload, op->payload_len, s) : r->stream.chain.last;
	memory_join(s, r, since);
	queue_event(m, s, op);
	return (struct store_result){.code = STORE_DONE, .id = since};
}

static struct store_result
leave(struct memory *m, struct session *s, const struct store_op *op)
{
	struct room *r = memory_room(m, &op->target);
	struct membership *member = r ? memory_membership(s, r) : NULL;

	if (!member)
		return (struct store_result){.code = STORE_NOT_JOINED};
	memory_leave(m, member, op->payload, op->payload_len);
	queue_event(m, s, op);
	return (struct store_result){.code = STORE_DONE};
}

static struct store_result
set(struct memory *m, struct session *s, const struct store_op *op)
{
	memory_session_set(m, s, op->data, op->data_len);
	memory_append_rooms(m, s, op->payload, op->payload_len);
	return (struct store_result){.code = STORE_DONE};
}

static struct store_result
send_user(struct memory *m, const struct store_op *op)
{
	return (struct store_result){.code = STORE_DONE, .sessions = memory_user_send(m, &op->target, op->payload, op->payload_len)};
}

static struct store_result
grant(struct memory *m, struct session *s, const struct store_op *op)
{
	if (!memory_user_take(m, s, op->has_user ? &op->target : NULL))
		return (struct store_result){.code = STORE_USER_FULL};
	memory_session_grant(m, s, op->data, op->data_len);
	return (struct store_result){.code = STORE_DONE};
}

/* before: what became of the operation before. */
static struct store_result
tell(struct memory *m, const struct store_op *op, const struct store_result *before)
{
	bool done = before->code == STORE_DONE || before->code == STORE_DONE_BEFORE, has_id = before->id.ms > 0;
	struct session *to = memory_session(m, &op->target);
	struct store_result result = {.code = STORE_DONE};
	struct buf text = BUF_EMPTY;
	char id[ENTRY_ID_SIZE];

	if (!done) {
		buf_add(&text, op->event, op->event_len);
	} else if (op->payload_len > 0) {
		buf_add(&text, op->payload, op->payload_len);
		buf_adds(&text, has_id ? entry_id_format(id, before->id) : "");
		buf_add(&text, op->data, op->data_len);
	}
	if (text.len > 0 && !to)
		result.code = STORE_NO_TARGET;
	else if (text.len > 0)
		result.id = memory_append(m, to, text.data, text.len);
	buf_free(&text);
	return result;
}

/* result: where it goes, behind those of the operations before. */
static struct store_result
apply_kind(struct memory *m, struct session *s, const struct store_op *op, const struct store_result *result)
{
	switch (op->kind) {
	case STORE_SEND_SESSION:
		return send_session(m, op);
	case STORE_SEND_ROOM:
		return send_room(m, op, result);
	case STORE_SEND_USER:
		return send_user(m, op);
	case STORE_JOIN:
		return join(m, s, op);
	case STORE_LEAVE:
		return leave(m, s, op);
	case STORE_SET:
		return set(m, s, op);
	case STORE_GRANT:
		return grant(m, s, op);
	case STORE_REFUSE:
		return (struct store_result){.code = STORE_FORBIDDEN};
	case STORE_QUEUE:
		return queue(m, op);
	case STORE_TELL:
		return tell(m, op, result - 1);
	case STORE_END:
		break; /* Whoever may do that does it: see store_memory_order.c. */
	}
	abort();
}

void
memory_tell_changed(struct memory *m, struct session *s)
{
	if (s->stream.watches > 0)
		memory_post_notice(m, TASK_CHANGED, &s->stream);
}

void
memory_apply_op(struct memory *m, struct session *s, const struct store_op *op, struct store_result *result)
{
	*result = apply_kind(m, s, op, result);
	if (result->code == STORE_DONE && !result->existing &&
	    (op->kind == STORE_JOIN || op->kind == STORE_LEAVE || op->kind == STORE_GRANT))
		memory_tell_changed(m, s);
}

/* The results of n operations that were applied before, the first of which had number seq. */
static void
recall(const struct session *s, uint64_t seq, struct store_result *results, size_t n)
{
	const struct session_results *known = s->results;
	size_t i;

	for (i = 0; i < n; i++, seq++) {
		if (known && seq >= known->first_seq && seq - known->first_seq < known->count)
			results[i] = known->results[seq - known->first_seq];
		else
			results[i] = (struct store_result){.code = STORE_DONE_BEFORE};
	}
}

static void
remember(struct session *s, uint64_t seq, const struct store_result *results, size_t n)
{
	if (!s->results || s->results->count != n) {
		free(s->results);
		s->results = mem_alloc(sizeof(*s->results) + n * sizeof(*results));
	}
	s->results->first_seq = seq;
	s->results->count = n;
	memcpy(s->results->results, results, n * sizeof(*results));
}

static void
apply_some(struct memory *m, struct session *s, const struct store_op *ops, size_t n, struct store_result *results)
{
	for (size_t i = 0; i < n; i++)
		memory_apply_op(m, s, &ops[i], &results[i]);
}

static void
apply_all(struct memory *m, struct session *s, uint64_t seq, const struct store_op *ops, size_t n, struct store_applied *applied,
    struct store_result *results)
{
	size_t repeated = 0;

	if (seq > 0 && seq < s->next_seq)
		repeated = s->next_seq - seq < n ? (size_t)(s->next_seq - seq) : n;
	recall(s, seq, results, repeated);
	apply_some(m, s, ops + repeated, n - repeated, results + repeated);
	if (seq > 0 && n > repeated) {
		s->next_seq = seq + n;
		remember(s, seq, results, n);
	}
	*applied = (struct store_applied){
	    .status = STORE_OK,
	    .next_seq = seq > 0 ? s->next_seq : 0,
	    .repeated = repeated,
	    .away = s->away,
	    .count = n,
	    .results = results,
	};
}

struct store_call *
memory_apply(struct store *store, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	struct task *task = memory_post(m, TASK_APPLIED, NULL, n * sizeof(struct store_result), arg);
	struct store_applied *applied = &task->u.applied;

	task->fn.applied = fn;
	if (!s)
		*applied = (struct store_applied){.status = STORE_GONE};
	else if (seq > s->next_seq)
		*applied = (struct store_applied){.status = STORE_HOLE, .next_seq = s->next_seq};
	else
		apply_all(m, s, seq, ops, n, applied, (struct store_result *)(task + 1));
	return &task->call;
}

/* ---- With a state ---- */

static struct store_call *
post_stale(struct memory *m, const struct session *s, store_applied_fn *fn, void *arg)
{
	struct store_state state = memory_session_state(s);
	struct task *task = memory_post(m, TASK_APPLIED, NULL, state.len, arg);

	memcpy(task + 1, state.text, state.len);
	state.text = (const char *)(task + 1);
	task->fn.applied = fn;
	task->u.applied = (struct store_applied){.status = STORE_STALE, .state = state};
	return &task->call;
}

static struct session_state *
new_state(const struct store_state *state, const struct store_result *results, size_t n)
{
	struct session_state *made = mem_alloc(sizeof(*made) + n * sizeof(*results) + state->len);

	made->number = state->number;
	made->len = state->len;
	made->count = n;
	if (n > 0)
		memcpy(made->results, results, n * sizeof(*results));
	memcpy(made->results + n, state->text, state->len);
	return made;
}

struct store_call *
memory_swap(struct store *store, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n,
    store_applied_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	uint64_t number = s ? memory_session_state(s).number : 0;
	bool repeated = number == swap->state.number;
	struct store_result *results;
	struct task *task;

	if (s && !repeated && number != swap->expected)
		return post_stale(m, s, fn, arg);
	task = memory_post(m, TASK_APPLIED, NULL, n * sizeof(*results), arg);
	task->fn.applied = fn;
	results = (struct store_result *)(task + 1);
	if (!s) {
		task->u.applied = (struct store_applied){.status = STORE_GONE};
		return &task->call;
	}
	if (repeated) {
		assert(s->state->count == n);
		memcpy(results, s->state->results, n * sizeof(*results));
	} else {
		apply_some(m, s, ops, n, results);
		memory_session_swap(m, s, new_state(&swap->state, results, n));
		memory_tell_changed(m, s);
	}
	task->u.applied = (struct store_applied){.status = STORE_OK, .repeated = repeated ? n : 0, .away = s->away, .count = n,
	    .results = results};
	return &task->call;
}
