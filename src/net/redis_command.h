/*
 * A Redis command in the making, written as RESP as it grows: one pass, no array of arguments.
 */
#ifndef NET_REDIS_COMMAND_H
#define NET_REDIS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

struct redis_command {
	char *data; /* Owned; NULL while empty.  Room for the header, then the arguments. */
	size_t len;
	size_t room;
	unsigned argc;
};

#define REDIS_COMMAND_EMPTY {NULL, 0, 0, 0}

void redis_command_start(struct redis_command *, const char *verb); /* Forgets what was there, keeps the memory. */
void redis_command_add(struct redis_command *, const void *p, size_t len);
void redis_command_adds(struct redis_command *, const char *s);
void redis_command_addi(struct redis_command *, int64_t n);
void redis_command_addu(struct redis_command *, uint64_t n);
char *redis_command_space(struct redis_command *, size_t len); /* An argument of len bytes, to be written before the next call. */

/* The whole command; valid until it is changed. */
const char *redis_command_bytes(struct redis_command *, size_t *len);
void redis_command_free(struct redis_command *); /* Empty, memory returned. */

#endif
