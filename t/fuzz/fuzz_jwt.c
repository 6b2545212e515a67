/*
 * Fuzzes what is read before anything is believed: tokens, sets of keys, and the grants that claims make.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/grants.h"
#include "codec/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keyset *
known_keys(void)
{
	static const char file[] = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"h\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4h"
	    "cgUuTwjAzZr1Z9CAow\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue6"
	    "59LNpXW6pCyStikYjKIWI5a0\"}]}";
	static struct keyset *keys;
	const char *wrong;

	if (!keys)
		keys = keyset_read(file, sizeof file - 1, &wrong);
	return keys;
}

/* What claims make can be read, and grants no more than they say. */
static void
make_grants(struct jspan claims)
{
	struct grants_claims made;
	struct grants grants;

	if (!grants_make(&made, claims, "pollgate", false, 5)) {
		if (!grants_read(&grants, made.grants.data, made.grants.len) || grants.until != 5)
			abort();
		if (grants_allow(&grants, GRANTS_JOIN, "room") && !grants.rooms[GRANTS_JOIN].text)
			abort();
		if (!grants_same_user(&grants, &grants))
			abort();
	}
	buf_free(&made.grants);
}

static void
read_token(const char *text, size_t len)
{
	static const char *const audiences[] = {"us"};
	struct jwt_rules rules = {.issuer = "", .audiences = audiences, .audiences_count = 1, .leeway_ms = 1000};
	struct jwt jwt;

	if (!jwt_read(&jwt, text, len)) {
		/* Nobody who does not know the secret makes a good one: only that of the corpus is. */
		if (keyset_verify(known_keys(), &jwt.signature) == SIGNATURE_GOOD && !strstr(text, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
			abort();
		if (!jwt_check(&jwt, &rules, 1300000000000) && jwt_until(&jwt, &rules) && jwt_until(&jwt, &rules) <= 1300000000000)
			abort();
		make_grants(jwt.claims);
	}
	jwt_free(&jwt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_copy(data, size);
	const char *wrong;
	struct grants grants;
	struct jspan claims;

	read_token(text, size);
	keyset_free(keyset_read(text, size, &wrong));
	keyset_free(keyset_read_published(text, size, &wrong));
	if (grants_read(&grants, text, size))
		grants_allow(&grants, GRANTS_SEND, "room");
	if (jspan_check(&claims, text, size) && jspan_type(claims) == JSPAN_OBJECT)
		make_grants(claims);
	free(text);
	return 0;
}
