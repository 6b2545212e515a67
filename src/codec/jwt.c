/* Reading tokens, and judging their claims: see jwt.h. */
#include "codec/jwt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "codec/base64.h"

#define SECONDS_MAX 9e12 /* More than any date has; in milliseconds still exact in a double. */

/* ---- Its form ---- */

static const char *
text_of(const struct buf *b)
{
	return b->data ? b->data : "";
}

/* RFC 8725, 3.11: a token of another type was made for another purpose. */
static bool
is_token_type(const char *type)
{
	if (strncasecmp(type, "application/", 12) == 0)
		type += 12;
	return strcasecmp(type, "JWT") == 0 || strcasecmp(type, "at+jwt") == 0;
}

static const char *
read_header(struct jwt *jwt)
{
	enum { ALG, KID, TYP, CRIT, NAMES };
	static const char *const names[NAMES] = {"alg", "kid", "typ", "crit"};
	struct jspan header, values[NAMES];
	struct buf text = BUF_EMPTY;
	const char *wrong = NULL;

	if (!jspan_check(&header, text_of(&jwt->header), jwt->header.len) || jspan_type(header) != JSPAN_OBJECT)
		return "Its header is not a JSON object.";
	jspan_pick(header, names, values, NAMES);
	if (!jspan_text(values[ALG], &text) || !key_algorithm(&jwt->signature.algorithm, text.data))
		wrong = "Its algorithm is none of HS256, RS256 and ES256.";
	else if (values[CRIT].text)
		wrong = "Its header has critical extensions, which are not known here.";
	else if (values[TYP].text && (!jspan_text(values[TYP], &text) || !is_token_type(text.data)))
		wrong = "Its type is not JWT.";
	else if (values[KID].text && !jspan_text(values[KID], &jwt->kid))
		wrong = "The name of its key is not a string.";
	else if (values[KID].text)
		jwt->signature.kid = jwt->kid.data;
	buf_free(&text);
	return wrong;
}

const char *
jwt_read(struct jwt *jwt, const char *text, size_t len)
{
	const char *end = text + len, *first = memchr(text, '.', len);
	const char *second = first ? memchr(first + 1, '.', (size_t)(end - first) - 1) : NULL;

	*jwt = (struct jwt){0};
	if (!second || !base64url_read(&jwt->header, text, (size_t)(first - text)) ||
	    !base64url_read(&jwt->payload, first + 1, (size_t)(second - first) - 1) ||
	    !base64url_read(&jwt->bytes, second + 1, (size_t)(end - second) - 1))
		return "It does not consist of three parts in base64url.";
	jwt->signature.text = text;
	jwt->signature.text_len = (size_t)(second - text);
	jwt->signature.bytes = text_of(&jwt->bytes);
	jwt->signature.len = jwt->bytes.len;
	if (!jspan_check(&jwt->claims, text_of(&jwt->payload), jwt->payload.len) || jspan_type(jwt->claims) != JSPAN_OBJECT)
		return "Its claims are not a JSON object.";
	return read_header(jwt);
}

void
jwt_free(struct jwt *jwt)
{
	buf_free(&jwt->header);
	buf_free(&jwt->payload);
	buf_free(&jwt->bytes);
	buf_free(&jwt->kid);
}

/* ---- What it claims ---- */

static struct jspan
claim_of(const struct jwt *jwt, const char *name)
{
	struct jspan value;

	jspan_pick(jwt->claims, &name, &value, 1);
	return value;
}

/* A NumericDate, which may have a fraction, in milliseconds.  False if it is no number. */
static bool
read_date(int64_t *ms, struct jspan value)
{
	char *copy;
	double seconds;

	if (jspan_type(value) != JSPAN_NUMBER)
		return false;
	copy = mem_copy(value.text, value.len);
	seconds = strtod(copy, NULL);
	free(copy);
	*ms = (int64_t)((seconds < 0 ? 0 : seconds > SECONDS_MAX ? SECONDS_MAX : seconds) * 1000);
	return true;
}

static bool
is_audience(struct jspan value, const struct jwt_rules *rules)
{
	for (size_t i = 0; i < rules->audiences_count; i++)
		if (jspan_is(value, rules->audiences[i]))
			return true;
	return false;
}

/* RFC 7519, 4.1.3: a string or an array of strings. */
static bool
has_audience(struct jspan audience, const struct jwt_rules *rules)
{
	struct jspan value;
	size_t at = 0;

	if (jspan_type(audience) != JSPAN_ARRAY)
		return is_audience(audience, rules);
	while (jspan_next_element(audience, &at, &value))
		if (is_audience(value, rules))
			return true;
	return false;
}

const char *
jwt_check(const struct jwt *jwt, const struct jwt_rules *rules, int64_t now_ms)
{
	struct jspan expires = claim_of(jwt, "exp"), begins = claim_of(jwt, "nbf"), audience = claim_of(jwt, "aud");
	int64_t ms;

	if (expires.text && !read_date(&ms, expires))
		return "Its \"exp\" is not a number.";
	if (expires.text && now_ms >= ms + rules->leeway_ms)
		return "It has expired.";
	if (begins.text && !read_date(&ms, begins))
		return "Its \"nbf\" is not a number.";
	if (begins.text && now_ms < ms - rules->leeway_ms)
		return "It is not valid yet.";
	if (*rules->issuer && !jspan_is(claim_of(jwt, "iss"), rules->issuer))
		return "It is of another issuer.";
	if ((audience.text || rules->audiences_count > 0) && !has_audience(audience, rules))
		return "It is for another audience.";
	return NULL;
}

int64_t
jwt_until(const struct jwt *jwt, const struct jwt_rules *rules)
{
	int64_t ms;

	return read_date(&ms, claim_of(jwt, "exp")) ? ms + rules->leeway_ms : 0;
}
