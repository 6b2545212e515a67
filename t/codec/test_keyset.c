/* Keys of all kinds, and signatures by them: the examples of RFC 7515, and all that must not count. */
#include "codec/keyset.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "base/buf.h"
#include "codec/base64.h"

/* RFC 7515, A.1 to A.3. */
#define CLAIMS ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define K "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define N "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6" \
	"b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG" \
	"hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define OCT(more) "{\"kty\":\"oct\",\"k\":\"" K "\"" more "}"
#define RSA(more) "{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQAB\"" more "}"
#define EC(more) "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"" more "}"

struct example {
	enum key_algorithm algorithm;
	const char *text;
	const char *signature;
};

static const struct example hs256 = {KEY_HS256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" CLAIMS, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"};
static const struct example rs256 = {KEY_RS256, "eyJhbGciOiJSUzI1NiJ9" CLAIMS, "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4"
	"Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOL"
	"n6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"};
static const struct example es256 = {KEY_ES256, "eyJhbGciOiJFUzI1NiJ9" CLAIMS, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP"
	"3-Kg6NU1Q"};

static enum signature_result
verify(const struct keyset *keys, const struct example *example, const char *kid)
{
	struct buf bytes = BUF_EMPTY;
	struct signature s = {.algorithm = example->algorithm, .kid = kid, .text = example->text, .text_len = strlen(example->text)};
	enum signature_result result;

	base64url_read(&bytes, example->signature, strlen(example->signature));
	s.bytes = bytes.data;
	s.len = bytes.len;
	result = keyset_verify(keys, &s);
	buf_free(&bytes);
	return result;
}

static struct keyset *
read_good(const char *text)
{
	const char *wrong;
	struct keyset *keys = keyset_read(text, strlen(text), &wrong);

	if (!ok(keys && !wrong, "it is read"))
		printf("# %s\n", wrong);
	return keys;
}

static void
is_refused(const char *text, const char *what)
{
	const char *wrong;
	struct keyset *keys = keyset_read(text, strlen(text), &wrong);

	ok(!keys && wrong, "%s", what);
	keyset_free(keys);
}

static void
test_examples(void)
{
	static const struct example *const examples[] = {&hs256, &rs256, &es256};
	static const char *const texts[] = {OCT(""), RSA(""), EC("")};

	for (int i = 0; i < 3; i++) {
		struct keyset *keys = read_good(texts[i]);

		is_int((int64_t)keyset_count(keys), 1, "a key is a text of its own");
		for (int j = 0; j < 3; j++)
			is_int(verify(keys, examples[j], NULL), i == j ? SIGNATURE_GOOD : SIGNATURE_UNKNOWN,
			    "it verifies what was signed by it, and nothing else");
		keyset_free(keys);
	}
}

/* Each byte of the signature and of what was signed counts. */
static void
test_changed(void)
{
	static const struct example *const examples[] = {&hs256, &rs256, &es256};
	struct keyset *keys = read_good("{\"keys\":[" OCT("") "," RSA("") "," EC("") "]}");

	for (int i = 0; i < 3; i++) {
		struct buf bytes = BUF_EMPTY;
		struct signature s = {.algorithm = examples[i]->algorithm, .text = examples[i]->text, .text_len = strlen(examples[i]->text)};
		int good = 0;

		base64url_read(&bytes, examples[i]->signature, strlen(examples[i]->signature));
		s.bytes = bytes.data;
		s.len = bytes.len;
		is_int(keyset_verify(keys, &s), SIGNATURE_GOOD, "among several the right key is found");
		for (size_t j = 0; j < bytes.len; j++) {
			bytes.data[j] ^= 1;
			good += keyset_verify(keys, &s) == SIGNATURE_GOOD;
			bytes.data[j] ^= 1;
		}
		for (size_t len = 0; len < bytes.len; len++) {
			s.len = len;
			good += keyset_verify(keys, &s) == SIGNATURE_GOOD;
		}
		buf_add(&bytes, "\0", 1);
		s.bytes = bytes.data;
		s.len = bytes.len;
		good += keyset_verify(keys, &s) == SIGNATURE_GOOD;
		s.len--;
		s.text_len--;
		good += keyset_verify(keys, &s) == SIGNATURE_GOOD;
		is_int(good, 0, "a signature that was changed, cut or made longer is none, nor one of another text");
		memset(bytes.data, 0, bytes.len);
		s.text_len++;
		ok(keyset_verify(keys, &s) != SIGNATURE_GOOD, "nor are zeros");
		buf_free(&bytes);
	}
	keyset_free(keys);
}

static void
test_names(void)
{
	struct keyset *keys = read_good("{\"keys\":[" RSA(",\"kid\":\"r\"") "," EC(",\"kid\":\"e\"") "," OCT("") "]}");

	is_int(verify(keys, &rs256, "r"), SIGNATURE_GOOD, "a key is found by its name");
	is_int(verify(keys, &rs256, NULL), SIGNATURE_GOOD, "or without one");
	is_int(verify(keys, &rs256, "other"), SIGNATURE_UNKNOWN, "a name that no key has is unknown");
	is_int(verify(keys, &rs256, "e"), SIGNATURE_UNKNOWN, "that of a key for another algorithm, too");
	is_int(verify(keys, &hs256, "any"), SIGNATURE_GOOD, "a key without a name goes by every name");
	is_int(verify(keys, &(struct example){KEY_RS256, es256.text, rs256.signature}, "r"), SIGNATURE_BAD,
	    "what the named key did not sign is bad");
	keyset_free(keys);
}

/* A public key is public: its text must never count as the secret of HS256. */
static void
test_confusion(void)
{
	static const char text[] = "eyJhbGciOiJIUzI1NiJ9" CLAIMS;
	struct keyset *keys = read_good(RSA(""));
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char mac[EVP_MAX_MD_SIZE];
	char *pem;
	size_t len;
	struct signature s = {.algorithm = KEY_HS256, .text = text, .text_len = sizeof text - 1, .bytes = mac, .len = 32};

	PEM_write_bio_PUBKEY(bio, pkey);
	len = (size_t)BIO_get_mem_data(bio, &pem);
	keyset_free(keys);
	BIO_write(bio, "", 1);
	BIO_get_mem_data(bio, &pem);
	keys = read_good(pem);
	EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, pem, len, (const unsigned char *)text, sizeof text - 1, mac, sizeof mac, NULL);
	is_int(keyset_verify(keys, &s), SIGNATURE_UNKNOWN, "a MAC made with the public key's text is none");
	s.len = 0;
	is_int(keyset_verify(keys, &s), SIGNATURE_UNKNOWN, "nor is an empty one");
	keyset_free(keys);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
}

