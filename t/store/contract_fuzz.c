/*
 * Random operations on a store, and on a model of it that says what may be answered.
 */
#include <stdlib.h>

#include "contract_model.h"
#include "contract_parts.h"

#define RUNS 4

/* ---- Reading ---- */

static void
check_view(struct fuzz *f, struct model_stream *s, const struct answer *a, struct position from, size_t max)
{
	ptrdiff_t first = a->count ? stream_find(s, a->entries[0].payload) : (ptrdiff_t)(a->gap ? s->count : from.read);
	size_t i, wanted;

	hold(f, a->status == STORE_OK, "a stream that is there can be read");
	hold(f, first >= 0, "entries are those that were appended");
	if (f->wrong)
		return;
	if (a->gap) {
		hold(f, same_id(a->gap_from, from.id), "a gap begins where the reader stood");
		hold(f, from.stale || ((size_t)first > from.read && from.read < stream_loss(s)),
		    "a gap is where something may be lost");
		hold(f, (size_t)first <= stream_loss(s), "a gap takes no more than may be lost");
		stream_learn(f, s, first - 1, a->gap_to);
	} else {
		hold(f, !from.stale, "a position of a stream that is no more is a gap");
		hold(f, (size_t)first == from.read, "without a gap nothing is missing");
	}
	wanted = s->count - (size_t)first;
	hold(f, wanted <= s->max + f->k->contract->slack, "no more is kept than the limit says");
	hold(f, a->count == (wanted < max ? wanted : max), "all is read that is there and was asked for");
	hold(f, a->more == ((size_t)first + a->count < s->count), "it is told whether there is more");
	for (i = 0; i < a->count && !f->wrong; i++) {
		hold(f, strcmp(a->entries[i].payload, s->entries[(size_t)first + i].payload) == 0, "entries are in order");
		stream_learn(f, s, first + (ptrdiff_t)i, a->entries[i].id);
	}
	hold(f, same_id(a->last, a->count ? a->entries[a->count - 1].id : a->gap ? a->gap_to : from.id),
	    "the reader moves to the last entry");
	if (!f->wrong)
		stream_remember(f, s, a->last, (size_t)first + a->count);
}

static void
check_stream(struct fuzz *f, struct model_stream *s, const struct name *id, const struct name *room)
{
	struct position from = s->positions[any(f, POSITIONS)];
	uint32_t max = any(f, 2) ? 1000 : 1 + any(f, 5);
	struct answer *a;

	if (!from.known)
		return;
	a = await(id ? start_read_mailbox(f->k, id, from.id, max, 100000) : start_read_room(f->k, room, from.id, max, 100000));
	if (!s->made)
		hold(f, a->status == STORE_GONE, "a stream that is not there is gone");
	else
		check_view(f, s, a, from, max);
}

/* ---- Operations ---- */

/* Text that the operation points to is kept with it. */
static void
make_op(struct fuzz *f, struct store_op *op, char texts[2][16])
{
	const char *title = model_titles[any(f, ROOMS)];

	snprintf(texts[0], 16, "%u", ++f->serial);
	snprintf(texts[1], 16, "<%u>", any(f, 3) ? f->serial : 0);
	switch (any(f, 10)) {
	case 0: *op = op_join(title, texts[0]); break;
	case 1: *op = op_leave(title, texts[0]); break;
	case 2: *op = op_set(texts[1], texts[0]); break;
	case 8: *op = op_grant(texts[1]); break;
	case 7:
		*op = op_grant(texts[1]);
		op->has_user = true;
		op->target = model_user(1 + (int)any(f, USERS));
		break;
	case 9: *op = op_refuse(); break;
	case 3:
	case 4: *op = op_room(model_titles[any(f, ROOMS / 2)], texts[0]); break; /* In the others nothing is ever said. */
	default: *op = op_send(&f->sessions[any(f, SESSIONS)].id, texts[0]); break;
	}
	op->max_members = op->kind == STORE_JOIN && any(f, 2) ? 2 : 0;
}

/* What the model knows of result i of a call that begins with seq and was a repeat that far. */
static void
check_repeated(struct fuzz *f, const struct model_session *m, uint64_t seq, const struct store_result *r)
{
	const struct store_result *before;

	if (seq < m->first_seq || seq >= m->first_seq + m->last_count) {
		hold(f, r->code == STORE_DONE_BEFORE, "an old operation is known as done");
		return;
	}
	before = &m->last_results[seq - m->first_seq];
	hold(f, r->code == before->code && r->existing == before->existing && same_id(r->id, before->id),
	    "a repeat has the results it had");
}

