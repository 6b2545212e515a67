/*
 * The hub on a store that fails, is late, repeats itself or is lost; readers that end at every moment; what a cursor says of
 * a batch that was never delivered.
 */
#include "kit.h"

static void
test_failed_reads(void)
{
	static const enum faulty_kind kinds[] = {FAULTY_READ_MAILBOX, FAULTY_READ_ROOM};
	static const struct {
		enum faulty_fault fault;
		const char *words;
	} faults[] = {
	    {FAULTY_FAIL, "fails"}, {FAULTY_UNSURE, "fails after it was done"}, {FAULTY_TWICE, "is done twice"}, {FAULTY_GONE,
	    "finds nothing"},
	};
	struct world w;

	world_new(&w, &(struct world_options){0});
	for (size_t i = 0; i < 8; i++) {
		enum faulty_kind kind = kinds[i / 4];
		struct cursor ca, cb;
		struct name a = open_session(&w, &ca), b = open_session(&w, &cb);
		struct probe probe;

		if (kind == FAULTY_READ_MAILBOX && faults[i % 4].fault == FAULTY_GONE)
			continue;
		join(&w, &b, "room");
		send_room(&w, &a, "room", "one");
		send_to(&w, &a, &b, "two");
		store_faulty_plan(w.store, kind, 1, faults[i % 4].fault);
		probe_start(&w, &probe, &b, &cb);
		probe.then = PROBE_RESTARTS;
		reaches(&w, &probe.batches, 1);
		send_room(&w, &a, "room", "three");
		send_to(&w, &a, &b, "four");
		for (int n = 0; n < 400 && !(strstr(probe.got.data, "three") && strstr(probe.got.data, "four")); n++)
			pass(&w, 5);
		ok(strstr(probe.got.data, "/one") && strstr(probe.got.data, "/two") && strlen(probe.got.data) -
		    (size_t)probe.batches * 2 == strlen("room/one /two room/three /four "),
		    "a read of a %s that %s costs no message and repeats none",
		    kind == FAULTY_READ_ROOM ? "room" : "mailbox", faults[i % 4].words);
		probe_stop(&probe);
		leave(&w, &b, "room");
	}
	world_free(&w);
}

static void
test_place(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	send_to(w, &a, &b, "old");
	store_faulty_plan(w->store, FAULTY_LOOK, 1, FAULTY_FAIL);
	probe_start(w, &probe, &b, NULL);
	ok(reaches(w, &probe.caught_up, 1) && probe.batches == 0,
	    "a reader without a cursor finds its place, also when the first look fails");
	send_to(w, &a, &b, "new");
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "/new | ", "and gets what comes then");
	probe_stop(&probe);

	store_faulty_plan(w->store, FAULTY_LOOK, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, NULL);
	settle(w);
	probe_hold_over(&probe);
	probe_start(w, &next, &b, &probe.cursor);
	ok(reaches(w, &next.caught_up, 1) && next.batches == 0,
	    "one that ends before it knew its place leaves a cursor that finds it: no gap, nothing old");
	send_to(w, &a, &b, "newer");
	reaches(w, &next.batches, 1);
	is_string(next.got.data, "/newer | ", "and goes on from there");
	probe_stop(&probe);
	probe_stop(&next);
}

static void
test_held_read(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	send_to(w, &a, &b, "one");
	store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_RESTARTS;
	settle(w);
	send_to(w, &a, &b, "two");
	send_to(w, &a, &b, "three");
	is_int(probe.batches, 0, "nothing is delivered ahead of a read under way");
	store_faulty_release(w->store);
	reaches(w, &probe.batches, 2);
	is_string(probe.got.data, "/one | /two /three | ", "what was notified meanwhile is read behind it");
	probe_stop(&probe);
}

static void
test_notices(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
	send_to(w, &a, &b, "1");
	is_int(probe.batches, 0, "a notice that is lost brings nothing");
	send_to(w, &a, &b, "2");
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "/1 /2 | ", "until the next one shows that something is missing");
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_TWICE);
	send_to(w, &a, &b, "3");
	settle(w);
	is_string(probe.got.data, "/1 /2 | /3 | ", "a notice that is repeated brings its message once");
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_HOLD);
	send_to(w, &a, &b, "4");
	send_to(w, &a, &b, "5");
	reaches(w, &probe.batches, 3);
	store_faulty_release(w->store);
	pass(w, 20);
	is_string(probe.got.data, "/1 /2 | /3 | /4 /5 | ", "a notice that is overtaken changes neither order nor number");
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
	send_to(w, &a, &b, "6");
	store_faulty_ring(w->store, &b);
	reaches(w, &probe.batches, 4);
	is_string(probe.got.data, "/1 /2 | /3 | /4 /5 | /6 | ", "a ring finds what no notice told");
	probe_stop(&probe);
}

static void
test_store_lost(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe parked, late;
	struct cursor cc;
	struct name c = open_session(w, &cc);

	join(w, &b, "lost");
	probe_start(w, &parked, &b, &cb);
	reaches(w, &parked.caught_up, 1);
	store_faulty_lose(w->store, true);
	probe_start(w, &late, &c, &cc);
	send_to(w, &a, &b, "1");
	send_room(w, &a, "lost", "2");
	send_to(w, &a, &c, "3");
	pass(w, 250);
	ok(parked.batches + parked.ends + late.batches + late.ends == 0, "a store that is lost ends no reader");
	store_faulty_lose(w->store, false);
	ok(reaches(w, &parked.batches, 1) && reaches(w, &late.batches, 1), "when it is back they get what came meanwhile");
	ok(strstr(parked.got.data, "/1 ") && strstr(parked.got.data, "lost/2 "), "all of it");
	is_string(late.got.data, "/3 | ", "also one that came when it was lost");
	probe_stop(&parked);
	probe_stop(&late);
}

