/*
 * The whole way of a request, from the socket to a store that fails: status codes, clients that leave, an end with everything
 * under way.
 */
#include "front/front.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "../core/kit.h"
#include "../net/http_kit.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "transport/poll.h"
#include "transport/sse.h"
#include "transport/ws.h"

static struct world w;
static struct options options;
static struct polls *polls;
static struct streams *streams;
static struct sockets *sockets;
static struct front *front;
static const char *more_headers = ""; /* Of each request. */

static const char key[] = "key-of-the-test-0123456789";
static const char with_key[] = "Authorization: Bearer key-of-the-test-0123456789\r\n";

/* A file with the key of a backend; its name is the caller's. */
static char *
write_key(void)
{
	char path[] = "/tmp/test_front.XXXXXX";
	int fd = mkstemp(path);

	ok(fd >= 0 && write(fd, key, strlen(key)) == (ssize_t)strlen(key), "there is a key");
	close(fd);
	return mem_string(path);
}

static void
begin(void)
{
	struct http_config config = kit_config();
	struct front_parts parts;
	char *argv[] = {(char *)"test", NULL}, *wrong = options_parse(&options, 1, argv);

	world_new(&w, &(struct world_options){.answer_max = 65536, .mailbox_max = 50});
	ok(!wrong, "the defaults are right");
	free(options.api_key_file);
	options.api_key_file = write_key();
	polls = polls_new(w.base, w.hub, options.hold_ms, options.hold_max_ms);
	streams = streams_new(w.base, w.hub, &(struct streams_config){options.sse_life_ms, options.sse_comment_ms, options.stream_backlog});
	sockets = sockets_new(w.base, w.hub, &(struct sockets_config){options.stream_backlog, options.max_body});
	parts = (struct front_parts){w.base, &options, w.store, w.sessions, w.hub, polls, streams, sockets};
	front = front_new(&parts);
	unlink(options.api_key_file);
	config.max_headers = 4096;
	config.max_body = 65536;
	kit_base = w.base;
	kit_server = http_server_new(w.base, &config, front_handle, front);
	front_set_server(front, kit_server, 100);
}

/* As main.c does. */
static void
end(void)
{
	http_server_free(kit_server);
	store_free(w.store);
	front_free(front);
	polls_free(polls);
	streams_free(streams);
	sockets_free(sockets);
	hub_free(w.hub);
	sessions_free(w.sessions);
	sessions_free(w.others);
	event_base_free(w.base);
	options_free(&options);
}

__attribute__((format(printf, 4, 5))) static void
start_asking(struct kit_client *c, const char *method, const char *body, const char *target, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;

	if (c->fd <= 0)
		kit_connect(c);
	buf_addf(&b, "%s ", method);
	va_start(ap, target);
	buf_addv(&b, target, ap);
	va_end(ap);
	buf_addf(&b, " HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", more_headers, strlen(body), body);
	kit_send(c, b.data, b.len);
	buf_free(&b);
}

#define ask(c, method, body, ...) (start_asking(c, method, body, __VA_ARGS__), kit_answer(c, strcmp(method, "HEAD") != 0))

static struct kit_client client = {.fd = -1};

/* The value of a string member in an answer. */
static void
take(char *value, size_t room, const char *answer, const char *name)
{
	char start[32];
	const char *p;

	snprintf(start, sizeof start, "\"%s\":\"", name);
	p = strstr(answer, start);
	snprintf(value, room, "%.*s", p ? (int)strcspn(p + strlen(start), "\"") : 0, p ? p + strlen(start) : "");
}

struct session {
	char id[32], token[32], cursor[256];
};

static struct session
open_one(const char *body)
{
	struct session s;
	const char *answer = ask(&client, "POST", body, "/v1/sessions");

	take(s.id, sizeof s.id, answer, "id");
	take(s.token, sizeof s.token, answer, "token");
	take(s.cursor, sizeof s.cursor, answer, "cursor");
	return s;
}

