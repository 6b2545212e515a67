#include "contract_model.h"

#include <stdlib.h>

const struct store_limits model_limits = {
    .away_after_ms = 600000,
    .session_ttl_ms = 900000,
    .room_ttl_ms = 86400000,
    .mailbox_max = 8,
    .room_max = 12,
    .max_sessions = 1000,
    .max_rooms = 1000,
    .rooms_per_session = 3,
    .user_sessions_max = 3,
};

const char *const model_titles[ROOMS] = {"fuzz-0", "fuzz-1", "fuzz-2", "fuzz-3"};

void
hold(struct fuzz *f, bool holds, const char *what)
{
	if (!holds && !f->wrong)
		f->wrong = what;
}

uint32_t
any(struct fuzz *f, uint32_t below)
{
	f->random = f->random * 1664525 + 1013904223;
	return (f->random >> 8) % below;
}

/* ---- Streams of the model ---- */

void
stream_reset(struct model_stream *s)
{
	size_t i;

	for (i = 0; i < POSITIONS; i++)
		s->positions[i].stale = true;
	s->count = s->given_back = 0;
	s->base = id_of(0, 0);
	s->made = true;
}

void
stream_remember(struct fuzz *f, struct model_stream *s, struct entry_id id, size_t count)
{
	s->positions[any(f, POSITIONS)] = (struct position){.id = id, .read = count, .known = true};
}

void
stream_learn(struct fuzz *f, struct model_stream *s, ptrdiff_t i, struct entry_id id)
{
	struct entry_id *known = i < 0 ? &s->base : &s->entries[i].id;

	hold(f, is_zero(*known) || same_id(*known, id), "an entry keeps its id");
	*known = id;
	if (i > 0 && !is_zero(s->entries[i - 1].id))
		hold(f, entry_id_compare(s->entries[i - 1].id, id) < 0, "ids increase");
}

void
stream_append(struct model_stream *s, const char *payload, const char *data)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->entries = mem_resize(s->entries, s->room, sizeof(*s->entries));
	}
	s->entries[s->count].id = id_of(0, 0);
	snprintf(s->entries[s->count++].payload, sizeof(s->entries->payload), "%s%s", payload, data);
	s->made = true;
}

ptrdiff_t
stream_find(const struct model_stream *s, const char *payload)
{
	ptrdiff_t i;

	for (i = (ptrdiff_t)s->count - 1; i >= 0; i--)
		if (strcmp(s->entries[i].payload, payload) == 0)
			return i;
	return -1;
}

size_t
stream_loss(const struct model_stream *s)
{
	size_t over = s->count > s->max ? s->count - s->max : 0;

	return s->given_back > over ? s->given_back : over;
}

/* ---- Operations ---- */

size_t
model_members(const struct fuzz *f, size_t room)
{
	size_t i, n = 0;

	for (i = 0; i < SESSIONS; i++)
		n += f->sessions[i].open && f->sessions[i].joined[room];
	return n;
}

size_t
model_joined(const struct model_session *m)
{
	size_t i, n = 0;

	for (i = 0; i < ROOMS; i++)
		n += m->joined[i];
	return n;
}

void
model_left(struct fuzz *f, size_t room, const char *payload, const char *data)
{
	struct model_stream *log = &f->rooms[room];

	if (log->said || model_members(f, room) > 0) {
		stream_append(log, payload, data);
		return;
	}
	stream_reset(log);
	log->made = false;
}

struct name
model_user(int user)
{
	return user_named(user == 1 ? "fuzz-1" : "fuzz-2");
}

size_t
model_sessions(const struct fuzz *f, int user)
{
	size_t n = 0;

	for (size_t i = 0; i < SESSIONS; i++)
		n += f->sessions[i].open && f->sessions[i].user == user;
	return n;
}

static int
user_of(const struct store_op *op)
{
	struct name first = model_user(1);

	return name_equal(&op->target, &first) ? 1 : 2;
}

