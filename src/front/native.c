/*
 * The native protocol, version 1: see pollgate-protocol(7).
 *
 * A request that has to ask the store is a native_call until it is answered.  A client that leaves meanwhile does not stop
 * what it asked for: it will ask again, and must find it done or not done.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/token.h"
#include "core/session.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"
#include "store/store.h"
#include "transport/poll.h"

#define JSON_TYPE "application/json"

/* The answer to one operation, which may need more from the store. */
struct answer {
	struct native_call *call;
	char *room;      /* Owned; JOIN only. */
	uint32_t history;
	bool has_history;
	struct store_result result;
	struct buf members, messages; /* The JSON arrays. */
	size_t total;
};

struct native_call {
	LIST_ENTRY(native_call) in_calls;
	struct front *front;      /* Lent. */
	struct http_request *req; /* NULL once the client left. */
	struct name id;
	struct store_opened opened; /* Of an opening. */
	char token[TOKEN_LEN + 1];
	struct native_request request; /* What it lends of the body is not used once the store was asked. */
	uint64_t next_seq;
	size_t count;
	struct answer *answers; /* Owned. */
	size_t rooms;           /* Of which members, and perhaps history, are told. */
	unsigned waiting;       /* Calls to the store that are under way. */
	bool failed;            /* One of them: the store is not there. */
	void (*finish)(struct native_call *call);
};

/* ---- Calls ---- */

static void
call_free(struct native_call *call)
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

static struct native_call *
call_new(struct front *front, struct http_request *req)
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
		call_free(LIST_FIRST(&front->calls));
}

static void
call_reply(struct native_call *call, int status, const struct buf *body)
{
	if (call->req)
		http_reply(call->req, status, JSON_TYPE, body->data, body->len);
	call_free(call);
}

static void
call_refuse(struct native_call *call, int status, const char *code, const char *detail)
{
	if (call->req)
		problem_reply(call->req, status, code, detail);
	call_free(call);
}

static void
refuse_gone(struct http_request *req)
{
	problem_reply(req, 410, "session_gone", "There is no such session (any more). Open a new one.");
}

static void
refuse_unavailable(struct native_call *call)
{
	call_refuse(call, 503, "store_unavailable", "The store cannot be used at the moment. Ask again with the same seq.");
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

/* False, after an answer, unless req has a well-formed token. */
static bool
authenticate(struct http_request *req, struct name *id)
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

/* ---- What an operation is answered with ---- */

static void
write_members(struct buf *b, const struct store_members *members)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < members->count; i++) {
		const struct store_member *member = &members->members[i];

		buf_addf(b, "%s{\"id\":\"%s\",\"data\":", i ? "," : "", member->id.s);
		buf_adds(b, member->len ? member->data : "null");
		buf_adds(b, member->away ? ",\"away\":true}" : "}");
	}
	buf_adds(b, "]");
}

static void
write_error(struct buf *b, const char *code, const char *detail)
{
	buf_addf(b, "{\"error\":{\"code\":\"%s\",\"detail\":\"%s\"}}", code, detail);
}

static void
write_done(struct buf *b, const struct answer *answer)
{
	char id[ENTRY_ID_SIZE];

	entry_id_format(id, answer->result.id);
	if (answer->room) {
		buf_adds(b, "{\"room\":");
		jspan_quote(b, answer->room, strlen(answer->room));
		buf_addf(b, ",\"id\":\"%s\",\"count\":%zu,\"members\":", id, answer->total);
		buf_add(b, answer->members.data, answer->members.len);
		if (answer->has_history) {
			buf_adds(b, ",\"history\":");
			buf_add(b, answer->messages.data, answer->messages.len);
		}
		buf_adds(b, answer->result.existing ? ",\"existing\":true}" : "}");
	} else if (answer->result.id.ms > 0) {
		buf_adds(b, "{\"id\":\"");
		buf_adds(b, id);
		buf_adds(b, "\"}");
	} else {
		buf_adds(b, "{}");
	}
}

