/* Applying operations, and asking for what a join wants besides. */
#include "front/native_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "core/session.h"
#include "front/problem.h"
#include "net/http.h"

void
native_call_settle(struct native_call *call)
{
	if (--call->waiting > 0)
		return;
	if (call->failed)
		native_call_refuse_unavailable(call);
	else
		call->finish(call);
}

static void
on_members(void *arg, const struct store_members *members)
{
	struct answer *answer = arg;

	answer->total = members->total;
	native_write_members(&answer->members, members);
	answer->call->failed |= members->status != STORE_OK;
	native_call_settle(answer->call);
}

static void
on_history(void *arg, enum store_status status, struct message *const *messages, size_t count)
{
	struct answer *answer = arg;

	buf_adds(&answer->messages, "[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_adds(&answer->messages, ",");
		native_write_message(&answer->messages, messages[i]);
	}
	buf_adds(&answer->messages, "]");
	answer->call->failed |= status != STORE_OK;
	native_call_settle(answer->call);
}

void
native_call_ask_members(struct native_call *call, struct answer *answer, uint32_t max)
{
	struct name room;

	room_name_key(&room, answer->room, strlen(answer->room));
	call->waiting++;
	store_list_members(call->front->parts.store, &room, max, on_members, answer);
}

void
native_call_ask_history(struct native_call *call, struct answer *answer, struct entry_id upto)
{
	struct history_query query = {.title = answer->room, .upto = upto, .wanted = answer->history,
	    .max_bytes = call->front->parts.options->answer_max / call->rooms};

	call->waiting++;
	sessions_history(call->front->parts.sessions, &query, on_history, answer);
}

/* The rooms of a request share what one answer may hold. */
void
native_call_ask_room(struct native_call *call, struct answer *answer)
{
	uint32_t members = call->front->parts.options->members_max / (uint32_t)call->rooms;

	if (!answer->sent)
		native_call_ask_members(call, answer, members ? members : 1);
	if (answer->has_history) /* Up to where reading starts; a member that asks again has read on, nobody knows how far. */
		native_call_ask_history(call, answer, answer->result.existing ? entry_id_newest : answer->result.id);
}

static void
count_op(const struct client_op *op)
{
	if (op->kind == CLIENT_SEND_SESSION || op->kind == CLIENT_SEND_ROOM || op->kind == CLIENT_SEND_USER)
		metric_add(MESSAGES_SENT, 1);
	else if (op->kind == CLIENT_EVENT)
		metric_add(HOOK_EVENTS, 1);
	else if (op->kind == CLIENT_END)
		metric_add(SESSIONS_CLOSED, 1);
}

/* What is to be told of an operation; of a join that was done, and of a send that wants history, the room is to be asked for. */
static void
take_result(struct native_call *call, struct answer *answer, struct client_op *op, bool repeated)
{
	if (!repeated && answer->result.code == STORE_QUEUE_FULL)
		metric_add(HOOK_FULL, 1);
	if (answer->result.code != STORE_DONE)
		return;
	answer->is_counted = op->kind == CLIENT_SEND_USER;
	if (!repeated)
		count_op(op);
	if (!repeated && op->is_event && !answer->result.existing)
		metric_add(HOOK_EVENTS, 1);
	if (op->kind != CLIENT_JOIN && !op->has_history)
		return;
	call->rooms++;
	answer->room = op->room;
	op->room = NULL;
	answer->sent = op->kind != CLIENT_JOIN;
	answer->has_history = op->has_history;
	answer->history = op->history;
}

void
native_call_take(struct native_call *call, const struct store_applied *applied)
{
	call->waiting = 1; /* This function. */
	call->count = applied->count;
	call->answers = mem_zero(applied->count + 1, sizeof *call->answers);
	for (size_t i = 0; i < applied->count; i++) {
		call->answers[i] = (struct answer){.call = call, .result = applied->results[i]};
		take_result(call, &call->answers[i], &call->request.ops[i], i < applied->repeated);
	}
	for (size_t i = 0; i < applied->count; i++)
		if (call->answers[i].room)
			native_call_ask_room(call, &call->answers[i]);
	native_call_settle(call);
}

static void
on_applied(void *arg, const struct store_applied *applied)
{
	struct native_call *call = arg;

	metric_add(SENDS_REPEATED, (int64_t)applied->repeated);
	call->next_seq = applied->next_seq;
	if (applied->away)
		sessions_back(call->front->parts.sessions, &call->id);
	switch (applied->status) {
	case STORE_OK:
		native_call_take(call, applied);
		return;
	case STORE_GONE:
		native_call_refuse_gone(call);
		return;
	case STORE_HOLE:
		native_call_refuse_hole(call, applied->next_seq);
		return;
	default:
		native_call_refuse_unavailable(call);
	}
}

void
native_call_apply(struct native_call *call, uint64_t seq)
{
	sessions_apply(call->front->parts.sessions, &call->id, seq, call->request.ops, call->request.count, on_applied, call);
}
