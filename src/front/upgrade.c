/* Requests for a WebSocket, whichever protocol it is for. */
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"
#include "net/ws.h"

bool
upgrade_check(struct front *front, struct http_request *req)
{
	enum ws_handshake handshake = ws_check_handshake(req);

	if (front->parts.options->no_websocket) {
		problem_reply(req, 404, "transport_disabled", "This gateway does not offer WebSockets.");
		return false;
	}
	if (handshake == WS_HANDSHAKE_GOOD)
		return true;
	if (handshake == WS_HANDSHAKE_BAD) {
		problem_reply(req, 400, "bad_request", "The WebSocket handshake is not one of RFC 6455.");
		return false;
	}
	http_set_header(req, "Upgrade", "websocket");
	http_set_header(req, "Connection", "Upgrade");
	http_set_header(req, "Sec-WebSocket-Version", "13");
	problem_reply(req, 426, "upgrade_required", handshake == WS_HANDSHAKE_VERSION
		? "Only version 13 of the WebSocket protocol is spoken here."
		: "This path is for WebSockets. If one was asked for, something on the way took the Upgrade header out.");
	return false;
}
