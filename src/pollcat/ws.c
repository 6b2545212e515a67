#include "pollcat/ws.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "pollcat/report.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_BYTES = 16, HEAD_MAX = 65536, MESSAGE_MAX = 96 << 20, BODY_MAX = 65536 };

struct ws {
	struct http *http; /* Lent. */
	struct http_call *call;
	const struct ws_events *events;
	void *arg;
	struct buf request, key, in;
	size_t read; /* Of in. */
	wslay_event_context_ptr frames; /* NULL until it is open. */
	bool refused;                   /* Its answer's body is still to come. */
	unsigned code;
	bool busy, freed; /* In an event; ws_free was called there. */
};

/* ---- The handshake: RFC 6455, section 4 ---- */

/* The value of a header; "" if it is not there.  head ends behind its last line. */
static struct buf
header_of(const char *head, const char *name)
{
	struct buf value = BUF_EMPTY;
	size_t len = strlen(name);
	const char *line = head;

	buf_adds(&value, "");
	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1 + strspn(line + len + 1, " \t");
		buf_add(&value, line, strcspn(line, "\r"));
		break;
	}
	return value;
}

static bool
is_accepted(const struct ws *ws, const char *head)
{
	struct buf text = BUF_EMPTY, proof = BUF_EMPTY, accept = header_of(head, "Sec-WebSocket-Accept");
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool good;

	buf_addf(&text, "%s" GUID, ws->key.data);
	good = EVP_Digest(text.data, text.len, hash, &len, EVP_sha1(), NULL);
	base64_write(&proof, hash, len);
	good = good && accept.data && strcmp(accept.data, proof.data) == 0;
	buf_free(&text);
	buf_free(&proof);
	buf_free(&accept);
	return good;
}

static void
write_request(struct ws *ws, const char *path, const char *token)
{
	unsigned char bytes[KEY_BYTES];
	struct buf more = BUF_EMPTY;

	if (RAND_bytes(bytes, sizeof bytes) != 1) {
		report("there is no randomness for a WebSocket");
		exit(STATUS_FAILED);
	}
	base64_write(&ws->key, bytes, sizeof bytes);
	buf_addf(&more, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Protocol: pollgate.v1\r\nSec-WebSocket-Key: %s\r\n", ws->key.data);
	http_write_head(ws->http, &ws->request, path, token, more.data);
	buf_free(&more);
}

/* ---- Frames ---- */

static ssize_t
on_recv(wslay_event_context_ptr frames, uint8_t *p, size_t len, int flags, void *arg)
{
	struct ws *ws = arg;
	size_t n = ws->in.len - ws->read < len ? ws->in.len - ws->read : len;

	(void)flags;
	if (n == 0) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(p, ws->in.data + ws->read, n);
	ws->read += n;
	return (ssize_t)n;
}

static ssize_t
on_send(wslay_event_context_ptr frames, const uint8_t *p, size_t len, int flags, void *arg)
{
	struct ws *ws = arg;

	(void)frames;
	(void)flags;
	http_write(ws->call, p, len);
	return (ssize_t)len;
}

static int
on_mask(wslay_event_context_ptr frames, uint8_t *p, size_t len, void *arg)
{
	(void)frames;
	(void)arg;
	return RAND_bytes(p, (int)len) == 1 ? 0 : -1;
}

static void
on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct ws *ws = arg;

	(void)frames;
	if (message->opcode == WSLAY_CONNECTION_CLOSE)
		ws->code = message->status_code ? message->status_code : 1005;
	else if (message->opcode == WSLAY_TEXT_FRAME && !ws->freed && !ws->code)
		ws->events->text(ws->arg, (const char *)message->msg, message->msg_length);
}

static void
begin_frames(struct ws *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_msg_recv_callback = on_message,
	};

	if (wslay_event_context_client_init(&ws->frames, &callbacks, ws) != 0) {
		report("out of memory for a WebSocket");
		exit(STATUS_FAILED);
	}
	wslay_event_config_set_max_recv_msg_length(ws->frames, MESSAGE_MAX);
}

void
ws_send(struct ws *ws, const char *text, size_t len)
{
	struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)text, len};

	if (wslay_event_queue_msg(ws->frames, &message) == 0)
		wslay_event_send(ws->frames);
}

/* ---- The end ---- */

