#include "pollcat/retry.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"

enum { FIRST_MS = 100, LONGEST_MS = 5000, RETRY_AFTER_MAX_MS = 60000 };

static int64_t
random_below(int64_t n)
{
	uint32_t r;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
		r = (uint32_t)clock_mono_us();
	return r % n;
}

bool
retry_later(struct retry *retry, int64_t retry_after_ms, int64_t give_up_ms)
{
	int64_t now = clock_mono_ms(), pause = retry->failures < 6 ? FIRST_MS << retry->failures : LONGEST_MS;

	if (retry->failures++ == 0)
		retry->since = now;
	retry->due = NEVER;
	if (now - retry->since >= give_up_ms)
		return false;
	pause = random_below(pause + 1);
	if (retry_after_ms > 0)
		pause += retry_after_ms < RETRY_AFTER_MAX_MS ? retry_after_ms : RETRY_AFTER_MAX_MS;
	if (pause > retry->since + give_up_ms - now)
		pause = retry->since + give_up_ms - now;
	retry->due = now + pause;
	return true;
}

int64_t
retry_worked(struct retry *retry)
{
	int64_t outage = retry->failures ? clock_mono_ms() - retry->since : 0;

	*retry = (struct retry)RETRY_IDLE;
	return outage;
}

bool
retry_take(struct retry *retry)
{
	if (retry->due > clock_mono_ms())
		return false;
	retry->due = NEVER;
	return true;
}
