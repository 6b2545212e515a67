/*
 * A client that polls, leaves, comes back, loses answers and takes over from itself, on a store that fails, against a model:
 * in each stream it gets every message once and in order, or is told a gap that is one.  Seeds are fixed.
 */
#include "kit.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/token.h"

enum { SEEDS = 40, STEPS = 500, STREAMS = 4, MAILBOX_MAX = 5, ROOM_MAX = 8, IDS_MAX = 3 * STEPS };

/* Of the last room the client is a member now and then: it gets nothing twice, and nothing that was sent when it was none. */
static const char *const titles[STREAMS] = {NULL, "r1", "r2", "visited"};

struct stream {
	struct entry_id ids[IDS_MAX];
	int count;
	struct entry_id at; /* As far as the client has it. */
};

struct model {
	struct world world;
	struct name me, other;
	struct stream streams[STREAMS];
	struct cursor cursor; /* The client's. */
	struct probe probes[2], *probe;
	bool drops, visiting;
	uint32_t random;
	int step, gaps, messages;
	char wrong[200];
};

static unsigned
below(struct model *m, unsigned limit)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 17;
	m->random ^= m->random << 5;
	return m->random % limit;
}

static void
fail(struct model *m, const char *what, int stream, struct entry_id id)
{
	char at[ENTRY_ID_SIZE], text[ENTRY_ID_SIZE];

	if (!*m->wrong)
		snprintf(m->wrong, sizeof m->wrong, "step %d, stream %d: %s: %s, standing at %s", m->step, stream, what,
		    entry_id_format(text, id), entry_id_format(at, m->streams[stream].at));
}

static int
stream_of(const char *room)
{
	int i = 0;

	while (i < STREAMS && (room ? !titles[i] || strcmp(room, titles[i]) != 0 : titles[i] != NULL))
		i++;
	return i;
}

/* How many messages of the stream are behind this position. */
static int
behind(const struct stream *s, struct entry_id position)
{
	int n = 0;

	while (n < s->count && entry_id_compare(s->ids[s->count - 1 - n], position) > 0)
		n++;
	return n;
}

/* ---- What the client gets ---- */

static void
take_gap(struct model *m, const struct gap *gap)
{
	int i = stream_of(gap->room);
	struct stream *s = &m->streams[i];

	m->gaps++;
	if (titles[i] && strcmp(titles[i], "visited") == 0) {
		s->at = gap->to;
		return;
	}
	if (entry_id_compare(gap->from, s->at) != 0)
		fail(m, "a gap from elsewhere", i, gap->from);
	if (behind(s, gap->to) < (i == 0 ? MAILBOX_MAX : ROOM_MAX))
		fail(m, "a gap that is none", i, gap->to);
	s->at = gap->to;
}

static void
take_message(struct model *m, const struct message *message)
{
	int i = stream_of(message->room), n;
	struct stream *s = &m->streams[i];

	m->messages++;
	n = behind(s, s->at);
	if (entry_id_compare(message->id, s->at) <= 0)
		fail(m, "a message again", i, message->id);
	else if (i < STREAMS - 1 && (n == 0 || entry_id_compare(s->ids[s->count - n], message->id) != 0))
		fail(m, "a message too early", i, message->id);
	n = behind(s, message->id);
	if (n == s->count || entry_id_compare(s->ids[s->count - 1 - n], message->id) != 0)
		fail(m, "a message that is not for it", i, message->id);
	s->at = message->id;
}

static void
on_batch(struct probe *probe, const struct batch *batch)
{
	struct model *m = probe->arg;

	if (m->drops && probe->then == PROBE_STOPS) {
		m->drops = false;
		return;
	}
	for (size_t i = 0; i < batch->gaps_count; i++)
		take_gap(m, &batch->gaps[i]);
	for (size_t i = 0; i < batch->count; i++)
		take_message(m, batch->messages[i]);
	cursor_free(&m->cursor);
	m->cursor = cursor_copy(batch->cursor);
}

/* ---- What is done ---- */

static void
start(struct model *m)
{
	struct probe *before = m->probe, *probe = &m->probes[before == &m->probes[0]];
	int ends = before->ends;

	probe_stop(probe);
	probe_start(&m->world, probe, &m->me, &m->cursor);
	probe->on_batch = on_batch;
	probe->arg = m;
	probe->then = below(m, 4);
	m->probe = probe;
	/* The older one was answered without messages: its cursor is as good as ours. */
	if (before->ends == ends || below(m, 2))
		return;
	cursor_free(&m->cursor);
	m->cursor = cursor_copy(&before->cursor);
}

static void
hold_over(struct model *m)
{
	struct probe *probe = m->probe;
	int batches = probe->batches;

	if (!probe->reader)
		return;
	reader_resume(probe->reader);
	probe_hold_over(probe);
	if (probe->batches > batches)
		return;
	cursor_free(&m->cursor);
	m->cursor = cursor_copy(&probe->cursor);
}

struct sent {
	struct model *model;
	int stream;
	bool for_me;
};

static void
on_sent(void *arg, const struct store_applied *applied)
{
	struct sent *sent = arg;
	struct stream *s = &sent->model->streams[sent->stream];

	if (sent->for_me)
		s->ids[s->count++] = applied->results[0].id;
	free(sent);
}

