#include "base/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t metrics[METRIC_COUNT];

static const struct {
	const char *type;
	const char *name;
	const char *help;
} descriptions[METRIC_COUNT] = {
#define METRIC(id, type, name, help) {#type, name, help},
#include "base/metrics.def"
#undef METRIC
};

/* Count without asking for each one, where the kernel can (Linux 6.2). */
static int64_t
count_fds(void)
{
	struct stat st;
	int64_t count = 0;
	DIR *dir;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return st.st_size;
	dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* The directory itself was open. */
}

static int64_t
timeval_us(struct timeval tv)
{
	return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

/* Field n of proc(5)'s stat, counted from 1; fields from the third on, which are numbers but for that one. */
static long long
stat_field(const char *stat, int n)
{
	const char *s = strrchr(stat, ')'); /* The second field, the program's name, may hold anything. */

	for (int field = 2; s && field < n; field++)
		s = strchr(s + 1, ' ');
	return s ? strtoll(s, NULL, 10) : 0;
}

/* Resident memory, and the start, which proc(5) tells in ticks since the machine's. */
static void
read_stat(void)
{
	char stat[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	size_t len;
	struct timespec booted, now;

	if (!f)
		return;
	len = fread(stat, 1, sizeof(stat) - 1, f);
	stat[len] = '\0';
	fclose(f);
	metric_set(MEMORY, stat_field(stat, 24) * sysconf(_SC_PAGESIZE));
	if (!metrics[METRIC_START_TIME]) {
		clock_gettime(CLOCK_BOOTTIME, &booted);
		clock_gettime(CLOCK_REALTIME, &now);
		metric_set(START_TIME, (now.tv_sec - booted.tv_sec) * INT64_C(1000000) + (now.tv_nsec - booted.tv_nsec) / 1000 +
		    stat_field(stat, 22) * 1000000 / sysconf(_SC_CLK_TCK));
	}
}

static void
read_process(void)
{
	struct rusage usage;
	struct rlimit limit;

	metric_set(FDS, count_fds());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metric_set(FDS_LIMIT, (int64_t)limit.rlim_cur);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metric_set(CPU_SECONDS, timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime));
	read_stat();
}

static bool
in_seconds(const char *name)
{
	const char *found = strstr(name, "_seconds");

	return found && (strcmp(found, "_seconds") == 0 || strcmp(found, "_seconds_total") == 0);
}

void
metrics_write(struct buf *b)
{
	read_process();
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const char *name = descriptions[i].name;
		int64_t value = metrics[i];

		buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n%s ", name, descriptions[i].help, name, descriptions[i].type, name);
		if (in_seconds(name))
			buf_addf(b, "%" PRId64 ".%06" PRId64 "\n", value / 1000000, value % 1000000);
		else
			buf_addf(b, "%" PRId64 "\n", value);
	}
}
