/*
 * What pollcat and pollgatectl say on standard error, and what their exit status means.  What comes from outside is made harmless to a terminal.
 */
#ifndef POLLCAT_REPORT_H
#define POLLCAT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,  /* The gateway was not reached, or refused. */
	STATUS_USAGE = 2,
	STATUS_TIMEOUT = 3, /* --timeout was over before --count was reached, or with lines unanswered. */
	STATUS_REFUSED = 4, /* Some lines were not taken. */
	STATUS_LOSS = 5,    /* --strict: messages may have been lost. */
};

void report_verbose(bool on);
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_detail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* Only with -v. */

/* Replace each control character of text, other than those in `allowed`, by a question mark. */
void report_tame(char *text, size_t len, const char *allowed);

#endif
