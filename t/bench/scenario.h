/*
 * The measurements.  Each makes its clients, lets them work, and adds figures to a report.
 */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include <stdint.h>

struct load;
struct report;
struct servers;

enum { WINDOW_MAX = 64 };

struct scenario_options {
	uint32_t clients;  /* Polling (park, idle, polls), or parked beside the work (pairs, rate). */
	uint32_t pairs;    /* A sender and a receiver each, ... */
	uint32_t window;   /* ... with so many messages under way in closed loop, up to WINDOW_MAX. */
	uint32_t members;  /* Of the room. */
	uint32_t wakes;    /* Messages to the room. */
	uint32_t rate;     /* Messages a second. */
	int64_t warmup_ms; /* Before measuring, ... */
	int64_t measure_ms;
	uint32_t payload;        /* Bytes of each message. */
	const char *bare_address; /* Of the Redis for the bare round trips beside `rate`; NULL for none. */
	int bare_port;
};

struct run { /* What a scenario works with; all lent. */
	struct load *load;
	struct servers *servers;
	struct report *report;
	const struct scenario_options *options;
};

struct scenario {
	const char *name;
	const char *summary;
	void (*measure)(struct run *);
};
/* The last has no name. */
extern const struct scenario scenarios[];

/* Of scenario_pairs.c */
void measure_pairs(struct run *);
void measure_rate(struct run *);
/* Of scenario_room.c */
void measure_room(struct run *);

/* ---- Shared by them ---- */

struct usage;

void run_loop_ms(struct run *, int64_t ms);
/* Until nothing came to any client for a while. */
void run_wait_for_quiet(struct run *);
/* n clients with sessions, in room (lent) unless NULL.  The array is the caller's, the clients are the load's. */
struct client **run_clients(struct run *, uint32_t n, const char *room);
/* The same; they poll and take no notice of what they get. */
void run_pollers(struct run *, uint32_t n);
/* options->clients of these, parked when this returns, to be in the way. */
void run_bystanders(struct run *);
/* A message's text: number in front, filled to the size asked for.  Lent until the next call. */
const char *run_body(struct run *, uint64_t number);
/* CPU and Redis commands for each of n things. */
void run_report_costs(struct run *, const struct usage *before, const struct usage *after, double n);
void run_report_delays(struct run *, double p50, double p99);

#endif
