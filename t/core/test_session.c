/*
 * Sessions: what the others in a room hear of one, who is swept and who is not, and the history of a room.
 */
#include "kit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"

/* ---- History ---- */

struct history {
	struct buf got; /* The events. */
	int done;
	enum store_status status;
	size_t count;
	bool in_order;
};

static void
on_history(void *arg, enum store_status status, struct message *const *messages, size_t count)
{
	struct history *history = arg;

	history->done++;
	history->status = status;
	history->count = count;
	history->in_order = true;
	for (size_t i = 0; i < count; i++) {
		buf_addf(&history->got, "%.*s ", (int)messages[i]->event.len - 2, messages[i]->event.text + 1);
		if (i > 0 && entry_id_compare(messages[i - 1]->id, messages[i]->id) >= 0)
			history->in_order = false;
	}
}

static const struct entry_id newest = {UINT64_MAX, UINT64_MAX};

static void
ask(struct world *w, struct history *history, const struct history_query *query)
{
	buf_free(&history->got);
	*history = (struct history){0};
	sessions_history(w->sessions, query, on_history, history);
	ok(history->done == 0 && reaches(w, &history->done, 1), "a history is answered, later");
}

static void
test_history(void)
{
	struct history history = {0};
	struct world w;
	struct cursor cursor;
	struct name a, b;
	struct entry_id third = {0};
	char event[8];

	world_new(&w, &(struct world_options){.room_max = 1000});
	a = open_session(&w, &cursor);
	b = open_session(&w, &cursor);
	for (int i = 0; i < 5; i++) {
		struct entry_id id;

		join(&w, &b, "h");
		snprintf(event, sizeof event, "%d", i);
		id = send_room(&w, &a, "h", event);
		third = i == 2 ? id : third;
		leave(&w, &b, "h");
	}
	ask(&w, &history, &(struct history_query){"h", newest, 3, 100000, NULL});
	is_string(history.got.data, "2 3 4 ", "the last messages, oldest first, without the gateway's");
	ask(&w, &history, &(struct history_query){"h", newest, 100, 100000, NULL});
	is_string(history.got.data, "0 1 2 3 4 ", "no more than there are");
	ask(&w, &history, &(struct history_query){"h", third, 2, 100000, NULL});
	is_string(history.got.data, "1 2 ", "up to a position, with what is there");
	ask(&w, &history, &(struct history_query){"h", newest, 0, 100000, NULL});
	ok(history.status == STORE_OK && history.count == 0, "none if none are wanted");
	ask(&w, &history, &(struct history_query){"nowhere", newest, 10, 100000, NULL});
	ok(history.status == STORE_OK && history.count == 0, "a room that is none has no history");
	store_faulty_plan(w.store, FAULTY_READ_TAIL, 1, FAULTY_FAIL);
	ask(&w, &history, &(struct history_query){"h", newest, 10, 100000, NULL});
	is_int(history.status, STORE_UNAVAILABLE, "a store that fails is told");
	ask(&w, &history, &(struct history_query){"h", newest, 10, 250, NULL});
	is_string(history.got.data, "3 4 ", "as many bytes as may be");
	ask(&w, &history, &(struct history_query){"h", newest, 10, 1, NULL});
	is_string(history.got.data, "4 ", "or a single larger one");
	buf_free(&history.got);
	world_free(&w);
}

static void
test_history_pages(void)
{
	struct history history = {0}, unanswered = {0};
	struct world w;
	struct cursor cursor;
	struct name a, b;
	unsigned calls;

	world_new(&w, &(struct world_options){.room_max = 1000});
	a = open_session(&w, &cursor);
	b = open_session(&w, &cursor);
	for (int i = 0; i < 200; i++)
		send_room(&w, &a, "pages", "x");
	for (int i = 0; i < 150; i++) {
		join(&w, &b, "pages");
		leave(&w, &b, "pages");
	}
	calls = store_faulty_calls(w.store, FAULTY_READ_TAIL);
	ask(&w, &history, &(struct history_query){"pages", newest, 150, 1000000, NULL});
	ok(history.count == 150 && history.in_order, "messages behind many of the gateway's are found, each once");
	ok(store_faulty_calls(w.store, FAULTY_READ_TAIL) - calls > 4, "in pages that are not large");
	ask(&w, &history, &(struct history_query){"pages", newest, 1000, 1000000, NULL});
	ok(history.count == 200 && history.in_order, "to the beginning of the log");
	store_faulty_plan(w.store, FAULTY_READ_TAIL, 3, FAULTY_FAIL);
	ask(&w, &history, &(struct history_query){"pages", newest, 1000, 1000000, NULL});
	is_int(history.status, STORE_UNAVAILABLE, "a later page that fails is told");
	ask(&w, &history, &(struct history_query){"pages", newest, 1000, 1000000, NULL});
	store_faulty_plan(w.store, FAULTY_READ_TAIL, 2, FAULTY_HOLD);
	sessions_history(w.sessions, &(struct history_query){"pages", newest, 1000, 1000000, NULL}, on_history, &unanswered);
	settle(&w);
	buf_free(&history.got);
	world_free(&w);
	is_int(unanswered.done, 0, "the end of the store ends a history without a word");
}

