/*
 * What an Engine.IO session sends: the body of a POST, or a packet on its WebSocket.
 *
 * A body may hold any number of packets.  They are done in groups, each by one swap, which says how far the body is done: so a
 * repeat goes on where the first attempt ended.  What cannot be done by operations of the session itself is a group of its own,
 * with a step in front of the swap that may be done again.
 */
#ifndef FRONT_ENGINEIO_POST_H
#define FRONT_ENGINEIO_POST_H

#include "front/engineio_call.h"
#include "front/socketio.h"

struct engineio_post {
	struct engineio_call call; /* First. */
	uint64_t key;              /* See engine_key. */
	char *body;
	size_t len;
	bool is_frame; /* One packet, whatever is in it. */
	engineio_posted_fn *posted;
	void *arg;
	const struct facts *facts; /* Of who sends it; lent. */
	bool is_wrong; /* It is no payload, or has packets that no client sends. */
	size_t from;   /* So far it was done by this call. */
	/* The group under way: */
	size_t to;
	bool has_pong, has_close;
	struct client_op *ops;
	size_t count, messages;
	struct buf *texts; /* What ops lend. */
	size_t texts_count;
	struct socketio_step step;
};

enum post_take {
	POST_TAKEN,
	POST_FULL,  /* Not in this group. */
	POST_ALONE, /* The same, but in one of its own: step is set. */
	POST_WRONG,
	POST_OVER,  /* Its sender may do nothing any more. */
};

/* Is there room in the group for so many operations more, each with two texts? */
bool engineio_post_has_room(const struct engineio_post *, size_t ops);
/* To be filled; lent by the group. */
struct buf *engineio_post_text(struct engineio_post *);
struct client_op *engineio_post_op(struct engineio_post *);

/* The step is done: swap, with what operations were added. */
void engineio_post_step_done(struct engineio_post *);
/* Only something was learned that the group needs: make it again. */
void engineio_post_step_learned(struct engineio_post *);
/* The packet is one for which the session ends. */
void engineio_post_refuse(struct engineio_post *);

#endif
