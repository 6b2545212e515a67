#include "net/redis.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/redis_private.h"

#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 2000
#define READ_SIZE 32768

static void on_pong(void *arg, const redisReply *reply);
static void destroy(struct redis *r);

void
redis_enter(struct redis *r)
{
	r->entered++;
}

void
redis_leave(struct redis *r)
{
	if (--r->entered == 0 && r->freed)
		destroy(r);
}

/* ---- The ring ---- */

static struct slot *
slot_at(struct redis *r, uint64_t i)
{
	return &r->slots[i & (r->room - 1)];
}

static void
ring_push(struct redis *r, struct slot slot)
{
	if (r->tail - r->head == r->room) {
		struct slot *old = r->slots;
		uint64_t old_room = r->room;

		r->room *= 2;
		r->slots = mem_zero(r->room, sizeof *r->slots);
		for (uint64_t i = r->head; i < r->tail; i++)
			*slot_at(r, i) = old[i & (old_room - 1)];
		free(old);
	}
	*slot_at(r, r->tail++) = slot;
}

/* ---- Writing ---- */

void
redis_put(struct redis *r, struct redis_command *command)
{
	size_t len;
	const char *bytes = redis_command_bytes(command, &len);

	evbuffer_add(r->out, bytes, len);
	if (!r->flushing) {
		r->flushing = true;
		event_active(r->flush, EV_WRITE, 1);
	}
	metric_add(STORE_COMMANDS, 1);
}

/*
 * Write at once what this turn gathered, without asking the kernel first whether it would take it: three system calls less
 * than through the bufferevent, which gets only what is left over.  (With TLS all would have to go through it.)
 */
static void
on_flush(evutil_socket_t none, short what, void *arg)
{
	struct redis *r = arg;

	(void)none, (void)what;
	r->flushing = false;
	if (!r->bev)
		return;
	if (evbuffer_get_length(bufferevent_get_output(r->bev)) == 0)
		evbuffer_write(r->out, bufferevent_getfd(r->bev)); /* An error comes back through the bufferevent. */
	if (evbuffer_get_length(r->out))
		bufferevent_write_buffer(r->bev, r->out);
}

static void
send_waiting(struct redis *r)
{
	while (r->state == STATE_UP && r->sent < r->tail)
		redis_put(r, slot_at(r, r->sent++)->command);
}

/* Only when nothing waits, since what waits is behind it. */
static void
ping(struct redis *r, int64_t deadline)
{
	assert(r->sent == r->tail);
	ring_push(r, (struct slot){&r->ping, on_pong, r, deadline});
	r->sent++;
	redis_put(r, &r->ping);
}

/* ---- Time ---- */

/*
 * If the loop did not turn for longer than a reply may take (a frozen container, a suspended machine), nothing is late that
 * only seems so, and the connection is not to be trusted: a firewall may have forgotten it.
 */
static void
look_at_clock(struct redis *r, int64_t now)
{
	int64_t wall = clock_wall_ms(), gone = now - r->seen_mono;
	bool frozen = gone > r->timeout_ms || wall - r->seen_wall > r->timeout_ms;

	if (frozen) {
		for (uint64_t i = r->head; i < r->tail; i++)
			slot_at(r, i)->deadline += gone;
		r->heard = now;
	}
	r->seen_mono = now;
	r->seen_wall = wall;
	if (frozen && r->state == STATE_UP) {
		r->suspect_until = now + r->timeout_ms / 5;
		ping(r, now + r->timeout_ms);
		r->state = STATE_SUSPECT;
	}
}

static void
expire_waiting(struct redis *r, int64_t now)
{
	uint64_t kept = r->sent, end = r->tail;

	for (uint64_t i = r->sent; i < end && !r->freed; i++) {
		struct slot slot = *slot_at(r, i);

		if (slot.deadline > now)
			continue;
		slot_at(r, i)->fn = NULL;
		metric_add(STORE_ERRORS, 1);
		slot.fn(slot.arg, NULL);
	}
	if (r->freed)
		return;
	for (uint64_t i = r->sent; i < r->tail; i++)
		if (slot_at(r, i)->fn)
			*slot_at(r, kept++) = *slot_at(r, i);
	r->tail = kept;
}

