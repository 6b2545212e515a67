/* See spread.h. */
#include "transport/spread.h"

#include <event2/util.h>

int64_t
spread_below(int64_t limit)
{
	uint32_t bits;

	evutil_secure_rng_get_bytes(&bits, sizeof bits);
	return limit > 0 ? (int64_t)(bits % (uint64_t)limit) : 0;
}

int64_t
spread_around(int64_t ms)
{
	return ms - ms / 10 + spread_below(ms / 5);
}
