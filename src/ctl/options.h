/*
 * pollgatectl's command line.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_options {
	char *url; /* Owned.  Without a slash at its end. */
	bool help, version;
	const char *key_file; /* These are lent by argv or the environment; NULL: none. */
	const char *idempotency_key;
	const char *before;
	const char *cacert;
	const char *count; /* A number. */
	int64_t give_up_ms;
	bool text, insecure, verbose;
	size_t headers_count;
	char **headers; /* Owned, what it points to lent. */
	const char *verb;
	int args_count; /* What follows the verb, in UTF-8. */
	char **args;
};

/* False after telling the user what is wrong; ctl_options_free is due either way. */
bool ctl_options_parse(struct ctl_options *options, int argc, char **argv);
void ctl_options_free(struct ctl_options *options);
void ctl_options_help(void);

/* Whether it is UTF-8. */
bool ctl_is_text(const char *text, size_t len);

#endif
