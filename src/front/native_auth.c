/* With --auth: a token lets a session in, and POST /v1/auth renews what it grants. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "core/session.h"
#include "front/auth.h"
#include "front/native_call.h"
#include "front/problem.h"
#include "hook/hook.h"
#include "net/http.h"

/* ---- Judging ---- */

/* Public data is the token's if it claims any; else the client's, if it may choose it. */
static void
take_data(struct native_call *call, struct jspan claimed)
{
	if (claimed.text) {
		buf_add(&call->claimed, claimed.text, claimed.len);
		call->request.data = (struct jspan){call->claimed.data, call->claimed.len};
	} else if (!call->grants.has_set) {
		call->request.data = (struct jspan){NULL, 0};
	}
}

static void
on_verdict(void *arg, const struct auth_verdict *verdict)
{
	struct native_call *call = arg;

	if (verdict->status != 0) {
		native_call_refuse(call, verdict->status, verdict->code, verdict->detail);
		return;
	}
	if (!native_call_take_grants(call, verdict->claims->grants.data, verdict->claims->grants.len)) {
		native_call_refuse_expired(call); /* Just now. */
		return;
	}
	take_data(call, verdict->claims->data);
	call->next(call);
}

void
native_call_judge(struct native_call *call, struct http_request *req, native_next_fn *next)
{
	struct buf token = BUF_EMPTY;
	const char *bearer = front_bearer(req);

	call->next = next;
	if (call->request.auth.text && jspan_text(call->request.auth, &token))
		auth_check(call->front->auth, token.data, token.len, on_verdict, call);
	else if (call->request.auth.text)
		auth_check(call->front->auth, "", 0, on_verdict, call);
	else
		auth_check(call->front->auth, bearer, bearer ? strlen(bearer) : 0, on_verdict, call);
	buf_free(&token);
}

/* ---- Granting ---- */

static void
refuse_full(struct native_call *call)
{
	native_call_refuse(call, 409, "too_many_sessions", "The user has as many sessions as it may have. Close one of them.");
}

static void
on_closed(void *arg, const struct store_presence *presence)
{
	struct native_call *call = arg;

	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	if (presence->status == STORE_UNAVAILABLE)
		native_call_refuse_unavailable(call);
	else
		refuse_full(call);
}

/* The user has too many sessions.  One that was opened just now goes: it never was good for anything. */
static void
take_back(struct native_call *call)
{
	if (call->had_grants) {
		refuse_full(call);
		return;
	}
	metric_add(SESSIONS_REFUSED, 1);
	sessions_close(call->front->parts.sessions, &call->id, on_closed, call);
}

static void
on_granted(void *arg, const struct store_applied *applied)
{
	struct native_call *call = arg;

	if (applied->away)
		sessions_back(call->front->parts.sessions, &call->id);
	if (applied->status == STORE_GONE)
		native_call_refuse_gone(call);
	else if (applied->status != STORE_OK)
		native_call_refuse_unavailable(call);
	else if (applied->results[0].code == STORE_USER_FULL)
		take_back(call);
	else
		call->next(call);
}

static void
grant_new(struct native_call *call)
{
	struct client_op grant = {.kind = CLIENT_GRANT, .data = {call->grants_text.data, call->grants_text.len}};

	sessions_apply(call->front->parts.sessions, &call->id, 0, &grant, 1, on_granted, call);
}

/* A session that is there: all that the new grants change of it, in one step. */
static void
grant_again(struct native_call *call, const struct store_session *session)
{
	struct auth_granted granted = {&call->grants, {call->grants_text.data, call->grants_text.len}, {NULL, 0},
	    hook_wants(call->front->hook, HOOK_LEAVE), {NULL, 0}};
	struct client_op *ops;
	size_t n;

	if (call->claimed.len > 0)
		granted.data = (struct jspan){call->claimed.data, call->claimed.len};
	ops = auth_renew(&granted, session, NULL, &n);
	sessions_apply(call->front->parts.sessions, &call->id, 0, ops, n, on_granted, call);
	auth_free_ops(ops, n);
}

static void
on_looked(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;
	struct grants before;

	call->had_grants = session->grants.len > 0;
	if (session->status == STORE_GONE)
		native_call_refuse_gone(call);
	else if (session->status != STORE_OK)
		native_call_refuse_unavailable(call);
	else if (grants_read(&before, session->grants.text, session->grants.len) && !grants_same_user(&before, &call->grants))
		native_call_refuse(call, 403, "other_user", "The session is another user's. Open one of your own.");
	else
		grant_again(call, session);
}

void
native_call_grant(struct native_call *call, native_next_fn *next)
{
	call->next = next;
	if (call->opened.created)
		grant_new(call);
	else
		store_look(call->front->parts.store, &call->id, on_looked, call);
}

/* ---- POST /v1/auth ---- */

void
native_write_expires(struct buf *b, const struct native_call *call)
{
	int64_t left = call->grants.until - store_now(call->front->parts.store);

	if (call->grants.until)
		buf_addf(b, ",\"expires\":%lld", (long long)(left > 0 ? left : 0));
}

static void
finish_renewal(struct native_call *call)
{
	struct buf body = BUF_EMPTY;

	buf_addf(&body, "{\"id\":\"%s\"", call->id.s);
	native_write_expires(&body, call);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

static void
renew(struct native_call *call)
{
	native_call_grant(call, finish_renewal);
}

void
native_renew(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name id;
	size_t len;
	const char *body = http_body(req, &len);

	(void)part;
	if (!front->has_grants) {
		problem_reply(req, 404, "auth_disabled", "This gateway asks for no tokens.");
		return;
	}
	if (!native_authenticate(req, &id))
		return;
	store_touch(front->parts.store, &id);
	call = native_call_of(front, req);
	call->id = id;
	if (!native_call_parse(call, native_parse_renewal, body, len))
		return;
	native_call_keep_request(call, req);
	if (front->auth)
		native_call_judge(call, req, renew);
	else
		native_call_ask(call, renew);
	native_call_park(call);
}
