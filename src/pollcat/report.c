#include "pollcat/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static bool verbose;

void
report_verbose(bool on)
{
	verbose = on;
}

void
report_tame(char *text, size_t len, const char *allowed)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 || text[i] == 0x7f) && (text[i] == '\0' || !strchr(allowed, text[i])))
			text[i] = '?';
}

static void
say(const char *format, va_list ap)
{
	struct buf line = BUF_EMPTY;

	buf_addv(&line, format, ap);
	report_tame(line.data, line.len, "");
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, line.data);
	buf_free(&line);
}

void
report(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

void
report_detail(const char *format, ...)
{
	va_list ap;

	if (!verbose)
		return;
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}
