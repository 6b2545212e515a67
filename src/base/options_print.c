/*
 * The options as people and programs read them.
 */
#include <string.h>

#include "base/buf.h"
#include "base/options.h"
#include "base/options_table.h"
#include "base/units.h"

enum { WIDTH = 79, INDENT = 8 };

/* Print text in lines of at most WIDTH. */
static void
print_wrapped(FILE *out, const char *text)
{
	while (*text) {
		size_t len = strlen(text);

		if (len > WIDTH - INDENT)
			for (len = WIDTH - INDENT; len > 1 && text[len] != ' ';)
				len--;
		fprintf(out, "%*s%.*s\n", INDENT, "", (int)len, text);
		text += len + strspn(text + len, " ");
	}
}

static void
print_row(FILE *out, const struct option_row *row)
{
	struct buf text = BUF_EMPTY;

	fprintf(out, "  --%s%s%s\n", row->flag, *row->value ? " " : "", row->value);
	buf_adds(&text, row->help);
	if (!row->action && *row->initial) {
		buf_addf(&text, " Default: %s", row->initial);
		if (row->type == OPTION_DURATION || row->type == OPTION_SIZE || row->type == OPTION_COUNT)
			buf_addf(&text, ", from %s to %s", row->min, row->max);
		buf_adds(&text, ".");
	}
	print_wrapped(out, text.data);
	buf_free(&text);
}

void
options_print_help(FILE *out)
{
	fputs("Usage: pollgate [--OPTION VALUE]...\n\nServe real-time clients by plain HTTP.\n\n", out);
	fputs("Options, also read from the environment (--max-body from POLLGATE_MAX_BODY):\n", out);
	for (const struct option_row *row = option_rows; row->flag; row++)
		if (!row->action)
			print_row(out, row);
	fputs("\nInstead of serving:\n", out);
	for (const struct option_row *row = option_rows; row->flag; row++)
		if (row->action && row->help)
			print_row(out, row);
	fputs("\nTIME is a number with ms, s, m, h or d; SIZE one of bytes, or with K, M or G.\n", out);
}

void
options_print_list(FILE *out)
{
	static const char *const types[] = {
	    [OPTION_STRING] = "string",
	    [OPTION_LIST] = "list",
	    [OPTION_ENUM] = "enum",
	    [OPTION_BOOL] = "bool",
	    [OPTION_DURATION] = "duration",
	    [OPTION_SIZE] = "size",
	    [OPTION_COUNT] = "count",
	};

	for (const struct option_row *row = option_rows; row->flag; row++) {
		char buf[OPTION_VARIABLE_SIZE];
		const char *variable = row->action ? "" : option_variable(buf, row->flag);

		if (row->help)
			fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row->flag, variable, types[row->type],
			    row->action ? "" : row->initial, row->min, row->max, row->value, row->help);
	}
}

/* Print a URL without the password of its user part, which is taken to be one if it has no colon. */
static void
print_masked(FILE *out, const char *s)
{
	const char *user = strstr(s, "://"), *at = NULL, *colon;

	if (user) {
		user += 3;
		at = memrchr(user, '@', strlen(user));
	}
	if (!at) {
		fputs(s, out);
		return;
	}
	colon = memchr(user, ':', (size_t)(at - user));
	fprintf(out, "%.*s***%s", (int)((colon ? colon + 1 : user) - s), s, at);
}

static void
print_choice(FILE *out, const char *choices, int n)
{
	for (; n > 0; n--)
		choices = strchr(choices, '|') + 1;
	fprintf(out, "%.*s", (int)strcspn(choices, "|"), choices);
}

static void
print_list(FILE *out, const struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(out, "%s%s", i ? "," : "", list->items[i]);
}

static void
print_value(FILE *out, const struct option_row *row, const void *field)
{
	char text[UNITS_TEXT_SIZE];

	switch (row->type) {
	case OPTION_STRING:
		print_masked(out, *(char *const *)field);
		break;
	case OPTION_LIST:
		print_list(out, field);
		break;
	case OPTION_ENUM:
		print_choice(out, row->value, *(const OPTION_C_ENUM *)field);
		break;
	case OPTION_BOOL:
		fputs(*(const OPTION_C_BOOL *)field ? "yes" : "no", out);
		break;
	case OPTION_DURATION:
		fputs(units_format_duration(text, *(const OPTION_C_DURATION *)field), out);
		break;
	case OPTION_SIZE:
		fputs(units_format_size(text, (int64_t) * (const OPTION_C_SIZE *)field), out);
		break;
	case OPTION_COUNT:
		fprintf(out, "%u", *(const OPTION_C_COUNT *)field);
		break;
	}
}

void
options_print_config(const struct options *options, FILE *out)
{
	for (const struct option_row *row = option_rows; row->flag; row++) {
		if (row->action)
			continue;
		fprintf(out, "%s = ", row->flag);
		print_value(out, row, (const char *)options + row->offset);
		fputc('\n', out);
	}
}