static struct buf
pem_of(EVP_PKEY *pkey, bool private)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf b = BUF_EMPTY;
	char *pem;
	long len;

	if (private)
		PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PUBKEY(bio, pkey);
	len = BIO_get_mem_data(bio, &pem);
	buf_add(&b, pem, (size_t)len);
	BIO_free(bio);
	return b;
}

static void
test_pem(void)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *small = EVP_RSA_gen(1024), *p256 = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
	struct buf one = pem_of(rsa, false), other = pem_of(p256, false), both = BUF_EMPTY, weak = pem_of(small, false),
	    curve = pem_of(p384, false), private = pem_of(rsa, true);
	struct keyset *keys;

	buf_addf(&both, "# comment\n%s\n%s", one.data, other.data);
	keys = read_good(both.data);
	is_int((int64_t)keyset_count(keys), 2, "a PEM file may have several keys");
	keyset_free(keys);
	is_refused(weak.data, "RSA with 1024 bits is refused");
	is_refused(curve.data, "so is another curve");
	is_refused(private.data, "so is a private key");
	is_refused("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "so is what is no key");
	is_refused("-----BEGIN PUBLIC KEY-----\nAAAA\n", "so is a block that does not end: it is not taken for a secret");
	buf_free(&one);
	buf_free(&other);
	buf_free(&both);
	buf_free(&weak);
	buf_free(&curve);
	buf_free(&private);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
}