static void
check_applied(struct fuzz *f, struct model_session *m, uint64_t seq, const struct store_op *ops, size_t n, const struct answer *a)
{
	size_t i, repeated = seq && seq < m->next_seq ? (size_t)(m->next_seq - seq) : 0;

	if (!m->open) {
		hold(f, a->status == STORE_GONE && a->count == 0, "a session that is gone can do nothing");
		return;
	}
	if (seq > m->next_seq) {
		hold(f, a->status == STORE_HOLE && a->next_seq == m->next_seq && a->count == 0, "a hole is told");
		return;
	}
	repeated = repeated < n ? repeated : n;
	hold(f, a->status == STORE_OK && a->count == n && a->repeated == repeated && !a->away, "operations are applied");
	for (i = 0; i < n && !f->wrong; i++) {
		if (i < repeated)
			check_repeated(f, m, seq + i, &a->results[i]);
		else
			hold(f, a->results[i].code == model_op(f, m, &ops[i], &a->results[i]),
			    "an operation has the result that it must have");
	}
	if (seq && seq + n > m->next_seq)
		m->next_seq = seq + n;
	hold(f, a->next_seq == (seq ? m->next_seq : 0), "the next number is told");
}

/* What a session may ask for without a number, who is no session may order for it. */
static struct answer *
order(struct fuzz *f, const struct model_session *m, struct store_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ops[i].session = m->id;
	return await(start_order(f->k, NULL, ops, n));
}

static void
step_apply(struct fuzz *f, struct model_session *m)
{
	struct store_op ops[2 * MAX_OPS];
	char texts[2 * MAX_OPS][2][16];
	size_t i, n = 1 + any(f, MAX_OPS), kept = 0;
	uint64_t seq = m->open ? m->next_seq : 1;
	uint32_t how = any(f, 20);
	bool renew;
	struct answer *a;

	if (how < 6)
		seq = 0;
	else if (how == 6)
		seq += 1 + any(f, 3);
	else if (how < 12 && m->last_count > 0 && m->last_count <= MAX_OPS) { /* The last call again, or its end. */
		size_t skip = any(f, (uint32_t)m->last_count);

		kept = m->last_count - skip;
		seq = m->first_seq + skip;
		memcpy(ops, m->last_ops + skip, kept * sizeof(*ops));
		memcpy(texts, m->last_texts + skip, kept * sizeof(*texts));
		n = how < 9 ? kept : kept + n;
	} else if (how == 12)
		seq = seq > 3 ? seq - 3 : 1;
	for (i = kept; i < n; i++)
		make_op(f, &ops[i], texts[i]);
	for (i = 0; i < n; i++) { /* Copied operations point to the texts of where they were. */
		ops[i].payload = ops[i].kind < STORE_GRANT ? texts[i][0] : "";
		ops[i].data = ops[i].kind == STORE_SET || ops[i].kind == STORE_GRANT ? texts[i][1] : NULL;
	}
	if (how < 3 && m->open && any(f, 3) == 0) {
		struct name user = model_user(1 + (int)any(f, USERS));

		ops[0] = op_send_user(&user, texts[0][0]); /* Before grants, of which it may know nothing. */
	}
	a = how < 3 && m->open ? order(f, m, ops, n) : apply(f->k, &m->id, seq, ops, n);
	renew = m->open && seq && seq <= m->next_seq && seq + n > m->next_seq;
	check_applied(f, m, seq, ops, n, a);
	if (!renew || f->wrong)
		return;
	m->first_seq = seq;
	m->last_count = n;
	memcpy(m->last_ops, ops, n * sizeof(*ops));
	memcpy(m->last_texts, texts, n * sizeof(*texts));
	memcpy(m->last_results, a->results, n * sizeof(*a->results));
}

/* ---- The other steps ---- */

static void
step_open(struct fuzz *f, struct model_session *m)
{
	char data[16];
	struct answer *a;

	snprintf(data, sizeof(data), "<%u>", ++f->serial);
	a = await(start_open(f->k, &m->id, data));
	hold(f, a->status == STORE_OK && a->created == !m->open, "a session is opened once");
	if (m->open) {
		hold(f, entry_id_compare(a->position, m->acked_most) <= 0, "reading starts no later than what was acknowledged");
		return;
	}
	m->open = true;
	snprintf(m->data, sizeof(m->data), "%s", data);
	m->grants[0] = '\0';
	m->user = 0;
	m->next_seq = m->first_seq = 1;
	m->last_count = 0;
	m->acked_most = a->position;
	memset(m->joined, 0, sizeof(m->joined));
	stream_reset(&m->mailbox);
	stream_learn(f, &m->mailbox, -1, a->position);
	stream_remember(f, &m->mailbox, a->position, 0);
}

