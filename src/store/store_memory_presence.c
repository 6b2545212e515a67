/*
 * Who is there: deadlines met and missed, and sessions that end.
 */
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/store_memory_private.h"

#define DUE_MAX 1000  /* Sessions claimed in one sweep. */
#define AGED_MAX 1000 /* Rooms forgotten in one sweep. */

void
memory_touch(struct store *store, const struct name *id)
{
	struct session *s = memory_session(memory_of(store), id);

	if (s)
		s->touched = clock_mono_ms();
}

static struct store_call *
post_presence(struct memory *m, struct store_presence presence, store_presence_fn *fn, void *arg)
{
	struct task *task = memory_post(m, TASK_PRESENCE, NULL, 0, arg);

	task->fn.presence = fn;
	task->u.presence = presence;
	return &task->call;
}

struct store_call *
memory_lapse(struct store *store, const struct name *id, const char *away, const char *leave, store_presence_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	struct store_presence presence = {s ? STORE_OK : STORE_GONE, STORE_PRESENCE_NONE};

	if (s && memory_deadline(m, s) <= clock_mono_ms()) {
		if (s->away || s->ended) {
			memory_session_remove(m, s, leave, strlen(leave));
			s = NULL;
			presence.result = STORE_PRESENCE_GONE;
		} else {
			s->away = true;
			memory_append_rooms(m, s, away, strlen(away));
			memory_tell_changed(m, s);
			presence.result = STORE_PRESENCE_AWAY;
		}
	}
	if (s)
		memory_due_update(m, s);
	return post_presence(m, presence, fn, arg);
}

struct store_call *
memory_back(struct store *store, const struct name *id, const char *payload, store_presence_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	struct store_presence presence = {s ? STORE_OK : STORE_GONE, STORE_PRESENCE_NONE};

	if (s) {
		s->touched = clock_mono_ms();
		if (s->away) {
			s->away = false;
			memory_append_rooms(m, s, payload, strlen(payload));
			presence.result = STORE_PRESENCE_BACK;
		}
		memory_due_update(m, s);
	}
	return post_presence(m, presence, fn, arg);
}

struct store_call *
memory_close(struct store *store, const struct name *id, const char *leave, store_presence_fn *fn, void *arg)
{
	struct memory *m = memory_of(store);
	struct session *s = memory_session(m, id);
	struct store_presence presence = {STORE_GONE, STORE_PRESENCE_NONE};

	if (s) {
		memory_session_remove(m, s, leave, strlen(leave));
		presence = (struct store_presence){STORE_OK, STORE_PRESENCE_GONE};
	}
	return post_presence(m, presence, fn, arg);
}

struct store_call *
memory_sweep(struct store *store, store_due_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_SWEEP, NULL, 0, arg);

	task->fn.due = fn;
	return &task->call;
}

void
memory_run_sweep(struct memory *m, struct task *task)
{
	struct name *ids = memory_scratch(m, 0, m->sessions < DUE_MAX ? m->sessions : DUE_MAX, sizeof(*ids));
	struct store_due due = {.status = STORE_OK, .ids = ids};

	due.count = memory_due_claim(m, ids, DUE_MAX);
	memory_rooms_age(m, AGED_MAX);
	memory_orders_age(m);
	metric_set(SESSIONS, m->sessions);
	metric_set(ROOMS, m->rooms);
	task->fn.due(task->arg, &due);
}
