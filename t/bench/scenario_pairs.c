/*
 * 1:1 messages between pairs.  In closed loop a sender sends the next message when its receiver has the last one, or is less than
 * --window behind; at a rate a timer chooses a pair that is at rest.  Every message carries a number, so that one that is lost,
 * repeated or out of order does not stay unseen.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "bare.h"
#include "client.h"
#include "report.h"
#include "scenario.h"
#include "usage.h"
#include "util.h"

struct traffic;

struct pair {
	struct traffic *traffic;
	struct client *sender, *receiver;
	char room[23]; /* Of the two, for systems that have nothing else. */
	uint64_t number;  /* Of the last message sent, ... */
	uint64_t arrived; /* ... and of the last that arrived. */
	int64_t sent_ns[WINDOW_MAX];
	bool unanswered; /* The last send has no answer. */
};

struct traffic {
	struct run *run;
	struct pair *pairs; /* Owned. */
	bool closed_loop;
	bool over; /* Nothing more is sent. */
	uint64_t received, wrong;
	struct samples delays_us;
	/* At a rate: */
	struct event *tick; /* Owned. */
	int64_t next_ns, interval_ns;
	uint64_t ticks, skipped;
	struct bare *bare; /* Owned; NULL without. */
	struct samples heard_us, looked_us;
};

static void on_sent(void *arg);

static void
send_next(struct pair *pair)
{
	pair->number++;
	pair->unanswered = true;
	pair->sent_ns[pair->number % WINDOW_MAX] = now_ns();
	client_send(pair->sender, client_id(pair->receiver), false, run_body(pair->traffic->run, pair->number), on_sent, pair);
}

static void
on_part_done(struct pair *pair)
{
	if (pair->traffic->closed_loop && !pair->traffic->over && !pair->unanswered && pair->number - pair->arrived < pair->traffic->run->options->window)
		send_next(pair);
}

static void
on_sent(void *arg)
{
	struct pair *pair = arg;

	pair->unanswered = false;
	on_part_done(pair);
}

static void
on_message(void *arg, uint64_t number)
{
	struct pair *pair = arg;

	if (number != pair->arrived + 1 || number > pair->number) {
		pair->traffic->wrong++;
		return;
	}
	pair->arrived = number;
	pair->traffic->received++;
	samples_add(&pair->traffic->delays_us, (double)(now_ns() - pair->sent_ns[number % WINDOW_MAX]) / 1e3);
	on_part_done(pair);
}

/* To the sender nothing is sent. */
static void
on_echo(void *arg, uint64_t number)
{
	struct pair *pair = arg;

	(void)number;
	pair->traffic->wrong++;
}

static void
start(struct traffic *t, struct run *run)
{
	bool rooms = run->load->peer->rooms_only;
	uint32_t n = run->options->pairs;
	struct client **clients = alloc_zeroed(2 * n, sizeof(*clients));

	t->run = run;
	t->pairs = alloc_zeroed(n, sizeof(*t->pairs));
	for (uint32_t i = 0; i < n; i++) {
		struct pair *pair = &t->pairs[i];

		name_random(pair->room);
		clients[2 * i] = client_new(run->load, rooms ? pair->room : NULL);
		clients[2 * i + 1] = client_new(run->load, rooms ? pair->room : NULL);
		pair->traffic = t;
		pair->sender = clients[2 * i];
		pair->receiver = clients[2 * i + 1];
	}
	clients_open(run->load, clients, 2 * n);
	for (uint32_t i = 0; i < n; i++) {
		client_poll(t->pairs[i].receiver, on_message, &t->pairs[i]);
		if (rooms)
			client_poll(t->pairs[i].sender, on_echo, &t->pairs[i]);
	}
	free(clients);
	run_wait_for_quiet(run);
}

/* The clients have ended: nobody calls back. */
static void
traffic_free(struct traffic *t)
{
	samples_free(&t->delays_us);
	samples_free(&t->heard_us);
	samples_free(&t->looked_us);
	free(t->pairs);
}

static uint64_t
count_waiting(const struct traffic *t)
{
	uint64_t waiting = 0;

	for (uint32_t i = 0; i < t->run->options->pairs; i++)
		waiting += t->pairs[i].arrived < t->pairs[i].number;
	return waiting;
}

/* Let what is under way arrive. */
static void
end(struct traffic *t)
{
	int64_t began = now_ns();

	t->over = true;
	while (count_waiting(t) > 0 && now_ns() - began < 10000000000)
		run_loop_ms(t->run, 20);
}

