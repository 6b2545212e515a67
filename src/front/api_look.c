/* What backends look at, by the API: sessions, rooms, lists of both, and the sessions of a user. */
#include <string.h>

#include "codec/grants.h"
#include "front/api.h"
#include "front/native_call.h"
#include "net/http.h"

/* ---- A session ---- */

static void
write_rooms(struct buf *b, const struct store_session *session)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < session->rooms_count; i++) {
		if (i > 0)
			buf_adds(b, ",");
		jspan_quote(b, session->rooms[i].title, strlen(session->rooms[i].title));
	}
	buf_adds(b, "]");
}

/* Whose it is, if a token said so. */
static void
write_user(struct buf *b, const struct store_session *session)
{
	struct grants grants;

	if (!grants_read(&grants, session->grants.text, session->grants.len) || !grants.user.text)
		return;
	buf_adds(b, ",\"user\":");
	buf_add(b, grants.user.text, grants.user.len);
}

static void
on_look(void *arg, const struct store_session *session)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (!native_call_found(call, session))
		return;
	buf_adds(&body, "{");
	native_write_session(&body, &call->id, session);
	write_user(&body, session);
	buf_adds(&body, ",\"rooms\":");
	write_rooms(&body, session);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

void
api_look(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);

	if (!call || !api_read_id(call, part))
		return;
	native_call_park(call);
	store_look(front->parts.store, &call->id, on_look, call);
}

/* ---- Rooms ---- */

/* A parameter that is a number, at most `most`, which is also what it is without one.  False, after an answer, if it is none. */
static bool
read_count(struct native_call *call, struct http_request *req, const char *name, uint32_t most, uint32_t *n)
{
	const char *text = http_query(req, name);
	uint64_t number = most;

	if (text && (!*text || !jspan_count((struct jspan){text, strlen(text)}, UINT64_MAX, &number))) {
		native_call_refuse(call, 400, "bad_request", "A parameter is not a number.");
		return false;
	}
	*n = number < most ? (uint32_t)number : most;
	return true;
}

void
api_members(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);
	uint32_t max;

	if (!call || !native_call_take_room(call, part) || !read_count(call, req, "max", front->parts.options->members_max, &max))
		return;
	call->finish = native_finish_members;
	native_call_park(call);
	native_call_ask_members(call, &call->answers[0], max);
}

static void
finish_history(struct native_call *call)
{
	struct answer *answer = &call->answers[0];
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{\"room\":");
	jspan_quote(&body, answer->room, strlen(answer->room));
	buf_adds(&body, ",\"messages\":");
	buf_add(&body, answer->messages.data, answer->messages.len);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}

/* A parameter that is an id; *id stays as it is without it.  False, after an answer, if it is none. */
static bool
read_place(struct native_call *call, struct http_request *req, const char *name, struct entry_id *id)
{
	const char *text = http_query(req, name);

	if (!text || entry_id_parse(id, text, strlen(text)))
		return true;
	native_call_refuse(call, 400, "bad_request", "A parameter does not have the form of an id.");
	return false;
}

void
api_history(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);
	struct entry_id upto = entry_id_newest;

	if (!call || !native_call_take_room(call, part) ||
	    !read_count(call, req, "count", front->parts.options->history_max, &call->answers[0].history) || !read_place(call, req, "before", &upto))
		return;
	call->finish = finish_history;
	native_call_park(call);
	native_call_ask_history(call, &call->answers[0], upto.ms || upto.seq ? entry_id_before(upto) : upto);
}

/* ---- Lists ---- */

void
api_reply_list(struct native_call *call, struct buf *body, bool more, struct entry_id next)
{
	char text[ENTRY_ID_SIZE];

	if (more)
		buf_addf(body, ",\"next\":\"%s\"", entry_id_format(text, next));
	buf_adds(body, "}");
	native_call_reply(call, 200, body);
	buf_free(body);
}

static void
on_sessions(void *arg, const struct store_sessions *list)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (list->status != STORE_OK) {
		native_call_refuse_unavailable(call);
		return;
	}
	buf_adds(&body, "{\"sessions\":");
	native_write_members(&body, &(struct store_members){.count = list->count, .members = list->sessions});
	api_reply_list(call, &body, list->more, list->next);
}

static void
on_rooms(void *arg, const struct store_rooms *list)
{
	struct native_call *call = arg;
	struct buf body = BUF_EMPTY;

	if (list->status != STORE_OK) {
		native_call_refuse_unavailable(call);
		return;
	}
	buf_adds(&body, "{\"rooms\":[");
	for (size_t i = 0; i < list->count; i++) {
		const struct store_room *room = &list->rooms[i];
		char last[ENTRY_ID_SIZE];

		buf_adds(&body, i > 0 ? ",{\"room\":" : "{\"room\":");
		jspan_quote(&body, room->title, strlen(room->title));
		buf_addf(&body, ",\"count\":%zu,\"last\":\"%s\"}", room->members, entry_id_format(last, room->last));
	}
	buf_adds(&body, "]");
	api_reply_list(call, &body, list->more, list->next);
}

/* A call for a part of a list; NULL, after an answer, if req is not to be served. */
static struct native_call *
begin_list(struct front *front, struct http_request *req, struct entry_id *at, uint32_t *max)
{
	struct native_call *call = api_begin(front, req);

	*at = (struct entry_id){0, 0};
	if (!call || !read_place(call, req, "at", at) || !read_count(call, req, "max", front->parts.options->members_max, max))
		return NULL;
	if (*max == 0)
		*max = 1;
	native_call_park(call);
	return call;
}

void
api_sessions(struct front *front, struct http_request *req, const char *part)
{
	struct entry_id at;
	uint32_t max;
	struct native_call *call = begin_list(front, req, &at, &max);

	(void)part;
	if (call)
		store_list_sessions(front->parts.store, at, max, on_sessions, call);
}

void
api_user(struct front *front, struct http_request *req, const char *part)
{
	struct native_call *call = api_begin(front, req);
	struct name user;

	if (!call)
		return;
	user_name_key(&user, part, strlen(part));
	native_call_park(call);
	store_list_user(front->parts.store, &user, on_sessions, call);
}

void
api_rooms(struct front *front, struct http_request *req, const char *part)
{
	struct entry_id at;
	uint32_t max;
	struct native_call *call = begin_list(front, req, &at, &max);

	(void)part;
	if (call)
		store_list_rooms(front->parts.store, at, max, on_rooms, call);
}
