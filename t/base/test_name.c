#include "base/name.h"

#include "../tap.h"

static void
test_names(void)
{
	struct name a = {"unchanged"}, b;

	ok(name_parse(&a, "abcXYZ0129-_abcdefghij and more", 22), "22 characters of base64url are a name");
	is_string(a.s, "abcXYZ0129-_abcdefghij", "and no more than these");
	b = a;
	ok(name_equal(&a, &b), "a name equals its copy");
	ok(!name_parse(&a, "abcXYZ0129-_abcdefghi", 21), "21 characters are not a name");
	ok(!name_parse(&a, "abcXYZ0129-_abcdefghijk", 23), "nor are 23");
	ok(!name_parse(&a, "abcXYZ0129+/abcdefghij", 22), "nor is plain base64");
	ok(!name_parse(&a, "abcXYZ0129\0_abcdefghij", 22), "nor is what holds a NUL");
	ok(!name_parse(&a, "abcXYZ0129\xC3\xA9" "abcdefghij", 22), "nor is what is not ASCII");
	ok(name_equal(&a, &b), "what is refused leaves the name alone");
	ok(name_parse(&b, "abcXYZ0129-_abcdefghiJ", 22) && !name_equal(&a, &b),
	    "names differ by their last character and by case");
}

static void
refuse_id(const char *s, size_t len, const char *why)
{
	struct entry_id id = {7, 8};

	ok(!entry_id_parse(&id, s, len) && id.ms == 7 && id.seq == 8, "%s", why);
}

static void
test_parsing_ids(void)
{
	struct entry_id id;

	ok(entry_id_parse(&id, "1763783427123-5", 15) && id.ms == 1763783427123 && id.seq == 5, "ms-seq is an id");
	ok(entry_id_parse(&id, "1-23456", 4) && id.ms == 1 && id.seq == 23, "only as many bytes as said are read");
	ok(entry_id_parse(&id, "18446744073709551615-18446744073709551615", 41) && id.ms == UINT64_MAX && id.seq == UINT64_MAX,
	    "both numbers have 64 bits");
	ok(entry_id_parse(&id, "00000000000000000001-0", 22) && id.ms == 1, "20 digits may be zeros");
	refuse_id("18446744073709551616-0", 22, "not more than 64 bits in the milliseconds");
	refuse_id("0-99999999999999999999", 22, "not more than 64 bits in the sequence");
	refuse_id("000000000000000000001-0", 23, "not 21 digits");
	refuse_id("", 0, "not nothing");
	refuse_id("-", 1, "not a hyphen alone");
	refuse_id("1-", 2, "not without a sequence");
	refuse_id("-1", 2, "not without milliseconds");
	refuse_id("12", 2, "not one number");
	refuse_id("1-2-3", 5, "not three numbers");
	refuse_id(" 1-2", 4, "not with a space in front");
	refuse_id("1-2\n", 4, "not with anything behind it");
	refuse_id("+1-2", 4, "not with a sign");
	refuse_id("1--2", 4, "not a negative sequence");
	refuse_id("0x1-2", 5, "not hexadecimal");
}

static void
test_writing_ids(void)
{
	char buf[ENTRY_ID_SIZE];

	is_string(entry_id_format(buf, (struct entry_id){0, 0}), "0-0", "an id is written as ms-seq");
	is_string(entry_id_format(buf, (struct entry_id){UINT64_MAX, UINT64_MAX}), "18446744073709551615-18446744073709551615",
	    "the largest id fits");
	ok(entry_id_compare((struct entry_id){1, 9}, (struct entry_id){2, 0}) < 0, "an earlier millisecond is before");
	ok(entry_id_compare((struct entry_id){2, 0}, (struct entry_id){1, 9}) > 0, "a later one is after");
	ok(entry_id_compare((struct entry_id){2, 1}, (struct entry_id){2, 2}) < 0, "in one millisecond the sequence counts");
	ok(entry_id_compare((struct entry_id){2, 3}, (struct entry_id){2, 2}) > 0, "in both directions");
	is_int(entry_id_compare((struct entry_id){2, 2}, (struct entry_id){2, 2}), 0, "an id is at itself");
	ok(entry_id_compare((struct entry_id){UINT64_MAX, 0}, (struct entry_id){0, 0}) > 0, "large ids do not wrap");
}

int
main(void)
{
	test_names();
	test_parsing_ids();
	test_writing_ids();
	return done();
}
