/*
 * Engine.IO, protocol revision 4, by polling and on WebSockets: /engine.io/; and Socket.IO on it.  Here is what is said of a
 * request before its session is looked at, and the handshake; the statuses and bodies are those of the reference.
 */
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/token.h"
#include "core/session.h"
#include "front/engineio_call.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"
#include "net/ws.h"
#include "store/store.h"

/* ---- The handshake ---- */

struct opening {
	struct engineio_call call; /* First. */
	bool is_socket;
};

void
engineio_write_handshake(struct buf *payload, const struct front *front, const char *sid, bool upgrades)
{
	const struct options *o = front->parts.options;
	struct engineio_handshake handshake = {.sid = sid, .websocket = upgrades && !o->no_websocket,
	    .ping_interval_ms = o->ping_interval_ms, .ping_timeout_ms = o->ping_timeout_ms, .max_payload = front->max_payload};

	engineio_write_open(payload, &handshake);
}

static void
tell_open(struct engineio_call *call)
{
	struct opening *opening = (struct opening *)call;
	struct buf payload = BUF_EMPTY;

	if (opening->is_socket) {
		engineio_ws_open(call, call->sid);
		return;
	}
	engineio_write_handshake(&payload, call->front, call->sid, true);
	engineio_call_reply(call, 200, ENGINEIO_PAYLOAD_TYPE, &payload);
	buf_free(&payload);
}

static void
on_opened(void *arg, const struct store_opened *opened)
{
	struct engineio_call *call = arg;
	const struct front_parts *parts = &call->front->parts;
	/* Who may read is judged where it connects to a namespace. */
	static const char grants[] = "{\"until\":0}";
	static const struct client_op grant = {.kind = CLIENT_GRANT, .data = {grants, sizeof grants - 1}};

	if (opened->status == STORE_FULL) {
		metric_add(SESSIONS_REFUSED, 1);
		if (call->req)
			problem_reply(call->req, 503, "too_many_sessions", "The gateway holds as many sessions as it may.");
		engineio_call_free(call);
		return;
	}
	if (opened->status != STORE_OK) {
		engineio_call_refuse_unavailable(call);
		return;
	}
	metric_add(SESSIONS_OPENED, 1);
	metric_add(ENGINEIO_OPENED, 1);
	call->state = (struct engine_state){.before = opened->position, .after = opened->position,
	    .ping_at = store_now(parts->store) + parts->options->ping_interval_ms, .websocket = ((struct opening *)call)->is_socket,
	    .is_socketio = call->is_socketio};
	if (call->is_socketio)
		call->state.connect_by = store_now(parts->store) + parts->options->connect_timeout_ms;
	engineio_call_swap(call, &grant, call->front->has_grants);
}

/* Nobody else knows the sid. */
static void
on_impossible(struct engineio_call *call)
{
	engineio_call_refuse_unavailable(call);
}

static void
open_session(struct front *front, struct http_request *req, bool is_socketio, bool is_socket)
{
	static const struct engineio_kind kind = {on_impossible, tell_open, on_impossible, engineio_call_refuse_unavailable, NULL};
	struct engineio_client client = {.is_socketio = is_socketio, .is_arriving = is_socket};
	struct opening *opening;

	if (!front_has_room(front, req))
		return;
	if (!token_new(client.sid) || !token_session(&client.id, client.sid)) {
		problem_reply(req, 503, "overloaded", "There is no randomness for a session.");
		return;
	}
	if (is_socket)
		ws_keep_handshake(req);
	opening = engineio_call_new(front, req, &kind, sizeof *opening, &client);
	opening->is_socket = is_socket;
	store_open(front->parts.store, &client.id, "", 0, NULL, on_opened, &opening->call);
}

/* ---- Requests that are none ---- */

static void
refuse_method(struct engineio_call *call)
{
	engineio_call_reply(call, 500, NULL, NULL);
}

static void
refuse_unknown(struct engineio_call *call)
{
	engineio_call_refuse(call, ENGINEIO_UNKNOWN_SID);
}

/* Of a session, which decides which of two errors it is. */
static void
refuse_request(struct front *front, struct http_request *req, const struct engineio_client *client)
{
	static const struct engineio_kind kind = {refuse_method, NULL, refuse_unknown, engineio_call_refuse_unavailable, NULL};
	struct engineio_call *call = engineio_call_new(front, req, &kind, sizeof *call, client);

	engineio_call_look(call);
}

/* ---- Requests ---- */

static bool
is_query(struct http_request *req, const char *name, const char *wanted)
{
	const char *value = http_query(req, name);

	return value && strcmp(value, wanted) == 0;
}

