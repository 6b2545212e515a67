#include "base/buf.h"

#include "../tap.h"

static void
test_adding(void)
{
	struct buf b = BUF_EMPTY;

	buf_adds(&b, "");
	ok(b.len == 0 && b.data && !b.data[0], "nothing added is an empty string");
	buf_adds(&b, "one");
	buf_add(&b, "\0two", 4);
	ok(b.len == 7 && memcmp(b.data, "one\0two", 8) == 0, "bytes are added as they are, with a NUL behind them");
	buf_add(&b, NULL, 0);
	is_int((int64_t)b.len, 7, "no bytes add nothing");
	buf_free(&b);
	ok(!b.data && !b.len && !b.room, "freed, it is as new");
}

static void
test_formatting(void)
{
	struct buf b = BUF_EMPTY;

	buf_addf(&b, "%d-%s", 42, "x");
	is_string(b.data, "42-x", "the first text may be a formatted one");
	buf_addf(&b, "%s", "");
	is_string(b.data, "42-x", "a formatted text may be empty");
	/* The lengths around the 64 bytes that a buffer begins with. */
	for (int len = 50; len < 80; len++) {
		buf_clear(&b);
		buf_addf(&b, "%0*d", len, 7);
		if (b.len != (size_t)len || strlen(b.data) != (size_t)len || b.room <= b.len)
			ok(false, "a formatted text of %d bytes fits", len);
	}
	is_int((int64_t)b.len, 79, "a formatted text of any length fits");
	buf_free(&b);
}

static void
test_growing(void)
{
	struct buf b = BUF_EMPTY;
	bool same = true;
	size_t room;

	for (int i = 0; i < 100000; i++)
		buf_addf(&b, "%c", 'a' + i % 26);
	for (size_t i = 0; i < b.len; i++)
		same = same && b.data[i] == (char)('a' + i % 26);
	ok(b.len == 100000 && same, "a hundred thousand pieces are all there, in order");
	room = b.room;
	buf_clear(&b);
	ok(b.len == 0 && !b.data[0] && b.room == room, "cleared, it is empty and keeps its memory");
	buf_free(&b);
	buf_clear(&b);
	ok(!b.data, "clearing what never had memory does nothing");
}

int
main(void)
{
	test_adding();
	test_formatting();
	test_growing();
	return done();
}