static void
on_tick(evutil_socket_t none, short what, void *arg)
{
	struct redis *r = arg;
	int64_t now = clock_mono_ms();

	(void)none, (void)what;
	redis_enter(r);
	look_at_clock(r, now);
	if (r->head < r->sent && slot_at(r, r->head)->deadline <= now) {
		metric_add(STORE_ERRORS, 1);
		redis_lose(r, "no answer in time");
	} else if (r->state == STATE_SUSPECT && now >= r->suspect_until) {
		redis_lose(r, "no answer after this process stood still");
	} else if (r->state == STATE_UP && r->head == r->sent && now - r->heard >= r->timeout_ms * 2 / 5) {
		ping(r, r->heard + r->timeout_ms);
	}
	if (!r->freed)
		expire_waiting(r, now);
	redis_leave(r);
}

void
redis_set_timer(struct redis *r, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(r->timer, &tv);
}

/* ---- Replies ---- */

void
redis_come_up(struct redis *r)
{
	event_del(r->timer);
	look_at_clock(r, clock_mono_ms());
	r->state = STATE_UP;
	metric_add(STORE_RECONNECTS, 1);
	r->events->on_up(r->arg);
	send_waiting(r);
}

static void
on_pong(void *arg, const redisReply *reply)
{
	struct redis *r = arg;

	if (!reply)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		redis_lose(r, reply->str);
	} else if (r->state == STATE_SUSPECT) {
		r->state = STATE_UP;
		send_waiting(r);
	}
}

static void
on_reply(struct redis *r, const redisReply *reply)
{
	struct slot slot;

	if (r->state == STATE_GREETING) {
		redis_on_greeting(r, reply);
	} else if (r->events->on_push && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3) {
		r->useful = true;
		r->events->on_push(r->arg, reply);
	} else if (r->head < r->sent) {
		slot = *slot_at(r, r->head++);
		if (reply->type == REDIS_REPLY_ERROR)
			metric_add(STORE_ERRORS, 1);
		else
			r->useful = true;
		slot.fn(slot.arg, reply);
	} else {
		redis_lose(r, reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer to nothing");
	}
}

static void
parse(struct redis *r)
{
	redisReader *reader = r->reader;
	void *reply;

	/* A callback may end the connection, and the reader with it. */
	while (r->reader == reader) {
		if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
			redis_lose(r, reader->errstr);
			return;
		}
		if (!reply)
			return;
		on_reply(r, reply);
		freeReplyObject(reply);
	}
}

/*
 * Read straight into the parser: a bufferevent would ask first how much there is, and copy it twice.  (With TLS it would have
 * to be the one that reads.)
 */
void
redis_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;
	char bytes[READ_SIZE];
	ssize_t n = recv(fd, bytes, sizeof bytes, 0);

	(void)what;
	redis_enter(r);
	if (n > 0) {
		r->heard = clock_mono_ms();
		redisReaderFeed(r->reader, bytes, (size_t)n);
		parse(r);
	} else if (n == 0) {
		redis_lose(r, "closed by the server");
	} else if (errno != EAGAIN && errno != EINTR) {
		redis_lose(r, strerror(errno));
	}
	redis_leave(r);
}

/* ---- The connection's end ---- */

static void
on_timer(evutil_socket_t none, short what, void *arg)
{
	struct redis *r = arg;

	(void)none, (void)what;
	redis_enter(r);
	if (r->state == STATE_DOWN)
		redis_connect(r);
	else
		redis_lose(r, "cannot connect in time");
	redis_leave(r);
}

