/* Sinks that stay while their clients take things slowly, and say from elsewhere what they have. */
#include "kit.h"

static void
test_pause(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	join(w, &b, "r");
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_PAUSES;
	reaches(w, &probe.caught_up, 1);
	send_to(w, &a, &b, "1");
	ok(reaches(w, &probe.batches, 1), "a sink may pause while it is handed a batch");
	send_to(w, &a, &b, "2");
	send_room(w, &a, "r", "x");
	send_to(w, &a, &b, "3");
	settle(w);
	pass(w, 150);
	is_int(probe.batches, 1, "and is handed nothing then");
	probe.caught_up = 0;
	store_faulty_ring(w->store, &b);
	settle(w);
	is_int(probe.caught_up, 0, "nor told that there is nothing");
	reader_resume(probe.reader);
	reader_pause(probe.reader);
	settle(w);
	is_int(probe.batches, 1, "a batch that was about to be handed over waits, too");
	reader_resume(probe.reader);
	is_int(probe.batches, 1, "going on does not call back at once");
	ok(reaches(w, &probe.batches, 2), "but soon");
	is_string(probe.got.data, "/1 | /2 r/x /3 | ", "with all that came meanwhile, in order");
	send_to(w, &a, &b, "4");
	probe_start(w, &next, &b, &probe.cursor);
	is_int(probe.ends, 1, "a sink that is paused is taken over from");
	ok(reaches(w, &next.batches, 1), "and what waited for it");
	is_string(next.got.data, "/4 | ", "comes to the next");
	probe_stop(&probe);
	probe_stop(&next);
	probe_start(w, &probe, &b, &cb);
	reader_pause(probe.reader);
	close_session(w, &b);
	ok(reaches(w, &probe.ends, 1) && probe.why == SINK_CLOSED, "the end of its session is told to one that is paused");
	probe_stop(&probe);
}

/* name, as long as makes five of them more than an answer holds. */
static const char *
large(int n)
{
	static char event[901];

	memset(event, 'x', 900);
	event[snprintf(event, sizeof event, "%d", n)] = 'x';
	return event;
}

/* What the probe got: "1 2 3 | 4 | " of large events. */
static const char *
summary(const struct probe *probe)
{
	static struct buf b;

	buf_clear(&b);
	for (const char *p = probe->got.data; p && *p; p = strchr(p, ' ') + 1) {
		p += *p == '/';
		buf_addf(&b, "%.*s ", (int)strcspn(p, "x "), p);
	}
	return b.data ? b.data : "";
}

/* Pause after each batch, until nothing has come for a while. */
static void
take_slowly(struct world *w, struct probe *probe)
{
	for (int before = -1; before < probe->batches;) {
		before = probe->batches;
		reader_resume(probe->reader);
		pass(w, 250);
	}
}

static void
test_bound(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_PAUSES;
	reaches(w, &probe.caught_up, 1);
	reader_pause(probe.reader);
	for (int i = 1; i <= 9; i++)
		send_to(w, &a, &b, large(i));
	pass(w, 250);
	take_slowly(w, &probe);
	is_string(summary(&probe), "1 2 3 4 | 5 6 7 8 | 9 | ", "what is more than an answer holds waits in the store, and comes in order");
	buf_clear(&probe.got);
	reader_pause(probe.reader);
	for (int i = 10; i <= 30; i++)
		send_to(w, &a, &b, large(i));
	pass(w, 250);
	take_slowly(w, &probe);
	is_string(summary(&probe), "10 11 12 13 | gap: 21 22 23 24 | 25 26 27 28 | 29 30 | ",
	    "if it is trimmed there, the gap is told where it is");
	ok(probe.largest <= 4096, "no batch is more than fits in an answer");
	probe_stop(&probe);
}

