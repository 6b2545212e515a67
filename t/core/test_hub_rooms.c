/* Readers and rooms: joined, left, left and joined again, lost by the store, each at the worst moment. */
#include "kit.h"

#include "base/clock.h"
#include "codec/token.h"

static void
test_join_in_flight(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	settle(w);
	join(w, &b, "late");
	send_room(w, &a, "late", "1");
	store_faulty_release(w->store);
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "late/1 | ", "a room that is joined while the mailbox is read is followed");
	probe_stop(&probe);
}

static void
test_leave_in_flight(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "left");
	send_room(w, &a, "left", "1");
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	settle(w);
	leave(w, &b, "left");
	settle(w);
	is_int(store_faulty_release(w->store), 0, "leaving a room ends a read of it");
	ok(reaches(w, &probe.caught_up, 1) && probe.batches == 0, "and nothing of it comes");
	join(w, &b, "left");
	send_room(w, &a, "left", "2");
	settle(w);
	is_string(probe.got.data, "left/2 | ", "joined anew, its messages come from there on");
	probe_stop(&probe);
}

/* What is sent behind the leaving is not for who left, however late the reader learns of it. */
static void
test_left(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	for (int i = 0; i < 2; i++) {
		join(w, &b, "behind");
		probe_start(w, &probe, &b, i == 0 ? &cb : NULL);
		probe.then = PROBE_KEEPS;
		reaches(w, &probe.caught_up, 1);
		store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 1, FAULTY_FAIL);
		if (i > 0)
			store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
		leave(w, &b, "behind");
		send_room(w, &a, "behind", "late");
		send_to(w, &a, &b, "direct");
		pass(w, 250);
		is_string(probe.got.data, "/direct | ",
		    i > 0 ? "nor when it is read" : "what is sent to a room behind the leaving does not come");
		ok(probe.reader && hub_has(w->hub, &b), "the reader goes on");
		join(w, &b, "behind");
		send_room(w, &a, "behind", "new");
		reaches(w, &probe.batches, 2);
		is_string(probe.got.data, "/direct | behind/new | ", "and follows the room when it is joined again");
		probe_stop(&probe);
		leave(w, &b, "behind");
	}
}

/* Left and joined again, while it is being read or between two readers. */
static void
test_rejoin(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe, next;

	join(w, &b, "again");
	send_room(w, &a, "again", "1");
	probe_start(w, &probe, &b, &cb);
	reaches(w, &probe.batches, 1);
	leave(w, &b, "again");
	send_room(w, &a, "again", "not for b");
	join(w, &b, "again");
	send_room(w, &a, "again", "2");
	probe_start(w, &next, &b, &probe.cursor);
	next.then = PROBE_RESTARTS;
	reaches(w, &next.batches, 1);
	is_string(next.got.data, "gap:again again/2 | ", "a room that was left and joined again between two readers has a gap");
	probe_stop(&next);

	probe_stop(&probe);
	probe_start(w, &probe, &b, NULL);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.batches, 1);
	buf_clear(&probe.got);
	store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 1, FAULTY_FAIL);
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	leave(w, &b, "again");
	send_room(w, &a, "again", "not for b");
	is_int(store_faulty_held(w->store), 1, "a room is left while it is read");
	join(w, &b, "again");
	send_room(w, &a, "again", "3");
	store_faulty_release(w->store);
	settle(w);
	is_string(probe.got.data, "gap:again | again/3 | ", "and joined again: what is in between does not come, but a gap");
	probe_stop(&probe);
}

static void
on_applied(void *arg, const struct store_applied *applied)
{
	(void)arg;
	(void)applied;
}

static void
leave_and_join(struct world *w, const struct name *session)
{
	char room[] = "pending";
	struct client_op ops[] = {{.kind = CLIENT_LEAVE, .room = room}, {.kind = CLIENT_JOIN, .room = room}};

	w->when_back = NULL;
	sessions_apply(w->others, session, 0, ops, 2, on_applied, NULL);
}

static void
on_lapsed(void *arg, const struct store_presence *presence)
{
	(void)arg;
	(void)presence;
}

