/* Events that the application never answered well, by the API: they are listed, replayed, forgotten. */
#include <string.h>

#include "base/metrics.h"
#include "codec/hook.h"
#include "codec/message.h"
#include "front/api.h"
#include "front/native_call.h"
#include "net/http.h"

#define LETTERS_AT_ONCE 100

static void
name_letters(struct name *queue)
{
	store_queue_name(queue, STORE_LETTERS);
}

/* ---- All of them ---- */

static void
write_letter(struct buf *b, const struct store_entry *entry)
{
	struct message *message = message_new(entry->id, NULL, entry->payload, entry->len);
	char id[ENTRY_ID_SIZE];
	struct hook_event event;

	if (!message) {
		buf_addf(b, "{\"id\":\"%s\"}", entry_id_format(id, entry->id));
		return;
	}
	event = hook_event_of(message, entry->id);
	hook_write_letter(b, &event);
	message_unref(message);
}

static void
on_letters(void *arg, const struct store_view *view)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (view->status != STORE_OK) {
		native_call_refuse_unavailable(call);
		return;
	}
	buf_adds(&body, "{\"letters\":[");
	for (size_t i = 0; i < view->count; i++) {
		buf_adds(&body, i > 0 ? "," : "");
		write_letter(&body, &view->entries[i]);
	}
	buf_adds(&body, "]");
	api_reply_list(call, &body, view->more, view->last);
}

void
api_letters(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);
	const char *at = http_query(req, "at");
	struct entry_id after = {0, 0};
	struct name queue;

	(void)part;
	if (!call)
		return;
	if (at && !entry_id_parse(&after, at, strlen(at))) {
		native_call_refuse(call, 400, "bad_request", "\"at\" must be what an answer had as \"next\".");
		return;
	}
	name_letters(&queue);
	native_call_park(call);
	store_read_queue(front->parts.store, &queue, after, LETTERS_AT_ONCE, front->parts.options->answer_max, on_letters, call);
}

/* ---- One of them ---- */

static void
refuse_gone(struct native_call *call)
{
	native_call_refuse(call, 404, "letter_gone", "There is no letter with this id (any more).");
}

/* NULL, after an answer, if the request is not to be served. */
static struct native_call *
begin_letter(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);

	if (!call)
		return NULL;
	if (!entry_id_parse(&call->letter, part, strlen(part)) || call->letter.ms == 0) {
		refuse_gone(call);
		return NULL;
	}
	if (!api_read_once(call, req))
		return NULL;
	native_call_park(call);
	return call;
}

static void
on_finished(void *arg, const struct store_applied *applied)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;
	char id[ENTRY_ID_SIZE];

	metric_add(API_REPEATED, applied->repeated > 0);
	if (applied->status == STORE_GONE) {
		refuse_gone(call);
		return;
	}
	if (applied->status != STORE_OK) {
		api_refuse_order(call, applied->status);
		return;
	}
	if (applied->count > 0)
		buf_addf(&body, "{\"id\":\"%s\"}", entry_id_format(id, applied->results[0].id));
	else
		buf_adds(&body, "{}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

/* With the operation, if there is one. */
static void
finish(struct native_call *call, const struct store_op *op)
{
	struct name queue;
	struct store_item item = {.queue = &queue, .id = call->letter, .once = call->has_key ? &call->once : NULL};

	name_letters(&queue);
	store_finish(call->front->parts.store, &item, op, op != NULL, on_finished, call);
}

/* One that is gone may be so by this very request: then its key tells what became of it. */
static void
on_letter(void *arg, const struct store_view *view)
{
	struct native_call *call = arg;
	struct store_op op = {.kind = STORE_QUEUE, .is_taken_back = true, .payload = ""};
	enum message_flag flag;
	struct name session;

	if (view->status != STORE_OK) {
		native_call_refuse_unavailable(call);
		return;
	}
	if (view->count > 0 && entry_id_compare(view->entries[0].id, call->letter) == 0) {
		if (!message_peek(view->entries[0].payload, view->entries[0].len, &flag, &session)) {
			refuse_gone(call);
			return;
		}
		store_queue_name(&op.target, store_queue_of(&session));
		op.payload = view->entries[0].payload;
		op.payload_len = view->entries[0].len;
	} else if (!call->has_key) {
		refuse_gone(call);
		return;
	}
	finish(call, &op);
}

void
api_letter_replay(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = begin_letter(front, req, part);
	struct name queue;

	if (!call)
		return;
	name_letters(&queue);
	store_read_queue(front->parts.store, &queue, entry_id_before(call->letter), 1, front->parts.options->answer_max, on_letter, call);
}

void
api_letter_forget(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = begin_letter(front, req, part);

	if (call)
		finish(call, NULL);
}
