/*
 * Counters and gauges, declared once in metrics.def (which also makes the manual's list) and written in Prometheus' text
 * format, version 0.0.4, at /metrics.  A metric is a plain 64-bit number that its owner adds to or sets.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric {
#define METRIC(id, type, name, help) METRIC_##id,
#include "base/metrics.def"
#undef METRIC
	METRIC_COUNT
};

extern int64_t metrics[METRIC_COUNT];

#define metric_add(id, n) (metrics[METRIC_##id] += (n))
#define metric_set(id, n) (metrics[METRIC_##id] = (n))

/* Append all metrics to b.  Metrics whose name ends in _seconds or _seconds_total are kept in microseconds. */
void metrics_write(struct buf *b);

#endif
