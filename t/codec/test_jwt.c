/* Tokens: their form, their header, their claims. */
#include "codec/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "base/mem.h"
#include "codec/base64.h"

#define NOW INT64_C(1700000000000)

static void
add_part(struct buf *token, const char *text)
{
	struct buf part = BUF_EMPTY;

	base64_write(&part, text, strlen(text));
	while (part.len > 0 && part.data[part.len - 1] == '=')
		part.data[--part.len] = '\0';
	for (size_t i = 0; i < part.len; i++)
		part.data[i] = part.data[i] == '+' ? '-' : part.data[i] == '/' ? '_' : part.data[i];
	buf_add(token, part.data, part.len);
	buf_free(&part);
}

/* What is wrong with the token of these parts; NULL for nothing. */
static const char *
read_parts(struct jwt *jwt, const char *header, const char *claims)
{
	static struct buf token;

	buf_clear(&token);
	add_part(&token, header);
	buf_adds(&token, ".");
	add_part(&token, claims);
	buf_adds(&token, ".c2ln");
	return jwt_read(jwt, token.data, token.len);
}

static void
test_form(void)
{
	static const char *const bad[] = {"", ".", "..", "a", "e30", "e30.e30", "e30.e30.", "e30.e30.AA.AA", "e30..AA", ".e30.AA", " e30.e30.AA",
	    "e30.e30.AA\n", "e30=.e30.AA", "e3+.e30.AA", "bnVsbA.e30.AA", "e30.bnVsbA.AA", "e30.WzFd.AA", "e30.e30.!"};
	struct jwt jwt;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(jwt_read(&jwt, bad[i], strlen(bad[i])) != NULL, "what has not the form of a token is none");
		jwt_free(&jwt);
	}
	ok(!read_parts(&jwt, "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"JWT\"}", "{\"a\":1}"), "a token is read");
	ok(jwt.signature.algorithm == KEY_RS256 && strcmp(jwt.signature.kid, "k") == 0 && jwt.signature.len == 3 &&
	    memcmp(jwt.signature.bytes, "sig", 3) == 0, "its parts are there");
	ok(jwt.claims.len == 7 && memcmp(jwt.claims.text, "{\"a\":1}", 7) == 0, "its claims, too");
	jwt_free(&jwt);
}

static void
test_header(void)
{
	static const char *const good[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"ES256\",\"typ\":\"jwt\"}", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
	    "{\"alg\":\"ES256\",\"typ\":\"application/at+JWT\"}", "{\"alg\":\"\\u0048S256\",\"jku\":\"https://evil.example\",\"jwk\":{}}"};
	static const char *const bad[] = {"{}", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"\"}", "{\"alg\":null}", "{\"alg\":[\"HS256\"]}",
	    "{\"alg\":\"hs256\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"PS256\"}", "{\"alg\":\"EdDSA\"}", "{\"alg\":\"HS256\\u0000\"}",
	    "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"alg\":\"HS256\",\"crit\":[]}", "{\"alg\":\"HS256\",\"kid\":1}",
	    "{\"alg\":\"HS256\",\"kid\":\"a\\u0000b\"}", "{\"alg\":\"HS256\",\"typ\":\"secevent+jwt\"}", "{\"alg\":\"HS256\",\"typ\":7}",
	    "{\"alg\":\"HS256\",\"alg\":\"none\"}"};
	struct jwt jwt;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ok(!read_parts(&jwt, good[i], "{}"), "header %s is good", good[i]);
		jwt_free(&jwt);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(read_parts(&jwt, bad[i], "{}") != NULL, "header %s is not", bad[i]);
		jwt_free(&jwt);
	}
}

struct claim {
	const char *claims;
	const char *wrong; /* A part of what is said; NULL: it counts. */
};

static void
test_claims(void)
{
	static const char *const audiences[] = {"us", "them"};
	static const struct jwt_rules strict = {"issuer", audiences, 2, 1000}, loose = {"", NULL, 0, 1000};
	static const struct claim of_strict[] = {
		{"{\"iss\":\"issuer\",\"aud\":\"us\"}", NULL}, {"{\"iss\":\"issuer\",\"aud\":[\"x\",\"them\"]}", NULL},
		{"{\"iss\":\"\\u0069ssuer\",\"aud\":\"us\"}", NULL}, {"{\"iss\":\"issuer\"}", "audience"}, {"{\"aud\":\"us\"}", "issuer"},
		{"{\"iss\":\"Issuer\",\"aud\":\"us\"}", "issuer"}, {"{\"iss\":[\"issuer\"],\"aud\":\"us\"}", "issuer"},
		{"{\"iss\":\"issuer\",\"aud\":\"u\"}", "audience"}, {"{\"iss\":\"issuer\",\"aud\":[]}", "audience"},
		{"{\"iss\":\"issuer\",\"aud\":{\"us\":1}}", "audience"}, {"{\"iss\":\"issuer\",\"aud\":[[\"us\"]]}", "audience"},
		{"{\"iss\":\"issuer\",\"aud\":\"us\\u0000\"}", "audience"}, {"{\"iss\":\"issuer\",\"aud\":\"us\",\"aud\":\"x\"}", "audience"},
	};
	static const struct claim of_loose[] = {
		{"{}", NULL}, {"{\"iss\":7}", NULL}, {"{\"aud\":\"us\"}", "audience"},
		{"{\"exp\":1700000000}", NULL}, {"{\"exp\":1699999999.1}", NULL}, {"{\"exp\":1699999999}", "expired"}, {"{\"exp\":0}", "expired"},
		{"{\"exp\":-1}", "expired"}, {"{\"exp\":-1e300}", "expired"}, {"{\"exp\":1e300}", NULL}, {"{\"exp\":17e8}", NULL},
		{"{\"exp\":\"1800000000\"}", "number"}, {"{\"exp\":null}", "number"}, {"{\"exp\":1800000000,\"exp\":1}", "expired"},
		{"{\"nbf\":1700000001}", NULL}, {"{\"nbf\":1700000001.1}", "not valid yet"}, {"{\"nbf\":1e18}", "not valid yet"}, {"{\"nbf\":{}}", "number"},
		{"{\"exp\":1800000000,\"nbf\":1600000000,\"iat\":1900000000}", NULL},
	};
	struct jwt jwt;

	for (size_t i = 0; i < sizeof of_strict / sizeof *of_strict + sizeof of_loose / sizeof *of_loose; i++) {
		bool is_strict = i < sizeof of_strict / sizeof *of_strict;
		const struct claim *claim = is_strict ? &of_strict[i] : &of_loose[i - sizeof of_strict / sizeof *of_strict];
		const char *wrong;

		read_parts(&jwt, "{\"alg\":\"HS256\"}", claim->claims);
		wrong = jwt_check(&jwt, is_strict ? &strict : &loose, NOW);
		if (!ok(claim->wrong ? wrong && strstr(wrong, claim->wrong) : !wrong, "%s %s", claim->claims, claim->wrong ? claim->wrong : "counts"))
			printf("# %s\n", wrong ? wrong : "(it counts)");
		jwt_free(&jwt);
	}
	read_parts(&jwt, "{\"alg\":\"HS256\"}", "{\"exp\":1700000000.5}");
	is_int(jwt_until(&jwt, &loose), 1700000001500, "it counts until its end and the leeway");
	jwt_free(&jwt);
	read_parts(&jwt, "{\"alg\":\"HS256\"}", "{}");
	is_int(jwt_until(&jwt, &loose), 0, "without an end for ever");
	jwt_free(&jwt);
}

int
main(void)
{
	test_form();
	test_header();
	test_claims();
	return done();
}
