/*
 * A growing byte string: what codecs write into.  Always NUL-terminated once anything was added.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* Owned; NULL while empty. */
	size_t len;
	size_t room;
};

#define BUF_EMPTY {NULL, 0, 0}

void buf_add(struct buf *b, const void *p, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addn(struct buf *b, uint64_t n); /* In decimal. */
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_clear(struct buf *b); /* Empty, but keeps its memory. */
void buf_free(struct buf *b);  /* Empty, memory returned. */

#endif
