/*
 * The HTTP client, against servers in this process and on its loop: what is sent, what comes back, and all the ways in which a
 * server can fail.  Names are looked up by a getaddrinfo of this test, which can be slow.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../tap.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/fetch.h"
#include "net/loop.h"

enum { LIMIT_MS = 10000, ANSWER_MAX = 1000 };

static struct event_base *base;
static int port;
static int connections, peers, open_requests, most_open;
static struct buf seen; /* The last request. */

/* ---- A resolver that can be slow ---- */

static pthread_mutex_t resolver = PTHREAD_MUTEX_INITIALIZER;

/* Names that end in ".slow" wait until the test lets them go; all are this host. */
int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	struct {
		struct addrinfo info;
		struct sockaddr_in address;
	} *made = calloc(1, sizeof *made);

	(void)hints;
	if (host && strstr(host, ".slow")) {
		pthread_mutex_lock(&resolver);
		pthread_mutex_unlock(&resolver);
	}
	made->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)(service ? atoi(service) : 0))};
	made->info = (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP,
	    .ai_addrlen = sizeof made->address, .ai_addr = (struct sockaddr *)&made->address};
	*result = &made->info;
	return 0;
}

void
freeaddrinfo(struct addrinfo *info)
{
	free(info);
}

/* ---- The server ---- */

struct peer {
	struct bufferevent *bev;
	bool has_open;
	bool endless;
};

static void
answer(struct peer *peer, const char *status, const char *headers, const char *body)
{
	evbuffer_add_printf(bufferevent_get_output(peer->bev), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
	    headers, body);
}

static void
peer_free(struct peer *peer)
{
	peers--;
	open_requests -= peer->has_open;
	bufferevent_free(peer->bev);
	free(peer);
}

static void
add_endless(struct peer *peer)
{
	char chunk[0x100 + 1];

	memset(chunk, 'x', sizeof chunk);
	chunk[0x100] = '\0';
	evbuffer_add_printf(bufferevent_get_output(peer->bev), "100\r\n%s\r\n", chunk);
}

static void
add_many_headers(struct evbuffer *out)
{
	evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2000; i++)
		evbuffer_add_printf(out, "X-Header-%d: and its value\r\n", i);
	evbuffer_add_printf(out, "Content-Length: 0\r\n\r\n");
}

static bool
is_path(const char *request, const char *path)
{
	const char *at = strchr(request, ' ');

	return at && strncmp(at + 1, path, strlen(path)) == 0 && at[1 + strlen(path)] == ' ';
}

static void
serve(struct peer *peer, const char *request)
{
	struct evbuffer *out = bufferevent_get_output(peer->bev);

	if (is_path(request, "/hello")) {
		answer(peer, "200 OK", "Content-Type: text/plain\r\nX-Empty:\r\nX-Spaced:   a  b  \r\n", "hello");
	} else if (is_path(request, "/continue")) {
		evbuffer_add_printf(out, "HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n");
		answer(peer, "200 OK", "", "late");
	} else if (is_path(request, "/never")) {
		peer->has_open = true;
		if (++open_requests > most_open)
			most_open = open_requests;
	} else if (is_path(request, "/redirect")) {
		answer(peer, "302 Found", "Location: /hello\r\n", "");
	} else if (is_path(request, "/error")) {
		answer(peer, "500 Internal Server Error", "", "<html>");
	} else if (is_path(request, "/busy")) {
		answer(peer, "503 Service Unavailable", "Retry-After: 7\r\n", "");
	} else if (is_path(request, "/busy-until")) {
		answer(peer, "429 Too Many Requests", "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n", "");
	} else if (is_path(request, "/busy-once")) {
		answer(peer, "503 Service Unavailable", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "");
	} else if (is_path(request, "/busy-somehow")) {
		answer(peer, "503 Service Unavailable", "Retry-After: -5 or later\r\n", "");
	} else if (is_path(request, "/full")) {
		char body[ANSWER_MAX + 1];

		memset(body, 'f', ANSWER_MAX);
		body[ANSWER_MAX] = '\0';
		answer(peer, "200 OK", "", body);
	} else if (is_path(request, "/huge")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nbegin");
	} else if (is_path(request, "/endless")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		peer->endless = true;
		add_endless(peer);
	} else if (is_path(request, "/headers")) {
		add_many_headers(out);
	} else if (is_path(request, "/cut")) {
		evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		evbuffer_write(out, bufferevent_getfd(peer->bev));
		peer_free(peer);
	} else if (is_path(request, "/slam")) {
		peer_free(peer);
	} else if (is_path(request, "/garbage")) {
		evbuffer_add_printf(out, "220 smtp.example ESMTP\r\n");
	} else {
		answer(peer, "404 Not Found", "", "");
	}
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct peer *peer = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	const char *length;
	size_t len;

	if (end.pos < 0)
		return;
	len = (size_t)end.pos + 4;
	buf_clear(&seen);
	buf_add(&seen, evbuffer_pullup(in, -1), evbuffer_get_length(in));
	length = strstr(seen.data, "Content-Length: ");
	if (length && length < seen.data + len)
		len += (size_t)atoi(length + 16);
	if (evbuffer_get_length(in) < len)
		return;
	evbuffer_drain(in, len);
	serve(peer, seen.data);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct peer *peer = arg;

	(void)bev;
	if (peer->endless)
		add_endless(peer);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	peer_free(arg);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct peer *peer = mem_zero(1, sizeof *peer);

	(void)listener, (void)address, (void)len, (void)arg;
	connections++;
	peers++;
	peer->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(peer->bev, on_read, on_write, on_event, peer);
	bufferevent_enable(peer->bev, EV_READ | EV_WRITE);
}

