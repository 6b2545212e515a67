#include "base/buf.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"

/* Make room for len bytes more and the NUL. */
static void
reserve(struct buf *b, size_t len)
{
	size_t need, room;

	assert(len < SIZE_MAX / 2 - b->len);
	need = b->len + len + 1;
	if (need <= b->room)
		return;
	room = b->room ? b->room : 64;
	while (room < need)
		room *= 2;
	b->data = mem_resize(b->data, room, 1);
	b->room = room;
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	reserve(b, len);
	if (len)
		memcpy(b->data + b->len, p, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addn(struct buf *b, uint64_t n)
{
	char digits[20];

	buf_add(b, digits, (size_t)(number_write(digits, n) - digits));
}

void
buf_addv(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(b->data ? b->data + b->len : NULL, b->room - b->len, format, ap);
	assert(len >= 0);
	if ((size_t)len >= b->room - b->len) {
		reserve(b, (size_t)len);
		vsnprintf(b->data + b->len, b->room - b->len, format, again);
	}
	va_end(again);
	b->len += (size_t)len;
}

void
buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	buf_addv(b, format, ap);
	va_end(ap);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_EMPTY;
}
