/*
 * Making a connection: the host's name, TCP, log-in.
 */
#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/redis_private.h"

static void
greet(struct redis *r, enum greeting greeting)
{
	redis_put(r, &r->greeting);
	r->greetings[r->greetings_sent++] = greeting;
}

static void
on_connected(struct redis *r)
{
	evutil_socket_t fd = bufferevent_getfd(r->bev);
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	r->readable = event_new(r->base, fd, EV_READ | EV_PERSIST, redis_on_readable, r);
	if (!r->readable)
		abort();
	event_add(r->readable, NULL);
	r->state = STATE_GREETING;
	r->greetings_sent = r->greetings_answered = 0;
	r->heard = clock_mono_ms();
	if (r->address->password) {
		redis_command_start(&r->greeting, "AUTH");
		if (r->address->user)
			redis_command_adds(&r->greeting, r->address->user);
		redis_command_adds(&r->greeting, r->address->password);
		greet(r, GREETING_AUTH);
	}
	if (r->address->db) {
		redis_command_start(&r->greeting, "SELECT");
		redis_command_addi(&r->greeting, r->address->db);
		greet(r, GREETING_SELECT);
	}
	redis_command_start(&r->greeting, "CLIENT");
	redis_command_adds(&r->greeting, "SETNAME");
	redis_command_adds(&r->greeting, r->name);
	greet(r, GREETING_NAME);
	redis_command_start(&r->greeting, "PING");
	greet(r, GREETING_PING);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis *r = arg;
	int error = EVUTIL_SOCKET_ERROR(), dns = bufferevent_socket_get_dns_error(bev);

	redis_enter(r);
	if (what & BEV_EVENT_CONNECTED)
		on_connected(r);
	else if (what & BEV_EVENT_EOF)
		redis_lose(r, "closed by the server");
	else if (dns)
		redis_lose(r, evutil_gai_strerror(dns));
	else
		redis_lose(r, evutil_socket_error_to_string(error));
	redis_leave(r);
}

static bool
is_numeric(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Names are looked up by libevent, with the system's settings as they are now, so that the loop goes on turning. */
void
redis_connect(struct redis *r)
{
	if (r->dns)
		evdns_base_free(r->dns, 0);
	r->dns = NULL;
	if (!is_numeric(r->address->host))
		r->dns = evdns_base_new(r->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	r->reader = redisReaderCreate();
	r->bev = bufferevent_socket_new(r->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!r->reader || !r->bev)
		abort();
	r->state = STATE_CONNECTING;
	redis_set_timer(r, r->timeout_ms);
	bufferevent_setcb(r->bev, NULL, NULL, on_event, r);
	bufferevent_enable(r->bev, EV_WRITE);
	bufferevent_socket_connect_hostname(r->bev, r->dns, AF_UNSPEC, r->address->host, r->address->port);
}

void
redis_on_greeting(struct redis *r, const redisReply *reply)
{
	enum greeting greeting = r->greetings[r->greetings_answered++];

	/* Some servers refuse CLIENT; a name is not worth a connection. */
	if (reply->type == REDIS_REPLY_ERROR && greeting != GREETING_NAME)
		redis_lose(r, reply->str);
	else if (r->greetings_answered == r->greetings_sent)
		redis_come_up(r);
}