static void
write_answer(struct buf *b, const struct answer *answer)
{
	switch (answer->result.code) {
	case STORE_DONE:
		write_done(b, answer);
		return;
	case STORE_DONE_BEFORE:
		buf_adds(b, "{\"repeated\":true}");
		return;
	case STORE_NO_TARGET:
		write_error(b, "recipient_gone", "There is no session with this id.");
		return;
	case STORE_ROOM_FULL:
		write_error(b, "room_full", "The room has as many members as this join accepts.");
		return;
	case STORE_NOT_JOINED:
		write_error(b, "not_joined", "The session is not in this room.");
		return;
	case STORE_ROOMS_LIMIT:
		write_error(b, "too_many_rooms", "The gateway holds as many rooms as it may.");
		return;
	case STORE_JOINED_LIMIT:
		write_error(b, "too_many_joined", "The session is in as many rooms as it may be.");
		return;
	}
}

static void
write_answers(struct buf *b, const struct native_call *call)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < call->count; i++) {
		if (i > 0)
			buf_adds(b, ",");
		write_answer(b, &call->answers[i]);
	}
	buf_adds(b, "]");
}

/* ---- Applying operations, and what a join asks for besides ---- */

static void
call_settle(struct native_call *call)
{
	if (--call->waiting > 0)
		return;
	if (call->failed)
		refuse_unavailable(call);
	else
		call->finish(call);
}

static void
on_members(void *arg, const struct store_members *members)
{
	struct answer *answer = arg;

	answer->total = members->total;
	write_members(&answer->members, members);
	answer->call->failed |= members->status != STORE_OK;
	call_settle(answer->call);
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
	call_settle(answer->call);
}

/* The rooms of a request share what one answer may hold. */
static void
ask_for_room(struct native_call *call, struct answer *answer)
{
	static const struct entry_id newest = {UINT64_MAX, UINT64_MAX};
	struct front *front = call->front;
	const struct options *o = front->parts.options;
	uint32_t members = o->members_max / (uint32_t)call->rooms;
	struct history_query query = {.title = answer->room, .wanted = answer->history, .max_bytes = o->answer_max / call->rooms};
	struct name room;

	room_name_key(&room, answer->room, strlen(answer->room));
	call->waiting++;
	store_list_members(front->parts.store, &room, members ? members : 1, on_members, answer);
	if (!answer->has_history)
		return;
	call->waiting++;
	/* Up to where reading starts; a member that asks again has read on, nobody knows how far. */
	query.upto = answer->result.existing ? newest : answer->result.id;
	sessions_history(front->parts.sessions, &query, on_history, answer);
}

/* What is to be told of an operation; of a join that was done, the room is to be asked for. */
static void
take_result(struct native_call *call, struct answer *answer, struct client_op *op, bool repeated)
{
	bool done = answer->result.code == STORE_DONE;

	if (done && !repeated && (op->kind == CLIENT_SEND_SESSION || op->kind == CLIENT_SEND_ROOM))
		metric_add(MESSAGES_SENT, 1);
	if (!done || op->kind != CLIENT_JOIN)
		return;
	call->rooms++;
	answer->room = op->room;
	op->room = NULL;
	answer->has_history = op->has_history;
	answer->history = op->history;
}

static void
take_results(struct native_call *call, const struct store_applied *applied)
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
			ask_for_room(call, &call->answers[i]);
	call_settle(call);
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
		take_results(call, applied);
		return;
	case STORE_GONE:
		if (call->req)
			refuse_gone(call->req);
		call_free(call);
		return;
	case STORE_HOLE:
		if (call->req)
			problem_reply_number(call->req, 409, "seq_hole", "Operations before these are missing.", "expected", applied->next_seq);
		call_free(call);
		return;
	default:
		refuse_unavailable(call);
	}
}

static void
call_apply(struct native_call *call, uint64_t seq)
{
	sessions_apply(call->front->parts.sessions, &call->id, seq, call->request.ops, call->request.count, on_applied, call);
}

/* ---- POST /v1/send ---- */

/* The parsed request points into what it was parsed from. */
typedef bool parse_fn(struct native_request *, const char *body, size_t len, const struct native_limits *, struct native_error *);

