/*
 * Where the keys of token issuers come from: a file, or a URL from which they are fetched again when they are old, or when a token
 * names one that is not there.  While the server fails the keys that it gave last are used for a while.
 */
#ifndef FRONT_KEYRING_H
#define FRONT_KEYRING_H

#include <stdbool.h>

#include "base/options.h"
#include "codec/keyset.h"

struct event_base;
struct keyring;

/* A fetch has ended, one way or the other. */
typedef void keyring_fetched_fn(void *arg);

/* NULL, after a log line, if the file has no keys that can be used.  Lends options. */
struct keyring *keyring_new(struct event_base *, const struct options *options, keyring_fetched_fn *, void *arg);
/* NULL does nothing. */
void keyring_free(struct keyring *);

/* False, after a log line, if a file has no keys that can be used. */
bool keyring_check_file(const char *path);

/* Read the file again, if that is where they come from; after a log line, the keys that were there stay if it has none. */
void keyring_reload(struct keyring *);

/* The keys there are, lent until the loop goes on; NULL for none. */
const struct keyset *keyring_keys(struct keyring *);

/* These keys do not do: are others being fetched?  If that is so the callback will run. */
bool keyring_refresh(struct keyring *);

#endif
