/*
 * A room: one message, and the time until the last of its members has it in a poll answer.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "client.h"
#include "report.h"
#include "scenario.h"
#include "usage.h"
#include "util.h"

#define LIMIT_NS 10000000000

static struct { /* Of the one room; the members' callbacks come here. */
	uint64_t number;
	uint32_t missing;
	bool sent;
	uint64_t wrong;
} room;

static void
on_message(void *arg, uint64_t number)
{
	(void)arg;
	if (number == room.number && room.missing > 0)
		room.missing--;
	else
		room.wrong++;
}

static void
on_sent(void *arg)
{
	(void)arg;
	room.sent = true;
}

/* Turns the loop, so that a message which never comes is noticed. */
static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void
wake(struct run *run, struct client *sender, const char *name, struct samples *until_last_ms)
{
	int64_t start = now_ns();

	room.number++;
	room.missing = run->options->members;
	room.sent = false;
	client_send(sender, name, true, run_body(run, room.number), on_sent, NULL);
	while ((room.missing > 0 || !room.sent) && now_ns() - start < LIMIT_NS) {
		event_base_loop(run->load->base, EVLOOP_ONCE);
		if (room.missing == 0 && until_last_ms) {
			samples_add(until_last_ms, (double)(now_ns() - start) / 1e6);
			until_last_ms = NULL;
		}
	}
	room.wrong += room.missing;
	run_loop_ms(run, 100);
}

void
measure_room(struct run *run)
{
	struct samples until_last_ms = {0};
	uint32_t n = run->options->members;
	struct usage before, after;
	struct timeval beat = {.tv_usec = 200000};
	struct event *heartbeat = event_new(run->load->base, -1, EV_PERSIST, on_heartbeat, NULL);
	struct client **members, **sender;
	char name[23];

	event_add(heartbeat, &beat);
	name_random(name);
	members = run_clients(run, n, name);
	clients_poll(members, n, on_message);
	sender = run_clients(run, 1, run->load->peer->rooms_only ? name : NULL);
	if (run->load->peer->rooms_only)
		client_poll(*sender, on_message, NULL);
	run_loop_ms(run, 500);
	run_wait_for_quiet(run); /* The members have read of each other's joining. */
	wake(run, *sender, name, NULL);
	servers_read(run->servers, &before);
	for (uint32_t i = 0; i < run->options->wakes; i++)
		wake(run, *sender, name, &until_last_ms);
	servers_read(run->servers, &after);
	report_add(run->report, "members", n, "of the room");
	report_add(run->report, "last_ms", samples_at(&until_last_ms, 0.5), "until the last has the message, median, milliseconds");
	report_add(run->report, "last_worst_ms", samples_at(&until_last_ms, 1), "  the slowest");
	run_report_costs(run, &before, &after, (double)n * run->options->wakes);
	report_add(run->report, "wrong", (double)room.wrong, "messages lost or repeated");
	samples_free(&until_last_ms);
	event_free(heartbeat);
	free(members);
	free(sender);
}
