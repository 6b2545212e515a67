/* The requests of the native protocol, version 1: see pollgate-protocol(7). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"
#include "core/session.h"
#include "front/native_call.h"
#include "hook/hook.h"
#include "net/http.h"

/* ---- POST /v1/send ---- */

static void
finish_send(struct native_call *call)
{
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{");
	if (call->request.seq > 0) {
		buf_adds(&body, "\"seq\":");
		buf_addn(&body, call->next_seq);
		buf_adds(&body, ",");
	}
	buf_adds(&body, "\"results\":");
	native_write_answers(&body, call);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

static void
apply_send(struct native_call *call)
{
	native_call_forbid(call);
	native_call_apply(call, call->request.seq);
}

bool
native_call_send(struct native_call *call, const char *body, size_t len)
{
	call->finish = finish_send;
	if (!native_call_parse(call, native_parse_send, body, len))
		return false;
	if (call->request.has_cursor)
		hub_ack(call->front->parts.hub, &call->id, &call->request.cursor);
	native_call_ask_grants(call, &call->id, apply_send);
	return true;
}

void
native_send(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name id;
	size_t len;
	const char *body = http_body(req, &len);

	(void)part;
	if (!native_authenticate(req, &id))
		return;
	call = native_call_of(front, req);
	call->id = id;
	if (native_call_send(call, body, len))
		native_call_park(call);
}

/* ---- POST /v1/sessions ---- */

static void
write_start_cursor(struct buf *b, const struct native_call *call)
{
	struct cursor cursor = {.mailbox = call->opened.position};

	cursor.rooms = mem_zero(call->count + 1, sizeof *cursor.rooms);
	for (size_t i = 0; i < call->count; i++) {
		const struct answer *answer = &call->answers[i];
		struct name room;

		if (!answer->room)
			continue;
		room_name_key(&room, answer->room, strlen(answer->room));
		if (!cursor_find(&cursor, &room))
			cursor.rooms[cursor.count++] = (struct cursor_room){room, answer->result.id};
	}
	cursor_write(b, &cursor);
	cursor_free(&cursor);
}

static void
finish_open(struct native_call *call)
{
	const struct options *o = call->front->parts.options;
	struct buf body = BUF_EMPTY;

	buf_addf(&body, "{\"id\":\"%s\",\"token\":\"%s\",\"cursor\":\"", call->id.s, call->token);
	write_start_cursor(&body, call);
	buf_addf(&body, "\",\"hold\":%lld,\"ttl\":%lld,\"away\":%lld,\"transports\":[\"poll\"%s%s]", (long long)o->hold_ms,
	    (long long)o->session_ttl_ms, (long long)o->away_after_ms, o->no_sse ? "" : ",\"sse\"",
	    o->no_websocket ? "" : ",\"ws\"");
	if (call->opened.created)
		buf_adds(&body, ",\"seq\":1");
	native_write_expires(&body, call);
	if (call->request.count > 0) {
		buf_adds(&body, ",\"rooms\":");
		native_write_answers(&body, call);
	}
	buf_adds(&body, "}");
	native_call_reply(call, call->opened.created ? 201 : 200, &body);
	buf_free(&body);
}

static void
enter_rooms(struct native_call *call)
{
	native_call_forbid(call);
	if (call->request.count > 0)
		native_call_apply(call, 0);
	else
		finish_open(call);
}

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct native_call *call = arg;

	call->opened = *opened;
	if (opened->status == STORE_FULL) {
		metric_add(SESSIONS_REFUSED, 1);
		native_call_refuse(call, 503, "too_many_sessions", "The gateway holds as many sessions as it may.");
		return;
	}
	if (opened->status != STORE_OK) {
		native_call_refuse_unavailable(call);
		return;
	}
	metric_add(SESSIONS_OPENED, opened->created);
	if (call->grants_text.len > 0)
		native_call_grant(call, enter_rooms);
	else
		enter_rooms(call);
}

static void
open_session(struct native_call *call)
{
	struct jspan data = call->request.data;
	struct buf end = BUF_EMPTY;

	if (hook_wants(call->front->hook, HOOK_DISCONNECT))
		sessions_write_end(&end, &call->id, NULL);
	store_open(call->front->parts.store, &call->id, data.text ? data.text : "", data.len, end.data, on_opened, call);
	buf_free(&end);
}

static void
ask_application(struct native_call *call)
{
	native_call_connect(call, open_session);
}

/* The token that the client made, or a new one.  False, after an answer, if it is none. */
static bool
call_take_token(struct native_call *call)
{
	struct buf text = BUF_EMPTY;
	bool good;

	if (!call->request.token.text) {
		if (!token_new(call->token)) {
			native_call_refuse(call, 503, "overloaded", "There is no randomness for a token.");
			return false;
		}
		good = token_session(&call->id, call->token);
		assert(good);
		return true;
	}
	good = jspan_string(call->request.token, &text) && text.len == TOKEN_LEN && token_session(&call->id, text.data);
	if (good)
		memcpy(call->token, text.data, TOKEN_LEN);
	else
		native_call_refuse(call, 400, "bad_request", "A token has 22 characters of base64url: 128 random bits.");
	buf_free(&text);
	return good;
}

void
native_open(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	size_t len;
	const char *body = http_body(req, &len);

	(void)part;
	if (!front_has_room(front, req))
		return;
	call = native_call_of(front, req);
	call->finish = finish_open;
	if (!native_call_parse(call, native_parse_open, body, len) || !call_take_token(call))
		return;
	native_call_keep_request(call, req);
	if (front->auth)
		native_call_judge(call, req, ask_application);
	else
		ask_application(call); /* Before the body that is lent goes. */
	native_call_park(call);
}

/* ---- DELETE /v1/sessions, POST /v1/close ---- */

static void
on_closed(void *arg, const struct store_presence *presence)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (presence->status == STORE_UNAVAILABLE) {
		native_call_refuse_unavailable(call);
		return;
	}
	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	buf_adds(&body, "{}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

void
native_close(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name id;

	(void)part;
	if (!native_authenticate(req, &id))
		return;
	call = native_call_of(front, req);
	native_call_park(call);
	sessions_close(front->parts.sessions, &id, on_closed, call);
}

/* ---- GET /v1/sessions/ID ---- */

static void
on_look(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (!native_call_found(call, session))
		return;
	buf_adds(&body, "{");
	native_write_session(&body, &call->id, session);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

static void
look(struct native_call *call)
{
	store_look(call->front->parts.store, &call->id, on_look, call);
}

void
native_look(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name asker;

	if (!native_authenticate(req, &asker))
		return;
	call = native_call_of(front, req);
	if (!name_parse(&call->id, part, strlen(part))) {
		native_call_refuse_nobody(call);
		return;
	}
	store_touch(front->parts.store, &asker);
	native_call_park(call);
	native_call_ask_grants(call, &asker, look);
}

/* ---- GET /v1/rooms/ROOM/members ---- */

static void
list_members(struct native_call *call)
{
	if (native_call_may(call, GRANTS_JOIN, call->answers[0].room))
		native_call_ask_room(call, &call->answers[0]);
	else
		native_call_refuse_forbidden(call);
}

void
native_members(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name asker;

	if (!native_authenticate(req, &asker))
		return;
	call = native_call_of(front, req);
	if (!native_call_take_room(call, part))
		return;
	store_touch(front->parts.store, &asker);
	call->finish = native_finish_members;
	native_call_park(call);
	native_call_ask_grants(call, &asker, list_members);
}
