/*
 * Test Anything Protocol for the unit tests: ok() and is_*() count, done() writes the plan and gives the exit status.
 */
#ifndef T_TAP_H
#define T_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

__attribute__((weak)) int tap_run, tap_failed; /* Weak: one pair, however many files of a test include this. */

__attribute__((format(printf, 2, 3), unused)) static bool
ok(bool passed, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", passed ? "" : "not ", ++tap_run);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !passed;
	return passed;
}

__attribute__((unused)) static bool
is_int(int64_t got, int64_t wanted, const char *what)
{
	bool passed = ok(got == wanted, "%s", what);

	if (!passed)
		printf("#      got: %lld\n#   wanted: %lld\n", (long long)got, (long long)wanted);
	return passed;
}

__attribute__((unused)) static bool
is_string(const char *got, const char *wanted, const char *what)
{
	bool passed = ok(got && wanted ? strcmp(got, wanted) == 0 : got == wanted, "%s", what);

	if (!passed)
		printf("#      got: %s\n#   wanted: %s\n", got ? got : "(null)", wanted ? wanted : "(null)");
	return passed;
}

__attribute__((unused)) static int
done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
