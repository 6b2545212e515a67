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
#define WARN_MS 10000 /* Between two lines about events of a kind. */

struct ask {
	LIST_ENTRY(ask) in_asks;
	struct hook *hook;
	struct fetcher *fetcher;
	struct fetch *fetch;
	struct hook_event event; /* What is needed of it to read the answer. */
	char *namespace;         /* Owned: what that lends. */
	unsigned attempt;
	struct buf body;    /* Until it is sent. */
	unsigned token;     /* The number of the one that was sent. */
	bool is_wrong;      /* What came is no answer, although the backend says that all is well. */
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
	free(ask->namespace);
	buf_free(&ask->body);
	free(ask);
}

/*
 * What the backend gets wrong does not mend itself, and a client that may not come in has no other line.  All else is seen by the
 * circuit, or by dead letters.
 */
static void
note_failure(struct ask *ask, const char *why)
{
	static const char format[] = "--hook: a %s of %s was not answered well (attempt %u): %s";
	enum hook_kind kind = ask->event.kind;
	int64_t now = clock_mono_ms(), *warns_at = &ask->hook->warns_at[kind];

	if ((ask->is_wrong || kind == HOOK_CONNECT) && now >= *warns_at) {
		*warns_at = now + WARN_MS;
		log_warning(format, hook_kind_names[kind], ask->event.session.s, ask->attempt, why);
	} else {
		log_debug(format, hook_kind_names[kind], ask->event.session.s, ask->attempt, why);
	}
}

static void
fail(struct ask *ask, const char *why, int64_t retry_after_ms)
{
	metric_add(HOOK_FAILURES, 1);
	note_failure(ask, why);
	ask->done(ask->arg, &(struct asked){.why = why, .retry_after_ms = retry_after_ms});
}

/* The backend is there and says something: is it an answer? */
static void
take(struct ask *ask, const struct fetch_answer *fetched)
{
	struct hook_answer answer;
	struct native_error error;

	if (!hook_read_answer(&answer, &ask->event, fetched->body, fetched->len, ask->hook->parts.limits, &error)) {
		ask->is_wrong = true;
		fail(ask, error.detail, 0);
		return;
	}
	ask->done(ask->arg, &(struct asked){.answer = &answer});
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
	if (ask->hook->identity && (fetched->status == 401 || fetched->status == 403))
		identity_refused(ask->hook->identity, ask->token);
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

#define HEADERS_MAX 12

struct headers {
	size_t count;
	struct fetch_header list[HEADERS_MAX];
};

static void
add_header(struct headers *headers, const char *name, const char *value)
{
	headers->list[headers->count++] = (struct fetch_header){name, value};
}

/* False if as much is asked as may, or there is no token. */
static bool
start_fetch(struct ask *ask)
{
	const struct options *o = ask->hook->parts.options;
	const struct hook_event *event = &ask->event;
	struct identity *identity = ask->hook->identity;
	const char *authorization = identity ? identity_header(identity) : NULL;
	struct headers headers = {0};
	char id[HOOK_ID_SIZE], time[HOOK_TIME_SIZE], type[32], attempt[16], seconds[24];
	int64_t now = clock_wall_ms();
	struct buf signature = BUF_EMPTY;
	struct fetch_request request = {.method = "POST", .url = o->hook, .body = ask->body.data, .len = ask->body.len,
	    .timeout_ms = o->hook_timeout_ms, .max_answer = o->hook_answer_max};

	if (identity && !authorization)
		return false;
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
		hook_sign(&signature, ask->hook->secrets, id, now / 1000, ask->body.data, ask->body.len);
		add_header(&headers, "webhook-signature", signature.data);
	}
	if (identity) {
		add_header(&headers, "Authorization", authorization);
		ask->token = identity_number(identity);
	}
	request.headers = headers.list;
	request.headers_count = headers.count;
	ask->fetch = fetch_start(ask->fetcher, &request, on_fetched, ask);
	buf_free(&signature);
	buf_free(&ask->body);
	metric_add(HOOK_REQUESTS, ask->fetch != NULL);
	return ask->fetch != NULL;
}

static bool
has_token(struct hook *hook)
{
	return !hook->identity || identity_header(hook->identity);
}

unsigned
ask_limit(struct hook *hook)
{
	if (!has_token(hook))
		return 0;
	return hook->open ? 1 : hook->parts.options->hook_concurrency;
}

static void
keep_event(struct ask *ask, const struct hook_event *event)
{
	ask->event = (struct hook_event){.kind = event->kind, .session = event->session, .id = event->id, .asks = event->asks,
	    .number = event->number, .question = event->question};
	if (!event->namespace.text)
		return;
	ask->namespace = mem_copy(event->namespace.text, event->namespace.len);
	ask->event.namespace = (struct jspan){ask->namespace, event->namespace.len};
}

struct ask *
ask_start(struct hook *hook, struct fetcher *fetcher, const struct hook_event *event, unsigned attempt, ask_fn *done, void *arg)
{
	bool may_send = has_token(hook);
	struct ask *ask;

	if (!may_send && (event->kind != HOOK_CONNECT || !identity_is_coming(hook->identity)))
		return NULL;
	ask = mem_zero(1, sizeof *ask);
	*ask = (struct ask){.hook = hook, .fetcher = fetcher, .attempt = attempt, .done = done, .arg = arg};
	keep_event(ask, event);
	hook_write_event(&ask->body, event);
	if (!may_send) {
		LIST_INSERT_HEAD(&hook->held, ask, in_asks);
		return ask;
	}
	LIST_INSERT_HEAD(&hook->asks, ask, in_asks);
	if (start_fetch(ask))
		return ask;
	ask_free(ask);
	return NULL;
}

void
asks_release(struct hook *hook)
{
	struct ask *ask;

	while ((ask = LIST_FIRST(&hook->held)) && !(identity_is_coming(hook->identity) && !has_token(hook))) {
		LIST_REMOVE(ask, in_asks);
		LIST_INSERT_HEAD(&hook->asks, ask, in_asks);
		if (start_fetch(ask))
			continue;
		ask->done(ask->arg, &(struct asked){.why = "there was no token"});
		ask_free(ask);
	}
}

void
ask_cancel(struct ask *ask)
{
	if (!ask)
		return;
	fetch_cancel(ask->fetch);
	ask_free(ask);
}
