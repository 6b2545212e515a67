/* Base64: see base64.h.  OpenSSL does it, in blocks; it takes white space, and does not say where padding begins. */
#include "codec/base64.h"

#include <assert.h>
#include <openssl/evp.h>

enum { BYTES = 3 * 256, CHARS = 4 * 256 }; /* In one step. */

static bool
is_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* How many = there are at the end: up to two. */
static size_t
padding_of(const char *text, size_t len)
{
	size_t n = 0;

	while (n < 2 && n < len && text[len - 1 - n] == '=')
		n++;
	return n;
}

bool
base64_check(const char *text, size_t len)
{
	size_t digits = len - padding_of(text, len);

	if (len % 4 != 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

void
base64_write(struct buf *b, const void *data, size_t len)
{
	const unsigned char *p = data;
	unsigned char text[CHARS + 1];

	while (len > 0) {
		int n = len < BYTES ? (int)len : BYTES;

		buf_add(b, text, (size_t)EVP_EncodeBlock(text, p, n));
		p += n;
		len -= (size_t)n;
	}
}

bool
base64_read(struct buf *b, const char *text, size_t len)
{
	unsigned char bytes[BYTES];

	if (!base64_check(text, len))
		return false;
	while (len > 0) {
		size_t n = len < CHARS ? len : CHARS;
		int got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);

		assert(got == (int)n / 4 * 3);
		buf_add(b, bytes, (size_t)got - (n == len ? padding_of(text, n) : 0));
		text += n;
		len -= n;
	}
	return true;
}

/* ---- Base64url ---- */

static int
url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool
url_check(const char *text, size_t len)
{
	static const unsigned spare[] = {0, 0, 0xf, 0x3};

	for (size_t i = 0; i < len; i++)
		if (url_digit(text[i]) < 0)
			return false;
	return len % 4 != 1 && (len % 4 == 0 || !((unsigned)url_digit(text[len - 1]) & spare[len % 4]));
}

bool
base64url_read(struct buf *b, const char *text, size_t len)
{
	unsigned bits = 0, count = 0;

	if (!url_check(text, len))
		return false;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 6 | (unsigned)url_digit(text[i]);
		count += 6;
		if (count >= 8) {
			char byte = (char)(bits >> (count -= 8));

			buf_add(b, &byte, 1);
		}
	}
	return true;
}
