/*
 * Lists of all rooms and sessions, in parts, while they come and go: the buckets of the table are walked in the order of their
 * numbers read backwards.  A table that has twice as many meanwhile has split each bucket into two, and this order has both of
 * them where it had the one; so what was passed is passed, and nothing is left out.
 */
#include "store/store_memory_private.h"

#define BUCKETS_MAX 10000 /* In one part, however little there is in them. */

static unsigned
reversed(unsigned v)
{
	unsigned r = 0;

	for (int bit = 0; bit < 32; bit++, v >>= 1)
		r = r << 1 | (v & 1);
	return r;
}

/* The bucket after this one; 0 after the last. */
static unsigned
bucket_after(unsigned bucket, unsigned count)
{
	return reversed(reversed(bucket | ~(count - 1)) + 1);
}

/* Take what a stream of the kind that is listed has to tell. */
typedef void take_fn(struct memory *m, const struct stream *s, size_t count);

/* The part from *at on; how many it has. *at is set to where the next one begins, 0 if there is none. */
static size_t
walk(struct memory *m, enum stream_kind kind, unsigned *at, uint32_t max, take_fn *take)
{
	UT_hash_table *table = m->streams ? m->streams->hh.tbl : NULL;
	size_t count = 0;
	unsigned bucket = table ? *at & (table->num_buckets - 1) : 0;

	for (unsigned visited = 0; table && (visited == 0 || bucket != 0) && visited < BUCKETS_MAX && count < max; visited++) {
		for (UT_hash_handle *hh = table->buckets[bucket].hh_head; hh; hh = hh->hh_next) {
			const struct stream *s = ELMT_FROM_HH(table, hh);

			if (s->kind == kind)
				take(m, s, ++count);
		}
		bucket = bucket_after(bucket, table->num_buckets);
	}
	*at = bucket;
	return count;
}

static void
take_room(struct memory *m, const struct stream *s, size_t count)
{
	struct store_room *rooms = memory_scratch(m, 0, count, sizeof(*rooms));
	const struct room *r = (const struct room *)s;

	rooms[count - 1] = (struct store_room){r->title, r->members, r->stream.chain.last};
}

struct store_member
memory_session_told(const struct session *s)
{
	return (struct store_member){s->stream.name, s->away, s->data ? s->data : "", s->data_len};
}

static void
take_session(struct memory *m, const struct stream *s, size_t count)
{
	struct store_member *sessions = memory_scratch(m, 0, count, sizeof(*sessions));

	sessions[count - 1] = memory_session_told((const struct session *)s);
}

void
memory_run_rooms(struct memory *m, struct task *task)
{
	struct store_rooms list = {.status = STORE_OK};
	unsigned at = (unsigned)task->u.read.at.seq;

	memory_rooms_age(m, BUCKETS_MAX);
	list.count = walk(m, STREAM_ROOM, &at, task->u.read.entries, take_room);
	list.rooms = memory_scratch(m, 0, list.count, sizeof(*list.rooms));
	list.more = at != 0;
	list.next.seq = at;
	task->fn.rooms(task->arg, &list);
}

void
memory_run_sessions(struct memory *m, struct task *task)
{
	struct store_sessions list = {.status = STORE_OK};
	unsigned at = (unsigned)task->u.read.at.seq;

	list.count = walk(m, STREAM_SESSION, &at, task->u.read.entries, take_session);
	list.sessions = memory_scratch(m, 0, list.count, sizeof(*list.sessions));
	list.more = at != 0;
	list.next.seq = at;
	task->fn.sessions(task->arg, &list);
}

static struct task *
post_list(struct store *store, enum task_kind kind, struct entry_id at, uint32_t max, void *arg)
{
	struct task *task = memory_post(memory_of(store), kind, NULL, 0, arg);

	task->u.read.at = at;
	task->u.read.entries = max;
	return task;
}

struct store_call *
memory_list_rooms(struct store *store, struct entry_id at, uint32_t max, store_rooms_fn *fn, void *arg)
{
	struct task *task = post_list(store, TASK_ROOMS, at, max, arg);

	task->fn.rooms = fn;
	return &task->call;
}

struct store_call *
memory_list_sessions(struct store *store, struct entry_id at, uint32_t max, store_sessions_fn *fn, void *arg)
{
	struct task *task = post_list(store, TASK_SESSIONS, at, max, arg);

	task->fn.sessions = fn;
	return &task->call;
}
