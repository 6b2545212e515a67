/*
 * Tokens and the names made of hashes.  Each request comes through here, so the algorithm is looked up once and the digest
 * context reused: in OpenSSL 3 the look-up costs more than the hash of so few bytes.
 */
#include "codec/token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <assert.h>
#include <string.h>

#define RAW_LEN 16 /* 128 bits. */

static const char alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z',
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y',
    'z',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', '_'};

static void
encode(char text[TOKEN_LEN + 1], const unsigned char raw[RAW_LEN])
{
	char *out = text;
	size_t i;

	for (i = 0; i + 2 < RAW_LEN; i += 3) {
		*out++ = alphabet[raw[i] >> 2];
		*out++ = alphabet[(raw[i] & 3) << 4 | raw[i + 1] >> 4];
		*out++ = alphabet[(raw[i + 1] & 15) << 2 | raw[i + 2] >> 6];
		*out++ = alphabet[raw[i + 2] & 63];
	}
	*out++ = alphabet[raw[i] >> 2];
	*out++ = alphabet[(raw[i] & 3) << 4];
	*out = '\0';
}

/* Each kind of text has a tag, which ends with a space, so that texts of two kinds never have the same hash.  A token has none. */
static EVP_MD_CTX *
hash_start(const char *tag)
{
	static EVP_MD_CTX *context;
	static EVP_MD *sha256;
	int done;

	if (!context) {
		context = EVP_MD_CTX_new();
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		assert(context && sha256);
	}
	done = EVP_DigestInit_ex2(context, sha256, NULL) && EVP_DigestUpdate(context, tag, strlen(tag));
	assert(done);
	return context;
}

static void
hash_add(EVP_MD_CTX *context, const void *p, size_t len)
{
	int done = EVP_DigestUpdate(context, p, len);

	assert(done);
}

static void
hash_name(EVP_MD_CTX *context, struct name *name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	int done = EVP_DigestFinal_ex(context, digest, NULL);

	assert(done);
	encode(name->s, digest);
}

static void
hash_text(struct name *name, const char *tag, const char *text, size_t len)
{
	EVP_MD_CTX *context = hash_start(tag);

	hash_add(context, text, len);
	hash_name(context, name);
}

bool
token_new(char token[TOKEN_LEN + 1])
{
	unsigned char raw[RAW_LEN];

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return false;
	encode(token, raw);
	return true;
}

bool
token_session(struct name *id, const char *token)
{
	struct name shape;

	_Static_assert(TOKEN_LEN == NAME_LEN, "name_parse() checks the shape of tokens, too");
	if (!name_parse(&shape, token, strlen(token)))
		return false;
	hash_text(id, "", token, TOKEN_LEN);
	return true;
}

void
queue_name_key(struct name *key, const char *title, size_t len)
{
	hash_text(key, "queue ", title, len);
}

void
user_name_key(struct name *key, const char *user, size_t len)
{
	hash_text(key, "user ", user, len);
}

void
room_name_key(struct name *key, const char *title, size_t len)
{
	hash_text(key, "room ", title, len);
}

void
order_key_name(struct name *name, const char *key, size_t len)
{
	hash_text(name, "order ", key, len);
}

void
order_request_name(struct name *name, const char *target, const char *body, size_t len)
{
	EVP_MD_CTX *context = hash_start("request ");

	hash_add(context, target, strlen(target) + 1); /* With its NUL: where the body begins. */
	hash_add(context, body, len);
	hash_name(context, name);
}

void
api_key_name(struct name *name, const char *key, size_t len)
{
	hash_text(name, "key ", key, len);
}

static bool
is_printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

bool
order_key_parse(struct buf *b, const char *value, size_t max)
{
	bool quoted = *value == '"';
	size_t before = b->len;

	for (value += quoted; *value && *value != '"'; value++) {
		if (quoted && *value == '\\' && *++value != '"' && *value != '\\')
			return false;
		if (!is_printable(*value) || (!quoted && *value == ' ') || b->len - before == max)
			return false;
		buf_add(b, value, 1);
	}
	if (quoted && *value++ != '"')
		return false;
	return *value == '\0' && b->len > before;
}

void
token_derive(char derived[TOKEN_LEN + 1], const char *token, const char *label, size_t len)
{
	EVP_MD_CTX *context = hash_start("derived ");
	struct name name;

	hash_add(context, token, TOKEN_LEN);
	hash_add(context, label, len);
	hash_name(context, &name);
	memcpy(derived, name.s, TOKEN_LEN + 1);
}

static unsigned
digit_of(char c)
{
	return (unsigned)((const char *)memchr(alphabet, c, sizeof alphabet) - alphabet);
}

/* Digit by digit. */
void
token_veil(char veiled[TOKEN_LEN + 1], const char *token, const char *pad)
{
	for (int i = 0; i < TOKEN_LEN; i++)
		veiled[i] = alphabet[(digit_of(token[i]) + digit_of(pad[i])) % 64];
	veiled[TOKEN_LEN] = '\0';
}

void
token_unveil(char token[TOKEN_LEN + 1], const char *veiled, const char *pad)
{
	for (int i = 0; i < TOKEN_LEN; i++)
		token[i] = alphabet[(digit_of(veiled[i]) + 64 - digit_of(pad[i])) % 64];
	token[TOKEN_LEN] = '\0';
}
