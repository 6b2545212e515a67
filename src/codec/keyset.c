/* Keys, and signatures by them: see keyset.h. */
#include "codec/keyset.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/jspan.h"

enum {
	SECRET_MIN = 32,     /* RFC 7518, 3.2: no shorter than the hash. */
	RSA_MIN_BITS = 2048, /* RFC 7518, 3.3. */
	RSA_MAX_BITS = 8192, /* Each doubling makes verifying four times as slow. */
	P256_LEN = 32,
	HASH_LEN = 32
};

struct key {
	enum key_algorithm algorithm;
	char *kid;          /* Owned; NULL for none. */
	EVP_PKEY *pkey;     /* Owned; NULL for a secret. */
	struct buf secret;
};

struct keyset {
	size_t count;
	struct key keys[KEYSET_MAX];
};

bool
key_algorithm(enum key_algorithm *algorithm, const char *name)
{
	static const char *const names[] = {[KEY_HS256] = "HS256", [KEY_RS256] = "RS256", [KEY_ES256] = "ES256"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], name) == 0) {
			*algorithm = (enum key_algorithm)i;
			return true;
		}
	}
	return false;
}

static void
key_free(struct key *key)
{
	free(key->kid);
	EVP_PKEY_free(key->pkey);
	if (key->secret.data)
		OPENSSL_cleanse(key->secret.data, key->secret.len);
	buf_free(&key->secret);
}

void
keyset_free(struct keyset *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++)
		key_free(&keys->keys[i]);
	free(keys);
}

size_t
keyset_count(const struct keyset *keys)
{
	return keys->count;
}

/* Takes key. */
static bool
add_key(struct keyset *keys, struct key *key)
{
	if (keys->count == KEYSET_MAX) {
		key_free(key);
		return false;
	}
	keys->keys[keys->count++] = *key;
	return true;
}

/* Which algorithm a public key is for.  False if it is none of ours, or too weak or too costly. */
static bool
choose_algorithm(struct key *key)
{
	char group[32] = "";
	int bits = EVP_PKEY_get_bits(key->pkey);

	if (EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_RSA) {
		key->algorithm = KEY_RS256;
		return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS;
	}
	key->algorithm = KEY_ES256;
	return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key->pkey, group, sizeof group, NULL) &&
	    strcmp(group, "prime256v1") == 0;
}

/* ---- JSON Web Keys ---- */

enum { KTY, USE, KEY_OPS, ALG, KID, N, E, CRV, X, Y, K, FIELDS };

static const char *const field_names[FIELDS] = {"kty", "use", "key_ops", "alg", "kid", "n", "e", "crv", "x", "y", "k"};

/* The bytes of a member in base64url, which must be there. */
static bool
read_bytes(struct buf *bytes, struct jspan value)
{
	struct buf text = BUF_EMPTY;
	bool good = jspan_text(value, &text) && text.len > 0 && base64url_read(bytes, text.data, text.len);

	if (text.data)
		OPENSSL_cleanse(text.data, text.len);
	buf_free(&text);
	return good;
}

