/*
 * A connection that stays and on which messages are pushed: an HTTP answer without an end, or a WebSocket.  It knows the head of
 * the answer and no more: what comes behind it is the peer's to read.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stddef.h>
#include <sys/types.h>

struct event_base;
struct stream;
struct url;

struct stream_handler {
	/* Take what there is behind the head; returns how many bytes were whole, -1 if it is not what it should be. */
	ssize_t (*read)(void *arg, char *data, size_t len);
	/* It ended, or the answer was not of this status: the last call. */
	void (*ended)(void *arg);
};

/* Connect, send request, and expect an answer of this status.  Lends url, handler and arg. */
struct stream *stream_new(struct event_base *, const struct url *, const char *request, size_t len, int status,
    const struct stream_handler *, void *arg);
/* Also before the answer has begun. */
void stream_write(struct stream *, const char *data, size_t len);
/* Resets the connection; no callback.  NULL does nothing. */
void stream_free(struct stream *);

#endif
