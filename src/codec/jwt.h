/*
 * JSON Web Tokens (RFC 7519) in the compact form of signed ones (RFC 7515), read as RFC 8725 advises: the algorithm is one of three
 * that the keys are for, nothing critical is passed over, and a token made for something else is none.
 */
#ifndef CODEC_JWT_H
#define CODEC_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/jspan.h"
#include "codec/keyset.h"

struct jwt {
	struct signature signature; /* Lent by the token's text and by what is behind. */
	struct buf header, payload, bytes, kid;
	struct jspan claims; /* An object, in payload. */
};

/* NULL, or a sentence that says why text is no token; either way jwt_free is due.  Nothing in it is to be believed yet. */
const char *jwt_read(struct jwt *jwt, const char *text, size_t len);
void jwt_free(struct jwt *jwt);

struct jwt_rules {
	const char *issuer;           /* Empty for any. */
	const char *const *audiences; /* One of them must be named.  With none, a token that is for somebody is not for us. */
	size_t audiences_count;
	int64_t leeway_ms; /* How much clocks may differ. */
};

/* A token whose signature is good: NULL, or a sentence that says why it does not count now (milliseconds since the epoch). */
const char *jwt_check(const struct jwt *jwt, const struct jwt_rules *rules, int64_t now_ms);

/* When it does not count any more, leeway included; 0 for never. */
int64_t jwt_until(const struct jwt *jwt, const struct jwt_rules *rules);

#endif
