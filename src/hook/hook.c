/* The hook as a whole: leases, connects, life.  See hook.h. */
#include "hook/hook.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "codec/token.h"
#include "hook/private.h"

#define TICK_MS 500
#define RENEW_TICKS 2     /* A lease is renewed every second. */
#define REREAD_TICKS 20   /* In case a notice was lost. */
#define TRIES_PER_TICK 4  /* So that instances which begin together share the queues. */
#define WISH_TICKS 6      /* Time for who holds a queue to hear of a wish, end what is under way, and give it back. */
#define CONNECTS_WAITING 1000
#define SECRETS_MAX 4096

/* ---- Leases ---- */

static void
renew(struct hook *hook)
{
	int64_t now = clock_mono_ms();

	for (unsigned i = 0; i < STORE_QUEUES; i++) {
		struct queue *queue = hook->queues[i];

		if (queue->held && now >= queue->until) {
			log_warning("--hook: a queue was not kept in time, and is left to others");
			queue_drop(queue);
		} else if (queue->held && hook->ticks % RENEW_TICKS == 0) {
			queue_hold(queue, LEASE_MS);
		}
	}
}

/*
 * One queue at a time, and the same for a while: so an instance gets one from others that have more, and not one from each of them
 * because it had too few a moment ago.
 */
static void
wish(struct hook *hook)
{
	if (hook->ticks % WISH_TICKS == 0 || hook->queues[hook->wish]->held) {
		evutil_secure_rng_get_bytes(&hook->wish, sizeof hook->wish);
		hook->wish %= STORE_QUEUES;
	}
	if (!hook->queues[hook->wish]->held)
		queue_wish(hook->queues[hook->wish]);
}

static void
try_more(struct hook *hook)
{
	for (unsigned i = 0, tried = 0; i < STORE_QUEUES && tried < TRIES_PER_TICK; i++) {
		struct queue *queue = hook->queues[hook->next_try++ % STORE_QUEUES];

		if (queue->held)
			continue;
		queue_hold(queue, LEASE_MS);
		tried++;
	}
}

static void
reread(struct hook *hook)
{
	for (unsigned i = 0; i < STORE_QUEUES; i++) {
		hook->queues[i]->stale |= hook->ticks % REREAD_TICKS == 0;
		queue_read(hook->queues[i]);
	}
}

static void
release(struct hook *hook)
{
	for (unsigned i = 0; i < STORE_QUEUES; i++)
		queue_release(hook->queues[i]);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hook *hook = arg;

	(void)fd, (void)what;
	hook->ticks++;
	renew(hook);
	release(hook);
	if (hook->draining)
		return;
	wish(hook);
	try_more(hook);
	reread(hook);
	lanes_run(hook);
}

static void
on_queued(void *arg, const struct name *name)
{
	struct hook *hook = arg;

	for (unsigned i = 0; i < STORE_QUEUES; i++) {
		if (!name_equal(&hook->queues[i]->name, name))
			continue;
		hook->queues[i]->stale = true;
		queue_read(hook->queues[i]);
	}
}

void
hook_drain(struct hook *hook)
{
	hook->draining = true;
	release(hook);
}

/* ---- Connects ---- */

struct hook_ask {
	struct hook *hook;
	hook_connect_fn *done;
	void *arg;
	struct event *later; /* Owned: to say that the backend is unavailable, from the loop. */
	LIST_ENTRY(hook_ask) in_connects;
};

static void
connect_finish(struct hook_ask *connect, enum hook_verdict verdict, struct hook_answer *answer)
{
	hook_connect_fn *done = connect->done;
	void *arg = connect->arg;

	LIST_REMOVE(connect, in_connects);
	if (connect->later)
		event_free(connect->later);
	free(connect);
	done(arg, verdict, answer);
}

static void
connect_fail(struct hook_ask *connect)
{
	struct hook_answer none = {0};

	connect_finish(connect, HOOK_UNAVAILABLE, &none);
}

static void
on_connect(void *arg, const struct asked *asked)
{
	struct hook_ask *connect = arg;
	struct hook_answer *answer = asked->answer;

	connect->hook->connecting--;
	if (!answer) {
		connect_fail(connect);
		return;
	}
	metric_add(HOOK_REFUSED, answer->refuses);
	if (answer->message.len == 0)
		buf_adds(&answer->message, "The application does not accept this session.");
	connect_finish(connect, answer->refuses ? HOOK_REFUSED : HOOK_ACCEPTED, answer);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	connect_fail(arg);
}

void
hook_connect(struct hook *hook, const struct hook_event *event, hook_connect_fn *done, void *arg)
{
	struct hook_ask *connect = mem_zero(1, sizeof *connect);
	unsigned most = hook->open ? 1 : CONNECTS_WAITING + hook->parts.options->hook_concurrency;
	bool may = hook->connecting < most;
	struct hook_event asked = *event;

	hook_name_question(&asked);
	connect->hook = hook;
	connect->done = done;
	connect->arg = arg;
	LIST_INSERT_HEAD(&hook->opening, connect, in_connects);
	if (may && ask_start(hook, hook->connects, &asked, 1, on_connect, connect)) {
		hook->connecting++;
		return;
	}
	connect->later = evtimer_new(hook->parts.base, on_later, connect);
	event_active(connect->later, EV_TIMEOUT, 0);
}

