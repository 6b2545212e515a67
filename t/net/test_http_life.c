/*
 * The life of connections: parked requests and clients that leave, deadlines, floods, limits, draining, the end.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http_kit.h"

#define HOST "Host: a\r\n"
#define PARK "GET /park HTTP/1.1\r\n" HOST "\r\n"
#define HOLD "GET /hold HTTP/1.1\r\n" HOST "\r\n"
#define GET "GET /x HTTP/1.1\r\n" HOST "\r\n"

static bool
contains(const char *answer, const char *text)
{
	return strstr(answer, text) != NULL;
}

/* A client whose request n is parked. */
static struct http_request *
park(struct kit_client *c)
{
	int before = kit_parks;

	kit_connect(c);
	kit_sends(c, PARK);
	if (!KIT_WAIT(c, kit_parks == before + 1))
		ok(false, "a request is parked");
	return kit_parked[before % 64];
}

static void
test_parked(void)
{
	struct kit_client c;
	struct http_request *req;
	const char *answer;
	int before = kit_gone;

	req = park(&c);
	ok(kit_is_quiet(&c), "a parked request waits");
	http_set_header(req, "X-Late", "too");
	http_reply(req, 200, "text/plain", "woken", 5);
	answer = kit_answer(&c, true);
	ok(kit_status(answer) == 200 && contains(answer, "woken"), "until it is answered");
	ok(contains(answer, "\r\nX-Early: yes\r\nX-Late: too\r\n"), "with the headers set before it was parked and after");
	kit_sends(&c, GET PARK);
	ok(contains(kit_answer(&c, true), "0 /x"), "the connection goes on");
	KIT_WAIT(&c, kit_parks == 2);
	kit_sends(&c, GET "GET /y HT");
	ok(kit_is_quiet(&c), "a pipelined request waits behind a parked one");
	http_reply(kit_parked[1], 200, "text/plain", "first", 5);
	ok(contains(kit_answer(&c, true), "first") && contains(kit_answer(&c, true), "0 /x"), "and is served after it");
	kit_sends(&c, "TP/1.1\r\n" HOST "\r\n");
	ok(contains(kit_answer(&c, true), "0 /y"), "even a part of one");
	kit_close(&c);

	kit_connect(&c);
	kit_sends(&c, "GET /park HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	KIT_WAIT(&c, kit_parks == 3);
	http_reply(kit_parked[2], 200, "text/plain", "last", 4);
	ok(contains(kit_answer(&c, true), "\r\nConnection: close\r\n") && kit_ends(&c),
	    "Connection: close is not forgotten while parked");
	kit_close(&c);
	is_int(kit_gone, before, "nobody was told that a client left");
}

static int drained;

static void
on_drained(void *arg)
{
	(void)arg;
	drained++;
}

static void
test_stream(void)
{
	static char much[4 << 20];
	struct kit_client c;
	struct http_request *req = park(&c);
	int before = kit_gone, parks;

	memset(much, 'x', sizeof(much));
	http_set_header(req, "X-Stream", "yes");
	http_stream_start(req, 200, "text/plain", on_drained);
	is_int((long long)http_stream_write(req, "one", 3), 0, "what a stream writes goes out at once");
	ok(KIT_WAIT(&c, kit_has(&c, "\r\n\r\n3\r\none\r\n")), "as a chunk");
	ok(kit_has(&c, "\r\nTransfer-Encoding: chunked\r\n") && kit_has(&c, "\r\nX-Stream: yes\r\n"), "behind its head");
	ok(!kit_has(&c, "Content-Length"), "which knows no length");
	kit_sends(&c, GET);
	ok(kit_is_quiet(&c), "a request behind it waits");
	http_stream_end(req);
	ok(KIT_WAIT(&c, kit_has(&c, "\r\n0\r\n\r\n") && kit_has(&c, "0 /x")), "until it has ended: the connection goes on");
	kit_close(&c);

	req = park(&c);
	http_stream_start(req, 200, "text/plain", on_drained);
	ok(http_stream_write(req, much, sizeof(much)) > 0 && drained == 0, "what the client does not take waits");
	ok(KIT_WAIT(&c, drained == 1), "and when it has taken it, that is told");
	http_stream_write(req, much, sizeof(much));
	http_stream_end(req);
	ok(KIT_WAIT(&c, kit_has(&c, "\r\n0\r\n\r\n")) && drained == 1, "an end waits its turn");
	kit_close(&c);

	parks = kit_parks;
	kit_connect(&c);
	kit_sends(&c, "GET /park HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n");
	KIT_WAIT(&c, kit_parks == parks + 1);
	req = kit_parked[parks % 64];
	http_stream_start(req, 200, "text/plain", on_drained);
	http_stream_write(req, "old", 3);
	http_stream_end(req);
	ok(kit_ends(&c) && kit_has(&c, "\r\n\r\nold") && !kit_has(&c, "chunked"), "to HTTP/1.0 the end is that of the connection");
	kit_close(&c);

	is_int(kit_gone, before, "nobody was told that a client left");
	req = park(&c);
	http_stream_start(req, 200, "text/plain", on_drained);
	kit_reset(&c);
	ok(http_stream_write(req, "x", 1) > 0, "what a client that left does not take waits like any other");
	ok(http_stream_write(req, "y", 1) > 0, "so does what comes then");
	is_int(kit_gone, before, "writing to it calls nobody");
	ok(KIT_WAIT(&c, kit_gone == before + 1), "but that it left is told");
}

static void
test_gone(void)
{
	struct kit_client c;
	struct http_request *req;

	park(&c);
	kit_close(&c);
	ok(KIT_WAIT(NULL, kit_gone == 1), "a client that leaves while parked is noticed");
	park(&c);
	kit_reset(&c);
	ok(KIT_WAIT(NULL, kit_gone == 2), "also by a reset");
	park(&c);
	shutdown(c.fd, SHUT_WR);
	ok(KIT_WAIT(&c, kit_gone == 3), "also when it only closes its half");
	kit_close(&c);
	park(&c);
	kit_sends(&c, GET);
	kit_is_quiet(&c);
	kit_close(&c);
	ok(KIT_WAIT(NULL, kit_gone == 4), "also with a pipelined request behind");

	req = park(&c);
	kit_close(&c);
	http_reply(req, 200, "text/plain", "late", 4);
	ok(KIT_WAIT(NULL, http_server_connections(kit_server) == 0), "an answer may cross with the client's leaving");
	is_int(kit_gone, 4, "then it was an answer");
	req = park(&c);
	kit_reset(&c);
	http_reply(req, 200, "text/plain", "late", 4);
	ok(KIT_WAIT(NULL, http_server_connections(kit_server) == 0) && kit_gone == 4, "with a reset too");
}

static void
test_held(void)
{
	struct kit_client c;

	kit_connect(&c);
	kit_sends(&c, HOLD);
	KIT_WAIT(&c, kit_holds == 1);
	ok(kit_is_quiet(&c), "a request may be answered later without parking it");
	ok(strcmp(http_path(kit_held[0]), "/hold") == 0 && strcmp(http_header(kit_held[0], "host"), "a") == 0,
	    "all of it is there until then");
	http_reply(kit_held[0], 200, "text/plain", "held", 4);
	ok(contains(kit_answer(&c, true), "held"), "it is answered");
	kit_sends(&c, HOLD);
	KIT_WAIT(&c, kit_holds == 2);
	kit_close(&c);
	kit_is_quiet(NULL);
	http_reply(kit_held[1], 200, "text/plain", "held", 4);
	ok(KIT_WAIT(NULL, http_server_connections(kit_server) == 0), "or not, if the client has left: that is noticed then");
	is_int(kit_gone, 4, "and nobody is called back");
}

static void
test_floods(void)
{
	static char rubbish[40000];
	int64_t cut = metrics[METRIC_CONNECTIONS_CUT];
	int requests;
	struct kit_client c;
	struct buf many = BUF_EMPTY;

	memset(rubbish, 'x', sizeof(rubbish));
	park(&c);
	kit_send(&c, rubbish, sizeof(rubbish));
	ok(kit_ends(&c) && kit_gone == 5, "who floods behind a parked request is cut");
	is_int(metrics[METRIC_CONNECTIONS_CUT], cut + 1, "and counted");
	kit_close(&c);

	requests = kit_requests;
	for (int i = 0; i < 3000; i++)
		buf_adds(&many, GET);
	kit_connect(&c);
	kit_send(&c, many.data, many.len);
	ok(KIT_WAIT(&c, kit_requests == requests + 3000), "any number of requests that are answered at once may be pipelined");
	kit_close(&c);
	buf_free(&many);
}

static void
test_deadlines(void)
{
	static const char *const parts[] = {"G", "GET / HTTP/1.1\r\nHost: a\r\n",
	    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel",
	    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nab"};
	static const char *const names[] = {"request line", "head", "body", "chunked body"};
	struct kit_client c, idle, fresh;
	struct http_request *req;

	for (int i = 0; i < 4; i++) {
		kit_connect(&c);
		kit_sends(&c, parts[i]);
		kit_is_quiet(&c);
		clock_turn(kit_config().request_ms - 1000);
		ok(kit_is_quiet(&c), "a %s may take its time", names[i]);
		kit_sends(&c, i == 3 ? "c" : "l");
		clock_turn(1000);
		ok(kit_ends(&c), "but no longer than the request's deadline, which a byte now and then does not move");
		kit_close(&c);
	}
	kit_connect(&fresh);
	kit_connect(&idle);
	kit_sends(&idle, GET);
	kit_answer(&idle, true);
	req = park(&c);
	clock_turn(kit_config().idle_ms - 1000);
	ok(kit_is_quiet(&idle) && kit_is_quiet(&fresh), "an idle connection is kept");
	clock_turn(2000);
	ok(kit_ends(&idle) && kit_ends(&fresh), "until its deadline");
	ok(kit_is_quiet(&c), "a parked request has none here");
	http_reply(req, 200, "text/plain", "ok", 2);
	ok(kit_status(kit_answer(&c, true)) == 200 && kit_is_quiet(&c), "and its connection is idle only from its answer on");
	kit_close(&c);
	kit_close(&idle);
	kit_close(&fresh);
}

/* Read for a while, at four megabytes a second. */
static void
read_slowly(struct kit_client *c, int ms)
{
	static char part[65536];
	int64_t start = kit_now(), taken = 0;

	while (kit_now() - start < ms) {
		ssize_t n = 0;

		kit_turn(NULL);
		if (taken < (kit_now() - start) * 4000)
			n = recv(c->fd, part, sizeof(part), MSG_DONTWAIT);
		taken += n > 0 ? n : 0;
	}
}

static void
test_stalled(void)
{
	struct http_config config = kit_config();
	struct kit_client c, slow;
	int64_t stalled = metrics[METRIC_CONNECTIONS_STALLED];

	config.write_ms = 1000;
	kit_start(&config);
	kit_connect(&c);
	kit_connect(&slow);
	kit_sends(&slow, "GET /big?n=20000000 HTTP/1.1\r\n" HOST "\r\n");
	kit_sends(&c, "GET /big?n=20000000 HTTP/1.1\r\n" HOST "\r\n");
	read_slowly(&slow, 2500);
	is_int(http_server_connections(kit_server), 1, "who does not read its answer is cut, who reads slowly is not");
	is_int(metrics[METRIC_CONNECTIONS_STALLED], stalled + 1, "and counted");
	kit_close(&slow);
	ok(KIT_WAIT(NULL, http_server_connections(kit_server) == 0), "a client may leave in the middle of an answer");
	kit_close(&c);
	ok(kit_stop(), "and nothing is left of it");
}

/* What the kernel has taken for a client is not with the client yet. */
static void
test_vanished(void)
{
	struct http_config config = kit_config();
	struct kit_client here, streaming, answered;
	struct http_request *here_req, *stream_req, *answer_req;
	int64_t cut = metrics[METRIC_CONNECTIONS_CUT], stalled = metrics[METRIC_CONNECTIONS_STALLED];

	config.write_ms = 1000;
	kit_start(&config);
	here_req = park(&here);
	stream_req = park(&streaming);
	answer_req = park(&answered);
	http_stream_start(here_req, 200, "text/plain", on_drained);
	http_stream_start(stream_req, 200, "text/plain", on_drained);
	ok(kit_has(&streaming, "\r\n\r\n"), "a stream begins");
	kit_vanish(&streaming);
	kit_vanish(&answered);
	http_stream_write(here_req, "x", 1);
	is_int((long long)http_stream_write(stream_req, "x", 1), 0, "what is sent to a client that has vanished goes out all the same");
	http_reply(answer_req, 200, "text/plain", "x", 1);
	ok(KIT_WAIT(&here, http_server_connections(kit_server) == 1 && kit_gone == 1),
	    "who acknowledges nothing of it is cut, streaming or not");
	is_int(metrics[METRIC_CONNECTIONS_CUT], cut + 2, "and counted");
	is_int(metrics[METRIC_CONNECTIONS_STALLED], stalled + 2, "as stalled");
	ok(kit_has(&here, "1\r\nx\r\n") && !here.ended, "who has nothing to acknowledge is not");
	kit_close(&here);
	kit_close(&streaming);
	kit_close(&answered);
	ok(kit_stop(), "and nothing is left of them");
}

static void
test_full(void)
{
	struct http_config config = kit_config();
	struct kit_client c[5];

	config.connections = 3;
	kit_start(&config);
	is_int(metrics[METRIC_CONNECTIONS_LIMIT], 3, "the limit of connections is a metric");
	for (int i = 0; i < 5; i++) {
		kit_connect(&c[i]);
		kit_sends(&c[i], GET);
	}
	for (int i = 0; i < 3; i++)
		is_int(kit_status(kit_answer(&c[i], true)), 200, "as many clients as may be are served");
	ok(kit_is_quiet(&c[3]) && http_server_connections(kit_server) == 3, "the next waits");
	kit_close(&c[1]);
	is_int(kit_status(kit_answer(&c[3], true)), 200, "until one leaves");
	ok(kit_is_quiet(&c[4]), "in turn");
	kit_close(&c[0]);
	is_int(kit_status(kit_answer(&c[4], true)), 200, "all are served in the end");
	kit_connect(&c[0]);
	kit_sends(&c[0], GET);
	kit_connect(&c[1]);
	kit_sends(&c[1], GET);
	ok(kit_is_quiet(&c[0]), "when it is full again, the next waits");
	clock_turn(5000);
	ok(kit_status(kit_answer(&c[0], true)) == 200 && kit_ends(&c[2]), "until the one that was idle longest makes room");
	for (int i = 0; i < 5; i++)
		kit_close(&c[i]);
	ok(kit_stop(), "and nothing is left of them");
}

/* The lowest descriptor that is free. */
static int
next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void
test_no_descriptors(void)
{
	struct http_config config = kit_config();
	struct kit_client c;
	struct rlimit before, low;
	int64_t errors = metrics[METRIC_ACCEPT_ERRORS];

	kit_start(&config);
	kit_connect(&c);
	kit_sends(&c, GET);
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = (rlim_t)next_fd();
	setrlimit(RLIMIT_NOFILE, &low);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	ok(KIT_WAIT(&c, metrics[METRIC_ACCEPT_ERRORS] > errors + 2), "without descriptors accepting fails, and is tried again");
	ok(metrics[METRIC_ACCEPT_ERRORS] < errors + 6, "after a pause");
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(kit_status(kit_answer(&c, true)), 200, "and goes on when there is one");
	kit_close(&c);
	ok(kit_stop(), "and nothing is left");
}

static void
test_drain(void)
{
	struct http_config config = kit_config();
	struct kit_client idle, used, parked, partial, late, big;
	struct http_request *req;
	const char *answer;

	kit_start(&config);
	req = park(&parked);
	kit_connect(&idle);
	kit_sends(&idle, GET);
	kit_answer(&idle, true);
	kit_connect(&used);
	kit_sends(&used, GET);
	kit_answer(&used, true);
	kit_connect(&big);
	kit_sends(&big, "GET /big?n=8000000 HTTP/1.1\r\n" HOST "\r\n");
	KIT_WAIT(NULL, kit_requests == 4);
	kit_connect(&partial);
	kit_sends(&partial, "GET /x HT");
	KIT_WAIT(&partial, http_server_connections(kit_server) == 5);
	kit_connect(&late);
	kit_sends(&late, GET);
	kit_drain();
	answer = kit_answer(&late, true);
	ok(kit_status(answer) == 200 && contains(answer, "\r\nConnection: close\r\n"),
	    "a connection that waits to be accepted is still served");
	kit_sends(&used, GET);
	answer = kit_answer(&used, true);
	ok(kit_status(answer) == 200 && contains(answer, "\r\nConnection: close\r\n") && kit_ends(&used),
	    "while draining, each answer closes its connection");
	kit_sends(&partial, "TP/1.1\r\n" HOST "\r\n");
	ok(contains(kit_answer(&partial, true), "\r\nConnection: close\r\n"), "a request on its way is served");
	ok(kit_ends(&idle) && !idle.reset, "idle connections are closed");
	kit_close(&late);
	ok(!kit_try_connect(&late), "no new connection is taken");
	ok(strlen(kit_answer(&big, true)) > 8000000, "an answer on its way arrives");
	ok(kit_is_quiet(&parked) && kit_drained == 0, "a parked request is its owner's affair");
	http_reply(req, 200, "text/plain", "bye", 3);
	ok(contains(kit_answer(&parked, true), "\r\nConnection: close\r\n") && kit_ends(&parked), "who answers it");
	kit_close(&big);
	ok(KIT_WAIT(NULL, kit_drained == 1), "the end of the last connection is told");
	kit_close(&idle);
	kit_close(&used);
	kit_close(&partial);
	kit_close(&parked);
	kit_close(&late);
	ok(kit_stop() && kit_drained == 1, "once");

	kit_start(&config);
	req = park(&used);
	http_stream_start(req, 200, "text/plain", on_drained);
	http_stream_write(req, "x", 1);
	req = park(&idle);
	http_stream_start(req, 200, "text/plain", on_drained);
	http_stream_write(req, "x", 1);
	kit_drain();
	http_stream_end(kit_parked[0]);
	http_stream_end(req);
	ok(kit_has(&used, "\r\n0\r\n\r\n") && kit_is_quiet(&used), "a stream may end while draining: its head did not say close");
	kit_sends(&used, GET);
	ok(kit_has(&used, "0 /x") && strstr(used.in.data, "\r\nConnection: close\r\n") && kit_ends(&used),
	    "so a request may be on its way, and is answered");
	ok(kit_ends(&idle) && !idle.reset && KIT_WAIT(NULL, kit_drained == 1), "if none comes the connection ends with the idle ones");
	kit_close(&used);
	kit_close(&idle);
	kit_stop();

	kit_start(&config);
	kit_drain();
	ok(KIT_WAIT(NULL, kit_drained == 1), "without connections draining is soon over");
	kit_stop();
}

static void
test_end(void)
{
	struct http_config config = kit_config();
	struct kit_client c[4];

	kit_start(&config);
	park(&c[0]);
	kit_connect(&c[1]);
	kit_sends(&c[1], HOLD);
	KIT_WAIT(NULL, kit_holds == 1);
	kit_connect(&c[2]);
	kit_sends(&c[2], "GET /big?n=9000000 HTTP/1.1\r\n" HOST "\r\n");
	KIT_WAIT(NULL, kit_requests == 3);
	kit_connect(&c[3]);
	kit_sends(&c[3], "POST / HT");
	ok(kit_stop(), "a server may end with connections in every state");
	is_int(kit_gone, 1, "who had parked is told");
	ok(strcmp(http_path(kit_held[0]), "/hold") == 0, "who holds a request still has it");
	http_reply(kit_held[0], 200, "text/plain", "x", 1);
	for (int i = 0; i < 4; i++)
		kit_close(&c[i]);

	config.listen = "nonsense";
	kit_base = event_base_new();
	ok(!http_server_new(kit_base, &config, NULL, NULL), "there is no server on an address that is none");
	config.listen = "256.0.0.1:80";
	ok(!http_server_new(kit_base, &config, NULL, NULL), "nor on one that is nobody's");
	event_base_free(kit_base);
}

static bool
has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd != -1 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return has;
}

static void
test_addresses(void)
{
	static const char *const addresses[] = {":0", "[::1]:0", "127.0.0.1:0", "localhost:0"};

	for (int i = 0; i < 4; i++) {
		struct http_config config = kit_config();

		if (addresses[i][0] == '[' && !has_ipv6())
			continue;
		config.listen = addresses[i];
		kit_start(&config);
		ok(http_server_port(kit_server) > 0, "%s is an address to listen on", addresses[i]);
		if (i == 0) {
			struct kit_client c;

			kit_connect(&c);
			kit_sends(&c, GET);
			kit_answer(&c, true);
			is_string(kit_peer, "127.0.0.1", "an IPv4 client looks like one on a socket for both");
			kit_close(&c);
		}
		kit_stop();
	}
}

int
main(void)
{
	struct http_config config = kit_config();

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	kit_start(&config);
	test_parked();
	test_gone();
	test_held();
	test_floods();
	test_deadlines();
	test_stream();
	ok(kit_stop(), "nothing is left of the connections when the server is gone");
	test_stalled();
	test_vanished();
	test_full();
	test_no_descriptors();
	test_drain();
	test_end();
	test_addresses();
	return done();
}
