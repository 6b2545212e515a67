/* JSON: what is accepted (compared with jansson), the spans found, strings both ways. */
#include "codec/jspan.h"

#include <jansson.h>
#include <stdlib.h>

#include "t/tap.h"

static const char *const texts[] = {
	"{}", "[]", "\"\"", "0", "-0", "-1.5e+10", "1E5", "0.1", "true", "false", "null", " [ 1 , 2 ] ", "{\"a\":{\"b\":[1,{}]}}",
	"\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80\"", "[[[[[]]]]]", "\t{ \"a\" : 1 } ",
	"", " ", "{", "}", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "'a'", "01", "1.", ".5",
	"+1", "-", "1e", "1e+", "0x1", "tru", "truee", "nul", "NaN", "Infinity", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
	"\"\n\"", "\"\x01\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "1 2", "{} {}", "[] x",
	"[1 2]", "{\"a\":1 \"b\":2}", "[\"a\",]", "//", "/**/1",
};

static void
test_acceptance(void)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		json_error_t error;
		struct jspan value;
		json_t *other = json_loads(texts[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

		ok(jspan_check(&value, texts[i], strlen(texts[i])) == !!other, "accepts what jansson accepts: text %zu", i);
		json_decref(other);
	}
}

static void
test_depth(void)
{
	char text[2 * JSPAN_DEPTH_MAX + 2];
	struct jspan value;

	memset(text, '[', JSPAN_DEPTH_MAX);
	memset(text + JSPAN_DEPTH_MAX, ']', JSPAN_DEPTH_MAX);
	ok(jspan_check(&value, text, 2 * JSPAN_DEPTH_MAX), "nests as deep as the limit");
	memset(text, '[', JSPAN_DEPTH_MAX + 1);
	memset(text + JSPAN_DEPTH_MAX + 1, ']', JSPAN_DEPTH_MAX + 1);
	ok(!jspan_check(&value, text, sizeof text), "and no deeper");
}

static bool
is_span(struct jspan value, const char *wanted)
{
	return value.text && value.len == strlen(wanted) && memcmp(value.text, wanted, value.len) == 0;
}

static struct jspan
get(struct jspan object, const char *name)
{
	struct jspan value;

	jspan_pick(object, &name, &value, 1);
	return value;
}

static void
test_spans(void)
{
	const char *text = " { \"a\" : [1, \"]\\\"}\" , {\"x\":[]}] ,\"n\":-1.50 , \"\\u0061b\":true,\"d\":1,\"d\":2} ";
	struct jspan document, value, array;
	size_t at = 0;

	ok(jspan_check(&document, "\r\n[1]\n", 6), "line ends are white space");
	ok(jspan_check(&document, text, strlen(text)), "a document is accepted");
	array = get(document, "a");
	ok(is_span(array, "[1, \"]\\\"}\" , {\"x\":[]}]"), "a member's value is found as it was written");
	ok(is_span(get(document, "n"), "-1.50"), "numbers keep their digits");
	ok(is_span(get(document, "ab"), "true"), "a name may be written with escapes");
	ok(is_span(get(document, "d"), "2"), "the last of two members with one name counts");
	ok(!get(document, "x").text, "a name deeper inside is not a member");
	ok(jspan_next_element(array, &at, &value) && is_span(value, "1"), "elements: a number");
	ok(jspan_next_element(array, &at, &value) && is_span(value, "\"]\\\"}\""), "a string with brackets and a quote");
	ok(jspan_next_element(array, &at, &value) && is_span(value, "{\"x\":[]}"), "an object");
	ok(!jspan_next_element(array, &at, &value), "and the end");
	ok(jspan_type(get(document, "n")) == JSPAN_NUMBER && jspan_type(array) == JSPAN_ARRAY && jspan_type((struct jspan){NULL, 0}) == JSPAN_NONE,
	    "types are told by the first byte");
}

static void
test_strings(void)
{
	struct buf b = BUF_EMPTY;
	struct jspan value;
	const char *escaped = "\"a\\n\\u0001\\\"\\\\\\/\\u20ac\\ud83d\\ude00\\u0000z\"";

	ok(jspan_check(&value, escaped, strlen(escaped)) && jspan_string(value, &b), "a string with every kind of escape");
	ok(b.len == 15 && memcmp(b.data, "a\n\x01\"\\/\xe2\x82\xac\xf0\x9f\x98\x80\0z", 15) == 0, "is unescaped to UTF-8");
	ok(jspan_check(&value, "\"\\ud83d\"", 8) && !jspan_string(value, &b), "a lone high surrogate is no text");
	ok(jspan_check(&value, "\"\\ud83dx\\ude00\"", 15) && !jspan_string(value, &b), "nor one that something comes between");
	ok(jspan_check(&value, "\"\\ude00\"", 8) && !jspan_string(value, &b), "nor a lone low one");
	ok(jspan_check(&value, "1", 1) && !jspan_string(value, &b), "a number is no string");
	ok(!jspan_is(value, "1"), "nor is it one of any characters");
	ok(jspan_check(&value, "\"ab\"", 4) && jspan_is(value, "ab") && !jspan_is(value, "a") && !jspan_is(value, "abc"), "a string is its characters");
	ok(jspan_check(&value, "\"\\u0061b\"", 9) && jspan_is(value, "ab"), "however they are written");
	ok(jspan_check(&value, "\"ab\\u0000\"", 10) && !jspan_is(value, "ab"), "all of them");
	ok(!jspan_is((struct jspan){NULL, 0}, ""), "no value is no string");
	buf_clear(&b);
	jspan_quote(&b, "a\"\\\n\x1f\xe2\x82\xac", 8);
	is_string(b.data, "\"a\\\"\\\\\\u000a\\u001f\xe2\x82\xac\"", "quoting escapes what must be");
	buf_free(&b);
}

static void
test_counts(void)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t n;
	} cases[] = {{"0", true, 0}, {"17", true, 17}, {"100", true, 100}, {"101", false, 0}, {"-0", false, 0}, {"1.0", false, 0},
		{"1e1", false, 0}, {"18446744073709551616", false, 0}, {"\"1\"", false, 0}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct jspan value;
		uint64_t n = 0;

		ok(jspan_check(&value, cases[i].text, strlen(cases[i].text)) && jspan_count(value, 100, &n) == cases[i].good && n == cases[i].n,
		    "a count from 0 to 100: %s", cases[i].text);
	}
}

int
main(void)
{
	test_acceptance();
	test_depth();
	test_spans();
	test_strings();
	test_counts();
	return done();
}
