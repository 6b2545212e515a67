#include "base/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* From small to large. */
static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const struct unit none[] = {{"", 1}, {NULL, 0}};

static bool
parse(int64_t *value, const char *s, const struct unit *units)
{
	int64_t n = 0;
	const char *digits = s;

	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return false;
	if (s == digits)
		return false;
	for (; units->name; units++)
		if (strcmp(s, units->name) == 0)
			return !__builtin_mul_overflow(n, units->factor, value);
	return false;
}

static const char *
format(char buf[UNITS_TEXT_SIZE], int64_t value, const struct unit *units)
{
	const struct unit *best = units;

	for (; units->name; units++)
		if (value % units->factor == 0)
			best = units;
	snprintf(buf, UNITS_TEXT_SIZE, "%" PRId64 "%s", value / best->factor, best->name);
	return buf;
}

bool
units_parse_duration(int64_t *ms, const char *s)
{
	if (strcmp(s, "0") == 0) {
		*ms = 0;
		return true;
	}
	return parse(ms, s, durations);
}

bool
units_parse_size(int64_t *bytes, const char *s)
{
	return parse(bytes, s, sizes);
}

bool
units_parse_count(int64_t *n, const char *s)
{
	return parse(n, s, none);
}

const char *
units_format_duration(char buf[UNITS_TEXT_SIZE], int64_t ms)
{
	return ms ? format(buf, ms, durations) : strcpy(buf, "0");
}

const char *
units_format_size(char buf[UNITS_TEXT_SIZE], int64_t bytes)
{
	return bytes ? format(buf, bytes, sizes) : strcpy(buf, "0");
}
