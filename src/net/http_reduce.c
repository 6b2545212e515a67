/* Which headers are kept, and the rest dropped: see http_reduce.h. */
#include "net/http_reduce.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

struct known {
	const char *name;
	size_t len;
};

#define KNOWN(name) {name, sizeof(name) - 1}

static bool
is_among(const struct known *known, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (len == known[i].len && strncasecmp(name, known[i].name, len) == 0)
			return true;
	return false;
}

/* Of requests with a body alone: polls come without, and would pay for them. */
static bool
is_about_client(const char *name, size_t len)
{
	static const struct known about[] = {KNOWN("User-Agent"), KNOWN("X-Forwarded-For")};

	return is_among(about, sizeof(about) / sizeof(about[0]), name, len);
}

static bool
is_always_kept(const char *name, size_t len)
{
	static const struct known kept[] = {KNOWN("Host"), KNOWN("Authorization"), KNOWN("Origin"), KNOWN("If-None-Match"),
	    KNOWN("Content-Type"), KNOWN("Access-Control-Request-Headers"), KNOWN("Last-Event-ID"), KNOWN("Upgrade"), KNOWN("Sec-WebSocket-Key"),
	    KNOWN("Sec-WebSocket-Version"), KNOWN("Sec-WebSocket-Protocol"), KNOWN("Idempotency-Key")};

	return is_among(kept, sizeof(kept) / sizeof(kept[0]), name, len);
}

bool
http_keeps_header(const char *name, size_t len)
{
	return is_always_kept(name, len) || is_about_client(name, len);
}

/* What tells evhttp of a body. */
static bool
is_framing(const char *name, size_t len)
{
	static const struct known framing[] = {KNOWN("Content-Length"), KNOWN("Transfer-Encoding")};

	return is_among(framing, sizeof(framing) / sizeof(framing[0]), name, len);
}

static bool
is_kept(const char *line, size_t size, bool has_body)
{
	const char *colon = memchr(line, ':', size);
	size_t len = colon ? (size_t)(colon - line) : 0;

	return is_always_kept(line, len) || (has_body && (is_framing(line, len) || is_about_client(line, len)));
}

size_t
http_reduce_head(char *p, size_t len, bool has_body)
{
	const char *line = p, *end = p + len;
	size_t kept = 0, cut;

	while (line < end) {
		const char *next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		size_t size = (size_t)(next - line);

		/* The request line comes first, an empty line last. */
		if (line == p || size == 2 || is_kept(line, size, has_body)) {
			memmove(p + kept, line, size);
			kept += size;
		}
		line = next;
	}
	cut = len - kept;
	memmove(p + cut, p, kept);
	return cut;
}
