/* The hub on the embedded store: what a reader gets, what it does not get, when it ends. */
#include "kit.h"

static void
test_direct(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	send_to(w, &a, &b, "one");
	send_to(w, &a, &b, "two");
	probe_start(w, &probe, &b, &cb);
	ok(reaches(w, &probe.batches, 1), "what was sent before the reader came is delivered");
	is_string(probe.got.data, "/one /two | ", "in one batch, in order");
	probe_start(w, &next, &b, &probe.cursor);
	ok(reaches(w, &next.caught_up, 1) && next.batches == 0, "the next reader starts behind it and is told that nothing is there");
	send_to(w, &a, &b, "three");
	ok(reaches(w, &next.batches, 1), "what is sent then comes by the doorbell");
	is_string(next.got.data, "/three | ", "and is that only");
	probe_stop(&probe);
	probe_start(w, &probe, &b, &cb);
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "/one /two /three | ", "an old cursor brings all of it again");
	probe_stop(&probe);
	probe_stop(&next);
}

static void
test_rooms(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	join(w, &b, "r");
	settle(w);
	is_int(probe.batches, 0, "its own join is not told to a session");
	join(w, &a, "r");
	ok(reaches(w, &probe.batches, 1), "a room joined while the reader waits is followed");
	send_room(w, &b, "r", "mine");
	send_room_self(w, &b, "r", "self");
	send_room(w, &a, "r", "theirs");
	ok(reaches(w, &probe.batches, 3), "the others' messages come");
	is_string(probe.got.data, "r/$join | r/self | r/theirs | ", "its own only if it asked");
	leave(w, &b, "r");
	send_room(w, &a, "r", "late");
	settle(w);
	is_int(probe.batches, 3, "after leaving nothing comes");
	probe_stop(&probe);
}

static void
test_cursor_with_rooms(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	join(w, &b, "s");
	send_room(w, &a, "s", "one");
	probe_start(w, &probe, &b, &cb);
	reaches(w, &probe.batches, 1);
	is_int((int64_t)probe.cursor.count, 1, "the cursor holds a position for each room");
	send_room(w, &a, "s", "two");
	probe_start(w, &next, &b, &probe.cursor);
	reaches(w, &next.batches, 1);
	is_string(next.got.data, "s/two | ", "from which the next reader goes on");
	probe_stop(&probe);
	probe_stop(&next);
}

static void
on_ordered(void *arg, const struct store_applied *applied)
{
	(void)arg;
	ok(applied->status == STORE_OK && applied->count == 2, "something is said to a session, which is ended in the same step");
}

static void
say_and_end(struct world *w, const struct name *id)
{
	struct client_op ops[] = {{.kind = CLIENT_SEND_SESSION, .to = *id, .event = {"\"bye\"", 5}}, {.kind = CLIENT_END, .session = *id}};

	sessions_order(w->others, NULL, ops, 2, on_ordered, NULL);
}

static void
test_last_words(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe stays, polls;

	probe_start(w, &stays, &a, &ca);
	stays.then = PROBE_KEEPS;
	reaches(w, &stays.caught_up, 1);
	say_and_end(w, &a);
	ok(reaches(w, &stays.ends, 1) && stays.why == SINK_CLOSED, "a sink that stays ends with its session");
	is_string(stays.got.data, "/bye | ", "and got before what was said to it before");
	probe_start(w, &polls, &b, &cb);
	reaches(w, &polls.caught_up, 1);
	say_and_end(w, &b);
	ok(reaches(w, &polls.batches, 1) && polls.ends == 0, "one that stops with what it gets has that");
	is_string(polls.got.data, "/bye | ", "and nothing else");
	probe_stop(&stays);
	probe_stop(&polls);
}

static void
test_ends(struct world *w)
{
	struct cursor ca;
	struct name a = open_session(w, &ca), nobody = a;
	struct probe first, second;

	probe_start(w, &first, &a, &ca);
	reaches(w, &first.caught_up, 1);
	probe_start(w, &second, &a, &ca);
	ok(first.ends == 1 && first.why == SINK_TAKEN, "a newer sink of the session takes over");
	ok(hub_has(w->hub, &a), "and is the session's one");
	reaches(w, &second.caught_up, 1);
	close_session(w, &a);
	ok(reaches(w, &second.ends, 1) && second.why == SINK_CLOSED, "a session that is closed ends its sink");
	probe_stop(&first);
	test_last_words(w);
	probe_stop(&second);
	nobody.s[0] = nobody.s[0] == 'A' ? 'B' : 'A';
	probe_start(w, &first, &nobody, &ca);
	ok(reaches(w, &first.ends, 1) && first.why == SINK_CLOSED, "so does one that never was");
	probe_stop(&first);
	probe_start(w, &first, &nobody, NULL);
	ok(reaches(w, &first.ends, 1) && first.why == SINK_CLOSED, "also without a cursor");
	probe_stop(&first);
	ok(!hub_has(w->hub, &a), "then nobody is here");
}

