/*
 * Checks of the network between a client and this gateway, for who wants to know what it lets through: an answer that comes after a
 * while, one that comes line by line, and a body that is counted.  They need no session and touch no store.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/jspan.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"

enum {
	LINE_MS = 1000, /* Of a stream that is asked for without saying so, as LINES. */
	LINES = 1,
	LINE_MS_MIN = 10, /* So that a stream is little work, and little to keep for a client that does not read. */
};

/* A request that is answered later, or for a while. */
struct check {
	const struct front *front; /* Lent. */
	struct http_request *req;
	struct event timer;
	int64_t start, due; /* The timer is. */
	/* Of a stream: */
	uint64_t line_ms, lines, written;
	LIST_ENTRY(check) in_checks;
};

static void
check_free(struct check *check)
{
	LIST_REMOVE(check, in_checks);
	event_del(&check->timer);
	free(check);
}

static void
on_gone(void *arg)
{
	check_free(arg);
}

static struct check *
check_new(struct front *front, struct http_request *req, event_callback_fn on_timer)
{
	struct check *check = mem_zero(1, sizeof *check);

	check->front = front;
	check->req = req;
	check->start = clock_mono_ms();
	LIST_INSERT_HEAD(&front->checks, check, in_checks);
	event_assign(&check->timer, front->parts.base, -1, 0, on_timer, check);
	http_park(req, on_gone, check);
	return check;
}

static void
check_wake_at(struct check *check, int64_t at)
{
	int64_t ms = at - clock_mono_ms();
	struct timeval tv = clock_timeval(ms > 0 ? ms : 0);

	check->due = at;
	event_add(&check->timer, &tv);
}

/* To the loop a timer begins when its turn has begun, which may be a while ago: then it comes too soon. */
static bool
is_early(struct check *check)
{
	if (clock_mono_ms() >= check->due)
		return false;
	check_wake_at(check, check->due);
	return true;
}

static void
answer_number(struct http_request *req, const char *name, uint64_t number)
{
	struct buf body = BUF_EMPTY;

	buf_addf(&body, "{\"%s\":%llu}", name, (unsigned long long)number);
	http_reply(req, 200, "application/json", body.data, body.len);
	buf_free(&body);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct check *check = arg;

	(void)fd;
	(void)what;
	if (is_early(check))
		return;
	answer_number(check->req, "held", (uint64_t)(clock_mono_ms() - check->start));
	check_free(check);
}

static bool
is_enabled(const struct front *front, struct http_request *req)
{
	if (front->parts.options->no_check)
		problem_reply(req, 404, "check_disabled", "This gateway answers no checks of the network.");
	return !front->parts.options->no_check;
}

/* The last connections are for those who have a session. */
static bool
has_room(struct front *front, struct http_request *req)
{
	if (!front_is_crowded(front))
		return true;
	problem_reply(req, 503, "overloaded", "This instance has nearly as many connections as it may.");
	return false;
}

void
check_hold(struct front *front, struct http_request *req, const char *part)
{
	struct check *check;
	int64_t ms = 0;

	(void)part;
	if (!is_enabled(front, req) || !has_room(front, req) ||
	    !front_read_ms(req, "ms", front->parts.options->check_max_ms, &ms))
		return;
	if (http_method(req) == HTTP_HEAD || front->draining)
		ms = 0;
	check = check_new(front, req, on_time);
	check_wake_at(check, check->start + ms);
}

/* ---- An answer line by line ---- */

static void
write_line(struct check *check)
{
	char line[24];
	int len = snprintf(line, sizeof line, "%llu\n", (unsigned long long)check->written++);

	http_stream_write(check->req, line, (size_t)len);
}

static bool
is_over(const struct check *check)
{
	return check->written == check->lines || check->front->draining;
}

/* Lines are due at multiples of the time since the start, so that being late does not add up. */
static void
wake_for_next(struct check *check)
{
	check_wake_at(check, is_over(check) ? 0 : check->start + (int64_t)(check->written * check->line_ms));
}

static void
on_line_time(evutil_socket_t fd, short what, void *arg)
{
	struct check *check = arg;

	(void)fd;
	(void)what;
	if (is_early(check))
		return;
	if (is_over(check)) {
		http_stream_end(check->req);
		check_free(check);
		return;
	}
	write_line(check);
	wake_for_next(check);
}

static void
on_drained(void *arg)
{
	(void)arg; /* So little is sent that nobody waits for it. */
}

/* A parameter from min to max; *n stays as it is without it. */
static bool
read_number(struct http_request *req, const char *name, uint64_t min, uint64_t max, uint64_t *n)
{
	const char *text = http_query(req, name);

	return !text || (*text && jspan_count((struct jspan){text, strlen(text)}, max, n) && *n >= min);
}

void
check_stream(struct front *front, struct http_request *req, const char *part)
{
	uint64_t max = (uint64_t)front->parts.options->check_max_ms, line_ms = LINE_MS, lines = LINES;
	struct check *check;

	(void)part;
	if (!is_enabled(front, req) || !has_room(front, req))
		return;
	if (!read_number(req, "ms", LINE_MS_MIN, max, &line_ms) || !read_number(req, "count", 1, max, &lines) ||
	    line_ms * lines > max) {
		problem_reply_number(req, 400, "bad_request",
		    "ms must be 10 or more, count 1 or more, and ms times count no more than --check-max.", "most", max);
		return;
	}
	if (http_method(req) == HTTP_HEAD) {
		http_reply_head(req, 200, "text/plain");
		return;
	}
	check = check_new(front, req, on_line_time);
	check->line_ms = line_ms;
	check->lines = lines;
	http_stream_start(req, 200, "text/plain", on_drained);
	write_line(check);
	wake_for_next(check);
}

/* ---- A body ---- */

void
check_echo(struct front *front, struct http_request *req, const char *part)
{
	size_t len;

	(void)part;
	if (!is_enabled(front, req))
		return;
	http_body(req, &len);
	answer_number(req, "bytes", len);
}

void
check_drain(struct front *front)
{
	struct check *check;

	LIST_FOREACH(check, &front->checks, in_checks)
		check_wake_at(check, 0);
}
