#include "net/redis_command.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* "*" argc CR LF is put right before the arguments when their number is known. */
#define HEADER_ROOM 16
#define DIGITS_MAX 20

static void
reserve(struct redis_command *c, size_t len)
{
	assert(len < SIZE_MAX / 4 - c->len);
	if (c->len + len <= c->room)
		return;
	if (!c->room)
		c->room = 256;
	while (c->room < c->len + len)
		c->room *= 2;
	c->data = mem_resize(c->data, c->room, 1);
}

/* Write n in decimal so that it ends before end; returns where it starts. */
static char *
number(char *end, uint64_t n)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return end;
}

void
redis_command_start(struct redis_command *c, const char *verb)
{
	c->len = 0;
	c->argc = 0;
	reserve(c, HEADER_ROOM);
	c->len = HEADER_ROOM;
	redis_command_adds(c, verb);
}

char *
redis_command_space(struct redis_command *c, size_t len)
{
	char digits[DIGITS_MAX], *start = number(digits + DIGITS_MAX, len), *p;
	size_t n = (size_t)(digits + DIGITS_MAX - start);

	reserve(c, 1 + n + 2 + len + 2);
	p = c->data + c->len;
	*p++ = '$';
	memcpy(p, start, n);
	p += n;
	memcpy(p, "\r\n", 2);
	p += 2;
	memcpy(p + len, "\r\n", 2);
	c->len += 1 + n + 2 + len + 2;
	c->argc++;
	return p;
}

void
redis_command_add(struct redis_command *c, const void *p, size_t len)
{
	char *space = redis_command_space(c, len);

	if (len)
		memcpy(space, p, len);
}

void
redis_command_adds(struct redis_command *c, const char *s)
{
	redis_command_add(c, s, strlen(s));
}

void
redis_command_addi(struct redis_command *c, int64_t n)
{
	char digits[DIGITS_MAX + 1], *end = digits + sizeof digits, *start;

	start = number(end, n < 0 ? -(uint64_t)n : (uint64_t)n);
	if (n < 0)
		*--start = '-';
	redis_command_add(c, start, (size_t)(end - start));
}

void
redis_command_addu(struct redis_command *c, uint64_t n)
{
	char digits[DIGITS_MAX], *start = number(digits + DIGITS_MAX, n);

	redis_command_add(c, start, (size_t)(digits + DIGITS_MAX - start));
}

const char *
redis_command_bytes(struct redis_command *c, size_t *len)
{
	char *p = c->data + HEADER_ROOM - 2;

	assert(c->argc);
	memcpy(p, "\r\n", 2);
	p = number(p, c->argc);
	*--p = '*';
	*len = c->len - (size_t)(p - c->data);
	return p;
}

void
redis_command_free(struct redis_command *c)
{
	free(c->data);
	*c = (struct redis_command)REDIS_COMMAND_EMPTY;
}
