#include "net/http_check.h"

#include <stdlib.h>

#include "base/buf.h"
#include "../tap.h"

static const struct http_limits limits = {.head = 1000, .headers = 10, .body = 100};

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define TEXT(s) s, sizeof(s) - 1

static const struct {
	int status; /* 0 for a head that is taken. */
	const char *what;
	const char *head;
	size_t len;
} heads[] = {
	{0, "a request", TEXT(GET "\r\n")},
	{0, "HTTP/1.0 without a Host", TEXT("GET / HTTP/1.0\r\n\r\n")},
	{0, "an http URL as the target", TEXT("GET http://a/b?c HTTP/1.1\r\n" HOST "\r\n")},
	{0, "* for OPTIONS", TEXT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n")},
	{0, "an unknown method", TEXT("BREW /pot HTTP/1.1\r\n" HOST "\r\n")},
	{0, "a Content-Length that is just allowed", TEXT(POST "Content-Length: 100\r\n\r\n")},
	{0, "Content-Length between tabs", TEXT(POST "Content-Length:\t3\t\r\n\r\n")},
	{0, "chunked in capitals", TEXT(POST "transfer-encoding: CHUNKED\r\n\r\n")},
	{0, "an empty value", TEXT(GET "X:\r\n\r\n")},
	{0, "an empty Host", TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
	{0, "an IPv6 Host with a port", TEXT("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")},
	{0, "Expect: 100-continue", TEXT(POST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n")},

	{400, "two Content-Lengths that differ", TEXT(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n")},
	{400, "two Content-Lengths that agree", TEXT(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n")},
	{400, "a list of Content-Lengths", TEXT(POST "Content-Length: 3, 3\r\n\r\n")},
	{400, "Content-Length +3", TEXT(POST "Content-Length: +3\r\n\r\n")},
	{400, "Content-Length -3", TEXT(POST "Content-Length: -3\r\n\r\n")},
	{400, "Content-Length 0x3", TEXT(POST "Content-Length: 0x3\r\n\r\n")},
	{400, "Content-Length 3 4", TEXT(POST "Content-Length: 3 4\r\n\r\n")},
	{400, "an empty Content-Length", TEXT(POST "Content-Length:\r\n\r\n")},
	{400, "a Content-Length beyond 64 bits", TEXT(POST "Content-Length: 18446744073709551619\r\n\r\n")},
	{400, "Content-Length with Transfer-Encoding", TEXT(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{400, "Transfer-Encoding with Content-Length", TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n")},
	{400, "Transfer-Encoding: gzip", TEXT(POST "Transfer-Encoding: gzip\r\n\r\n")},
	{400, "Transfer-Encoding: gzip, chunked", TEXT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
	{400, "Transfer-Encoding: xchunked", TEXT(POST "Transfer-Encoding: xchunked\r\n\r\n")},
	{400, "Transfer-Encoding: chunked behind a vertical tab", TEXT(POST "Transfer-Encoding: \vchunked\r\n\r\n")},
	{400, "Transfer-Encoding: chunked, identity", TEXT(POST "Transfer-Encoding: chunked, identity\r\n\r\n")},
	{400, "Transfer-Encoding: identity", TEXT(POST "Transfer-Encoding: identity\r\n\r\n")},
	{400, "an empty Transfer-Encoding", TEXT(POST "Transfer-Encoding:\r\n\r\n")},
	{400, "two Transfer-Encodings", TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{400, "chunked in HTTP/1.0", TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{400, "a space before the colon", TEXT(POST "Content-Length : 3\r\n\r\n")},
	{400, "a space in a header's name", TEXT(GET "Transfer Encoding: chunked\r\n\r\n")},
	{400, "an empty header name", TEXT(GET ": x\r\n\r\n")},
	{400, "a header without a colon", TEXT(GET "Hello\r\n\r\n")},
	{400, "a byte beyond ASCII in a header's name", TEXT(GET "X\xff: x\r\n\r\n")},
	{400, "a folded header", TEXT(GET "X: a\r\n b\r\n\r\n")},
	{400, "a header folded by a tab", TEXT(GET "X: a\r\n\tb\r\n\r\n")},
	{400, "a folded first header", TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n")},
	{400, "a bare line feed in the head", TEXT("GET / HTTP/1.1\nHost: a\r\n\r\n")},
	{400, "a bare line feed at its end", TEXT(GET "\n")},
	{400, "a lone carriage return in a value", TEXT(GET "X: a\rb\r\n\r\n")},
	{400, "two carriage returns", TEXT(GET "X: a\r\r\n\r\n")},
	{400, "a NUL in a value", TEXT(POST "Content-Length: 3\0 4\r\n\r\n")},
	{400, "a NUL in a name", TEXT(GET "X\0: 3\r\n\r\n")},
	{400, "a NUL in the target", TEXT("GET /a\0b HTTP/1.1\r\n" HOST "\r\n")},
	{400, "no Host in HTTP/1.1", TEXT("GET / HTTP/1.1\r\n\r\n")},
	{400, "two Hosts", TEXT(GET HOST "\r\n")},
	{400, "two Hosts in HTTP/1.0", TEXT("GET / HTTP/1.0\r\n" HOST HOST "\r\n")},
	{400, "a Host with a space", TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
	{400, "a Host with a path", TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
	{400, "a Host with a user", TEXT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
	{400, "HTTP/0.9", TEXT("GET / HTTP/0.9\r\n\r\n")},
	{400, "HTTP/1.2", TEXT("GET / HTTP/1.2\r\n" HOST "\r\n")},
	{400, "HTTP/2.0", TEXT("GET / HTTP/2.0\r\n" HOST "\r\n")},
	{400, "HTTP/-1.1", TEXT("GET / HTTP/-1.1\r\n" HOST "\r\n")},
	{400, "HTTP/1.-1", TEXT("GET / HTTP/1.-1\r\n" HOST "\r\n")},
	{400, "HTTP/1.99999999999", TEXT("GET / HTTP/1.99999999999\r\n" HOST "\r\n")},
	{400, "http/1.1 in small letters", TEXT("GET / http/1.1\r\n" HOST "\r\n")},
	{400, "no version", TEXT("GET /\r\n" HOST "\r\n")},
	{400, "no target", TEXT("GET HTTP/1.1\r\n" HOST "\r\n")},
	{400, "two spaces in the request line", TEXT("GET  / HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a space behind the request line", TEXT("GET / HTTP/1.1 \r\n" HOST "\r\n")},
	{400, "a space before the request line", TEXT(" GET / HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a space in the target", TEXT("GET /a b HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a tab in the target", TEXT("GET /a\tb HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a byte beyond ASCII in the target", TEXT("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a DEL in the target", TEXT("GET /\x7f HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a fragment in the target", TEXT("GET /#a HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a target that is not a path", TEXT("GET a:b/c HTTP/1.1\r\n" HOST "\r\n")},
	{400, "an ftp URL", TEXT("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n")},
	{400, "an http URL without a host", TEXT("GET http:///a HTTP/1.1\r\n" HOST "\r\n")},
	{400, "* for GET", TEXT("GET * HTTP/1.1\r\n" HOST "\r\n")},
	{400, "CONNECT with an authority", TEXT("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n")},
	{400, "a method that is no token", TEXT("G@T / HTTP/1.1\r\n" HOST "\r\n")},
	{400, "an empty line for a request", TEXT("\r\n")},
	{417, "an expectation that nobody meets", TEXT(POST "Content-Length: 3\r\nExpect: 200-ok\r\n\r\n")},
	{400, "too many headers", TEXT(GET "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\n\r\n")},
};

static enum http_verdict
read_at_once(const char *p, size_t len, struct http_head *head, int *status)
{
	const struct http_refusal *why;
	enum http_verdict verdict;

	memset(head, 0, sizeof(*head));
	verdict = http_check_head(head, p, len, &limits, &why);
	*status = verdict == HTTP_REFUSED ? why->status : 0;
	return verdict;
}

/* Byte by byte, each time from memory that ends there, so that a sanitizer sees whoever reads on. */
static enum http_verdict
read_in_bytes(const char *p, size_t len, struct http_head *head, int *status)
{
	const struct http_refusal *why = NULL;
	enum http_verdict verdict = HTTP_MORE;

	memset(head, 0, sizeof(*head));
	for (size_t n = 1; n <= len && verdict == HTTP_MORE; n++) {
		char *copy = malloc(n);

		memcpy(copy, p, n);
		verdict = http_check_head(head, copy, n, &limits, &why);
		free(copy);
	}
	*status = verdict == HTTP_REFUSED ? why->status : 0;
	return verdict;
}

static void
test_heads(void)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct http_head one, two;
		int status, again;
		enum http_verdict verdict = read_at_once(heads[i].head, heads[i].len, &one, &status);
		bool same = read_in_bytes(heads[i].head, heads[i].len, &two, &again) == verdict && again == status;

		if (heads[i].status)
			ok(verdict == HTTP_REFUSED && status == heads[i].status, "%d for %s", heads[i].status, heads[i].what);
		else
			ok(verdict == HTTP_DONE && one.read == heads[i].len, "%s is taken", heads[i].what);
		if (!same || (verdict == HTTP_DONE && memcmp(&one, &two, sizeof(one)) != 0))
			ok(false, "%s is the same when it comes byte by byte", heads[i].what);
	}
}

static struct http_head
head_of(const char *s)
{
	struct http_head head;
	int status;

	if (read_at_once(s, strlen(s), &head, &status) != HTTP_DONE)
		ok(false, "this head is taken: %s", s);
	return head;
}

static void
test_facts(void)
{
	static const char *const closing[] = {
		GET "Connection: close\r\n\r\n", GET "Connection: Keep-Alive,\tCLOSE ,x\r\n\r\n",
		GET "Connection: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alives\r\n\r\n",
	};
	static const char *const keeping[] = {
		GET "\r\n", GET "Connection: keep-alive\r\n\r\n", GET "Connection: closed, enclose\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: upgrade, Keep-Alive\r\n\r\n",
	};
	static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "get", "GETS", "TRACE"};
	static const bool skips[] = {false, true, false, false, false, false, true, true, true};

	for (size_t i = 0; i < sizeof(closing) / sizeof(closing[0]); i++)
		ok(head_of(closing[i]).close, "a list of tokens, or HTTP/1.0, closes the connection (%zu)", i);
	for (size_t i = 0; i < sizeof(keeping) / sizeof(keeping[0]); i++)
		ok(!head_of(keeping[i]).close, "other tokens, or keep-alive, keep it (%zu)", i);
	for (int i = 0; i < (int)(sizeof(methods) / sizeof(methods[0])); i++) {
		char s[100];
		struct http_head head;

		snprintf(s, sizeof(s), "%s /a HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
		head = head_of(s);
		ok(head.method == (enum http_method)(i < HTTP_OTHER ? i : HTTP_OTHER) && head.skips_body == skips[i],
		    "%s is known for what it is", methods[i]);
	}
	is_int((int64_t)head_of(POST "content-length: 042\r\n\r\n").length, 42, "a length is decimal, zeros in front or not");
	ok(head_of(POST "Expect: 100-continue\r\n\r\n").continues, "an expectation is noted");
	ok(!head_of("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").continues, "but not of HTTP/1.0");
}

static void
test_size(void)
{
	struct buf b = BUF_EMPTY;
	struct http_head head;
	int status;

	buf_adds(&b, GET "X: ");
	while (b.len < limits.head - 4)
		buf_adds(&b, "x");
	buf_adds(&b, "\r\n\r\n");
	is_int(read_at_once(b.data, b.len, &head, &status), HTTP_DONE, "a head may be as large as the limit");
	b.data[b.len - 4] = 'x';
	memcpy(b.data + b.len - 3, "\r\n\r", 3);
	buf_adds(&b, "\n");
	read_at_once(b.data, b.len, &head, &status);
	is_int(status, 400, "but not a byte more");
	b.len = limits.head + 1;
	memset(b.data, 'x', b.len);
	read_at_once(b.data, b.len, &head, &status);
	is_int(status, 400, "nor may a line go on for ever");
	read_at_once(b.data, b.len - 1, &head, &status);
	is_int(status, 0, "up to the limit it may");
	buf_clear(&b);
	buf_adds(&b, POST "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n");
	is_int(read_at_once(b.data, b.len, &head, &status), HTTP_DONE, "a head that announces too large a body is taken");
	ok(head.too_large && head.close && head.length == 0 && !head.continues, "for an answer, and then the connection is to be closed");
	buf_free(&b);
}

static const struct {
	int status; /* 0: all of it is taken, -1: more is waited for. */
	const char *what;
	const char *body;
	size_t len;
} bodies[] = {
	{0, "no chunk", TEXT("0\r\n\r\n")},
	{0, "two chunks", TEXT("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")},
	{0, "a size with zeros in front", TEXT("003\r\nabc\r\n000\r\n\r\n")},
	{-1, "a body that is not there yet", TEXT("3\r\nab")},
	{-1, "a body without its last CR LF", TEXT("3\r\nabc\r\n0\r\n")},
	{400, "an empty size", TEXT("\r\nabc\r\n0\r\n\r\n")},
	{400, "a size of 0x3", TEXT("0x3\r\nabc\r\n0\r\n\r\n")},
	{400, "a size of +3", TEXT("+3\r\nabc\r\n0\r\n\r\n")},
	{400, "a size of -3", TEXT("-3\r\nabc\r\n0\r\n\r\n")},
	{400, "a size behind a space", TEXT(" 3\r\nabc\r\n0\r\n\r\n")},
	{400, "a size before a space", TEXT("3 \r\nabc\r\n0\r\n\r\n")},
	{400, "an extension", TEXT("3;a=b\r\nabc\r\n0\r\n\r\n")},
	{400, "a size beyond 64 bits", TEXT("10000000000000003\r\nabc\r\n0\r\n\r\n")},
	{400, "a bare line feed behind a size", TEXT("3\nabc\r\n0\r\n\r\n")},
	{400, "a bare line feed behind a chunk", TEXT("3\r\nabc\n0\r\n\r\n")},
	{400, "no CR LF behind a chunk", TEXT("3\r\nabc0\r\n\r\n")},
	{400, "a chunk longer than its size", TEXT("3\r\nabcd\r\n0\r\n\r\n")},
	{400, "a trailer", TEXT("3\r\nabc\r\n0\r\nHost: evil\r\n\r\n")},
	{413, "a chunk that is too large", TEXT("65\r\n")},
	{413, "chunks that are too large together", TEXT("5\r\nabcde\r\n60\r\n")},
};

static void
test_chunks(void)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct http_refusal *why = NULL;
		struct http_chunks chunks = {0}, bytes = {0};
		enum http_verdict one = http_check_chunks(&chunks, bodies[i].body, bodies[i].len, &limits, &why);
		int status = one == HTTP_DONE ? 0 : one == HTTP_MORE ? -1 : why->status;
		enum http_verdict two = HTTP_MORE;

		for (size_t at = 0; at < bodies[i].len && two == HTTP_MORE; at++)
			two = http_check_chunks(&bytes, bodies[i].body + at, 1, &limits, &why);
		ok(status == bodies[i].status && one == two && (status || chunks.raw == bodies[i].len),
		    status > 0 ? "%d for %s" : "%.0d%s: what it is", status, bodies[i].what);
	}
}

static void
test_tiny_chunks(void)
{
	const struct http_limits large = {.body = 1000000};
	const struct http_refusal *why = NULL;
	struct http_chunks chunks = {0};
	enum http_verdict verdict = HTTP_MORE;
	int n;

	for (n = 0; n < 1000000 && verdict == HTTP_MORE; n++)
		verdict = http_check_chunks(&chunks, TEXT("000001\r\nx\r\n"), &large, &why);
	ok(verdict == HTTP_REFUSED && why->status == 413 && chunks.raw < 3 * large.body,
	    "413 for a body that is mostly marks between chunks");
}

int
main(void)
{
	test_heads();
	test_facts();
	test_size();
	test_chunks();
	test_tiny_chunks();
	return done();
}
