/* What a batch holds: no more than fits, nothing in front of a gap, of all streams together; and when it comes. */
#include "kit.h"

#include <stdlib.h>

#include "base/mem.h"

/* A client that has handled a gap drops what is in front of it. */
static void
test_gap_behind_messages(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	char event[1500];
	struct probe probe;

	memset(event, 'x', sizeof event);
	event[1499] = 0;
	for (int i = 0; i < 4; i++)
		send_to(w, &a, &b, event);
	store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_RESTARTS;
	settle(w);
	for (int i = 0; i < 5; i++)
		send_to(w, &a, &b, "y");
	store_faulty_release(w->store);
	reaches(w, &probe.batches, 2);
	ok(probe.got.len == 2 * 1501 + strlen("| gap: /y /y /y /y /y | ") && strcmp(probe.got.data + 2 * 1501,
	    "| gap: /y /y /y /y /y | ") == 0,
	    "a gap never comes in one batch with messages of its stream that are in front of it");
	probe_stop(&probe);
}

static void
test_answer_max(void)
{
	struct cursor ca, cb;
	struct name a, b;
	char event[900], room[8];
	struct probe probe;
	struct world w;
	int i;

	world_new(&w, &(struct world_options){.mailbox_max = 50});
	a = open_session(&w, &ca);
	b = open_session(&w, &cb);
	memset(event, 'z', sizeof event);
	event[899] = 0;
	for (i = 0; i < 8; i++) {
		snprintf(room, sizeof room, "r%d", i);
		join(&w, &b, room);
		for (int n = 0; n < 6; n++)
			send_room(&w, &a, room, event);
		send_to(&w, &a, &b, event);
	}
	probe_start(&w, &probe, &b, &cb);
	probe.then = PROBE_RESTARTS;
	for (i = 0; i < 1000 && probe.caught_up == 0; i++)
		pass(&w, 5);
	ok(probe.largest <= 4096, "many streams together are no more than fits in an answer");
	is_int((int64_t)probe.got.len, 8 * 901 + 8 * 6 * 903 + probe.batches * 2, "and everything comes once");
	ok(probe.batches <= 8 * 7 / 3, "in full answers");
	probe_stop(&probe);
	world_free(&w);
}

static void
count_applied(void *arg, const struct store_applied *applied)
{
	*(int *)arg += applied->status == STORE_OK;
}

/* With the doorbell: notices of several streams in one turn, more than fits. */
static void
test_answer_max_notices(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	char event[900];
	struct probe probe;
	int done = 0;

	memset(event, 'q', sizeof event);
	event[899] = 0;
	event[0] = event[898] = '"';
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	for (int i = 0; i < 5; i++) {
		struct client_op ops[1] = {{.kind = CLIENT_SEND_SESSION, .to = b, .event = {event, strlen(event)}}};

		sessions_apply(w->others, &a, 0, ops, 1, count_applied, &done);
	}
	reaches(w, &probe.batches, 2);
	ok(probe.largest <= 4096, "what the doorbell brings is no more than fits in an answer");
	is_int((int64_t)probe.got.len, 5 * 899 + 2 * 2, "the rest comes in the next");
	probe_stop(&probe);
}

/* The store takes its time, and something new comes in each of them. */
static void
test_steady(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;
	int sent = 0;

	store_faulty_delay(w->store, 30);
	send_to(w, &a, &b, "x");
	probe_start(w, &probe, &b, &cb);
	for (; probe.batches == 0 && sent < 60; sent++) {
		send_to(w, &a, &b, "x");
		pass(w, 8);
	}
	ok(sent < 30, "a stream that never pauses is delivered from, also when the store is slow");
	store_faulty_delay(w->store, 0);
	probe_stop(&probe);
}

static void
test_many(void)
{
	enum { MANY = 1200 };
	struct probe *probes = mem_zero(MANY, sizeof *probes);
	struct cursor ca, cursor;
	struct world w;
	struct name a;
	int got = 0;

	world_new(&w, &(struct world_options){.max_sessions = MANY + 1});
	a = open_session(&w, &ca);
	for (int i = 0; i < MANY; i++) {
		probes[i].session = open_session(&w, &cursor);
		join(&w, &probes[i].session, "many");
		probe_start(&w, &probes[i], &probes[i].session, &cursor);
		probes[i].then = PROBE_KEEPS;
	}
	for (int i = 0; i < MANY; i++)
		reaches(&w, &probes[i].caught_up, 1);
	for (int i = 0; i < MANY; i++)
		buf_clear(&probes[i].got);
	send_room(&w, &a, "many", "one");
	for (int i = 0; i < MANY; i++)
		got += probes[i].got.len > 0 && strcmp(probes[i].got.data, "many/one | ") == 0;
	is_int(got, MANY, "a message to more readers than one turn serves reaches all");
	for (int i = 0; i < MANY; i++)
		probe_stop(&probes[i]);
	free(probes);
	world_free(&w);
}

int
main(void)
{
	struct world w;

	world_new(&w, &(struct world_options){0});
	test_gap_behind_messages(&w);
	test_answer_max_notices(&w);
	test_steady(&w);
	world_free(&w);
	test_answer_max();
	test_many();
	return done();
}
