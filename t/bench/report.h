/*
 * The figures of a run: named numbers, printed as a table or as one line of JSON.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

struct report;

struct report *report_new(const char *peer, const char *scenario);
/* Both texts are lent for the life of the report.  The name says the unit too, as in `cpu_us_per_message`. */
void report_add(struct report *, const char *name, double value, const char *meaning);
void report_print(const struct report *, bool json);
void report_free(struct report *);

#endif
