#include "base/metrics.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

/* The value of a metric in text, as printed; "" if it is not there. */
static const char *
value_of(const struct buf *text, const char *name)
{
	static char value[64];
	size_t len = strlen(name);

	value[0] = '\0';
	for (const char *line = text->data; *line; line += strcspn(line, "\n") + 1)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
	return value;
}

static void
test_format(void)
{
	struct buf b = BUF_EMPTY;

	metric_add(POLLS, 3);
	metric_add(POLLS, 4);
	metric_set(STORE_UP, 1);
	metric_set(PROBE_SECONDS, 1200);
	metrics_write(&b);
	ok(strstr(b.data, "# HELP pollgate_polls_total Polls.\n# TYPE pollgate_polls_total counter\npollgate_polls_total 7\n"),
	    "a metric has its help, its type and its value");
	ok(strstr(b.data, "# TYPE pollgate_store_up gauge\npollgate_store_up 1\n"), "a gauge is set");
	is_string(value_of(&b, "pollgate_store_probe_seconds"), "0.001200", "seconds are written as such");
	ok(b.data[b.len - 1] == '\n', "the last line ends");
	buf_free(&b);
}

/* Names and types by Prometheus' conventions: a counter ends in _total, nothing else does. */
static void
test_conventions(void)
{
	struct buf b = BUF_EMPTY;
	bool good = true;
	int types = 0;

	metrics_write(&b);
	for (const char *s = b.data; (s = strstr(s, "# TYPE ")); types++) {
		char name[100], type[10];
		size_t len;

		s += strlen("# TYPE ");
		if (sscanf(s, "%99s %9s", name, type) != 2 || (len = strlen(name)) < 7)
			continue;
		if ((strcmp(type, "counter") == 0) != (strcmp(name + len - 6, "_total") == 0)) {
			printf("# %s is a %s\n", name, type);
			good = false;
		}
	}
	ok(good, "counters end in _total and gauges do not");
	is_int(types, METRIC_COUNT, "each metric has a type");
	buf_free(&b);
}

static void
test_process(void)
{
	struct buf b = BUF_EMPTY;
	struct rlimit limit;
	int64_t before;
	double start;
	int fds[2];

	getrlimit(RLIMIT_NOFILE, &limit);
	metrics_write(&b);
	before = atoll(value_of(&b, "process_open_fds"));
	ok(before >= 3, "open file descriptors are counted");
	is_int(atoll(value_of(&b, "process_max_fds")), (int64_t)limit.rlim_cur, "their limit is known");
	ok(atoll(value_of(&b, "process_resident_memory_bytes")) > 100000, "resident memory is in bytes");
	start = atof(value_of(&b, "process_start_time_seconds"));
	ok(start > (double)time(NULL) - 60 && start <= (double)time(NULL) + 1, "the process started less than a minute ago");
	ok(strchr(value_of(&b, "process_cpu_seconds_total"), '.'), "CPU time is in seconds");
	if (pipe(fds) < 0)
		exit(1);
	buf_clear(&b);
	metrics_write(&b);
	is_int(atoll(value_of(&b, "process_open_fds")), before + 2, "a pipe is two more descriptors");
	buf_free(&b);
}

int
main(void)
{
	test_format();
	test_conventions();
	test_process();
	return done();
}
