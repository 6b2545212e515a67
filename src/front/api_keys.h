/*
 * The keys of backends: who has one may use the API.
 *
 * The file has a key in each line, 16 to 512 printable characters without spaces; empty lines and those that begin with # are
 * comments.  Keys are kept as hashes and compared in a time that says nothing about them.
 */
#ifndef FRONT_API_KEYS_H
#define FRONT_API_KEYS_H

#include <stdbool.h>

struct api_keys;

/* NULL, after a log line, if path cannot be read, can be written by everybody, has no key, or something that is none. */
struct api_keys *api_keys_read(const char *path);
void api_keys_free(struct api_keys *);

bool api_keys_has(const struct api_keys *, const char *key);

#endif
