/*
 * Deadlines of sessions: a heap by the time at which each has to be looked at again.  A touch only notes the time; the heap
 * learns of it when the old deadline comes.
 */
#include <assert.h>

#include "base/clock.h"
#include "store/store_memory_private.h"

#define CLAIM_MS 5000

static void
place(struct memory *m, uint32_t slot, struct due due)
{
	m->due[slot] = due;
	due.session->due_slot = slot;
}

static void
move_up(struct memory *m, uint32_t slot, struct due due)
{
	while (slot > 0 && m->due[(slot - 1) / 2].at > due.at) {
		place(m, slot, m->due[(slot - 1) / 2]);
		slot = (slot - 1) / 2;
	}
	place(m, slot, due);
}

/* Put due into slot, of a heap of count, and let it find its place. */
static void
settle(struct memory *m, uint32_t slot, uint32_t count, struct due due)
{
	if (slot > 0 && m->due[(slot - 1) / 2].at > due.at) {
		move_up(m, slot, due);
		return;
	}
	for (;;) {
		uint32_t child = 2 * slot + 1;

		if (child < count && child + 1 < count && m->due[child + 1].at < m->due[child].at)
			child++;
		if (child >= count || m->due[child].at >= due.at)
			break;
		place(m, slot, m->due[child]);
		slot = child;
	}
	place(m, slot, due);
}

int64_t
memory_deadline(const struct memory *m, const struct session *s)
{
	return s->touched + (s->away ? m->limits.session_ttl_ms : m->limits.away_after_ms);
}

void
memory_due_add(struct memory *m, struct session *s)
{
	assert(m->sessions > 0);
	if (m->due_room < m->sessions) {
		m->due_room = m->due_room ? 2 * m->due_room : 64;
		m->due = mem_resize(m->due, m->due_room, sizeof(*m->due));
	}
	move_up(m, m->sessions - 1, (struct due){memory_deadline(m, s), s});
}

void
memory_due_remove(struct memory *m, struct session *s)
{
	uint32_t slot = s->due_slot, last = m->sessions - 1;

	assert(m->due[slot].session == s);
	if (slot != last)
		settle(m, slot, last, m->due[last]);
}

void
memory_due_update(struct memory *m, struct session *s)
{
	settle(m, s->due_slot, m->sessions, (struct due){memory_deadline(m, s), s});
}

size_t
memory_due_claim(struct memory *m, struct name *ids, size_t max)
{
	int64_t now = clock_mono_ms();
	size_t count = 0;

	while (count < max && m->sessions > 0 && m->due[0].at <= now) {
		struct session *s = m->due[0].session;
		int64_t at = memory_deadline(m, s);

		if (at <= now) {
			ids[count++] = s->stream.name;
			at = now + CLAIM_MS;
		}
		settle(m, 0, m->sessions, (struct due){at, s});
	}
	return count;
}
