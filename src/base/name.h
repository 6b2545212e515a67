/*
 * The two kinds of name that every layer above handles.
 *
 * A struct name identifies a session or a room: 22 characters of base64url, the first 128 bits of a SHA-256 (codec/token.h
 * makes them).  A session's name is its public id.  The two domains cannot collide: see token.h.
 *
 * A struct entry_id is a position in a stream: milliseconds and a sequence number, written "ms-seq" as Redis does.
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_LEN 22
#define ENTRY_ID_SIZE 42 /* Two 20-digit numbers, a hyphen, a NUL. */

struct name {
	char s[NAME_LEN + 1];
};

struct entry_id {
	uint64_t ms;
	uint64_t seq;
};

/* Parse exactly NAME_LEN base64url characters; false leaves *name alone. */
bool name_parse(struct name *name, const char *s, size_t len);
bool name_equal(const struct name *a, const struct name *b);

/* Parse "ms-seq", decimal, at most 20 digits each, nothing around it; false on anything else. */
bool entry_id_parse(struct entry_id *id, const char *s, size_t len);

/* Write "ms-seq" and return buf. */
const char *entry_id_format(char buf[ENTRY_ID_SIZE], struct entry_id id);

/* Write n in decimal, at most 20 digits without a NUL, and return what follows them.  A tenth of printf's time. */
char *number_write(char *p, uint64_t n);

/* The greatest id; the greatest below this one, which is not 0-0. */
extern const struct entry_id entry_id_newest;
struct entry_id entry_id_before(struct entry_id id);

/* <0, 0, >0 as a is before, at, after b. */
int entry_id_compare(struct entry_id a, struct entry_id b);

#endif
