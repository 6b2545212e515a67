#include "net/http_check.h"

#include <string.h>
#include <strings.h>

static const struct http_refusal bare_line_feed = {400, "bad_request", "a line does not end in CR LF"};
static const struct http_refusal bad_byte = {400, "bad_request", "a NUL or a lone CR in the head"};
static const struct http_refusal bad_request_line = {400, "bad_request", "the request line is not METHOD TARGET HTTP/1.1"};
static const struct http_refusal bad_version = {400, "bad_request", "only HTTP/1.0 and HTTP/1.1 are spoken here"};
static const struct http_refusal bad_target = {400, "bad_request", "the request target is not a path or an http URL"};
static const struct http_refusal bad_header = {400, "bad_request", "a header is not NAME: VALUE"};
static const struct http_refusal folded_header = {400, "bad_request", "a header is folded over two lines"};
static const struct http_refusal bad_host = {400, "bad_request", "there must be one Host header with a host's name"};
static const struct http_refusal bad_length = {400, "bad_request", "Content-Length must be one number"};
static const struct http_refusal bad_coding = {400, "bad_request", "the only Transfer-Encoding is chunked, without a length"};
static const struct http_refusal bad_chunk = {400, "bad_request", "the chunked body is malformed, or has extensions or trailers"};
static const struct http_refusal bad_expectation = {417, "expectation_failed", "the only expectation met is 100-continue"};
static const struct http_refusal big_head = {400, "headers_too_large", "the request line and headers are too large"};
static const struct http_refusal many_headers = {400, "headers_too_large", "there are too many headers"};
static const struct http_refusal big_body = {413, "body_too_large", "the body is too large"};

/* A part of a line. */
struct text {
	const char *p;
	size_t len;
};

static bool
text_is(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.p, word, t.len) == 0;
}

