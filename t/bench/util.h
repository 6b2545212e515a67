/*
 * What every part of the generator needs: a clock, allocation that dies, a random choice, a set of samples.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stddef.h>
#include <stdint.h>

int64_t now_ns(void); /* CLOCK_MONOTONIC */

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
void *alloc_zeroed(size_t count, size_t size);

void random_seed(uint64_t seed);
uint32_t random_below(uint32_t n); /* n > 0 */

/* Values of which percentiles are wanted. */
struct samples {
	double *values;
	size_t count, size;
};
void samples_add(struct samples *, double value);
/* Sorts.  q in 0..1; 0 when there are none. */
double samples_at(struct samples *, double q);
void samples_free(struct samples *);

#endif
