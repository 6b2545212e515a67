/* Cursors survive a round trip; nothing else is taken. */
#include "codec/cursor.h"

#include <stdlib.h>

#include "t/tap.h"

#define ROOM_A "AAAAAAAAAAAAAAAAAAAAAA"
#define ROOM_B "bbbbbbbbbbbbbbbbbbb-_b"

static void
test_round_trip(const char *text, size_t rooms)
{
	struct cursor cursor;
	struct buf b = BUF_EMPTY;

	if (ok(cursor_parse(&cursor, text, 2), "is parsed: %s", text)) {
		is_int((int64_t)cursor.count, (int64_t)rooms, "has its rooms");
		cursor_write(&b, &cursor);
		is_string(b.data, text, "and is written the same");
		cursor_free(&cursor);
	}
	buf_free(&b);
}

static void
test_parts(void)
{
	struct cursor cursor;
	struct name room, other;

	name_parse(&room, ROOM_A, NAME_LEN);
	name_parse(&other, ROOM_B, NAME_LEN);
	ok(cursor_parse(&cursor, "1.d.5-6~" ROOM_A ".7-8", 1), "a cursor with a room");
	ok(cursor.dirty && cursor.mailbox.ms == 5 && cursor.mailbox.seq == 6, "has its flag and position");
	ok(cursor_find(&cursor, &room) && cursor_find(&cursor, &room)->ms == 7 && cursor_find(&cursor, &room)->seq == 8, "finds the room");
	ok(!cursor_find(&cursor, &other), "and no other");
	cursor_free(&cursor);
}

static void
test_refused(void)
{
	static const char *const bad[] = {"", "1", "1.", "2.-.1-1", "1..1-1", "1.x.1-1", "1.-.1", "1.-.1-", "1.-.-1", "1.-.1-1~",
		"1.-.1-1~" ROOM_A, "1.-.1-1~" ROOM_A ".", "1.-.1-1~" ROOM_A ".1", "1.-.1-1~short.1-1", "1.-.1-1~" ROOM_A ".1-1~",
		"1.-.1-1~" ROOM_A ".1-1~" ROOM_A ".1-1~" ROOM_B ".1-1", "1.-.1-1 ", "1.-. 1-1", "1.-.1-1~" ROOM_A "x.1-1",
		"1.-.99999999999999999999999-1"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct cursor cursor;

		ok(!cursor_parse(&cursor, bad[i], 2), "is refused: %s", bad[i]);
	}
}

static void
test_moving(void)
{
	struct cursor cursor, copy;
	struct name room, other;
	struct buf b = BUF_EMPTY;

	name_parse(&room, ROOM_A, NAME_LEN);
	name_parse(&other, ROOM_B, NAME_LEN);
	cursor_parse(&cursor, "1.-.5-6~" ROOM_A ".7-8", 1);
	copy = cursor_copy(&cursor);
	ok(cursor_equal(&copy, &cursor), "a copy is equal");
	cursor_move(&cursor, &room, (struct entry_id){9, 0});
	cursor_move(&cursor, &other, (struct entry_id){1, 0});
	ok(!cursor_equal(&copy, &cursor), "until one of them moves");
	cursor_write(&b, &cursor);
	is_string(b.data, "1.-.5-6~" ROOM_A ".9-0~" ROOM_B ".1-0", "a cursor moves on in rooms that it knows and in others");
	buf_clear(&b);
	cursor_move(&cursor, NULL, (struct entry_id){6, 0});
	ok(cursor.dirty && cursor.mailbox.ms == 6, "and in the mailbox, which then is to be acknowledged");
	cursor_write(&b, &copy);
	is_string(b.data, "1.-.5-6~" ROOM_A ".7-8", "a copy stays where it was");
	cursor_free(&cursor);
	cursor_free(&copy);
	buf_free(&b);
}

int
main(void)
{
	test_round_trip("1.-.1763783427123-0", 0);
	test_round_trip("1.d.0-0~" ROOM_A ".1763783427123-17~" ROOM_B ".18446744073709551615-18446744073709551615", 2);
	test_parts();
	test_moving();
	test_refused();
	return done();
}
