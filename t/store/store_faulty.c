#include "store_faulty.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store_faulty_private.h"

static struct faulty *
faulty_of(const struct store *store)
{
	return (struct faulty *)store;
}

/* ---- Calls ---- */

static struct faulty_call *
call_new(struct faulty *f, enum faulty_kind kind, void *arg)
{
	struct faulty_call *c = mem_zero(1, sizeof(*c));

	c->call.store = &f->store;
	c->faulty = f;
	c->kind = kind;
	c->arg = arg;
	f->count[kind]++;
	if (f->plan[kind].fault != FAULTY_NONE && f->plan[kind].at == f->count[kind]) {
		c->fault = f->plan[kind].fault;
		f->plan[kind].fault = FAULTY_NONE;
	}
	if (f->lost)
		c->fault = FAULTY_FAIL;
	TAILQ_INSERT_TAIL(&f->calls, c, link);
	return c;
}

/* Is the operation to be run (once more)?  Then c->who is to be told. */
static bool
to_run(struct faulty_call *c)
{
	if ((c->fault == FAULTY_FAIL || c->fault == FAULTY_GONE) && c->runs == 0) {
		faulty_call_fail(c);
		faulty_call_tell_after(c, c->faulty->delay_ms);
		return false;
	}
	if (c->runs == (c->fault == FAULTY_TWICE ? 2 : 1))
		return false;
	c->who = c->fault == FAULTY_TWICE && c->runs == 0 ? NULL : c;
	c->runs++;
	return true;
}

#define ON_ANSWER(what) \
	static void on_##what(void *arg, const struct store_##what *what) \
	{ \
		struct faulty_call *c = arg; \
\
		if (!c) /* The first of two runs. */ \
			return; \
		c->answer.what = *what; \
		faulty_call_answered(c); \
	}

ON_ANSWER(opened)
ON_ANSWER(applied)
ON_ANSWER(view)
ON_ANSWER(members)
ON_ANSWER(rooms)
ON_ANSWER(sessions)
ON_ANSWER(session)
ON_ANSWER(presence)
ON_ANSWER(due)
ON_ANSWER(probe)
ON_ANSWER(leased)

static struct store_call *
faulty_open(struct store *store, const struct name *id, const char *data, size_t len, const char *end, store_opened_fn *fn,
    void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_OPEN, arg);

	c->fn.opened = fn;
	while (to_run(c))
		c->inner = store_open(c->faulty->inner, id, data, len, end, on_opened, c->who);
	return &c->call;
}

static struct store_call *
faulty_apply(struct store *store, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_APPLY, arg);

	c->fn.applied = fn;
	while (to_run(c))
		c->inner = store_apply(c->faulty->inner, id, seq, ops, n, on_applied, c->who);
	return &c->call;
}

static struct store_call *
faulty_swap(struct store *store, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n,
    store_applied_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_SWAP, arg);

	c->fn.applied = fn;
	while (to_run(c))
		c->inner = store_swap(c->faulty->inner, id, swap, ops, n, on_applied, c->who);
	return &c->call;
}

static struct store_call *
faulty_order(struct store *store, const struct store_once *once, const struct store_op *ops, size_t n, store_applied_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_ORDER, arg);

	c->fn.applied = fn;
	while (to_run(c))
		c->inner = store_order(c->faulty->inner, once, ops, n, on_applied, c->who);
	return &c->call;
}

static struct store_call *
faulty_finish(struct store *store, const struct store_item *item, const struct store_op *ops, size_t n, store_applied_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_FINISH, arg);

	c->fn.applied = fn;
	while (to_run(c))
		c->inner = store_finish(c->faulty->inner, item, ops, n, on_applied, c->who);
	return &c->call;
}

static struct store_call *
faulty_lease(struct store *store, const struct store_claim *claim, store_leased_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LEASE, arg);

	c->fn.leased = fn;
	while (to_run(c))
		c->inner = store_lease(c->faulty->inner, claim, on_leased, c->who);
	return &c->call;
}

