/*
 * pollgate: reads the options, puts the layers together, runs the loop, and drains at SIGTERM.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/options.h"
#include "core/hub.h"
#include "core/session.h"
#include "front/front.h"
#include "net/fetch.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/probe.h"
#include "store/store.h"
#include "transport/poll.h"
#include "transport/sse.h"
#include "transport/ws.h"

enum { EXIT_USAGE = 2 };

#define RESERVED_FDS 64 /* For all that is not a client: Redis, files, the loop itself. */

struct gateway {
	struct options options;
	struct event_base *base;
	struct store *store;
	struct sessions *sessions;
	struct hub *hub;
	struct polls *polls;
	struct streams *streams;
	struct sockets *sockets;
	struct front *front;
	struct http_server *server;
	struct event *sigterm, *sigint, *sighup, *deadline;
	bool draining;
	int status;
};

/* ---- The end ---- */

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct gateway *gateway = arg;

	(void)fd;
	(void)what;
	log_warning("drain time is over with %u connections open", http_server_connections(gateway->server));
	event_base_loopbreak(gateway->base);
}

static void
on_settled(void *arg)
{
	struct gateway *gateway = arg;

	event_base_loopbreak(gateway->base);
}

static void
on_drained(void *arg)
{
	struct gateway *gateway = arg;

	front_settle(gateway->front, on_settled, gateway);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct gateway *gateway = arg;
	int64_t ms = gateway->options.drain_ms;
	struct timeval drain = clock_timeval(ms);

	(void)what;
	if (gateway->draining) {
		log_warning("%s again: ending at once", strsignal((int)fd));
		gateway->status = EXIT_FAILURE;
		event_base_loopbreak(gateway->base);
		return;
	}
	gateway->draining = true;
	log_info("%s: draining for at most %lld ms", strsignal((int)fd), (long long)ms);
	event_add(gateway->deadline, &drain);
	front_drain(gateway->front);
	polls_drain(gateway->polls, ms / 2);
	streams_drain(gateway->streams, ms / 2);
	sockets_drain(gateway->sockets, ms / 2);
	http_server_drain(gateway->server, ms * 3 / 4, on_drained, gateway);
}

/* ---- The beginning ---- */

/* Raise the limit of descriptors as far as it goes; returns how many connections may be open. */
static uint32_t
allowed_connections(uint32_t wanted)
{
	struct rlimit limit;
	uint32_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		limit.rlim_cur = limit.rlim_max = 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			limit.rlim_cur = before;
	}
	most = limit.rlim_cur > 1000000 ? 1000000 : (uint32_t)limit.rlim_cur;
	most = most > 2 * RESERVED_FDS ? most - RESERVED_FDS : most / 2;
	if (wanted > most)
		log_warning("--max-connections %u is lowered to %u: the limit of file descriptors is %llu", wanted, most,
		    (unsigned long long)limit.rlim_cur);
	return wanted == 0 || wanted > most ? most : wanted;
}

static struct store *
open_store(struct event_base *base, const struct options *o)
{
	struct store_limits limits = {
		.away_after_ms = o->away_after_ms,
		.session_ttl_ms = o->session_ttl_ms,
		.room_ttl_ms = o->room_ttl_ms,
		.mailbox_max = o->mailbox_max,
		.room_max = o->room_max,
		.max_sessions = o->max_sessions,
		.max_rooms = o->max_rooms,
		.rooms_per_session = o->rooms_per_session,
		.user_sessions_max = o->user_sessions_max,
		.orders_max = o->idempotency_max,
		.orders_ttl_ms = o->idempotency_ttl_ms,
		.queue_max = o->hook_queue_max,
	};
	struct store_redis_options redis = {.url = o->redis, .prefix = o->prefix, .timeout_ms = o->store_timeout_ms};

	return *o->redis ? store_redis_new(base, &redis, &limits) : store_memory_new(base, &limits);
}

static void
on_back(void *arg, const struct name *session)
{
	struct gateway *gateway = arg;

	sessions_back(gateway->sessions, session);
}

static void
on_room_lost(void *arg, const struct name *session, const char *title)
{
	struct gateway *gateway = arg;

	sessions_rejoin(gateway->sessions, session, title);
}

static void
on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct gateway *gateway = arg;

	(void)fd;
	(void)what;
	front_reload(gateway->front);
}

/* First of all: to PID 1 a signal that nobody catches never comes.  They are handled once the loop runs. */
static void
catch_signals(struct gateway *gateway)
{
	gateway->sigterm = evsignal_new(gateway->base, SIGTERM, on_signal, gateway);
	gateway->sigint = evsignal_new(gateway->base, SIGINT, on_signal, gateway);
	gateway->sighup = evsignal_new(gateway->base, SIGHUP, on_hangup, gateway);
	gateway->deadline = evtimer_new(gateway->base, on_deadline, gateway);
	event_add(gateway->sigterm, NULL);
	event_add(gateway->sigint, NULL);
}