static bool
is_too_large(const struct front *front, const struct http_request *req)
{
	size_t len;

	if (http_is_too_large(req))
		return true;
	http_body(req, &len);
	return len > front->max_payload;
}

static bool
take_sid(struct engineio_client *client, const char *sid)
{
	if (!token_session(&client->id, sid))
		return false;
	memcpy(client->sid, sid, sizeof client->sid);
	return true;
}

static void
answer_session(struct front *front, struct http_request *req, const char *sid, bool is_socketio)
{
	struct engineio_client client = {.is_socketio = is_socketio};

	if (!take_sid(&client, sid))
		engineio_refuse(req, ENGINEIO_UNKNOWN_SID);
	else if (http_method(req) == HTTP_GET)
		engineio_poll(front, req, &client);
	else if (http_method(req) != HTTP_POST)
		refuse_request(front, req, &client);
	else if (is_too_large(front, req))
		http_reply(req, 413, NULL, NULL, 0);
	else
		engineio_post(front, req, &client);
}

/* Without an Upgrade, which is looked at after the session. */
static void
refuse_mismatch(struct engineio_call *call)
{
	engineio_call_refuse(call, ENGINEIO_BAD_REQUEST);
}

static void
answer_plain(struct front *front, struct http_request *req, const char *sid, bool is_socketio)
{
	static const struct engineio_kind kind = {refuse_mismatch, NULL, refuse_unknown, engineio_call_refuse_unavailable, NULL};
	struct engineio_client client = {.is_socketio = is_socketio};

	if (!sid)
		engineio_refuse(req, http_method(req) == HTTP_GET ? ENGINEIO_BAD_REQUEST : ENGINEIO_BAD_METHOD);
	else if (!take_sid(&client, sid))
		engineio_refuse(req, ENGINEIO_UNKNOWN_SID);
	else
		engineio_call_look(engineio_call_new(front, req, &kind, sizeof(struct engineio_call), &client));
}

static void
answer_socket(struct front *front, struct http_request *req, const char *sid, bool is_socketio)
{
	enum ws_handshake handshake = ws_check_handshake(req);
	struct engineio_client client = {.is_socketio = is_socketio};

	if (handshake == WS_HANDSHAKE_NONE)
		answer_plain(front, req, sid, is_socketio);
	else if (sid && !take_sid(&client, sid))
		engineio_abort(req, ENGINEIO_UNKNOWN_SID);
	else if (handshake != WS_HANDSHAKE_GOOD)
		engineio_abort(req, ENGINEIO_BAD_REQUEST);
	else if (sid)
		engineio_upgrade(front, req, &client);
	else if (!is_query(req, "EIO", "4"))
		engineio_abort(req, ENGINEIO_BAD_VERSION);
	else
		open_session(front, req, is_socketio, true);
}

static void
answer(struct front *front, struct http_request *req, bool is_socketio)
{
	const char *sid = http_query(req, "sid");

	if (is_query(req, "transport", "websocket") && !front->parts.options->no_websocket)
		answer_socket(front, req, sid, is_socketio);
	else if (!is_query(req, "transport", "polling"))
		engineio_refuse(req, ENGINEIO_UNKNOWN_TRANSPORT);
	else if (sid)
		answer_session(front, req, sid, is_socketio);
	else if (http_method(req) != HTTP_GET)
		engineio_refuse(req, ENGINEIO_BAD_METHOD);
	else if (!is_query(req, "EIO", "4"))
		engineio_refuse(req, ENGINEIO_BAD_VERSION);
	else
		open_session(front, req, is_socketio, false);
}

/* ---- The client that pages load from here ---- */

static bool
is_client_file(const char *name)
{
	static const char *const names[] = {"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(name, names[i], len) == 0 && (name[len] == '\0' || strcmp(name + len, ".map") == 0))
			return true;
	}
	return false;
}

static void
send_client_file(struct front *front, struct http_request *req, const char *name)
{
	if (!static_send(req, front->socketio_client, name))
		problem_reply(req, 404, "not_found", "The client's files are not here: see --socketio-client. Load them from somewhere else.");
}

void
engineio_answer(struct front *front, struct http_request *req, const char *part)
{
	(void)part;
	answer(front, req, false);
}

void
socketio_answer(struct front *front, struct http_request *req, const char *part)
{
	const char *file = http_path(req) + strlen(front->parts.options->socketio_path);

	(void)part;
	if (is_client_file(file) && (http_method(req) == HTTP_GET || http_method(req) == HTTP_HEAD))
		send_client_file(front, req, file);
	else
		answer(front, req, true);
}