/* The mailbox tells of the second joining when messages from before the leaving are still to be delivered. */
static void
test_rejoin_pending(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	char event[1500];
	struct buf away = BUF_EMPTY;
	struct probe probe;

	memset(event, 'x', sizeof event);
	event[1499] = 0;
	join(w, &a, "pending");
	join(w, &b, "pending");
	send_room(w, &a, "pending", "1");
	for (int i = 0; i < 4; i++)
		send_to(w, &a, &b, event);
	message_write_head(&away, MESSAGE_GATEWAY, &b, NULL, (struct jspan){"\"$away\"", 7});
	clock_turn(60001);
	store_lapse(w->inner, &b, away.data, away.data, on_lapsed, NULL);
	buf_free(&away);
	settle(w);
	w->when_back = leave_and_join;
	store_faulty_plan(w->store, FAULTY_READ_MAILBOX, 2, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_RESTARTS;
	settle(w);
	ok(store_faulty_held(w->store) == 1 && probe.batches == 0, "a room is left and joined again while its messages wait");
	store_faulty_release(w->store);
	reaches(w, &probe.batches, 2);
	ok(strncmp(probe.got.data, "gap:pending ", 12) == 0 && !strstr(probe.got.data, "/1 "), "they are in the gap then");
	send_room(w, &a, "pending", "2");
	reaches(w, &probe.batches, 3);
	ok(strstr(probe.got.data, "pending/2 "), "and what comes behind it is delivered");
	is_int((int64_t)probe.got.len, 12 + 4 * 1501 + 10 + 3 * 2, "and nothing else");
	probe_stop(&probe);
}

static void
test_room_lost(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "lost room");
	send_room(w, &a, "lost room", "1");
	w->rooms_lost = 0;
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_GONE);
	probe_start(w, &probe, &b, &cb);
	ok(reaches(w, &w->rooms_lost, 1), "a room that the store lost is to be joined anew");
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "lost room/1 | ", "and is read again then");
	is_int(probe.ends, 0, "and nobody is ended for it");
	probe_stop(&probe);
}

/* The store forgets a room when its last member leaves: who left must not be made to join it again. */
static void
test_room_gone(struct world *w)
{
	struct cursor ca, cb;
	struct name b = open_session(w, &cb), a = open_session(w, &ca);
	struct probe probe;

	join(w, &b, "gone room");
	w->rooms_lost = 0;
	store_faulty_delay(w->store, 20);
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_GONE);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	for (unsigned calls = store_faulty_calls(w->store, FAULTY_READ_ROOM); store_faulty_calls(w->store,
	    FAULTY_READ_ROOM) == calls;)
		pass(w, 1);
	leave(w, &b, "gone room");
	ok(reaches(w, &probe.caught_up, 1), "a room that the session left while it was found gone is nothing to wait for");
	store_faulty_delay(w->store, 0);
	pass(w, 150);
	is_int(w->rooms_lost, 0, "and not joined anew");
	send_room(w, &a, "gone room", "1");
	settle(w);
	is_int(probe.batches, 0, "nothing of it comes");
	probe_stop(&probe);
}

/* Streams are read one after another. */
static void
test_order(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "first");
	join(w, &b, "second");
	for (int i = 0; i < 2; i++) {
		send_to(w, &a, &b, i ? "4" : "1");
		pass(w, 2);
		send_room(w, &a, "second", i ? "5" : "2");
		pass(w, 2);
		send_room(w, &a, "first", i ? "6" : "3");
		pass(w, 2);
	}
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "/1 second/2 first/3 /4 second/5 first/6 | ", "what came while nobody read is told in the order of its time");
	probe_stop(&probe);
}

static void
count_applied(void *arg, const struct store_applied *applied)
{
	*(int *)arg += applied->status == STORE_OK && applied->results[1].code == STORE_DONE;
}

