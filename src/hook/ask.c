/*
 * One request to the backend: an event goes out, an answer comes back or does not.  And the circuit, which opens when the backend
 * fails several times in a row, whoever asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hook/private.h"

#define OPENS_AFTER 5 /* Failures in a row. */

struct ask {
	LIST_ENTRY(ask) in_asks;
	struct hook *hook;
	struct fetch *fetch;
	enum hook_kind kind;
	struct name session;
	unsigned attempt;
	ask_fn *done;
	void *arg;
};

/* ---- The circuit ---- */

static void
note_good(struct hook *hook)
{
	hook->failures = 0;
	if (!hook->open)
		return;
	hook->open = false;
	metric_set(HOOK_CIRCUIT, 0);
	log_info("--hook: the backend answers again");
}

static void
note_bad(struct hook *hook, const char *why)
{
	if (hook->open || ++hook->failures < OPENS_AFTER)
		return;
	hook->open = true;
	metric_set(HOOK_CIRCUIT, 1);
	log_warning("--hook: the backend failed %d times in a row (%s): it is asked one thing at a time", OPENS_AFTER, why);
}

/* ---- The answer ---- */

static void
ask_free(struct ask *ask)
{
	LIST_REMOVE(ask, in_asks);
	free(ask);
}

static void
fail(struct ask *ask, const char *why, int64_t retry_after_ms)
{
	metric_add(HOOK_FAILURES, 1);
	log_debug("--hook: %s of %s, attempt %u: %s", hook_kind_names[ask->kind], ask->session.s, ask->attempt, why);
	ask->done(ask->arg, &(struct asked){.retry_after_ms = retry_after_ms});
}

/* The backend is there and says something: is it an answer? */
static void
take(struct ask *ask, const struct fetch_answer *fetched)
{
	struct hook_event event = {.kind = ask->kind, .session = ask->session};
	struct hook_answer answer;
	struct native_error error;

	if (!hook_read_answer(&answer, &event, fetched->body, fetched->len, ask->hook->parts.limits, &error)) {
		fail(ask, error.detail, 0);
		return;
	}
	ask->done(ask->arg, &(struct asked){.answer = &answer, .text = fetched->body, .len = fetched->len});
	hook_answer_free(&answer);
}

/* It answered with a status that is none of success. */
static void
take_refusal(struct ask *ask, const struct fetch_answer *fetched)
{
	bool is_busy = fetched->status == 429 || fetched->status == 503;
	char why[32];

	snprintf(why, sizeof why, "status %d", fetched->status);
	if (fetched->status >= 500 || fetched->status == 429)
		note_bad(ask->hook, why);
	fail(ask, why, is_busy ? fetched->retry_after_ms : 0);
}

static void
on_fetched(void *arg, const struct fetch_answer *fetched)
{
	struct ask *ask = arg;

	ask->fetch = NULL;
	if (fetched->outcome != FETCH_ANSWERED) {
		note_bad(ask->hook, fetched->detail);
		fail(ask, fetched->detail, 0);
	} else if (fetched->status < 200 || fetched->status > 299) {
		take_refusal(ask, fetched);
	} else {
		note_good(ask->hook);
		take(ask, fetched);
	}
	ask_free(ask);
}

/* ---- The request ---- */

#define HEADERS_MAX 11

struct headers {
	size_t count;
	struct fetch_header list[HEADERS_MAX];
};

static void
add_header(struct headers *headers, const char *name, const char *value)
{
	headers->list[headers->count++] = (struct fetch_header){name, value};
}

static struct fetch *
start_fetch(struct ask *ask, struct fetcher *fetcher, const struct hook_event *event, const struct buf *body)
{
	const struct options *o = ask->hook->parts.options;
	struct headers headers = {0};
	char id[HOOK_ID_SIZE], time[HOOK_TIME_SIZE], type[32], attempt[16], seconds[24];
	int64_t now = clock_wall_ms();
	struct buf signature = BUF_EMPTY;
	struct fetch_request request = {.method = "POST", .url = o->hook, .body = body->data, .len = body->len,
	    .timeout_ms = o->hook_timeout_ms, .max_answer = o->hook_answer_max};
	struct fetch *fetch;

	hook_write_id(id, event);
	hook_write_time(time, event->id.ms > 0 ? (int64_t)event->id.ms : now);
	snprintf(type, sizeof type, "pollgate.%s", hook_kind_names[event->kind]);
	snprintf(attempt, sizeof attempt, "%u", ask->attempt);
	snprintf(seconds, sizeof seconds, "%lld", (long long)(now / 1000));
	add_header(&headers, "Content-Type", "application/json");
	add_header(&headers, "ce-specversion", "1.0");
	add_header(&headers, "ce-id", id);
	add_header(&headers, "ce-source", "/pollgate");
	add_header(&headers, "ce-type", type);
	add_header(&headers, "ce-subject", event->session.s);
	add_header(&headers, "ce-time", time);
	add_header(&headers, "ce-attempt", attempt);
	add_header(&headers, "webhook-id", id);
	add_header(&headers, "webhook-timestamp", seconds);
	if (ask->hook->secrets) {
		hook_sign(&signature, ask->hook->secrets, id, now / 1000, body->data, body->len);
		add_header(&headers, "webhook-signature", signature.data);
	}
	request.headers = headers.list;
	request.headers_count = headers.count;
	fetch = fetch_start(fetcher, &request, on_fetched, ask);
	buf_free(&signature);
	return fetch;
}

struct ask *
ask_start(struct hook *hook, struct fetcher *fetcher, const struct hook_event *event, unsigned attempt, ask_fn *done, void *arg)
{
	struct ask *ask = mem_zero(1, sizeof *ask);
	struct buf body = BUF_EMPTY;

	*ask = (struct ask){.hook = hook, .kind = event->kind, .session = event->session, .attempt = attempt, .done = done, .arg = arg};
	LIST_INSERT_HEAD(&hook->asks, ask, in_asks);
	hook_write_event(&body, event);
	ask->fetch = start_fetch(ask, fetcher, event, &body);
	buf_free(&body);
	if (ask->fetch) {
		metric_add(HOOK_REQUESTS, 1);
		return ask;
	}
	ask_free(ask);
	return NULL;
}

void
ask_cancel(struct ask *ask)
{
	if (!ask)
		return;
	fetch_cancel(ask->fetch);
	ask_free(ask);
}
