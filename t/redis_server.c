#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32
#define START_LIMIT_MS 10000

static void
die(const char *what)
{
	printf("Bail out! redis-server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || getsockname(fd, (struct sockaddr *)&address, &len))
		die("no free port");
	close(fd);
	return ntohs(address.sin_port);
}

static void
run_server(const struct redis_server *server)
{
	char port[8];
	const char *command[ARGUMENTS_MAX] = {"redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
	    "no", "--dir", server->directory, "--logfile", "redis.log"};
	int n = 13;

	snprintf(port, sizeof port, "%d", server->port);
	for (const char *const *more = server->arguments; more && *more && n < ARGUMENTS_MAX - 1; more++)
		command[n++] = *more;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(command[0], (char **)command);
	_exit(127);
}

/* Does it answer?  (Another program may have taken the port: then it has ended.) */
static bool
answers(const struct redis_server *server)
{
	struct timeval limit = {1, 0};
	redisContext *c = redisConnectWithTimeout("127.0.0.1", server->port, limit);
	redisReply *reply = NULL;
	bool yes;

	if (c && !c->err && redisSetTimeout(c, limit) == REDIS_OK)
		reply = redisCommand(c, "PING");
	yes = reply && (reply->type == REDIS_REPLY_STATUS || strncmp(reply->str, "NOAUTH", 6) == 0);
	if (reply)
		freeReplyObject(reply);
	if (c)
		redisFree(c);
	return yes && waitpid(server->pid, NULL, WNOHANG) == 0;
}

static bool
start(struct redis_server *server)
{
	struct timespec pause = {0, 5000000};

	fflush(stdout);
	server->pid = fork();
	if (server->pid < 0)
		die("fork");
	if (server->pid == 0)
		run_server(server);
	for (int ms = 0; ms < START_LIMIT_MS; ms += 5) {
		if (answers(server))
			return true;
		if (waitpid(server->pid, NULL, WNOHANG) != 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

void
redis_server_start(struct redis_server *server)
{
	snprintf(server->directory, sizeof server->directory, "/tmp/pollgate-redis-XXXXXX");
	if (!mkdtemp(server->directory))
		die("no directory");
	for (int i = 0; i < 10; i++) {
		server->port = free_port();
		if (start(server))
			return;
	}
	die("cannot be started");
}

void
redis_server_restart(struct redis_server *server)
{
	redis_server_kill(server);
	if (!start(server))
		die("cannot be started again");
}

void
redis_server_signal(struct redis_server *server, int sig)
{
	kill(server->pid, sig);
}

void
redis_server_kill(struct redis_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

void
redis_server_end(struct redis_server *server)
{
	char path[sizeof server->directory + 16];

	redis_server_kill(server);
	snprintf(path, sizeof path, "%s/redis.log", server->directory);
	unlink(path);
	rmdir(server->directory);
}

static redisReply *
run(const struct redis_server *server, const char *format, va_list ap)
{
	redisContext *c = redisConnect("127.0.0.1", server->port);
	redisReply *reply = c && !c->err ? redisvCommand(c, format, ap) : NULL;

	if (!reply) {
		printf("Bail out! redis-server does not answer\n");
		exit(1);
	}
	redisFree(c);
	return reply;
}

redisReply *
redis_server_run(const struct redis_server *server, const char *format, ...)
{
	redisReply *reply;
	va_list ap;

	va_start(ap, format);
	reply = run(server, format, ap);
	va_end(ap);
	return reply;
}

long long
redis_server_do(const struct redis_server *server, const char *format, ...)
{
	redisReply *reply;
	long long n;
	va_list ap;

	va_start(ap, format);
	reply = run(server, format, ap);
	va_end(ap);
	if (reply->type == REDIS_REPLY_ERROR) {
		printf("Bail out! redis-server refuses \"%s\": %s\n", format, reply->str);
		exit(1);
	}
	n = reply->integer;
	freeReplyObject(reply);
	return n;
}
