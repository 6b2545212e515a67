/* What claims grant. */
#include "codec/grants.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"

struct match {
	const char *pattern, *text;
	bool matches;
};

static void
test_patterns(void)
{
	static const struct match matches[] = {
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"aa", "a", false}, {"a", "A", false},
		{"*", "", true}, {"*", "any/thing", true}, {"**", "a", true}, {"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false},
		{"*a", "a", true}, {"*a", "ba", true}, {"*a", "ab", false}, {"a*c", "abc", true}, {"a*c", "abcbc", true}, {"a*c", "ab", false},
		{"a*b*c", "a-b-b-c", true}, {"a*b*c", "acb", false}, {"*x*", "axb", true}, {"*x*", "ab", false}, {"team-*/chat", "team-7/chat", true},
		{"team-*/chat", "team-7/news", false}, {"?", "a", false}, {"[ab]", "a", false}, {"\\*", "*", false}, {"*\303\244", "a\303\244", true},
		{"aab", "aaab", false}, {"*aab", "aaab", true},
	};

	for (size_t i = 0; i < sizeof matches / sizeof *matches; i++)
		ok(grants_match(matches[i].pattern, matches[i].text) == matches[i].matches, "\"%s\" stands %sfor \"%s\"", matches[i].pattern,
		    matches[i].matches ? "" : "not ", matches[i].text);
}

/* NULL: claims are good, and grants are read back from made. */
static const char *
make(struct grants_claims *made, struct grants *grants, const char *text, int64_t until)
{
	struct jspan claims;
	const char *wrong;

	jspan_check(&claims, text, strlen(text));
	wrong = grants_make(made, claims, "pollgate", false, until);
	if (!wrong && !grants_read(grants, made->grants.data, made->grants.len))
		return "cannot be read back";
	return wrong;
}

static void
test_rights(void)
{
	struct grants_claims made;
	struct grants grants;

	ok(!make(&made, &grants, "{\"sub\":\"ann\",\"pollgate\":{\"join\":[\"lobby\",\"team-*\"],\"send\":[\"lobby\"],\"data\":{\"name\":\"Ann\"}}}", 12345),
	    "claims make grants");
	is_int(grants.until, 12345, "which have an end");
	ok(grants.user.len == 5 && memcmp(grants.user.text, "\"ann\"", 5) == 0, "a user");
	ok(grants_allow(&grants, GRANTS_JOIN, "lobby") && grants_allow(&grants, GRANTS_JOIN, "team-5"), "and rooms that may be joined");
	ok(!grants_allow(&grants, GRANTS_JOIN, "lobby2") && !grants_allow(&grants, GRANTS_JOIN, ""), "and no others");
	ok(grants_allow(&grants, GRANTS_SEND, "lobby") && !grants_allow(&grants, GRANTS_SEND, "team-5"), "another right has its own");
	ok(!grants_allow(&grants, GRANTS_HISTORY, "lobby"), "a right that is not named is for no room");
	ok(made.data.len == 14 && memcmp(made.data.text, "{\"name\":\"Ann\"}", 14) == 0, "public data comes along");
	ok(!grants.has_set, "whoever gets its data from the token may not change it");
	ok(grants.has_direct, "sending to an id is free");
	buf_free(&made.grants);
	ok(!make(&made, &grants, "{\"pollgate\":{\"direct\":false,\"set\":true,\"data\":null,\"more\":1}}", 0), "both may be claimed otherwise");
	ok(grants.until == 0 && !grants.has_direct && grants.has_set && made.data.len == 4, "and data be null");
	buf_free(&made.grants);
	ok(!make(&made, &grants, "{}", 0), "a token may claim nothing");
	ok(grants.has_set && !made.data.text && !grants.user.text, "then the client chooses its data");
	ok(!grants_allow(&grants, GRANTS_JOIN, "lobby") && !grants_allow(&grants, GRANTS_SEND, "lobby"), "but enters no room");
	buf_free(&made.grants);
	ok(!make(&made, &grants, "{\"pollgate\":{\"join\":[ \"a\\u002a\" ,\"\\\"\", \"\\u0001\"]}}", 0), "patterns are JSON strings");
	ok(grants_allow(&grants, GRANTS_JOIN, "abc") && grants_allow(&grants, GRANTS_JOIN, "\"") && grants_allow(&grants, GRANTS_JOIN, "\1"),
	    "with escapes");
	buf_free(&made.grants);
}

static void
test_wrong(void)
{
	static const char *const bad[] = {"{\"sub\":1}", "{\"sub\":\"a\\u0000\"}", "{\"pollgate\":[]}", "{\"pollgate\":null}", "{\"pollgate\":{\"join\":\"*\"}}",
	    "{\"pollgate\":{\"join\":[1]}}", "{\"pollgate\":{\"send\":{\"a\":1}}}", "{\"pollgate\":{\"history\":[\"\\ud800\"]}}",
	    "{\"pollgate\":{\"join\":[\"a\\u0000*\"]}}", "{\"pollgate\":{\"set\":1}}", "{\"pollgate\":{\"direct\":\"yes\"}}", "{\"pollgate\":{\"join\":null}}"};
	static const char *const unreadable[] = {"", "{}", "[]", "{\"until\":-1}", "{\"until\":\"1\"}", "{\"until\":1", "nonsense"};
	struct buf user = BUF_EMPTY;
	struct grants_claims made;
	struct grants grants;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ok(make(&made, &grants, bad[i], 0) != NULL, "%s is wrong", bad[i]);
		buf_free(&made.grants);
	}
	buf_adds(&user, "{\"sub\":\"");
	for (int i = 0; i < 256; i++)
		buf_adds(&user, "x");
	buf_adds(&user, "\"}");
	ok(make(&made, &grants, user.data, 0) != NULL, "a user of 256 bytes is wrong");
	buf_free(&made.grants);
	buf_free(&user);
	for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++)
		ok(!grants_read(&grants, unreadable[i], strlen(unreadable[i])), "\"%s\" grants nothing", unreadable[i]);
}

static bool
same_users(const char *a, const char *b)
{
	struct grants_claims one, other;
	struct grants first, second;
	bool same;

	make(&one, &first, a, 0);
	make(&other, &second, b, 0);
	same = grants_same_user(&first, &second);
	buf_free(&one.grants);
	buf_free(&other.grants);
	return same;
}

static void
test_users(void)
{
	ok(same_users("{\"sub\":\"ann\"}", "{\"sub\":\"\\u0061nn\",\"pollgate\":{}}"), "a user is the same however it is written");
	ok(!same_users("{\"sub\":\"ann\"}", "{\"sub\":\"bob\"}"), "another one is not");
	ok(!same_users("{\"sub\":\"ann\"}", "{}") && !same_users("{}", "{\"sub\":\"ann\"}"), "nor is nobody");
	ok(same_users("{}", "{}"), "who is the same as nobody");
	ok(same_users("{\"sub\":\"\"}", "{\"sub\":\"\"}") && !same_users("{\"sub\":\"\"}", "{}"), "a name may be empty");
}

int
main(void)
{
	test_patterns();
	test_rights();
	test_wrong();
	test_users();
	return done();
}
