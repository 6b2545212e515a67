/*
 * One recursive-descent scanner that checks a text once; afterwards the walkers may skip over values without checking again.
 */
#include "codec/jspan.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"

struct scan {
	const unsigned char *p;
	const unsigned char *end;
	int depth;
};

static bool scan_value(struct scan *s);

static void
scan_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
scan_byte(struct scan *s, unsigned char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
scan_literal(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static size_t
scan_digits(struct scan *s)
{
	const unsigned char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - start);
}

static bool
scan_number(struct scan *s)
{
	scan_byte(s, '-');
	if (!scan_byte(s, '0') && scan_digits(s) == 0)
		return false;
	if (scan_byte(s, '.') && scan_digits(s) == 0)
		return false;
	if (scan_byte(s, 'e') || scan_byte(s, 'E')) {
		if (!scan_byte(s, '-'))
			scan_byte(s, '+');
		return scan_digits(s) > 0;
	}
	return true;
}

static int
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p; -1 if they are not. */
static int
hex_unit(const unsigned char *p)
{
	int unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static bool
scan_escape(struct scan *s)
{
	if (s->p == s->end)
		return false;
	if (*s->p == 'u') {
		if (s->end - s->p < 5 || hex_unit(s->p + 1) < 0)
			return false;
		s->p += 5;
		return true;
	}
	if (!memchr("\"\\/bfnrt", *s->p, 8))
		return false;
	s->p++;
	return true;
}

static bool
scan_string(struct scan *s)
{
	if (!scan_byte(s, '"'))
		return false;
	while (s->p < s->end) {
		unsigned char c = *s->p;
		size_t len;

		if (c == '"') {
			s->p++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c == '\\') {
			s->p++;
			if (!scan_escape(s))
				return false;
		} else if (c < 0x80) {
			s->p++;
		} else {
			len = utf8_length(s->p, (size_t)(s->end - s->p));
			if (len == 0)
				return false;
			s->p += len;
		}
	}
	return false;
}

static bool
scan_member(struct scan *s)
{
	scan_space(s);
	if (!scan_string(s))
		return false;
	scan_space(s);
	return scan_byte(s, ':') && scan_value(s);
}

/* The inside of an object or array, behind its opening bracket. */
static bool
scan_list(struct scan *s, unsigned char close, bool (*item)(struct scan *))
{
	scan_space(s);
	if (scan_byte(s, close))
		return true;
	do {
		if (!item(s))
			return false;
		scan_space(s);
	} while (scan_byte(s, ','));
	return scan_byte(s, close);
}

static bool
scan_value(struct scan *s)
{
	bool good;

	scan_space(s);
	if (s->p == s->end || s->depth == JSPAN_DEPTH_MAX)
		return false;
	s->depth++;
	switch (*s->p) {
	case '{':
		s->p++;
		good = scan_list(s, '}', scan_member);
		break;
	case '[':
		s->p++;
		good = scan_list(s, ']', scan_value);
		break;
	case '"':
		good = scan_string(s);
		break;
	case 't':
		good = scan_literal(s, "true");
		break;
	case 'f':
		good = scan_literal(s, "false");
		break;
	case 'n':
		good = scan_literal(s, "null");
		break;
	default:
		good = scan_number(s);
	}
	s->depth--;
	return good;
}

bool
jspan_check(struct jspan *value, const char *text, size_t len)
{
	struct scan s = {(const unsigned char *)text, (const unsigned char *)text + len, 0};
	const unsigned char *start, *end;

	scan_space(&s);
	start = s.p;
	if (!scan_value(&s))
		return false;
	end = s.p;
	scan_space(&s);
	if (s.p != s.end)
		return false;
	*value = (struct jspan){(const char *)start, (size_t)(end - start)};
	return true;
}

enum jspan_type
jspan_type(struct jspan value)
{
	if (!value.text)
		return JSPAN_NONE;
	switch (*value.text) {
	case '{':
		return JSPAN_OBJECT;
	case '[':
		return JSPAN_ARRAY;
	case '"':
		return JSPAN_STRING;
	case 't':
		return JSPAN_TRUE;
	case 'f':
		return JSPAN_FALSE;
	case 'n':
		return JSPAN_NULL;
	default:
		return JSPAN_NUMBER;
	}
}

/* Behind the string that starts at text[at], in a text that was checked. */
static size_t
skip_string(struct jspan in, size_t at)
{
	const char *quote = in.text + at;
	size_t slashes;

	do {
		quote = memchr(quote + 1, '"', in.len - (size_t)(quote + 1 - in.text));
		assert(quote);
		for (slashes = 0; quote[-1 - (ptrdiff_t)slashes] == '\\'; slashes++)
			;
	} while (slashes % 2 == 1);
	return (size_t)(quote - in.text) + 1;
}

/* Behind the value that starts at text[at]. */
static size_t
skip_value(struct jspan in, size_t at)
{
	int depth = 0;

	while (at < in.len) {
		char c = in.text[at];

		if (c == '"') {
			at = skip_string(in, at);
			if (depth == 0)
				return at;
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']') {
			if (depth == 0)
				return at; /* The end of what holds a number or a literal. */
			if (--depth == 0)
				return at + 1;
		} else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'))
			return at;
		at++;
	}
	return at;
}

/* To the next byte that is neither white space nor a comma nor a colon. */
static size_t
skip_between(struct jspan in, size_t at)
{
	while (at < in.len && (in.text[at] == ' ' || in.text[at] == '\t' || in.text[at] == '\n' || in.text[at] == '\r' ||
	    in.text[at] == ',' || in.text[at] == ':'))
		at++;
	return at;
}

static bool
next_part(struct jspan in, size_t *at, struct jspan *part)
{
	size_t start = skip_between(in, *at);

	if (start >= in.len || in.text[start] == '}' || in.text[start] == ']')
		return false;
	*at = skip_value(in, start);
	*part = (struct jspan){in.text + start, *at - start};
	return true;
}

bool
jspan_next_member(struct jspan object, size_t *at, struct jspan *key, struct jspan *value)
{
	assert(jspan_type(object) == JSPAN_OBJECT);
	if (*at == 0)
		*at = 1;
	return next_part(object, at, key) && next_part(object, at, value);
}

bool
jspan_next_element(struct jspan array, size_t *at, struct jspan *value)
{
	assert(jspan_type(array) == JSPAN_ARRAY);
	if (*at == 0)
		*at = 1;
	return next_part(array, at, value);
}

void
jspan_pick(struct jspan object, const char *const *names, struct jspan *values, size_t n)
{
	struct jspan key, value;
	size_t at = 0;

	memset(values, 0, n * sizeof *values);
	while (jspan_next_member(object, &at, &key, &value))
		for (size_t i = 0; i < n; i++)
			if (jspan_is(key, names[i]))
				values[i] = value;
}

static void
add_utf8(struct buf *b, uint32_t c)
{
	char bytes[4];
	size_t len;

	if (c < 0x80) {
		bytes[0] = (char)c;
		len = 1;
	} else if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		len = 2;
	} else if (c < 0x10000) {
		bytes[0] = (char)(0xe0 | c >> 12);
		len = 3;
	} else {
		bytes[0] = (char)(0xf0 | c >> 18);
		len = 4;
	}
	for (size_t i = 1; i < len; i++)
		bytes[i] = (char)(0x80 | (c >> (6 * (len - 1 - i)) & 0x3f));
	buf_add(b, bytes, len);
}

/* The escape at p, behind the backslash; returns what follows it, or NULL for a lone surrogate. */
static const char *
unescape(struct buf *out, const char *p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int high, low;

	if (*p != 'u') {
		buf_add(out, &to[strchr(from, *p) - from], 1);
		return p + 1;
	}
	high = hex_unit((const unsigned char *)p + 1);
	p += 5;
	if (high >= 0xd800 && high < 0xdc00) {
		if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
			return NULL;
		low = hex_unit((const unsigned char *)p + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		add_utf8(out, 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
		return p + 6;
	}
	if (high >= 0xdc00 && high < 0xe000)
		return NULL;
	add_utf8(out, (uint32_t)high);
	return p;
}

bool
jspan_string(struct jspan value, struct buf *out)
{
	const char *p, *end;

	buf_clear(out);
	if (jspan_type(value) != JSPAN_STRING)
		return false;
	p = value.text + 1;
	end = value.text + value.len - 1;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));

		buf_add(out, p, (size_t)((escape ? escape : end) - p));
		if (!escape)
			break;
		p = unescape(out, escape + 1, end);
		if (!p)
			return false;
	}
	return true;
}

