/* Moving to a WebSocket: see engineio_move.h. */
#include "front/engineio_move.h"

#include "front/engineio_call.h"
#include "front/private.h"

enum step { PROBE = ENGINEIO_PROBE, MOVE = ENGINEIO_MOVE, CANCEL };

struct engineio_move {
	struct engineio_call call; /* First. */
	enum step step;
	engineio_moved_fn *moved;
	void *arg;     /* NULL once nobody is to be told. */
	int64_t until; /* CANCEL: of the socket that has left. */
};

static struct engineio_move *
move_of(struct engineio_call *call)
{
	return (struct engineio_move *)call;
}

static void
free_call(struct engineio_call *call)
{
	engineio_call_free(call);
}

/* Whether the state is one in which this may be done; then it is changed. */
static bool
change_state(struct engineio_move *move)
{
	struct engine_state *state = &move->call.state;

	if (state->phase != ENGINE_OPEN || state->websocket || engineio_call_is_over(&move->call))
		return false;
	switch (move->step) {
	case PROBE:
		if (!state->arrived)
			return false;
		state->arrived = false;
		return true;
	case MOVE:
		state->upgrade_until = 0;
		state->websocket = true;
		return true;
	case CANCEL:
		if (state->upgrade_until != move->until)
			return false;
		state->upgrade_until = 0;
		state->arrived = false;
	}
	return true;
}

static void
fail(struct engineio_call *call)
{
	struct engineio_move *move = move_of(call);

	if (move->arg)
		move->moved(move->arg, NULL, 0);
	engineio_call_free(call);
}

static void
on_decide(struct engineio_call *call)
{
	if (change_state(move_of(call)))
		engineio_call_swap(call, NULL, 0);
	else
		fail(call);
}

static void
on_swapped(struct engineio_call *call)
{
	struct engineio_move *move = move_of(call);

	if (move->arg) {
		move->moved(move->arg, &call->state, call->number);
	} else if (move->step == MOVE) { /* The client left without knowing that it had moved. */
		engineio_call_close(call, free_call);
		return;
	}
	engineio_call_free(call);
}

static const struct engineio_kind move_kind = {on_decide, on_swapped, fail, fail, NULL};

struct engineio_move *
engineio_move_start(const struct engineio_moving *moving, engineio_moved_fn *moved, void *arg)
{
	struct engineio_move *move = engineio_call_start(moving->front, &move_kind, sizeof *move, moving->client);

	move->step = (enum step)moving->step;
	move->moved = moved;
	move->arg = arg;
	move->call.state = *moving->state;
	move->call.number = moving->number;
	*moving->state = (struct engine_state){0};
	if (change_state(move))
		engineio_call_swap(&move->call, NULL, 0);
	else
		engineio_call_look(&move->call);
	return move;
}

void
engineio_move_forget(struct engineio_move *move)
{
	move->arg = NULL;
}

void
engineio_move_cancel(struct front *front, const struct engineio_client *client, int64_t upgrade_until)
{
	struct engineio_move *move = engineio_call_start(front, &move_kind, sizeof *move, client);

	move->step = CANCEL;
	move->until = upgrade_until;
	engineio_call_look(&move->call);
}
