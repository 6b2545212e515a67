/*
 * The embedded store: everything in the memory of one process, gone when it ends.  It behaves as store_redis does, but for
 * being exact where Redis may be generous.
 *
 * All callbacks and notices are tasks in one queue, which one event works off: so nothing is called back before the call that
 * asked has returned, and a thousand messages in one turn of the loop cost one event.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/store_memory_private.h"

#define ROUNDS 4 /* Tasks that tasks make are run in the same turn, so many times; then others have theirs. */

struct memory *
memory_of(struct store *store)
{
	return (struct memory *)store;
}

/* ---- Tasks ---- */

struct task *
memory_post(struct memory *m, enum task_kind kind, const struct name *name, size_t extra, void *arg)
{
	struct task *task = mem_alloc(sizeof(*task) + extra);

	task->call.store = &m->store;
	task->kind = kind;
	task->running = false;
	task->number = m->tasks_made++;
	task->arg = arg;
	if (name)
		task->name = *name;
	TAILQ_INSERT_TAIL(&m->tasks, task, link);
	if (!m->armed && !m->running) {
		m->armed = true;
		event_active(m->turn, EV_TIMEOUT, 0);
	}
	return task;
}

void
memory_post_entry(struct memory *m, const struct stream *s, struct entry_id prev, struct chain_entry *entry)
{
	struct task *task = memory_post(m, TASK_ENTRY, &s->name, 0, NULL);

	task->u.notice.prev = prev;
	task->u.notice.entry = chain_entry_ref(entry);
}

void
memory_post_notice(struct memory *m, enum task_kind kind, const struct stream *s)
{
	memory_post(m, kind, &s->name, 0, NULL);
}

void *
memory_scratch(struct memory *m, unsigned which, size_t n, size_t size)
{
	if (m->scratch[which].size < n * size) {
		m->scratch[which].p = mem_resize(m->scratch[which].p, n, size);
		m->scratch[which].size = n * size;
	}
	return m->scratch[which].p;
}

static void
task_free(struct memory *m, struct task *task)
{
	if (task->kind == TASK_ENTRY)
		chain_entry_unref(task->u.notice.entry, &m->bin);
	free(task);
}

static void
run_notice(struct memory *m, struct task *task)
{
	const struct store_listener *listener = m->store.listener;

	/* It may have been unwatched since. */
	if (!listener || !memory_watched(m, &task->name))
		return;
	if (task->kind == TASK_ENTRY) {
		const struct chain_entry *entry = task->u.notice.entry;
		struct store_entry lent = {entry->id, entry->payload, entry->len};

		metric_add(STORE_NOTICES, 1);
		listener->on_entry(m->store.listener_arg, &task->name, task->u.notice.prev, &lent);
	} else if (task->kind == TASK_CHANGED)
		listener->on_changed(m->store.listener_arg, &task->name);
	else
		listener->on_closed(m->store.listener_arg, &task->name);
}

/* There is no doorbell but this queue: what is measured is how long the loop takes to come to it. */
static void
run_try(struct task *task)
{
	struct store_probe probe = {.latency_us = clock_mono_us() - task->u.probe.started_us};

	probe.status = probe.latency_us <= task->u.probe.limit_us ? STORE_OK : STORE_UNAVAILABLE;
	task->fn.probe(task->arg, &probe);
}

static void
run_task(struct memory *m, struct task *task)
{
	switch (task->kind) {
	case TASK_OPENED:
		task->fn.opened(task->arg, &task->u.opened);
		break;
	case TASK_APPLIED:
		task->fn.applied(task->arg, &task->u.applied);
		break;
	case TASK_PRESENCE:
		task->fn.presence(task->arg, &task->u.presence);
		break;
	case TASK_READ_MAILBOX:
	case TASK_READ_ROOM:
	case TASK_READ_QUEUE:
		memory_run_read(m, task);
		break;
	case TASK_READ_TAIL:
		memory_run_tail(m, task);
		break;
	case TASK_MEMBERS:
		memory_run_members(m, task);
		break;
	case TASK_ROOMS:
		memory_run_rooms(m, task);
		break;
	case TASK_SESSIONS:
		memory_run_sessions(m, task);
		break;
	case TASK_USER:
		memory_run_user(m, task);
		break;
	case TASK_LOOK:
		memory_run_look(m, task);
		break;
	case TASK_SWEEP:
		memory_run_sweep(m, task);
		break;
	case TASK_TRY:
		run_try(task);
		break;
	case TASK_LEASED:
		task->fn.leased(task->arg, &task->u.leased);
		break;
	case TASK_QUEUED:
		if (m->store.on_queued && memory_watched(m, &task->name))
			m->store.on_queued(m->store.queued_arg, &task->name);
		break;
	case TASK_ENTRY:
	case TASK_CHANGED:
	case TASK_CLOSED:
		run_notice(m, task);
		break;
	}
}

