/*
 * The yardstick for delays: the least that Redis must do for a message, with no gateway.  One connection writes the pipeline
 * XADD, PUBLISH, HMGET; another is subscribed and hears of it; a third then asks HMGET, as a reader does that must look.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>

struct bare;
struct event_base;
struct samples;

/* Connects.  Delays in microseconds until it is heard of and until it is looked at are added to these, which are lent. */
struct bare *bare_new(struct event_base *, const char *address, int port, size_t payload, struct samples *heard_us,
    struct samples *looked_us);
/* One round trip; skipped while the one before is under way. */
void bare_trip(struct bare *);
void bare_free(struct bare *);

#endif
