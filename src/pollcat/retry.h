/*
 * When to ask again after a failure: a pause that doubles up to some seconds, of which a random part is waited ("full jitter"),
 * or what the gateway said by Retry-After.
 */
#ifndef POLLCAT_RETRY_H
#define POLLCAT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define NEVER INT64_MAX

struct retry {
	unsigned failures; /* In a row. */
	int64_t since;     /* When the first of them was, by clock_mono_ms. */
	int64_t due;       /* When to ask again; NEVER if nothing waits. */
};

#define RETRY_IDLE {0, 0, NEVER}

/* Another failure.  False if they have gone on for give_up_ms: nothing is due then. */
bool retry_later(struct retry *retry, int64_t retry_after_ms, int64_t give_up_ms);

/* It worked.  Returns how long it had not, in milliseconds; 0 if it always did. */
int64_t retry_worked(struct retry *retry);

/* Whether a pause is over; if so it is forgotten. */
bool retry_take(struct retry *retry);

#endif
