#include "base/utf8.h"

#include "../tap.h"

static bool
is_text_by_bytes(const char *s, size_t len)
{
	struct utf8 u = {0};

	for (size_t i = 0; i < len; i++)
		if (!utf8_read(&u, s + i, 1))
			return false;
	return utf8_is_whole(&u);
}

static bool
is_text_by_characters(const char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t length = utf8_length(s + at, len - at);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

static bool
is_text(const char *s)
{
	size_t len = strlen(s);
	bool good = utf8_check(s, len);

	if (is_text_by_bytes(s, len) != good || is_text_by_characters(s, len) != good)
		ok(false, "the verdict does not depend on how the bytes come in parts");
	return good;
}

int
main(void)
{
	struct utf8 u = {0};

	ok(is_text("") && is_text("plain"), "ASCII is UTF-8");
	ok(is_text("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"), "the ends of each length are");
	ok(is_text("\xed\x9f\xbf\xee\x80\x80"), "and what is beside the surrogates");
	ok(!is_text("\xc0\xaf") && !is_text("\xc1\xbf") && !is_text("\xe0\x9f\xbf") && !is_text("\xf0\x8f\xbf\xbf"),
	    "overlong forms are not");
	ok(!is_text("\xed\xa0\x80") && !is_text("\xed\xbf\xbf"), "surrogates are not");
	ok(!is_text("\xf4\x90\x80\x80") && !is_text("\xf5\x80\x80\x80") && !is_text("\xff"), "nothing above U+10FFFF is");
	ok(!is_text("\x80") && !is_text("a\xbf"), "a character does not begin in its middle");
	ok(!is_text("\xc3(") && !is_text("\xe2\x82(") && !is_text("\xf0\x9f\x98("), "nor ends there");
	ok(!is_text("\xe2\x82") && !is_text("\xf0"), "nor is cut off at the end");
	ok(utf8_read(&u, "\xe2\x82", 2) && !utf8_is_whole(&u) && utf8_read(&u, "\xac", 1) && utf8_is_whole(&u),
	    "a character may come in parts");
	is_int((int)utf8_length("a\xc3\xa4", 3), 1, "a character ends where the next one begins");
	is_int((int)utf8_length("\xf0\x9f\x8e\x89!", 5), 4, "and has up to 4 bytes");
	return done();
}
