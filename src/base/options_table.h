/*
 * What the parts of the options share: options.def as rows, for options.c, which reads values into them, and
 * options_print.c, which shows them; and options_check.c.
 */
#ifndef BASE_OPTIONS_TABLE_H
#define BASE_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum option_type {
	OPTION_STRING,
	OPTION_LIST,
	OPTION_ENUM,
	OPTION_BOOL,
	OPTION_DURATION,
	OPTION_SIZE,
	OPTION_COUNT
};

struct option_row {
	const char *flag;
	enum option_type type;
	bool action;
	size_t offset; /* In struct options. */
	const char *initial;
	const char *min;
	const char *max;
	const char *value; /* What stands for the value in the help; the choices of an ENUM. */
	const char *help;  /* NULL: not for users. */
};

#define OPTION_VARIABLE_SIZE 64

extern const struct option_row option_rows[]; /* Ends with a row without a flag. */

/* The environment variable of a flag; returns buf. */
const char *option_variable(char buf[OPTION_VARIABLE_SIZE], const char *flag);

/* A malloc'ed string. */
char *options_sentence(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct options;

/* What the table cannot say: how values look and how they go together.  NULL, or a sentence that names the option. */
char *options_check(const struct options *options);

#endif