static void
step_close(struct fuzz *f, struct model_session *m)
{
	char leave[16];
	struct answer *a;
	bool was_open;
	size_t i;

	snprintf(leave, sizeof(leave), "%u", ++f->serial);
	if (any(f, 2)) {
		struct store_op end = op_by(&m->id, op_end(leave));

		a = await(start_order(f->k, NULL, &end, 1));
		hold(f, a->status == STORE_OK && a->results[0].code == (m->open ? STORE_DONE : STORE_NO_TARGET),
		    "an open session is ended");
	} else {
		a = await(start_close(f->k, &m->id, leave));
		hold(f, a->status == (m->open ? STORE_OK : STORE_GONE), "an open session is closed");
	}
	was_open = m->open;
	m->open = m->mailbox.made = false;
	for (i = 0; i < ROOMS && was_open; i++)
		if (m->joined[i])
			model_left(f, i, leave, m->data);
}

static void
step_look(struct fuzz *f, struct model_session *m)
{
	struct answer *a = await(start_look(f->k, &m->id));
	struct model_stream *s = &m->mailbox;

	hold(f, a->status == (m->open ? STORE_OK : STORE_GONE), "an open session can be looked at");
	if (!m->open || f->wrong)
		return;
	hold(f, strcmp(a->data, m->data) == 0, "its data are those set last");
	hold(f, strcmp(a->grants, m->grants) == 0, "so are its grants");
	hold(f, entry_id_compare(a->acked, m->acked_most) <= 0, "it has acknowledged what it said");
	stream_learn(f, s, (ptrdiff_t)s->count - 1, a->last);
}

static void
step_ack(struct fuzz *f, struct model_session *m)
{
	struct position at = m->mailbox.positions[any(f, POSITIONS)];
	bool idle = any(f, 3) == 0;

	if (!m->open || !at.known || at.stale)
		return;
	if (idle && at.read == m->mailbox.count)
		m->mailbox.given_back = at.read;
	if (entry_id_compare(at.id, m->acked_most) > 0)
		m->acked_most = at.id;
	store_ack(f->k->at, &m->id, at.id, idle);
}

static void
step_rooms(struct fuzz *f, struct model_session *m)
{
	struct answer *a = read_mailbox(f->k, &m->id, id_of(0, 0));
	size_t i;

	if (!m->open)
		return;
	hold(f, a->status == STORE_OK && a->rooms_count == model_joined(m), "a session is in the rooms that it entered");
	for (i = 0; i < a->rooms_count && !f->wrong; i++) {
		size_t room = (size_t)(a->rooms[i].title[5] - '0');

		hold(f, room < ROOMS && m->joined[room] && same_id(m->since[room], a->rooms[i].since),
		    "from where it entered them");
	}
}

static void
step_members(struct fuzz *f, size_t room)
{
	struct name name = room_named(model_titles[room]);
	struct answer *a = await(start_list_members(f->k, &name, 100));
	size_t i, j, found = 0;

	hold(f, a->status == STORE_OK && a->total == model_members(f, room) && a->count == a->total,
	    "a room has the members that entered");
	for (i = 0; i < a->count; i++)
		for (j = 0; j < SESSIONS; j++)
			found += name_equal(&a->members[i].id, &f->sessions[j].id) && f->sessions[j].joined[room] &&
			    f->sessions[j].open &&
			    strcmp(a->members[i].data, f->sessions[j].data) == 0;
	hold(f, found == a->total, "with their data");
}

static void
step_user(struct fuzz *f, int user)
{
	struct name name = model_user(user);
	struct answer *a = await(start_list_user(f->k, &name));
	size_t found = 0;

	hold(f, a->status == STORE_OK && a->count == model_sessions(f, user), "a user has the sessions that were granted to it");
	for (size_t i = 0; i < a->count; i++)
		for (size_t j = 0; j < SESSIONS; j++)
			found += name_equal(&a->members[i].id, &f->sessions[j].id) && f->sessions[j].open &&
			    f->sessions[j].user == user && strcmp(a->members[i].data, f->sessions[j].data) == 0;
	hold(f, found == a->count, "with their data");
}