static enum store_result_code
model_grant(struct fuzz *f, struct model_session *m, const struct store_op *op)
{
	int user = op->has_user ? user_of(op) : 0;

	if (user && user != m->user && model_sessions(f, user) >= model_limits.user_sessions_max)
		return STORE_USER_FULL;
	m->user = user;
	snprintf(m->grants, sizeof(m->grants), "%s", op->data);
	return STORE_DONE;
}

static enum store_result_code
model_send_user(struct fuzz *f, const struct store_op *op, const struct store_result *r)
{
	hold(f, r->sessions == model_sessions(f, user_of(op)), "a user gets it at all its sessions");
	for (size_t i = 0; i < SESSIONS; i++)
		if (f->sessions[i].open && f->sessions[i].user == user_of(op))
			stream_append(&f->sessions[i].mailbox, op->payload, "");
	return STORE_DONE;
}

static size_t
room_index(const struct store_op *op)
{
	return (size_t)(op->title[5] - '0');
}

static enum store_result_code
model_send(struct fuzz *f, const struct store_op *op, const struct store_result *r)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++) {
		struct model_session *to = &f->sessions[i];

		if (!name_equal(&to->id, &op->target))
			continue;
		if (!to->open)
			return STORE_NO_TARGET;
		stream_append(&to->mailbox, op->payload, "");
		stream_learn(f, &to->mailbox, (ptrdiff_t)to->mailbox.count - 1, r->id);
		stream_remember(f, &to->mailbox, r->id, to->mailbox.count);
	}
	return STORE_DONE;
}

static enum store_result_code
model_join(struct fuzz *f, struct model_session *m, const struct store_op *op, const struct store_result *r)
{
	size_t room = room_index(op);
	struct model_stream *log = &f->rooms[room];

	hold(f, r->existing == (r->code == STORE_DONE && m->joined[room]), "who enters is told whether it was a member");
	if (m->joined[room]) {
		hold(f, same_id(r->id, m->since[room]), "and where it entered");
		return STORE_DONE;
	}
	if (model_joined(m) == model_limits.rooms_per_session)
		return STORE_JOINED_LIMIT;
	if (op->max_members && model_members(f, room) >= op->max_members)
		return STORE_ROOM_FULL;
	stream_append(log, op->payload, m->data);
	stream_learn(f, log, (ptrdiff_t)log->count - 1, r->id);
	stream_remember(f, log, r->id, log->count);
	m->joined[room] = true;
	m->since[room] = r->id;
	return STORE_DONE;
}

enum store_result_code
model_op(struct fuzz *f, struct model_session *m, const struct store_op *op, const struct store_result *r)
{
	size_t i;

	switch (op->kind) {
	case STORE_SEND_SESSION:
		return model_send(f, op, r);
	case STORE_SEND_ROOM:
		f->rooms[room_index(op)].said = true;
		stream_append(&f->rooms[room_index(op)], op->payload, "");
		stream_learn(f, &f->rooms[room_index(op)], (ptrdiff_t)f->rooms[room_index(op)].count - 1, r->id);
		return STORE_DONE;
	case STORE_JOIN:
		return model_join(f, m, op, r);
	case STORE_LEAVE:
		if (!m->joined[room_index(op)])
			return STORE_NOT_JOINED;
		m->joined[room_index(op)] = false;
		model_left(f, room_index(op), op->payload, m->data);
		return STORE_DONE;
	case STORE_SET:
		snprintf(m->data, sizeof(m->data), "%s", op->data);
		for (i = 0; i < ROOMS; i++)
			if (m->joined[i])
				stream_append(&f->rooms[i], op->payload, m->data);
		return STORE_DONE;
	case STORE_GRANT:
		return model_grant(f, m, op);
	case STORE_SEND_USER:
		return model_send_user(f, op, r);
	case STORE_REFUSE:
		return STORE_FORBIDDEN;
	case STORE_TELL: /* See contract_tell.c. */
	case STORE_QUEUE:
	case STORE_END:
		break; /* See step_close. */
	}
	return STORE_DONE;
}
