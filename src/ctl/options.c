#include "ctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/units.h"
#include "base/utf8.h"
#include "pollcat/report.h"

#define ARGUMENT 1 /* Of getopt_long, when its short options begin with a hyphen. */

static const char help_text[] =
    "Usage: pollgatectl [OPTION]... VERB [ARGUMENT]...\n"
    "\n"
    "Ask the API of a pollgate, as an application's backend does.\n"
    "\n"
    "  publish ROOM EVENT [DATA]  send a message to a room\n"
    "  send ID EVENT [DATA]       send a message to a session\n"
    "  notify USER EVENT [DATA]   send a message to all sessions of a user\n"
    "  append ROOM EVENT [DATA]   add a message to a room's history\n"
    "  history ROOM               read a room's history\n"
    "  members ROOM               tell who is in a room\n"
    "  session ID                 look at a session\n"
    "  user USER                  list the sessions of a user\n"
    "  rooms                      list all rooms\n"
    "  sessions                   list all sessions\n"
    "  join ID ROOM               make a session enter a room\n"
    "  leave ID ROOM              make a session leave a room\n"
    "  set ID DATA                set a session's public data\n"
    "  disconnect ID...           end sessions\n"
    "  letters                    list events that the application never answered\n"
    "  replay ID                  let the application be asked about one again\n"
    "  forget ID                  forget one\n"
    "  ops                        do what the JSON document on standard input says\n"
    "\n"
    "DATA is JSON; - is standard input.\n"
    "\n"
    "  --url URL              of the gateway (POLLGATECTL_URL, or http://localhost:8080)\n"
    "  --key-file FILE        has the key in its first line (POLLGATECTL_KEY_FILE)\n"
    "  --text                 DATA is text, not JSON\n"
    "  --count NUMBER         so many messages of a history, or members\n"
    "  --before ID            the messages of a history before this one\n"
    "  --idempotency-key KEY  do it once, however often it is asked for with this key\n"
    "\n"
    GATEWAY_HELP
    "\n"
    "Status: 0 done, 1 failed, 2 usage, 4 refused.\n";

enum { O_URL = GATEWAY_OPTIONS_END, O_KEY_FILE, O_TEXT, O_COUNT, O_BEFORE, O_IDEMPOTENCY_KEY };

static const struct option long_options[] = {
    {"url", required_argument, NULL, O_URL},
    {"key-file", required_argument, NULL, O_KEY_FILE},
    {"text", no_argument, NULL, O_TEXT},
    {"count", required_argument, NULL, O_COUNT},
    {"before", required_argument, NULL, O_BEFORE},
    {"idempotency-key", required_argument, NULL, O_IDEMPOTENCY_KEY},
    GATEWAY_LONG_OPTIONS,
};

/* As a string of RFC 8941 without escapes. */
static bool
is_idempotency_key(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			return false;
	return *s != '\0';
}

/* NULL, or what the option takes. */
static const char *
take_option(struct ctl_options *o, int option, char *value)
{
	struct entry_id id;
	int64_t n;

	switch (option) {
	case O_URL:
		return gateway_take_url(&o->gateway, value);
	case O_KEY_FILE:
		o->key_file = value;
		return NULL;
	case O_TEXT:
		o->text = true;
		return NULL;
	case O_COUNT:
		o->count = value;
		return units_parse_count(&n, value) ? NULL : "--count takes a number";
	case O_BEFORE:
		o->before = value;
		return entry_id_parse(&id, value, strlen(value)) ? NULL : "--before takes the id of a message";
	case O_IDEMPOTENCY_KEY:
		o->idempotency_key = value;
		return is_idempotency_key(value) ? NULL : "--idempotency-key takes printable characters of ASCII, without \" and \\";
	default:
		return gateway_take_option(&o->gateway, option, value);
	}
}

/* What no option said; NULL, or what is wrong with it. */
static const char *
take_environment(struct ctl_options *o)
{
	const char *url = getenv("POLLGATECTL_URL"), *key_file = getenv("POLLGATECTL_KEY_FILE");

	if (!o->key_file && key_file && *key_file)
		o->key_file = key_file;
	if (o->gateway.url)
		return NULL;
	return gateway_take_url(&o->gateway, url && *url ? url : "http://localhost:8080");
}

static const char *
take_arguments(struct ctl_options *o, int argc, char **argv)
{
	if (argc == 0)
		return "a verb is needed; see pollgatectl --help";
	o->verb = argv[0];
	o->args = argv + 1;
	o->args_count = argc - 1;
	for (int i = 0; i < o->args_count; i++) {
		if (!utf8_check(o->args[i], strlen(o->args[i])))
			return "arguments must be UTF-8";
	}
	return o->key_file ? NULL : "a key is needed: --key-file or POLLGATECTL_KEY_FILE";
}

bool
ctl_options_inform(const struct ctl_options *o)
{
	return gateway_inform(&o->gateway, help_text);
}

/* As getopt_long, but that arguments come one by one, as ARGUMENT, and an id of a session is one though it may begin with a hyphen. */
static int
next_option(int argc, char **argv)
{
	struct name id;

	if (optind < argc && name_parse(&id, argv[optind], strlen(argv[optind]))) {
		optarg = argv[optind++];
		return ARGUMENT;
	}
	return getopt_long(argc, argv, "-" GATEWAY_SHORT_OPTIONS, long_options, NULL);
}

bool
ctl_options_parse(struct ctl_options *o, int argc, char **argv)
{
	const char *wrong = NULL;
	int option, arguments = 0; /* Moved to the front, over what was read. */

	*o = (struct ctl_options){.gateway = GATEWAY_INIT("pollgatectl")};
	while (!wrong && (option = next_option(argc, argv)) != -1) {
		if (option == '?')
			return false;
		if (option == ARGUMENT)
			argv[++arguments] = optarg;
		else
			wrong = take_option(o, option, optarg);
	}
	while (optind < argc)
		argv[++arguments] = argv[optind++];
	if (o->gateway.help || o->gateway.version)
		return true;
	if (!wrong)
		wrong = take_environment(o);
	if (!wrong)
		wrong = take_arguments(o, arguments, argv + 1);
	if (wrong)
		report("%s", wrong);
	return !wrong;
}

void
ctl_options_free(struct ctl_options *o)
{
	gateway_free(&o->gateway);
}