static const char *
op_send(const struct session *to, const char *event)
{
	static char body[200];

	snprintf(body, sizeof body, "{\"ops\":[{\"op\":\"send\",\"to\":\"%s\",\"event\":\"%s\"}]}", to->id, event);
	return body;
}

static void
is_problem(const char *answer, int status, const char *code, const char *what)
{
	if (!ok(kit_status(answer) == status && strstr(answer, code) && strstr(answer, "application/problem+json"), "%s", what))
		printf("# %.300s\n", answer);
}

static void
test_store_fails(void)
{
	static const char join[] = "{\"ops\":[{\"op\":\"join\",\"room\":\"r\",\"history\":5}]}";
	static const char numbered[] = "{\"seq\":1,\"ops\":[{\"op\":\"send\",\"room\":\"r\",\"event\":\"once\"}]}";
	struct session s = open_one("");
	const struct {
		enum faulty_kind kind;
		const char *method, *body, *path;
	} calls[] = {
	    {FAULTY_OPEN, "POST", "", "/v1/sessions"},
	    {FAULTY_APPLY, "POST", "{\"rooms\":[\"r\"]}", "/v1/sessions"},
	    {FAULTY_LIST_MEMBERS, "POST", "{\"rooms\":[\"r\"]}", "/v1/sessions"},
	    {FAULTY_APPLY, "POST", join, "/v1/send"},
	    {FAULTY_LIST_MEMBERS, "POST", join, "/v1/send"},
	    {FAULTY_READ_TAIL, "POST", join, "/v1/send"},
	    {FAULTY_LIST_MEMBERS, "GET", "", "/v1/rooms/r/members"},
	    {FAULTY_LOOK, "GET", "", "/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA"},
	    {FAULTY_CLOSE, "POST", "", "/v1/close"},
	    {FAULTY_CLOSE, "DELETE", "", "/v1/sessions"},
	    {FAULTY_TRY, "GET", "", "/ready"},
	};
	const char *answer;

	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		store_faulty_plan(w.store, calls[i].kind, 1, FAULTY_FAIL);
		answer = ask(&client, calls[i].method, calls[i].body, "%s?token=%s", calls[i].path, s.token);
		if (!ok(kit_status(answer) == 503 && strstr(answer, "store_unavailable") && strstr(answer, "Retry-After: "),
		    "%s %s is answered 503 when the store fails", calls[i].method, calls[i].path))
			printf("# %.300s\n", answer);
	}
	clock_turn(1000); /* That it was not ready is forgotten. */
	store_faulty_plan(w.store, FAULTY_APPLY, 1, FAULTY_UNSURE);
	answer = ask(&client, "POST", numbered, "/v1/send?token=%s", s.token);
	is_int(kit_status(answer), 503, "a send of which nobody knows whether it was done is answered 503");
	ask(&client, "POST", numbered, "/v1/send?token=%s", s.token);
	answer = ask(&client, "POST", "{\"ops\":[{\"op\":\"join\",\"room\":\"r\",\"history\":5}]}", "/v1/send?token=%s", s.token);
	ok(strstr(answer, "\"once\"") && !strstr(strstr(answer, "\"once\"") + 1, "\"once\""), "and its repeat does it once");
}

