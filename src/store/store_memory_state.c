/*
 * What the embedded store holds: streams by name (sessions, rooms, and names that are only watched) and memberships.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/store_memory_private.h"

/* ---- Streams by name ---- */

static uint64_t
mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Names can be chosen by who tries enough tokens, so their place must not be foreseen: hence the seed. */
static unsigned
hash(const struct memory *m, const struct name *name)
{
	uint64_t a, b, c = 0;

	_Static_assert(NAME_LEN > 16 && NAME_LEN <= 24, "a name is hashed as two and a half words");
	memcpy(&a, name->s, 8);
	memcpy(&b, name->s + 8, 8);
	memcpy(&c, name->s + 16, NAME_LEN - 16);
	return (unsigned)mix(mix(a ^ m->seed[0], b ^ m->seed[1]) ^ m->seed[2], c ^ m->seed[1]);
}

static struct stream *
find(const struct memory *m, const struct name *name)
{
	struct stream *s;

	HASH_FIND_BYHASHVALUE(hh, m->streams, name->s, NAME_LEN, hash(m, name), s);
	return s;
}

/* Put s in, under this name, in place of what may have been watched for. */
static void
put(struct memory *m, struct stream *s, enum stream_kind kind, const struct name *name)
{
	struct stream *old = find(m, name);

	s->name = *name;
	s->kind = kind;
	s->watches = 0;
	if (old) {
		assert(old->kind == STREAM_WATCHED);
		s->watches = old->watches;
		HASH_DEL(m->streams, old);
		free(old);
	}
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, m->streams, s->name.s, NAME_LEN, hash(m, name), s);
}

/* Take s out and free it; who watches its name goes on watching. */
static void
take_out(struct memory *m, struct stream *s)
{
	chain_clear(&s->chain, &m->bin);
	HASH_DEL(m->streams, s);
	if (s->watches > 0) {
		struct stream *watched = mem_zero(1, sizeof(*watched));

		put(m, watched, STREAM_WATCHED, &s->name);
		watched->watches = s->watches;
	}
	free(s);
}

void
memory_watch(struct memory *m, const struct name *name)
{
	struct stream *s = find(m, name);

	if (!s) {
		s = mem_zero(1, sizeof(*s));
		put(m, s, STREAM_WATCHED, name);
	}
	if (s->watches++ == 0)
		metric_add(STORE_WATCHES, 1);
}

void
memory_unwatch(struct memory *m, const struct name *name)
{
	struct stream *s = find(m, name);

	assert(s && s->watches > 0);
	if (--s->watches > 0)
		return;
	metric_add(STORE_WATCHES, -1);
	if (s->kind == STREAM_WATCHED)
		take_out(m, s);
}

bool
memory_watched(struct memory *m, const struct name *name)
{
	const struct stream *s = find(m, name);

	return s && s->watches > 0;
}

/* ---- Appending ---- */

/* Ids of entries and bases alike: time, and never one twice. */
static struct entry_id
next_id(struct memory *m)
{
	uint64_t now = (uint64_t)clock_wall_ms();

	if (now > m->last_id.ms)
		m->last_id = (struct entry_id){now, 0};
	else
		m->last_id.seq++;
	return m->last_id;
}

static struct entry_id
append(struct memory *m, struct stream *s, const char *payload, size_t len, const char *data, size_t data_len, uint32_t max)
{
	struct entry_id prev = s->chain.last;
	struct chain_entry *entry = chain_append(&s->chain, &m->bin, next_id(m), payload, len, data, data_len, max);

	if (s->watches > 0)
		memory_post_entry(m, s, prev, entry);
	return s->chain.last;
}

struct entry_id
memory_append(struct memory *m, struct session *to, const char *payload, size_t len)
{
	return append(m, &to->stream, payload, len, NULL, 0, m->limits.mailbox_max);
}

struct entry_id
memory_append_room(struct memory *m, struct room *to, const char *payload, size_t len, const struct session *data_of)
{
	to->active = clock_mono_ms();
	TAILQ_REMOVE(&m->by_age, to, by_age);
	TAILQ_INSERT_TAIL(&m->by_age, to, by_age);
	return append(m, &to->stream, payload, len, data_of ? data_of->data : NULL, data_of ? data_of->data_len : 0,
	    m->limits.room_max);
}

