/*
 * Requests and answers of the HTTP server, right ones and wrong ones, over real sockets.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "../tap.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http_kit.h"

#define HOST "Host: a\r\n"
#define TEXT(s) s, sizeof(s) - 1

static bool
contains(const char *answer, const char *text)
{
	return strstr(answer, text) != NULL;
}

static bool
ends_with(const char *answer, const char *text)
{
	size_t len = strlen(answer), wanted = strlen(text);

	return len >= wanted && strcmp(answer + len - wanted, text) == 0;
}

static void
test_answers(void)
{
	struct kit_client c;
	const char *answer;

	kit_connect(&c);
	kit_sends(&c, "GET /a/../b%20c?q=1+2 HTTP/1.1\r\n" HOST "X-Other: x\r\nIf-None-Match: t\r\n\r\n");
	answer = kit_answer(&c, true);
	is_int(kit_status(answer), 200, "a request is answered");
	ok(ends_with(answer, "0 /b c q=1 2 x=t body="), "its handler sees method, path, parameters and headers");
	ok(contains(answer, "\r\nDate: ") && contains(answer, " GMT\r\n"), "an answer has a date");
	ok(contains(answer, "\r\nContent-Type: text/plain\r\n") && contains(answer, "\r\nX-Content-Type-Options: nosniff\r\n"),
	    "and a type that no browser guesses otherwise");
	ok(contains(answer, "\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"),
	    "and is neither stored nor held up by proxies");
	ok(!contains(answer, "Connection:"), "HTTP/1.1 keeps its connection without a word");
	is_string(kit_peer, "127.0.0.1", "its handler sees the client's address");

	kit_sends(&c, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
	ok(kit_is_quiet(&c), "a body is waited for");
	kit_sends(&c, "llo");
	ok(ends_with(kit_answer(&c, true), "2 /p q=- x=- body=hello"), "and given to the handler");

	kit_sends(&c, "HEAD /h HTTP/1.1\r\n" HOST "\r\nGET /g HTTP/1.1\r\n" HOST "\r\n");
	answer = kit_answer(&c, false);
	ok(kit_status(answer) == 200 && contains(answer, "\r\nContent-Length: 18\r\n"), "HEAD tells the length");
	ok(ends_with(kit_answer(&c, true), "0 /g q=- x=- body="), "but has no body, so the next answer follows");

	kit_sends(&c, "GET /304 HTTP/1.1\r\n" HOST "\r\nGET /204 HTTP/1.1\r\n" HOST "\r\nGET /z HTTP/1.1\r\n" HOST "\r\n");
	answer = kit_answer(&c, false);
	ok(kit_status(answer) == 304 && contains(answer, "\r\nETag: \"1\"\r\n") && !contains(answer, "Content-Length"),
	    "304 has neither body nor length");
	answer = kit_answer(&c, false);
	ok(kit_status(answer) == 204 && !contains(answer, "Content-Length"), "nor has 204");
	ok(ends_with(kit_answer(&c, true), "0 /z q=- x=- body="), "pipelined requests are answered in order");

	kit_sends(&c, "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\n");
	ok(ends_with(kit_answer(&c, true), "4 / q=- x=- body="),
	    "OPTIONS may ask for *, and an empty line before a request is overlooked");
	kit_sends(&c, "GET http://other:99/abs?q=u HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n");
	ok(ends_with(kit_answer(&c, true), "0 /abs q=u x=- body="), "the target may be a whole URL");
	kit_sends(&c, "DELETE /d HTTP/1.1\r\n" HOST "Connection: Foo , CLOSE\r\n\r\n");
	answer = kit_answer(&c, true);
	ok(contains(answer, "3 /d") && contains(answer, "\r\nConnection: close\r\n"),
	    "close among other words is understood, and said");
	ok(kit_ends(&c) && !c.reset, "and done");
	kit_close(&c);
}

static void
test_old(void)
{
	struct kit_client c;
	const char *answer;

	kit_connect(&c);
	kit_sends(&c, "GET /a HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n");
	answer = kit_answer(&c, true);
	ok(kit_status(answer) == 200 && contains(answer, "\r\nConnection: keep-alive\r\n"),
	    "HTTP/1.0 may keep its connection if it asks");
	kit_sends(&c, "POST /b HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi");
	answer = kit_answer(&c, true);
	ok(ends_with(answer, "body=hi") && contains(answer, "\r\nConnection: close\r\n"), "else it is closed");
	ok(kit_ends(&c) && !c.reset, "indeed");
	kit_close(&c);
}

static void
test_chunked(void)
{
	struct kit_client c;
	const char *answer;

	kit_connect(&c);
	kit_sends(&c, "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r");
	ok(kit_is_quiet(&c), "the end of a chunked body is waited for");
	kit_sends(&c, "\ndefg\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" HOST "\r\n");
	answer = kit_answer(&c, true);
	ok(ends_with(answer, "2 /c q=- x=- body=abcdefg"), "a chunked body is put together");
	ok(contains(answer, "\r\nConnection: close\r\n") && kit_ends(&c) && !c.reset && c.in.len == 0,
	    "and is the last on its connection");
	kit_close(&c);

	kit_connect(&c);
	kit_sends(&c, "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc");
	kit_is_quiet(&c);
	kit_sends(&c, "x0\r\n\r\n");
	is_int(kit_status(kit_answer(&c, true)), 400, "a malformed chunk is refused when it comes");
	ok(kit_ends(&c), "and the connection closed");
	kit_close(&c);
}

static void
test_expect(void)
{
	struct kit_client c;

	kit_connect(&c);
	kit_sends(&c, "POST /e HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	ok(kit_has(&c, "HTTP/1.1 100 Continue\r\n\r\n"), "who expects 100 Continue gets it");
	kit_answer(&c, false);
	ok(kit_is_quiet(&c), "once");
	kit_sends(&c, "he");
	kit_sends(&c, "llo");
	ok(ends_with(kit_answer(&c, true), "body=hello"), "then sends the body");
	kit_sends(&c, "POST /e HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
	ok(kit_status(kit_answer(&c, true)) == 200, "there is no 100 Continue for a body that is there already");
	kit_sends(&c, "POST /e HTTP/1.1\r\n" HOST "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n");
	is_int(kit_status(kit_answer(&c, true)), 413, "nor for one that is too large");
	ok(kit_ends(&c), "which closes the connection");
	kit_close(&c);
}

static void
test_methods(void)
{
	struct kit_client c;

	kit_connect(&c);
	kit_sends(&c, "BREW /pot HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\n" HOST "\r\n");
	is_int(kit_status(kit_answer(&c, true)), 405, "an unknown method reaches the handler");
	ok(kit_ends(&c) && !c.reset && c.in.len == 0, "and what follows is not taken for a request");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "HEAD / HTTP/1.1\r\n" HOST "Content-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\n" HOST "\r\n");
	is_int(kit_status(kit_answer(&c, false)), 200, "HEAD with a body is answered");
	ok(kit_ends(&c) && !c.reset && c.in.len == 0, "and the body not taken for a request either");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
	is_int(kit_status(kit_answer(&c, false)), 405, "PUT is unknown here");
	ok(kit_ends(&c) && !c.reset, "and the last on its connection");
	kit_close(&c);
}

/* One of each kind: test_http_check.c has them all. */
static const struct {
	int status;
	const char *what;
	const char *request;
	size_t len;
} abuses[] = {
	{400, "two Content-Lengths", TEXT("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")},
	{400, "Content-Length and Transfer-Encoding",
	    TEXT("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
	{400, "an unknown coding",
	    TEXT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\nGET /x HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a space before a colon", TEXT("POST / HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc")},
	{400, "a folded header", TEXT("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n")},
	{400, "a NUL", TEXT("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n")},
	{400, "bare line feeds", TEXT("GET / HTTP/1.1\nHost: a\n\n")},
	{400, "no Host", TEXT("GET / HTTP/1.1\r\n\r\n")},
	{400, "HTTP/1.2", TEXT("GET / HTTP/1.2\r\n" HOST "\r\n")},
	{400, "a TLS client", TEXT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n")},
	{400, "the preface of HTTP/2", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{400, "CONNECT", TEXT("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a zero byte in the path", TEXT("GET /a%00b HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a bad escape in the query", TEXT("GET /a?b=%zz HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a backslash in the path", TEXT("GET /a%5c..%5cb HTTP/1.1\r\n" HOST "\r\n")},
	{400, "two empty lines before a request", TEXT("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n")},
	{400, "what evhttp cannot parse", TEXT("A / HTTP/1.1\r\n" HOST "\r\n")},
	{400, "what evhttp takes for a URL it cannot parse", TEXT("GET http://[a/ HTTP/1.1\r\n" HOST "\r\n")},
	{413, "a chunk that is too large", TEXT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n186a1\r\nabc")},
	{417, "an unknown expectation", TEXT("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: gold\r\n\r\nabc")},
};

static void
test_abuses(void)
{
	for (size_t i = 0; i < sizeof(abuses) / sizeof(abuses[0]); i++) {
		int64_t refused = metrics[METRIC_REQUESTS_REFUSED], errors = metrics[METRIC_RESPONSES_4XX];
		int reached = kit_requests;
		struct kit_client c;
		const char *answer;
		char member[40];

		kit_connect(&c);
		kit_send(&c, abuses[i].request, abuses[i].len);
		answer = kit_answer(&c, true);
		snprintf(member, sizeof(member), "\"status\":%d,\"code\":\"", abuses[i].status);
		ok(kit_status(answer) == abuses[i].status && contains(answer, "\r\nConnection: close\r\n") &&
			contains(answer, "\r\nContent-Type: application/problem+json\r\n") && contains(answer, member),
		    "%s is answered by a problem document with %d", abuses[i].what, abuses[i].status);
		ok(kit_ends(&c) && !c.reset && c.in.len == 0 && kit_requests == reached &&
			metrics[METRIC_REQUESTS_REFUSED] == refused + 1 && metrics[METRIC_RESPONSES_4XX] == errors + 1,
		    "and %s closes the connection, is counted, and reaches no handler", abuses[i].what);
		kit_close(&c);
	}
}

/* Each abuse, one byte at a time: the same verdict. */
static void
test_drip(void)
{
	int right = 0;

	for (size_t i = 0; i < sizeof(abuses) / sizeof(abuses[0]); i++) {
		struct kit_client c;

		kit_connect(&c);
		for (size_t at = 0; at < abuses[i].len && !c.ended && c.in.len == 0; at++) {
			kit_send(&c, abuses[i].request + at, 1);
			kit_turn(&c);
		}
		right += kit_status(kit_answer(&c, true)) == abuses[i].status;
		kit_close(&c);
	}
	is_int(right, sizeof(abuses) / sizeof(abuses[0]), "it makes no difference when they come byte by byte");
}

static void
test_oversize(void)
{
	char head[5000];
	char *upload = calloc(1, 3 << 20);
	struct kit_client c;

	memset(head, 'x', sizeof(head));
	kit_connect(&c);
	kit_sends(&c, "GET /");
	kit_send(&c, head, sizeof(head));
	is_int(kit_status(kit_answer(&c, true)), 400, "a request line without an end is cut off");
	ok(kit_ends(&c), "and closed");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 100; i++)
		kit_sends(&c, "X: y\r\n");
	is_int(kit_status(kit_answer(&c, true)), 400, "as are too many headers");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3145728\r\n\r\n");
	kit_send(&c, upload, 3 << 20);
	is_int(kit_status(kit_answer(&c, true)), 413, "a client that goes on with its upload still hears that it is too large");
	ok(kit_ends(&c) && !c.reset, "without a reset");
	kit_close(&c);
	free(upload);
}

static void
test_large(void)
{
	struct kit_client c;
	const char *answer;

	kit_connect(&c);
	kit_sends(&c, "GET /big?n=8000000 HTTP/1.1\r\n" HOST "\r\n");
	shutdown(c.fd, SHUT_WR);
	answer = kit_answer(&c, true);
	ok(strlen(answer) > 8000000 && ends_with(answer, "xxx"),
	    "a large answer arrives whole, even after the client closed its half");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "GET /big?n=3000000 HTTP/1.1\r\n" HOST "\r\nGET /after HTTP/1.1\r\n" HOST "\r\n");
	ok(strlen(kit_answer(&c, true)) > 3000000, "a large answer on a connection that is kept");
	ok(ends_with(kit_answer(&c, true), "0 /after q=- x=- body="), "is followed by the next");
	kit_sends(&c, "GET /again HTTP/1.1\r\n" HOST "\r\n");
	ok(ends_with(kit_answer(&c, true), "0 /again q=- x=- body="), "and the connection goes on to be read");
	kit_close(&c);
}

static void
test_files(void)
{
	static const int sizes[] = {0, 1, 16384, 16385, 5000000};
	struct kit_client c;
	const char *answer;

	kit_connect(&c);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char request[80], length[40];

		snprintf(request, sizeof(request), "GET /file?n=%d HTTP/1.1\r\n" HOST "\r\n", sizes[i]);
		snprintf(length, sizeof(length), "\r\nContent-Length: %d\r\n", sizes[i]);
		kit_sends(&c, request);
		answer = kit_answer(&c, true);
		ok(kit_status(answer) == 200 && contains(answer, length) &&
			strlen(strstr(answer, "\r\n\r\n")) - 4 == (size_t)sizes[i] &&
			contains(answer, "\r\nCache-Control: max-age=60\r\n") && !contains(answer, "no-store"),
		    "a file of %d bytes is sent, with the caching that was set", sizes[i]);
	}
	kit_sends(&c, "HEAD /file?n=70000 HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
	ok(contains(kit_answer(&c, false), "\r\nContent-Length: 70000\r\n"), "HEAD of a file is its length");
	ok(contains(kit_answer(&c, true), "0 /"), "and nothing else");
	kit_sends(&c, "GET /file?n=9000000&cut=1 HTTP/1.1\r\n" HOST "\r\n");
	ok(kit_ends(&c), "the connection ends when a file is shorter than promised");
	kit_close(&c);
	kit_connect(&c);
	kit_sends(&c, "GET /file?n=900&cut=1 HTTP/1.1\r\n" HOST "\r\n");
	ok(kit_ends(&c), "a small one too");
	kit_close(&c);
}

int
main(void)
{
	struct http_config config = kit_config();

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	kit_start(&config);
	test_answers();
	test_old();
	test_chunked();
	test_expect();
	test_methods();
	test_abuses();
	test_drip();
	test_oversize();
	test_large();
	test_files();
	ok(kit_stop(), "nothing is left of the connections when the server is gone");
	return done();
}
