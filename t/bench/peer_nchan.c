/*
 * nginx with nchan, configured by t/bench/run: /pub/NAME publishes, /sub/NAME is a long-poll (how long is said there), /now/NAME
 * a poll that does not wait.  A mailbox and a room are both a channel.  The reader's place goes to and fro as Last-Modified and
 * Etag, If-Modified-Since and If-None-Match, as its documentation asks, so that no message is missed.
 */
#include "peer.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"

static void
write_poll(struct request *req, const struct session *session, const char *room)
{
	const char *location = wire.hold_ms == 0 ? "now" : "sub";

	request_write(req, "GET", session->cursor, NULL, "/%s/%s", location, room ? room : session->id);
}

static bool
read_polled(struct session *session, const struct answer *answer, message_fn *on_message, void *arg)
{
	size_t modified_len, etag_len;
	const char *modified, *etag;

	if (answer->status == 304 || answer->status == 408)
		return true;
	modified = answer_header(answer, "Last-Modified", &modified_len);
	etag = answer_header(answer, "Etag", &etag_len);
	if (answer->status != 200 || modified == NULL || etag == NULL)
		return false;
	snprintf(session->cursor, sizeof(session->cursor), "If-Modified-Since: %.*s\r\nIf-None-Match: %.*s\r\n", (int)modified_len,
	    modified, (int)etag_len, etag);
	messages_scan(answer->body, answer->body_len, on_message, arg);
	return true;
}

static void
write_send(struct request *req, const struct session *from, const char *to, bool room, const char *body)
{
	(void)from, (void)room;
	request_write(req, "POST", "", body, "/pub/%s", to);
}

static bool
read_sent(struct session *from, const struct answer *answer)
{
	(void)from;
	return answer->status == 201 || answer->status == 202;
}

const struct peer peer_nchan = {
	.name = "nchan",
	.poll = write_poll,
	.polled = read_polled,
	.send = write_send,
	.sent = read_sent,
};
