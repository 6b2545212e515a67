#include "pollcat/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
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
    "  --give-up TIME     end when the gateway is not reached for so long (30s)\n"
    "  --max-line SIZE    refuse longer lines (1M)\n"
    "  --strict           end with status 5 when messages may have been lost\n"
    "  --token-file FILE  keep the session for the next pollcat with this file\n"
    "  --check            test a gateway: open a session, send to it, receive\n"
    "  -H, --header LINE  add this header to each request\n"
    "  --cacert FILE      trust the certificate authorities in this file\n"
    "  -k, --insecure     do not verify the certificate\n"
    "  -v, --verbose      tell what is done on standard error\n"
    "  -h, --help         show this\n"
    "  -V, --version      show the version\n"
    "\n"
    "Status: 0 done, 1 failed, 2 usage, 3 time is over, 4 lines were refused, 5 loss (--strict).\n";

enum {
	O_ROOM = 256, O_TO, O_TRANSPORT, O_EVENT, O_DATA, O_HISTORY, O_JSON, O_JSON_IN, O_PRESENCE, O_ID, O_SEND_ONLY, O_RECEIVE_ONLY, O_COUNT,
	O_TIMEOUT, O_GIVE_UP, O_MAX_LINE, O_STRICT, O_TOKEN_FILE, O_CHECK, O_CACERT
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
    {"give-up", required_argument, NULL, O_GIVE_UP},
    {"max-line", required_argument, NULL, O_MAX_LINE},
    {"strict", no_argument, NULL, O_STRICT},
    {"token-file", required_argument, NULL, O_TOKEN_FILE},
    {"check", no_argument, NULL, O_CHECK},
    {"cacert", required_argument, NULL, O_CACERT},
    {"header", required_argument, NULL, 'H'},
    {"insecure", no_argument, NULL, 'k'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

void
cat_options_help(void)
{
	fputs(help_text, stdout);
}

static bool
is_json(const char *text)
{
	struct jspan value;

	return jspan_check(&value, text, strlen(text));
}

/* Whether it may stand in a JSON string: valid UTF-8, and not empty. */
static bool
is_text(const char *s)
{
	struct buf quoted = BUF_EMPTY;
	bool good;

	jspan_quote(&quoted, s, strlen(s));
	good = *s && is_json(quoted.data);
	buf_free(&quoted);
	return good;
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
	case O_GIVE_UP:
		return take_number(&o->give_up_ms, units_parse_duration, value, 0, INT64_MAX / 2) ? NULL :
		    "--give-up takes 0 or a number with ms, s, m, h or d";
	case O_MAX_LINE:
		return take_number(&o->max_line, units_parse_size, value, 1, 64 << 20) ? NULL :
		    "--max-line takes a number of bytes, or one with K or M, up to 64M";
	case O_TOKEN_FILE:
		o->token_file = value;
		return NULL;
	case O_CACERT:
		o->cacert = value;
		return NULL;
	default: /* 'H' */
		if (!strchr(value, ':') || strpbrk(value, "\r\n"))
			return "--header takes a line such as \"Name: value\"";
		o->headers = mem_resize(o->headers, o->headers_count + 1, sizeof *o->headers);
		o->headers[o->headers_count++] = value;
		return NULL;
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
	case 'k':
		return &o->insecure;
	case 'v':
		return &o->verbose;
	case 'h':
		return &o->help;
	case 'V':
		return &o->version;
	default:
		return NULL;
	}
}

/* NULL, or what is wrong with the URL. */
static const char *
take_url(struct cat_options *o, const char *text)
{
	struct buf url = BUF_EMPTY;

	if (!strstr(text, "://"))
		buf_adds(&url, "http://");
	buf_adds(&url, text);
	while (url.len > 0 && url.data[url.len - 1] == '/')
		url.data[--url.len] = '\0';
	o->url = url.data;
	if (strncmp(o->url, "http://", 7) != 0 && strncmp(o->url, "https://", 8) != 0)
		return "the URL must begin with http:// or https://";
	return strpbrk(o->url, "?# ") ? "the URL must be the gateway's, without a query" : NULL;
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
cat_options_parse(struct cat_options *o, int argc, char **argv)
{
	const char *wrong = NULL;
	int option;

	*o = (struct cat_options){.event = "message", .give_up_ms = 30000, .max_line = 1 << 20};
	while (!wrong && (option = getopt_long(argc, argv, "H:kvhV", long_options, NULL)) != -1) {
		bool *on = find_switch(o, option);

		if (option == '?')
			return false;
		if (on)
			*on = true;
		else
			wrong = take_value(o, option, optarg);
	}
	if (o->help || o->version)
		return true;
	if (!wrong && optind != argc - 1)
		wrong = "one URL is needed; see pollcat --help";
	if (!wrong)
		wrong = take_url(o, argv[optind]);
	if (!wrong)
		wrong = check_together(o);
	if (wrong)
		report("%s", wrong);
	return !wrong;
}

void
cat_options_free(struct cat_options *o)
{
	free(o->url);
	free(o->headers);
}