static void
destroy(struct ws *ws)
{
	if (ws->frames)
		wslay_event_context_free(ws->frames);
	http_cancel(ws->call);
	buf_free(&ws->request);
	buf_free(&ws->key);
	buf_free(&ws->in);
	free(ws);
}

void
ws_free(struct ws *ws)
{
	if (!ws)
		return;
	ws->freed = true;
	if (!ws->busy)
		destroy(ws);
}

/* An event is over, in which ws may have been freed. */
static bool
is_freed(struct ws *ws)
{
	bool freed = ws->freed;

	ws->busy = false;
	if (freed)
		destroy(ws);
	return freed;
}

static void
end(struct ws *ws, const struct http_answer *answer)
{
	ws->busy = true;
	ws->events->closed(ws->arg, ws->code, answer);
	destroy(ws);
}

static void
end_with(struct ws *ws, int status, const char *text)
{
	end(ws, &(struct http_answer){.status = status, .body = text, .len = strlen(text)});
}

/* ---- What comes ---- */

/* False: it has ended. */
static bool
read_frames(struct ws *ws)
{
	int wrong;

	ws->busy = true;
	wrong = wslay_event_recv(ws->frames);
	if (!ws->freed)
		wslay_event_send(ws->frames); /* Pongs, and the other half of a closing handshake. */
	if (is_freed(ws))
		return false;
	if (ws->code || wrong) {
		end_with(ws, 0, wrong ? "the WebSocket has something else than frames" : "the gateway has closed the WebSocket");
		return false;
	}
	return true;
}

/* What something else than a socket was answered with, as far as its length is told. */
static void
read_refusal(struct ws *ws, int status)
{
	const char *body = strstr(ws->in.data, "\r\n\r\n") + 4;
	struct buf length = header_of(ws->in.data, "Content-Length");
	size_t wanted = strtoul(length.data, NULL, 10), have = ws->in.len - (size_t)(body - ws->in.data);

	buf_free(&length);
	ws->refused = true;
	if (have >= wanted || have > BODY_MAX)
		end_with(ws, status, body);
}

static bool
read_head(struct ws *ws)
{
	const char *end_of_head = ws->in.data ? strstr(ws->in.data, "\r\n\r\n") : NULL;
	int status;

	if (!end_of_head) {
		if (ws->in.len > HEAD_MAX)
			end_with(ws, 0, "the answer has no end of its head");
		return false;
	}
	status = ws->in.len > 12 && memcmp(ws->in.data, "HTTP/1.", 7) == 0 ? atoi(ws->in.data + 9) : 0;
	if (status != 101) {
		read_refusal(ws, status);
		return false;
	}
	if (!is_accepted(ws, ws->in.data)) {
		end_with(ws, 0, "something on the way answers in place of the gateway");
		return false;
	}
	ws->read = (size_t)(end_of_head - ws->in.data) + 4;
	begin_frames(ws);
	ws->busy = true;
	ws->events->opened(ws->arg);
	return !is_freed(ws);
}

/* ---- What the connection calls ---- */

static void
on_connected(void *arg)
{
	struct ws *ws = arg;

	http_write(ws->call, ws->request.data, ws->request.len);
}

static void
drop_read(struct ws *ws)
{
	struct buf rest = BUF_EMPTY;

	buf_add(&rest, ws->in.data + ws->read, ws->in.len - ws->read);
	buf_free(&ws->in);
	ws->in = rest;
	ws->read = 0;
}

static void
on_piece(void *arg, const char *p, size_t len)
{
	struct ws *ws = arg;

	buf_add(&ws->in, p, len);
	if ((ws->frames || read_head(ws)) && read_frames(ws))
		drop_read(ws);
}

static void
on_ended(void *arg, const struct http_answer *answer)
{
	struct ws *ws = arg;

	ws->call = NULL;
	if (ws->refused)
		end_with(ws, atoi(ws->in.data + 9), strstr(ws->in.data, "\r\n\r\n") + 4);
	else
		end(ws, answer);
}

struct ws *
ws_open(struct http *http, const char *path, const char *token, const struct ws_events *events, void *arg)
{
	struct ws *ws = mem_zero(1, sizeof *ws);
	struct http_ask ask = {.method = "GET", .path = path, .piece = on_piece, .connected = on_connected};

	*ws = (struct ws){.http = http, .events = events, .arg = arg};
	write_request(ws, path, token);
	ws->call = http_start(http, &ask, on_ended, ws);
	return ws;
}
