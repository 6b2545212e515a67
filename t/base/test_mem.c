#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"

static void
ask_too_much(void)
{
	free(mem_zero(SIZE_MAX / 2, 4));
}

static void
resize_too_much(void)
{
	free(mem_resize(NULL, SIZE_MAX / 2, 4));
}

/* Run what should die in a child, and keep what it says about it. */
static int
run_child(void (*run)(void), char *said, size_t size)
{
	int fds[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	if (pipe(fds) < 0 || (pid = fork()) < 0)
		exit(1);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		dup2(fds[1], STDERR_FILENO);
		run();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + len, size - 1 - (size_t)len)) > 0)
		len += n;
	said[len] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

static bool
all_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void
test_allocating(void)
{
	char *p = mem_alloc(0);

	ok(p, "nothing at all is memory too");
	p = mem_resize(p, 3, 5);
	memset(p, 'x', 15);
	p = mem_resize(p, 100, 5);
	ok(memcmp(p, "xxxxxxxxxxxxxxx", 15) == 0, "memory keeps its content as it grows");
	p = mem_resize(p, 0, 5);
	ok(p, "memory that shrinks to nothing is still memory");
	free(p);
	p = mem_zero(7, 11);
	ok(all_zero(p, 77), "memory asked for as zero is zero");
	free(p);
	p = mem_zero(0, 11);
	ok(p, "no elements are memory too");
	free(p);
}

static void
test_copying(void)
{
	char *p = mem_copy("ab\0cd", 5);

	ok(memcmp(p, "ab\0cd", 6) == 0, "a copy has every byte, and a NUL behind them");
	free(p);
	p = mem_copy(NULL, 0);
	is_string(p, "", "a copy of nothing is an empty string");
	free(p);
	p = mem_string("word");
	is_string(p, "word", "a string is copied");
	free(p);
}

static void
test_dying(void)
{
	char said[4096];
	int status = run_child(ask_too_much, said, sizeof(said));

	ok(status != 0, "memory that cannot be had ends the program");
	ok(strstr(said, "test_mem.c:"), "and it says which line asked");
	ok(run_child(resize_too_much, said, sizeof(said)) != 0 && strstr(said, "test_mem.c:"), "so does a size that overflows");
}

int
main(void)
{
	test_allocating();
	test_copying();
	test_dying();
	return done();
}