/* Rooms: what one of them has in memory leaves less to the others. */
static void
test_bound_rooms(struct world *w)
{
	static const char *const rooms[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	for (int i = 0; i < 8; i++)
		join(w, &b, rooms[i]);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_PAUSES;
	reaches(w, &probe.caught_up, 1);
	reader_pause(probe.reader);
	for (int n = 0; n < 3; n++)
		for (int i = 0; i < 8; i++)
			send_room(w, &a, rooms[i], large(n));
	take_slowly(w, &probe);
	is_int((int64_t)probe.got.len, 8 * 3 * 904 + 2 * probe.batches, "of many streams everything comes once");
	ok(probe.largest <= 4096, "and no batch is more than fits");
	probe_stop(&probe);
}

static void
on_looked(void *arg, const struct store_session *session)
{
	*(struct entry_id *)arg = session->acked;
}

static struct entry_id
acked(struct world *w, const struct name *id)
{
	struct entry_id position = {0, 0};

	store_look(w->inner, id, on_looked, &position);
	settle(w);
	return position;
}

static bool
stands_at(struct world *w, const struct name *id, struct entry_id position)
{
	return entry_id_compare(acked(w, id), position) == 0;
}

static void
test_ack(struct world *w)
{
	struct cursor ca, cb, first;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	send_to(w, &a, &b, "1");
	reaches(w, &probe.batches, 1);
	first = cursor_copy(&probe.cursor);
	send_to(w, &a, &b, "2");
	reaches(w, &probe.batches, 2);
	ok(stands_at(w, &b, cb.mailbox), "what a sink that stays was handed is not acknowledged by that");
	reader_ack(probe.reader, &first);
	ok(stands_at(w, &b, first.mailbox), "but by its client");
	probe_start(w, &next, &b, &first);
	reaches(w, &next.batches, 1);
	is_string(next.got.data, "/2 | ", "what is behind that is kept");
	hub_ack(w->hub, &b, &probe.cursor);
	ok(stands_at(w, &b, probe.cursor.mailbox), "it may be acknowledged without knowing where the sink is");
	probe_stop(&next);
	probe_start(w, &next, &b, &cb);
	reaches(w, &next.batches, 1);
	is_string(next.got.data, "gap: | ", "and when all is, it is forgotten");
	probe_stop(&probe);

	join(w, &b, "acked");
	probe_start(w, &probe, &b, &next.cursor);
	probe.then = PROBE_KEEPS;
	send_to(w, &a, &b, "3");
	reaches(w, &probe.batches, 1);
	hub_ack(w->hub, &b, &probe.cursor);
	send_room(w, &a, "acked", "x");
	reaches(w, &probe.batches, 2);
	ok(!probe.cursor.dirty, "a cursor behind no new message in the mailbox says that there is nothing to acknowledge");
	send_to(w, &a, &b, "4");
	reaches(w, &probe.batches, 3);
	probe_halt(&probe);
	hub_ack(w->hub, &b, &probe.cursor);
	ok(stands_at(w, &b, probe.cursor.mailbox), "it may be acknowledged where there is no sink");
	probe_stop(&probe);
	probe_stop(&next);
	cursor_free(&first);
}

/* What the store loses rings no bell. */
static void
test_reread(void)
{
	struct world w;
	struct cursor ca, cb;
	struct name a, b;
	struct probe probe;

	world_new(&w, &(struct world_options){.reread_ms = 300});
	a = open_session(&w, &ca);
	b = open_session(&w, &cb);
	join(&w, &b, "lossy");
	probe_start(&w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(&w, &probe.caught_up, 1);
	for (int i = 0; i < 2; i++) {
		store_faulty_plan(w.store, FAULTY_NOTICE, 1, FAULTY_FAIL);
		if (i)
			send_to(&w, &a, &b, "mail");
		else
			send_room(&w, &a, "lossy", "log");
		settle(&w);
		is_int(probe.batches, i, "an entry of which no notice came is not known of");
		ok(reaches(&w, &probe.batches, i + 1), "until a sink that stays reads %s anew", i ? "its mailbox" : "its rooms");
	}
	is_string(probe.got.data, "lossy/log | /mail | ", "and it comes once");
	reader_pause(probe.reader);
	store_faulty_plan(w.store, FAULTY_READ_MAILBOX, 1, FAULTY_GONE);
	ok(reaches(&w, &probe.ends, 1) && probe.why == SINK_CLOSED, "so it is found that the session is gone, by one that is paused, too");
	probe_stop(&probe);
	world_free(&w);
}

int
main(void)
{
	struct world w;

	world_new(&w, &(struct world_options){.mailbox_max = 10});
	test_pause(&w);
	test_bound(&w);
	test_bound_rooms(&w);
	test_ack(&w);
	world_free(&w);
	test_reread();
	return done();
}
