/*
 * One keep-alive HTTP/1.1 client connection with one request at a time.
 *
 * Made for a generator that must cost less than what it measures: a request is one send(2), an answer usually one recv(2) into a
 * buffer that all connections share, and the event that waits for answers stays registered, so there is no epoll_ctl(2) for each.
 */
#ifndef BENCH_CONN_H
#define BENCH_CONN_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct conn;

struct url { /* http://host:port, host a numeric IPv4 address */
	char host[64]; /* as in the Host header */
	char address[16];
	int port;
};
bool url_parse(struct url *, const char *text);

/* A socket that is being connected to it; dies if there is none. */
int conn_socket(const struct url *);

struct answer { /* Lent to the callback. */
	int status; /* 0: the connection failed, and there is nothing else here. */
	const char *head;
	size_t head_len;
	const char *body; /* NUL-terminated */
	size_t body_len;
};
/* The value of a header, or NULL. */
const char *answer_header(const struct answer *, const char *name, size_t *len);

typedef void answer_fn(void *arg, const struct answer *);

/* Connects with the first request.  Lends url. */
struct conn *conn_new(struct event_base *, const struct url *);
bool conn_busy(const struct conn *);
/* Sends a complete request, which is copied if need be; a connection that was closed is made anew.  Not while busy. */
void conn_request(struct conn *, const char *request, size_t len, answer_fn *, void *arg);
/* Resets the connection; no callback.  NULL does nothing. */
void conn_free(struct conn *);

#endif