bool
jspan_text(struct jspan value, struct buf *out)
{
	if (!jspan_string(value, out))
		return false;
	buf_add(out, "", 0);
	return strlen(out->data) == out->len;
}

bool
jspan_is(struct jspan value, const char *text)
{
	size_t len = strlen(text);
	struct buf unescaped = BUF_EMPTY;
	bool same;

	if (jspan_type(value) != JSPAN_STRING)
		return false;
	if (!memchr(value.text, '\\', value.len))
		return value.len == len + 2 && memcmp(value.text + 1, text, len) == 0;
	same = jspan_string(value, &unescaped) && unescaped.len == len && memcmp(unescaped.data, text, len) == 0;
	buf_free(&unescaped);
	return same;
}

bool
jspan_count(struct jspan value, uint64_t max, uint64_t *n)
{
	uint64_t sum = 0;

	if (jspan_type(value) != JSPAN_NUMBER)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned digit = (unsigned)(value.text[i] - '0');

		if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	if (sum > max)
		return false;
	*n = sum;
	return true;
}

void
jspan_quote(struct buf *b, const char *s, size_t len)
{
	size_t start = 0;

	buf_add(b, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + start, i - start);
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else
			buf_addf(b, "\\u%04x", c);
		start = i + 1;
	}
	buf_add(b, s + start, len - start);
	buf_add(b, "\"", 1);
}