static void
test_secrets(void)
{
	static const char text[] = "x.y", secret[] = "0123456789abcdef0123456789abcdef";
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct signature s = {.algorithm = KEY_HS256, .text = text, .text_len = 3, .bytes = mac, .len = 32};
	const char *const files[] = {secret, "0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef\r\n"};

	EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, 32, (const unsigned char *)text, 3, mac, sizeof mac, NULL);
	for (int i = 0; i < 3; i++) {
		struct keyset *keys = read_good(files[i]);

		is_int(keyset_verify(keys, &s), SIGNATURE_GOOD, "a secret is a line, without its end");
		keyset_free(keys);
	}
	is_refused("0123456789abcdef0123456789abcde\n", "one of 31 bytes is refused");
	is_refused("", "so is none");
}

static void
test_refused_jwks(void)
{
	static const char *const bad[] = {
		"{", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "{\"keys\":[1,null,[]]}",
		OCT(",\"use\":\"enc\""), OCT(",\"alg\":\"HS512\""), OCT(",\"alg\":\"none\""), OCT(",\"kid\":1"), OCT(",\"kid\":\"a\\u0000\""),
		"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "{\"kty\":\"oct\",\"k\":\"\"}", "{\"kty\":\"oct\"}", "{\"kty\":\"none\"}", "{\"k\":\"" K "\"}",
		RSA(",\"alg\":\"HS256\""), RSA(",\"alg\":\"RS512\""), RSA(",\"key_ops\":[\"sign\"]"), RSA(",\"key_ops\":\"verify\""),
		"{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQ\"}", "{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AA\"}", "{\"kty\":\"RSA\",\"n\":\"" N "\"}",
		"{\"kty\":\"RSA\",\"n\":\"" N "\",\"e\":\"AQAAAAAB\"}", "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"" N "==\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"" Y "\"}",
		"{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_refused(bad[i], "a JWK that is not right, or for something else, is refused");
}

static void
test_published(void)
{
	static const char set[] = "{\"keys\":[" OCT(",\"kid\":\"o\"") ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}," RSA(",\"kid\":\"r\",\"use\":\"enc\"") "," EC("") "]}";
	static const char secrets[] = "{\"keys\":[" OCT("") "]}", one[] = EC("");
	struct buf many = BUF_EMPTY;
	const char *wrong;
	struct keyset *keys = keyset_read_published(set, sizeof set - 1, &wrong);

	is_int((int64_t)keyset_count(keys), 1, "of a published set only public keys for signatures are used");
	is_int(verify(keys, &hs256, "o"), SIGNATURE_UNKNOWN, "a secret that is published is none");
	keyset_free(keys);
	ok(!keyset_read_published(secrets, sizeof secrets - 1, &wrong) && wrong, "a set with nothing else is refused");
	ok(!keyset_read_published(one, sizeof one - 1, &wrong), "so is a single key");
	ok(!keyset_read_published("0123456789abcdef0123456789abcdef", 32, &wrong), "and what is no JSON, which is not a secret either");
	buf_adds(&many, "{\"keys\":[" EC(""));
	for (int i = 0; i < 200; i++)
		buf_adds(&many, "," EC(""));
	buf_adds(&many, "]}");
	keys = keyset_read_published(many.data, many.len, &wrong);
	is_int((int64_t)keyset_count(keys), KEYSET_MAX, "of too many keys the first ones count");
	keyset_free(keys);
	buf_free(&many);
}

int
main(void)
{
	test_examples();
	test_changed();
	test_names();
	test_confusion();
	test_pem();
	test_secrets();
	test_refused_jwks();
	test_published();
	return done();
}
