/*
 * One connection to a Redis, made again for as long as it takes.  It knows commands and replies, and nothing of what they mean.
 *
 * Commands wait while there is no connection, go out in one write for each turn of the loop, and are answered in order.  A
 * reply that is late ends the connection: a stopped Redis or a network that swallows everything is not noticed otherwise.
 *
 * hiredis parses the replies (its stable half); its asynchronous half aborts on pushes it does not know and has no time limits.
 * SIGPIPE must be ignored by the program.
 */
#ifndef NET_REDIS_H
#define NET_REDIS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/redis_command.h"
#include "net/redis_url.h"

struct event_base;
struct redis;
struct redisReply;

struct redis_options {
	const struct redis_address *address; /* Lent. */
	const char *name;                    /* Copied; for CLIENT LIST. */
	int64_t timeout_ms;                  /* For connecting, for each reply and of silence. */
};

struct redis_events {
	void (*on_up)(void *arg);                    /* Connected and logged in. */
	void (*on_down)(void *arg, const char *why); /* Lost, or could not connect; tried again by and by. */
	/* A message or a confirmation of (un)subscribing.  NULL for a connection that does not subscribe. */
	void (*on_push)(void *arg, const struct redisReply *push);
};

/* Takes nothing, lends events and arg for the connection's life.  Connects from the loop; events come from the loop only. */
struct redis *redis_new(struct event_base *base, const struct redis_options *options, const struct redis_events *events,
    void *arg);

bool redis_is_up(const struct redis *);

/* The reply, lent; NULL when none will come: the command may or may not have taken effect (not: if it never went out). */
typedef void redis_reply_fn(void *arg, const struct redisReply *reply);

/*
 * Send a command, or keep it until there is a connection, and call back exactly once, never before this returns, at the
 * latest a little after deadline (clock_mono_ms).  Lends command until then.
 */
void redis_send(struct redis *, struct redis_command *command, int64_t deadline, redis_reply_fn *, void *arg);

/* Send a command that is answered by pushes only, as SUBSCRIBE is.  Does nothing without a connection. */
void redis_tell(struct redis *, struct redis_command *command);

/* End this connection and make another. */
void redis_drop(struct redis *, const char *why);

/* Calls back with NULL what is not answered yet (and nothing may be sent from there). */
void redis_free(struct redis *);

#endif