/* Parse the body of call's request.  False, after an answer, if it is wrong; call is gone then. */
static bool
call_parse(struct native_call *call, parse_fn *parse)
{
	struct native_error error;
	size_t len;
	const char *body = http_body(call->req, &len);

	if (!parse(&call->request, body, len, &call->front->limits, &error)) {
		call_refuse(call, strcmp(error.code, "message_too_large") == 0 ? 413 : 400, error.code, error.detail);
		return false;
	}
	return true;
}

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
	write_answers(&body, call);
	buf_adds(&body, "}");
	call_reply(call, 200, &body);
	buf_free(&body);
}

void
native_send(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name id;

	(void)part;
	if (!authenticate(req, &id))
		return;
	call = call_new(front, req);
	call->id = id;
	call->finish = finish_send;
	if (!call_parse(call, native_parse_send))
		return;
	call_apply(call, call->request.seq);
	http_park(req, on_gone, call);
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
	buf_addf(&body, "\",\"hold\":%lld,\"ttl\":%lld,\"away\":%lld,\"transports\":[\"poll\"]", (long long)o->hold_ms,
	    (long long)o->session_ttl_ms, (long long)o->away_after_ms);
	if (call->opened.created)
		buf_adds(&body, ",\"seq\":1");
	if (call->request.count > 0) {
		buf_adds(&body, ",\"rooms\":");
		write_answers(&body, call);
	}
	buf_adds(&body, "}");
	call_reply(call, call->opened.created ? 201 : 200, &body);
	buf_free(&body);
}

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct native_call *call = arg;

	call->opened = *opened;
	if (opened->status == STORE_FULL) {
		metric_add(SESSIONS_REFUSED, 1);
		call_refuse(call, 503, "too_many_sessions", "The gateway holds as many sessions as it may.");
		return;
	}
	if (opened->status != STORE_OK) {
		refuse_unavailable(call);
		return;
	}
	metric_add(SESSIONS_OPENED, opened->created);
	if (call->request.count > 0)
		call_apply(call, 0);
	else
		finish_open(call);
}

/* New sessions are what is refused first: who is here should stay. */
static bool
has_room(struct front *front, struct http_request *req)
{
	if (front->draining) {
		problem_reply(req, 503, "draining", "This instance is about to end. Ask another one.");
		return false;
	}
	if (front->server && http_server_connections(front->server) > front->connections_max - front->connections_max / 10) {
		metric_add(SESSIONS_REFUSED, 1);
		problem_reply(req, 503, "overloaded", "This instance has nearly as many connections as it may.");
		return false;
	}
	return true;
}

