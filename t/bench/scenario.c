#include "scenario.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "report.h"
#include "usage.h"
#include "util.h"

void
run_loop_ms(struct run *run, int64_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(run->load->base, &tv);
	event_base_loop(run->load->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
run_wait_for_quiet(struct run *run)
{
	const struct load *load = run->load;
	uint64_t answers;

	do {
		answers = load->polls + load->pushes;
		run_loop_ms(run, 300);
	} while (load->polls + load->pushes != answers);
}

struct client **
run_clients(struct run *run, uint32_t n, const char *room)
{
	struct client **clients = alloc_zeroed(n, sizeof(*clients));

	for (uint32_t i = 0; i < n; i++)
		clients[i] = client_new(run->load, room);
	clients_open(run->load, clients, n);
	return clients;
}

static void
ignore(void *arg, uint64_t number)
{
	(void)arg, (void)number;
}

void
run_pollers(struct run *run, uint32_t n)
{
	struct client **clients = run_clients(run, n, NULL);

	clients_poll(clients, n, ignore);
	free(clients);
}

void
run_bystanders(struct run *run)
{
	uint32_t n = run->options->clients;

	run_pollers(run, n);
	run_loop_ms(run, n > 0 ? 500 + n / 10 : 0);
}

const char *
run_body(struct run *run, uint64_t number)
{
	static char body[66 << 10];
	size_t size = run->options->payload, len;

	len = (size_t)snprintf(body, 64, "{\"n\":%llu,\"pad\":\"", (unsigned long long)number);
	for (; len + 2 < size; len++)
		body[len] = 'x';
	memcpy(body + len, "\"}", 3);
	return body;
}

void
run_report_costs(struct run *run, const struct usage *before, const struct usage *after, double n)
{
	double scale = n > 0 ? 1e6 / n : 0, gateway = (after->gateway_cpu - before->gateway_cpu) * scale,
	       redis = (after->redis_cpu - before->redis_cpu) * scale, seconds = after->seconds - before->seconds;
	struct report *r = run->report;

	report_add(r, "cpu_us", gateway + redis, "CPU of gateways and Redis for each, microseconds");
	report_add(r, "gateway_cpu_us", gateway, "  of the gateways");
	report_add(r, "redis_cpu_us", redis, "  of Redis");
	report_add(r, "redis_commands", (after->redis_commands - before->redis_commands) * scale / 1e6,
	    "Redis commands for each, those in scripts too");
	report_add(r, "generator_cpu_us", (after->generator_cpu - before->generator_cpu) * scale, "CPU of the generator for each");
	report_add(r, "generator_busy", (after->generator_cpu - before->generator_cpu) / seconds, "the generator's share of a CPU");
	report_add(r, "failed", (double)run->load->failed, "requests refused or broken");
}

void
run_report_delays(struct run *run, double p50, double p99)
{
	report_add(run->report, "p50_us", p50, "from send to poll answer, median, microseconds");
	report_add(run->report, "p99_us", p99, "  99 of 100");
}

/* Memory of parked polls. */
static void
measure_park(struct run *run)
{
	uint32_t n = run->options->clients;
	struct usage before, after;

	servers_read(run->servers, &before);
	run_pollers(run, n);
	run_loop_ms(run, run->options->measure_ms);
	servers_read(run->servers, &after);
	report_add(run->report, "parked", n, "polls parked");
	report_add(run->report, "gateway_bytes", (after.gateway_bytes - before.gateway_bytes) / n,
	    "resident bytes of the gateways for each");
	report_add(run->report, "redis_bytes", (after.redis_bytes - before.redis_bytes) / n, "used bytes of Redis for each");
	report_add(run->report, "answered", (double)run->load->polls, "polls that ended meanwhile (should be none)");
	report_add(run->report, "failed", (double)run->load->failed, "requests refused or broken");
}

/* Polls that bring nothing, as fast as their hold lets them; what Redis is asked without clients is taken off. */
static void
measure_polls(struct run *run)
{
	uint32_t n = run->options->clients;
	struct usage quiet, before, after;
	uint64_t polls;

	servers_read(run->servers, &quiet);
	run_loop_ms(run, 1000);
	servers_read(run->servers, &before);
	quiet.redis_commands = (before.redis_commands - quiet.redis_commands) / (before.seconds - quiet.seconds);
	run_pollers(run, n);
	run_loop_ms(run, run->options->warmup_ms);
	servers_read(run->servers, &before);
	polls = run->load->polls;
	run_loop_ms(run, run->options->measure_ms);
	servers_read(run->servers, &after);
	polls = run->load->polls - polls;
	after.redis_commands -= quiet.redis_commands * (after.seconds - before.seconds);
	report_add(run->report, "rate", (double)polls / (after.seconds - before.seconds), "polls a second");
	run_report_costs(run, &before, &after, (double)polls);
	report_add(run->report, "quiet_commands", quiet.redis_commands, "Redis commands a second without clients (taken off)");
}

const struct scenario scenarios[] = {
	{"park", "memory of --clients parked polls", measure_park},
	{"polls", "--clients poll and get nothing, again and again: --hold 8000 for an idle poll's cost, 0 for saturation",
	    measure_polls},
	{"pairs", "--pairs in closed loop, beside --clients parked polls: messages at saturation", measure_pairs},
	{"rate", "--pairs with --rate messages a second in all: delay, with --bare beside a bare Redis round trip", measure_rate},
	{"room", "--wakes messages to a room of --members pollers: until the last has it", measure_room},
	{NULL, NULL, NULL},
};
