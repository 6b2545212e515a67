/*
 * UTF-8 (RFC 3629), whole or in parts: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a whole text is UTF-8. */
bool utf8_check(const void *p, size_t len);

/* The length of the character that begins at p, of at least one byte; 0 if none does within len. */
size_t utf8_length(const void *p, size_t len);

/* A text in parts.  Zero it for each text. */
struct utf8 {
	uint8_t left;      /* Bytes that the character under way still needs. */
	uint8_t low, high; /* What the next of them may be. */
};

/* Read on.  False as soon as what was read cannot be the beginning of a text; it is of no more use then. */
bool utf8_read(struct utf8 *u, const void *p, size_t len);

/* No character is under way: the text may end here. */
bool utf8_is_whole(const struct utf8 *u);

#endif
