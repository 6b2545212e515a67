#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "../tap.h"

static int reader = -1;

/* Send the log to a pipe that take_lines reads. */
static void
catch_stderr(void)
{
	int fds[2];

	if (pipe2(fds, O_NONBLOCK) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		exit(1);
	close(fds[1]);
	reader = fds[0];
}

/* What was logged since the last call. */
static const char *
take_lines(void)
{
	static char lines[65536];
	ssize_t len = read(reader, lines, sizeof(lines) - 1);

	lines[len > 0 ? len : 0] = '\0';
	return lines;
}

static void
test_levels(void)
{
	log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
	log_info("quiet");
	is_string(take_lines(), "", "what matters less than the level is not logged");
	ok(log_enabled(LOG_LEVEL_ERROR) && log_enabled(LOG_LEVEL_WARNING), "one can ask whether a line would be logged");
	ok(!log_enabled(LOG_LEVEL_INFO), "and that it would not");
	log_warning("loud");
	ok(strstr(take_lines(), "loud"), "what matters as much is");
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_debug("all");
	ok(strstr(take_lines(), "DEBUG all"), "debug logs everything");
}

static void
test_text(void)
{
	const char *line;

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_error("cannot bind %s: %d", "[::]:80", 13);
	line = take_lines();
	ok(strlen(line) > 13 && line[2] == ':' && line[5] == ':' && line[8] == '.' && line[12] == ' ',
	    "a text line begins with the time");
	is_string(line + 13, "ERROR cannot bind [::]:80: 13\n", "then severity and message");
	log_info("a\nb\x1b[31m\x7f");
	is_string(take_lines() + 13, "INFO a\\u000ab\\u001b[31m\\u007f\n",
	    "nothing from outside ends the line or steers the terminal");
	log_info("\xC2\x9B" "31m caf\xC3\xA9");
	is_string(take_lines() + 13, "INFO \\u009b31m caf\xC3\xA9\n", "not by a C1 control either; other UTF-8 stays");
}

/* The line that logging message makes as JSON; the caller's. */
static json_t *
log_json(const char *message)
{
	const char *line;

	log_info("%s", message);
	line = take_lines();
	if (strchr(line, '\n') != line + strlen(line) - 1)
		return NULL;
	return json_loads(line, JSON_REJECT_DUPLICATES, NULL);
}

static void
is_logged(const char *message, const char *wanted, const char *what)
{
	json_t *line = log_json(message);

	is_string(json_string_value(json_object_get(line, "message")), wanted, what);
	json_decref(line);
}

static void
test_json(void)
{
	json_t *line;
	const char *time;

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	line = log_json("started");
	time = json_string_value(json_object_get(line, "time"));
	is_string(json_string_value(json_object_get(line, "severity")), "INFO", "a JSON line has a severity");
	ok(time && strlen(time) == 24 && time[10] == 'T' && time[23] == 'Z', "and the time by RFC 3339 in UTC");
	json_decref(line);
	is_logged("a \"b\" \\ c", "a \"b\" \\ c", "quotes and backslashes are escaped");
	is_logged("\x01\n\r\t\x1f\x7f", "\x01\n\r\t\x1f\x7f", "control characters are escaped");
	is_logged("\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80", "UTF-8 stays");
	is_logged("x\xFFy", "x\xEF\xBF\xBDy", "what is not UTF-8 is replaced");
	is_logged("\xC3", "\xEF\xBF\xBD", "so is a character that is cut");
	is_logged("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD", "so is an overlong one");
	is_logged("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", "so is a surrogate");
	is_logged("\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", "so is what is above U+10FFFF");
	is_logged("", "", "an empty message is a line too");
}

static void
test_long(void)
{
	char message[30001];
	json_t *line;

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	line = log_json(message);
	is_int((int64_t)json_string_length(json_object_get(line, "message")), 30000, "a long message is whole");
	json_decref(line);
}

int
main(void)
{
	catch_stderr();
	test_levels();
	test_text();
	test_json();
	test_long();
	return done();
}