/* ---- Presence ---- */

/* What the watcher is told of a session by and by. */
static void
told(struct world *w, struct probe *watcher, const char *wanted, const char *what)
{
	for (int i = 0; i < 400 && (!watcher->got.data || strcmp(watcher->got.data, wanted) != 0); i++)
		pass(w, 5);
	is_string(watcher->got.data, wanted, what);
	buf_clear(&watcher->got);
}

static void
test_presence(void)
{
	struct world w;
	struct cursor ca, cb, cc;
	struct name a, b, c;
	struct probe watcher, probe;
	int64_t expired = metrics[METRIC_SESSIONS_EXPIRED];

	world_new(&w, &(struct world_options){0});
	a = open_session(&w, &ca);
	b = open_session(&w, &cb);
	c = open_session(&w, &cc);
	join(&w, &a, "p");
	probe_start(&w, &watcher, &a, &ca);
	watcher.then = PROBE_KEEPS;
	reaches(&w, &watcher.caught_up, 1);
	join(&w, &b, "p");
	set_data(&w, &b, "{\"n\":1}");
	told(&w, &watcher, "p/$join | p/$set={\"n\":1} | ", "the others hear that a session joins, and of its data");
	leave(&w, &b, "p");
	join(&w, &b, "p");
	told(&w, &watcher, "p/$leave={\"n\":1} | p/$join={\"n\":1} | ", "that it leaves");
	sessions_watch(w.sessions, w.hub);
	clock_turn(60001);
	told(&w, &watcher, "p/$away={\"n\":1} | ", "that it is away");
	pass(&w, 150);
	is_string(watcher.got.data, "", "once; and nothing of one that has a sink here, however long it is silent");
	probe_start(&w, &probe, &b, &cb);
	told(&w, &watcher, "p/$back={\"n\":1} | ", "that it is back");
	probe_stop(&probe);
	clock_turn(60001);
	told(&w, &watcher, "p/$away={\"n\":1} | ", "and away again");
	clock_turn(60001);
	told(&w, &watcher, "p/$leave={\"n\":1} | ", "and gone");
	join(&w, &a, "p"); /* Still there. */
	is_int(metrics[METRIC_SESSIONS_EXPIRED] - expired, 2, "sessions that are gone are counted");
	c = open_session(&w, &cc);
	join(&w, &c, "p");
	close_session(&w, &c);
	told(&w, &watcher, "p/$join | p/$leave | ", "or that it was closed");
	is_int(watcher.ends, 0, "the watcher stays");
	probe_stop(&watcher);
	world_free(&w);
}

/* ---- Orders ---- */

struct ordered {
	int done;
	enum store_result_code codes[8];
	struct entry_id ids[8];
};

static void
on_ordered(void *arg, const struct store_applied *applied)
{
	struct ordered *ordered = arg;

	for (size_t i = 0; i < applied->count; i++) {
		ordered->codes[i] = applied->results[i].code;
		ordered->ids[i] = applied->results[i].id;
	}
	ordered->done++;
}

