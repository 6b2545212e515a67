/* Calls, from their token and body to their answer: see native_call.h. */
#include "front/native_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "front/problem.h"
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
	free(call);
}

static void
on_gone(void *arg)
{
	struct native_call *call = arg;

	call->req = NULL;
}

void
native_call_park(struct native_call *call)
{
	http_park(call->req, on_gone, call);
}

struct native_call *
native_call_new(struct front *front, struct http_request *req)
{
	struct native_call *call = mem_zero(1, sizeof *call);

	call->front = front;
	call->req = req;
	LIST_INSERT_HEAD(&front->calls, call, in_calls);
	return call;
}

void
native_free(struct front *front)
{
	while (!LIST_EMPTY(&front->calls))
		native_call_free(LIST_FIRST(&front->calls));
}

void
native_call_reply(struct native_call *call, int status, const struct buf *body)
{
	if (call->req)
		http_reply(call->req, status, NATIVE_TYPE, body->data, body->len);
	native_call_free(call);
}

void
native_call_refuse(struct native_call *call, int status, const char *code, const char *detail)
{
	if (call->req)
		problem_reply(call->req, status, code, detail);
	native_call_free(call);
}

static const char gone_detail[] = "There is no such session (any more). Open a new one.";

void
native_refuse_gone(struct http_request *req)
{
	problem_reply(req, 410, "session_gone", gone_detail);
}

void
native_write_gone(struct buf *b)
{
	problem_write(b, 410, "session_gone", gone_detail);
}

void
native_call_refuse_unavailable(struct native_call *call)
{
	native_call_refuse(call, 503, "store_unavailable", "The store cannot be used at the moment. Ask again with the same seq.");
}

/* ---- Who asks ---- */

static const char *
token_of(struct http_request *req)
{
	const char *header = http_header(req, "Authorization");

	if (header && strncasecmp(header, "Bearer ", 7) == 0)
		return header + 7 + strspn(header + 7, " ");
	return http_query(req, "token");
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
native_call_parse(struct native_call *call, native_parse_fn *parse)
{
	struct native_error error;
	size_t len;
	const char *body = http_body(call->req, &len);

	if (!parse(&call->request, body, len, &call->front->limits, &error)) {
		native_call_refuse(call, strcmp(error.code, "message_too_large") == 0 ? 413 : 400, error.code, error.detail);
		return false;
	}
	return true;
}
