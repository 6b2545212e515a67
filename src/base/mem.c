#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes without allocating: the log's buffer may be what could not be had. */
static void
die(size_t n, size_t size, const char *file, int line)
{
	fprintf(stderr, "pollgate: out of memory: %zu * %zu bytes at %s:%d\n", n, size, file, line);
	abort();
}

void *
mem_alloc_at(size_t size, const char *file, int line)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		die(1, size, file, line);
	return p;
}

void *
mem_zero_at(size_t n, size_t size, const char *file, int line)
{
	void *p = n && size ? calloc(n, size) : calloc(1, 1);

	if (!p)
		die(n, size, file, line);
	return p;
}

void *
mem_resize_at(void *p, size_t n, size_t size, const char *file, int line)
{
	/* reallocarray(p, 0, ...) frees p and returns NULL, which is not what the caller means. */
	p = n && size ? reallocarray(p, n, size) : realloc(p, 1);
	if (!p)
		die(n, size, file, line);
	return p;
}

char *
mem_copy_at(const void *p, size_t len, const char *file, int line)
{
	char *copy;

	if (len == SIZE_MAX)
		die(1, len, file, line);
	copy = mem_alloc_at(len + 1, file, line);
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *
mem_string_at(const char *s, const char *file, int line)
{
	return mem_copy_at(s, strlen(s), file, line);
}
