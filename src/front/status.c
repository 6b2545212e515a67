/*
 * /health: the loop turns.  /ready: an entry that was written through the store came back through its doorbell.  /metrics.
 *
 * Readiness is tried when it is asked for and not in between: an instance whose CPU is frozen between requests must not be
 * judged by what it could not do meanwhile.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"
#include "store/store.h"

#define FRESH_MS 500 /* A result so young is given again. */

struct ready_waiter {
	LIST_ENTRY(ready_waiter) in_waiters;
	struct http_request *req;
};

struct ready_check {
	struct front *front;     /* Lent. */
	struct store_call *call; /* A probe under way. */
	int64_t at;              /* When the last one ended. */
	struct store_probe last;
	LIST_HEAD(, ready_waiter) waiters;
};

struct ready_check *
ready_new(struct front *front)
{
	struct ready_check *check = mem_zero(1, sizeof *check);

	check->front = front;
	check->at = clock_mono_ms() - FRESH_MS;
	LIST_INIT(&check->waiters);
	return check;
}

static void
on_waiter_gone(void *arg)
{
	struct ready_waiter *waiter = arg;

	LIST_REMOVE(waiter, in_waiters);
	free(waiter);
}

void
ready_free(struct ready_check *check)
{
	while (!LIST_EMPTY(&check->waiters))
		on_waiter_gone(LIST_FIRST(&check->waiters));
	free(check);
}

static void
answer_ready(const struct ready_check *check, struct http_request *req)
{
	struct buf body = BUF_EMPTY;

	if (check->front->draining) {
		problem_reply(req, 503, "draining", "This instance is about to end.");
		return;
	}
	if (check->last.status != STORE_OK) {
		problem_reply(req, 503, "store_unavailable", "An entry written to the store did not come back in time.");
		return;
	}
	buf_addf(&body, "{\"status\":\"ok\",\"probe_ms\":%.3f}", (double)check->last.latency_us / 1000);
	http_reply(req, 200, "application/json", body.data, body.len);
	buf_free(&body);
}

static void
on_probe(void *arg, const struct store_probe *probe)
{
	struct ready_check *check = arg;

	check->call = NULL;
	check->at = clock_mono_ms();
	check->last = *probe;
	if (probe->status == STORE_OK)
		metric_set(PROBE_SECONDS, probe->latency_us);
	while (!LIST_EMPTY(&check->waiters)) {
		struct ready_waiter *waiter = LIST_FIRST(&check->waiters);

		answer_ready(check, waiter->req);
		on_waiter_gone(waiter);
	}
}

void
status_ready(struct front *front, struct http_request *req, const char *part)
{
	struct ready_check *check = front->ready;
	struct ready_waiter *waiter;

	(void)part;
	if (front->draining || (!check->call && clock_mono_ms() - check->at < FRESH_MS)) {
		answer_ready(check, req);
		return;
	}
	waiter = mem_zero(1, sizeof *waiter);
	waiter->req = req;
	LIST_INSERT_HEAD(&check->waiters, waiter, in_waiters);
	http_park(req, on_waiter_gone, waiter);
	if (!check->call)
		check->call = store_try(front->parts.store, front->parts.options->ready_limit_ms, on_probe, check);
}

void
status_health(struct front *front, struct http_request *req, const char *part)
{
	(void)front;
	(void)part;
	http_reply(req, 200, "application/json", "{\"status\":\"ok\"}", 15);
}

void
status_metrics(struct front *front, struct http_request *req, const char *part)
{
	struct buf body = BUF_EMPTY;

	(void)front;
	(void)part;
	metrics_write(&body);
	http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", body.data, body.len);
	buf_free(&body);
}
