/*
 * What the servers used: CPU time and memory of processes by /proc, figures of Redis by INFO.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdint.h>

#define MAX_PROCESSES 16

struct servers;

struct usage { /* Readings; subtract two of them. */
	double seconds;       /* A clock. */
	double gateway_cpu;   /* Seconds, all threads of all gateway processes together. */
	double redis_cpu;     /* Seconds of Redis' main thread. */
	double generator_cpu; /* Seconds of this process. */
	double gateway_bytes; /* Resident, all gateway processes together. */
	double redis_bytes;   /* used_memory */
	double redis_commands; /* total_commands_processed: those inside scripts count, the reading itself does not. */
};

/* Watch these processes, and the Redis at address:port unless NULL, on this machine. */
struct servers *servers_new(const int *pids, int count, const char *redis_address, int redis_port);
void servers_read(struct servers *, struct usage *);
void servers_free(struct servers *);

#endif