/* The same for backends, whose requests may have an idempotency key. */
static void
test_api_fails(void)
{
	static const char publish[] = "{\"room\":\"api\",\"event\":\"once\",\"history\":5}";
	static const char once[] = "Authorization: Bearer key-of-the-test-0123456789\r\nIdempotency-Key: \"k\"\r\n";
	const struct {
		enum faulty_kind kind;
		const char *method, *body, *path;
	} calls[] = {
	    {FAULTY_ORDER, "POST", publish, "/api/v1/publish"},
	    {FAULTY_ORDER, "POST", "{\"ops\":[{\"op\":\"disconnect\",\"session\":\"AAAAAAAAAAAAAAAAAAAAAA\"}]}", "/api/v1/ops"},
	    {FAULTY_ORDER, "DELETE", "", "/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA"},
	    {FAULTY_LOOK, "GET", "", "/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA"},
	    {FAULTY_LIST_MEMBERS, "GET", "", "/api/v1/rooms/api/members"},
	    {FAULTY_READ_TAIL, "GET", "", "/api/v1/rooms/api/history"},
	    {FAULTY_LIST_ROOMS, "GET", "", "/api/v1/rooms"},
	    {FAULTY_LIST_SESSIONS, "GET", "", "/api/v1/sessions"},
	    {FAULTY_READ_TAIL, "POST", "{\"room\":\"other\",\"event\":\"e\",\"history\":1}", "/api/v1/publish"},
	};
	struct kit_client left = {.fd = -1};
	const char *answer;

	is_problem(ask(&client, "POST", publish, "/api/v1/publish"), 401, "api_key_required", "a backend needs a key");
	more_headers = with_key;
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		store_faulty_plan(w.store, calls[i].kind, 1, FAULTY_FAIL);
		is_problem(ask(&client, calls[i].method, calls[i].body, "%s", calls[i].path), 503, "store_unavailable",
		    "a backend's request is answered 503 when the store fails");
	}
	more_headers = once;
	store_faulty_plan(w.store, FAULTY_ORDER, 1, FAULTY_UNSURE);
	is_problem(ask(&client, "POST", publish, "/api/v1/publish"), 503, "store_unavailable", "or nobody knows whether it was done");
	store_faulty_plan(w.store, FAULTY_READ_TAIL, 1, FAULTY_FAIL);
	is_problem(ask(&client, "POST", publish, "/api/v1/publish"), 503, "store_unavailable", "or not all can be told of it");
	store_faulty_plan(w.store, FAULTY_ORDER, 1, FAULTY_HOLD);
	start_asking(&left, "POST", publish, "/api/v1/publish");
	KIT_WAIT(NULL, store_faulty_held(w.store) == 1);
	is_int(metrics[METRIC_API_PENDING], 1, "a request that waits for the store is counted");
	kit_close(&left);
	store_faulty_release(w.store);
	KIT_WAIT(NULL, metrics[METRIC_API_PENDING] == 0);
	is_int(metrics[METRIC_API_PENDING], 0, "until the store answers, also when its client has left");
	answer = ask(&client, "POST", publish, "/api/v1/publish");
	ok(strstr(answer, "\"once\"") && !strstr(strstr(answer, "\"once\"") + 1, "\"once\""), "however often it was repeated it was done once");
	more_headers = "";
}

static void
test_gone(void)
{
	struct session s = open_one("");
	const char *answer;

	answer = ask(&client, "DELETE", "", "/v1/sessions?token=%s", s.token);
	is_int(kit_status(answer), 200, "a session is closed");
	is_int(kit_status(ask(&client, "DELETE", "", "/v1/sessions?token=%s", s.token)), 200, "as often as asked for");
	is_problem(ask(&client, "POST", op_send(&s, "x"), "/v1/send?token=%s", s.token), 410, "session_gone",
	    "then a send is answered 410");
	is_problem(ask(&client, "GET", "", "/v1/poll?token=%s&cursor=%s", s.token, s.cursor), 410, "session_gone", "so is a poll");
	is_problem(ask(&client, "GET", "", "/v1/poll?token=%s", s.token), 410, "session_gone", "with a cursor or without");
	is_problem(ask(&client, "GET", "", "/v1/sessions/%s?token=%s", s.id, s.token), 404, "recipient_gone",
	    "who looks for it is told 404");
}

