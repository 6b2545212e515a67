/* What the files of the WebSocket server share, and what http_conn.c calls of them. */
#ifndef NET_WS_PRIVATE_H
#define NET_WS_PRIVATE_H

#include <stdint.h>

struct buf;
struct http_request;
struct http_server;
struct ws;

/* ---- ws_handshake.c ---- */

/* The head of the answer to a handshake that is good and was kept. */
void ws_write_handshake(struct buf *b, const struct http_request *req, const char *subprotocol);

/* ---- ws.c ---- */

/* Something has arrived; the output is empty.  Either may end the connection. */
void ws_on_read(struct ws *);
void ws_on_write(struct ws *);
/* The connection is being freed. */
void ws_on_closed(struct ws *);
/* Ping who is due, cut who did not answer. */
void ws_sweep(struct http_server *server, int64_t now);

#endif
