/*
 * --token-file: the token of a session, how far it was read and what was written out, so that a later pollcat goes on where
 * this one ended.  The file is locked meanwhile, since two at once would take messages from each other.
 */
#ifndef POLLCAT_STATE_H
#define POLLCAT_STATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "codec/token.h"
#include "pollcat/seen.h"

struct state {
	char token[TOKEN_LEN + 1];
	struct buf cursor; /* Empty: not known. */
	struct seen *seen; /* Owned. */
	bool resumed;      /* The token is of an earlier pollcat. */
	const char *path;  /* NULL: nothing is kept. */
	int lock;
};

/* path: NULL for a session of this process alone.  False after telling the user why. */
bool state_load(struct state *state, const char *path);
bool state_save(const struct state *state);

/* Another session: a new token, nothing read. */
bool state_renew(struct state *state);
void state_free(struct state *state);

#endif
