#include "bare.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

#define COMMANDS 3

struct bare {
	redisContext *commands, *subscription, *look;       /* Owned. */
	redisReader *reader;                                /* Owned.  Of the subscription. */
	struct event *on_commands, *on_subscription, *on_look; /* Owned. */
	char *pipeline;                                     /* Owned.  Its last command is the one to look with. */
	size_t pipeline_len, look_at;
	struct samples *heard_us, *looked_us; /* Lent. */
	int64_t sent_ns;                      /* 0: none under way. */
};

static double
since_us(const struct bare *b)
{
	return (double)(now_ns() - b->sent_ns) / 1e3;
}

static void
write_all(redisContext *redis, const char *data, size_t len)
{
	if (send(redis->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("cannot write to Redis: %s", strerror(errno));
}

static ssize_t
read_some(evutil_socket_t fd, char *text, size_t size)
{
	ssize_t len = recv(fd, text, size, 0);

	if (len <= 0)
		die("Redis closed the connection");
	return len;
}

static void
on_replied(evutil_socket_t fd, short what, void *arg)
{
	char text[4096];

	(void)what, (void)arg;
	read_some(fd, text, sizeof(text));
}

/* The answer, two nils, comes in one piece. */
static void
on_looked(evutil_socket_t fd, short what, void *arg)
{
	struct bare *b = arg;
	char text[4096];

	(void)what;
	read_some(fd, text, sizeof(text));
	samples_add(b->looked_us, since_us(b));
	b->sent_ns = 0;
}

static void
on_heard(evutil_socket_t fd, short what, void *arg)
{
	struct bare *b = arg;
	char text[8192];
	redisReply *reply;

	(void)what;
	redisReaderFeed(b->reader, text, (size_t)read_some(fd, text, sizeof(text)));
	while (redisReaderGetReply(b->reader, (void **)&reply) == REDIS_OK && reply) {
		samples_add(b->heard_us, since_us(b));
		write_all(b->look, b->pipeline + b->look_at, b->pipeline_len - b->look_at);
		freeReplyObject(reply);
	}
}

void
bare_trip(struct bare *b)
{
	if (b->sent_ns)
		return;
	b->sent_ns = now_ns();
	write_all(b->commands, b->pipeline, b->pipeline_len);
}

static void
write_pipeline(struct bare *b, size_t payload)
{
	char *data = alloc_zeroed(1, payload + 1), *commands[COMMANDS];
	int lens[COMMANDS];

	memset(data, 'x', payload);
	lens[0] = redisFormatCommand(&commands[0], "XADD bare:m MAXLEN ~ 100 * p 1763783427123-0 d %s", data);
	lens[1] = redisFormatCommand(&commands[1], "PUBLISH bare:c %s", data);
	lens[2] = redisFormatCommand(&commands[2], "HMGET bare:h l u");
	b->pipeline = alloc_zeroed(1, (size_t)(lens[0] + lens[1] + lens[2]));
	for (int i = 0; i < COMMANDS; i++) {
		b->look_at = b->pipeline_len;
		memcpy(b->pipeline + b->pipeline_len, commands[i], (size_t)lens[i]);
		b->pipeline_len += (size_t)lens[i];
		free(commands[i]);
	}
	free(data);
}

static redisContext *
connect_to(const char *address, int port)
{
	redisContext *redis = redisConnect(address, port);

	if (redis == NULL || redis->err)
		die("no Redis at %s:%d", address, port);
	return redis;
}

static struct event *
watch(struct bare *b, struct event_base *base, redisContext *redis, event_callback_fn on_readable)
{
	struct event *event = event_new(base, redis->fd, EV_READ | EV_PERSIST, on_readable, b);

	event_add(event, NULL);
	return event;
}

struct bare *
bare_new(struct event_base *base, const char *address, int port, size_t payload, struct samples *heard_us,
    struct samples *looked_us)
{
	struct bare *b = alloc_zeroed(1, sizeof(*b));

	b->heard_us = heard_us;
	b->looked_us = looked_us;
	b->commands = connect_to(address, port);
	b->subscription = connect_to(address, port);
	b->look = connect_to(address, port);
	freeReplyObject(redisCommand(b->subscription, "SUBSCRIBE bare:c"));
	b->reader = redisReaderCreate();
	write_pipeline(b, payload);
	b->on_commands = watch(b, base, b->commands, on_replied);
	b->on_subscription = watch(b, base, b->subscription, on_heard);
	b->on_look = watch(b, base, b->look, on_looked);
	return b;
}

void
bare_free(struct bare *b)
{
	if (b == NULL)
		return;
	event_free(b->on_commands);
	event_free(b->on_subscription);
	event_free(b->on_look);
	redisReaderFree(b->reader);
	redisFree(b->commands);
	redisFree(b->subscription);
	redisFree(b->look);
	free(b->pipeline);
	free(b);
}
