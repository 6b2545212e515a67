/*
 * Checks of the network between a client and this gateway, for who wants to know what it lets through: an answer that comes after a
 * while, and a body that is counted.  They need no session and touch no store.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "front/private.h"
#include "front/problem.h"
#include "net/http.h"

/* A request that is answered later. */
struct check {
	struct http_request *req;
	struct event timer;
	int64_t start;
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

void
check_hold(struct front *front, struct http_request *req, const char *part)
{
	struct check *check;
	int64_t ms = 0;

	(void)part;
	if (!is_enabled(front, req) || !front_read_ms(req, "ms", front->parts.options->check_max_ms, &ms))
		return;
	if (http_method(req) == HTTP_HEAD || front->draining)
		ms = 0;
	check = mem_zero(1, sizeof *check);
	check->req = req;
	check->start = clock_mono_ms();
	LIST_INSERT_HEAD(&front->checks, check, in_checks);
	event_assign(&check->timer, front->parts.base, -1, 0, on_time, check);
	event_add(&check->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
	http_park(req, on_gone, check);
}

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
		event_add(&check->timer, &(struct timeval){0, 0});
}