/* ---- Readers that end ---- */

static void
test_stops(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, other;

	join(w, &b, "stop");
	join(w, &b, "stop too");
	probe_start(w, &probe, &b, &cb);
	probe_halt(&probe);
	settle(w);
	ok(probe.batches + probe.ends + probe.caught_up == 0, "a reader may be stopped at once: its sink hears nothing");
	for (int i = 0; i < 2; i++) {
		store_faulty_plan(w->store, i == 0 ? FAULTY_READ_MAILBOX : FAULTY_READ_ROOM, 1, FAULTY_HOLD);
		probe_start(w, &probe, &b, &cb);
		settle(w);
		is_int(store_faulty_held(w->store), 1, i == 0 ? "while its mailbox is read" : "while its rooms are read");
		probe_halt(&probe);
		is_int(store_faulty_release(w->store), 0, "it may be stopped, too");
	}
	probe_start(w, &probe, &b, &cb);
	reaches(w, &probe.caught_up, 1);
	send_to(w, &a, &b, "one");
	ok(probe.batches == 1, "a message is delivered in the turn of the loop in which it comes");
	probe_stop(&probe);

	probe_start(w, &probe, &b, &cb);
	probe_start(w, &other, &a, &ca);
	close_session(w, &b);
	probe_halt(&probe);
	settle(w);
	ok(probe.ends == 0 && !hub_has(w->hub, &b), "or just before it would have been ended");
	probe_stop(&probe);
	probe_stop(&other);
}

static void
stop_the_other(struct probe *probe, const struct batch *batch)
{
	(void)batch;
	probe_halt(probe->arg);
}

static void
test_stop_another(struct world *w)
{
	struct cursor ca, cb, cc;
	struct name a = open_session(w, &ca), b = open_session(w, &cb), c = open_session(w, &cc);
	struct probe probe, other;

	join(w, &a, "both");
	join(w, &b, "both");
	probe_start(w, &probe, &a, &ca);
	probe.then = PROBE_RESTARTS;
	probe_start(w, &other, &b, &cb);
	ok(reaches(w, &probe.caught_up, 1) && reaches(w, &other.caught_up, 1), "two readers of one room");
	probe.then = other.then = PROBE_STOPS;
	probe.batches = other.batches = 0;
	probe.arg = &other;
	other.arg = &probe;
	probe.on_batch = other.on_batch = stop_the_other;
	send_room(w, &c, "both", "one");
	settle(w);
	is_int(probe.batches + other.batches, 1, "a sink that takes a batch may stop another reader that was about to get one");
	probe_stop(&probe);
	probe_stop(&other);
}

/* What waits for another read is not lost when a newer sink takes over, nor acknowledged when the hold is over. */
static void
test_pending(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe first, second;

	join(w, &b, "pending");
	send_to(w, &a, &b, "1");
	probe_start(w, &first, &b, &cb);
	reaches(w, &first.batches, 1);
	ok(first.cursor.dirty, "a cursor behind a message in the mailbox says that it acknowledges");
	send_to(w, &a, &b, "2");
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	probe_start(w, &second, &b, &first.cursor);
	settle(w);
	is_int(second.batches, 0, "what was read waits for a read that is under way");
	probe_stop(&first);
	probe_start(w, &first, &b, &second.cursor);
	probe_halt(&first);
	is_int(second.batches, 0, "one that is taken over gets no messages");
	is_int(second.ends, 1, "but its end");
	probe_start(w, &first, &b, &second.cursor);
	reaches(w, &first.batches, 1);
	is_string(first.got.data, "/2 | ", "and a cursor in front of what waited");
	probe_stop(&second);
	send_to(w, &a, &b, "3");
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	probe_start(w, &second, &b, &first.cursor);
	settle(w);
	probe_hold_over(&second);
	is_string(second.got.data, "/3 | ", "when the hold is over, what waits is delivered");
	probe_stop(&second);
	probe_start(w, &second, &b, &first.cursor);
	reaches(w, &second.batches, 1);
	is_string(second.got.data, "/3 | ", "and when that answer is lost it comes again: it was not acknowledged");
	probe_stop(&first);
	probe_stop(&second);
}

static void
test_idle(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	send_to(w, &a, &b, "1");
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_RESTARTS;
	reaches(w, &probe.caught_up, 1);
	probe_hold_over(&probe);
	ok(!probe.cursor.dirty, "after a quiet hold the cursor acknowledges no more");
	probe_stop(&probe);
	probe_start(w, &probe, &b, &cb);
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "gap: | ", "for what the client had is forgotten, which an older cursor is told");
	probe_stop(&probe);
}

static void
test_taken_elsewhere(struct world *w)
{
	struct cursor ca;
	struct name a = open_session(w, &ca);
	struct probe probe;

	probe_start(w, &probe, &a, &ca);
	take_elsewhere(w, &a, -5000);
	is_int(probe.ends, 0, "a sink elsewhere that began earlier ends nobody");
	take_elsewhere(w, &a, 5000);
	ok(probe.ends == 1 && probe.why == SINK_TAKEN, "one that began later takes over");
	ok(entry_id_compare(probe.cursor.mailbox, ca.mailbox) == 0, "with the cursor where it was");
	probe_stop(&probe);
}

int
main(void)
{
	struct world w;

	test_failed_reads();
	world_new(&w, &(struct world_options){0});
	test_place(&w);
	test_held_read(&w);
	test_notices(&w);
	test_store_lost(&w);
	test_stops(&w);
	test_stop_another(&w);
	test_pending(&w);
	test_idle(&w);
	test_taken_elsewhere(&w);
	world_free(&w);
	return done();
}
