/* The polls of the native protocol, of one session and of several: see pollgate-protocol(7). */
#include <stdlib.h>

#include "base/mem.h"
#include "front/native_call.h"
#include "front/problem.h"
#include "net/http.h"
#include "transport/poll.h"

/* ---- GET /v1/poll ---- */

static void
write_batch(void *client, size_t place, struct buf *b, const struct batch *batch)
{
	(void)client;
	(void)place;
	native_write_batch(b, batch);
}

static void
reply_poll(void *client, struct http_request *req, const struct poll_part *const *parts, size_t count)
{
	(void)client;
	(void)count;
	if (parts[0]->outcome == POLL_GONE || parts[0]->outcome == POLL_EXPIRED)
		native_refuse_end(req, parts[0]->outcome == POLL_GONE ? SINK_CLOSED : SINK_EXPIRED);
	else
		http_reply(req, 200, NATIVE_TYPE, parts[0]->document.data, parts[0]->document.len);
}

void
native_poll(struct front *front, struct http_request *req, const char *part)
{
	static const struct poll_protocol protocol = {.write_batch = write_batch, .reply = reply_poll};
	struct poll_session session = {0};
	const char *text;
	struct cursor cursor;
	int64_t hold = -1;

	(void)part;
	if (!native_authenticate(req, &session.id) || !front_read_ms(req, "hold", front->parts.options->hold_max_ms, &hold))
		return;
	text = http_query(req, "cursor");
	if (!native_read_cursor(front, req, text, &cursor))
		return;
	session.cursor = text ? &cursor : NULL;
	if (http_method(req) == HTTP_HEAD)
		native_head(front, req, &session.id, NATIVE_TYPE);
	else
		poll_start(front->parts.polls, req, &(struct poll_request){.sessions = &session, .count = 1, .hold_ms = hold, .protocol = &protocol});
	cursor_free(&cursor);
}

/* ---- POST /v1/polls ---- */

static void
write_part(struct buf *b, const struct poll_part *part)
{
	switch (part->outcome) {
	case POLL_BATCH:
		buf_add(b, part->document.data, part->document.len);
		return;
	case POLL_TAKEN:
		native_write_error(b, "taken", "A newer request of this session took over.");
		return;
	case POLL_GONE:
		native_write_error(b, "session_gone", "There is no such session (any more).");
		return;
	case POLL_EXPIRED:
		native_write_error(b, "auth_expired", "The session's permission has ended.");
		return;
	case POLL_WRONG:
		native_write_error(b, part->wrong, "Not one that this gateway gave.");
		return;
	case POLL_CHANGED: /* Not asked for. */
		break;
	}
}

static void
reply_polls(void *client, struct http_request *req, const struct poll_part *const *parts, size_t count)
{
	struct buf body = BUF_EMPTY;

	(void)client;
	buf_adds(&body, "{\"polls\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_adds(&body, ",");
		write_part(&body, parts[i]);
	}
	buf_adds(&body, "]}");
	http_reply(req, 200, NATIVE_TYPE, body.data, body.len);
	buf_free(&body);
}

void
native_polls(struct front *front, struct http_request *req, const char *part)
{
	static const struct poll_protocol protocol = {.write_batch = write_batch, .reply = reply_polls};
	struct native_polls polls;
	struct native_error error;
	struct poll_session *sessions;
	int64_t hold;
	size_t len;
	const char *body = http_body(req, &len);

	(void)part;
	if (!native_parse_polls(&polls, body, len, &front->limits, &error)) {
		problem_reply(req, 400, error.code, error.detail);
		return;
	}
	sessions = mem_zero(polls.count, sizeof *sessions);
	for (size_t i = 0; i < polls.count; i++) {
		const struct native_poll *poll = &polls.polls[i];

		sessions[i] = (struct poll_session){
		    .id = poll->session, .cursor = poll->has_cursor ? &poll->cursor : NULL, .wrong = poll->wrong};
	}
	hold = polls.has_hold ? front_limit_ms(polls.hold, front->parts.options->hold_max_ms) : -1;
	poll_start(front->parts.polls, req,
	    &(struct poll_request){.sessions = sessions, .count = (uint32_t)polls.count, .hold_ms = hold, .protocol = &protocol});
	free(sessions);
	native_polls_free(&polls);
}
