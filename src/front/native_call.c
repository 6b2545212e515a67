/* Calls, from their token and body to their answer: see native_call.h. */
#include "front/native_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "front/problem.h"
#include "hook/hook.h"
#include "net/http.h"

/* ---- Calls ---- */

void
native_call_free(struct native_call *call)
{
	LIST_REMOVE(call, in_calls);
	for (size_t i = 0; i < call->count; i++) {
		free(call->answers[i].room);
		buf_free(&call->answers[i].members);
		buf_free(&call->answers[i].messages);
	}
	free(call->answers);
	native_request_free(&call->request);
	metric_add(API_PENDING, -call->api);
	buf_free(&call->text);
	buf_free(&call->grants_text);
	buf_free(&call->claimed);
	facts_free(&call->facts);
	hook_answer_free(&call->ordered);
	free(call);
}

struct native_call *
native_call_new(struct front *front, native_answer_fn *answer, void *asker)
{
	struct native_call *call = mem_zero(1, sizeof *call);

	call->front = front;
	call->answer = answer;
	call->asker = asker;
	LIST_INSERT_HEAD(&front->calls, call, in_calls);
	return call;
}

void
native_free(struct front *front)
{
	while (!LIST_EMPTY(&front->calls))
		native_call_free(LIST_FIRST(&front->calls));
}

static void
finish(struct native_call *call, const struct native_reply *reply)
{
	if (call->asker)
		call->answer(call->asker, reply);
	native_call_free(call);
}

void
native_call_reply(struct native_call *call, int status, const struct buf *body)
{
	finish(call, &(struct native_reply){.status = status, .body = body});
}

void
native_call_refuse(struct native_call *call, int status, const char *code, const char *detail)
{
	finish(call, &(struct native_reply){.status = status, .code = code, .detail = detail});
}

static const char gone_detail[] = "There is no such session (any more). Open a new one.";

static const char expired_detail[] = "The session's permission has ended. Renew it: POST /v1/auth.";

void
native_refuse_end(struct http_request *req, enum sink_end why)
{
	if (why == SINK_EXPIRED)
		problem_reply(req, 401, "auth_expired", expired_detail);
	else
		problem_reply(req, 410, "session_gone", gone_detail);
}

void
native_write_end(struct buf *b, enum sink_end why)
{
	if (why == SINK_EXPIRED)
		problem_write(b, 401, "auth_expired", expired_detail, NULL, 0);
	else
		problem_write(b, 410, "session_gone", gone_detail, NULL, 0);
}

void
native_call_refuse_expired(struct native_call *call)
{
	native_call_refuse(call, 401, "auth_expired", expired_detail);
}

void
native_call_refuse_forbidden(struct native_call *call)
{
	metric_add(AUTH_FORBIDDEN, 1);
	native_call_refuse(call, 403, "forbidden", "The session may not do this.");
}

void
native_call_refuse_gone(struct native_call *call)
{
	native_call_refuse(call, 410, "session_gone", gone_detail);
}

void
native_call_refuse_nobody(struct native_call *call)
{
	native_call_refuse(call, 404, "recipient_gone", "There is no session with this id.");
}

void
native_call_refuse_hole(struct native_call *call, uint64_t expected)
{
	finish(call, &(struct native_reply){409, NULL, "seq_hole", "Operations before these are missing.", expected, NULL});
}

void
native_call_refuse_reason(struct native_call *call, const char *detail, const char *reason)
{
	finish(call, &(struct native_reply){.status = 403, .code = "connect_refused", .detail = detail, .reason = reason});
}

void
native_call_refuse_unavailable(struct native_call *call)
{
	native_call_refuse(call, 503, "store_unavailable", "The store cannot be used at the moment. Repeat the request as it is.");
}

/* ---- Calls by requests ---- */

static void
answer_request(void *req, const struct native_reply *reply)
{
	if (reply->body)
		http_reply(req, reply->status, NATIVE_TYPE, reply->body->data, reply->body->len);
	else if (reply->expected)
		problem_reply_number(req, reply->status, reply->code, reply->detail, "expected", reply->expected);
	else if (reply->reason)
		problem_reply_reason(req, reply->status, reply->code, reply->detail, reply->reason);
	else
		problem_reply(req, reply->status, reply->code, reply->detail);
}

