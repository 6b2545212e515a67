/*
 * pollbench: drives clients over any list of base URLs and measures what that costs.  README.md says how to use it; `run` starts
 * servers of its own and runs all of it.
 */
#include <event2/event.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "conn.h"
#include "report.h"
#include "scenario.h"
#include "usage.h"
#include "util.h"

/* As Chromium sends them to a page's own origin, with one cookie: 700 bytes. */
static const char browser_headers[] =
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Google Chrome\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Windows\"\r\n"
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: */*\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Referer: https://app.example.com/rooms/weekly-planning\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7\r\n"
    "Cookie: _ga=GA1.1.1234567890.1700000000; session=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    "dozjgNryP4J3jVmNHl0w5N\r\n";

struct options {
	const struct peer *peer;
	struct scenario_options scenario;
	int pids[MAX_PROCESSES];
	int pids_count;
	char redis_address[16];
	int redis_port;
	bool bare, json;
};

struct option_help {
	struct option option;
	const char *argument, *help;
};

static const struct option_help table[] = {
	{{"peer", required_argument, NULL, 'p'}, "NAME", "what is under test: pollgate (by polling), pollgate-sse, pollgate-ws, pollgate-hook (through hookbench), nchan, socketio, "
	    "socketio-sticky, socketio-ws (pollgate)"},
	{{"gateway", required_argument, NULL, 'g'}, "PID", "a process whose CPU and memory count as the gateway's; repeatable"},
	{{"redis", required_argument, NULL, 'r'}, "ADDRESS:PORT", "the Redis that they use, on this machine"},
	{{"bare", no_argument, NULL, 'b'}, NULL, "rate: measure bare round trips on that Redis in between"},
	{{"clients", required_argument, NULL, 'c'}, "N", "clients that poll (or are pushed to), or are parked beside pairs (0)"},
	{{"pairs", required_argument, NULL, 'P'}, "N", "pairs of a sender and a receiver (100)"},
	{{"window", required_argument, NULL, 'n'}, "N", "pairs: messages of each that may be under way (1)"},
	{{"rate", required_argument, NULL, 'R'}, "N", "messages a second (500)"},
	{{"members", required_argument, NULL, 'm'}, "N", "pollers in the room (1000)"},
	{{"wakes", required_argument, NULL, 'w'}, "N", "messages to the room (10)"},
	{{"warmup", required_argument, NULL, 'W'}, "MS", "before measuring (500)"},
	{{"measure", required_argument, NULL, 'M'}, "MS", "measure so long; park: read memory after so long (2000)"},
	{{"hold", required_argument, NULL, 'h'}, "MS", "how long a poll waits; nchan's configuration says how long, but for 0 (29000)"},
	{{"payload", required_argument, NULL, 'l'}, "BYTES", "of each message (200)"},
	{{"small-headers", no_argument, NULL, 's'}, NULL, "send no headers as browsers do"},
	{{"no-seq", no_argument, NULL, 'q'}, NULL, "pollgate: send without a sequence number"},
	{{"seed", required_argument, NULL, 'S'}, "N", "of the random choices (1)"},
	{{"json", no_argument, NULL, 'j'}, NULL, "print one line of JSON instead of a table"},
	{{"help", no_argument, NULL, 'H'}, NULL, "print this"},
};
#define OPTIONS (sizeof(table) / sizeof(*table))

static void
usage(FILE *out)
{
	fprintf(out, "usage: pollbench [options] SCENARIO URL...\n\nscenarios:\n");
	for (const struct scenario *s = scenarios; s->name; s++)
		fprintf(out, "  %-8s %s\n", s->name, s->summary);
	fprintf(out, "\noptions:\n");
	for (size_t i = 0; i < OPTIONS; i++)
		fprintf(out, "  --%s%s%s\n        %s\n", table[i].option.name, table[i].argument ? " " : "",
		    table[i].argument ? table[i].argument : "", table[i].help);
}

static uint32_t
number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value > 1000000000)
		die("not a number: %s", text);
	return (uint32_t)value;
}

static void
set_peer(struct options *o, const char *name)
{
	for (const struct peer *const *peer = peers; *peer; peer++)
		if (strcmp(name, (*peer)->name) == 0) {
			o->peer = *peer;
			return;
		}
	die("no such peer: %s", name);
}

static void
set_option(struct options *o, int letter, const char *value)
{
	struct scenario_options *s = &o->scenario;

	switch (letter) {
	case 'p': set_peer(o, value); break;
	case 'g':
		if (o->pids_count == MAX_PROCESSES)
			die("too many processes");
		o->pids[o->pids_count++] = (int)number(value);
		break;
	case 'r':
		if (sscanf(value, "%15[0-9.]:%d", o->redis_address, &o->redis_port) != 2)
			die("not an address: %s", value);
		break;
	case 'b': o->bare = true; break;
	case 'c': s->clients = number(value); break;
	case 'P': s->pairs = number(value); break;
	case 'n': s->window = number(value); break;
	case 'R': s->rate = number(value); break;
	case 'm': s->members = number(value); break;
	case 'w': s->wakes = number(value); break;
	case 'W': s->warmup_ms = number(value); break;
	case 'M': s->measure_ms = number(value); break;
	case 'h': wire.hold_ms = number(value); break;
	case 'l': s->payload = number(value); break;
	case 's': wire.headers = ""; break;
	case 'q': wire.seq = false; break;
	case 'S': random_seed(number(value)); break;
	case 'j': o->json = true; break;
	case 'H': usage(stdout); exit(0);
	default: usage(stderr); exit(2);
	}
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	struct option longs[OPTIONS + 1] = {0};
	int letter;

	for (size_t i = 0; i < OPTIONS; i++)
		longs[i] = table[i].option;
	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		set_option(o, letter, optarg);
	if (argc - optind < 2 || argc - optind - 1 > MAX_URLS) {
		usage(stderr);
		exit(2);
	}
	if (o->scenario.pairs == 0 || o->scenario.rate == 0 || o->scenario.members == 0 || o->scenario.wakes == 0)
		die("--pairs, --rate, --members and --wakes are at least 1");
	if (o->scenario.window == 0 || o->scenario.window > WINDOW_MAX)
		die("--window is 1 to %d", WINDOW_MAX);
	if (o->scenario.payload > 64 << 10)
		die("--payload is at most 65536");
	if (o->bare && o->redis_port)
		o->scenario.bare_address = o->redis_address;
	o->scenario.bare_port = o->redis_port;
}

static const struct scenario *
find_scenario(const char *name)
{
	for (const struct scenario *s = scenarios; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	die("no such scenario: %s", name);
}

static struct event_base *
make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		die("no event loop");
	return base;
}

int
main(int argc, char **argv)
{
	struct options o = {
		.peer = &peer_pollgate,
		.scenario = {.pairs = 100, .window = 1, .rate = 500, .members = 1000, .wakes = 10, .warmup_ms = 500, .measure_ms = 2000, .payload = 200},
	};
	struct load load = {0};
	struct url urls[MAX_URLS];
	const struct scenario *scenario;
	struct run run = {.load = &load, .options = &o.scenario};

	wire = (struct wire_options){.headers = browser_headers, .hold_ms = 29000, .seq = true};
	parse_options(&o, argc, argv);
	scenario = find_scenario(argv[optind]);
	for (int i = optind + 1; i < argc; i++)
		if (!url_parse(&urls[load.urls_count++], argv[i]))
			die("not a URL of the form http://ADDRESS:PORT: %s", argv[i]);
	load.base = make_base();
	load.peer = o.peer;
	load.urls = urls;
	run.servers = servers_new(o.pids, o.pids_count, o.redis_port ? o.redis_address : NULL, o.redis_port);
	run.report = report_new(o.peer->name, scenario->name);
	scenario->measure(&run);
	report_print(run.report, o.json);
	report_free(run.report);
	servers_free(run.servers);
	load_end(&load);
	event_base_free(load.base);
	return load.failed > 0;
}
