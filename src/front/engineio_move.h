/*
 * The steps by which a session that polls moves to a WebSocket that has come for it, each a swap of its state: so the polls may be anywhere.
 */
#ifndef FRONT_ENGINEIO_MOVE_H
#define FRONT_ENGINEIO_MOVE_H

#include <stdint.h>

#include "codec/engine_state.h"

struct engineio_client;
struct engineio_move;
struct front;

enum engineio_move_step {
	ENGINEIO_PROBE, /* From now on its polls are answered soon. */
	ENGINEIO_MOVE,  /* It is on the WebSocket. */
};

/* Done: state, to be taken, as it is now.  NULL: that cannot be done (any more). */
typedef void engineio_moved_fn(void *arg, struct engine_state *state, uint64_t number);

struct engineio_moving {
	struct front *front;
	const struct engineio_client *client;
	enum engineio_move_step step;
	struct engine_state *state; /* As it was last known, with its number.  Taken. */
	uint64_t number;
};

/* moved is called from the loop. */
struct engineio_move *engineio_move_start(const struct engineio_moving *moving, engineio_moved_fn *moved, void *arg);
/* The client has left: moved is not called any more, and what was done of the step is undone. */
void engineio_move_forget(struct engineio_move *);
/* It has left before it had moved, for which it had until then. */
void engineio_move_cancel(struct front *front, const struct engineio_client *client, int64_t upgrade_until);

#endif
