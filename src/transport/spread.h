/* Random times, so that clients do not come back all at once. */
#ifndef TRANSPORT_SPREAD_H
#define TRANSPORT_SPREAD_H

#include <stdint.h>

int64_t spread_below(int64_t limit); /* At least 0, below limit. */
int64_t spread_around(int64_t ms);   /* 10 % more or less. */

#endif