static void
report(struct traffic *t, const struct usage *before, const struct usage *after, uint64_t received)
{
	report_add(t->run->report, "rate", (double)received / (after->seconds - before->seconds), "messages a second");
	run_report_costs(t->run, before, after, (double)received);
	run_report_delays(t->run, samples_at(&t->delays_us, 0.5), samples_at(&t->delays_us, 0.99));
	report_add(t->run->report, "wrong", (double)t->wrong, "messages lost, repeated or out of order");
	report_add(t->run->report, "stalled", (double)count_waiting(t), "pairs whose message never came");
}

static void
measure(struct traffic *t)
{
	struct usage before, after;
	uint64_t received;

	run_loop_ms(t->run, t->run->options->warmup_ms);
	samples_free(&t->delays_us);
	samples_free(&t->heard_us);
	samples_free(&t->looked_us);
	t->received = t->skipped = 0;
	servers_read(t->run->servers, &before);
	run_loop_ms(t->run, t->run->options->measure_ms);
	servers_read(t->run->servers, &after);
	received = t->received;
	end(t);
	report(t, &before, &after, received);
}

void
measure_pairs(struct run *run)
{
	struct traffic t = {.closed_loop = true};

	run_bystanders(run);
	start(&t, run);
	for (uint32_t i = 0; i < run->options->pairs; i++)
		send_next(&t.pairs[i]);
	measure(&t);
	report_add(run->report, "bystanders", run->options->clients, "parked polls beside");
	load_end(run->load);
	traffic_free(&t);
}

/* ---- At a rate ---- */

static void
send_some(struct traffic *t)
{
	uint32_t n = t->run->options->pairs, first = random_below(n);

	for (uint32_t i = 0; i < n; i++) {
		struct pair *pair = &t->pairs[(first + i) % n];

		if (pair->arrived == pair->number && !pair->unanswered) {
			send_next(pair);
			return;
		}
	}
	t->skipped++;
}

static void
wait_for_tick(struct traffic *t)
{
	int64_t left = t->next_ns - now_ns();
	struct timeval tv = {.tv_sec = left / 1000000000, .tv_usec = left % 1000000000 / 1000};

	if (left < 0)
		tv = (struct timeval){0};
	event_add(t->tick, &tv);
}

/* Messages and bare round trips in turn, so that none waits for another. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct traffic *t = arg;

	(void)fd, (void)what;
	if (t->over)
		return;
	if (t->ticks++ % 2 == 0)
		send_some(t);
	else if (t->bare)
		bare_trip(t->bare);
	t->next_ns += t->interval_ns / 2;
	wait_for_tick(t);
}

static void
report_bare(struct traffic *t)
{
	double heard = samples_at(&t->heard_us, 0.5), looked = samples_at(&t->looked_us, 0.5), p50 = samples_at(&t->delays_us, 0.5);
	struct report *r = t->run->report;

	report_add(r, "bare_p50_us", heard, "bare Redis: XADD, PUBLISH, HMGET in one go until heard, median");
	report_add(r, "bare_p99_us", samples_at(&t->heard_us, 0.99), "  99 of 100");
	report_add(r, "bare_look_p50_us", looked, "bare Redis: until heard and then looked by HMGET, median");
	report_add(r, "bare_look_p99_us", samples_at(&t->looked_us, 0.99), "  99 of 100");
	report_add(r, "p50_ratio", p50 / heard, "p50 as a multiple of the first");
	report_add(r, "p50_look_ratio", p50 / looked, "p50 as a multiple of the second");
}

void
measure_rate(struct run *run)
{
	const struct scenario_options *o = run->options;
	struct traffic t = {.interval_ns = 1000000000 / o->rate};

	run_bystanders(run);
	start(&t, run);
	if (o->bare_address)
		t.bare = bare_new(run->load->base, o->bare_address, o->bare_port, o->payload, &t.heard_us, &t.looked_us);
	t.tick = event_new(run->load->base, -1, 0, on_tick, &t);
	t.next_ns = now_ns();
	wait_for_tick(&t);
	measure(&t);
	report_add(run->report, "skipped", (double)t.skipped, "messages not sent, every pair being busy");
	if (t.bare)
		report_bare(&t);
	event_free(t.tick);
	bare_free(t.bare);
	load_end(run->load);
	traffic_free(&t);
}