/* To both rooms at once: who is in both gets it from the first. */
static void
send_both(struct world *w, const struct name *from, const char *event)
{
	char first[] = "copy-1", second[] = "copy-2";
	struct client_op ops[2] = {{.kind = CLIENT_SEND_ROOM, .room = first, .event = {event, strlen(event)}}};
	struct name name;
	int done = 0;

	ops[1] = ops[0];
	ops[1].room = second;
	room_name_key(&name, first, strlen(first));
	ops[1].address.copies = (struct jspan){name.s, NAME_LEN};
	sessions_apply(w->others, from, 0, ops, 2, count_applied, &done);
	reaches(w, &done, 1);
}

/* All of it happens in a millisecond or two, so that times tell nothing. */
static void
test_copies(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;
	int wrong = 0;

	join(w, &a, "copy-1"); /* So that the rooms stay. */
	join(w, &a, "copy-2");
	for (int i = 0; i < 50; i++) {
		join(w, &b, "copy-2");
		send_both(w, &a, "\"one\"");
		join(w, &b, "copy-1");
		send_both(w, &a, "\"two\"");
		probe_start(w, &probe, &b, &cb);
		probe.sink.no_presence = true;
		probe.then = PROBE_KEEPS;
		reaches(w, &probe.batches, 1);
		settle(w);
		wrong += strcmp(probe.got.data, "copy-2/one copy-1/two | ") != 0;
		probe_stop(&probe);
		leave(w, &b, "copy-1");
		leave(w, &b, "copy-2");
	}
	is_int(wrong, 0, "what is in several rooms comes once, from the first of them that one had entered by then");
}

/* What a backend orders in one answer: a message to the room, and then what the sender waits for, in its mailbox. */
static void
answer(struct world *w, const struct name *from, const struct name *to)
{
	send_room(w, from, "asked", "told");
	send_to(w, from, to, "done");
}

static void
test_answer_while_read(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "asked");
	send_room(w, &a, "asked", "old");
	store_faulty_plan(w->store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	settle(w);
	answer(w, &a, &b);
	settle(w);
	is_int(probe.batches, 0, "while a room is read nothing else is told");
	store_faulty_release(w->store);
	reaches(w, &probe.batches, 1);
	is_string(probe.got.data, "asked/old asked/told /done | ", "nor the end of an answer before what came to the room meanwhile");
	probe_stop(&probe);
}

static void
test_answer_deaf(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	store_faulty_deafen(w->store, true);
	join(w, &b, "asked");
	reaches(w, &probe.caught_up, 2);
	answer(w, &a, &b);
	reaches(w, &probe.batches, 1);
	settle(w);
	is_string(probe.got.data, "asked/told /done | ", "a room of which no notices come yet is read before the end of an answer is told");
	store_faulty_deafen(w->store, false);
	answer(w, &a, &b);
	reaches(w, &probe.batches, 3);
	is_string(probe.got.data, "asked/told /done | asked/told | /done | ", "also once they come");
	probe_stop(&probe);
}

static void
test_answer_unheard(struct world *w)
{
	struct cursor ca, cb;
	struct name a = open_session(w, &ca), b = open_session(w, &cb);
	struct probe probe;

	join(w, &b, "asked");
	probe_start(w, &probe, &b, &cb);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
	send_room(w, &a, "asked", "told");
	settle(w);
	store_faulty_plan(w->store, FAULTY_NOTICE, 1, FAULTY_FAIL);
	send_to(w, &a, &b, "done");
	settle(w);
	store_faulty_ring(w->store, &b);
	reaches(w, &probe.batches, 1);
	settle(w);
	is_string(probe.got.data, "asked/told /done | ", "where the mailbox is ahead of its notices, rooms are read before it is told");
	probe_stop(&probe);
}

int
main(void)
{
	struct world w;

	world_new(&w, &(struct world_options){0});
	test_join_in_flight(&w);
	test_leave_in_flight(&w);
	test_left(&w);
	test_rejoin(&w);
	test_rejoin_pending(&w);
	test_room_lost(&w);
	test_room_gone(&w);
	test_order(&w);
	test_copies(&w);
	test_answer_while_read(&w);
	test_answer_deaf(&w);
	test_answer_unheard(&w);
	world_free(&w);
	return done();
}
