/*
 * A real redis-server of a test's own: on a free port, in a directory of its own, killed with the test.
 */
#ifndef T_REDIS_SERVER_H
#define T_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <sys/types.h>

struct redis_server {
	int port;
	pid_t pid; /* 0 while it does not run. */
	char directory[64];
	const char *const *arguments; /* More of the command line, NULL at the end; or NULL. */
};

/* Start on a free port; ends the test program when that is impossible. */
void redis_server_start(struct redis_server *server);
/* Start anew on the same port, without what it knew. */
void redis_server_restart(struct redis_server *server);
void redis_server_signal(struct redis_server *server, int signal);
void redis_server_kill(struct redis_server *server); /* As kill -9 does, and wait. */
void redis_server_end(struct redis_server *server);  /* The same, and remove the directory. */

/* Run a command by a connection of its own and return the answer, which the caller frees; ends the program on an error. */
redisReply *redis_server_run(const struct redis_server *server, const char *format, ...);
/* The same, for an answer that does not matter, or an integer. */
long long redis_server_do(const struct redis_server *server, const char *format, ...);

#endif