/* The token that the client made, or a new one.  False, after an answer, if it is none. */
static bool
call_take_token(struct native_call *call)
{
	struct buf text = BUF_EMPTY;
	bool good;

	if (!call->request.token.text) {
		if (!token_new(call->token)) {
			call_refuse(call, 503, "overloaded", "There is no randomness for a token.");
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
		call_refuse(call, 400, "bad_request", "A token has 22 characters of base64url: 128 random bits.");
	buf_free(&text);
	return good;
}

void
native_open(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct jspan data;

	(void)part;
	if (!has_room(front, req))
		return;
	call = call_new(front, req);
	call->finish = finish_open;
	if (!call_parse(call, native_parse_open) || !call_take_token(call))
		return;
	data = call->request.data;
	store_open(front->parts.store, &call->id, data.text ? data.text : "", data.len, on_opened, call);
	http_park(req, on_gone, call);
}

/* ---- DELETE /v1/sessions, POST /v1/close ---- */

static void
on_closed(void *arg, const struct store_presence *presence)
{
	struct native_call *call = arg;

	if (presence->status == STORE_UNAVAILABLE) {
		refuse_unavailable(call);
		return;
	}
	metric_add(SESSIONS_CLOSED, presence->status == STORE_OK);
	if (call->req)
		http_reply(call->req, 200, JSON_TYPE, "{}", 2);
	call_free(call);
}

void
native_close(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name id;

	(void)part;
	if (!authenticate(req, &id))
		return;
	call = call_new(front, req);
	http_park(req, on_gone, call);
	sessions_close(front->parts.sessions, &id, on_closed, call);
}

/* ---- GET /v1/poll ---- */

/* False, after an answer, if there is a parameter hold that is none.  *ms is -1 without one. */
static bool
read_hold(struct front *front, struct http_request *req, int64_t *ms)
{
	const char *text = http_query(req, "hold");
	uint64_t n;

	*ms = -1;
	if (!text)
		return true;
	if (!*text || !jspan_count((struct jspan){text, strlen(text)}, UINT64_MAX, &n)) {
		problem_reply(req, 400, "bad_request", "hold must be a number of milliseconds.");
		return false;
	}
	*ms = n < (uint64_t)front->parts.options->hold_max_ms ? (int64_t)n : front->parts.options->hold_max_ms;
	return true;
}

void
native_poll(struct front *front, struct http_request *req, const char *part)
{
	static const struct poll_protocol protocol = {JSON_TYPE, native_write_batch, refuse_gone};
	const char *text;
	struct cursor cursor;
	struct name id;
	int64_t hold;

	(void)part;
	if (!authenticate(req, &id) || !read_hold(front, req, &hold))
		return;
	text = http_query(req, "cursor");
	if (http_method(req) == HTTP_HEAD) { /* Nothing to wait for: the answer has no body. */
		http_reply(req, 200, JSON_TYPE, NULL, 0);
		return;
	}
	if (text && !cursor_parse(&cursor, text, front->parts.options->rooms_per_session)) {
		problem_reply(req, 400, "bad_cursor", "The cursor is not one that this gateway gave.");
		return;
	}
	poll_start(front->parts.polls, req, &id, text ? &cursor : NULL, hold, &protocol);
	if (text)
		cursor_free(&cursor);
}

/* ---- GET /v1/sessions/ID ---- */

static void
on_look(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;
	char acked[ENTRY_ID_SIZE], last[ENTRY_ID_SIZE];

	if (session->status == STORE_GONE) {
		call_refuse(call, 404, "recipient_gone", "There is no session with this id.");
		return;
	}
	if (session->status != STORE_OK) {
		refuse_unavailable(call);
		return;
	}
	buf_addf(&body, "{\"id\":\"%s\",\"away\":%s,\"data\":", call->id.s, session->away ? "true" : "false");
	if (session->data_len)
		buf_add(&body, session->data, session->data_len);
	else
		buf_adds(&body, "null");
	buf_addf(&body, ",\"acked\":\"%s\",\"last\":\"%s\"}", entry_id_format(acked, session->acked), entry_id_format(last, session->last));
	call_reply(call, 200, &body);
	buf_free(&body);
}

void
native_look(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name asker, id;

	if (!authenticate(req, &asker))
		return;
	if (!name_parse(&id, part, strlen(part))) {
		problem_reply(req, 404, "recipient_gone", "There is no session with this id.");
		return;
	}
	store_touch(front->parts.store, &asker);
	call = call_new(front, req);
	call->id = id;
	http_park(req, on_gone, call);
	store_look(front->parts.store, &id, on_look, call);
}

/* ---- GET /v1/rooms/ROOM/members ---- */

static void
finish_members(struct native_call *call)
{
	struct answer *answer = &call->answers[0];
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{\"room\":");
	jspan_quote(&body, answer->room, strlen(answer->room));
	buf_addf(&body, ",\"count\":%zu,\"members\":", answer->total);
	buf_add(&body, answer->members.data, answer->members.len);
	buf_adds(&body, "}");
	call_reply(call, 200, &body);
	buf_free(&body);
}

void
native_members(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call;
	struct name asker;

	if (!authenticate(req, &asker))
		return;
	if (!native_room_name(part, strlen(part), front->limits.room_name)) {
		problem_reply(req, 400, "bad_request", "This is no name of a room.");
		return;
	}
	store_touch(front->parts.store, &asker);
	call = call_new(front, req);
	call->finish = finish_members;
	call->count = call->rooms = 1;
	call->answers = mem_zero(1, sizeof *call->answers);
	call->answers[0] = (struct answer){.call = call, .room = mem_string(part)};
	http_park(req, on_gone, call);
	ask_for_room(call, &call->answers[0]);
}