/* ---- Life ---- */

bool
hook_wants(const struct hook *hook, enum hook_kind kind)
{
	return hook && hook->wants[kind];
}

static void
choose_events(struct hook *hook, const struct option_list *events)
{
	for (int kind = 0; kind < HOOK_KINDS; kind++) {
		hook->wants[kind] = events->count == 0;
		for (size_t i = 0; i < events->count; i++)
			hook->wants[kind] |= strcmp(events->items[i], hook_kind_names[kind]) == 0;
	}
}

/* NULL, after a log line, if there are none. */
static struct hook_secrets *
read_file(const char *path)
{
	struct buf text;
	const char *wrong = secret_read(&text, path, SECRETS_MAX);
	struct hook_secrets *secrets = wrong ? NULL : hook_secrets_read(text.data, text.len, &wrong);

	secret_wipe(&text);
	if (secrets)
		log_info("--hook-secret-file %s: read", path);
	else
		log_error("--hook-secret-file %s: %s", path, wrong);
	return secrets;
}

bool
hook_check_file(const char *path)
{
	struct hook_secrets *secrets = read_file(path);

	hook_secrets_free(secrets);
	return secrets != NULL;
}

/* False, after a log line, if there are none; then those from before stay. */
static bool
read_secrets(struct hook *hook)
{
	struct hook_secrets *secrets = read_file(hook->parts.options->hook_secret_file);

	if (!secrets)
		return false;
	hook_secrets_free(hook->secrets);
	hook->secrets = secrets;
	return true;
}

void
hook_reload(struct hook *hook)
{
	if (*hook->parts.options->hook_secret_file)
		read_secrets(hook);
}

static void
on_identity(void *arg)
{
	struct hook *hook = arg;

	asks_release(hook);
	lanes_run(hook);
}

/* False, after a log line, if it cannot be asked for tokens. */
static bool
prepare_identity(struct hook *hook)
{
	const struct options *o = hook->parts.options;

	if (o->hook_auth == OPTIONS_HOOK_AUTH_NONE)
		return true;
	if (strncasecmp(o->hook, "https:", 6) != 0)
		log_warning("--hook-auth: who is on the way to the backend sees the token, since its URL is not https");
	hook->identity = identity_new(hook->parts.base, o, on_identity, hook);
	return hook->identity != NULL;
}

struct hook *
hook_new(const struct hook_parts *parts)
{
	const struct options *o = parts->options;
	struct fetcher_config config = {.concurrency = o->hook_concurrency, .queue = o->hook_concurrency, .ca_file = o->ca_file};
	struct hook *hook = mem_zero(1, sizeof *hook);
	struct timeval tick = clock_timeval(TICK_MS);
	char random[TOKEN_LEN + 1];

	hook->parts = *parts;
	if ((*o->hook_secret_file && !read_secrets(hook)) || !prepare_identity(hook)) {
		hook_secrets_free(hook->secrets);
		free(hook);
		return NULL;
	}
	if (!hook->secrets && !hook->identity)
		log_warning("--hook: without --hook-secret-file the backend cannot know who asks it");
	choose_events(hook, &o->hook_events);
	LIST_INIT(&hook->asks);
	LIST_INIT(&hook->held);
	LIST_INIT(&hook->histories);
	LIST_INIT(&hook->opening);
	TAILQ_INIT(&hook->ready);
	hook->fetcher = fetcher_new(parts->base, &config);
	config.queue = CONNECTS_WAITING;
	hook->connects = fetcher_new(parts->base, &config);
	evutil_secure_rng_get_bytes(&hook->next_try, sizeof hook->next_try);
	if (!token_new(random) || !token_session(&hook->holder, random))
		abort(); /* Nothing works without randomness. */
	for (unsigned i = 0; i < STORE_QUEUES; i++)
		hook->queues[i] = queue_new(hook, i);
	store_listen_queues(parts->store, on_queued, hook);
	hook->tick = event_new(parts->base, -1, EV_PERSIST, on_tick, hook);
	event_add(hook->tick, &tick);
	try_more(hook);
	return hook;
}

void
hook_free(struct hook *hook)
{
	struct hook_ask *connect;

	if (!hook)
		return;
	event_free(hook->tick);
	for (unsigned i = 0; i < STORE_QUEUES; i++)
		queue_free(hook->queues[i]);
	histories_free(hook);
	while (!LIST_EMPTY(&hook->asks))
		ask_cancel(LIST_FIRST(&hook->asks));
	while (!LIST_EMPTY(&hook->held))
		ask_cancel(LIST_FIRST(&hook->held));
	while ((connect = LIST_FIRST(&hook->opening))) {
		LIST_REMOVE(connect, in_connects);
		if (connect->later)
			event_free(connect->later);
		free(connect);
	}
	fetcher_free(hook->fetcher);
	fetcher_free(hook->connects);
	identity_free(hook->identity);
	hook_secrets_free(hook->secrets);
	free(hook);
}
