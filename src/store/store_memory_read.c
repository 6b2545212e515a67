/*
 * Reading, when its turn has come: views of what is there at that moment, lent until the callback returns.
 */
#include <string.h>

#include "store/store_memory_private.h"

/* Entries first to last (excluded) of the chain; they stay as long as the bin is held. */
static const struct store_entry *
view_entries(struct memory *m, const struct chain *chain, uint32_t first, uint32_t count)
{
	struct store_entry *entries = memory_scratch(m, 0, count, sizeof(*entries));
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct chain_entry *entry = chain_at(chain, first + i);

		entries[i] = (struct store_entry){entry->id, entry->payload, entry->len};
	}
	return entries;
}

/* How many entries from the first one on fit; one always does. */
static uint32_t
fitting(const struct chain *chain, uint32_t first, uint32_t max, size_t max_bytes)
{
	uint32_t n = 0, there = chain->count - first;
	size_t bytes = 0;

	while (n < there && n < max) {
		size_t len = chain_at(chain, first + n)->len;

		if (n > 0 && len > max_bytes - bytes)
			break;
		bytes += len;
		n++;
		if (bytes >= max_bytes)
			break;
	}
	return n;
}

static void
read_chain(struct memory *m, const struct task *task, const struct chain *chain, struct store_view *view)
{
	struct entry_id after = task->u.read.at;
	uint32_t first = chain_upto(chain, after), count = fitting(chain, first, task->u.read.entries, task->u.read.bytes);
	struct entry_id follows = first > 0 ? chain_at(chain, first - 1)->id : chain->before;

	view->status = STORE_OK;
	view->last = after;
	if (entry_id_compare(follows, after) != 0) {
		view->gap = true;
		view->gap_from = after;
		view->gap_to = view->last = follows;
	}
	view->count = count;
	view->entries = view_entries(m, chain, first, count);
	view->more = first + count < chain->count;
	if (count > 0)
		view->last = view->entries[count - 1].id;
}

/* The rooms that s is in; there are s->rooms. */
static const struct store_joined *
view_rooms(struct memory *m, const struct session *s)
{
	struct store_joined *joined = memory_scratch(m, 1, s->rooms, sizeof(*joined));
	const struct membership *member;
	size_t i = 0;

	LIST_FOREACH(member, &s->memberships, of_session)
		joined[i++] = (struct store_joined){member->room->stream.name, member->room->title, member->since};
	return joined;
}

static struct store_grants
view_grants(const struct session *s)
{
	return (struct store_grants){s->grants ? s->grants : "", s->grants_len};
}

static void
view_session(struct memory *m, const struct session *s, struct store_view *view)
{
	view->away = s->away;
	view->state = memory_session_state(s);
	view->grants = view_grants(s);
	view->rooms_count = s->rooms;
	view->rooms = view_rooms(m, s);
}

static void
read_queue(struct memory *m, const struct task *task, struct store_view *view)
{
	const struct chain *chain = &memory_queue(m, &task->name)->chain;
	uint32_t first = chain_upto(chain, task->u.read.at), count = fitting(chain, first, task->u.read.entries, task->u.read.bytes);

	*view = (struct store_view){.status = STORE_OK, .last = task->u.read.at, .count = count,
	    .entries = view_entries(m, chain, first, count), .more = first + count < chain->count};
	if (count > 0)
		view->last = view->entries[count - 1].id;
}

void
memory_run_read(struct memory *m, struct task *task)
{
	struct store_view view = {.status = STORE_GONE};

	if (task->kind == TASK_READ_MAILBOX) {
		const struct session *s = memory_session(m, &task->name);

		if (s) {
			read_chain(m, task, &s->stream.chain, &view);
			view_session(m, s, &view);
		}
	} else if (task->kind == TASK_READ_QUEUE) {
		read_queue(m, task, &view);
	} else {
		const struct room *r = memory_room(m, &task->name);

		if (r)
			read_chain(m, task, &r->stream.chain, &view);
	}
	task->fn.view(task->arg, &view);
}

void
memory_run_tail(struct memory *m, struct task *task)
{
	struct store_view view = {.status = STORE_GONE};
	const struct room *r = memory_room(m, &task->name);
	uint32_t end, count;

	if (r) {
		end = chain_upto(&r->stream.chain, task->u.read.at);
		count = end < task->u.read.entries ? end : task->u.read.entries;
		view.status = STORE_OK;
		view.count = count;
		view.entries = view_entries(m, &r->stream.chain, end - count, count);
		view.last = count > 0 ? view.entries[0].id : task->u.read.at;
		view.more = end > count;
	}
	task->fn.view(task->arg, &view);
}

void
memory_run_members(struct memory *m, struct task *task)
{
	struct store_members list = {.status = STORE_OK};
	const struct room *r = memory_room(m, &task->name);
	const struct membership *member;
	struct store_member *members;

	if (r) {
		list.total = r->members;
		members = memory_scratch(m, 0, r->members < task->u.members_max ? r->members : task->u.members_max,
		    sizeof(*members));
		TAILQ_FOREACH(member, &r->memberships, of_room) {
			const struct session *s = member->session;

			if (list.count == task->u.members_max)
				break;
			members[list.count++] = (struct store_member){s->stream.name, s->away, s->data ? s->data : "",
			    s->data_len};
		}
		list.members = members;
	}
	task->fn.members(task->arg, &list);
}

static void
measure(const struct memory *m, const struct session *s, uint32_t enough, struct store_session *session)
{
	const struct chain *chain = &s->stream.chain;
	struct entry_id had = entry_id_compare(s->handed, s->acked) > 0 ? s->handed : s->acked;
	uint32_t space = m->limits.mailbox_max - (chain->count - chain_upto(chain, had));

	session->space = space < enough ? space : enough;
	session->has_lost = entry_id_compare(chain->before, had) > 0;
}

void
memory_run_look(struct memory *m, struct task *task)
{
	const struct session *s = memory_session(m, &task->name);
	struct store_session session = {.status = STORE_GONE, .data = "", .grants.text = ""};

	if (s) {
		session = (struct store_session){.status = STORE_OK, .away = s->away, .last = s->stream.chain.last, .acked = s->acked,
		    .data = s->data ? s->data : "", .data_len = s->data_len, .state = memory_session_state(s), .grants = view_grants(s),
		    .rooms_count = s->rooms, .rooms = view_rooms(m, s)};
		measure(m, s, task->u.enough, &session);
	}
	task->fn.session(task->arg, &session);
}
