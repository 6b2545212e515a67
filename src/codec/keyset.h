/*
 * Keys that signatures of tokens are verified with: JSON Web Keys (RFC 7517, 7518), PEM, or a shared secret.
 *
 * A key is for one algorithm, which follows from what the key is and never from what a token says: an RSA key for RS256, an
 * elliptic one on P-256 for ES256, a secret for HS256.  So the text of a public key can never become a secret, and there is no
 * algorithm "none".
 */
#ifndef CODEC_KEYSET_H
#define CODEC_KEYSET_H

#include <stdbool.h>
#include <stddef.h>

#define KEYSET_MAX 100

struct keyset; /* Some keys, which do not change. */

enum key_algorithm { KEY_HS256, KEY_RS256, KEY_ES256 };

/* The one of this name; false if it is none of them. */
bool key_algorithm(enum key_algorithm *algorithm, const char *name);

/*
 * What a file says (with a NUL behind it): PEM blocks (public keys, certificates), a JWK or a set of them, or else a secret of at
 * least 32 bytes, less the end of its line.  NULL, and *wrong a sentence about it, if there is no key in it that can be used.
 */
struct keyset *keyset_read(const char *text, size_t len, const char **wrong);

/* A JWK set that somebody publishes: keys for other purposes, of other kinds and secrets in it are passed over. */
struct keyset *keyset_read_published(const char *text, size_t len, const char **wrong);

/* NULL does nothing. */
void keyset_free(struct keyset *);

size_t keyset_count(const struct keyset *);

struct signature {
	enum key_algorithm algorithm;
	const char *kid; /* The name of the key, NULL for none. */
	const void *text; /* What was signed. */
	size_t text_len;
	const void *bytes;
	size_t len;
};

enum signature_result {
	SIGNATURE_GOOD,
	SIGNATURE_BAD,    /* Not made by the key that it names. */
	SIGNATURE_UNKNOWN /* By none of these keys, none of which has the name. */
};

enum signature_result keyset_verify(const struct keyset *, const struct signature *);

#endif