static void
step_tail(struct fuzz *f, size_t room)
{
	struct name name = room_named(model_titles[room]);
	struct model_stream *s = &f->rooms[room];
	uint32_t max = 1 + any(f, model_limits.room_max);
	struct answer *a = await(start_read_tail(f->k, &name, id_of(UINT64_MAX, 0), max));
	size_t i, wanted = s->count < max ? s->count : max;

	if (!s->made) {
		hold(f, a->status == STORE_GONE, "a room that was not made has no end");
		return;
	}
	hold(f, a->status == STORE_OK && a->count == wanted, "the end of a log can be read");
	for (i = 0; i < a->count && !f->wrong; i++)
		hold(f, strcmp(a->entries[i].payload, s->entries[s->count - wanted + i].payload) == 0, "in order");
}

static void
step(struct fuzz *f)
{
	struct model_session *m = &f->sessions[any(f, SESSIONS)];
	size_t room = any(f, ROOMS);
	struct name name = room_named(model_titles[room]);
	uint32_t what = any(f, 100);

	f->k->at = f->k->second && any(f, 2) ? f->k->second : f->k->first;
	if (what < 45)
		step_apply(f, m);
	else if (what < 60)
		check_stream(f, &m->mailbox, &m->id, NULL);
	else if (what < 75)
		check_stream(f, &f->rooms[room], NULL, &name);
	else if (what < 80)
		step_tail(f, room);
	else if (what < 84)
		step_members(f, room);
	else if (what < 86)
		step_rooms(f, m);
	else if (what < 88)
		step_user(f, 1 + (int)any(f, USERS));
	else if (what < 90)
		step_look(f, m);
	else if (what < 94)
		step_ack(f, m);
	else if (what < 98)
		step_open(f, m);
	else
		step_close(f, m);
}

/* ---- The run ---- */

static const struct model_stream *
stream_named(const struct fuzz *f, const struct name *name)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		if (name_equal(&f->sessions[i].id, name))
			return &f->sessions[i].mailbox;
	for (i = 0; i < ROOMS; i++) {
		struct name room = room_named(model_titles[i]);

		if (name_equal(&room, name))
			return &f->rooms[i];
	}
	return NULL;
}

/* A notice may be lost but is never wrong; mailboxes of sessions that were closed are past checking. */
static void
check_notices(struct fuzz *f, const struct ear *ear)
{
	size_t i, j;

	for (i = 0; i < ear->count; i++) {
		const struct notice *n = &ear->notices[i];
		const struct model_stream *s = stream_named(f, &n->stream);

		for (j = 0; n->kind == HEARD_ENTRY && s && j < s->count; j++) {
			if (!same_id(s->entries[j].id, n->id))
				continue;
			hold(f, !n->payload || strcmp(n->payload, s->entries[j].payload) == 0,
			    "a notice has the entry's payload");
			if (j > 0 && !is_zero(s->entries[j - 1].id))
				hold(f, same_id(s->entries[j - 1].id, n->prev), "a notice has the id of the entry before");
		}
	}
}

static void
fuzz_start(struct fuzz *f, struct kit *k, uint32_t seed)
{
	char text[16];
	size_t i;

	memset(f, 0, sizeof(*f));
	f->k = k;
	f->random = seed;
	for (i = 0; i < ROOMS; i++) {
		struct name room = room_named(model_titles[i]);

		f->rooms[i].max = model_limits.room_max;
		store_watch(k->at, &room);
	}
	for (i = 0; i < SESSIONS; i++) {
		snprintf(text, sizeof(text), "fuzz-%zu", i);
		f->sessions[i].id = session_named(text);
		f->sessions[i].mailbox.max = model_limits.mailbox_max;
		store_watch(k->at, &f->sessions[i].id);
	}
}

static void
fuzz_end(struct fuzz *f)
{
	size_t i;

	for (i = 0; i < ROOMS; i++)
		free(f->rooms[i].entries);
	for (i = 0; i < SESSIONS; i++)
		free(f->sessions[i].mailbox.entries);
}

void
contract_fuzz(const struct contract *contract)
{
	int i, run, steps = (contract->fuzz_steps ? contract->fuzz_steps : 10000) / RUNS;
	struct fuzz f;
	struct kit k;

	for (run = 0; run < RUNS; run++) {
		if (!kit_start_two(&k, contract, &model_limits))
			kit_start(&k, contract, &model_limits);
		fuzz_start(&f, &k, (uint32_t)run * 7919 + 1);
		for (i = 0; i < steps && !f.wrong; i++)
			step(&f);
		check_notices(&f, &k.ear);
		if (!ok(!f.wrong, "%d random steps, seed %d: the store does as its model", steps, run))
			printf("#   in step %d: not so: %s\n", i, f.wrong);
		fuzz_end(&f);
		kit_end(&k, "random steps");
	}
}