static void
test_orders(void)
{
	struct world w;
	struct cursor ca, cb;
	struct name a, b;
	struct history history = {0};
	struct ordered ordered = {0};
	struct probe watcher;
	char room[] = "o", one[] = "\"1\"", two[] = "\"2\"", direct[] = "\"d\"", data[] = "{\"n\":1}";

	world_new(&w, &(struct world_options){0});
	a = open_session(&w, &ca);
	b = open_session(&w, &cb);
	join(&w, &a, "o");
	probe_start(&w, &watcher, &a, &ca);
	watcher.then = PROBE_KEEPS;
	reaches(&w, &watcher.caught_up, 1);
	sessions_order(w.sessions, NULL, (struct client_op[]){
		{.kind = CLIENT_SEND_ROOM, .room = room, .event = {one, 3}},
		{.kind = CLIENT_SEND_ROOM, .room = room, .event = {two, 3}, .kept = true},
		{.kind = CLIENT_JOIN, .room = room, .session = b},
		{.kind = CLIENT_SET, .data = {data, 7}, .session = b},
		{.kind = CLIENT_LEAVE, .room = room, .session = b},
		{.kind = CLIENT_END, .session = b},
		{.kind = CLIENT_END, .session = b},
		{.kind = CLIENT_SEND_SESSION, .to = a, .event = {direct, 3}}}, 8, on_ordered, &ordered);
	told(&w, &watcher, "o/1 o/$join o/$set={\"n\":1} o/$leave={\"n\":1} /d | ",
	    "a backend sends, and makes sessions enter, change and leave; what is for the history alone does not come");
	ok(reaches(&w, &ordered.done, 1), "it is answered");
	ok(ordered.codes[5] == STORE_DONE && ordered.codes[6] == STORE_NO_TARGET, "and ends them, once");
	ask(&w, &history, &(struct history_query){"o", newest, 10, 100000, NULL});
	is_string(history.got.data, "1 2 ", "the history has all that was sent to the room");
	buf_free(&history.got);
	probe_stop(&watcher);
	world_free(&w);
}

/* Whoever sends is told in its mailbox what became of it. */
static void
test_tells(void)
{
	struct world w;
	struct cursor cursor;
	struct name a;
	struct ordered ordered = {0};
	struct probe watcher;
	char room[] = "t", number[] = "\"7\"", event[] = "\"e\"", text[ENTRY_ID_SIZE], wanted[200];
	struct client_op tell = {.kind = CLIENT_TELL, .event = {number, 3}, .form = CLIENT_ANSWER, .data = {"[\"", 2}, .data_end = {"\"]", 2},
	    .refusal = {"[false]", 7}};
	struct client_op quiet = {.kind = CLIENT_TELL, .event = {number, 3}, .form = CLIENT_ANSWER};

	world_new(&w, &(struct world_options){0});
	a = open_session(&w, &cursor);
	tell.to = quiet.to = a;
	probe_start(&w, &watcher, &a, &cursor);
	watcher.then = PROBE_KEEPS;
	reaches(&w, &watcher.caught_up, 1);
	sessions_apply(w.sessions, &a, 0, (struct client_op[]){
		{.kind = CLIENT_SEND_ROOM, .room = room, .event = {event, 3}}, tell, quiet,
		{.kind = CLIENT_LEAVE, .room = room}, tell, quiet}, 6, on_ordered, &ordered);
	ok(reaches(&w, &ordered.done, 1), "operations are applied, with those that tell of them");
	snprintf(wanted, sizeof wanted, "/7=[\"%s\"] /7=[false] | ", entry_id_format(text, ordered.ids[0]));
	told(&w, &watcher, wanted, "a session is told the id of what was sent, and that something was refused");
	probe_stop(&watcher);
	world_free(&w);
}

static void
test_sweep(void)
{
	enum { MANY = 3400 };
	struct world w;
	struct cursor cursor;
	int lapsed;

	world_new(&w, &(struct world_options){.max_sessions = MANY, .sweep_ms = 1000});
	for (int i = 0; i < MANY; i++)
		open_session(&w, &cursor);
	clock_turn(60001);
	store_faulty_plan(w.store, FAULTY_SWEEP, 1, FAULTY_FAIL);
	sessions_watch(w.sessions, w.hub);
	for (int i = 0; i < 500 && store_faulty_calls(w.store, FAULTY_SWEEP) < 2; i++)
		pass(&w, 10);
	pass(&w, 200);
	lapsed = (int)store_faulty_calls(w.store, FAULTY_LAPSE);
	is_int(lapsed, MANY, "however many are due at once, they are swept at once, also after a sweep that failed");
	is_int(store_faulty_calls(w.store, FAULTY_SWEEP), 5, "and no sweep more than it takes");
	world_free(&w);
}

int
main(void)
{
	test_history();
	test_history_pages();
	test_presence();
	test_orders();
	test_tells();
	test_sweep();
	return done();
}
