#include "base/units.h"

#include "../tap.h"

static void
test_durations(void)
{
	int64_t ms = -1;

	ok(units_parse_duration(&ms, "0") && ms == 0, "no time needs no unit");
	ok(units_parse_duration(&ms, "2500ms") && ms == 2500, "ms are milliseconds");
	ok(units_parse_duration(&ms, "25s") && ms == 25000, "s are seconds");
	ok(units_parse_duration(&ms, "15m") && ms == 900000, "m are minutes");
	ok(units_parse_duration(&ms, "24h") && ms == 86400000, "h are hours");
	ok(units_parse_duration(&ms, "30d") && ms == 2592000000, "d are days");
	ok(!units_parse_duration(&ms, "25"), "a number alone could be anything");
	ok(!units_parse_duration(&ms, "s"), "a unit alone is no time");
	ok(!units_parse_duration(&ms, ""), "nothing is no time");
	ok(!units_parse_duration(&ms, "-5s"), "time is not negative");
	ok(!units_parse_duration(&ms, "5 s"), "there are no spaces");
	ok(!units_parse_duration(&ms, "1m30s"), "there is one unit");
	ok(!units_parse_duration(&ms, "1.5s"), "numbers are whole");
	ok(!units_parse_duration(&ms, "5S"), "units are in lower case");
	ok(!units_parse_duration(&ms, "106751991168d"), "what 63 bits do not hold is refused");
	ok(!units_parse_duration(&ms, "99999999999999999999s"), "however long it is");
}

static void
test_sizes(void)
{
	int64_t n = -1;

	ok(units_parse_size(&n, "100") && n == 100, "a size alone is bytes");
	ok(units_parse_size(&n, "16K") && n == 16384, "K is 1024 bytes");
	ok(units_parse_size(&n, "1M") && n == 1048576, "M is 1024 K");
	ok(units_parse_size(&n, "2G") && n == 2147483648, "G is 1024 M");
	ok(!units_parse_size(&n, "1KB") && !units_parse_size(&n, "1k") && !units_parse_size(&n, "K"), "nothing else is");
	ok(!units_parse_size(&n, "8589934592G"), "what 63 bits do not hold is refused");
	ok(units_parse_count(&n, "1000") && n == 1000, "a count is a number");
	ok(!units_parse_count(&n, "1K") && !units_parse_count(&n, "0x10") && !units_parse_count(&n, " 1"), "and only a number");
}

static void
test_writing(void)
{
	static const int64_t durations[] = {0, 1, 2500, 25000, 90000, 900000, 86400000, 620000, INT64_MAX};
	char text[UNITS_TEXT_SIZE];
	int64_t back;
	bool same = true;

	is_string(units_format_duration(text, 25000), "25s", "a time is written in the largest unit that is exact");
	is_string(units_format_duration(text, 2500), "2500ms", "if need be in the smallest");
	is_string(units_format_duration(text, 0), "0", "no time has no unit");
	is_string(units_format_size(text, 1048576), "1M", "so are sizes");
	is_string(units_format_size(text, 1000), "1000", "bytes have no unit");
	is_string(units_format_size(text, 0), "0", "nor has nothing");
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		same = same && units_parse_duration(&back, units_format_duration(text, durations[i])) && back == durations[i];
	ok(same, "what is written is read back the same");
}

int
main(void)
{
	test_durations();
	test_sizes();
	test_writing();
	return done();
}
