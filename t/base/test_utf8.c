#include "base/utf8.h"

#include "../tap.h"

/* Whole, and byte by byte. */
static bool
is_text(const char *s)
{
	struct utf8 one = {0}, two = {0};
	size_t len = strlen(s);
	bool good = utf8_read(&one, s, len) && utf8_is_whole(&one), same = true;

	for (size_t i = 0; i < len && same; i++)
		same = utf8_read(&two, s + i, 1);
	same = same && utf8_is_whole(&two);
	if (good != same)
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
	return done();
}