static struct store_call *
faulty_read_queue(struct store *store, const struct name *queue, struct entry_id after, uint32_t entries, size_t bytes,
    store_view_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_READ_QUEUE, arg);

	c->fn.view = fn;
	while (to_run(c))
		c->inner = store_read_queue(c->faulty->inner, queue, after, entries, bytes, on_view, c->who);
	return &c->call;
}

static struct store_call *
faulty_read_mailbox(struct store *store, const struct name *id, struct entry_id after, uint32_t entries, size_t bytes,
    store_view_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_READ_MAILBOX, arg);

	c->fn.view = fn;
	while (to_run(c))
		c->inner = store_read_mailbox(c->faulty->inner, id, after, entries, bytes, on_view, c->who);
	return &c->call;
}

static struct store_call *
faulty_read_room(struct store *store, const struct name *room, struct entry_id after, uint32_t entries, size_t bytes,
    store_view_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_READ_ROOM, arg);

	c->fn.view = fn;
	while (to_run(c))
		c->inner = store_read_room(c->faulty->inner, room, after, entries, bytes, on_view, c->who);
	return &c->call;
}

static struct store_call *
faulty_read_tail(struct store *store, const struct name *room, struct entry_id upto, uint32_t entries, store_view_fn *fn,
    void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_READ_TAIL, arg);

	c->fn.view = fn;
	while (to_run(c))
		c->inner = store_read_tail(c->faulty->inner, room, upto, entries, on_view, c->who);
	return &c->call;
}

static struct store_call *
faulty_list_members(struct store *store, const struct name *room, uint32_t max, store_members_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LIST_MEMBERS, arg);

	c->fn.members = fn;
	while (to_run(c))
		c->inner = store_list_members(c->faulty->inner, room, max, on_members, c->who);
	return &c->call;
}

static struct store_call *
faulty_list_rooms(struct store *store, struct entry_id at, uint32_t max, store_rooms_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LIST_ROOMS, arg);

	c->fn.rooms = fn;
	while (to_run(c))
		c->inner = store_list_rooms(c->faulty->inner, at, max, on_rooms, c->who);
	return &c->call;
}

static struct store_call *
faulty_list_sessions(struct store *store, struct entry_id at, uint32_t max, store_sessions_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LIST_SESSIONS, arg);

	c->fn.sessions = fn;
	while (to_run(c))
		c->inner = store_list_sessions(c->faulty->inner, at, max, on_sessions, c->who);
	return &c->call;
}

static struct store_call *
faulty_list_user(struct store *store, const struct name *user, store_sessions_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LIST_USER, arg);

	c->fn.sessions = fn;
	while (to_run(c))
		c->inner = store_list_user(c->faulty->inner, user, on_sessions, c->who);
	return &c->call;
}

static struct store_call *
faulty_look(struct store *store, const struct name *id, store_session_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LOOK, arg);

	c->fn.session = fn;
	while (to_run(c))
		c->inner = store_look(c->faulty->inner, id, on_session, c->who);
	return &c->call;
}

static struct store_call *
faulty_measure(struct store *store, const struct name *id, uint32_t enough, store_session_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LOOK, arg);

	c->fn.session = fn;
	while (to_run(c))
		c->inner = store_measure(c->faulty->inner, id, enough, on_session, c->who);
	return &c->call;
}

static struct store_call *
faulty_lapse(struct store *store, const struct name *id, const char *away, const char *leave, store_presence_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_LAPSE, arg);

	c->fn.presence = fn;
	while (to_run(c))
		c->inner = store_lapse(c->faulty->inner, id, away, leave, on_presence, c->who);
	return &c->call;
}

static struct store_call *
faulty_back(struct store *store, const struct name *id, const char *back, store_presence_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_BACK, arg);

	c->fn.presence = fn;
	while (to_run(c))
		c->inner = store_back(c->faulty->inner, id, back, on_presence, c->who);
	return &c->call;
}

static struct store_call *
faulty_close(struct store *store, const struct name *id, const char *leave, store_presence_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_CLOSE, arg);

	c->fn.presence = fn;
	while (to_run(c))
		c->inner = store_close(c->faulty->inner, id, leave, on_presence, c->who);
	return &c->call;
}

