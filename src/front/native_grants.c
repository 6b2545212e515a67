/* What a session may do, as the store keeps it: asked before it is done. */
#include "base/metrics.h"
#include "front/native_call.h"

bool
native_call_take_grants(struct native_call *call, const char *text, size_t len)
{
	buf_clear(&call->grants_text);
	buf_add(&call->grants_text, text, len);
	return grants_hold(&call->grants, call->grants_text.data, len, store_now(call->front->parts.store));
}

static void
on_looked(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;

	if (session->status == STORE_GONE)
		native_call_refuse_gone(call);
	else if (session->status != STORE_OK)
		native_call_refuse_unavailable(call);
	else if (!native_call_take_grants(call, session->grants.text, session->grants.len))
		native_call_refuse_expired(call);
	else
		call->next(call);
}

void
native_call_ask_grants(struct native_call *call, const struct name *session, native_next_fn *next)
{
	if (!call->front->has_grants) {
		next(call);
		return;
	}
	call->next = next;
	store_look(call->front->parts.store, session, on_looked, call);
}

bool
front_write_grants(const struct front *front, struct buf *text, const struct hook_answer *answer)
{
	static const char everything[] = "{\"" HOOK_CLAIM "\":" GRANTS_EVERYTHING "}";
	int64_t until = answer->expires_ms > 0 ? store_now(front->parts.store) + answer->expires_ms : 0;
	struct jspan claims = answer->claims;
	struct grants_claims made;

	if (!claims.text && !front->has_grants)
		return false;
	if (!claims.text)
		claims = (struct jspan){everything, sizeof everything - 1};
	grants_make(&made, claims, HOOK_CLAIM, answer->data.text != NULL, until);
	*text = made.grants;
	return true;
}

bool
native_call_may(const struct native_call *call, enum grants_right right, const char *room)
{
	return !call->front->has_grants || grants_allow(&call->grants, right, room);
}

static bool
is_allowed(const struct native_call *call, const struct client_op *op)
{
	switch (op->kind) {
	case CLIENT_SEND_SESSION:
		return call->grants.has_direct;
	case CLIENT_SEND_ROOM:
		return native_call_may(call, GRANTS_SEND, op->room);
	case CLIENT_JOIN:
		return native_call_may(call, GRANTS_JOIN, op->room) &&
		    (op->history == 0 || native_call_may(call, GRANTS_HISTORY, op->room));
	case CLIENT_SET:
		return call->grants.has_set;
	case CLIENT_EVENT: /* The application judges for itself. */
	case CLIENT_LEAVE:
		return true;
	case CLIENT_SEND_USER: /* No client's. */
	case CLIENT_END:
	case CLIENT_GRANT:
	case CLIENT_TELL:
		break;
	}
	return false;
}

void
native_call_forbid(struct native_call *call)
{
	for (size_t i = 0; i < call->request.count && call->front->has_grants; i++) {
		struct client_op *op = &call->request.ops[i];

		op->is_forbidden = !op->is_order && !is_allowed(call, op);
		metric_add(AUTH_FORBIDDEN, op->is_forbidden);
	}
}
