/*
 * Reads values into struct options: the table says where each goes and what it takes.
 */
#include "base/options.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/options_table.h"
#include "base/units.h"

/* What an action is while it is not asked for. */
#define OPTION_NONE_BOOL "no"
#define OPTION_NONE_STRING ""

const struct option_row option_rows[] = {
#define OPTION(field, type, flag, initial, min, max, value, help) \
	{flag, OPTION_##type, false, offsetof(struct options, field), initial, min, max, value, help},
#define ACTION(field, type, flag, value, help) \
	{flag, OPTION_##type, true, offsetof(struct options, field), OPTION_NONE_##type, "0", "4000", value, help},
#include "base/options.def"
#undef OPTION
#undef ACTION
	{NULL, OPTION_STRING, true, 0, NULL, NULL, NULL, NULL, NULL},
};

enum { ROWS = sizeof(option_rows) / sizeof(option_rows[0]) - 1 };

const char *
option_variable(char buf[OPTION_VARIABLE_SIZE], const char *flag)
{
	size_t n = strlen(strcpy(buf, "POLLGATE_"));

	assert(n + strlen(flag) < OPTION_VARIABLE_SIZE);
	for (; *flag; flag++)
		buf[n++] = *flag == '-' ? '_' : (char)toupper((unsigned char)*flag);
	buf[n] = '\0';
	return buf;
}

/* ---- One value ---- */

static bool
parse_number(const struct option_row *row, int64_t *n, const char *s)
{
	switch (row->type) {
	case OPTION_DURATION:
		return units_parse_duration(n, s);
	case OPTION_SIZE:
		return units_parse_size(n, s);
	default:
		return units_parse_count(n, s);
	}
}

static bool
set_number(const struct option_row *row, void *field, const char *s)
{
	int64_t n, min, max;

	if (!parse_number(row, &min, row->min) || !parse_number(row, &max, row->max))
		assert(!"options.def has a limit that does not parse");
	if (!parse_number(row, &n, s) || n < min || n > max)
		return false;
	if (row->type == OPTION_DURATION)
		*(OPTION_C_DURATION *)field = n;
	else if (row->type == OPTION_SIZE)
		*(OPTION_C_SIZE *)field = (size_t)n;
	else
		*(OPTION_C_COUNT *)field = (uint32_t)n;
	return true;
}

static bool
set_choice(const struct option_row *row, int *field, const char *s)
{
	size_t len = strlen(s);
	int n = 0;

	for (const char *choice = row->value;; n++) {
		size_t span = strcspn(choice, "|");

		if (span == len && memcmp(choice, s, len) == 0) {
			*field = n;
			return true;
		}
		if (!choice[span])
			return false;
		choice += span + 1;
	}
}

static bool
set_bool(bool *field, const char *s)
{
	bool yes = strcmp(s, "yes") == 0;

	if (!yes && strcmp(s, "no") != 0)
		return false;
	*field = yes;
	return true;
}

/* Whether the length is right and nothing in it could disturb a terminal, a log or a protocol. */
static bool
good_string(const struct option_row *row, const char *s)
{
	size_t len = strlen(s);

	for (const char *c = s; *c; c++)
		if (iscntrl((unsigned char)*c))
			return false;
	return len >= (size_t)atoi(row->min) && len <= (size_t)atoi(row->max);
}

static bool
set_string(const struct option_row *row, char **field, const char *s)
{
	if (!good_string(row, s))
		return false;
	free(*field);
	*field = mem_string(s);
	return true;
}

static void
clear_list(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct option_list){0, NULL};
}

static bool
add_item(const struct option_row *row, struct option_list *list, const char *s)
{
	if (!good_string(row, s))
		return false;
	list->items = mem_resize(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = mem_string(s);
	return true;
}

static bool
set_value(struct options *options, const struct option_row *row, const char *s)
{
	void *field = (char *)options + row->offset;

	switch (row->type) {
	case OPTION_STRING:
		return set_string(row, field, s);
	case OPTION_LIST:
		return add_item(row, field, s);
	case OPTION_ENUM:
		return set_choice(row, field, s);
	case OPTION_BOOL:
		return set_bool(field, s);
	default:
		return set_number(row, field, s);
	}
}

/* ---- Where values come from ---- */

/* The value is not repeated: it may be a secret, and whoever gave it can see what it was. */
static char *
bad_value(const struct option_row *row, const char *where)
{
	static const char *const numbers[] = {
	    [OPTION_DURATION] = "0 or a number with ms, s, m, h or d",
	    [OPTION_SIZE] = "a number of bytes, or one with K, M or G",
	    [OPTION_COUNT] = "a number",
	};

	const char *flag = row->flag;

	switch (row->type) {
	case OPTION_ENUM:
		return options_sentence("--%s%s takes one of %s", flag, where, row->value);
	case OPTION_BOOL:
		return options_sentence("--%s%s takes yes or no", flag, where);
	case OPTION_STRING:
	case OPTION_LIST:
		return options_sentence("--%s%s takes %s to %s bytes without control characters", flag, where, row->min, row->max);
	default:
		return options_sentence("--%s%s takes %s, from %s to %s", flag, where, numbers[row->type], row->min, row->max);
	}
}

/* A list may be empty by default. */
static bool
set_default(struct options *options, const struct option_row *row)
{
	return (row->type == OPTION_LIST && !*row->initial) || set_value(options, row, row->initial);
}

static void
set_defaults(struct options *options)
{
	*options = (struct options){0};
	for (size_t i = 0; i < ROWS; i++)
		if (!set_default(options, &option_rows[i]))
			assert(!"options.def has a default that is not valid");
}

/* A list that is given replaces the default; a value that is given twice counts as the last says. */
static bool
give_value(struct options *options, size_t i, bool given[ROWS], const char *s)
{
	if (option_rows[i].type == OPTION_LIST && !given[i])
		clear_list((struct option_list *)((char *)options + option_rows[i].offset));
	given[i] = true;
	return set_value(options, &option_rows[i], s);
}

/* Find the row of "flag" or "flag=value"; ROWS if there is none. */
static size_t
find_flag(const char *s)
{
	size_t i, len = strcspn(s, "=");

	for (i = 0; i < ROWS; i++)
		if (strlen(option_rows[i].flag) == len && memcmp(option_rows[i].flag, s, len) == 0)
			break;
	return i;
}

static bool
asks_for_help(char *const *argv)
{
	while (*++argv)
		if (strcmp(*argv, "--help") == 0)
			return true;
	return false;
}

static char *
read_arguments(struct options *options, char *const *argv, bool given[ROWS])
{
	while (*++argv) {
		const char *value = strchr(*argv, '=');
		const struct option_row *row;
		size_t i;

		if (strncmp(*argv, "--", 2) != 0)
			return options_sentence("\"%s\" is not an option; see pollgate --help", *argv);
		i = find_flag(*argv + 2);
		if (i == ROWS)
			return options_sentence("there is no option %.*s; see pollgate --help", (int)strcspn(*argv, "="), *argv);
		row = &option_rows[i];
		if (value && row->action && row->type == OPTION_BOOL)
			return options_sentence("--%s takes no value", row->flag);
		if (value)
			value++;
		else if (row->type == OPTION_BOOL)
			value = "yes";
		else if (!(value = *++argv))
			return options_sentence("--%s needs a value: %s", row->flag, row->value);
		if (!give_value(options, i, given, value))
			return bad_value(row, "");
	}
	return NULL;
}

static bool
give_items(struct options *options, size_t i, bool given[ROWS], const char *s)
{
	char *copy = mem_string(s), *rest = copy;
	bool good = true;

	for (char *item; good && (item = strsep(&rest, ","));)
		good = give_value(options, i, given, item);
	free(copy);
	return good;
}

static char *
read_environment(struct options *options, bool given[ROWS])
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct option_row *row = &option_rows[i];
		char variable[OPTION_VARIABLE_SIZE], where[OPTION_VARIABLE_SIZE + 8];
		const char *value = getenv(option_variable(variable, row->flag));
		bool good;

		if (row->action || given[i] || !value || !*value)
			continue;
		good = row->type == OPTION_LIST ? give_items(options, i, given, value) : give_value(options, i, given, value);
		snprintf(where, sizeof(where), " (from %s)", variable);
		if (!good)
			return bad_value(row, where);
	}
	return NULL;
}

