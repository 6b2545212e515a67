/*
 * pollgatectl's command line.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "pollcat/gateway.h"

struct ctl_options {
	struct gateway gateway;
	const char *key_file; /* These are lent by argv or the environment; NULL: none. */
	const char *idempotency_key;
	const char *before;
	const char *count; /* A number. */
	bool text;
	const char *verb;
	int args_count; /* What follows the verb, in UTF-8. */
	char **args;
};

/* False after telling the user what is wrong; ctl_options_free is due either way. */
bool ctl_options_parse(struct ctl_options *options, int argc, char **argv);
void ctl_options_free(struct ctl_options *options);
/* If --help or --version is given: say it, and return true. */
bool ctl_options_inform(const struct ctl_options *options);

#endif
