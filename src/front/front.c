/* Routes and CORS: see front.h. */
#include "front/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "codec/jspan.h"
#include "front/api_keys.h"
#include "front/auth.h"
#include "front/keyring.h"
#include "front/private.h"
#include "front/problem.h"
#include "hook/hook.h"
#include "net/http.h"

struct route {
	enum http_method method;
	const char *path; /* A * stands for one segment, a ** for anything; both for something. */
	handler_fn *handler;
};

static const struct route routes[] = {
	{HTTP_POST, "/v1/send", native_send},
	{HTTP_GET, "/v1/poll", native_poll},
	{HTTP_POST, "/v1/polls", native_polls},
	{HTTP_GET, "/v1/events", native_events},
	{HTTP_GET, "/v1/ws", native_ws},
	{HTTP_POST, "/v1/sessions", native_open},
	{HTTP_DELETE, "/v1/sessions", native_close},
	{HTTP_POST, "/v1/close", native_close},
	{HTTP_POST, "/v1/auth", native_renew},
	{HTTP_GET, "/v1/sessions/*", native_look},
	{HTTP_GET, "/v1/rooms/**/members", native_members},
	{HTTP_POST, "/api/v1/publish", api_publish},
	{HTTP_POST, "/api/v1/ops", api_ops},
	{HTTP_GET, "/api/v1/sessions", api_sessions},
	{HTTP_GET, "/api/v1/sessions/*", api_look},
	{HTTP_DELETE, "/api/v1/sessions/*", api_disconnect},
	{HTTP_GET, "/api/v1/users/**/sessions", api_user},
	{HTTP_GET, "/api/v1/rooms", api_rooms},
	{HTTP_GET, "/api/v1/rooms/**/members", api_members},
	{HTTP_GET, "/api/v1/rooms/**/history", api_history},
	{HTTP_GET, "/api/v1/letters", api_letters},
	{HTTP_POST, "/api/v1/letters/*", api_letter_replay},
	{HTTP_DELETE, "/api/v1/letters/*", api_letter_forget},
	{HTTP_GET, "/v1/check/hold", check_hold},
	{HTTP_GET, "/v1/check/stream", check_stream},
	{HTTP_POST, "/v1/check/echo", check_echo},
	{HTTP_GET, "/relay/**", relay_accept},
	{HTTP_GET, "/health", status_health},
	{HTTP_GET, "/ready", status_ready},
	{HTTP_GET, "/metrics", status_metrics},
	{HTTP_GET, "/**", static_file},
	{HTTP_GET, "/", static_file},
};

static bool
begins_with(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* Protocols that answer for whatever is under a path, by rules of their own; or NULL. */
static handler_fn *
find_face(const struct front *front, const char *path)
{
	if (begins_with(path, front->parts.options->socketio_path))
		return socketio_answer;
	return begins_with(path, "/engine.io/") ? engineio_answer : NULL;
}

/* Does path have the form of pattern?  *part gets what the star stands for (to be freed), or NULL. */
static bool
match(const char *pattern, const char *path, char **part)
{
	const char *star = strchr(pattern, '*');
	const char *rest;
	size_t before, after, len = strlen(path);

	*part = NULL;
	if (!star)
		return strcmp(pattern, path) == 0;
	rest = star[1] == '*' ? star + 2 : star + 1;
	before = (size_t)(star - pattern);
	after = strlen(rest);
	if (len <= before + after || strncmp(path, pattern, before) != 0 || strcmp(path + len - after, rest) != 0)
		return false;
	if (star[1] != '*' && memchr(path + before, '/', len - before - after))
		return false;
	*part = mem_copy(path + before, len - before - after);
	return true;
}

static enum http_method
method_of(const struct http_request *req)
{
	enum http_method method = http_method(req);

	return method == HTTP_HEAD ? HTTP_GET : method;
}

/* Add to the list of an Allow header. */
static void
allow(struct buf *methods, enum http_method method)
{
	const char *name = method == HTTP_GET ? "GET, HEAD" : method == HTTP_POST ? "POST" : "DELETE";

	if (methods->data && strstr(methods->data, name))
		return;
	if (methods->len > 0)
		buf_adds(methods, ", ");
	buf_adds(methods, name);
}

static void
refuse_route(struct http_request *req, struct buf *methods)
{
	if (methods->len == 0) {
		problem_reply(req, 404, "not_found", "There is nothing under this path.");
		return;
	}
	buf_adds(methods, ", OPTIONS");
	http_set_header(req, "Allow", methods->data);
	problem_reply(req, 405, "method_not_allowed", "This path does not take this method.");
}

static void
dispatch(struct front *front, struct http_request *req)
{
	const char *path = http_path(req);
	struct buf methods = BUF_EMPTY;
	bool reserved = strncmp(path, "/v1/", 4) == 0 || strncmp(path, "/api/", 5) == 0;

	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		char *part;

		if ((reserved && routes[i].handler == static_file) || !match(routes[i].path, path, &part))
			continue;
		if (routes[i].method == method_of(req)) {
			routes[i].handler(front, req, part ? part : "");
			free(part);
			buf_free(&methods);
			return;
		}
		allow(&methods, routes[i].method);
		free(part);
	}
	refuse_route(req, &methods);
	buf_free(&methods);
}

