/*
 * Answers of the faulty store: told at once, late, or as a failure.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store_faulty_private.h"

static const void *
copy(struct faulty_call *c, const void *p, size_t len)
{
	if (!p)
		return NULL;
	c->copies = mem_resize(c->copies, c->copies_count + 1, sizeof(*c->copies));
	return c->copies[c->copies_count++] = mem_copy(p, len);
}

static void
copy_state(struct faulty_call *c, struct store_state *state)
{
	state->text = copy(c, state->text, state->len);
}

static void
copy_grants(struct faulty_call *c, struct store_grants *grants)
{
	grants->text = copy(c, grants->text, grants->len);
}

static void
copy_rooms(struct faulty_call *c, const struct store_joined **rooms, size_t count)
{
	struct store_joined *copies = (struct store_joined *)copy(c, *rooms, count * sizeof(*copies));

	for (size_t i = 0; i < count; i++)
		copies[i].title = copy(c, copies[i].title, strlen(copies[i].title));
	*rooms = copies;
}

static void
copy_view(struct faulty_call *c, struct store_view *view)
{
	struct store_entry *entries = (struct store_entry *)copy(c, view->entries, view->count * sizeof(*entries));
	size_t i;

	for (i = 0; i < view->count; i++)
		entries[i].payload = copy(c, entries[i].payload, entries[i].len);
	view->entries = entries;
	copy_rooms(c, &view->rooms, view->rooms_count);
	copy_grants(c, &view->grants);
	copy_state(c, &view->state);
}

static const struct store_member *
copy_members(struct faulty_call *c, const struct store_member *lent, size_t count)
{
	struct store_member *members = (struct store_member *)copy(c, lent, count * sizeof(*members));

	for (size_t i = 0; i < count; i++)
		members[i].data = copy(c, members[i].data, members[i].len);
	return members;
}

static void
copy_listed_rooms(struct faulty_call *c, struct store_rooms *list)
{
	struct store_room *rooms = (struct store_room *)copy(c, list->rooms, list->count * sizeof(*rooms));

	for (size_t i = 0; i < list->count; i++)
		rooms[i].title = copy(c, rooms[i].title, strlen(rooms[i].title));
	list->rooms = rooms;
}

/* The answer is lent no longer than its callback: copy all that it points to. */
static void
keep(struct faulty_call *c)
{
	switch (c->kind) {
	case FAULTY_APPLY:
	case FAULTY_SWAP:
	case FAULTY_ORDER:
	case FAULTY_FINISH:
		c->answer.applied.results = copy(c, c->answer.applied.results,
		    c->answer.applied.count * sizeof(struct store_result));
		copy_state(c, &c->answer.applied.state);
		break;
	case FAULTY_READ_QUEUE:
	case FAULTY_READ_MAILBOX:
	case FAULTY_READ_ROOM:
	case FAULTY_READ_TAIL:
		copy_view(c, &c->answer.view);
		break;
	case FAULTY_LIST_MEMBERS:
		c->answer.members.members = copy_members(c, c->answer.members.members, c->answer.members.count);
		break;
	case FAULTY_LIST_ROOMS:
		copy_listed_rooms(c, &c->answer.rooms);
		break;
	case FAULTY_LIST_SESSIONS:
	case FAULTY_LIST_USER:
		c->answer.sessions.sessions = copy_members(c, c->answer.sessions.sessions, c->answer.sessions.count);
		break;
	case FAULTY_LOOK:
		c->answer.session.data = copy(c, c->answer.session.data, c->answer.session.data_len);
		copy_state(c, &c->answer.session.state);
		copy_grants(c, &c->answer.session.grants);
		copy_rooms(c, &c->answer.session.rooms, c->answer.session.rooms_count);
		break;
	case FAULTY_SWEEP:
		c->answer.due.ids = copy(c, c->answer.due.ids, c->answer.due.count * sizeof(struct name));
		break;
	case FAULTY_NOTICE:
		c->answer.notice.entry.payload = copy(c, c->answer.notice.entry.payload, c->answer.notice.entry.len);
		break;
	default:
		break;
	}
}