void
memory_append_rooms(struct memory *m, struct session *s, const char *payload, size_t len)
{
	struct membership *member;

	LIST_FOREACH(member, &s->memberships, of_session)
		memory_append_room(m, member->room, payload, len, s);
}

/* ---- Queues ---- */

struct stream *
memory_queue(struct memory *m, const struct name *name)
{
	struct stream *s = find(m, name);

	if (s && s->kind == STREAM_QUEUE)
		return s;
	s = mem_zero(1, sizeof(*s));
	put(m, s, STREAM_QUEUE, name);
	chain_start(&s->chain, next_id(m));
	return s;
}

struct stream *
memory_queue_of(struct memory *m, const struct session *s)
{
	struct name name;

	store_queue_name(&name, store_queue_of(&s->stream.name));
	return memory_queue(m, &name);
}

bool
memory_queue_is_full(struct memory *m, const struct stream *queue)
{
	return queue->chain.count >= m->limits.queue_max;
}

struct entry_id
memory_append_queue(struct memory *m, struct stream *queue, const char *payload, size_t len, const struct session *data_of)
{
	chain_append(&queue->chain, &m->bin, next_id(m), payload, len, data_of ? data_of->data : NULL, data_of ? data_of->data_len : 0,
	    UINT32_MAX);
	if (queue->watches > 0)
		memory_post_notice(m, TASK_QUEUED, queue);
	return queue->chain.last;
}

/* ---- Sessions ---- */

struct session *
memory_session(struct memory *m, const struct name *name)
{
	struct stream *s = find(m, name);

	return s && s->kind == STREAM_SESSION ? (struct session *)s : NULL;
}

struct session *
memory_session_new(struct memory *m, const struct name *name, const char *data, size_t len)
{
	struct session *s = mem_zero(1, sizeof(*s));

	put(m, &s->stream, STREAM_SESSION, name);
	chain_start(&s->stream.chain, next_id(m));
	s->acked = s->stream.chain.last;
	s->touched = clock_mono_ms();
	s->next_seq = 1;
	LIST_INIT(&s->memberships);
	memory_session_set(m, s, data, len);
	m->sessions++;
	memory_due_add(m, s);
	return s;
}

/* What is replaced may be lent to a callback that is running. */
static void
replace(struct memory *m, char **text, uint32_t *text_len, const char *by, size_t len)
{
	assert(len < UINT32_MAX);
	if (*text)
		bin_put(&m->bin, *text);
	*text = len > 0 ? mem_copy(by, len) : NULL;
	*text_len = (uint32_t)len;
}

void
memory_session_set(struct memory *m, struct session *s, const char *data, size_t len)
{
	replace(m, &s->data, &s->data_len, data, len);
}

void
memory_session_grant(struct memory *m, struct session *s, const char *grants, size_t len)
{
	replace(m, &s->grants, &s->grants_len, grants, len);
}

void
memory_session_swap(struct memory *m, struct session *s, struct session_state *state)
{
	if (s->state)
		bin_put(&m->bin, s->state);
	s->state = state;
}

struct store_state
memory_session_state(const struct session *s)
{
	const struct session_state *state = s->state;

	if (!state)
		return (struct store_state){0, "", 0};
	return (struct store_state){state->number, (const char *)(state->results + state->count), state->len};
}

static void
session_free(struct memory *m, struct session *s)
{
	memory_session_set(m, s, NULL, 0);
	memory_session_grant(m, s, NULL, 0);
	memory_user_take(m, s, NULL);
	memory_session_swap(m, s, NULL);
	free(s->results);
	free(s->end);
	m->sessions--;
	take_out(m, &s->stream);
}

void
memory_session_remove(struct memory *m, struct session *s, const char *leave, size_t len)
{
	struct membership *member;

	while ((member = LIST_FIRST(&s->memberships)))
		memory_leave(m, member, leave, len);
	if (s->end)
		memory_append_queue(m, memory_queue_of(m, s), s->end, strlen(s->end), s);
	if (s->stream.watches > 0)
		memory_post_notice(m, TASK_CLOSED, &s->stream);
	memory_due_remove(m, s);
	session_free(m, s);
}