/* Run the tasks that are there, not those that they make. */
static void
run_round(struct memory *m)
{
	uint64_t end = m->tasks_made;
	struct task *task;

	while ((task = TAILQ_FIRST(&m->tasks)) && task->number < end) {
		TAILQ_REMOVE(&m->tasks, task, link);
		task->running = true;
		m->bin.held = true;
		run_task(m, task);
		m->bin.held = false;
		bin_empty(&m->bin);
		task_free(m, task);
	}
}

static void
memory_end(struct memory *m)
{
	memory_forget(m);
	assert(!m->streams && !m->users && m->sessions == 0 && m->rooms == 0);
	bin_empty(&m->bin);
	free(m->bin.kept);
	free(m->due);
	free(m->scratch[0].p);
	free(m->scratch[1].p);
	event_free(m->turn);
	free(m);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0, 0};
	struct memory *m = arg;
	int round;

	(void)fd;
	(void)what;
	m->armed = false;
	m->running = true;
	for (round = 0; round < ROUNDS && !TAILQ_EMPTY(&m->tasks); round++)
		run_round(m);
	m->running = false;
	if (m->dying)
		memory_end(m);
	else if (!TAILQ_EMPTY(&m->tasks)) {
		/* Not event_active(): that would come before sockets are looked at. */
		m->armed = true;
		event_add(m->turn, &at_once);
	}
}

/* ---- Calls ---- */

static struct store_call *
open_session(struct store *store, const struct name *id, const char *data, size_t len, const char *end, store_opened_fn *fn,
    void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	struct task *task = memory_post(m, TASK_OPENED, NULL, 0, arg);
	bool created = false;

	task->fn.opened = fn;
	task->u.opened = (struct store_opened){.status = STORE_FULL};
	if (!s && m->sessions < m->limits.max_sessions) {
		s = memory_session_new(m, id, data, len);
		s->end = end ? mem_string(end) : NULL;
		created = true;
	}
	if (s) {
		s->touched = clock_mono_ms();
		task->u.opened = (struct store_opened){STORE_OK, created, s->acked};
	}
	return &task->call;
}

static struct store_call *
post_read(struct store *store, enum task_kind kind, const struct name *stream, struct entry_id at, uint32_t entries, size_t bytes,
    store_view_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), kind, stream, 0, arg);

	task->fn.view = fn;
	task->u.read.at = at;
	task->u.read.entries = entries;
	task->u.read.bytes = bytes;
	return &task->call;
}

static struct store_call *
read_mailbox(struct store *store, const struct name *id, struct entry_id after, uint32_t entries, size_t bytes, store_view_fn *fn,
    void *arg)
{
	return post_read(store, TASK_READ_MAILBOX, id, after, entries, bytes, fn, arg);
}

static struct store_call *
read_room(struct store *store, const struct name *room, struct entry_id after, uint32_t entries, size_t bytes, store_view_fn *fn,
    void *arg)
{
	return post_read(store, TASK_READ_ROOM, room, after, entries, bytes, fn, arg);
}

static struct store_call *
read_queue(struct store *store, const struct name *queue, struct entry_id after, uint32_t entries, size_t bytes, store_view_fn *fn,
    void *arg)
{
	return post_read(store, TASK_READ_QUEUE, queue, after, entries, bytes, fn, arg);
}

static struct store_call *
read_tail(struct store *store, const struct name *room, struct entry_id upto, uint32_t entries, store_view_fn *fn, void *arg)
{
	return post_read(store, TASK_READ_TAIL, room, upto, entries, SIZE_MAX, fn, arg);
}

