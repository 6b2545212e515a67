/*
 * HTTP requests on libcurl's multi interface, and the loop that waits for them and for some descriptors.
 */
#ifndef POLLCAT_HTTP_H
#define POLLCAT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "pollcat/gateway.h"

struct http;
struct http_call;

struct http_ask {
	const char *method; /* GET, POST or DELETE. */
	const char *path;   /* With a query, if any. */
	const char *token;  /* Of a session; NULL: none. */
	const char *const *headers; /* More lines of the head, NULL behind the last one; NULL: none. */
	const char *body;   /* Of a POST; copied. */
	size_t len;
	int64_t limit_ms;   /* 0: none. */
	/* NULL, or takes the body of a 200 piece by piece; the answer has none of it then. */
	void (*piece)(void *arg, const char *p, size_t len);
	/*
	 * NULL, or: ask for nothing.  Runs when there is a connection to the gateway, through proxies and TLS, by HTTP/1.1; from then
	 * on http_write sends bytes and piece takes those that come.  The answer tells of the end, with status 0.
	 */
	void (*connected)(void *arg);
};

struct http_answer {
	int status;         /* 0: there was no complete answer; `body` says why then, a text. */
	const char *body;   /* NUL-terminated. */
	size_t len;
	int64_t retry_after_ms; /* 0: not said. */
	bool hopeless;      /* Status 0 for a reason that no repeat will change, such as a certificate. */
};

/* The gateway is lent for as long as the http lives, an ask only until the call returns. */
struct http *http_new(const struct gateway *gateway);
void http_free(struct http *http);

typedef void http_answered(void *arg, const struct http_answer *answer);

/* The call is answered once, from http_turn; it is no more when the callback begins.  A piece may cancel it. */
struct http_call *http_start(struct http *http, const struct http_ask *ask, http_answered *answered, void *arg);
void http_cancel(struct http_call *call); /* NULL does nothing. */

/* On a connection; bytes are copied and sent as the network takes them. */
void http_write(struct http_call *call, const void *p, size_t len);

/* What a request must have that is made by hand: its target on the host, and all lines of its head, with an empty one at the end. */
void http_write_head(const struct http *http, struct buf *b, const char *path, const char *token, const char *more);

struct http_fd {
	int fd;
	bool input; /* Wait for input; else only for an error, as of a pipe that nobody reads. */
};

/* Wait for at most ms until something comes, from the network or one of the n descriptors, then call back. */
void http_turn(struct http *http, const struct http_fd *fds, size_t n, int64_t ms);

/* Whether such an answer may be different next time: none, 408, 425, 429, 5xx. */
bool http_may_repeat(const struct http_answer *answer);

#endif
