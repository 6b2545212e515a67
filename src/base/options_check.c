/*
 * What is wrong with options that are right one by one.
 */
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/options.h"
#include "base/options_table.h"
#include "base/units.h"

#define CURSOR_ROOM 48 /* Bytes of a cursor for each room: see codec/cursor.h. */

static bool
good_address(const char *s)
{
	const char *colon = strrchr(s, ':');
	int64_t port;

	if (!colon || !units_parse_count(&port, colon + 1) || port > 65535)
		return false;
	if (*s == '[')
		return colon > s + 2 && colon[-1] == ']';
	return strchr(s, ':') == colon;
}

/* RFC 6454: what a browser sends is a scheme, a host and maybe a port, no more. */
static bool
good_origin(const char *s)
{
	const char *host = strstr(s, "://");

	return strcmp(s, "*") == 0 || (host && host > s && host[3] && !strpbrk(host + 3, "/?#@* "));
}

static char *
check_origins(const struct option_list *origins)
{
	for (size_t i = 0; i < origins->count; i++) {
		const char *origin = origins->items[i];

		if (!good_origin(origin))
			return options_sentence("--origin takes * or SCHEME://HOST[:PORT] without a path, not \"%s\"", origin);
		if (origins->count > 1 && strcmp(origin, "*") == 0)
			return options_sentence("--origin * lets every origin in: give it alone, or name the origins without it");
	}
	return NULL;
}

static bool
has_event(const struct options *o, const char *event)
{
	bool found = o->hook_events.count == 0;

	for (size_t i = 0; i < o->hook_events.count; i++)
		found |= strcmp(o->hook_events.items[i], event) == 0;
	return found;
}

static char *
check_auth(const struct options *o)
{
	bool has_file = *o->auth_key_file, has_url = *o->auth_jwks;

	if (o->auth != OPTIONS_AUTH_JWT && (has_file || has_url))
		return options_sentence("--auth-key-file and --auth-jwks want --auth jwt: without it they would be ignored");
	if (o->auth == OPTIONS_AUTH_JWT && has_file == has_url)
		return options_sentence("--auth jwt takes one of --auth-key-file and --auth-jwks: where the keys are");
	if (o->auth == OPTIONS_AUTH_HOOK && (!*o->hook || !has_event(o, "connect")))
		return options_sentence("--auth hook wants --hook, and that it is told of connect: it says who may come");
	return NULL;
}

static char *
check_hook(const struct options *o)
{
	if (!*o->hook && (*o->hook_secret_file || o->hook_events.count > 0 || o->hook_auth != OPTIONS_HOOK_AUTH_NONE))
		return options_sentence("--hook-secret-file, --hook-auth and --hook-events want --hook: without it they would be ignored");
	if (*o->hook_audience && o->hook_auth == OPTIONS_HOOK_AUTH_NONE)
		return options_sentence("--hook-audience wants --hook-auth google: without it it would be ignored");
	for (size_t i = 0; i < o->hook_events.count; i++) {
		static const char *const events[] = {"connect", "message", "ack", "join", "leave", "disconnect"};
		size_t known = 0;

		while (known < sizeof events / sizeof events[0] && strcmp(o->hook_events.items[i], events[known]) != 0)
			known++;
		if (known == sizeof events / sizeof events[0])
			return options_sentence("--hook-events takes connect, message, ack, join, leave or disconnect, not \"%s\"", o->hook_events.items[i]);
	}
	return NULL;
}

/* Two words, with a comma between them. */
static char *
check_room_events(const char *text)
{
	const char *comma = strchr(text, ',');

	if (strcmp(text, "none") == 0)
		return NULL;
	if (!comma || comma == text || strchr(comma + 1, ',') || !comma[1])
		return options_sentence("--room-events takes two names with a comma between them, or none, not \"%s\"", text);
	if (strncmp(text, comma + 1, (size_t)(comma - text)) == 0 && strlen(comma + 1) == (size_t)(comma - text))
		return options_sentence("--room-events takes two different names: \"%s\" are not", text);
	return NULL;
}

static char *
check_directory(const char *flag, const char *path)
{
	struct stat st;

	if (!*path || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return NULL;
	return options_sentence("--%s takes a directory, and there is none at %s", flag, path);
}

char *
options_check(const struct options *o)
{
	char *wrong;

	if (!good_address(o->listen))
		return options_sentence("--listen takes HOST:PORT, [IPV6]:PORT or :PORT");
	if (strpbrk(o->prefix, "{} "))
		return options_sentence("--prefix must not have spaces, nor braces, which choose the slot in a Redis cluster");
	if (o->hold_ms > o->hold_max_ms)
		return options_sentence("--hold must not be longer than --hold-max");
	if (o->away_after_ms >= o->session_ttl_ms)
		return options_sentence("--session-ttl must be longer than --away-after");
	if (o->ws_ping_ms >= o->ws_timeout_ms)
		return options_sentence("--ws-timeout must be longer than --ws-ping: a client that has nothing to send answers pings");
	if (o->max_message > o->max_body)
		return options_sentence("--max-message must not be more than --max-body: a message travels in a body");
	if (o->max_data > o->max_body)
		return options_sentence("--max-data must not be more than --max-body: the data travels in a body");
	if (o->max_headers < o->rooms_per_session * (uint64_t)CURSOR_ROOM)
		return options_sentence("--max-headers must have %d bytes for each of --rooms-per-session: a poll's cursor has them all",
		    CURSOR_ROOM);
	if (o->socketio_path[0] != '/' || o->socketio_path[strlen(o->socketio_path) - 1] != '/')
		return options_sentence("--socketio-path must begin and end with a slash, as /socket.io/ does");
	wrong = check_directory("www", o->www);
	if (!wrong)
		wrong = check_directory("socketio-client", o->socketio_client);
	if (!wrong)
		wrong = check_auth(o);
	if (!wrong)
		wrong = check_hook(o);
	if (!wrong)
		wrong = check_room_events(o->room_events);
	return wrong ? wrong : check_origins(&o->origins);
}
