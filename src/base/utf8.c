#include "base/utf8.h"

/* The first byte of a character that is not ASCII. */
static bool
begin(struct utf8 *u, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool
utf8_read(struct utf8 *u, const void *p, size_t len)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < len; i++) {
		if (u->left == 0) {
			if (s[i] >= 0x80 && !begin(u, s[i]))
				return false;
			continue;
		}
		if (s[i] < u->low || s[i] > u->high)
			return false;
		u->left--;
		u->low = 0x80;
		u->high = 0xbf;
	}
	return true;
}

bool
utf8_check(const void *p, size_t len)
{
	struct utf8 u = {0};

	return utf8_read(&u, p, len) && utf8_is_whole(&u);
}

size_t
utf8_length(const void *p, size_t len)
{
	const unsigned char *s = p;
	size_t length = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;

	return length <= len && utf8_check(p, length) ? length : 0;
}

bool
utf8_is_whole(const struct utf8 *u)
{
	return u->left == 0;
}
