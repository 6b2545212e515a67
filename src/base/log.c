#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_format log_format = LOG_FORMAT_TEXT;
static const char *const severities[] = {"ERROR", "WARNING", "INFO", "DEBUG"};

void
log_setup(enum log_level level, enum log_format format)
{
	max_level = level;
	log_format = format;
}

bool
log_enabled(enum log_level level)
{
	return level <= max_level;
}

/*
 * Append text such that it stays one line and cannot steer a terminal or break a JSON string; what is not UTF-8 becomes
 * U+FFFD.  C1 controls (U+0080-009F) are escaped as the others are.
 */
static void
add_escaped(struct buf *b, const struct buf *text, bool json)
{
	const unsigned char *s = (const unsigned char *)text->data, *end = s + text->len;

	while (s < end) {
		size_t len;

		if (*s < 0x20 || *s == 0x7F) {
			buf_addf(b, "\\u%04x", *s++);
		} else if (*s < 0x80) {
			if (json && (*s == '"' || *s == '\\'))
				buf_adds(b, "\\");
			buf_add(b, s++, 1);
		} else if ((len = utf8_length(s, (size_t)(end - s))) == 0) {
			buf_adds(b, "\xEF\xBF\xBD");
			s++;
		} else if (*s == 0xC2 && s[1] < 0xA0) {
			buf_addf(b, "\\u%04x", s[1]);
			s += len;
		} else {
			buf_add(b, s, len);
			s += len;
		}
	}
}

static void
add_text_line(struct buf *line, enum log_level level, const struct buf *message)
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &tm));
	buf_addf(line, "%s.%03d %s ", clock, (int)(now % 1000), severities[level]);
	add_escaped(line, message, false);
	buf_adds(line, "\n");
}

static void
add_json_line(struct buf *line, enum log_level level, const struct buf *message)
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char date[32];

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	buf_addf(line, "{\"severity\":\"%s\",\"message\":\"", severities[level]);
	add_escaped(line, message, true);
	buf_addf(line, "\",\"time\":\"%s.%03dZ\"}\n", date, (int)(now % 1000));
}

/* One write for each line, so that lines of several processes do not mix.  Where nobody reads, lines are lost. */
void
log_write(enum log_level level, const char *format, ...)
{
	struct buf message = BUF_EMPTY, line = BUF_EMPTY;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, format);
	buf_addv(&message, format, ap);
	va_end(ap);
	if (log_format == LOG_FORMAT_JSON)
		add_json_line(&line, level, &message);
	else
		add_text_line(&line, level, &message);
	if (write(STDERR_FILENO, line.data, line.len) < 0) {
		/* There is nowhere to say so. */
	}
	buf_free(&message);
	buf_free(&line);
}
