/*
 * An opening that the application is asked about.  Who repeats one whose session is there is not judged again: the application
 * has accepted it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "front/native_call.h"
#include "front/problem.h"
#include "hook/hook.h"
#include "net/http.h"

/* The rooms that the client wants to enter, as an array. */
static void
write_rooms(struct buf *b, const struct native_call *call)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < call->request.count; i++) {
		const char *room = call->request.ops[i].room;

		buf_adds(b, i > 0 ? "," : "");
		jspan_quote(b, room, strlen(room));
	}
	buf_adds(b, "]");
}

/* A token's claim is the data, whatever the application says: else renewing the token would change it. */
static void
take_data(struct native_call *call, struct jspan data)
{
	if (!data.text || call->claimed.len > 0)
		return;
	buf_add(&call->claimed, data.text, data.len);
	call->request.data = (struct jspan){call->claimed.data, call->claimed.len};
}

/* Its rooms come behind those of the client, and what else it orders behind these. */
static void
take_ops(struct native_call *call, struct hook_answer *answer)
{
	struct native_request *request = &call->request;

	request->ops = mem_resize(request->ops, request->count + answer->count + 1, sizeof *request->ops);
	for (size_t i = 0; i < answer->count; i++) {
		request->ops[request->count++] = answer->ops[i];
		answer->ops[i].room = NULL; /* Whose it is now. */
	}
	call->silent = answer->count - answer->rooms;
	call->ordered = *answer; /* What they lend. */
	*answer = (struct hook_answer){0};
}

/* What the application grants, if there is no token that does. */
static bool
take_grants(struct native_call *call, const struct hook_answer *answer)
{
	struct buf text = BUF_EMPTY;
	bool good;

	if (call->front->auth || !front_write_grants(call->front, &text, answer))
		return true;
	good = native_call_take_grants(call, text.data, text.len);
	buf_free(&text);
	return good;
}

static void
refuse(struct native_call *call, const struct hook_answer *answer)
{
	native_call_refuse_reason(call, answer->message.data, answer->code.len > 0 ? answer->code.data : "");
}

static void
on_verdict(void *arg, enum hook_verdict verdict, struct hook_answer *answer)
{
	struct native_call *call = arg;

	switch (verdict) {
	case HOOK_ACCEPTED:
		if (!take_grants(call, answer)) {
			native_call_refuse_expired(call); /* Just now. */
			return;
		}
		take_data(call, answer->data);
		take_ops(call, answer);
		call->next(call);
		return;
	case HOOK_REFUSED:
		refuse(call, answer);
		return;
	case HOOK_UNAVAILABLE:
		native_call_refuse(call, 503, "hook_unavailable", "The application cannot be asked now.");
		return;
	}
}

static void
ask(struct native_call *call)
{
	struct hook_event event = {.kind = HOOK_CONNECT, .session = call->id, .session_data = call->request.data,
	    .auth = call->request.auth, .again = call->again, .user = call->grants.user,
	    .token = call->token};
	struct buf rooms = BUF_EMPTY;

	write_rooms(&rooms, call);
	event.data = (struct jspan){rooms.data, rooms.len};
	facts_tell(&call->facts, &event);
	hook_connect(call->front->hook, &event, on_verdict, call);
	buf_free(&rooms);
}

void
native_call_keep_request(struct native_call *call, const struct http_request *req)
{
	if (!hook_wants(call->front->hook, HOOK_CONNECT))
		return;
	facts_keep(&call->facts, req);
}

void
native_call_ask(struct native_call *call, native_next_fn *next)
{
	call->next = next;
	call->again = true;
	ask(call);
}

static void
on_known(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;
	bool is_judged = call->front->auth || !call->front->has_grants;

	if (session->status == STORE_OK && (is_judged || native_call_take_grants(call, session->grants.text, session->grants.len)))
		call->next(call);
	else if (session->status == STORE_OK)
		native_call_ask(call, call->next);
	else if (session->status == STORE_GONE)
		ask(call);
	else
		native_call_refuse_unavailable(call);
}

void
native_call_connect(struct native_call *call, native_next_fn *next)
{
	if (!hook_wants(call->front->hook, HOOK_CONNECT)) {
		next(call);
		return;
	}
	call->next = next;
	store_look(call->front->parts.store, &call->id, on_known, call);
}
