#include "pollcat/options.h"

#include <getopt.h>
#include <string.h>

#include "base/name.h"
#include "base/units.h"
#include "base/utf8.h"
#include "codec/jspan.h"
#include "pollcat/report.h"

static const char help_text[] =
    "Usage: pollcat URL [--room NAME] [--to ID] [OPTION]...\n"
    "       pollcat --check URL\n"
    "\n"
    "Lines of standard input become messages, messages become lines of standard output.\n"
    "\n"
    "  --room NAME        be in this room: its messages are received, lines go to it\n"
    "  --to ID            lines go to the session with this id\n"
    "  --transport NAME   how to receive: poll, sse or ws (poll)\n"
    "  --event NAME       the event of what is sent (message)\n"
    "  --data JSON        the session's public data\n"
    "  --history NUMBER   begin with so many of the room's last messages\n"
    "  --json             write messages as JSON documents, not only their data\n"
    "  --json-in          lines are JSON, not text\n"
    "  --presence         also write who joins, leaves, is away, is back\n"
    "  --id               first write the own id\n"
    "  --send-only        do not receive, nor join\n"
    "  --receive-only     do not read standard input\n"
    "  --count NUMBER     end after so many received messages\n"
    "  --timeout TIME     end after this time\n"
    "  --max-line SIZE    refuse longer lines (1M)\n"
    "  --strict           end with status 5 when messages may have been lost\n"
    "  --token-file FILE  keep the session for the next pollcat with this file\n"
    "  --check            test a gateway: open a session, send to it, receive\n"
    "\n"
    GATEWAY_HELP
    "\n"
    "Status: 0 done, 1 failed, 2 usage, 3 time is over, 4 lines were refused, 5 loss (--strict).\n";

enum {
	O_ROOM = GATEWAY_OPTIONS_END, O_TO, O_TRANSPORT, O_EVENT, O_DATA, O_HISTORY, O_JSON, O_JSON_IN, O_PRESENCE, O_ID, O_SEND_ONLY, O_RECEIVE_ONLY, O_COUNT,
	O_TIMEOUT, O_MAX_LINE, O_STRICT, O_TOKEN_FILE, O_CHECK
};

static const struct option long_options[] = {
    {"room", required_argument, NULL, O_ROOM},
    {"to", required_argument, NULL, O_TO},
    {"transport", required_argument, NULL, O_TRANSPORT},
    {"event", required_argument, NULL, O_EVENT},
    {"data", required_argument, NULL, O_DATA},
    {"history", required_argument, NULL, O_HISTORY},
    {"json", no_argument, NULL, O_JSON},
    {"json-in", no_argument, NULL, O_JSON_IN},
    {"presence", no_argument, NULL, O_PRESENCE},
    {"id", no_argument, NULL, O_ID},
    {"send-only", no_argument, NULL, O_SEND_ONLY},
    {"receive-only", no_argument, NULL, O_RECEIVE_ONLY},
    {"count", required_argument, NULL, O_COUNT},
    {"timeout", required_argument, NULL, O_TIMEOUT},
    {"max-line", required_argument, NULL, O_MAX_LINE},
    {"strict", no_argument, NULL, O_STRICT},
    {"token-file", required_argument, NULL, O_TOKEN_FILE},
    {"check", no_argument, NULL, O_CHECK},
    GATEWAY_LONG_OPTIONS,
};

static bool
is_json(const char *text)
{
	struct jspan value;

	return jspan_check(&value, text, strlen(text));
}

static bool
is_text(const char *s)
{
	return *s && utf8_check(s, strlen(s));
}

static bool
take_number(int64_t *n, bool (*parse)(int64_t *, const char *), const char *s, int64_t min, int64_t max)
{
	return parse(n, s) && *n >= min && *n <= max;
}

static bool
parse_transport(struct cat_options *o, const char *name)
{
	static const char *const names[] = {[TRANSPORT_POLL] = "poll", [TRANSPORT_SSE] = "sse", [TRANSPORT_WS] = "ws"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		o->transport = (enum transport)i;
		return true;
	}
	return false;
}