static void
send_some(struct model *m)
{
	struct sent *sent;
	char event[] = "\"e\"", data[1200];
	int n = 1 + (int)below(m, 3);

	memset(data, '1', sizeof data);
	while (n-- > 0) {
		int i = (int)below(m, STREAMS);
		char *room = titles[i] ? mem_string(titles[i]) : NULL;
		struct client_op op = {.kind = room ? CLIENT_SEND_ROOM : CLIENT_SEND_SESSION, .room = room, .to = m->me,
		    .event = {event, 3},
		    .data = {data, below(m, 4) ? 10 : sizeof data}};

		sent = mem_zero(1, sizeof *sent);
		*sent = (struct sent){m, i, i < STREAMS - 1 || m->visiting};
		sessions_apply(m->world.others, &m->other, 0, &op, 1, on_sent, sent);
		free(room);
	}
}

static void
plan(struct model *m)
{
	static const enum faulty_kind kinds[] = {FAULTY_READ_MAILBOX, FAULTY_READ_ROOM, FAULTY_NOTICE};
	static const enum faulty_fault faults[] = {FAULTY_FAIL, FAULTY_UNSURE, FAULTY_HOLD, FAULTY_HOLD, FAULTY_TWICE, FAULTY_GONE};
	enum faulty_kind kind = kinds[below(m, 3)];

	store_faulty_plan(m->world.store, kind, 1 + below(m, 3), faults[below(m, kind == FAULTY_READ_MAILBOX ? 5 : 6)]);
}

static void
ring(struct model *m)
{
	int i = (int)below(m, STREAMS);
	struct name name = m->me;

	if (titles[i])
		room_name_key(&name, titles[i], strlen(titles[i]));
	store_faulty_ring(m->world.store, &name);
}

static void
visit(struct model *m)
{
	if (m->visiting)
		leave(&m->world, &m->me, titles[STREAMS - 1]);
	else
		join(&m->world, &m->me, titles[STREAMS - 1]);
	m->visiting = !m->visiting;
}

static void
pause_or_resume(struct model *m)
{
	if (!m->probe->reader)
		return;
	if (below(m, 3) == 0)
		reader_pause(m->probe->reader);
	else
		reader_resume(m->probe->reader);
}

/* It has all that it was told. */
static void
acknowledge(struct model *m)
{
	hub_ack(m->world.hub, &m->me, &m->cursor);
}

static void
step(struct model *m)
{
	switch (below(m, 24)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		send_some(m);
		break;
	case 5:
	case 6:
		start(m);
		break;
	case 7:
		hold_over(m);
		break;
	case 8:
		probe_halt(m->probe);
		break;
	case 9:
	case 10:
	case 11:
		plan(m);
		break;
	case 12:
	case 13:
		store_faulty_release(m->world.store);
		break;
	case 14:
		store_faulty_lose(m->world.store, below(m, 3) == 0);
		break;
	case 15:
		store_faulty_delay(m->world.store, below(m, 3));
		break;
	case 16:
		ring(m);
		break;
	case 17:
		m->drops = true;
		break;
	case 18:
		visit(m);
		break;
	case 19:
	case 20:
	case 21:
		pause_or_resume(m);
		break;
	case 22:
		acknowledge(m);
		break;
	default:
		pass(&m->world, (int)below(m, 3));
	}
	if (!m->probe->reader && below(m, 3))
		start(m);
	if (below(m, 2))
		settle(&m->world);
}

/* ---- The run ---- */

static void
begin(struct model *m, uint32_t seed)
{
	struct cursor other;

	*m = (struct model){.random = seed * 2654435761u | 1};
	world_new(&m->world, &(struct world_options){.mailbox_max = MAILBOX_MAX, .room_max = ROOM_MAX});
	m->me = open_session(&m->world, &m->cursor);
	m->other = open_session(&m->world, &other);
	m->streams[0].at = m->cursor.mailbox;
	for (int i = 1; i < STREAMS - 1; i++)
		m->streams[i].at = join(&m->world, &m->me, titles[i]);
	m->probe = &m->probes[0];
}

/* Everything works again: the client catches up. */
static void
end(struct model *m)
{
	store_faulty_lose(m->world.store, false);
	store_faulty_delay(m->world.store, 0);
	for (int kind = 0; kind < FAULTY_KINDS; kind++)
		store_faulty_plan(m->world.store, kind, 1, FAULTY_NONE);
	store_faulty_release(m->world.store);
	m->drops = false;
	if (m->probe->reader)
		pass(&m->world, 250);
	start(m);
	m->probe->then = PROBE_RESTARTS;
	reaches(&m->world, &m->probe->caught_up, 1);
	for (int i = 0; i < STREAMS - 1; i++)
		if (behind(&m->streams[i], m->streams[i].at) > 0)
			fail(m, "a message that never came", i, m->streams[i].ids[m->streams[i].count - 1]);
	probe_stop(&m->probes[0]);
	probe_stop(&m->probes[1]);
	cursor_free(&m->cursor);
	world_free(&m->world);
}

int
main(void)
{
	struct model *m = mem_zero(1, sizeof *m);
	int gaps = 0, messages = 0;

	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		begin(m, seed);
		for (m->step = 0; m->step < STEPS && !*m->wrong; m->step++)
			step(m);
		end(m);
		if (!ok(!*m->wrong, "seed %u: each message comes once and in order, or is in a gap", seed))
			printf("# %s\n", m->wrong);
		gaps += m->gaps;
		messages += m->messages;
	}
	ok(gaps > SEEDS && messages > 50 * SEEDS, "there were %d messages and %d gaps", messages, gaps);
	free(m);
	return done();
}