static struct store_call *
list_members(struct store *store, const struct name *room, uint32_t max, store_members_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_MEMBERS, room, 0, arg);

	task->fn.members = fn;
	task->u.members_max = max;
	return &task->call;
}

static struct store_call *
look(struct store *store, const struct name *id, store_session_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_LOOK, id, 0, arg);

	task->fn.session = fn;
	return &task->call;
}

static struct store_call *
measure(struct store *store, const struct name *id, uint32_t enough, store_session_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_LOOK, id, 0, arg);

	task->u.enough = enough;
	task->fn.session = fn;
	return &task->call;
}

static void
ack(struct store *store, const struct name *id, struct entry_id pos, bool idle)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);

	if (!s || entry_id_compare(pos, s->stream.chain.last) > 0)
		return;
	if (entry_id_compare(pos, s->acked) > 0)
		s->acked = pos;
	if (idle && entry_id_compare(pos, s->stream.chain.last) == 0)
		chain_clear(&s->stream.chain, &m->bin);
}

static void
hand(struct store *store, const struct name *id, struct entry_id pos)
{
	struct session *s = memory_session(memory_of(store), id);

	if (s && entry_id_compare(pos, s->stream.chain.last) <= 0)
		s->handed = pos;
}

static bool
watch(struct store *store, const struct name *stream)
{
	memory_watch(memory_of(store), stream);
	return true;
}

static void
unwatch(struct store *store, const struct name *stream)
{
	memory_unwatch(memory_of(store), stream);
}

static int64_t
now(struct store *store)
{
	(void)store;
	return clock_wall_ms();
}

/* There is no other instance. */
static void
take(struct store *store, const struct store_sink *sinks, size_t n)
{
	(void)store;
	(void)sinks;
	(void)n;
}

static struct store_call *
try(struct store *store, int64_t limit_ms, store_probe_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_TRY, NULL, 0, arg);

	task->fn.probe = fn;
	task->u.probe.started_us = clock_mono_us();
	task->u.probe.limit_us = limit_ms * 1000;
	return &task->call;
}

static void
cancel(struct store_call *call)
{
	struct task *task = (struct task *)call;
	struct memory *m = memory_of(call->store);

	assert(!task->running);
	TAILQ_REMOVE(&m->tasks, task, link);
	task_free(m, task);
}

static void
free_store(struct store *store)
{
	struct memory *m = memory_of(store);
	struct task *task;

	while ((task = TAILQ_FIRST(&m->tasks))) {
		TAILQ_REMOVE(&m->tasks, task, link);
		task_free(m, task);
	}
	if (m->running)
		m->dying = true;
	else
		memory_end(m);
}

static const struct store_ops ops = {
    .open = open_session,
    .apply = memory_apply,
    .swap = memory_swap,
    .order = memory_order,
    .finish = memory_finish,
    .lease = memory_lease,
    .read_mailbox = read_mailbox,
    .read_room = read_room,
    .read_queue = read_queue,
    .read_tail = read_tail,
    .list_members = list_members,
    .list_rooms = memory_list_rooms,
    .list_sessions = memory_list_sessions,
    .list_user = memory_list_user,
    .look = look,
    .measure = measure,
    .touch = memory_touch,
    .ack = ack,
    .hand = hand,
    .lapse = memory_lapse,
    .back = memory_back,
    .close = memory_close,
    .sweep = memory_sweep,
    .watch = watch,
    .unwatch = unwatch,
    .now = now,
    .take = take,
    .try = try,
    .cancel = cancel,
    .free = free_store,
};

struct store *
store_memory_new(struct event_base *base, const struct store_limits *limits)
{
	struct memory *m = mem_zero(1, sizeof(*m));

	m->store.ops = &ops;
	m->limits = *limits;
	if (getrandom(m->seed, sizeof(m->seed), 0) != (ssize_t)sizeof(m->seed))
		assert(!"getrandom");
	TAILQ_INIT(&m->by_age);
	TAILQ_INIT(&m->orders_by_age);
	TAILQ_INIT(&m->tasks);
	m->turn = event_new(base, -1, 0, on_turn, m);
	metric_set(STORE_UP, 1);
	return &m->store;
}
