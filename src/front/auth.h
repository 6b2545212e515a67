/*
 * --auth jwt: who may open a session, and what it may do, is said by a JSON Web Token.
 */
#ifndef FRONT_AUTH_H
#define FRONT_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "codec/grants.h"
#include "codec/op.h"

struct auth;
struct event_base;
struct store;
struct store_session;

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

/* What a session is to be granted. */
struct auth_granted {
	const struct grants *grants;
	struct jspan text; /* What grants were read from. */
	struct jspan data; /* Public data that goes with them; text NULL: none. */
	bool tells;        /* The application is told of rooms that are left, ... */
	struct jspan namespace; /* ... with this; text NULL for none. */
};

/*
 * What that changes of a session which is there: *count operations, to be applied in one step.  It leaves rooms that it may not
 * enter; but keep, if that is not NULL.  Lends granted's texts.
 */
struct client_op *auth_renew(const struct auth_granted *granted, const struct store_session *session, const char *keep, size_t *count);
void auth_free_ops(struct client_op *ops, size_t count);

/* Judge a token, which may wait for its keys.  token: NULL for none; copied. */
void auth_check(struct auth *, const char *token, size_t len, auth_fn *, void *arg);

/* As keyring_reload. */
void auth_reload(struct auth *);

#endif
