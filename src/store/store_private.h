/*
 * What a store's implementation hands to store.c: a table of functions, each with the contract of its namesake in store.h.
 *
 * An implementation embeds struct store as the first member of its own struct, and struct store_call as the first member of
 * its calls.  Only implementations (and a store that wraps one, in tests) include this.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/store.h"

typedef struct store_call *store_open_slot(struct store *, const struct name *id, const char *data, size_t len, const char *end,
    store_opened_fn *, void *arg);
typedef struct store_call *store_apply_slot(struct store *, const struct name *id, uint64_t seq, const struct store_op *ops,
    size_t n, store_applied_fn *, void *arg);
typedef struct store_call *store_swap_slot(struct store *, const struct name *id, const struct store_swap *swap,
    const struct store_op *ops, size_t n, store_applied_fn *, void *arg);
typedef struct store_call *store_order_slot(struct store *, const struct store_once *once, const struct store_op *ops, size_t n,
    store_applied_fn *, void *arg);
typedef struct store_call *store_finish_slot(struct store *, const struct store_item *item, const struct store_op *ops, size_t n,
    store_applied_fn *, void *arg);
typedef struct store_call *store_lease_slot(struct store *, const struct store_claim *claim, store_leased_fn *, void *arg);
typedef struct store_call *store_read_slot(struct store *, const struct name *stream, struct entry_id after, uint32_t max_entries,
    size_t max_bytes, store_view_fn *, void *arg);
typedef struct store_call *store_read_tail_slot(struct store *, const struct name *room, struct entry_id upto, uint32_t max_entries,
    store_view_fn *, void *arg);
typedef struct store_call *store_list_members_slot(struct store *, const struct name *room, uint32_t max, store_members_fn *,
    void *arg);
typedef struct store_call *store_list_rooms_slot(struct store *, struct entry_id at, uint32_t max, store_rooms_fn *, void *arg);
typedef struct store_call *store_list_sessions_slot(struct store *, struct entry_id at, uint32_t max, store_sessions_fn *, void *arg);
typedef struct store_call *store_list_user_slot(struct store *, const struct name *user, store_sessions_fn *, void *arg);
typedef struct store_call *store_look_slot(struct store *, const struct name *id, store_session_fn *, void *arg);
typedef struct store_call *store_measure_slot(struct store *, const struct name *id, uint32_t enough, store_session_fn *, void *arg);
typedef void store_touch_slot(struct store *, const struct name *id);
typedef void store_ack_slot(struct store *, const struct name *id, struct entry_id pos, bool idle);
typedef void store_hand_slot(struct store *, const struct name *id, struct entry_id pos);
typedef struct store_call *store_lapse_slot(struct store *, const struct name *id, const char *away, const char *leave,
    store_presence_fn *, void *arg);
typedef struct store_call *store_presence_slot(struct store *, const struct name *id, const char *payload, store_presence_fn *,
    void *arg);
typedef struct store_call *store_sweep_slot(struct store *, store_due_fn *, void *arg);
typedef bool store_watch_slot(struct store *, const struct name *name);
typedef void store_name_slot(struct store *, const struct name *name);
typedef int64_t store_now_slot(struct store *);
typedef void store_take_slot(struct store *, const struct store_sink *sinks, size_t n);
typedef struct store_call *store_try_slot(struct store *, int64_t limit_ms, store_probe_fn *, void *arg);
typedef void store_cancel_slot(struct store_call *);
typedef void store_free_slot(struct store *);

struct store_ops {
	store_open_slot *open;
	store_apply_slot *apply;
	store_swap_slot *swap;
	store_order_slot *order;
	store_finish_slot *finish;
	store_lease_slot *lease;
	store_read_slot *read_mailbox;
	store_read_slot *read_room;
	store_read_slot *read_queue;
	store_read_tail_slot *read_tail;
	store_list_members_slot *list_members;
	store_list_rooms_slot *list_rooms;
	store_list_sessions_slot *list_sessions;
	store_list_user_slot *list_user;
	store_look_slot *look;
	store_measure_slot *measure;
	store_touch_slot *touch;
	store_ack_slot *ack;
	store_hand_slot *hand;
	store_lapse_slot *lapse;
	store_presence_slot *back;
	store_presence_slot *close;
	store_sweep_slot *sweep;
	store_watch_slot *watch;
	store_name_slot *unwatch;
	store_now_slot *now;
	store_take_slot *take;
	store_try_slot *try;
	store_cancel_slot *cancel; /* Never with NULL. */
	store_free_slot *free;     /* Never with NULL. */
};

struct store {
	const struct store_ops *ops;
	const struct store_listener *listener; /* Lent; NULL until store_listen. */
	void *listener_arg;
	store_queued_fn *on_queued; /* NULL: nobody listens to queues. */
	void *queued_arg;
};

struct store_call {
	struct store *store; /* Set by the implementation, before it returns the call. */
};

/* In orders: is it the operation of a session?  What only sends is nobody's. */
static inline bool
store_op_has_owner(const struct store_op *op)
{
	return op->kind != STORE_SEND_SESSION && op->kind != STORE_SEND_ROOM && op->kind != STORE_SEND_USER && op->kind != STORE_QUEUE &&
	    op->kind != STORE_TELL;
}

#endif
