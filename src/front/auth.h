/*
 * --auth jwt: who may open a session, and what it may do, is said by a JSON Web Token.
 */
#ifndef FRONT_AUTH_H
#define FRONT_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "codec/grants.h"

struct auth;
struct event_base;
struct store;

/* A token's judgement.  Lent until the callback returns. */
struct auth_verdict {
	int status;         /* 0: it counts.  Else refuse with this, ... */
	const char *code;   /* ... this, ... */
	const char *detail; /* ... and this. */
	const struct grants_claims *claims;
	int64_t until; /* When it ends by the store's clock; 0 for never. */
};

/* Runs once, from the loop, never before auth_check has returned. */
typedef void auth_fn(void *arg, const struct auth_verdict *verdict);

/* NULL, after a log line, if there are no keys.  Lends options and store. */
struct auth *auth_new(struct event_base *, const struct options *options, struct store *store);
/* Callbacks that are due will not run.  NULL does nothing. */
void auth_free(struct auth *);

/* Judge a token, which may wait for its keys.  token: NULL for none; copied. */
void auth_check(struct auth *, const char *token, size_t len, auth_fn *, void *arg);

/* As keyring_reload. */
void auth_reload(struct auth *);

#endif
