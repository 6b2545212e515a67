/*
 * A WebSocket on a connection that libcurl makes (proxies, TLS), with wslay for the frames.  libcurl's own WebSockets are not in
 * Debian 12's.
 */
#ifndef POLLCAT_WS_H
#define POLLCAT_WS_H

#include <stddef.h>

#include "pollcat/http.h"

struct ws;

struct ws_events {
	void (*opened)(void *arg);
	void (*text)(void *arg, const char *text, size_t len);
	/*
	 * The end, and the last call: code is that of the gateway's close frame, 0 if there was none.  Then answer says why: what the
	 * request for a socket was answered, or (status 0) that the connection broke.
	 */
	void (*closed)(void *arg, unsigned code, const struct http_answer *answer);
};

/* Ask for a socket at path (with a query, if any).  Lends http, events and arg. */
struct ws *ws_open(struct http *http, const char *path, const char *token, const struct ws_events *events, void *arg);
/* Once it is open. */
void ws_send(struct ws *ws, const char *text, size_t len);
/* Also from within an event; nothing is called any more.  NULL does nothing. */
void ws_free(struct ws *ws);

#endif
