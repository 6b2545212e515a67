/*
 * JSON (RFC 8259) as a gateway needs it: check a text, find the spans of its values, never rewrite them.
 *
 * A library that builds a tree would write 0.1 back as 0.10000000000000001 and refuse integers beyond 64 bits; what a client
 * sends must reach the other one as it was.  The test compares what is accepted with jansson.
 */
#ifndef CODEC_JSPAN_H
#define CODEC_JSPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSPAN_DEPTH_MAX 64

struct jspan { /* A value: a part of the text that was checked.  Lent by it. */
	const char *text; /* NULL: no value. */
	size_t len;
};

/* One JSON value with nothing but white space around it, in valid UTF-8, at most JSPAN_DEPTH_MAX deep; else false. */
bool jspan_check(struct jspan *value, const char *text, size_t len);

/* What follows takes values that jspan_check found, or parts of them. */

enum jspan_type { JSPAN_NONE, JSPAN_OBJECT, JSPAN_ARRAY, JSPAN_STRING, JSPAN_NUMBER, JSPAN_TRUE, JSPAN_FALSE, JSPAN_NULL };
enum jspan_type jspan_type(struct jspan value);

/* Walk an object or array: start with *at = 0; false at the end.  key is the raw string with its quotes. */
bool jspan_next_member(struct jspan object, size_t *at, struct jspan *key, struct jspan *value);
bool jspan_next_element(struct jspan array, size_t *at, struct jspan *value);

/* The members of these n names, in one walk: of several with one name the last, as browsers do; text NULL where there is none. */
void jspan_pick(struct jspan object, const char *const *names, struct jspan *values, size_t n);

/* A string's characters, unescaped, as UTF-8 into out (cleared first).  False: not a string, or it has a lone surrogate. */
bool jspan_string(struct jspan value, struct buf *out);

/* The same as a C string: out->data is one, and false, too, if a NUL would end it early. */
bool jspan_text(struct jspan value, struct buf *out);

/* Is it this string? */
bool jspan_is(struct jspan value, const char *text);

/* A number without fraction or exponent from 0 to max. */
bool jspan_count(struct jspan value, uint64_t max, uint64_t *n);

/* Append s as a JSON string with quotes.  s must be valid UTF-8. */
void jspan_quote(struct buf *b, const char *s, size_t len);

#endif