static struct evconnlistener *
server_new(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	struct evconnlistener *listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 64,
	    (struct sockaddr *)&address, sizeof address);

	getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len);
	port = ntohs(address.sin_port);
	return listener;
}

/* ---- Requests ---- */

struct ask {
	struct fetch *fetch;
	int times;
	enum fetch_outcome outcome;
	int status;
	int64_t retry_after_ms;
	char body[ANSWER_MAX + 1];
	size_t len;
	char detail[300];
	char type[40], empty[8], spaced[40], early[8], location[40];
	struct fetcher *again; /* To be asked for another one from within the callback. */
	struct ask *next;
	struct ask *victim;    /* To be cancelled there. */
};

static void
copy_header(char *to, size_t size, const struct fetch_answer *a, const char *name)
{
	const char *value = fetch_header(a, name);

	snprintf(to, size, "%s", value ? value : "(none)");
}

static void start(struct fetcher *fetcher, struct ask *ask, const char *path);

static void
on_answer(void *arg, const struct fetch_answer *a)
{
	struct ask *ask = arg;

	ask->fetch = NULL;
	ask->times++;
	ask->outcome = a->outcome;
	ask->status = a->status;
	ask->retry_after_ms = a->retry_after_ms;
	ask->len = a->len;
	memcpy(ask->body, a->body, a->len + 1);
	snprintf(ask->detail, sizeof ask->detail, "%s", a->detail ? a->detail : "");
	copy_header(ask->type, sizeof ask->type, a, "content-TYPE");
	copy_header(ask->empty, sizeof ask->empty, a, "X-Empty");
	copy_header(ask->spaced, sizeof ask->spaced, a, "X-Spaced");
	copy_header(ask->early, sizeof ask->early, a, "X-Early");
	copy_header(ask->location, sizeof ask->location, a, "Location");
	if (ask->again)
		start(ask->again, ask->next, "/hello");
	if (ask->victim) {
		fetch_cancel(ask->victim->fetch);
		ask->victim->fetch = NULL;
	}
}

static void
start_with(struct fetcher *fetcher, struct ask *ask, const char *host, const char *path, int64_t timeout_ms)
{
	char url[200];
	struct fetch_request request = {.method = "GET", .url = url, .timeout_ms = timeout_ms, .max_answer = ANSWER_MAX};

	snprintf(url, sizeof url, "http://%s:%d%s", host, port, path);
	ask->fetch = fetch_start(fetcher, &request, on_answer, ask);
}

