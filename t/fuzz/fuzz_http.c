/*
 * Fuzzes what reads a request before evhttp does: its head, its chunks, its target.  The verdict must not depend on how the
 * bytes come in parts, and a path that is let through is one that a router and a file server can trust.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_check.h"
#include "net/http_reduce.h"
#include "net/http_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {.head = 512, .headers = 8, .body = 300};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* Each part is copied to memory that ends with it, for the sanitizer. */
static enum http_verdict
read_head(struct http_head *head, const char *p, size_t len, size_t step, const struct http_refusal **why)
{
	enum http_verdict verdict = HTTP_MORE;

	memset(head, 0, sizeof(*head));
	for (size_t n = 0; n < len && verdict == HTTP_MORE;) {
		char *copy;

		n = len - n < step ? len : n + step;
		copy = mem_alloc(n);
		memcpy(copy, p, n);
		verdict = http_check_head(head, copy, n, &limits, why);
		free(copy);
	}
	return verdict;
}

static enum http_verdict
read_chunks(struct http_chunks *chunks, const char *p, size_t len, size_t step)
{
	const struct http_refusal *why;
	enum http_verdict verdict = HTTP_MORE;

	memset(chunks, 0, sizeof(*chunks));
	for (size_t at = 0; at < len && verdict == HTTP_MORE; at += step)
		verdict = http_check_chunks(chunks, p + at, len - at < step ? len - at : step, &limits, &why);
	return verdict;
}

static void
check_chunks(const char *p, size_t len)
{
	struct http_chunks one, two;
	enum http_verdict verdict = read_chunks(&one, p, len, len + 1);

	must(read_chunks(&two, p, len, 1) == verdict);
	if (verdict == HTTP_DONE)
		must(one.total <= limits.body && one.raw <= len && one.total == two.total && one.raw == two.raw);
}

static void
check_path(const char *path)
{
	must(path[0] == '/' && !strchr(path, '\\'));
	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		size_t len = strcspn(p + 1, "/");

		must(!(len == 1 && p[1] == '.') && !(len == 2 && p[1] == '.' && p[2] == '.'));
	}
}

static void
check_target(const char *p, size_t len)
{
	char *target = mem_copy(p, len), *query;
	const char *path = http_uri_split(target, &query);

	if (path)
		check_path(path);
	if (path && query) {
		struct http_params *params = http_params_new(query);

		http_params_get(params, "token");
		free(params);
	}
	free(target);
}

/* Without the headers that are dropped a head says the same. */
static void
check_reduced(const struct http_head *head, const char *p)
{
	char *copy = mem_copy(p, head->read);
	size_t cut = http_reduce_head(copy, head->read, !head->too_large);
	const struct http_refusal *why;
	struct http_head again = {0};

	must(http_check_head(&again, copy + cut, head->read - cut, &limits, &why) == HTTP_DONE);
	must(again.read == head->read - cut && again.method == head->method && again.length == head->length);
	must(again.chunked == (head->chunked && !head->too_large) && again.old == head->old && again.hosts == head->hosts);
	free(copy);
}

/* What the head says must be there to be seen. */
static void
check_head(const struct http_head *head, const char *p, size_t len)
{
	const char *first = memchr(p, ' ', len), *last;

	must(head->read <= len && head->read <= limits.head && memcmp(p + head->read - 4, "\r\n\r\n", 4) == 0);
	must(!memchr(p, '\0', head->read) && head->length <= limits.body);
	must(head->hosts == 1 || (head->hosts == 0 && head->old));
	must(!(head->chunked && (head->has_length || head->old)));
	must(head->lines - 1 <= limits.headers);
	last = memchr(first + 1, ' ', (size_t)(p + len - first) - 1);
	check_target(first + 1, (size_t)(last - first) - 1);
	check_reduced(head, p);
	check_chunks(p + head->read, len - head->read);
}

static bool
is_too_large(const struct http_refusal *why)
{
	return strcmp(why->code, "headers_too_large") == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	const struct http_refusal *why = NULL, *other = NULL;
	struct http_head one, two;
	enum http_verdict verdict;

	if (size == 0)
		return 0;
	verdict = read_head(&one, p, size, size, &why);
	must(read_head(&two, p, size, 1, &other) == verdict);
	/* In one piece a head that is too large may be seen to have another fault first. */
	if (verdict == HTTP_REFUSED)
		must(why == other || is_too_large(why) || is_too_large(other));
	if (verdict == HTTP_DONE)
		check_head(&one, p, size);
	check_target(p, size);
	check_chunks(p, size);
	return 0;
}