/* NULL, or what the option takes. */
static const char *
take_value(struct cat_options *o, int option, char *value)
{
	struct name id;
	int64_t n = 0;

	switch (option) {
	case O_ROOM:
		o->room = value;
		return is_text(value) ? NULL : "--room takes a name in UTF-8";
	case O_TO:
		o->to = value;
		return name_parse(&id, value, strlen(value)) ? NULL : "--to takes an id: 22 characters of base64url";
	case O_TRANSPORT:
		return parse_transport(o, value) ? NULL : "--transport takes poll, sse or ws";
	case O_EVENT:
		o->event = value;
		return is_text(value) && *value != '$' ? NULL : "--event takes a name in UTF-8 that does not begin with $";
	case O_DATA:
		o->data = value;
		return is_json(value) ? NULL : "--data takes JSON";
	case O_HISTORY:
		if (!take_number(&n, units_parse_count, value, 0, 100000))
			return "--history takes a number from 0 to 100000";
		o->history = (uint32_t)n;
		return NULL;
	case O_COUNT:
		if (!take_number(&n, units_parse_count, value, 1, INT64_MAX))
			return "--count takes a number from 1 on";
		o->count = (uint64_t)n;
		return NULL;
	case O_TIMEOUT:
		return take_number(&o->timeout_ms, units_parse_duration, value, 1, INT64_MAX / 2) ? NULL :
		    "--timeout takes a number with ms, s, m, h or d";
	case O_MAX_LINE:
		return take_number(&o->max_line, units_parse_size, value, 1, 64 << 20) ? NULL :
		    "--max-line takes a number of bytes, or one with K or M, up to 64M";
	case O_TOKEN_FILE:
		o->token_file = value;
		return NULL;
	default:
		return gateway_take_option(&o->gateway, option, value);
	}
}

static bool *
find_switch(struct cat_options *o, int option)
{
	switch (option) {
	case O_JSON:
		return &o->json;
	case O_JSON_IN:
		return &o->json_in;
	case O_PRESENCE:
		return &o->presence;
	case O_ID:
		return &o->id;
	case O_SEND_ONLY:
		return &o->send_only;
	case O_RECEIVE_ONLY:
		return &o->receive_only;
	case O_STRICT:
		return &o->strict;
	case O_CHECK:
		return &o->check;
	default:
		return NULL;
	}
}

static const char *
check_together(const struct cat_options *o)
{
	if (o->send_only && !o->room && !o->to)
		return "--send-only needs --room or --to";
	if (o->send_only && (o->receive_only || o->count || o->history || o->presence))
		return "--send-only excludes --receive-only, --count, --history and --presence";
	if (o->history && !o->room)
		return "--history needs --room";
	return NULL;
}

bool
cat_options_inform(const struct cat_options *o)
{
	return gateway_inform(&o->gateway, help_text);
}

bool
cat_options_parse(struct cat_options *o, int argc, char **argv)
{
	const char *wrong = NULL;
	int option;

	*o = (struct cat_options){.gateway = GATEWAY_INIT("pollcat"), .event = "message", .max_line = 1 << 20};
	while (!wrong && (option = getopt_long(argc, argv, GATEWAY_SHORT_OPTIONS, long_options, NULL)) != -1) {
		bool *on = find_switch(o, option);

		if (option == '?')
			return false;
		if (on)
			*on = true;
		else
			wrong = take_value(o, option, optarg);
	}
	if (o->gateway.help || o->gateway.version)
		return true;
	if (!wrong && optind != argc - 1)
		wrong = "one URL is needed; see pollcat --help";
	if (!wrong)
		wrong = gateway_take_url(&o->gateway, argv[optind]);
	if (!wrong)
		wrong = check_together(o);
	if (wrong)
		report("%s", wrong);
	return !wrong;
}

void
cat_options_free(struct cat_options *o)
{
	gateway_free(&o->gateway);
}