static struct text
trim(struct text t)
{
	while (t.len && (*t.p == ' ' || *t.p == '\t'))
		t.p++, t.len--;
	while (t.len && (t.p[t.len - 1] == ' ' || t.p[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* RFC 9110 5.6.2: what methods and names of headers are made of. */
static bool
is_token(struct text t)
{
	static const bool token[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
		['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
	};

	for (size_t i = 0; i < t.len; i++)
		if (!token[(unsigned char)t.p[i]])
			return false;
	return t.len > 0;
}

static enum http_method
method_of(struct text t)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE",
		[HTTP_OPTIONS] = "OPTIONS",
	};

	for (int i = 0; i < HTTP_OTHER; i++)
		if (t.len == strlen(names[i]) && memcmp(t.p, names[i], t.len) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

static bool
is_target(struct text t, enum http_method method)
{
	if (t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.p[i] <= ' ' || (unsigned char)t.p[i] >= 0x7f || t.p[i] == '#')
			return false;
	if (t.p[0] == '/')
		return true;
	if (t.len == 1 && t.p[0] == '*')
		return method == HTTP_OPTIONS;
	return (t.len > 7 && strncasecmp(t.p, "http://", 7) == 0 && t.p[7] != '/') ||
	    (t.len > 8 && strncasecmp(t.p, "https://", 8) == 0 && t.p[8] != '/');
}

static const struct http_refusal *
read_request_line(struct http_head *head, struct text line)
{
	const char *first = memchr(line.p, ' ', line.len);
	const char *last = memrchr(line.p, ' ', line.len);
	struct text method, target, version;

	if (!first || first == last)
		return &bad_request_line;
	method = (struct text){line.p, (size_t)(first - line.p)};
	target = (struct text){first + 1, (size_t)(last - first) - 1};
	version = (struct text){last + 1, (size_t)(line.p + line.len - last) - 1};
	if (!is_token(method))
		return &bad_request_line;
	if (version.len != 8 || (memcmp(version.p, "HTTP/1.1", 8) != 0 && memcmp(version.p, "HTTP/1.0", 8) != 0))
		return &bad_version;
	head->method = method_of(method);
	if (!is_target(target, head->method))
		return &bad_target;
	head->old = version.p[7] == '0';
	head->skips_body = head->method == HTTP_HEAD ||
	    (head->method == HTTP_OTHER && !text_is(method, "PUT") && !text_is(method, "PATCH"));
	return NULL;
}

static const struct http_refusal *
read_host(struct http_head *head, struct text value)
{
	if (head->hosts++)
		return &bad_host;
	for (size_t i = 0; i < value.len; i++)
		if (!((value.p[i] >= '0' && value.p[i] <= '9') || (value.p[i] >= 'A' && value.p[i] <= 'Z') ||
			(value.p[i] >= 'a' && value.p[i] <= 'z') || (value.p[i] && strchr("-._~:[]%!$&'()*+,;=", value.p[i]))))
			return &bad_host;
	return NULL;
}

static const struct http_refusal *
read_length(struct http_head *head, struct text value)
{
	if (head->has_length || value.len == 0 || value.len > 18)
		return &bad_length;
	head->has_length = 1;
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return &bad_length;
		head->length = head->length * 10 + (uint64_t)(value.p[i] - '0');
	}
	return NULL;
}

/* A list of tokens; evhttp knows the header only when it is one word. */
static void
read_connection(struct http_head *head, struct text value)
{
	while (value.len) {
		const char *comma = memchr(value.p, ',', value.len);
		struct text word = {value.p, comma ? (size_t)(comma - value.p) : value.len};

		value.p += word.len + (comma ? 1 : 0);
		value.len -= word.len + (comma ? 1 : 0);
		word = trim(word);
		if (text_is(word, "close"))
			head->close = 1;
		else if (text_is(word, "keep-alive"))
			head->keep_alive = 1;
		else if (text_is(word, "upgrade"))
			head->upgrade = 1;
	}
}

static const struct http_refusal *
read_header(struct http_head *head, struct text line)
{
	const char *colon = memchr(line.p, ':', line.len);
	struct text name, value;

	if (line.p[0] == ' ' || line.p[0] == '\t')
		return &folded_header;
	if (!colon)
		return &bad_header;
	name = (struct text){line.p, (size_t)(colon - line.p)};
	if (!is_token(name))
		return &bad_header;
	value = (struct text){colon + 1, line.len - name.len - 1};
	switch (name.len) {
	case 4:
		return text_is(name, "host") ? read_host(head, trim(value)) : NULL;
	case 6:
		if (text_is(name, "expect")) {
			if (!text_is(trim(value), "100-continue"))
				return &bad_expectation;
			head->continues = 1;
		}
		return NULL;
	case 10:
		if (text_is(name, "connection"))
			read_connection(head, value);
		return NULL;
	case 14:
		return text_is(name, "content-length") ? read_length(head, trim(value)) : NULL;
	case 17:
		if (!text_is(name, "transfer-encoding"))
			return NULL;
		if (head->chunked || !text_is(trim(value), "chunked"))
			return &bad_coding;
		head->chunked = 1;
		return NULL;
	default:
		return NULL;
	}
}

/* What only the whole head tells. */
static const struct http_refusal *
finish(struct http_head *head, const struct http_limits *limits)
{
	if (head->hosts > 1 || (!head->hosts && !head->old))
		return &bad_host;
	if (head->chunked && (head->has_length || head->old))
		return &bad_coding;
	if (head->length > limits->body) {
		head->too_large = head->close = 1;
		head->continues = 0;
		head->length = 0;
	}
	if (head->old) {
		head->continues = 0;
		if (!head->keep_alive)
			head->close = 1;
	}
	return NULL;
}

enum http_verdict
http_check_head(struct http_head *head, const char *p, size_t len, const struct http_limits *limits,
    const struct http_refusal **why)
{
	const char *end;

	*why = NULL;
	while (!*why && (end = memchr(p + head->read, '\n', len - head->read))) {
		struct text line = {p + head->read, (size_t)(end - p) - head->read};

		head->read += line.len + 1;
		if (head->read > limits->head)
			*why = &big_head;
		else if (line.len == 0 || line.p[--line.len] != '\r')
			*why = &bare_line_feed;
		else if (memchr(line.p, '\r', line.len) || memchr(line.p, '\0', line.len))
			*why = &bad_byte;
		else if (line.len == 0 && head->lines > 0)
			return (*why = finish(head, limits)) ? HTTP_REFUSED : HTTP_DONE;
		else if (head->lines++ == 0)
			*why = read_request_line(head, line);
		else if (head->lines - 1 > limits->headers)
			*why = &many_headers;
		else
			*why = read_header(head, line);
	}
	if (!*why && len > limits->head)
		*why = &big_head;
	return *why ? HTTP_REFUSED : HTTP_MORE;
}

enum { CHUNK_SIZE, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_CR, CHUNK_LF, LAST_CR, LAST_LF, CHUNKS_END };

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* One byte of a chunk's size line; false if it is wrong there. */
static bool
read_chunk_size(struct http_chunks *chunks, char c)
{
	int digit = hex(c);

	if (digit >= 0 && chunks->digits < 15) {
		chunks->left = chunks->left << 4 | (uint64_t)digit;
		chunks->digits++;
		return true;
	}
	chunks->state = CHUNK_SIZE_LF;
	return c == '\r' && chunks->digits > 0;
}

static bool
read_chunk_mark(struct http_chunks *chunks, char c)
{
	switch (chunks->state) {
	case CHUNK_SIZE_LF:
		chunks->total += chunks->left;
		chunks->state = chunks->left ? CHUNK_DATA : LAST_CR;
		return c == '\n';
	case CHUNK_LF:
		chunks->state = CHUNK_SIZE;
		chunks->digits = 0;
		return c == '\n';
	default: /* CHUNK_CR, LAST_CR, LAST_LF */
		chunks->state++;
		return c == (chunks->state == CHUNKS_END ? '\n' : '\r');
	}
}

enum http_verdict
http_check_chunks(struct http_chunks *chunks, const char *p, size_t len, const struct http_limits *limits,
    const struct http_refusal **why)
{
	*why = NULL;
	for (size_t i = 0; i < len && chunks->state != CHUNKS_END;) {
		size_t step = 1;
		bool right = true;

		if (chunks->state == CHUNK_DATA) {
			step = chunks->left < len - i ? (size_t)chunks->left : len - i;
			chunks->left -= step;
			if (chunks->left == 0)
				chunks->state = CHUNK_CR;
		} else if (chunks->state == CHUNK_SIZE) {
			right = read_chunk_size(chunks, p[i]);
		} else {
			right = read_chunk_mark(chunks, p[i]);
		}
		i += step;
		chunks->raw += step;
		if (!right)
			*why = &bad_chunk;
		/* evhttp is given the body as it came, so the marks between tiny chunks are limited too. */
		else if (chunks->total > limits->body || chunks->raw / 2 > limits->body + 1024)
			*why = &big_body;
		if (*why)
			return HTTP_REFUSED;
	}
	return chunks->state == CHUNKS_END ? HTTP_DONE : HTTP_MORE;
}