static void
build(struct gateway *gateway)
{
	static const struct hub_observer observer = {on_back, on_room_lost};
	const struct options *o = &gateway->options;
	struct hub_config hub = {.answer_max = o->answer_max, .away_after_ms = o->away_after_ms,
	    .reread_ms = o->hold_max_ms, /* So polls need it not. */
	    .hands = *o->hook != '\0',
	    .needs_grants = o->auth != OPTIONS_AUTH_NONE};
	struct streams_config streams = {.life_ms = o->sse_life_ms, .comment_ms = o->sse_comment_ms, .backlog = o->stream_backlog};
	struct sockets_config sockets = {.backlog = o->stream_backlog, .message = o->max_body};

	gateway->base = loop_new();
	catch_signals(gateway);
	gateway->store = open_store(gateway->base, o);
	gateway->sessions = sessions_new(gateway->base, gateway->store, o->away_after_ms);
	gateway->hub = hub_new(gateway->base, gateway->store, &hub, &observer, gateway);
	gateway->polls = polls_new(gateway->base, gateway->hub, o->hold_ms, o->hold_max_ms);
	gateway->streams = streams_new(gateway->base, gateway->hub, &streams);
	gateway->sockets = sockets_new(gateway->base, gateway->hub, &sockets);
	sessions_watch(gateway->sessions, gateway->hub);
}

static bool
serve(struct gateway *gateway)
{
	const struct options *o = &gateway->options;
	struct front_parts parts = {gateway->base, o, gateway->store, gateway->sessions, gateway->hub, gateway->polls,
	    gateway->streams, gateway->sockets};
	struct http_config http = {
		.listen = o->listen,
		.connections = allowed_connections(o->max_connections),
		.max_headers = o->max_headers,
		.max_body = o->max_body,
		.request_ms = o->header_timeout_ms,
		.idle_ms = o->idle_timeout_ms,
		.write_ms = o->write_timeout_ms,
		.ping_ms = o->ws_ping_ms,
		.silence_ms = o->ws_timeout_ms,
	};

	gateway->front = front_new(&parts);
	if (!gateway->front)
		return false;
	gateway->server = http_server_new(gateway->base, &http, front_handle, gateway->front);
	if (!gateway->server)
		return false;
	front_set_server(gateway->front, gateway->server, http.connections);
	if (*o->api_key_file || *o->auth_key_file || *o->hook_secret_file)
		event_add(gateway->sighup, NULL);
	metric_set(CONNECTIONS_LIMIT, http.connections);
	log_info("listening on port %d, store %s, libevent %s", http_server_port(gateway->server), *o->redis ? "Redis" : "memory",
	    event_get_version());
	event_base_dispatch(gateway->base);
	return true;
}

static void
take_down(struct gateway *gateway)
{
	http_server_free(gateway->server);
	front_stop(gateway->front);
	store_free(gateway->store);
	front_free(gateway->front);
	polls_free(gateway->polls);
	streams_free(gateway->streams);
	sockets_free(gateway->sockets);
	hub_free(gateway->hub);
	sessions_free(gateway->sessions);
	event_free(gateway->sigterm);
	event_free(gateway->sigint);
	event_free(gateway->sighup);
	event_free(gateway->deadline);
	event_base_free(gateway->base);
	libevent_global_shutdown();
}

static void
begin_log(const struct options *o, enum log_level level)
{
	bool text = o->log_format == OPTIONS_LOG_TEXT || (o->log_format == OPTIONS_LOG_AUTO && isatty(STDERR_FILENO));

	log_setup(level, text ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON);
}

static int
run(struct gateway *gateway)
{
	bool served;

	begin_log(&gateway->options, (enum log_level)gateway->options.log_level);
	signal(SIGPIPE, SIG_IGN);
	build(gateway);
	served = serve(gateway);
	take_down(gateway);
	return served ? gateway->status : EXIT_FAILURE;
}

/* The exit status. */
static int
check_config(const struct options *options)
{
	options_print_config(options, stdout);
	begin_log(options, LOG_LEVEL_ERROR);
	return front_check_files(options) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What is asked for instead of serving.  True if that was it; *status is the exit status then. */
static bool
act(const struct options *options, int *status)
{
	*status = EXIT_SUCCESS;
	if (options->help)
		options_print_help(stdout);
	else if (options->version)
		printf("pollgate %s\n", PACKAGE_VERSION);
	else if (options->list_options)
		options_print_list(stdout);
	else if (options->check_config)
		*status = check_config(options);
	else if (*options->probe)
		*status = probe_url(options->probe);
	else
		return false;
	return true;
}

int
main(int argc, char **argv)
{
	struct gateway gateway = {0};
	const struct options *o = &gateway.options;
	char *wrong = options_parse(&gateway.options, argc, argv);
	const char *wrong_redis = !wrong && *o->redis ? store_redis_check_url(o->redis) : NULL;
	const char *wrong_jwks = !wrong && *o->auth_jwks ? fetch_check_url(o->auth_jwks) : NULL;
	const char *wrong_hook = !wrong && *o->hook ? fetch_check_url(o->hook) : NULL;
	int status = EXIT_USAGE;

	if (wrong)
		fprintf(stderr, "pollgate: %s\n", wrong);
	else if (wrong_redis)
		fprintf(stderr, "pollgate: --redis: %s\n", wrong_redis);
	else if (wrong_jwks)
		fprintf(stderr, "pollgate: --auth-jwks %s\n", wrong_jwks);
	else if (wrong_hook)
		fprintf(stderr, "pollgate: --hook %s\n", wrong_hook);
	else if (!act(&gateway.options, &status))
		status = run(&gateway);
	free(wrong);
	options_free(&gateway.options);
	return status;
}
