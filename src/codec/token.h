/*
 * Tokens are secrets of one client each; what the gateway and its store know a session by is derived from the token and
 * public.  Rooms get a name of the same shape from their title.
 *
 * A session's name is the hash of its token, 22 characters without a space; any other hash is one of a tag that ends with a space,
 * such as "room ", and a text.  So no title can be found, or chosen, that has the name of a session.
 */
#ifndef CODEC_TOKEN_H
#define CODEC_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/name.h"

#define TOKEN_LEN 22

/* Write a new token: 128 random bits in base64url, NUL-terminated.  False when the system has no randomness. */
bool token_new(char token[TOKEN_LEN + 1]);

/*
 * The name of the session that has this token: the first 16 bytes of SHA-256(token) in base64url.
 * False, and *id as it was, unless token is TOKEN_LEN characters of base64url and no more.
 */
bool token_session(struct name *id, const char *token);

/* A token made of another one and a label: who has that one can make it again, and nobody else. */
void token_derive(char derived[TOKEN_LEN + 1], const char *token, const char *label, size_t len);

/* Hide a token by another one that is used for nothing else; and show it again.  Both have the form of a token. */
void token_veil(char veiled[TOKEN_LEN + 1], const char *token, const char *pad);
void token_unveil(char token[TOKEN_LEN + 1], const char *veiled, const char *pad);

/* The name of the room with this title: the first 16 bytes of SHA-256("room " title) in base64url. */
void room_name_key(struct name *key, const char *title, size_t len);

/* The name of a user, made of what tokens and backends call it, in the same way. */
void user_name_key(struct name *key, const char *user, size_t len);

/* The name of the queue with this title, in the same way: no title of a room has it. */
void queue_name_key(struct name *key, const char *title, size_t len);

/*
 * What an order of a backend's is known by: hashes of its idempotency key, and of what it asks for (two equal requests have equal
 * ones, whoever made them).
 */
void order_key_name(struct name *name, const char *key, size_t len);
void order_request_name(struct name *name, const char *target, const char *body, size_t len);

/* What a backend's secret key is compared by: its hash. */
void api_key_name(struct name *name, const char *key, size_t len);

/*
 * The value of an Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header): a string of RFC 8941, or, as many write it,
 * the same without quotes.  The key is appended to b; false if it is none, or longer than max.
 */
bool order_key_parse(struct buf *b, const char *value, size_t max);

#endif