static void
on_gone(void *arg)
{
	struct native_call *call = arg;

	call->asker = NULL;
}

struct native_call *
native_call_of(struct front *front, struct http_request *req)
{
	return native_call_new(front, answer_request, req);
}

void
native_call_park(struct native_call *call)
{
	http_park(call->asker, on_gone, call);
}

/* ---- Who asks ---- */

static const char *
token_of(struct http_request *req)
{
	const char *token = http_query(req, "token");

	return token ? token : front_bearer(req); /* Which may be for somebody in front of this gateway. */
}

bool
native_authenticate(struct http_request *req, struct name *id)
{
	const char *token = token_of(req);

	if (!token) {
		problem_reply(req, 401, "token_required", "Give the session's token: ?token= or Authorization: Bearer.");
		return false;
	}
	if (!token_session(id, token)) {
		problem_reply(req, 401, "token_invalid", "A token has 22 characters of base64url.");
		return false;
	}
	return true;
}

bool
native_read_cursor(struct front *front, struct http_request *req, const char *text, struct cursor *cursor)
{
	*cursor = (struct cursor){0};
	if (!text || cursor_parse(cursor, text, front->limits.rooms))
		return true;
	problem_reply(req, 400, "bad_cursor", "The cursor is not one that this gateway gave.");
	return false;
}

bool
native_call_found(struct native_call *call, const struct store_session *session)
{
	if (session->status == STORE_GONE)
		native_call_refuse_nobody(call);
	else if (session->status != STORE_OK)
		native_call_refuse_unavailable(call);
	return session->status == STORE_OK;
}

bool
native_call_take_room(struct native_call *call, const char *title)
{
	if (!native_room_name(title, strlen(title), call->front->limits.room_name)) {
		native_call_refuse(call, 400, "bad_request", "This is no name of a room.");
		return false;
	}
	call->count = call->rooms = 1;
	call->answers = mem_zero(1, sizeof *call->answers);
	call->answers[0] = (struct answer){.call = call, .room = mem_string(title)};
	return true;
}

/* What the application is to be told of: nothing that it has ordered itself. */
static void
mark_events(struct native_call *call)
{
	const struct hook *hook = call->front->hook;

	for (size_t i = 0; i < call->request.count && !call->api; i++) {
		struct client_op *op = &call->request.ops[i];

		op->is_event = (op->kind == CLIENT_JOIN && hook_wants(hook, HOOK_JOIN)) || (op->kind == CLIENT_LEAVE && hook_wants(hook, HOOK_LEAVE));
	}
}

/* Whether somebody is asked before the store is: the request, and what it lends, may be gone by then. */
static bool
has_to_wait(const struct native_call *call, native_parse_fn *parse)
{
	if (call->front->has_grants)
		return !call->api;
	return parse == native_parse_open && hook_wants(call->front->hook, HOOK_CONNECT);
}

bool
native_call_parse(struct native_call *call, native_parse_fn *parse, const char *body, size_t len)
{
	struct native_error error;

	if (has_to_wait(call, parse)) {
		buf_add(&call->text, body, len);
		body = call->text.data;
	}
	if (!parse(&call->request, body, len, &call->front->limits, &error)) {
		native_call_refuse(call, strcmp(error.code, "message_too_large") == 0 ? 413 : 400, error.code, error.detail);
		return false;
	}
	mark_events(call);
	return true;
}

/* ---- HEAD ---- */

static void
on_found(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;

	if (session->status == STORE_GONE) {
		native_call_refuse_gone(call);
	} else if (session->status != STORE_OK) {
		native_call_refuse_unavailable(call);
	} else if (call->front->has_grants && !native_call_take_grants(call, session->grants.text, session->grants.len)) {
		native_call_refuse_expired(call);
	} else {
		if (call->asker)
			http_reply_head(call->asker, 200, call->type);
		native_call_free(call);
	}
}

void
native_head(struct front *front, struct http_request *req, const struct name *id, const char *type)
{
	struct native_call *call = native_call_of(front, req);

	call->type = type;
	store_touch(front->parts.store, id);
	native_call_park(call);
	store_look(front->parts.store, id, on_found, call);
}
