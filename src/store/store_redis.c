/*
 * The store on one Redis that any number of instances share: its two connections, its parts, its end.
 *
 * Commands go over one connection and notices come over the other; nothing depends on an order between the two.
 */
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/store_redis_private.h"

#define TIMEOUT_MS 2500

/* ---- Is this a Redis that we can use? ---- */

/* The value of a line "field:value" of INFO; NULL if there is none. */
static const char *
info_field(const char *info, const char *field)
{
	size_t len = strlen(field);

	for (const char *line = info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

static void
on_info(struct redis_call *call, const redisReply *reply)
{
	struct redis_store *store = redis_store_of(call->call.store);
	const char *info = reply && is_string(reply) ? reply->str : "", *value;

	if ((value = info_field(info, "maxmemory_policy")) && strncmp(value, "noeviction", 10) != 0 &&
	    strtoll(info_field(info, "maxmemory") ? info_field(info, "maxmemory") : "0", NULL, 10) > 0)
		log_warning("Redis has maxmemory-policy %.*s: it may throw sessions away. Use noeviction.",
		    (int)strcspn(value, "\r\n"), value);
	value = info_field(info, "redis_version");
	redis_call_free(call);
	if (value && (atoi(value) < 6 || (atoi(value) == 6 && atoi(value + 2) < 2)))
		redis_drop(store->commands, "it is older than Redis 6.2");
}

/* Servers that refuse INFO are taken as they are. */
static void
check_server(struct redis_store *store)
{
	struct redis_call *call = redis_call_new(store, sizeof *call, on_info);

	redis_call_start(call, "INFO");
	redis_call_send(call);
}

/* ---- The connections ---- */

static void
note_up(struct redis_store *store)
{
	if (!redis_is_up(store->commands) || !redis_is_up(store->notices))
		return;
	metric_set(STORE_UP, 1);
	store->lost = false;
	log_info("connected to Redis at %s:%u", store->address.host, store->address.port);
}

static void
on_down(void *arg, const char *why)
{
	struct redis_store *store = arg;

	metric_set(STORE_UP, 0);
	if (!store->lost)
		log_warning("no connection to Redis at %s:%u: %s", store->address.host, store->address.port, why);
	store->lost = true;
}

static void
on_notices_down(void *arg, const char *why)
{
	bell_on_down(((struct redis_store *)arg)->bell);
	on_down(arg, why);
}

static void
on_commands_up(void *arg)
{
	struct redis_store *store = arg;

	for (int i = 0; i < SCRIPTS; i++)
		store->scripts[i].loading = false;
	check_server(store);
	redis_store_set_clock(store);
	note_up(store);
}

static void
on_notices_up(void *arg)
{
	struct redis_store *store = arg;

	bell_on_up(store->bell);
	note_up(store);
}

static void
on_push(void *arg, const redisReply *push)
{
	struct redis_store *store = arg;

	redis_store_enter(store);
	bell_on_push(store->bell, push);
	redis_store_leave(store);
}

static const struct redis_events commands_events = {on_commands_up, on_down, NULL};
static const struct redis_events notices_events = {on_notices_up, on_notices_down, on_push};

/* ---- Life ---- */

static void
redis_store_cancel(struct store_call *store_call)
{
	struct redis_call *call = (struct redis_call *)store_call;

	if (call->running)
		return;
	if (!call->out) {
		redis_call_free(call);
		return;
	}
	call->cancelled = true;
	if (call->on_free)
		call->on_free(call);
	call->on_free = NULL;
}

static void
destroy(struct redis_store *store)
{
	redis_store_enter(store); /* Once is enough. */
	redis_free(store->commands); /* All that is out comes back, and is freed. */
	redis_free(store->notices);
	beat_free(store->beat);
	sweeper_free(store->sweeper);
	bell_free(store->bell);
	prober_free(store->prober);
	keys_free(store->keys);
	scripts_free(store->scripts);
	redis_address_free(&store->address);
	free(store);
}

void
redis_store_enter(struct redis_store *store)
{
	store->entered++;
}

void
redis_store_leave(struct redis_store *store)
{
	if (--store->entered == 0 && store->freeing)
		destroy(store);
}

static void
redis_store_free(struct store *store)
{
	struct redis_store *rs = redis_store_of(store);
	struct redis_call *call, *next;

	redis_store_enter(rs);
	rs->freeing = true;
	for (call = LIST_FIRST(&rs->calls); call; call = next) {
		next = LIST_NEXT(call, link);
		redis_store_cancel(&call->call);
	}
	metric_set(STORE_UP, 0);
	redis_store_leave(rs);
}

static const struct store_ops ops = {
	.open = redis_store_open,
	.apply = redis_store_apply,
	.swap = redis_store_swap,
	.order = redis_store_order,
	.finish = redis_store_finish,
	.lease = redis_store_lease,
	.read_mailbox = redis_store_read_mailbox,
	.read_room = redis_store_read_room,
	.read_queue = redis_store_read_queue,
	.read_tail = redis_store_read_tail,
	.list_members = redis_store_list_members,
	.list_rooms = redis_store_list_rooms,
	.list_sessions = redis_store_list_sessions,
	.list_user = redis_store_list_user,
	.look = redis_store_look,
	.measure = redis_store_measure,
	.touch = redis_store_touch,
	.ack = redis_store_ack,
	.hand = redis_store_hand,
	.lapse = redis_store_lapse,
	.back = redis_store_back,
	.close = redis_store_close,
	.sweep = redis_store_sweep,
	.watch = redis_store_watch,
	.unwatch = redis_store_unwatch,
	.now = redis_store_now,
	.take = redis_store_take,
	.try = redis_store_try,
	.cancel = redis_store_cancel,
	.free = redis_store_free,
};

static void
make_name(struct name *name)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	evutil_secure_rng_get_bytes(name->s, NAME_LEN);
	for (int i = 0; i < NAME_LEN; i++)
		name->s[i] = digits[(unsigned char)name->s[i] % 64];
	name->s[NAME_LEN] = '\0';
}

const char *
store_redis_check_url(const char *url)
{
	struct redis_address address;
	const char *wrong = redis_url_parse(&address, url);

	if (!wrong)
		redis_address_free(&address);
	return wrong;
}

struct store *
store_redis_new(struct event_base *base, const struct store_redis_options *options, const struct store_limits *limits)
{
	struct redis_store *store = mem_zero(1, sizeof *store);
	struct redis_options connection;

	store->store.ops = &ops;
	store->base = base;
	store->limits = *limits;
	if (redis_url_parse(&store->address, options->url))
		abort(); /* It was to be checked. */
	store->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
	store->keys = keys_new(options->prefix);
	scripts_make(store->scripts, limits);
	LIST_INIT(&store->calls);
	store->beat = beat_new(store);
	store->sweeper = sweeper_new(store);
	make_name(&store->instance);
	store->prober = prober_new();
	store->bell = bell_new(store);
	connection = (struct redis_options){&store->address, options->prefix, store->timeout_ms};
	store->commands = redis_new(base, &connection, &commands_events, store);
	store->notices = redis_new(base, &connection, &notices_events, store);
	return &store->store;
}
