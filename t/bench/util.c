#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void
die(const char *format, ...)
{
	va_list ap;

	fputs("pollbench: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *
alloc_zeroed(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		die("out of memory");
	return p;
}

static uint64_t random_state = 1;

void
random_seed(uint64_t seed)
{
	random_state = seed * 2 + 1;
}

/* xorshift64*: as good as the choice of an instance needs. */
uint32_t
random_below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 2685821657736338717u) >> 32) % n;
}

void
samples_add(struct samples *s, double value)
{
	if (s->count == s->size) {
		s->size = s->size ? 2 * s->size : 1024;
		s->values = realloc(s->values, s->size * sizeof(*s->values));
		if (s->values == NULL)
			die("out of memory");
	}
	s->values[s->count++] = value;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
samples_at(struct samples *s, double q)
{
	if (s->count == 0)
		return 0;
	qsort(s->values, s->count, sizeof(*s->values), compare);
	return s->values[(size_t)(q * (double)(s->count - 1) + 0.5)];
}

void
samples_free(struct samples *s)
{
	free(s->values);
	*s = (struct samples){0};
}