static void
start(struct fetcher *fetcher, struct ask *ask, const char *path)
{
	start_with(fetcher, ask, "127.0.0.1", path, LIMIT_MS);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void
turn(void)
{
	struct timeval often = {0, 5000};

	event_base_once(base, -1, EV_TIMEOUT, on_tick, NULL, &often);
	event_base_loop(base, EVLOOP_ONCE);
}

#define until(condition) \
	__extension__({ \
		int64_t until_deadline = clock_mono_ms() + 2 * LIMIT_MS; \
		while (!(condition) && clock_mono_ms() < until_deadline) \
			turn(); \
		(condition); \
	})

static struct ask
fetch(struct fetcher *fetcher, const char *path)
{
	struct ask ask = {0};

	start(fetcher, &ask, path);
	until(ask.times);
	return ask;
}

static struct fetcher *
fetcher_of(uint32_t concurrency, uint32_t queue)
{
	return fetcher_new(base, &(struct fetcher_config){.concurrency = concurrency, .queue = queue});
}

/* ---- Tests ---- */

static void
test_answers(void)
{
	struct fetcher *fetcher = fetcher_of(4, 4);
	struct ask ask = {0};

	connections = 0;
	start(fetcher, &ask, "/hello");
	is_int(ask.times, 0, "nothing is called back before the call that asked has returned");
	until(ask.times);
	ok(ask.outcome == FETCH_ANSWERED && ask.status == 200 && ask.len == 5 && strcmp(ask.body, "hello") == 0, "an answer comes");
	is_string(ask.type, "text/plain", "its headers are found by any case");
	is_string(ask.empty, "", "a header may be empty");
	is_string(ask.spaced, "a  b", "space around a value is no part of it");
	is_string(ask.location, "(none)", "a header that did not come is not there");
	ok(strstr(seen.data, "Accept-Encoding") == NULL, "no compression is asked for: what it unpacks to has no bound");
	fetch(fetcher, "/hello");
	is_int(connections, 1, "the connection is used again");
	ask = fetch(fetcher, "/continue");
	ok(ask.status == 200 && strcmp(ask.early, "(none)") == 0, "headers of a 1xx are none of the answer");
	ask = fetch(fetcher, "/error");
	ok(ask.outcome == FETCH_ANSWERED && ask.status == 500 && strcmp(ask.body, "<html>") == 0, "an error of the server is an answer");
	ask = fetch(fetcher, "/redirect");
	ok(ask.outcome == FETCH_ANSWERED && ask.status == 302 && ask.len == 0, "a redirect is an answer, too: it is not followed");
	is_string(ask.location, "/hello", "it says where to");
	is_int(ask.retry_after_ms, 0, "who does not say when to ask again is not waited for");
	is_int(fetch(fetcher, "/busy").retry_after_ms, 7000, "who says so in seconds is");
	ok(fetch(fetcher, "/busy-until").retry_after_ms >= 3600000, "or who gives a date");
	is_int(fetch(fetcher, "/busy-once").retry_after_ms, 0, "a date that is over is nothing");
	is_int(fetch(fetcher, "/busy-somehow").retry_after_ms, 0, "nor is nonsense");
	fetcher_free(fetcher);
}

static void
test_sending(void)
{
	struct fetcher *fetcher = fetcher_of(1, 1);
	static const struct fetch_header headers[] = {{"X-Ask", "what; ever"}, {"X-None", ""}, {"Content-Type", "application/json"}};
	char url[100];
	struct fetch_request request = {.method = "POST", .url = url, .headers = headers, .headers_count = 3, .body = "{\"a\":\0001}", .len = 8,
	    .timeout_ms = LIMIT_MS, .max_answer = ANSWER_MAX};
	struct ask ask = {0};

	snprintf(url, sizeof url, "http://127.0.0.1:%d/hello", port);
	ask.fetch = fetch_start(fetcher, &request, on_answer, &ask);
	memset(url, 'x', sizeof url - 1);
	until(ask.times);
	is_int(ask.status, 200, "the request is copied");
	ok(strncmp(seen.data, "POST /hello HTTP/1.1\r\n", 22) == 0, "the method is as it was asked for");
	ok(strstr(seen.data, "\r\nX-Ask: what; ever\r\n") && strstr(seen.data, "\r\nX-None:\r\n"), "its headers are sent");
	ok(strstr(seen.data, "\r\nContent-Type: application/json\r\n") && !strstr(seen.data, "urlencoded"), "so is the body's type");
	ok(seen.len > 8 && memcmp(seen.data + seen.len - 8, "{\"a\":\0001}", 8) == 0, "and the body, which is any bytes");
	ok(!strstr(seen.data, "Expect"), "at once");
	snprintf(url, sizeof url, "http://127.0.0.1:%d/hello", port);
	request.len = 0;
	ask.fetch = fetch_start(fetcher, &request, on_answer, &ask);
	until(ask.times == 2);
	ok(ask.status == 200 && strstr(seen.data, "\r\nContent-Length: 0\r\n"), "a body may be empty");
	fetcher_free(fetcher);
}

static void
test_bounds(void)
{
	struct fetcher *fetcher = fetcher_of(4, 4);
	struct ask ask = fetch(fetcher, "/full");

	ok(ask.outcome == FETCH_ANSWERED && ask.len == ANSWER_MAX, "an answer may be as large as the limit");
	ask = fetch(fetcher, "/huge");
	is_int(ask.outcome, FETCH_TOO_LARGE, "one that says it is larger is refused");
	ok(ask.len == 0 && *ask.detail, "nothing of it is handed on");
	ask = fetch(fetcher, "/endless");
	is_int(ask.outcome, FETCH_TOO_LARGE, "one that does not end is cut");
	ask = fetch(fetcher, "/headers");
	is_int(ask.outcome, FETCH_TOO_LARGE, "headers have a limit, too");
	ask = fetch(fetcher, "/hello");
	is_int(ask.status, 200, "the next request is answered");
	fetcher_free(fetcher);
}

static void
test_failures(void)
{
	struct fetcher *fetcher = fetcher_of(4, 4);
	struct ask ask = {0};
	int64_t began = clock_mono_ms();

	start_with(fetcher, &ask, "127.0.0.1", "/never", 100);
	until(ask.times);
	ok(ask.outcome == FETCH_TIMED_OUT && *ask.detail, "a server that never answers is given up");
	ok(clock_mono_ms() - began < 5000, "in time");
	ok(until(open_requests == 0), "its connection is closed");
	ask = (struct ask){0};
	start_with(fetcher, &ask, "127.0.0.1", "/endless", 100);
	until(ask.times);
	ok(ask.outcome == FETCH_TIMED_OUT || ask.outcome == FETCH_TOO_LARGE, "one that goes on and on as well");
	ask = fetch(fetcher, "/cut");
	ok(ask.outcome == FETCH_UNREACHABLE && *ask.detail, "an answer that is cut is none");
	ask = fetch(fetcher, "/slam");
	is_int(ask.outcome, FETCH_UNREACHABLE, "nor is a closed connection");
	ask = fetch(fetcher, "/garbage");
	is_int(ask.outcome, FETCH_UNREACHABLE, "nor is what is not HTTP");
	ask = (struct ask){0};
	start_with(fetcher, &ask, "127.0.0.1:1/x?", "", LIMIT_MS);
	until(ask.times);
	ok(ask.outcome == FETCH_UNREACHABLE && *ask.detail, "a port where nobody listens is told");
	ask = fetch(fetcher, "/hello");
	is_int(ask.status, 200, "after all that a good request is answered");
	fetcher_free(fetcher);
}

/* The connection that was kept is closed by the server: the request is sent again on a new one. */
static void
test_stale(void)
{
	struct fetcher *fetcher = fetcher_of(1, 1);
	struct ask ask;

	fetch(fetcher, "/hello");
	connections = 0;
	fetch(fetcher, "/slam");
	is_int(connections, 1, "on a kept connection that breaks a request is tried once more");
	ask = fetch(fetcher, "/hello");
	is_int(ask.status, 200, "and the next one has a new connection");
	fetcher_free(fetcher);
}

static void
test_turns(void)
{
	struct fetcher *fetcher = fetcher_of(2, 3);
	struct ask asks[6] = {{0}};

	open_requests = most_open = 0;
	for (int i = 0; i < 5; i++)
		start_with(fetcher, &asks[i], "127.0.0.1", "/never", LIMIT_MS);
	start(fetcher, &asks[5], "/hello");
	ok(asks[4].fetch && !asks[5].fetch, "as many wait as may, and one more is refused");
	until(open_requests == 2);
	for (int i = 0; i < 10; i++)
		turn();
	is_int(most_open, 2, "as many run at once as may");
	fetch_cancel(asks[0].fetch);
	fetch_cancel(asks[4].fetch);
	ok(until(open_requests == 2 && most_open == 2), "one that is cancelled makes room");
	start(fetcher, &asks[5], "/hello");
	ok(asks[5].fetch != NULL, "for one that waits, too");
	fetch_cancel(asks[1].fetch);
	fetch_cancel(asks[2].fetch);
	ok(until(asks[5].times == 1), "each has its turn");
	is_int(asks[5].status, 200, "and its answer");
	is_int(asks[0].times + asks[1].times + asks[2].times + asks[4].times, 0, "one that was cancelled is silent");
	fetcher_free(fetcher);
	is_int(asks[3].times, 0, "so are those that are under way when all ends");
	ok(until(open_requests == 0), "their connections are closed");
}

static void
test_waiting_ends(void)
{
	struct fetcher *fetcher = fetcher_of(1, 3);
	struct ask first = {0}, second = {0};

	start_with(fetcher, &first, "127.0.0.1", "/never", LIMIT_MS);
	start_with(fetcher, &second, "127.0.0.1", "/hello", 100);
	ok(until(second.times) && second.outcome == FETCH_TIMED_OUT, "the time in which it waits for its turn counts");
	is_int(first.times, 0, "the other goes on");
	fetcher_free(fetcher);
}

static void
test_reentrance(void)
{
	struct fetcher *fetcher = fetcher_of(1, 5);
	struct ask inner = {0}, victim = {0}, outer = {.again = fetcher, .next = &inner, .victim = &victim};

	start(fetcher, &outer, "/hello");
	start_with(fetcher, &victim, "127.0.0.1", "/never", LIMIT_MS);
	ok(until(inner.times == 1) && inner.status == 200, "a callback may start a request and cancel another");
	is_int(victim.times, 0, "which is silent");
	fetcher_free(fetcher);
}

static void
test_names(void)
{
	struct fetcher *fetcher = fetcher_of(4, 4);
	struct ask slow = {0}, other = {0}, late = {0};
	int64_t began = clock_mono_ms();

	pthread_mutex_lock(&resolver);
	start_with(fetcher, &slow, "name.slow", "/hello", LIMIT_MS);
	start_with(fetcher, &late, "late.slow", "/hello", 50);
	start_with(fetcher, &other, "name.quick", "/hello", LIMIT_MS);
	ok(until(other.times) && other.status == 200, "a name that is looked up slowly does not hold up another");
	ok(until(late.times) && late.outcome == FETCH_TIMED_OUT, "nor does one that is given up meanwhile");
	fetch_cancel(slow.fetch);
	fetcher_free(fetcher);
	ok(clock_mono_ms() - began < LIMIT_MS / 2, "nor one that is cancelled");
	pthread_mutex_unlock(&resolver);
	is_int(slow.times, 0, "which is silent");
}

static void
test_urls(void)
{
	static const char *const good[] = {"http://a", "https://a.example:8443/x/y?z=1", "HTTPS://a/", "http://[::1]:80/", "http://127.0.0.1/"};
	static const char *const bad[] = {"", "a.example", "ftp://a/", "file:///etc/passwd", "https://", "https://user@a/", "https://user:pw@a/",
	    "https://:pw@a/", "https://a b/", "https://a/\n", "https://a/\303\244", "gopher://a", "https://a:99999/", "javascript:alert(1)"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ok(!fetch_check_url(good[i]), "%s is taken", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(fetch_check_url(bad[i]) != NULL, "bad URL %zu is refused", i);
	ok(strstr(fetch_check_url("https://user:pw@a/"), "password") != NULL, "one with a password is told why");
}

int
main(void)
{
	struct evconnlistener *listener;

	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	base = loop_new();
	listener = server_new();
	test_answers();
	test_sending();
	test_bounds();
	test_failures();
	test_stale();
	test_turns();
	test_waiting_ends();
	test_reentrance();
	test_names();
	test_urls();
	ok(until(peers == 0), "no connection is left");
	evconnlistener_free(listener);
	buf_free(&seen);
	event_base_free(base);
	return done();
}