/* Cloud Run, Heroku and others say by PORT where to listen. */
static char *
read_port(struct options *options, const bool given[ROWS])
{
	const char *port = getenv("PORT");
	int64_t n;

	if (given[find_flag("listen")] || !port || !*port)
		return NULL;
	if (!units_parse_count(&n, port) || n > 65535)
		return options_sentence("--listen (from PORT) takes a number from 0 to 65535");
	free(options->listen);
	options->listen = options_sentence(":%s", port);
	return NULL;
}

char *
options_sentence(const char *format, ...)
{
	struct buf b = BUF_EMPTY;
	va_list ap;

	va_start(ap, format);
	buf_addv(&b, format, ap);
	va_end(ap);
	return b.data;
}

char *
options_parse(struct options *options, int argc, char *const *argv)
{
	bool given[ROWS] = {false};
	char *wrong;

	set_defaults(options);
	if (argc < 1)
		return NULL;
	options->help = asks_for_help(argv);
	if (options->help)
		return NULL;
	wrong = read_arguments(options, argv, given);
	if (wrong || options->version || options->list_options || *options->probe)
		return wrong;
	wrong = read_environment(options, given);
	if (!wrong)
		wrong = read_port(options, given);
	if (!wrong)
		wrong = options_check(options);
	return wrong;
}

void
options_free(struct options *options)
{
	for (size_t i = 0; i < ROWS; i++) {
		void *field = (char *)options + option_rows[i].offset;

		if (option_rows[i].type == OPTION_STRING)
			free(*(char **)field);
		else if (option_rows[i].type == OPTION_LIST)
			clear_list(field);
	}
	*options = (struct options){0};
}