static EVP_PKEY *
make_pkey(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (params && context && EVP_PKEY_fromdata_init(context) == 1)
		EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *
make_rsa(const struct buf *modulus, const struct buf *exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn((const unsigned char *)modulus->data, (int)modulus->len, NULL);
	BIGNUM *e = BN_bin2bn((const unsigned char *)exponent->data, (int)exponent->len, NULL);
	EVP_PKEY *pkey = NULL;

	if (build && n && e && BN_num_bits(n) <= RSA_MAX_BITS && BN_is_odd(n) &&
	    BN_num_bits(e) <= 32 && BN_is_odd(e) && !BN_is_one(e) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
		pkey = make_pkey("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *
read_rsa(const struct jspan *fields)
{
	struct buf n = BUF_EMPTY, e = BUF_EMPTY;
	EVP_PKEY *pkey = NULL;

	if (read_bytes(&n, fields[N]) && read_bytes(&e, fields[E]))
		pkey = make_rsa(&n, &e);
	buf_free(&n);
	buf_free(&e);
	return pkey;
}

static EVP_PKEY *
make_p256(const struct buf *point)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point->data, point->len))
		pkey = make_pkey("EC", build); /* NULL if the point is not on the curve. */
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *
read_p256(const struct jspan *fields)
{
	struct buf point = BUF_EMPTY;
	EVP_PKEY *pkey = NULL;

	buf_add(&point, "\4", 1); /* SEC 1, 2.3.3: not compressed. */
	if (jspan_is(fields[CRV], "P-256") && read_bytes(&point, fields[X]) && point.len == 1 + P256_LEN &&
	    read_bytes(&point, fields[Y]) && point.len == 1 + 2 * P256_LEN)
		pkey = make_p256(&point);
	buf_free(&point);
	return pkey;
}

/* "use", "key_ops" and "alg" may say that the key is for something else. */
static bool
is_for_this(const struct jspan *fields, const char *algorithm)
{
	struct jspan operation;
	size_t at = 0;

	if ((fields[USE].text && !jspan_is(fields[USE], "sig")) || (fields[ALG].text && !jspan_is(fields[ALG], algorithm)))
		return false;
	if (!fields[KEY_OPS].text)
		return true;
	while (jspan_type(fields[KEY_OPS]) == JSPAN_ARRAY && jspan_next_element(fields[KEY_OPS], &at, &operation))
		if (jspan_is(operation, "verify"))
			return true;
	return false;
}

static bool
read_kid(struct key *key, struct jspan kid)
{
	struct buf text = BUF_EMPTY;
	bool good = !kid.text || jspan_text(kid, &text);

	if (good && kid.text)
		key->kid = mem_copy(text.data, text.len);
	buf_free(&text);
	return good;
}

/* False, and nothing to be freed, if it is none that can be used. */
static bool
read_jwk(struct key *key, struct jspan value)
{
	struct jspan fields[FIELDS];
	bool good;

	*key = (struct key){0};
	if (jspan_type(value) != JSPAN_OBJECT)
		return false;
	jspan_pick(value, field_names, fields, FIELDS);
	if (jspan_is(fields[KTY], "oct"))
		good = is_for_this(fields, "HS256") && read_bytes(&key->secret, fields[K]) && key->secret.len >= SECRET_MIN;
	else if (jspan_is(fields[KTY], "RSA"))
		good = is_for_this(fields, "RS256") && (key->pkey = read_rsa(fields)) && choose_algorithm(key);
	else
		good = jspan_is(fields[KTY], "EC") && is_for_this(fields, "ES256") && (key->pkey = read_p256(fields)) &&
		    choose_algorithm(key);
	if (good && read_kid(key, fields[KID]))
		return true;
	key_free(key);
	return false;
}

static bool
add_jwks(struct keyset *keys, struct jspan document, bool published)
{
	static const char *const names[] = {"keys"};
	struct jspan list, value;
	struct key key;
	size_t at = 0;

	jspan_pick(document, names, &list, 1);
	if (jspan_type(list) != JSPAN_ARRAY)
		return !published && read_jwk(&key, document) && add_key(keys, &key);
	while (jspan_next_element(list, &at, &value)) {
		if (!read_jwk(&key, value))
			continue;
		if (published && key.algorithm == KEY_HS256)
			key_free(&key);
		else if (!add_key(keys, &key))
			break;
	}
	return keys->count > 0;
}

/* ---- PEM ---- */

static EVP_PKEY *
pkey_of_block(const char *name, const unsigned char *data, long len)
{
	EVP_PKEY *pkey = NULL;
	X509 *certificate;

	if (strcmp(name, "PUBLIC KEY") == 0)
		return d2i_PUBKEY(NULL, &data, len);
	if (strcmp(name, "RSA PUBLIC KEY") == 0)
		return d2i_PublicKey(EVP_PKEY_RSA, NULL, &data, len);
	if (strcmp(name, "CERTIFICATE") == 0 && (certificate = d2i_X509(NULL, &data, len))) {
		pkey = X509_get_pubkey(certificate);
		X509_free(certificate);
	}
	return pkey;
}

static const char *
add_block(struct keyset *keys, const char *name, const unsigned char *data, long len)
{
	struct key key = {0};

	if (strstr(name, "PRIVATE"))
		return "has a private key in it: the gateway verifies by the public one, and should not have the other";
	key.pkey = pkey_of_block(name, data, len);
	if (!key.pkey || !choose_algorithm(&key)) {
		key_free(&key);
		return "has a PEM block that is no public key of RSA with 2048 to 8192 bits, nor on P-256";
	}
	return add_key(keys, &key) ? NULL : "has too many keys";
}

static const char *
add_pem(struct keyset *keys, const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	const char *wrong = NULL;
	char *name, *header;
	unsigned char *data;
	long data_len;

	while (bio && !wrong && PEM_read_bio(bio, &name, &header, &data, &data_len) == 1) {
		wrong = add_block(keys, name, data, data_len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)data_len);
	}
	BIO_free(bio);
	if (!wrong && keys->count == 0)
		wrong = "has no PEM block that can be read";
	return wrong;
}

/* ---- Texts ---- */

static size_t
without_line_end(const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	return len;
}

static const char *
add_secret(struct keyset *keys, const char *text, size_t len)
{
	struct key key = {.algorithm = KEY_HS256};

	len = without_line_end(text, len);
	if (len < SECRET_MIN)
		return "is a secret of less than 32 bytes, which can be guessed (make one: openssl rand -base64 48)";
	buf_add(&key.secret, text, len);
	add_key(keys, &key);
	return NULL;
}

static const char *
add_text(struct keyset *keys, const char *text, size_t len, bool published)
{
	struct jspan document;

	if (published || text[strspn(text, " \t\r\n")] == '{') {
		if (!jspan_check(&document, text, len) || jspan_type(document) != JSPAN_OBJECT)
			return "is not a JSON object";
		return add_jwks(keys, document, published) ? NULL : "has no key for RS256, ES256 or HS256 that can be used";
	}
	return memmem(text, len, "-----BEGIN ", 11) ? add_pem(keys, text, len) : add_secret(keys, text, len);
}

static struct keyset *
read_keys(const char *text, size_t len, const char **wrong, bool published)
{
	struct keyset *keys = mem_zero(1, sizeof *keys);

	*wrong = add_text(keys, text, len, published);
	ERR_clear_error();
	if (!*wrong)
		return keys;
	keyset_free(keys);
	return NULL;
}

struct keyset *
keyset_read(const char *text, size_t len, const char **wrong)
{
	return read_keys(text, len, wrong, false);
}

struct keyset *
keyset_read_published(const char *text, size_t len, const char **wrong)
{
	return read_keys(text, len, wrong, true);
}

/* ---- Signatures ---- */

static bool
is_good_hmac(const struct key *key, const struct signature *s)
{
	unsigned char made[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return s->len == HASH_LEN &&
	    HMAC(EVP_sha256(), key->secret.data, (int)key->secret.len, s->text, s->text_len, made, &len) && len == HASH_LEN &&
	    CRYPTO_memcmp(made, s->bytes, HASH_LEN) == 0;
}

static bool
is_good_by(EVP_PKEY *pkey, const struct signature *s, const unsigned char *bytes, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
	    EVP_DigestVerify(context, bytes, len, s->text, s->text_len) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

/* RFC 7518, 3.4: the two numbers side by side; OpenSSL takes them in DER. */
static bool
is_good_ecdsa(const struct key *key, const struct signature *s)
{
	const unsigned char *bytes = s->bytes;
	unsigned char *der = NULL;
	BIGNUM *r, *v;
	ECDSA_SIG *pair;
	int len;
	bool good;

	if (s->len != 2 * P256_LEN)
		return false;
	pair = ECDSA_SIG_new();
	r = BN_bin2bn(bytes, P256_LEN, NULL);
	v = BN_bin2bn(bytes + P256_LEN, P256_LEN, NULL);
	if (!pair || !r || !v || ECDSA_SIG_set0(pair, r, v) != 1) {
		BN_free(r);
		BN_free(v);
		ECDSA_SIG_free(pair);
		return false;
	}
	len = i2d_ECDSA_SIG(pair, &der);
	good = len > 0 && is_good_by(key->pkey, s, der, (size_t)len);
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return good;
}

static bool
is_good(const struct key *key, const struct signature *s)
{
	switch (key->algorithm) {
	case KEY_HS256:
		return is_good_hmac(key, s);
	case KEY_RS256:
		return is_good_by(key->pkey, s, s->bytes, s->len);
	case KEY_ES256:
		return is_good_ecdsa(key, s);
	}
	return false;
}

enum signature_result
keyset_verify(const struct keyset *keys, const struct signature *s)
{
	bool is_named = false, good = false;

	for (size_t i = 0; i < keys->count && !good; i++) {
		const struct key *key = &keys->keys[i];

		if (key->algorithm != s->algorithm || (s->kid && key->kid && strcmp(s->kid, key->kid) != 0))
			continue;
		is_named |= s->kid && key->kid;
		good = is_good(key, s);
	}
	ERR_clear_error();
	return good ? SIGNATURE_GOOD : is_named ? SIGNATURE_BAD : SIGNATURE_UNKNOWN;
}
