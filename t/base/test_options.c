#include "base/options.h"

#include <stdlib.h>

#include "base/log.h"
#include "../tap.h"

#define MAX_ARGUMENTS 16

/* Parse the words of a command line, parted by spaces.  The sentence is the caller's. */
static char *
parse(struct options *options, const char *line)
{
	static char copy[1000];
	char *argv[MAX_ARGUMENTS] = {NULL}, *rest = copy;
	static char program[] = "pollgate";
	int argc = 1;

	argv[0] = program;
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; argc < MAX_ARGUMENTS - 1 && (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = word;
	return options_parse(options, argc, argv);
}

static void
accept(struct options *options, const char *line)
{
	char *wrong = parse(options, line);

	if (wrong)
		ok(false, "%s is accepted: %s", line, wrong);
	free(wrong);
}

/* The line is refused with a sentence that has each of the words. */
static void
refuse(const char *line, const char *word1, const char *word2)
{
	struct options options;
	char *wrong = parse(&options, line);

	if (!ok(wrong && strstr(wrong, word1) && strstr(wrong, word2), "refused, naming %s and %s: %s", word1, word2, line))
		printf("#      got: %s\n", wrong ? wrong : "(accepted)");
	free(wrong);
	options_free(&options);
}

static void
test_defaults(void)
{
	struct options o;

	accept(&o, "");
	is_string(o.listen, ":8080", "the default of a string");
	is_string(o.redis, "", "a string without a default is empty");
	is_int(o.hold_ms, 25000, "of a time");
	is_int((int64_t)o.max_body, 1 << 20, "of a size");
	is_int(o.mailbox_max, 100, "of a number");
	is_int(o.log_level, LOG_LEVEL_INFO, "of a choice");
	ok(o.origins.count == 1 && strcmp(o.origins.items[0], "*") == 0, "of a list");
	ok(!o.help && !o.version && !o.check_config && !*o.probe, "without an action it serves");
	options_free(&o);
	options_free(&o);
	ok(true, "freeing twice does nothing");
}

static void
test_flags(void)
{
	struct options o;

	accept(&o, "--hold 5s --hold-max=10s --redis redis://h/1?a=b --max-message 2K --log-level debug --log-format=json");
	ok(o.hold_ms == 5000 && o.hold_max_ms == 10000, "a value follows its flag, or an equals sign");
	is_string(o.redis, "redis://h/1?a=b", "a value may have equals signs");
	is_int(o.log_level, LOG_LEVEL_DEBUG, "the levels are those of the log");
	is_int(o.log_format, OPTIONS_LOG_JSON, "the formats are these");
	options_free(&o);
	accept(&o, "--hold 5s --hold 6s");
	is_int(o.hold_ms, 6000, "of a flag given twice the last counts");
	options_free(&o);
	accept(&o, "--origin https://a.example --origin http://localhost:3000");
	ok(o.origins.count == 2 && strcmp(o.origins.items[1], "http://localhost:3000") == 0,
	    "a list takes each, and not its default");
	options_free(&o);
	accept(&o, "--redis=");
	is_string(o.redis, "", "a value may be empty where that means something");
	options_free(&o);
	accept(&o, "--probe http://localhost/ready");
	is_string(o.probe, "http://localhost/ready", "an action may have a value");
	options_free(&o);
	accept(&o, "--check-config --hold 5s");
	ok(o.check_config && o.hold_ms == 5000, "an action has none of the words behind it");
	options_free(&o);
	accept(&o, "--hold nonsense --nonsense --help");
	ok(o.help, "--help is shown whatever else is there");
	options_free(&o);
}

static void
test_limits(void)
{
	refuse("--hold 3m", "--hold ", "from 1s to 2m");
	refuse("--hold 999ms", "--hold ", "from 1s to 2m");
	refuse("--hold 25", "--hold ", "ms, s, m, h or d");
	refuse("--room-ttl 59s", "--room-ttl ", "from 1m");
	refuse("--max-body 1T", "--max-body ", "K, M or G");
	refuse("--mailbox-max 0", "--mailbox-max ", "from 1 to");
	refuse("--max-sessions many", "--max-sessions ", "a number");
	refuse("--log-level loud", "--log-level ", "error|warning|info|debug");
	refuse("--log-level inf", "--log-level ", "error|warning|info|debug");
	refuse("--log-level error|warning", "--log-level ", "error|warning|info|debug");
	refuse("--check-config=yes", "--check-config ", "no value");
	refuse("--prefix=", "--prefix ", "1 to 64 bytes");
	refuse("--redis redis://a\tb", "--redis ", "control characters");
	refuse("--hold", "--hold ", "needs a value: TIME");
	refuse("--holdd 5s", "--holdd", "--help");
	refuse("--hol=5s", "no option --hol;", "--help");
	refuse("-h", "-h", "--help");
	refuse("serve", "serve", "--help");
	refuse("--", "no option --;", "--help");
}

static void
test_looks(void)
{
	static const char *const good[] = {"127.0.0.1:80", "[::1]:8080", ":0", "localhost:65535", NULL};
	struct options o;

	for (size_t i = 0; good[i]; i++) {
		char line[100];
		char *wrong;

		snprintf(line, sizeof(line), "--listen %s", good[i]);
		wrong = parse(&o, line);
		ok(!wrong, "%s is an address", good[i]);
		free(wrong);
		options_free(&o);
	}
	refuse("--listen 8080", "--listen ", "HOST:PORT");
	refuse("--listen ::1:8080", "--listen ", "[IPV6]:PORT");
	refuse("--listen []:8080", "--listen ", "[IPV6]:PORT");
	refuse("--listen [::1]8080", "--listen ", "[IPV6]:PORT");
	refuse("--listen h:65536", "--listen ", "PORT");
	refuse("--listen h:", "--listen ", "PORT");
	refuse("--prefix {a}", "--prefix ", "braces");
	refuse("--origin https://a.example/", "--origin ", "without a path");
	refuse("--origin a.example", "--origin ", "SCHEME://");
	refuse("--origin https://*.example", "--origin ", "SCHEME://");
	refuse("--origin https://a.example --origin *", "--origin ", "alone");
	refuse("--www /nowhere/at/all", "--www ", "/nowhere/at/all");
}

static void
test_together(void)
{
	refuse("--hold 30s", "--hold ", "--hold-max");
	refuse("--session-ttl 1m", "--session-ttl ", "--away-after");
	refuse("--session-ttl 30s", "--session-ttl ", "--away-after");
	refuse("--max-message 2M", "--max-message ", "--max-body");
	refuse("--max-body 2K --max-message 1K", "--max-data ", "--max-body");
	refuse("--rooms-per-session 1000", "--max-headers ", "--rooms-per-session");
}

static void
test_environment(void)
{
	struct options o;

	setenv("POLLGATE_HOLD", "7s", 1);
	setenv("POLLGATE_ORIGIN", "https://a.example,https://b.example", 1);
	setenv("POLLGATE_REDIS", "", 1);
	setenv("POLLGATE_HELP", "yes", 1);
	accept(&o, "");
	is_int(o.hold_ms, 7000, "the environment sets an option");
	ok(o.origins.count == 2 && strcmp(o.origins.items[1], "https://b.example") == 0, "a list has commas there");
	ok(!o.help, "actions are not for the environment");
	options_free(&o);
	accept(&o, "--hold 8s --origin *");
	is_int(o.hold_ms, 8000, "a flag wins over the environment");
	is_int((int64_t)o.origins.count, 1, "so does a list of flags");
	options_free(&o);
	setenv("POLLGATE_PREFIX", "", 1);
	accept(&o, "");
	is_string(o.prefix, "poll", "an empty variable is as none");
	options_free(&o);
	setenv("POLLGATE_HOLD", "long", 1);
	refuse("", "--hold ", "POLLGATE_HOLD");
	accept(&o, "--hold 8s");
	is_int(o.hold_ms, 8000, "what a flag replaces is not looked at");
	options_free(&o);
	unsetenv("POLLGATE_HOLD");
	setenv("POLLGATE_ORIGIN", "https://a.example,", 1);
	refuse("", "--origin ", "POLLGATE_ORIGIN");
	unsetenv("POLLGATE_ORIGIN");
}

static void
test_port(void)
{
	struct options o;

	setenv("PORT", "9000", 1);
	accept(&o, "");
	is_string(o.listen, ":9000", "PORT replaces the default port");
	options_free(&o);
	accept(&o, "--listen localhost:1");
	is_string(o.listen, "localhost:1", "a flag wins over PORT");
	options_free(&o);
	setenv("POLLGATE_LISTEN", ":2", 1);
	accept(&o, "");
	is_string(o.listen, ":2", "so does POLLGATE_LISTEN");
	options_free(&o);
	unsetenv("POLLGATE_LISTEN");
	setenv("PORT", "http", 1);
	refuse("", "--listen ", "PORT");
	setenv("PORT", "65536", 1);
	refuse("", "--listen ", "PORT");
	setenv("PORT", "", 1);
	accept(&o, "");
	is_string(o.listen, ":8080", "an empty PORT is as none");
	options_free(&o);
	unsetenv("PORT");
}

static void
is_masked(const char *url, const char *wanted)
{
	struct options o;
	char line[200], *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	snprintf(line, sizeof(line), "--redis %s", url);
	accept(&o, line);
	options_print_config(&o, out);
	fclose(out);
	snprintf(line, sizeof(line), "\nredis = %s\n", wanted);
	ok(strstr(text, line), "%s is shown as %s", url, wanted);
	free(text);
	options_free(&o);
}

static void
test_config(void)
{
	is_masked("redis://host:6379/0", "redis://host:6379/0");
	is_masked("redis://user:secret@host", "redis://user:***@host");
	is_masked("redis://:secret@host", "redis://:***@host");
	is_masked("redis://secret@host", "redis://***@host");
	is_masked("redis://user:se:cr@et@host", "redis://user:***@host");
}

int
main(void)
{
	clearenv();
	test_defaults();
	test_flags();
	test_limits();
	test_looks();
	test_together();
	test_environment();
	test_port();
	test_config();
	return done();
}
