#include "usage.h"

#include <dirent.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util.h"

struct servers {
	int pids[MAX_PROCESSES];
	int count;
	redisContext *redis; /* Owned; NULL without. */
	int redis_pid;
	double own_commands; /* By servers_read, and so not the load's. */
};

/* Nanoseconds on a CPU: the first field of schedstat. */
static double
cpu_seconds(const char *file)
{
	FILE *f = fopen(file, "r");
	unsigned long long ns = 0;

	if (f == NULL || fscanf(f, "%llu", &ns) != 1)
		die("cannot read %s", file);
	fclose(f);
	return (double)ns / 1e9;
}

static double
process_cpu(int pid)
{
	char name[300];
	struct dirent *entry;
	double sum = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	dir = opendir(name);
	if (dir == NULL)
		die("process %d is not there", pid);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			snprintf(name, sizeof(name), "/proc/%d/task/%.16s/schedstat", pid, entry->d_name);
			sum += cpu_seconds(name);
		}
	closedir(dir);
	return sum;
}

static double
resident_bytes(int pid)
{
	char name[64];
	unsigned long pages = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/statm", pid);
	f = fopen(name, "r");
	if (f == NULL || fscanf(f, "%*u %lu", &pages) != 1)
		die("cannot read %s", name);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double
info_value(const char *info, const char *key)
{
	const char *at = strstr(info, key);

	if (at == NULL)
		die("Redis has no %s", key);
	return strtod(at + strlen(key), NULL);
}

static void
read_redis(struct servers *s, struct usage *u)
{
	redisReply *reply = redisCommand(s->redis, "INFO");
	char name[64];

	if (reply == NULL || reply->type != REDIS_REPLY_STRING)
		die("Redis does not answer INFO");
	s->redis_pid = (int)info_value(reply->str, "process_id:");
	u->redis_bytes = info_value(reply->str, "\nused_memory:");
	u->redis_commands = info_value(reply->str, "total_commands_processed:") - s->own_commands++;
	freeReplyObject(reply);
	snprintf(name, sizeof(name), "/proc/%d/schedstat", s->redis_pid);
	u->redis_cpu = cpu_seconds(name);
}

static double
own_cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void
servers_read(struct servers *s, struct usage *u)
{
	*u = (struct usage){0};
	if (s->redis)
		read_redis(s, u);
	for (int i = 0; i < s->count; i++) {
		u->gateway_cpu += process_cpu(s->pids[i]);
		u->gateway_bytes += resident_bytes(s->pids[i]);
	}
	u->generator_cpu = own_cpu();
	u->seconds = (double)now_ns() / 1e9;
}

struct servers *
servers_new(const int *pids, int count, const char *redis_address, int redis_port)
{
	struct servers *s = alloc_zeroed(1, sizeof(*s));

	memcpy(s->pids, pids, (size_t)count * sizeof(*pids));
	s->count = count;
	if (redis_address == NULL)
		return s;
	s->redis = redisConnect(redis_address, redis_port);
	if (s->redis == NULL || s->redis->err)
		die("no Redis at %s:%d", redis_address, redis_port);
	return s;
}

void
servers_free(struct servers *s)
{
	if (s->redis)
		redisFree(s->redis);
	free(s);
}
