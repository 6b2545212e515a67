#include "base/clock.h"

#include <time.h>

#include "../tap.h"

int
main(void)
{
	int64_t mono = clock_mono_ms(), us = clock_mono_us(), wall = clock_wall_ms();
	struct timeval tv;

	ok(wall / 1000 - time(NULL) <= 1 && time(NULL) - wall / 1000 <= 1, "the wall clock counts milliseconds since the epoch");
	ok(us / 1000 - mono <= 100 && us / 1000 >= mono, "milliseconds and microseconds are of one clock");
	ok(clock_mono_us() >= us, "time does not go back");
	tv = clock_timeval(61234);
	ok(tv.tv_sec == 61 && tv.tv_usec == 234000, "milliseconds are seconds and microseconds");
	tv = clock_timeval(-1500);
	ok(tv.tv_sec == 0 && tv.tv_usec == 0, "a time that has passed is no time");
	clock_turn(3600000);
	ok(clock_mono_ms() - mono >= 3600000 && clock_mono_ms() - mono < 3610000, "a test can turn the clock by an hour");
	ok(clock_wall_ms() - wall >= 3600000, "and the wall clock with it");
	ok(clock_mono_us() - us >= 3600000000, "and the microseconds");
	clock_turn(1);
	ok(clock_mono_ms() - mono >= 3600001, "turns add up");
	return done();
}
