/*
 * A connection to Redis as its two files see it: redis.c, and redis_connect.c which makes it.
 */
#ifndef NET_REDIS_PRIVATE_H
#define NET_REDIS_PRIVATE_H

#include <event2/util.h>
#include <hiredis/hiredis.h>

#include "net/redis.h"

struct bufferevent;
struct evbuffer;
struct evdns_base;
struct event;

/* What is sent when a connection is made, in this order. */
enum greeting { GREETING_AUTH, GREETING_SELECT, GREETING_NAME, GREETING_PING };
#define GREETINGS 4

enum state {
	STATE_DOWN,       /* The timer will connect. */
	STATE_CONNECTING, /* In these two the timer ends an attempt that takes too long. */
	STATE_GREETING,
	STATE_UP,
	STATE_SUSPECT /* We were frozen: a ping finds out whether the connection still lives; new commands wait for that. */
};

struct slot {
	struct redis_command *command; /* Lent, as long as it waits. */
	redis_reply_fn *fn;            /* NULL: timed out while waiting, skip it. */
	void *arg;
	int64_t deadline;
};

struct redis {
	struct event_base *base;
	const struct redis_address *address;
	char *name;
	int64_t timeout_ms;
	const struct redis_events *events;
	void *arg;

	enum state state;
	struct bufferevent *bev; /* Connects, and writes what the kernel does not take at once. */
	struct event *readable;
	struct evdns_base *dns; /* Of the attempt under way, when the host is a name. */
	redisReader *reader;
	struct evbuffer *out; /* Written by on_flush, at the end of this turn of the loop. */
	struct event *flush;
	struct event *timer;
	struct event *tick; /* Looks for what is late. */
	bool flushing;
	int64_t retry_ms;
	bool useful; /* This connection brought something. */
	enum greeting greetings[GREETINGS];
	int greetings_sent, greetings_answered;

	/* A ring: [head, sent) is out and not answered, [sent, tail) waits. */
	struct slot *slots;
	uint64_t room, head, sent, tail;

	int64_t heard;         /* When something was last read. */
	int64_t suspect_until; /* In STATE_SUSPECT. */
	int64_t seen_mono, seen_wall; /* When this loop was last known to turn. */
	struct redis_command ping;
	struct redis_command greeting;

	int entered; /* Depth of callbacks: one may free the connection, which then lives until they have returned. */
	bool freed;
};

/* Around all that calls back. */
void redis_enter(struct redis *);
void redis_leave(struct redis *);

void redis_set_timer(struct redis *, int64_t ms);
void redis_put(struct redis *, struct redis_command *command); /* Write it at the end of this turn. */
void redis_on_readable(evutil_socket_t fd, short what, void *redis);
void redis_come_up(struct redis *);
void redis_lose(struct redis *, const char *why); /* End this connection, or attempt; the timer will make another. */

/* ---- redis_connect.c ---- */

void redis_connect(struct redis *);
void redis_on_greeting(struct redis *, const redisReply *reply);

#endif
