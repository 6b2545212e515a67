#include "http_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/loop.h"

struct event_base *kit_base;
struct http_server *kit_server;
struct http_request *kit_parked[64], *kit_held[64];
int kit_parks, kit_holds, kit_gone, kit_drained, kit_requests;
char kit_peer[64];

long long
kit_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
on_gone(void *arg)
{
	(void)arg;
	kit_gone++;
}

static void
reply_big(struct http_request *req)
{
	size_t len = (size_t)atol(http_query(req, "n"));
	char *body = malloc(len);

	memset(body, 'x', len);
	http_reply(req, 200, "text/plain", body, len);
	free(body);
}

static void
reply_file(struct http_request *req)
{
	char name[] = "/tmp/pollgate-test-XXXXXX";
	size_t len = (size_t)atol(http_query(req, "n"));
	size_t cut = http_query(req, "cut") ? len / 2 : len;
	int fd = mkstemp(name);
	char *body = malloc(len + 1);

	unlink(name);
	memset(body, 'f', len + 1);
	if (write(fd, body, cut) != (ssize_t)cut)
		abort();
	free(body);
	http_set_header(req, "Cache-Control", "max-age=60");
	http_reply_file(req, 200, "text/html", fd, (off_t)len);
}

/* Say what was understood of the request. */
static void
reply_tell(struct http_request *req)
{
	struct buf b = BUF_EMPTY;
	size_t len;
	const char *body = http_body(req, &len);
	const char *query = http_query(req, "q"), *header = http_header(req, "if-none-match");

	buf_addf(&b, "%d %s q=%s x=%s body=", http_method(req), http_path(req), query ? query : "-", header ? header : "-");
	buf_add(&b, body, len);
	http_reply(req, 200, "text/plain", b.data, b.len);
	buf_free(&b);
}

static void
on_request(void *arg, struct http_request *req)
{
	const char *path = http_path(req);

	(void)arg;
	kit_requests++;
	snprintf(kit_peer, sizeof(kit_peer), "%s", http_peer(req));
	if (http_is_too_large(req)) {
		http_reply(req, 413, "text/plain", "large", 5);
	} else if (http_method(req) == HTTP_OTHER) {
		http_reply(req, 405, "text/plain", "other", 5);
	} else if (strcmp(path, "/park") == 0) {
		http_set_header(req, "X-Early", "yes");
		http_park(req, on_gone, NULL);
		kit_parked[kit_parks++ % 64] = req;
	} else if (strcmp(path, "/hold") == 0) {
		kit_held[kit_holds++ % 64] = req;
	} else if (strcmp(path, "/big") == 0) {
		reply_big(req);
	} else if (strcmp(path, "/file") == 0) {
		reply_file(req);
	} else if (strcmp(path, "/304") == 0) {
		http_set_header(req, "ETag", "\"1\"");
		http_reply(req, 304, NULL, NULL, 0);
	} else if (strcmp(path, "/204") == 0) {
		http_reply(req, 204, NULL, NULL, 0);
	} else {
		reply_tell(req);
	}
}

struct http_config
kit_config(void)
{
	return (struct http_config){
		.listen = "127.0.0.1:0", .connections = 100, .max_headers = 4000, .max_body = 100000,
		.request_ms = 3600 * 1000, .idle_ms = 7200 * 1000, .write_ms = 10000,
	};
}

void
kit_start(const struct http_config *config)
{
	kit_base = loop_new();
	kit_server = http_server_new(kit_base, config, on_request, NULL);
	kit_parks = kit_holds = kit_gone = kit_drained = kit_requests = 0;
	if (!kit_server)
		abort();
}

static void
on_drained(void *arg)
{
	(void)arg;
	kit_drained++;
}

void
kit_drain(void)
{
	http_server_drain(kit_server, 500, on_drained, NULL);
}

bool
kit_stop(void)
{
	http_server_free(kit_server);
	event_base_free(kit_base);
	return metrics[METRIC_CONNECTIONS] == 0;
}

static void
receive(struct kit_client *c)
{
	static char part[65536];
	ssize_t n;

	while (c && c->fd != -1 && !c->ended && (n = recv(c->fd, part, sizeof(part), MSG_DONTWAIT)) != -1) {
		buf_add(&c->in, part, (size_t)n);
		c->ended = n == 0;
	}
	if (c && c->fd != -1 && !c->ended && errno == ECONNRESET)
		c->ended = c->reset = true;
}

void
kit_turn(struct kit_client *c)
{
	static const struct timespec pause = {0, 200000};

	event_base_loop(kit_base, EVLOOP_NONBLOCK);
	receive(c);
	nanosleep(&pause, NULL);
}

bool
kit_try_connect(struct kit_client *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(kit_server)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(c->fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

void
kit_connect(struct kit_client *c)
{
	if (!kit_try_connect(c)) {
		printf("Bail out! cannot connect: %s\n", strerror(errno));
		abort();
	}
}

void
kit_send(struct kit_client *c, const void *p, size_t len)
{
	size_t at = 0;

	for (int64_t end = kit_now() + 10000; at < len && kit_now() < end;) {
		ssize_t n = send(c->fd, (const char *)p + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno != EAGAIN)
			return;
		at += n > 0 ? (size_t)n : 0;
		if (at < len)
			kit_turn(c);
	}
}

void
kit_sends(struct kit_client *c, const char *s)
{
	kit_send(c, s, strlen(s));
}

/* The length of the answer at the start of what came, 0 if it is not complete. */
static size_t
answer_length(struct kit_client *c, bool has_body)
{
	const char *end = c->in.len ? strstr(c->in.data, "\r\n\r\n") : NULL;
	const char *length;
	size_t len;

	if (!end)
		return 0;
	len = (size_t)(end - c->in.data) + 4;
	length = strstr(c->in.data, "Content-Length: ");
	if (has_body && length && length < end)
		len += (size_t)atol(length + 16);
	return len <= c->in.len ? len : 0;
}

const char *
kit_answer(struct kit_client *c, bool has_body)
{
	static char *answer;
	size_t len;

	free(answer);
	answer = NULL;
	KIT_WAIT(c, answer_length(c, has_body) || c->ended);
	len = answer_length(c, has_body);
	if (!len)
		return "";
	answer = mem_copy(c->in.data, len);
	memmove(c->in.data, c->in.data + len, c->in.len - len + 1);
	c->in.len -= len;
	return answer;
}

int
kit_status(const char *answer)
{
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

bool
kit_has(struct kit_client *c, const char *text)
{
	return KIT_WAIT(c, c->in.len && strstr(c->in.data, text));
}

bool
kit_ends(struct kit_client *c)
{
	return KIT_WAIT(c, c->ended);
}

bool
kit_is_quiet(struct kit_client *c)
{
	size_t len = c ? c->in.len : 0;

	for (int i = 0; i < 30; i++)
		kit_turn(c);
	return !c || (!c->ended && c->in.len == len);
}

void
kit_close(struct kit_client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	buf_free(&c->in);
}

void
kit_reset(struct kit_client *c)
{
	struct linger l = {1, 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	kit_close(c);
}

void
kit_vanish(struct kit_client *c)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &drop};

	if (setsockopt(c->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == -1)
		abort();
}
