/*
 * Pollgate by its native protocol, pollgate-protocol(7).
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "util.h"

/* Copies the JSON string behind key (as in `"cursor":"`), which needs no unescaping. */
static bool
find_string(const struct answer *answer, const char *key, char *out, size_t size)
{
	const char *start = memmem(answer->body, answer->body_len, key, strlen(key)), *end;

	if (start == NULL)
		return false;
	start += strlen(key);
	end = strchr(start, '"');
	if (end == NULL || (size_t)(end - start) >= size)
		die("%s: too long or cut", key);
	memcpy(out, start, (size_t)(end - start));
	out[end - start] = '\0';
	return true;
}

static void
write_open(struct request *req, const struct session *session, const char *room)
{
	char body[256];

	(void)session;
	if (room)
		snprintf(body, sizeof(body), "{\"rooms\":[\"%s\"]}", room);
	request_write(req, "POST", "", room ? body : "{}", "/v1/sessions");
}

static bool
read_opened(struct session *session, const struct answer *answer)
{
	session->seq = 1;
	return answer->status == 201 && find_string(answer, "\"id\":\"", session->id, sizeof(session->id)) &&
	    find_string(answer, "\"token\":\"", session->token, sizeof(session->token)) &&
	    find_string(answer, "\"cursor\":\"", session->cursor, sizeof(session->cursor));
}

static void
write_poll(struct request *req, const struct session *session, const char *room)
{
	(void)room; /* The session is in it. */
	request_write(req, "GET", "", NULL, "/v1/poll?token=%s&cursor=%s&hold=%lld", session->token, session->cursor,
	    (long long)wire.hold_ms);
}

static bool
read_polled(struct session *session, const struct answer *answer, message_fn *on_message, void *arg)
{
	if (answer->status != 200 || !find_string(answer, "\"cursor\":\"", session->cursor, sizeof(session->cursor)))
		return false;
	messages_scan(answer->body, answer->body_len, on_message, arg);
	return memmem(answer->body, answer->body_len, "\"gaps\":", 7) == NULL;
}

static void
write_send(struct request *req, const struct session *from, const char *to, bool room, const char *data)
{
	static char body[70 << 10];
	char seq[48] = "";

	if (wire.seq)
		snprintf(seq, sizeof(seq), "\"seq\":%llu,", (unsigned long long)from->seq);
	if (snprintf(body, sizeof(body), "{%s\"ops\":[{\"op\":\"send\",\"%s\":\"%s\",\"event\":\"m\",\"data\":%s}]}", seq,
	    room ? "room" : "to", to, data) >= (int)sizeof(body))
		die("a body above %zu bytes", sizeof(body));
	request_write(req, "POST", "", body, "/v1/send?token=%s", from->token);
}

static bool
read_sent(struct session *from, const struct answer *answer)
{
	if (answer->status != 200)
		return false; /* It may be repeated, and has the same number then. */
	from->seq++;
	return memmem(answer->body, answer->body_len, "\"error\"", 7) == NULL;
}

const struct peer peer_pollgate = {
	.name = "pollgate",
	.open = write_open,
	.opened = read_opened,
	.poll = write_poll,
	.polled = read_polled,
	.send = write_send,
	.sent = read_sent,
};