static void
test_gap(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	for (int i = 0; i < 8; i++)
		send_to(w, &a, &b, "x");
	probe_start(w, &probe, &b, &cb);
	ok(reaches(w, &probe.batches, 1), "a mailbox that was trimmed");
	is_string(probe.got.data, "gap: /x /x /x /x /x | ", "is told as a gap in front of what is left");
	probe_stop(&probe);
	probe_start(w, &probe, &b, NULL);
	ok(reaches(w, &probe.caught_up, 1) && probe.batches == 0, "a reader without a cursor starts at the end");
	probe_stop(&probe);
}

static void
test_large(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	char event[1500];
	struct probe probe;

	memset(event, 'e', sizeof event);
	event[1499] = 0;
	for (int i = 0; i < 5; i++)
		send_to(w, &a, &b, event);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	ok(reaches(w, &probe.batches, 3), "what is more than fits in an answer comes in several");
	is_int((int64_t)probe.got.len, 5 * 1501 + 3 * 2, "and all of it comes");
	ok(probe.largest <= 4096, "in answers that are not too large");
	probe_stop(&probe);
}

static void
test_no_presence(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "quiet");
	probe_start(w, &probe, &b, &cb);
	probe.sink.no_presence = true;
	probe.then = PROBE_KEEPS;
	join(w, &a, "quiet");
	set_data(w, &a, "1");
	send_room(w, &a, "quiet", "said");
	leave(w, &a, "quiet");
	ok(reaches(w, &probe.batches, 1), "a sink that wants no presence gets messages");
	settle(w);
	is_string(probe.got.data, "quiet/said | ", "and nothing of who comes and goes");
	leave(w, &b, "quiet");
	settle(w);
	send_room(w, &a, "quiet", "late");
	settle(w);
	is_int(probe.batches, 1, "it leaves rooms as others do");
	probe_stop(&probe);
}

/* ---- A session's state ---- */

struct states {
	int told;
	uint64_t last;
	bool stop;   /* At the next one. */
	int batches; /* Of the probe when the last one was told. */
};

static bool
on_state(struct sink *sink, uint64_t number, const char *text, size_t len)
{
	struct probe *probe = (struct probe *)sink;
	struct states *states = probe->arg;

	states->told++;
	states->last = number;
	states->batches = probe->batches;
	ok(len == (number ? 5 : 0) && memcmp(text, "state", len) == 0, "a state comes with its text");
	if (states->stop)
		probe_halt(probe);
	return !states->stop;
}

static void
on_swapped(void *arg, const struct store_applied *applied)
{
	*(int *)arg += applied->status == STORE_OK;
}

static void
swap(struct world *w, const struct name *id, uint64_t from, uint64_t to)
{
	int done = 0;

	store_swap(w->inner, id, &(struct store_swap){from, {to, "state", 5}}, NULL, 0, on_swapped, &done);
	reaches(w, &done, 1);
}

static void
test_state(struct world *w)
{
	struct states states = {0};
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	send_to(w, &a, &b, "one");
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	probe.sink.on_state = on_state;
	probe.arg = &states;
	ok(reaches(w, &probe.batches, 1), "what waits for a session that has no state is delivered");
	ok(states.told > 0 && states.batches == 0 && states.last == 0, "before that it is told that there is none");
	swap(w, &b, 0, 7);
	settle(w);
	is_int((int64_t)states.last, 7, "a state that is set meanwhile is told");
	states.stop = true;
	swap(w, &b, 7, 8);
	send_to(w, &a, &b, "two");
	settle(w);
	ok(!probe.reader && states.last == 8, "a sink may stop at a state");
	probe_stop(&probe);
	probe_start(w, &probe, &b, &cb);
	probe.sink.on_state = on_state;
	probe.arg = &states;
	settle(w);
	ok(!probe.reader && probe.batches == 0, "also at the first one: then nothing is delivered");
	probe_stop(&probe);
}

int
main(void)
{
	struct world w;

	world_new(&w, &(struct world_options){0});
	test_direct(&w);
	test_rooms(&w);
	test_cursor_with_rooms(&w);
	test_ends(&w);
	test_gap(&w);
	test_large(&w);
	test_no_presence(&w);
	test_state(&w);
	world_free(&w);
	return done();
}
