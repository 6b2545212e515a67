/*
 * For the tests of the HTTP server: a server with a small handler, and clients that are raw sockets, all in one process and on
 * one loop, which turns while a client waits.
 */
#ifndef T_NET_HTTP_KIT_H
#define T_NET_HTTP_KIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/http.h"

struct kit_client {
	int fd;
	struct buf in; /* All that came, less what kit_answer took. */
	bool ended;    /* The server has closed its side... */
	bool reset;    /* ...by a reset. */
};

extern struct event_base *kit_base;
extern struct http_server *kit_server;
extern struct http_request *kit_parked[64]; /* By /park. */
extern struct http_request *kit_held[64];   /* By /hold: neither parked nor answered. */
extern int kit_parks, kit_holds, kit_gone, kit_drained, kit_requests;
extern char kit_peer[64];

/* The limits of the tests unless changed: short texts, long times. */
struct http_config kit_config(void);
void kit_start(const struct http_config *config);
void kit_drain(void);
/* End the server; true if nothing is left of its connections. */
bool kit_stop(void);

/* Turn the loop once, and let the client read. */
void kit_turn(struct kit_client *c);
/* Turn the loop until the condition holds, for at most ten seconds; false if it never does. */
#define KIT_WAIT(c, condition) ({ \
	int64_t kit_end = kit_now() + 10000; \
	while (!(condition) && kit_now() < kit_end) \
		kit_turn(c); \
	(condition); \
})
long long kit_now(void);

void kit_connect(struct kit_client *c);
bool kit_try_connect(struct kit_client *c);
void kit_send(struct kit_client *c, const void *p, size_t len);
void kit_sends(struct kit_client *c, const char *s);
/* The next answer of at least its head and Content-Length, "" if none comes; valid until the next call. */
const char *kit_answer(struct kit_client *c, bool has_body);
int kit_status(const char *answer);
bool kit_has(struct kit_client *c, const char *text);
bool kit_ends(struct kit_client *c);
/* Nothing comes and nothing ends for a few turns of the loop. */
bool kit_is_quiet(struct kit_client *c);
void kit_close(struct kit_client *c);
void kit_reset(struct kit_client *c);
/* From now on nothing reaches the client, nor does it say so: a phone without a network. */
void kit_vanish(struct kit_client *c);

#endif
