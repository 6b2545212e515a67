/*
 * The server: the listener, how many connections it takes, the tick that sweeps deadlines, draining.
 */
#include <assert.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/http_private.h"

enum {
	COMPLAIN_MS = 10000,    /* How often to say that accepting fails. */
	RESUME_MS = 100,        /* How long not to accept after running out of descriptors. */
	TRIM_CONNECTIONS = 1000,
	CLOSE_LISTENER_MS = 100, /* Draining: let clients whose connection is half made finish, and the loop accept them. */
};

/* evhttp keeps the argument of a listener's callbacks to itself, so the error callback must look for its server. */
static LIST_HEAD(, http_server) servers = LIST_HEAD_INITIALIZER(servers);

static void
add_timer(struct event *timer, int ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(timer, &tv);
}

static void
update_accepting(struct http_server *server)
{
	bool accepting = !server->is_paused && server->connections < server->max_connections;

	if (!server->listener || accepting == server->is_accepting)
		return;
	server->is_accepting = accepting;
	/* evconnlistener's accept loop stops at once when it finds itself disabled. */
	if (accepting)
		evconnlistener_enable(server->listener);
	else
		evconnlistener_disable(server->listener);
}

/* Left enabled, the listener would fail again and again as fast as it can. */
static void
on_accept_error(struct evconnlistener *listener, void *http)
{
	int error = errno;
	struct http_server *server;

	LIST_FOREACH(server, &servers, entry)
		if (server->http == http)
			break;
	assert(server && server->listener == listener);
	metric_add(ACCEPT_ERRORS, 1);
	if (clock_mono_ms() >= server->complain_at) {
		server->complain_at = clock_mono_ms() + COMPLAIN_MS;
		log_warning("cannot accept a connection: %s", strerror(error));
	}
	server->is_paused = true;
	update_accepting(server);
	add_timer(server->resume, RESUME_MS);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	(void)fd, (void)what;
	server->is_paused = false;
	update_accepting(server);
}

/* The allocator keeps what a storm of connections has used until it is told to give it back. */
static void
trim(struct http_server *server)
{
	if (server->connections > server->peak)
		server->peak = server->connections;
	if (server->peak - server->connections < TRIM_CONNECTIONS)
		return;
	server->peak = server->connections;
	malloc_trim(0);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	(void)fd, (void)what;
	http_conn_sweep(server);
	trim(server);
	if (server->connections > 0)
		add_timer(server->tick, HTTP_TICK_MS);
}

static void
on_adopt(evutil_socket_t fd, short what, void *server)
{
	(void)fd, (void)what;
	http_conn_adopt(server);
}

static void
check_drained(struct http_server *server)
{
	if (server->is_draining && !server->bound && server->connections == 0 && server->drained)
		event_active(server->tell_drained, 0, 0);
}

static void
on_close_listener(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;

	(void)fd, (void)what;
	evhttp_del_accept_socket(server->http, server->bound);
	server->bound = NULL;
	server->listener = NULL;
	event_del(server->resume);
	check_drained(server);
}

static void
on_tell_drained(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;
	void (*drained)(void *) = server->drained;

	(void)fd, (void)what;
	server->drained = NULL;
	if (drained)
		drained(server->drained_arg);
}

void
http_server_count(struct http_server *server, int change)
{
	server->connections += (uint32_t)change;
	metric_add(CONNECTIONS, change);
	update_accepting(server);
	if (change > 0 && server->connections == 1)
		add_timer(server->tick, HTTP_TICK_MS);
	if (change < 0)
		check_drained(server);
}

static bool
listen_on(struct http_server *server, const char *address)
{
	int fd = http_listen(address, server->write_ms, &server->port);

	if (fd == -1)
		return false;
	server->listener = evconnlistener_new(server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!server->listener) {
		close(fd);
		return false;
	}
	server->is_accepting = true;
	evconnlistener_set_error_cb(server->listener, on_accept_error);
	server->bound = evhttp_bind_listener(server->http, server->listener);
	return server->bound != NULL;
}

static void
free_events(struct http_server *server)
{
	struct event *events[] = {
		server->tick, server->adopt, server->resume, server->stay, server->close_listener, server->tell_drained,
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		event_free(events[i]);
}

static void
set_up(struct http_server *server, const struct http_config *config)
{
	server->limits.head = config->max_headers ? config->max_headers : 16 * 1024;
	server->limits.headers = config->max_header_count ? config->max_header_count : 100;
	server->limits.body = config->max_body;
	server->max_connections = config->connections;
	server->request_ms = config->request_ms;
	server->idle_ms = config->idle_ms;
	server->write_ms = config->write_ms;
	server->ping_ms = config->ping_ms;
	server->silence_ms = config->silence_ms;
	for (int i = 0; i < HTTP_STATES; i++)
		TAILQ_INIT(&server->conns[i]);
	TAILQ_INIT(&server->pings);
	server->tick = event_new(server->base, -1, 0, on_tick, server);
	server->adopt = event_new(server->base, -1, 0, on_adopt, server);
	server->resume = event_new(server->base, -1, 0, on_resume, server);
	server->stay = event_new(server->base, -1, 0, on_resume, server);
	server->close_listener = event_new(server->base, -1, 0, on_close_listener, server);
	server->tell_drained = event_new(server->base, -1, 0, on_tell_drained, server);
	server->http = evhttp_new(server->base);
	/* Our limits are checked before evhttp sees anything; its own must not get in the way.  Never a timeout of evhttp's. */
	evhttp_set_max_headers_size(server->http, (ev_ssize_t)server->limits.head);
	evhttp_set_max_body_size(server->http, (ev_ssize_t)server->limits.body + 1);
	evhttp_set_allowed_methods(server->http, 0xffff);
	evhttp_set_bevcb(server->http, http_conn_new, server);
	evhttp_set_gencb(server->http, http_conn_on_request, server);
}

struct http_server *
http_server_new(struct event_base *base, const struct http_config *config, http_request_fn *on_request, void *arg)
{
	struct http_server *server = mem_zero(1, sizeof(*server));

	assert(config->connections > 0 && config->request_ms > 0 && config->idle_ms > 0 && config->write_ms > 0);
	server->base = base;
	server->on_request = on_request;
	server->arg = arg;
	server->date_s = -1;
	set_up(server, config);
	LIST_INSERT_HEAD(&servers, server, entry);
	metric_set(CONNECTIONS_LIMIT, server->max_connections);
	if (!listen_on(server, config->listen)) {
		http_server_free(server);
		return NULL;
	}
	return server;
}

int
http_server_port(const struct http_server *server)
{
	return server->port;
}

uint32_t
http_server_connections(const struct http_server *server)
{
	return server->connections;
}

void
http_server_drain(struct http_server *server, int64_t idle_ms, void (*drained)(void *arg), void *arg)
{
	assert(!server->is_draining);
	server->is_draining = true;
	server->draining_since = clock_mono_ms();
	server->drain_idle_ms = idle_ms;
	server->drained = drained;
	server->drained_arg = arg;
	http_listen_deafen(evconnlistener_get_fd(server->listener));
	add_timer(server->close_listener, CLOSE_LISTENER_MS);
}

void
http_server_free(struct http_server *server)
{
	if (!server)
		return;
	http_conn_adopt(server);
	server->drained = NULL;
	server->listener = NULL;
	evhttp_free(server->http);
	assert(server->connections == 0);
	LIST_REMOVE(server, entry);
	free_events(server);
	buf_free(&server->head);
	free(server);
}