static void
test_methods(void)
{
	static const struct {
		const char *method, *path, *code;
		int status;
	} cases[] = {
	    {"HEAD", "/v1/poll", "", 200}, {"HEAD", "/v1/rooms/r/members", "", 200}, {"HEAD", "/health", "", 200}, {"HEAD",
	    "/ready", "", 200},
	    {"OPTIONS", "/v1/send", "", 204}, {"PUT", "/v1/send", "method_not_allowed", 405}, {"GET", "/v1/send",
	    "method_not_allowed", 405},
	    {"DELETE", "/v1/poll", "method_not_allowed", 405}, {"GET", "/v1/nothing", "not_found", 404}, {"POST",
	    "/v1/rooms//members", "not_found", 404},
	    {"GET", "/v1/rooms/%c3%28/members", "bad_request", 400}, {"GET", "/v1/rooms/a%2fb/members", "\"a/b\"", 200},
	    {"GET", "/v1/sessions/short", "recipient_gone", 404}, {"GET", "/v1/poll?hold=-1", "bad_request", 400}, {"GET",
	    "/v1/poll?hold=", "bad_request", 400},
	    {"GET", "/v1/poll?hold=99999999999999999999", "bad_request", 400}, {"GET", "/v1/poll?cursor=", "bad_cursor", 400},
	    {"GET", "/v1/poll?cursor=1.-.5", "bad_cursor", 400},
	};
	struct session s = open_one("");
	struct kit_client c = {.fd = -1};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *answer = ask(&c, cases[i].method, "", "%s%ctoken=%s", cases[i].path, strchr(cases[i].path,
		    '?') ? '&' : '?', s.token);

		if (!ok(kit_status(answer) == cases[i].status && strstr(answer, cases[i].code), "%s %s is answered %d", cases[i].method,
		    cases[i].path, cases[i].status))
			printf("# %.300s\n", answer);
		if (kit_status(answer) == 405 && !ok(strstr(answer, "\r\nAllow: "), "with what is allowed"))
			printf("# %.300s\n", answer);
		kit_close(&c);
		c = (struct kit_client){.fd = -1};
	}
	for (int i = 0; i < 2; i++) {
		const char *path = i ? "/v1/events" : "/v1/poll";
		const char *answer = ask(&client, "HEAD", "", "%s?token=%s", path, s.token);

		ok(kit_status(answer) == 200 && strstr(answer, i ? "text/event-stream" : "application/json") &&
		    !strstr(answer, "Content-Length") && !strstr(answer, "Transfer-Encoding"), "HEAD %s knows of no length", path);
		is_int(kit_status(ask(&client, "HEAD", "", "%s?token=AAAAAAAAAAAAAAAAAAAAAA", path)), 410, "needs a session");
		is_int(kit_status(ask(&client, "HEAD", "", "%s", path)), 401, "and a token");
		is_int(kit_status(ask(&client, "HEAD", "", "%s?token=%s&cursor=zz", path, s.token)), 400, "and a cursor, if any");
		store_faulty_plan(w.store, FAULTY_LOOK, 1, FAULTY_FAIL);
		is_int(kit_status(ask(&client, "HEAD", "", "%s?token=%s", path, s.token)), 503, "and the store");
	}
	is_int(kit_status(ask(&client, "HEAD", "", "/v1/events?probe=a")), 200, "a probe's HEAD needs no session");
	is_int(kit_status(ask(&client, "HEAD", "", "/v1/events?probe=.")), 400, "but a good nonce");
	is_problem(ask(&client, "GET", "", "/v1/poll"), 401, "token_required", "without a token the answer is 401");
	is_problem(ask(&client, "GET", "", "/v1/poll?token=%s.", s.token), 401, "token_invalid", "so it is with what is none");
}

/* ---- Polls ---- */

static void
wait_for_parked(int64_t n)
{
	KIT_WAIT(NULL, metrics[METRIC_POLLS_PARKED] == n);
	settle(&w);
}

