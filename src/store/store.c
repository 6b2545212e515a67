/*
 * The store's front door: each call goes to the implementation behind it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/token.h"
#include "store/store_private.h"

struct store_call *
store_open(struct store *store, const struct name *id, const char *data, size_t len, const char *end,
    store_opened_fn *fn, void *arg)
{
	return store->ops->open(store, id, data, len, end, fn, arg);
}

/* Of the first there is nothing to be told. */
static void
check_ops(const struct store_op *ops, size_t n)
{
	assert(n == 0 || ops->kind != STORE_TELL);
}

struct store_call *
store_apply(struct store *store, const struct name *id, uint64_t seq, const struct store_op *ops, size_t n, store_applied_fn *fn,
    void *arg)
{
	check_ops(ops, n);
	return store->ops->apply(store, id, seq, ops, n, fn, arg);
}

struct store_call *
store_swap(struct store *store, const struct name *id, const struct store_swap *swap, const struct store_op *ops, size_t n,
    store_applied_fn *fn, void *arg)
{
	check_ops(ops, n);
	return store->ops->swap(store, id, swap, ops, n, fn, arg);
}

struct store_call *
store_order(struct store *store, const struct store_once *once, const struct store_op *ops, size_t n, store_applied_fn *fn, void *arg)
{
	check_ops(ops, n);
	return store->ops->order(store, once, ops, n, fn, arg);
}

unsigned
store_queue_of(const struct name *session)
{
	/* A name is a hash: any of its characters will do. */
	return (unsigned char)session->s[NAME_LEN - 2] % STORE_QUEUES;
}

void
store_queue_name(struct name *queue, unsigned number)
{
	char title[16];

	snprintf(title, sizeof title, "%u", number);
	queue_name_key(queue, title, strlen(title));
}

struct store_call *
store_finish(struct store *store, const struct store_item *item, const struct store_op *ops, size_t n, store_applied_fn *fn, void *arg)
{
	check_ops(ops, n);
	return store->ops->finish(store, item, ops, n, fn, arg);
}

struct store_call *
store_lease(struct store *store, const struct store_claim *claim, store_leased_fn *fn, void *arg)
{
	return store->ops->lease(store, claim, fn, arg);
}

struct store_call *
store_read_queue(struct store *store, const struct name *queue, struct entry_id after, uint32_t max_entries, size_t max_bytes,
    store_view_fn *fn, void *arg)
{
	return store->ops->read_queue(store, queue, after, max_entries, max_bytes, fn, arg);
}

struct store_call *
store_read_mailbox(struct store *store, const struct name *id, struct entry_id after, uint32_t max_entries, size_t max_bytes,
    store_view_fn *fn, void *arg)
{
	return store->ops->read_mailbox(store, id, after, max_entries, max_bytes, fn, arg);
}

struct store_call *
store_read_room(struct store *store, const struct name *room, struct entry_id after, uint32_t max_entries, size_t max_bytes,
    store_view_fn *fn, void *arg)
{
	return store->ops->read_room(store, room, after, max_entries, max_bytes, fn, arg);
}

struct store_call *
store_read_tail(struct store *store, const struct name *room, struct entry_id upto, uint32_t max_entries, store_view_fn *fn,
    void *arg)
{
	return store->ops->read_tail(store, room, upto, max_entries, fn, arg);
}

struct store_call *
store_list_members(struct store *store, const struct name *room, uint32_t max, store_members_fn *fn, void *arg)
{
	return store->ops->list_members(store, room, max, fn, arg);
}

struct store_call *
store_list_rooms(struct store *store, struct entry_id at, uint32_t max, store_rooms_fn *fn, void *arg)
{
	return store->ops->list_rooms(store, at, max, fn, arg);
}

struct store_call *
store_list_sessions(struct store *store, struct entry_id at, uint32_t max, store_sessions_fn *fn, void *arg)
{
	return store->ops->list_sessions(store, at, max, fn, arg);
}

struct store_call *
store_list_user(struct store *store, const struct name *user, store_sessions_fn *fn, void *arg)
{
	return store->ops->list_user(store, user, fn, arg);
}

struct store_call *
store_look(struct store *store, const struct name *id, store_session_fn *fn, void *arg)
{
	return store->ops->look(store, id, fn, arg);
}

struct store_call *
store_measure(struct store *store, const struct name *id, uint32_t enough, store_session_fn *fn, void *arg)
{
	return store->ops->measure(store, id, enough, fn, arg);
}

void
store_touch(struct store *store, const struct name *id)
{
	store->ops->touch(store, id);
}

void
store_ack(struct store *store, const struct name *id, struct entry_id pos, bool idle)
{
	store->ops->ack(store, id, pos, idle);
}

void
store_hand(struct store *store, const struct name *id, struct entry_id pos)
{
	store->ops->hand(store, id, pos);
}

struct store_call *
store_lapse(struct store *store, const struct name *id, const char *away, const char *leave, store_presence_fn *fn, void *arg)
{
	return store->ops->lapse(store, id, away, leave, fn, arg);
}

struct store_call *
store_back(struct store *store, const struct name *id, const char *back, store_presence_fn *fn, void *arg)
{
	return store->ops->back(store, id, back, fn, arg);
}

struct store_call *
store_close(struct store *store, const struct name *id, const char *leave, store_presence_fn *fn, void *arg)
{
	return store->ops->close(store, id, leave, fn, arg);
}

struct store_call *
store_sweep(struct store *store, store_due_fn *fn, void *arg)
{
	return store->ops->sweep(store, fn, arg);
}

void
store_listen(struct store *store, const struct store_listener *listener, void *arg)
{
	assert(!store->listener);
	store->listener = listener;
	store->listener_arg = arg;
}

void
store_listen_queues(struct store *store, store_queued_fn *fn, void *arg)
{
	assert(!store->on_queued);
	store->on_queued = fn;
	store->queued_arg = arg;
}

bool
store_watch(struct store *store, const struct name *stream)
{
	return store->ops->watch(store, stream);
}

void
store_unwatch(struct store *store, const struct name *stream)
{
	store->ops->unwatch(store, stream);
}

int64_t
store_now(struct store *store)
{
	return store->ops->now(store);
}

void
store_take(struct store *store, const struct store_sink *sinks, size_t n)
{
	store->ops->take(store, sinks, n);
}

struct store_call *
store_try(struct store *store, int64_t limit_ms, store_probe_fn *fn, void *arg)
{
	return store->ops->try(store, limit_ms, fn, arg);
}

void
store_cancel(struct store_call *call)
{
	if (call)
		call->store->ops->cancel(call);
}

void
store_free(struct store *store)
{
	if (store)
		store->ops->free(store);
}