static struct store_call *
faulty_sweep(struct store *store, store_due_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_SWEEP, arg);

	c->fn.due = fn;
	while (to_run(c))
		c->inner = store_sweep(c->faulty->inner, on_due, c->who);
	return &c->call;
}

static struct store_call *
faulty_try(struct store *store, int64_t limit_ms, store_probe_fn *fn, void *arg)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_TRY, arg);

	c->fn.probe = fn;
	while (to_run(c))
		c->inner = store_try(c->faulty->inner, limit_ms, on_probe, c->who);
	return &c->call;
}

static void
faulty_touch(struct store *store, const struct name *id)
{
	if (!faulty_of(store)->lost)
		store_touch(faulty_of(store)->inner, id);
}

static void
faulty_hand(struct store *store, const struct name *id, struct entry_id pos)
{
	if (!faulty_of(store)->lost)
		store_hand(faulty_of(store)->inner, id, pos);
}

static void
faulty_ack(struct store *store, const struct name *id, struct entry_id pos, bool idle)
{
	if (!faulty_of(store)->lost)
		store_ack(faulty_of(store)->inner, id, pos, idle);
}

static int64_t
faulty_now(struct store *store)
{
	return store_now(faulty_of(store)->inner);
}

static void
faulty_take(struct store *store, const struct store_sink *sinks, size_t n)
{
	if (!faulty_of(store)->lost)
		store_take(faulty_of(store)->inner, sinks, n);
}

static bool
faulty_watch(struct store *store, const struct name *stream)
{
	struct faulty *f = faulty_of(store);
	struct watched *w = mem_zero(1, sizeof(*w));

	w->stream = *stream;
	w->deaf = f->deaf;
	LIST_INSERT_HEAD(&f->watches, w, link);
	return store_watch(f->inner, stream) && !w->deaf;
}

static void
faulty_unwatch(struct store *store, const struct name *stream)
{
	struct watched *w = faulty_watch_of(faulty_of(store), stream);

	store_unwatch(faulty_of(store)->inner, stream);
	LIST_REMOVE(w, link);
	free(w);
}

static void
faulty_cancel(struct store_call *call)
{
	struct faulty_call *c = (struct faulty_call *)call;

	store_cancel(c->inner);
	TAILQ_REMOVE(&c->faulty->calls, c, link);
	faulty_call_free(c);
}

static void
faulty_free(struct store *store)
{
	struct faulty *f = faulty_of(store);
	struct faulty_call *c;
	struct watched *w;

	store_free(f->inner);
	while ((c = TAILQ_FIRST(&f->calls))) {
		TAILQ_REMOVE(&f->calls, c, link);
		faulty_call_free(c);
	}
	while ((w = LIST_FIRST(&f->watches))) {
		LIST_REMOVE(w, link);
		free(w);
	}
	free(f);
}

/* ---- The doorbell ---- */

static void
on_entry(void *arg, const struct name *stream, struct entry_id prev, const struct store_entry *entry)
{
	struct faulty *f = arg;
	struct watched *watched = faulty_watch_of(f, stream);
	struct faulty_call *c;

	if (watched && watched->deaf)
		return;
	c = call_new(f, FAULTY_NOTICE, NULL);
	c->answer.notice.stream = *stream;
	c->answer.notice.prev = prev;
	c->answer.notice.entry = *entry;
	if (c->fault == FAULTY_FAIL || c->fault == FAULTY_GONE || c->fault == FAULTY_UNSURE) {
		TAILQ_REMOVE(&f->calls, c, link);
		faulty_call_free(c);
		return;
	}
	if (c->fault == FAULTY_TWICE)
		faulty_tell_notice(f, c);
	faulty_call_answered(c);
}

static void
on_changed(void *arg, const struct name *stream)
{
	struct faulty *f = arg;

	if (!f->lost)
		faulty_tell_changed(f, stream);
}