static void
disconnect(struct redis *r)
{
	if (r->readable)
		event_free(r->readable);
	r->readable = NULL;
	if (r->bev)
		bufferevent_free(r->bev);
	if (r->reader)
		redisReaderFree(r->reader);
	r->bev = NULL;
	r->reader = NULL;
	r->state = STATE_DOWN;
	evbuffer_drain(r->out, evbuffer_get_length(r->out));
}

/* Those that are out will not be answered any more.  Those called back may send again: that waits. */
static void
fail_sent(struct redis *r)
{
	while (r->head < r->sent) {
		struct slot slot = *slot_at(r, r->head++);

		if (slot.fn)
			slot.fn(slot.arg, NULL);
	}
}

void
redis_lose(struct redis *r, const char *why)
{
	char reason[160];
	unsigned char random;

	if (r->state == STATE_DOWN)
		return;
	snprintf(reason, sizeof reason, "%s", why); /* It may lie in what is freed now. */
	disconnect(r);
	if (r->useful)
		r->retry_ms = RETRY_FIRST_MS;
	r->useful = false;
	evutil_secure_rng_get_bytes(&random, sizeof random);
	redis_set_timer(r, r->retry_ms / 2 + r->retry_ms * random / 256);
	r->retry_ms = r->retry_ms * 2 < RETRY_LAST_MS ? r->retry_ms * 2 : RETRY_LAST_MS;
	r->events->on_down(r->arg, reason);
	fail_sent(r);
}

/* ---- From outside ---- */

struct redis *
redis_new(struct event_base *base, const struct redis_options *options, const struct redis_events *events, void *arg)
{
	struct redis *r = mem_zero(1, sizeof *r);
	int64_t tick_ms = options->timeout_ms / 10 > 1 ? options->timeout_ms / 10 : 1;
	struct timeval tv = clock_timeval(tick_ms);

	r->base = base;
	r->address = options->address;
	r->name = mem_string(options->name);
	r->timeout_ms = options->timeout_ms;
	r->events = events;
	r->arg = arg;
	r->room = 16;
	r->slots = mem_zero(r->room, sizeof *r->slots);
	r->retry_ms = RETRY_FIRST_MS;
	r->seen_mono = clock_mono_ms();
	r->seen_wall = clock_wall_ms();
	redis_command_start(&r->ping, "PING");
	r->out = evbuffer_new();
	r->flush = event_new(base, -1, 0, on_flush, r);
	r->timer = evtimer_new(base, on_timer, r);
	r->tick = event_new(base, -1, EV_PERSIST, on_tick, r);
	if (!r->out || !r->flush || !r->timer || !r->tick)
		abort();
	event_add(r->tick, &tv);
	redis_set_timer(r, 0);
	return r;
}

bool
redis_is_up(const struct redis *r)
{
	return r->state == STATE_UP || r->state == STATE_SUSPECT;
}

void
redis_send(struct redis *r, struct redis_command *command, int64_t deadline, redis_reply_fn *fn, void *arg)
{
	look_at_clock(r, clock_mono_ms());
	ring_push(r, (struct slot){command, fn, arg, deadline});
	if (r->state == STATE_UP && r->sent + 1 == r->tail) {
		redis_put(r, command);
		r->sent++;
	}
}

void
redis_tell(struct redis *r, struct redis_command *command)
{
	if (redis_is_up(r))
		redis_put(r, command);
}

void
redis_drop(struct redis *r, const char *why)
{
	redis_lose(r, why);
}

static void
destroy(struct redis *r)
{
	event_free(r->flush);
	event_free(r->timer);
	event_free(r->tick);
	if (r->dns)
		evdns_base_free(r->dns, 0);
	evbuffer_free(r->out);
	redis_command_free(&r->ping);
	redis_command_free(&r->greeting);
	free(r->slots);
	free(r->name);
	free(r);
}

void
redis_free(struct redis *r)
{
	if (!r)
		return;
	redis_enter(r);
	r->freed = true;
	disconnect(r);
	r->sent = r->tail;
	fail_sent(r);
	redis_leave(r);
}
