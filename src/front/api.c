/*
 * The API of backends: pollgate-api(7).
 *
 * What changes something is an order of the store's, however many operations it has; with an idempotency key it may be asked for
 * again anywhere.  Its operations and their results are those of the native protocol.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "core/session.h"
#include "front/api.h"
#include "front/api_keys.h"
#include "front/native_call.h"
#include "front/problem.h"
#include "net/http.h"

/* ---- Who asks ---- */

static const char *
key_of(const struct http_request *req)
{
	const char *header = http_header(req, "Authorization");

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	return header + 7 + strspn(header + 7, " ");
}

/* False, after an answer, unless req comes from a backend. */
static bool
authenticate(struct front *front, struct http_request *req)
{
	const char *key = key_of(req);

	if (!front->api_keys) {
		problem_reply(req, 404, "api_disabled", "This gateway has no API for backends: see --api-key-file.");
		return false;
	}
	if (key && api_keys_has(front->api_keys, key)) {
		metric_add(API_REQUESTS, 1);
		return true;
	}
	metric_add(API_REFUSED, 1);
	if (key)
		problem_reply(req, 401, "api_key_invalid", "This is none of the keys in --api-key-file.");
	else
		problem_reply(req, 401, "api_key_required", "Give the backend's key: Authorization: Bearer KEY.");
	return false;
}

struct native_call *
api_begin(struct front *front, struct http_request *req)
{
	struct native_call *call;

	if (!authenticate(front, req))
		return NULL;
	if (metrics[METRIC_API_PENDING] >= front->parts.options->api_pending_max) {
		problem_reply(req, 503, "overloaded", "As many requests of backends wait for the store as may: see --api-pending-max.");
		return NULL;
	}
	call = native_call_of(front, req);
	call->api = true;
	metric_add(API_PENDING, 1);
	return call;
}

bool
api_read_id(struct native_call *call, const char *part)
{
	if (name_parse(&call->id, part, strlen(part)))
		return true;
	native_call_refuse_nobody(call);
	return false;
}

/* ---- Orders ---- */

void
api_refuse_order(struct native_call *call, enum store_status status)
{
	switch (status) {
	case STORE_OTHER:
		native_call_refuse(call, 422, "idempotency_key_reused", "This idempotency key was used with another request.");
		return;
	case STORE_FULL:
		native_call_refuse(call, 503, "too_many_idempotency_keys", "The gateway remembers as many idempotency keys as it may.");
		return;
	default:
		native_call_refuse_unavailable(call);
	}
}

static void
on_ordered(void *arg, const struct store_applied *applied)
{
	struct native_call *call = arg;

	metric_add(API_REPEATED, applied->repeated > 0);
	if (applied->status == STORE_OK)
		native_call_take(call, applied);
	else
		api_refuse_order(call, applied->status);
}

bool
api_read_once(struct native_call *call, struct http_request *req)
{
	const char *value = http_header(req, "Idempotency-Key");
	struct buf text = BUF_EMPTY;
	size_t len;
	const char *body = http_body(req, &len);

	call->has_key = value != NULL;
	if (!value)
		return true;
	if (!order_key_parse(&text, value, call->front->parts.options->idempotency_key_max)) {
		buf_free(&text);
		native_call_refuse(call, 400, "bad_idempotency_key", "An idempotency key is a string in quotes, not longer than --idempotency-key-max.");
		return false;
	}
	order_key_name(&call->once.key, text.data, text.len);
	buf_clear(&text);
	buf_addf(&text, "%s %s", http_method(req) == HTTP_DELETE ? "DELETE" : "POST", http_path(req));
	order_request_name(&call->once.request, text.data, body, len);
	buf_free(&text);
	return true;
}

/* Order what call->request says. */
static void
order(struct native_call *call, struct http_request *req)
{
	if (!api_read_once(call, req))
		return;
	sessions_order(call->front->parts.sessions, call->has_key ? &call->once : NULL, call->request.ops, call->request.count, on_ordered, call);
	native_call_park(call);
}

static void
parse_and_order(struct front *front, struct http_request *req, native_parse_fn *parse, void (*finish)(struct native_call *call))
{
	struct native_call *call = api_begin(front, req);
	size_t len;
	const char *body;

	if (!call)
		return;
	call->finish = finish;
	body = http_body(req, &len);
	if (native_call_parse(call, parse, body, len))
		order(call, req);
}

static void
finish_ops(struct native_call *call)
{
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{\"results\":");
	native_write_answers(&body, call);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

void
api_ops(struct front *front, struct http_request *req, const char *part)
{
	(void)part;
	parse_and_order(front, req, native_parse_order, finish_ops);
}

/* Of an order of one operation: its result is the answer. */
static void
finish_one(struct native_call *call)
{
	struct buf body = BUF_EMPTY;

	switch (call->answers[0].result.code) {
	case STORE_NO_TARGET:
		native_call_refuse_nobody(call);
		return;
	case STORE_ROOMS_LIMIT:
		native_call_refuse(call, 503, "too_many_rooms", "The gateway holds as many rooms as it may.");
		return;
	default:
		native_write_answer(&body, &call->answers[0]);
		native_call_reply(call, 200, &body);
		buf_free(&body);
	}
}

void
api_publish(struct front *front, struct http_request *req, const char *part)
{
	(void)part;
	parse_and_order(front, req, native_parse_publish, finish_one);
}

void
api_disconnect(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);

	if (!call || !api_read_id(call, part))
		return;
	call->finish = finish_one;
	call->request.ops = mem_zero(1, sizeof *call->request.ops);
	call->request.ops[call->request.count++] = (struct client_op){.kind = CLIENT_END, .session = call->id};
	order(call, req);
}
