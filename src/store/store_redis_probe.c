/*
 * Proof that the whole way works: an entry is written to a room of this instance's own, and comes back through the doorbell.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_redis_private.h"

#define PROBE_TTL_MS 60000

struct probe_call {
	struct redis_call call;
	store_probe_fn *fn;
	void *arg;
	LIST_ENTRY(probe_call) in_prober;
	struct event *timer;
	uint64_t number;
	int64_t started_us;
};

struct prober {
	bool listening; /* The subscription to the instance's bucket is confirmed. */
	LIST_HEAD(, probe_call) probes;
	uint64_t probed;
};

static void
free_probe(struct redis_call *call)
{
	struct probe_call *probe = (struct probe_call *)call;

	event_free(probe->timer);
	LIST_REMOVE(probe, in_prober);
}

/* Redis may still have the command. */
static void
finish_probe(struct probe_call *probe, enum store_status status)
{
	struct store_probe result = {status, clock_mono_us() - probe->started_us};
	struct redis_store *store = redis_store_of(probe->call.call.store);
	store_probe_fn *fn = probe->fn;
	void *arg = probe->arg;

	redis_store_enter(store);
	store_cancel(&probe->call.call);
	fn(arg, &result);
	redis_store_leave(store);
}

void
prober_hear(struct prober *prober, const struct store_entry *entry)
{
	struct probe_call *probe;

	LIST_FOREACH (probe, &prober->probes, in_prober) {
		if (!entry->payload || entry->len != sizeof probe->number ||
		    memcmp(entry->payload, &probe->number, sizeof probe->number) != 0)
			continue;
		finish_probe(probe, STORE_OK);
		return;
	}
}

static void
on_probe_timer(evutil_socket_t none, short what, void *arg)
{
	(void)none, (void)what;
	finish_probe(arg, STORE_UNAVAILABLE);
}

static void
on_probe_written(struct redis_call *call, const redisReply *reply)
{
	call->running = false; /* It waits for the notice. */
	if (!reply)
		finish_probe((struct probe_call *)call, STORE_UNAVAILABLE);
}

static void
write_probe(struct probe_call *probe)
{
	struct redis_call *call = &probe->call;
	const struct name *instance = &redis_store_of(call->call.store)->instance;

	probe->started_us = clock_mono_us();
	redis_call_script(call, SCRIPT_PROBE, 2);
	call_add_key(call, 'r', instance);
	call_add_key(call, 'l', instance);
	redis_command_addi(&call->command, PROBE_TTL_MS);
	call_add_channel(call, instance);
	call_add_name(call, instance);
	redis_command_add(&call->command, &probe->number, sizeof probe->number);
	redis_call_send(call);
}

void
prober_listen(struct prober *prober, bool listening)
{
	struct probe_call *probe;

	prober->listening = listening;
	if (!listening)
		return;
	/* Those that wait for the subscription, or whose notice was lost with the one before. */
	LIST_FOREACH (probe, &prober->probes, in_prober)
		if (!probe->call.out)
			write_probe(probe);
}

struct store_call *
redis_store_try(struct store *store, int64_t limit_ms, store_probe_fn *fn, void *arg)
{
	struct redis_store *rs = redis_store_of(store);
	struct probe_call *probe = redis_call_new(rs, sizeof *probe, on_probe_written);
	struct timeval tv = clock_timeval(limit_ms);

	probe->fn = fn;
	probe->arg = arg;
	probe->number = ++rs->prober->probed;
	probe->call.deadline = clock_mono_ms() + limit_ms;
	probe->call.on_free = free_probe;
	probe->timer = evtimer_new(rs->base, on_probe_timer, probe);
	if (!probe->timer)
		abort();
	event_add(probe->timer, &tv);
	LIST_INSERT_HEAD(&rs->prober->probes, probe, in_prober);
	if (rs->prober->listening)
		write_probe(probe);
	return &probe->call.call;
}

struct prober *
prober_new(void)
{
	return mem_zero(1, sizeof(struct prober));
}

void
prober_free(struct prober *prober)
{
	free(prober);
}
