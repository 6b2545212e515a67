/* Holding a queue, and reading it: see private.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hook/private.h"

#define WINDOW 1000           /* Entries that are read before the first of them is finished ... */
#define WINDOW_BYTES 4000000  /* ... and bytes of them, more or less. */
#define READ_MAX 200
#define REST_TICKS 4

/* ---- Reading ---- */

static void
on_view(void *arg, const struct store_view *view)
{
	struct queue *queue = arg;

	queue->reading = NULL;
	if (view->status != STORE_OK) {
		queue->stale = true; /* The tick tries again. */
		return;
	}
	queue->stale |= view->more;
	queue->position = view->last;
	for (size_t i = 0; i < view->count; i++) {
		queue->count++;
		queue->bytes += view->entries[i].len;
		metric_add(HOOK_WAITING, 1);
		lane_add(queue, &view->entries[i]);
	}
	queue_read(queue);
	lanes_run(queue->hook);
}

bool
queue_is_heavy(const struct queue *queue)
{
	return queue->bytes >= WINDOW_BYTES;
}

void
queue_read(struct queue *queue)
{
	if (!queue->held || queue->leaving || queue->reading || !queue->stale || queue->count - queue->aside >= WINDOW || queue_is_heavy(queue))
		return;
	/* All that was read is finished, so nothing comes twice; and a Redis that was set back may have ids that were passed. */
	if (queue->count == 0)
		queue->position = (struct entry_id){0, 0};
	queue->stale = false;
	queue->reading = store_read_queue(queue->hook->parts.store, &queue->name, queue->position, READ_MAX, WINDOW_BYTES / 4, on_view, queue);
}

void
queue_done(struct queue *queue, size_t len)
{
	queue->count--;
	queue->bytes -= len;
	metric_add(HOOK_WAITING, -1);
	queue_read(queue);
}

/* ---- Holding ---- */

void
queue_drop(struct queue *queue)
{
	struct lane *lane, *next;

	if (!queue->held)
		return;
	queue->held = queue->leaving = false;
	metric_add(HOOK_QUEUES, -1);
	store_unwatch(queue->hook->parts.store, &queue->name);
	store_cancel(queue->reading);
	queue->reading = NULL;
	for (lane = queue->lanes; lane; lane = next) {
		next = lane_next(lane);
		lane_free(lane);
	}
	metric_add(HOOK_WAITING, -(int64_t)queue->count);
	queue->count = queue->bytes = 0;
}

static void
take(struct queue *queue)
{
	queue->held = true;
	metric_add(HOOK_QUEUES, 1);
	store_watch(queue->hook->parts.store, &queue->name);
	queue->position = (struct entry_id){0, 0};
	queue->stale = true;
	queue_read(queue);
}

/* How many are held and not to be given back. */
static uint32_t
count_held(const struct hook *hook)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < STORE_QUEUES; i++)
		count += hook->queues[i]->held && !hook->queues[i]->leaving;
	return count;
}

/*
 * There is another one that has fewer, and still would not have more than this one then.  But it would ask at once about that which the
 * backend wants to be left alone about.
 */
static bool
may_leave(const struct queue *queue, uint32_t told)
{
	return told != STORE_NOTHING_TOLD && told + 1 < count_held(queue->hook) && queue->resting == 0;
}

static void
on_leased(void *arg, const struct store_leased *leased)
{
	struct queue *queue = arg;

	queue->lease = NULL;
	if (leased->status != STORE_OK)
		return; /* It is held until its time is over. */
	if (!leased->held) {
		queue_drop(queue);
		return;
	}
	queue->until = queue->asked_at + LEASE_MS;
	if (!queue->held && !queue->hook->draining)
		take(queue);
	if (queue->held && !queue->leaving && may_leave(queue, leased->told))
		queue->leaving = true;
	queue_release(queue);
}

static void
ask_lease(struct queue *queue, int64_t ms, uint32_t tells)
{
	struct store_claim claim = {.name = &queue->name, .holder = &queue->hook->holder, .ms = ms, .tells = tells};

	if (queue->lease || (ms > 0 && !queue->held && queue->hook->ticks < queue->rests_until))
		return;
	queue->asked_at = clock_mono_ms();
	queue->lease = store_lease(queue->hook->parts.store, &claim, on_leased, queue);
}

void
queue_hold(struct queue *queue, int64_t ms)
{
	ask_lease(queue, ms, STORE_NOTHING_TOLD);
}

void
queue_wish(struct queue *queue)
{
	ask_lease(queue, LEASE_MS, count_held(queue->hook));
}

void
queue_release(struct queue *queue)
{
	if (!queue->held || queue->lease || queue->running > 0 || !(queue->leaving || queue->hook->draining))
		return;
	if (queue->leaving)
		queue->rests_until = queue->hook->ticks + REST_TICKS;
	queue_drop(queue);
	queue_hold(queue, 0);
}

/* ---- Life ---- */

struct queue *
queue_new(struct hook *hook, unsigned number)
{
	struct queue *queue = mem_zero(1, sizeof *queue);

	queue->hook = hook;
	store_queue_name(&queue->name, number);
	return queue;
}

void
queue_free(struct queue *queue)
{
	queue_drop(queue);
	store_cancel(queue->lease);
	free(queue);
}