static void
on_closed(void *arg, const struct name *session)
{
	struct faulty *f = arg;

	if (!f->lost && f->store.listener)
		f->store.listener->on_closed(f->store.listener_arg, session);
}

static void
on_taken(void *arg, const struct store_sink *sink)
{
	struct faulty *f = arg;

	if (!f->lost && f->store.listener)
		f->store.listener->on_taken(f->store.listener_arg, sink);
}

static void
on_queued(void *arg, const struct name *queue)
{
	struct faulty *f = arg;

	if (!f->lost && f->store.on_queued)
		f->store.on_queued(f->store.queued_arg, queue);
}

/* ---- What tests call ---- */

static const struct store_ops ops = {
    .open = faulty_open,
    .apply = faulty_apply,
    .swap = faulty_swap,
    .order = faulty_order,
    .finish = faulty_finish,
    .lease = faulty_lease,
    .read_queue = faulty_read_queue,
    .read_mailbox = faulty_read_mailbox,
    .read_room = faulty_read_room,
    .read_tail = faulty_read_tail,
    .list_members = faulty_list_members,
    .list_rooms = faulty_list_rooms,
    .list_sessions = faulty_list_sessions,
    .list_user = faulty_list_user,
    .look = faulty_look,
    .measure = faulty_measure,
    .touch = faulty_touch,
    .ack = faulty_ack,
    .hand = faulty_hand,
    .lapse = faulty_lapse,
    .back = faulty_back,
    .close = faulty_close,
    .sweep = faulty_sweep,
    .watch = faulty_watch,
    .unwatch = faulty_unwatch,
    .now = faulty_now,
    .take = faulty_take,
    .try = faulty_try,
    .cancel = faulty_cancel,
    .free = faulty_free,
};

struct store *
store_faulty_new(struct event_base *base, struct store *inner)
{
	static const struct store_listener listener = {on_entry, on_changed, on_closed, on_taken};
	struct faulty *f = mem_zero(1, sizeof(*f));

	f->store.ops = &ops;
	f->base = base;
	f->inner = inner;
	TAILQ_INIT(&f->calls);
	LIST_INIT(&f->watches);
	store_listen(inner, &listener, f);
	store_listen_queues(inner, on_queued, f);
	return &f->store;
}

void
store_faulty_plan(struct store *store, enum faulty_kind kind, unsigned n, enum faulty_fault fault)
{
	struct faulty *f = faulty_of(store);

	f->plan[kind].at = f->count[kind] + n;
	f->plan[kind].fault = fault;
}

void
store_faulty_lose(struct store *store, bool lost)
{
	struct faulty *f = faulty_of(store);
	bool found = f->lost && !lost;
	struct watched *w;

	f->lost = lost;
	if (found)
		LIST_FOREACH(w, &f->watches, link)
			store_faulty_ring(store, &w->stream);
}

void
store_faulty_deafen(struct store *store, bool deaf)
{
	struct faulty *f = faulty_of(store);
	struct watched *w;

	f->deaf = deaf;
	LIST_FOREACH(w, &f->watches, link) {
		if (deaf || !w->deaf)
			continue;
		w->deaf = false;
		store_faulty_ring(store, &w->stream);
	}
}

void
store_faulty_delay(struct store *store, int64_t ms)
{
	faulty_of(store)->delay_ms = ms;
}

unsigned
store_faulty_release(struct store *store)
{
	struct faulty_call *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &faulty_of(store)->calls, link)
		if (c->held) {
			faulty_call_tell_after(c, 0);
			n++;
		}
	return n;
}

unsigned
store_faulty_held(const struct store *store)
{
	const struct faulty_call *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &faulty_of(store)->calls, link)
		n += c->held;
	return n;
}

unsigned
store_faulty_calls(const struct store *store, enum faulty_kind kind)
{
	return faulty_of(store)->count[kind];
}

void
store_faulty_ring(struct store *store, const struct name *stream)
{
	struct faulty_call *c = call_new(faulty_of(store), FAULTY_KINDS, NULL);

	c->answer.notice.stream = *stream;
	faulty_call_tell_after(c, 0);
}