static void
test_polls(void)
{
	struct session a = open_one(""), b = open_one("{\"rooms\":[\"polls\"]}");
	struct kit_client first = {.fd = -1}, second = {.fd = -1};
	char cursor[256];
	const char *answer;

	start_asking(&first, "GET", "", "/v1/poll?token=%s&cursor=%s", b.token, b.cursor);
	wait_for_parked(1);
	store_faulty_lose(w.store, true);
	is_int(kit_status(ask(&client, "POST", op_send(&b, "x"), "/v1/send?token=%s", a.token)), 503,
	    "when the store is lost a send is answered 503");
	ok(kit_is_quiet(&first), "and a parked poll stays");
	store_faulty_lose(w.store, false);
	ask(&client, "POST", op_send(&b, "one"), "/v1/send?token=%s", a.token);
	answer = kit_answer(&first, true);
	ok(kit_status(answer) == 200 && strstr(answer, "\"one\""), "when it is back the poll is answered");
	take(b.cursor, sizeof b.cursor, answer, "cursor");

	ask(&client, "POST", op_send(&b, "two"), "/v1/send?token=%s", a.token);
	store_faulty_plan(w.store, FAULTY_READ_ROOM, 1, FAULTY_HOLD);
	start_asking(&first, "GET", "", "/v1/poll?token=%s&cursor=%s", b.token, b.cursor);
	wait_for_parked(1);
	start_asking(&second, "GET", "", "/v1/poll?token=%s&cursor=%s", b.token, b.cursor);
	answer = kit_answer(&first, true);
	ok(kit_status(answer) == 200 && strstr(answer, "\"messages\":[]}"),
	    "a newer poll ends the older one, which gets no messages");
	take(cursor, sizeof cursor, answer, "cursor");
	is_string(cursor, b.cursor, "and the cursor that it came with");
	ok(strstr(kit_answer(&second, true), "\"two\""), "the newer one gets them");
	answer = ask(&first, "GET", "", "/v1/poll?token=%s&hold=0", b.token);
	ok(strstr(answer, "\"messages\":[]}"), "a poll without a cursor starts behind them");
	kit_close(&first);
	kit_close(&second);
}

static void
test_leaving(void)
{
	struct session a = open_one("");
	struct kit_client c = {.fd = -1};
	int64_t parked = metrics[METRIC_POLLS_PARKED];

	start_asking(&c, "GET", "", "/v1/poll?token=%s&cursor=%s", a.token, a.cursor);
	wait_for_parked(parked + 1);
	kit_reset(&c);
	ok(KIT_WAIT(NULL, metrics[METRIC_POLLS_PARKED] == parked), "a client that leaves ends its poll");
	store_faulty_plan(w.store, FAULTY_APPLY, 1, FAULTY_HOLD);
	c = (struct kit_client){.fd = -1};
	start_asking(&c, "POST", "{\"seq\":1,\"ops\":[{\"op\":\"join\",\"room\":\"left\",\"history\":9}]}", "/v1/send?token=%s",
	    a.token);
	ok(KIT_WAIT(NULL, store_faulty_held(w.store) == 1), "one may leave while its operations are applied");
	kit_reset(&c);
	settle(&w);
	store_faulty_release(w.store);
	settle(&w);
	ok(strstr(ask(&client, "POST", "{\"seq\":1,\"ops\":[{\"op\":\"join\",\"room\":\"left\",\"history\":9}]}",
	    "/v1/send?token=%s", a.token),
	    "\"count\":1"), "and find them done when it asks again");
}

/* ---- Event streams ---- */