/* ---- CORS (the Fetch standard, section 3.2) ---- */

/* A page that this host served itself: its origin's authority is the Host that it asks. */
static bool
same_origin(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");

	return authority && host && strcasecmp(authority + 3, host) == 0;
}

/* False: the origin may not use this gateway. */
static bool
add_cors(struct front *front, struct http_request *req)
{
	const struct option_list *allowed = &front->parts.options->origins;
	const char *origin = http_header(req, "Origin");

	if (allowed->count == 1 && strcmp(allowed->items[0], "*") == 0) {
		if (origin)
			http_set_header(req, "Access-Control-Allow-Origin", "*");
		return true;
	}
	http_set_header(req, "Vary", "Origin"); /* Without one, too: the answer may be kept, and given to a page of another origin. */
	if (!origin)
		return true;
	for (size_t i = 0; i < allowed->count; i++) {
		if (strcasecmp(allowed->items[i], origin) != 0)
			continue;
		http_set_header(req, "Access-Control-Allow-Origin", origin);
		http_set_header(req, "Access-Control-Allow-Credentials", "true");
		return true;
	}
	return same_origin(origin, http_header(req, "Host"));
}

static void
answer_preflight(struct http_request *req)
{
	const char *wanted = http_header(req, "Access-Control-Request-Headers");

	http_set_header(req, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
	http_set_header(req, "Access-Control-Allow-Headers", wanted && *wanted ? wanted : "Authorization, Content-Type");
	http_set_header(req, "Access-Control-Max-Age", "86400");
	http_set_header(req, "Allow", "GET, HEAD, POST, DELETE, OPTIONS");
	http_reply(req, 204, NULL, NULL, 0);
}

void
front_handle(void *arg, struct http_request *req)
{
	struct front *front = arg;
	handler_fn *face = find_face(front, http_path(req));

	if (!add_cors(front, req))
		problem_reply(req, 403, "origin_forbidden", "Pages of this origin may not use this gateway.");
	else if (http_method(req) == HTTP_OPTIONS)
		answer_preflight(req);
	else if (face == engineio_answer && front->has_grants)
		problem_reply(req, 401, "auth_required", "This gateway wants tokens, for which this protocol has no place.");
	else if (face)
		face(front, req, "");
	else if (http_is_too_large(req))
		problem_reply(req, 413, "body_too_large", "The body is larger than this gateway takes: see --max-body.");
	else
		dispatch(front, req);
}

/* ---- Whom there is room for ---- */

bool
front_is_crowded(const struct front *front)
{
	return front->server && http_server_connections(front->server) > front->connections_max - front->connections_max / 10;
}

/* New sessions are what is refused first: who is here should stay. */
bool
front_has_room(struct front *front, struct http_request *req)
{
	if (front->draining) {
		problem_reply(req, 503, "draining", "This instance is about to end. Ask another one.");
		return false;
	}
	if (front_is_crowded(front)) {
		metric_add(SESSIONS_REFUSED, 1);
		problem_reply(req, 503, "overloaded", "This instance has nearly as many connections as it may.");
		return false;
	}
	return true;
}

/* ---- What requests have ---- */

const char *
front_bearer(const struct http_request *req)
{
	const char *header = http_header(req, "Authorization");

	return header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 + strspn(header + 7, " ") : NULL;
}

int64_t
front_limit_ms(uint64_t ms, int64_t most)
{
	return ms < (uint64_t)most ? (int64_t)ms : most;
}

bool
front_read_ms(struct http_request *req, const char *name, int64_t most, int64_t *ms)
{
	const char *text = http_query(req, name);
	struct buf detail = BUF_EMPTY;
	uint64_t n;

	if (!text)
		return true;
	if (*text && jspan_count((struct jspan){text, strlen(text)}, UINT64_MAX, &n)) {
		*ms = front_limit_ms(n, most);
		return true;
	}
	buf_addf(&detail, "%s must be a number of milliseconds.", name);
	problem_reply(req, 400, "bad_request", detail.data);
	buf_free(&detail);
	return false;
}

/* ---- Life ---- */

/* An empty path is none. */
static bool
open_directory(int *fd, const char *flag, const char *path)
{
	if (!*path || (*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0)
		return true;
	log_error("--%s %s: %s", flag, path, strerror(errno));
	return false;
}

static bool
check_api_keys(const char *path)
{
	struct api_keys *keys = api_keys_read(path);

	api_keys_free(keys);
	return keys != NULL;
}

bool
front_check_files(const struct options *o)
{
	bool good = !*o->api_key_file || check_api_keys(o->api_key_file);

	good &= !*o->hook_secret_file || hook_check_file(o->hook_secret_file);
	good &= !*o->auth_key_file || keyring_check_file(o->auth_key_file);
	return good;
}

/* False, after a log line, if it cannot ask. */
static bool
prepare_hook(struct front *front)
{
	const struct front_parts *p = &front->parts;
	const struct hook_parts parts = {p->base, p->options, &front->limits, p->store, p->sessions};

	if (!*p->options->hook)
		return true;
	front->hook = hook_new(&parts);
	front->limits.events = hook_wants(front->hook, HOOK_MESSAGE);
	return front->hook != NULL;
}

/* False, after a log line, if there is something that cannot be had. */
static bool
front_prepare(struct front *front)
{
	const struct options *o = front->parts.options;

	if (!open_directory(&front->www, "www", o->www) || !open_directory(&front->socketio_client, "socketio-client", o->socketio_client))
		return false;
	if (*o->api_key_file && !(front->api_keys = api_keys_read(o->api_key_file)))
		return false;
	if (!prepare_hook(front))
		return false;
	return o->auth != OPTIONS_AUTH_JWT || (front->auth = auth_new(front->parts.base, o, front->parts.store));
}

/* JOIN,LEAVE, or none. */
static void
set_room_events(struct front *front, const char *text)
{
	const char *comma = strchr(text, ',');

	if (!comma)
		return;
	front->join_event = mem_copy(text, (size_t)(comma - text));
	front->leave_event = mem_string(comma + 1);
}

struct front *
front_new(const struct front_parts *parts)
{
	const struct options *o = parts->options;
	struct front *front = mem_zero(1, sizeof *front);

	front->parts = *parts;
	front->www = front->socketio_client = -1;
	front->limits = (struct native_limits){.ops = o->ops_max, .event = (uint32_t)o->event_max,
	    .room_name = (uint32_t)o->room_name_max, .history = o->history_max, .polls = o->polls_max,
	    .rooms = o->rooms_per_session, .message = o->max_message, .data = o->max_data};
	LIST_INIT(&front->calls);
	LIST_INIT(&front->engineio_calls);
	LIST_INIT(&front->engineio_sockets);
	LIST_INIT(&front->checks);
	LIST_INIT(&front->relays);
	front->max_payload = o->max_payload < o->max_body ? o->max_payload : o->max_body;
	front->has_grants = o->auth != OPTIONS_AUTH_NONE;
	set_room_events(front, o->room_events);
	front->ready = ready_new(front);
	if (front_prepare(front))
		return front;
	front_stop(front);
	front_free(front);
	return NULL;
}

void
front_set_server(struct front *front, struct http_server *server, uint32_t connections_max)
{
	front->server = server;
	front->connections_max = connections_max;
}

static void
reload_api_keys(struct front *front)
{
	struct api_keys *keys = api_keys_read(front->parts.options->api_key_file);

	if (!keys)
		return;
	api_keys_free(front->api_keys);
	front->api_keys = keys;
}

void
front_reload(struct front *front)
{
	if (front->api_keys)
		reload_api_keys(front);
	if (front->auth)
		auth_reload(front->auth);
	if (front->hook)
		hook_reload(front->hook);
}

void
front_drain(struct front *front)
{
	front->draining = true;
	if (front->hook)
		hook_drain(front->hook);
	check_drain(front);
}

void
front_settle(struct front *front, void (*settled)(void *arg), void *arg)
{
	front->settled = settled;
	front->settled_arg = arg;
	front_check_settled(front);
}

void
front_check_settled(struct front *front)
{
	if (front->settled && LIST_EMPTY(&front->relays) && LIST_EMPTY(&front->engineio_sockets))
		front->settled(front->settled_arg);
}

void
front_stop(struct front *front)
{
	if (!front)
		return;
	hook_free(front->hook);
	front->hook = NULL;
}

void
front_free(struct front *front)
{
	if (!front)
		return;
	front->settled = NULL;
	auth_free(front->auth);
	relay_free_all(front);
	native_free(front);
	api_keys_free(front->api_keys);
	engineio_ws_free(front);
	engineio_free(front);
	ready_free(front->ready);
	free(front->join_event);
	free(front->leave_event);
	if (front->www >= 0)
		close(front->www);
	if (front->socketio_client >= 0)
		close(front->socketio_client);
	free(front);
}
