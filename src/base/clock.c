#include "base/clock.h"

#include <time.h>

static int64_t turned_us;

static int64_t
now_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + turned_us;
}

int64_t
clock_wall_ms(void)
{
	return now_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_mono_ms(void)
{
	return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

struct timeval
clock_timeval(int64_t ms)
{
	return ms > 0 ? (struct timeval){ms / 1000, ms % 1000 * 1000} : (struct timeval){0, 0};
}

void
clock_turn(int64_t ms)
{
	turned_us += ms * 1000;
}
