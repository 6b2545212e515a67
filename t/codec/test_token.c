#include "codec/token.h"

#include <stdlib.h>

#include "../tap.h"

static void
test_new(void)
{
	char tokens[1000][TOKEN_LEN + 1];
	struct name parsed;
	int i, bad = 0, same = 0;

	for (i = 0; i < 1000; i++) {
		if (!token_new(tokens[i]) || !name_parse(&parsed, tokens[i], strlen(tokens[i])))
			bad++;
		if (!strchr("AQgw", tokens[i][TOKEN_LEN - 1]))
			bad++;
	}
	qsort(tokens, 1000, sizeof(tokens[0]), (int (*)(const void *, const void *))strcmp);
	for (i = 1; i < 1000; i++)
		same += strcmp(tokens[i - 1], tokens[i]) == 0;
	is_int(bad, 0, "a new token is 128 bits in 22 characters of base64url");
	is_int(same, 0, "no token is made twice");
}

static void
test_session(void)
{
	static const struct {
		const char *token, *id;
	} vectors[] = {
	    {"AAAAAAAAAAAAAAAAAAAAAA", "ilvbTMFRZBJsbvJmjendJA"},
	    {"abcdefghijklmnopqrstuv", "9p-bcNHJpUQiWMp2-LCnpA"},
	    {"0123456789-_ABCDEFGHIJ", "JpcY4GvowhUhlOtQ2H2beQ"},
	};
	struct name id;
	size_t i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		ok(token_session(&id, vectors[i].token), "22 characters of base64url are a token");
		is_string(id.s, vectors[i].id, "a session's id is the first 128 bits of its token's SHA-256");
	}
}

static void
test_session_refused(void)
{
	static const char *const texts[] = {
	    "", "A", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA ", "AAAAAAAAAA+AAAAAAAAAAA",
	    "AAAAAAAAAA/AAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAA\200AAAAAAAAAAA", "AAAAAAAAAA\nAAAAAAAAAAA",
	};
	struct name id = {"unchanged"};
	size_t i;
	int accepted = 0;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		accepted += token_session(&id, texts[i]);
	is_int(accepted, 0, "anything else is no token");
	is_string(id.s, "unchanged", "what is no token leaves the id as it was");
}

static void
test_room(void)
{
	char longest[255];
	struct name key;
	int i, taken = 0;

	room_name_key(&key, "", 0);
	is_string(key.s, "zN9t8eumVhVu87YL8ZCFXQ", "a room's key is the first 128 bits of SHA-256(\"room \" title)");
	room_name_key(&key, "lobby and more", 5);
	is_string(key.s, "H8ij3IbrSWHePH-IC0EDUQ", "a title ends with its length");
	room_name_key(&key, "gr\303\274\303\237e \360\237\216\211", 12);
	is_string(key.s, "wQKv09TKQIGauWCd5523KA", "a title is bytes");
	memset(longest, 'x', sizeof(longest));
	room_name_key(&key, longest, sizeof(longest));
	is_string(key.s, "wTSJMvgPHOism6NZcUA-KQ", "a title may be 255 bytes long");
	for (i = 0; i < 1000; i++) {
		char title[16];
		struct name parsed;

		room_name_key(&key, title, (size_t)snprintf(title, sizeof(title), "%d", i));
		taken += name_parse(&parsed, key.s, strlen(key.s));
	}
	is_int(taken, 1000, "every room's key has the shape of a name");
}

static bool
is_key(const char *value, const char *wanted)
{
	struct buf b = BUF_EMPTY;
	bool good = order_key_parse(&b, value, 8) && strcmp(b.data, wanted) == 0;

	buf_free(&b);
	return good;
}

static void
test_order_keys(void)
{
	static const char *const bad[] = {"", "\"\"", "\"abc", "abc\"", "\"a\"b", "\"a\" ", "a b", "123456789", "\"123456789\"", "\"\\a\"", "\"a\\",
	    "\"a\tb\"", "a\x7f", "\"\xc3\xa9\""};

	ok(is_key("\"abc\"", "abc"), "a key is a string in quotes");
	ok(is_key("\"a\\\"b\\\\\"", "a\"b\\"), "in which quotes and backslashes are escaped");
	ok(is_key("\"a b\"", "a b"), "and spaces are not");
	ok(is_key("abc-1", "abc-1"), "or what has no quotes");
	ok(is_key("a\\b", "a\\b"), "where nothing is escaped");
	ok(is_key("\"12345678\"", "12345678"), "it may be as long as is said");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct buf b = BUF_EMPTY;

		ok(!order_key_parse(&b, bad[i], 8), "is no key: %s", bad[i]);
		buf_free(&b);
	}
}

static void
test_order_names(void)
{
	struct name a, b;

	order_key_name(&a, "k", 1);
	token_session(&b, "AAAAAAAAAAAAAAAAAAAAAA");
	ok(name_parse(&b, a.s, NAME_LEN), "the hash of a key has the shape of a name");
	room_name_key(&b, "k", 1);
	ok(!name_equal(&a, &b), "and is none of a room");
	order_request_name(&a, "POST /a", "b", 1);
	order_request_name(&b, "POST /a", "b", 1);
	ok(name_equal(&a, &b), "equal requests have equal hashes");
	order_request_name(&b, "POST /", "ab", 2);
	ok(!name_equal(&a, &b), "and others have others");
}

static void
test_derived(void)
{
	char pad[TOKEN_LEN + 1], again[TOKEN_LEN + 1], other[TOKEN_LEN + 1], veiled[TOKEN_LEN + 1];
	char token[TOKEN_LEN + 1];
	struct name id;
	int same = 0;

	token_derive(pad, "AAAAAAAAAAAAAAAAAAAAAA", "pid 1 /", 7);
	token_derive(again, "AAAAAAAAAAAAAAAAAAAAAA", "pid 1 /", 7);
	is_string(again, pad, "the same token and label make the same token");
	ok(token_session(&id, pad), "which is one");
	token_derive(other, "AAAAAAAAAAAAAAAAAAAAAA", "pid 2 /", 7);
	ok(strcmp(other, pad) != 0, "another label makes another one");
	token_derive(other, "AAAAAAAAAAAAAAAAAAAAAQ", "pid 1 /", 7);
	ok(strcmp(other, pad) != 0, "so does another token");
	for (int i = 0; i < 1000; i++) {
		token_new(token);
		token[TOKEN_LEN - 1] = (char)('a' + i % 26); /* As a client may choose it. */
		token_veil(veiled, token, pad);
		token_unveil(again, veiled, pad);
		same += strcmp(again, token) == 0 && strcmp(veiled, token) != 0 && token_session(&id, veiled);
	}
	is_int(same, 1000, "a token that is veiled is another one, and can be unveiled");
}

int
main(void)
{
	test_new();
	test_session();
	test_session_refused();
	test_room();
	test_order_keys();
	test_order_names();
	test_derived();
	return done();
}