/* ---- Rooms ---- */

static void
room_free(struct memory *m, struct room *r)
{
	TAILQ_REMOVE(&m->by_age, r, by_age);
	bin_put(&m->bin, r->title);
	m->rooms--;
	take_out(m, &r->stream);
}

/* Its last entry is past its time: drop the log, and the room with it unless there are members. */
static struct room *
room_age(struct memory *m, struct room *r, int64_t now)
{
	if (r->members == 0) {
		room_free(m, r);
		return NULL;
	}
	chain_clear(&r->stream.chain, &m->bin);
	r->active = now;
	TAILQ_REMOVE(&m->by_age, r, by_age);
	TAILQ_INSERT_TAIL(&m->by_age, r, by_age);
	return r;
}

struct room *
memory_room(struct memory *m, const struct name *name)
{
	struct stream *s = find(m, name);
	struct room *r = s && s->kind == STREAM_ROOM ? (struct room *)s : NULL;
	int64_t now = clock_mono_ms();

	return r && now - r->active >= m->limits.room_ttl_ms ? room_age(m, r, now) : r;
}

struct room *
memory_room_new(struct memory *m, const struct name *name, const char *title)
{
	struct room *r = mem_zero(1, sizeof(*r));

	put(m, &r->stream, STREAM_ROOM, name);
	chain_start(&r->stream.chain, next_id(m));
	r->active = clock_mono_ms();
	r->title = mem_string(title);
	TAILQ_INIT(&r->memberships);
	TAILQ_INSERT_TAIL(&m->by_age, r, by_age);
	m->rooms++;
	return r;
}

void
memory_rooms_age(struct memory *m, unsigned max)
{
	int64_t now = clock_mono_ms();
	struct room *r;

	while (max-- > 0 && (r = TAILQ_FIRST(&m->by_age)) && now - r->active >= m->limits.room_ttl_ms)
		room_age(m, r, now);
}

/* ---- Memberships ---- */

struct membership *
memory_membership(const struct session *s, const struct room *r)
{
	struct membership *member;

	LIST_FOREACH(member, &s->memberships, of_session)
		if (member->room == r)
			return member;
	return NULL;
}

void
memory_join(struct session *s, struct room *r, struct entry_id since)
{
	struct membership *member = mem_alloc(sizeof(*member));

	*member = (struct membership){.session = s, .room = r, .since = since};
	LIST_INSERT_HEAD(&s->memberships, member, of_session);
	TAILQ_INSERT_TAIL(&r->memberships, member, of_room);
	s->rooms++;
	r->members++;
}

static void
membership_end(struct membership *member)
{
	struct session *s = member->session;
	struct room *r = member->room;

	LIST_REMOVE(member, of_session);
	TAILQ_REMOVE(&r->memberships, member, of_room);
	s->rooms--;
	r->members--;
	free(member);
}

void
memory_leave(struct memory *m, struct membership *member, const char *leave, size_t len)
{
	struct session *s = member->session;
	struct room *r = member->room;

	membership_end(member);
	if (r->members == 0 && !r->said)
		room_free(m, r);
	else
		memory_append_room(m, r, leave, len, s);
}

void
memory_forget(struct memory *m)
{
	struct stream *s, *next;

	memory_orders_forget(m);
	memory_leases_forget(m);
	HASH_ITER(hh, m->streams, s, next) {
		struct session *session = (struct session *)s;
		struct membership *member;

		metric_add(STORE_WATCHES, s->watches > 0 ? -1 : 0);
		s->watches = 0;
		if (s->kind != STREAM_SESSION)
			continue;
		while ((member = LIST_FIRST(&session->memberships)))
			membership_end(member);
		session_free(m, session);
	}
	HASH_ITER(hh, m->streams, s, next) {
		if (s->kind == STREAM_ROOM)
			room_free(m, (struct room *)s);
		else
			take_out(m, s);
	}
}