void
faulty_call_free(struct faulty_call *c)
{
	while (c->copies_count > 0)
		free(c->copies[--c->copies_count]);
	free(c->copies);
	if (c->timer)
		event_free(c->timer);
	free(c);
}

struct watched *
faulty_watch_of(const struct faulty *f, const struct name *stream)
{
	struct watched *w;

	LIST_FOREACH(w, &f->watches, link)
		if (name_equal(&w->stream, stream))
			break;
	return w;
}

void
faulty_tell_changed(struct faulty *f, const struct name *stream)
{
	if (f->store.listener && faulty_watch_of(f, stream))
		f->store.listener->on_changed(f->store.listener_arg, stream);
}

void
faulty_tell_notice(struct faulty *f, const struct faulty_call *c)
{
	if (f->store.listener && faulty_watch_of(f, &c->answer.notice.stream))
		f->store.listener->on_entry(f->store.listener_arg, &c->answer.notice.stream, c->answer.notice.prev,
		    &c->answer.notice.entry);
}

static void
deliver(struct faulty_call *c)
{
	TAILQ_REMOVE(&c->faulty->calls, c, link);
	switch (c->kind) {
	case FAULTY_OPEN:
		c->fn.opened(c->arg, &c->answer.opened);
		break;
	case FAULTY_APPLY:
	case FAULTY_SWAP:
	case FAULTY_ORDER:
	case FAULTY_FINISH:
		c->fn.applied(c->arg, &c->answer.applied);
		break;
	case FAULTY_READ_QUEUE:
	case FAULTY_READ_MAILBOX:
	case FAULTY_READ_ROOM:
	case FAULTY_READ_TAIL:
		c->fn.view(c->arg, &c->answer.view);
		break;
	case FAULTY_LIST_MEMBERS:
		c->fn.members(c->arg, &c->answer.members);
		break;
	case FAULTY_LIST_ROOMS:
		c->fn.rooms(c->arg, &c->answer.rooms);
		break;
	case FAULTY_LIST_SESSIONS:
	case FAULTY_LIST_USER:
		c->fn.sessions(c->arg, &c->answer.sessions);
		break;
	case FAULTY_LOOK:
		c->fn.session(c->arg, &c->answer.session);
		break;
	case FAULTY_LAPSE:
	case FAULTY_BACK:
	case FAULTY_CLOSE:
		c->fn.presence(c->arg, &c->answer.presence);
		break;
	case FAULTY_SWEEP:
		c->fn.due(c->arg, &c->answer.due);
		break;
	case FAULTY_LEASE:
		c->fn.leased(c->arg, &c->answer.leased);
		break;
	case FAULTY_TRY:
		c->fn.probe(c->arg, &c->answer.probe);
		break;
	case FAULTY_NOTICE:
		faulty_tell_notice(c->faulty, c);
		break;
	case FAULTY_KINDS:
		faulty_tell_changed(c->faulty, &c->answer.notice.stream);
		break;
	}
	faulty_call_free(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	deliver(arg);
}

void
faulty_call_tell_after(struct faulty_call *c, int64_t ms)
{
	struct timeval later = clock_timeval(ms);

	c->held = false;
	c->timer = evtimer_new(c->faulty->base, on_timer, c);
	/* Common timeouts come in the order in which they were set; others may not. */
	evtimer_add(c->timer, event_base_init_common_timeout(c->faulty->base, &later));
}

void
faulty_call_fail(struct faulty_call *c)
{
	memset(&c->answer, 0, sizeof(c->answer));
	c->answer.status = c->fault == FAULTY_GONE ? STORE_GONE : STORE_UNAVAILABLE;
	if (c->kind == FAULTY_LOOK)
		c->answer.session.data = c->answer.session.grants.text = "";
}

void
faulty_call_answered(struct faulty_call *c)
{
	c->inner = NULL;
	if (c->fault == FAULTY_UNSURE)
		faulty_call_fail(c);
	if (c->fault != FAULTY_HOLD && c->faulty->delay_ms == 0) {
		deliver(c);
		return;
	}
	keep(c);
	if (c->fault == FAULTY_HOLD)
		c->held = true;
	else
		faulty_call_tell_after(c, c->faulty->delay_ms);
}
