#include "codec/base64.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"

/* Those of RFC 4648, section 10, and the last two digits. */
static void
test_vectors(void)
{
	static const char *const vectors[][2] = {
	    {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "+/+/"},
	};

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct buf b = BUF_EMPTY;

		base64_write(&b, vectors[i][0], strlen(vectors[i][0]));
		is_string(b.data ? b.data : "", vectors[i][1], "bytes are written");
		buf_clear(&b);
		ok(base64_read(&b, vectors[i][1], strlen(vectors[i][1])), "and read");
		is_string(b.data ? b.data : "", vectors[i][0], "as what it was");
		buf_free(&b);
	}
}

/* Of every length around the size of a step. */
static void
test_lengths(void)
{
	char data[2400];
	int wrong = 0;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 7 + i / 256);
	for (size_t len = 0; len < sizeof data; len++) {
		struct buf text = BUF_EMPTY, back = BUF_EMPTY;

		base64_write(&text, data, len);
		if (text.len != (len + 2) / 3 * 4 || !base64_read(&back, text.data ? text.data : "", text.len) || back.len != len ||
		    (len > 0 && memcmp(back.data, data, len) != 0))
			wrong++;
		buf_free(&text);
		buf_free(&back);
	}
	is_int(wrong, 0, "what is written is read back, whatever its length");
}

static void
test_refused(void)
{
	static const char *const texts[] = {
	    "Z", "Zg", "Zg=", "Zg==\n", " Zg==", "Z===", "====", "Zg==Zg==", "Zm9v=", "Zm-v", "Zm_v", "Zm9\0", "Zm\xc3\xa9",
	};
	struct buf b = BUF_EMPTY;

	buf_adds(&b, "kept");
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ok(!base64_read(&b, texts[i], i == 11 ? 4 : strlen(texts[i])), "what is no base64 is refused");
	is_string(b.data, "kept", "what is refused leaves the buffer as it was");
	buf_free(&b);
}

static void
test_url(void)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xfb\xff\xbf", "-_-_"},
	    {"\xff", "_w"}};
	static const char *const refused[] = {"Z", "Zg==", "Zh", "Zm9", "Zm9vY", "+/+/", "Zg\n", " Zg", "Z g", "Zm\xc3\xa9"};
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		buf_clear(&b);
		ok(base64url_read(&b, vectors[i][1], strlen(vectors[i][1])), "base64url is read");
		is_string(b.data ? b.data : "", vectors[i][0], "as what it stands for");
	}
	buf_clear(&b);
	buf_adds(&b, "kept");
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		ok(!base64url_read(&b, refused[i], strlen(refused[i])), "what is no base64url, or not the only one for its bytes, is refused");
	is_string(b.data, "kept", "what is refused leaves the buffer as it was");
	buf_free(&b);
}

int
main(void)
{
	test_vectors();
	test_lengths();
	test_refused();
	test_url();
	return done();
}
