#include "base/name.h"

#include <string.h>

static bool
is_base64url(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
name_parse(struct name *name, const char *s, size_t len)
{
	if (len != NAME_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_base64url(s[i]))
			return false;
	memcpy(name->s, s, len);
	name->s[len] = '\0';
	return true;
}

bool
name_equal(const struct name *a, const struct name *b)
{
	return memcmp(a->s, b->s, NAME_LEN) == 0;
}

/* Read all of [s, end) as a decimal number; 1 to 20 digits that fit 64 bits. */
static bool
parse_number(uint64_t *n, const char *s, const char *end)
{
	uint64_t value = 0;

	if (s == end || end - s > 20)
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return false;
	}
	*n = value;
	return true;
}

bool
entry_id_parse(struct entry_id *id, const char *s, size_t len)
{
	const char *hyphen = memchr(s, '-', len);
	struct entry_id parsed;

	if (!hyphen || !parse_number(&parsed.ms, s, hyphen) || !parse_number(&parsed.seq, hyphen + 1, s + len))
		return false;
	*id = parsed;
	return true;
}

char *
number_write(char *p, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	memcpy(p, digits + at, sizeof digits - at);
	return p + sizeof digits - at;
}

const char *
entry_id_format(char buf[ENTRY_ID_SIZE], struct entry_id id)
{
	char *p = number_write(buf, id.ms);

	*p++ = '-';
	*number_write(p, id.seq) = '\0';
	return buf;
}

int
entry_id_compare(struct entry_id a, struct entry_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

const struct entry_id entry_id_newest = {UINT64_MAX, UINT64_MAX};

struct entry_id
entry_id_before(struct entry_id id)
{
	return id.seq > 0 ? (struct entry_id){id.ms, id.seq - 1} : (struct entry_id){id.ms - 1, UINT64_MAX};
}