static void
test_silent_store(void)
{
	struct session a = open_one("");
	struct kit_client c = {.fd = -1};

	store_faulty_plan(w.store, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	start_asking(&c, "GET", "", "/v1/events?token=%s&cursor=%s", a.token, a.cursor);
	ok(KIT_WAIT(&c, store_faulty_held(w.store) == 1) && kit_is_quiet(&c), "a stream does not begin before the store has answered");
	ok(kit_has(&c, "\nretry: "), "but after a while all the same");
	ok(kit_is_quiet(&c) && !strstr(c.in.data, "data: "), "without an event");
	store_faulty_release(w.store);
	ok(kit_has(&c, "\nid: ") && kit_has(&c, "\"messages\":[]}\n"), "which comes when the store answers");
	ask(&client, "POST", op_send(&a, "later"), "/v1/send?token=%s", a.token);
	ok(kit_has(&c, "\"later\""), "and what is sent then");
	kit_close(&c);

	store_faulty_plan(w.store, FAULTY_READ_MAILBOX, 1, FAULTY_HOLD);
	c = (struct kit_client){.fd = -1};
	start_asking(&c, "GET", "", "/v1/events?token=%s&cursor=%s", a.token, a.cursor);
	ok(kit_has(&c, "\nretry: "), "a stream may have begun");
	ask(&client, "DELETE", "", "/v1/sessions?token=%s", a.token);
	store_faulty_release(w.store);
	ok(kit_has(&c, "event: gone\n") && kit_has(&c, "\r\n0\r\n\r\n"), "before its session is found to be gone: an event says so");
	kit_close(&c);
}

/* ---- The end ---- */

static void
test_end(void)
{
	static const enum faulty_kind kinds[] = {FAULTY_OPEN, FAULTY_APPLY, FAULTY_LIST_MEMBERS, FAULTY_READ_TAIL, FAULTY_LOOK,
	    FAULTY_TRY, FAULTY_ORDER, FAULTY_READ_TAIL,
	    FAULTY_READ_MAILBOX};
	static const char *const targets[][3] = {
	    {"POST", "{\"rooms\":[\"e\"]}", "/v1/sessions"}, {"POST", "{\"ops\":[{\"op\":\"leave\",\"room\":\"e\"}]}", "/v1/send"},
	    {"GET", "", "/v1/rooms/e/members"}, {"POST", "{\"ops\":[{\"op\":\"join\",\"room\":\"e\",\"history\":9}]}", "/v1/send"},
	    {"GET", "", "/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA"}, {"GET", "", "/ready"},
	    {"POST", "{\"room\":\"e\",\"event\":\"e\"}", "/api/v1/publish"}, {"GET", "", "/api/v1/rooms/e/history"}, {"GET", "", "/v1/poll"},
	};
	enum { CASES = sizeof targets / sizeof targets[0] };
	struct kit_client clients[CASES];
	struct session s;

	begin();
	s = open_one("");
	KIT_WAIT(NULL, false == (store_faulty_held(w.store) > 0));
	for (int i = 0; i < CASES; i++) {
		clients[i] = (struct kit_client){.fd = -1};
		store_faulty_plan(w.store, kinds[i], 1, FAULTY_HOLD);
		more_headers = strncmp(targets[i][2], "/api/", 5) == 0 ? with_key : "";
		start_asking(&clients[i], targets[i][0], targets[i][1], "%s?token=%s%s%s", targets[i][2], s.token,
		    i == CASES - 1 ? "&cursor=" : "",
		    i == CASES - 1 ? s.cursor : "");
		KIT_WAIT(NULL, store_faulty_held(w.store) == (unsigned)i + 1);
	}
	is_int(store_faulty_held(w.store), CASES, "requests of every kind are under way");
	end();
	ok(true, "the end takes them all down");
	for (int i = 0; i < CASES; i++)
		kit_close(&clients[i]);
}

static void
test_drain(void)
{
	struct session a;
	struct kit_client c = {.fd = -1};
	const char *answer;

	begin();
	a = open_one("");
	start_asking(&c, "GET", "", "/v1/poll?token=%s&cursor=%s", a.token, a.cursor);
	wait_for_parked(1);
	front_drain(front);
	polls_drain(polls, 50);
	ok(strstr(kit_answer(&c, true), "\"messages\":[]}"), "draining answers parked polls");
	answer = ask(&client, "POST", "", "/v1/sessions");
	is_problem(answer, 503, "draining", "refuses new sessions");
	is_problem(ask(&client, "GET", "", "/ready"), 503, "draining", "says so to who asks");
	ok(strstr(ask(&client, "GET", "", "/v1/poll?token=%s&cursor=%s", a.token, a.cursor), "\"messages\":[]}"),
	    "and keeps no poll waiting");
	kit_close(&c);
	kit_close(&client);
	end();
}

int
main(void)
{
	begin();
	test_store_fails();
	test_api_fails();
	test_gone();
	test_methods();
	test_polls();
	test_leaving();
	test_silent_store();
	kit_close(&client);
	client = (struct kit_client){.fd = -1};
	end();
	test_end();
	kit_close(&client);
	client = (struct kit_client){.fd = -1};
	test_drain();
	return done();
}
