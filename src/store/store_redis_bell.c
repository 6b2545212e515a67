/*
 * The doorbell: who watches which stream here, and the channels that this takes.
 *
 * One channel for each bucket of streams, subscribed when the first watch of the bucket comes and let go some time after the
 * last one went.  A notice can be lost or come twice; whenever one may have been lost, its watchers are told to read again.
 *
 * Notices: "NAME PREV ID [PAYLOAD]" an entry; "NAME !" something changed; "NAME -" the session was closed; "NAME +" the
 * queue has a new entry.  Another
 * channel, which all listen to, carries "INSTANCE" and then "NAME SINCE" for each of that instance's new sinks.
 */
#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/store_redis_private.h"

#define LINGER_MS 30000
#define SWEEP_MS 5000
#define CHANNELS_PER_COMMAND 256
#define SINKS_PER_MESSAGE 1000
#define SINK_LEN (NAME_LEN + 15) /* In a message: a name and a time. */

struct watch {
	struct name name;
	unsigned count;
	struct acked acked;
	LIST_ENTRY(watch) in_bucket;
	UT_hash_handle hh;
};

struct bucket {
	LIST_HEAD(, watch) watches;
	bool wanted;   /* Subscribed, or to be when there is a connection. */
	bool audible;  /* Redis has said that it is. */
	int64_t empty; /* Since when nobody watches; if nobody does. */
};

struct bell {
	struct redis_store *store;
	struct watch *watches;
	struct bucket buckets[BUCKETS];
	struct event *timer;
};

/* ---- Channels ---- */

/* Tell Redis of all the channels for which pick says so. */
static void
tell_channels(struct bell *bell, const char *verb, bool (*pick)(struct bell *, unsigned bucket))
{
	struct redis_command command = REDIS_COMMAND_EMPTY;

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (!pick(bell, i))
			continue;
		if (command.argc == 0)
			redis_command_start(&command, verb);
		keys_add_channel(bell->store->keys, &command, i);
		if (command.argc > CHANNELS_PER_COMMAND) {
			redis_tell(bell->store->notices, &command);
			command.argc = 0;
		}
	}
	if (command.argc)
		redis_tell(bell->store->notices, &command);
	redis_command_free(&command);
}

static void
subscribe(struct bell *bell, unsigned bucket)
{
	struct redis_command command = REDIS_COMMAND_EMPTY;

	bell->buckets[bucket].wanted = true;
	redis_command_start(&command, "SUBSCRIBE");
	keys_add_channel(bell->store->keys, &command, bucket);
	redis_tell(bell->store->notices, &command);
	redis_command_free(&command);
}

static bool
is_own(const struct bell *bell, unsigned bucket)
{
	return bucket == keys_bucket(&bell->store->instance);
}

static bool
is_wanted(struct bell *bell, unsigned bucket)
{
	return bell->buckets[bucket].wanted;
}

static bool
has_lingered(struct bell *bell, unsigned bucket)
{
	struct bucket *b = &bell->buckets[bucket];

	if (!b->wanted || !LIST_EMPTY(&b->watches) || is_own(bell, bucket) || clock_mono_ms() - b->empty < LINGER_MS)
		return false;
	b->wanted = b->audible = false;
	return true;
}

static void
on_sweep(evutil_socket_t none, short what, void *arg)
{
	(void)none, (void)what;
	tell_channels(arg, "UNSUBSCRIBE", has_lingered);
}

/* ---- Watches ---- */

static struct watch *
find(struct bell *bell, const struct name *name)
{
	struct watch *watch;

	HASH_FIND(hh, bell->watches, name->s, NAME_LEN, watch);
	return watch;
}

struct acked *
bell_acked(struct bell *bell, const struct name *session)
{
	struct watch *watch = find(bell, session);

	return watch ? &watch->acked : NULL;
}

bool
redis_store_watch(struct store *store, const struct name *stream)
{
	struct bell *bell = redis_store_of(store)->bell;
	unsigned bucket = keys_bucket(stream);
	struct watch *watch = find(bell, stream);

	if (!watch) {
		watch = mem_zero(1, sizeof *watch);
		watch->name = *stream;
		HASH_ADD(hh, bell->watches, name.s, NAME_LEN, watch);
		LIST_INSERT_HEAD(&bell->buckets[bucket].watches, watch, in_bucket);
		metric_add(STORE_WATCHES, 1);
	}
	watch->count++;
	if (!bell->buckets[bucket].wanted)
		subscribe(bell, bucket);
	return bell->buckets[bucket].audible;
}

static void
remove_watch(struct bell *bell, struct watch *watch)
{
	struct bucket *bucket = &bell->buckets[keys_bucket(&watch->name)];

	HASH_DEL(bell->watches, watch);
	LIST_REMOVE(watch, in_bucket);
	free(watch);
	metric_add(STORE_WATCHES, -1);
	if (LIST_EMPTY(&bucket->watches))
		bucket->empty = clock_mono_ms();
}

void
redis_store_unwatch(struct store *store, const struct name *stream)
{
	struct bell *bell = redis_store_of(store)->bell;
	struct watch *watch = find(bell, stream);

	assert(watch);
	if (--watch->count == 0)
		remove_watch(bell, watch);
}

/* The time is in 15 digits. */
static void
write_sink(char *p, const struct store_sink *sink)
{
	int64_t since = sink->since;

	memcpy(p, sink->session.s, NAME_LEN);
	for (size_t i = SINK_LEN; i > NAME_LEN; i--, since /= 10)
		p[i - 1] = (char)('0' + since % 10);
}

/* Announced together: one message for up to SINKS_PER_MESSAGE of them. */
void
redis_store_take(struct store *store, const struct store_sink *sinks, size_t n)
{
	struct redis_store *rs = redis_store_of(store);

	while (n > 0) {
		size_t some = n < SINKS_PER_MESSAGE ? n : SINKS_PER_MESSAGE;
		struct redis_call *call = redis_call_new(rs, sizeof *call, NULL);
		char *p;

		redis_call_start(call, "PUBLISH");
		keys_add_sinks_channel(rs->keys, &call->command);
		p = redis_command_space(&call->command, NAME_LEN + some * SINK_LEN);
		memcpy(p, rs->instance.s, NAME_LEN);
		p += NAME_LEN;
		for (size_t i = 0; i < some; i++, p += SINK_LEN)
			write_sink(p, &sinks[i]);
		redis_call_send(call);
		sinks += some;
		n -= some;
	}
}

/* ---- Notices ---- */

static void
on_sinks(struct bell *bell, const char *p, size_t len)
{
	const struct store_listener *listener = bell->store->store.listener;
	const char *instance = p;
	struct store_sink sink;

	if (len < NAME_LEN || memcmp(p, bell->store->instance.s, NAME_LEN) == 0)
		return;
	for (p += NAME_LEN, len -= NAME_LEN; len >= SINK_LEN && !bell->store->freeing; p += SINK_LEN, len -= SINK_LEN) {
		if (!name_parse(&sink.session, p, NAME_LEN) || !find(bell, &sink.session))
			continue;
		sink.since = 0;
		sink.yields = memcmp(instance, bell->store->instance.s, NAME_LEN) < 0;
		for (size_t i = NAME_LEN; i < SINK_LEN; i++)
			sink.since = sink.since * 10 + (p[i] - '0');
		listener->on_taken(bell->store->store.listener_arg, &sink);
	}
}

/* Something may have been missed, whatever this is a name of. */
static void
tell_changed(struct bell *bell, const struct name *name)
{
	struct store *store = &bell->store->store;

	store->listener->on_changed(store->listener_arg, name);
	if (store->on_queued && !bell->store->freeing)
		store->on_queued(store->queued_arg, name);
}

/* The subscription begins, or began again: what came before may be lost. */
static void
on_subscribed(struct bell *bell, unsigned bucket)
{
	struct watch *watch;
	struct name *names;
	size_t n = 0;

	if (is_own(bell, bucket))
		prober_listen(bell->store->prober, true);
	bell->buckets[bucket].audible = bell->buckets[bucket].wanted;
	LIST_FOREACH (watch, &bell->buckets[bucket].watches, in_bucket)
		n++;
	/* The listener may watch and unwatch. */
	names = mem_zero(n, sizeof *names);
	n = 0;
	LIST_FOREACH (watch, &bell->buckets[bucket].watches, in_bucket)
		names[n++] = watch->name;
	for (size_t i = 0; i < n && !bell->store->freeing; i++)
		if (find(bell, &names[i]))
			tell_changed(bell, &names[i]);
	free(names);
}

/* "PREV ID" or "PREV ID PAYLOAD" */
static void
on_entry_notice(struct bell *bell, const struct name *name, const char *p, const char *end)
{
	const struct store_listener *listener = bell->store->store.listener;
	const char *id = memchr(p, ' ', (size_t)(end - p)), *payload;
	struct store_entry entry = {.payload = NULL};
	struct entry_id prev;

	if (!id++)
		return;
	payload = memchr(id, ' ', (size_t)(end - id));
	if (!entry_id_parse(&prev, p, (size_t)(id - 1 - p)) || !entry_id_parse(&entry.id, id, (size_t)((payload ? payload : end) - id)))
		return;
	if (payload) {
		entry.payload = payload + 1;
		entry.len = (size_t)(end - entry.payload);
	}
	if (name_equal(name, &bell->store->instance)) {
		prober_hear(bell->store->prober, &entry);
		return;
	}
	metric_add(STORE_NOTICES, 1);
	listener->on_entry(bell->store->store.listener_arg, name, prev, &entry);
}

static void
on_notice(struct bell *bell, const char *message, size_t len)
{
	const struct store_listener *listener = bell->store->store.listener;
	void *arg = bell->store->store.listener_arg;
	const char *p = message + NAME_LEN + 1, *end = message + len;
	struct name name;

	if (len < NAME_LEN + 2 || message[NAME_LEN] != ' ')
		return;
	memcpy(name.s, message, NAME_LEN);
	name.s[NAME_LEN] = '\0';
	if (!find(bell, &name) && !name_equal(&name, &bell->store->instance))
		return;
	if (*p >= '0' && *p <= '9')
		on_entry_notice(bell, &name, p, end);
	else if (*p == '!')
		listener->on_changed(arg, &name);
	else if (*p == '-')
		listener->on_closed(arg, &name);
	else if (*p == '+' && bell->store->store.on_queued)
		bell->store->store.on_queued(bell->store->store.queued_arg, &name);
}

void
bell_on_push(struct bell *bell, const redisReply *push)
{
	const redisReply *kind = push->element[0], *channel = push->element[1], *message = push->element[2];
	int bucket;

	if (!is_string(kind) || !is_string(channel))
		return;
	if (strcmp(kind->str, "message") == 0 && is_string(message) &&
	    keys_is_sinks_channel(bell->store->keys, channel->str, (size_t)channel->len)) {
		on_sinks(bell, message->str, (size_t)message->len);
	} else if (strcmp(kind->str, "message") == 0 && is_string(message)) {
		on_notice(bell, message->str, (size_t)message->len);
	} else if (strcmp(kind->str, "subscribe") == 0) {
		bucket = keys_channel_bucket(bell->store->keys, channel->str, (size_t)channel->len);
		if (bucket >= 0)
			on_subscribed(bell, (unsigned)bucket);
	}
}

void
bell_on_up(struct bell *bell)
{
	struct redis_command command = REDIS_COMMAND_EMPTY;

	redis_command_start(&command, "SUBSCRIBE");
	keys_add_sinks_channel(bell->store->keys, &command);
	redis_tell(bell->store->notices, &command);
	redis_command_free(&command);
	tell_channels(bell, "SUBSCRIBE", is_wanted);
}

void
bell_on_down(struct bell *bell)
{
	prober_listen(bell->store->prober, false);
	for (unsigned i = 0; i < BUCKETS; i++)
		bell->buckets[i].audible = false;
}

/* ---- Life ---- */

struct bell *
bell_new(struct redis_store *store)
{
	struct bell *bell = mem_zero(1, sizeof *bell);
	struct timeval tv = clock_timeval(SWEEP_MS);

	bell->store = store;
	bell->buckets[keys_bucket(&bell->store->instance)].wanted = true;
	bell->timer = event_new(store->base, -1, EV_PERSIST, on_sweep, bell);
	if (!bell->timer)
		abort();
	event_add(bell->timer, &tv);
	return bell;
}

void
bell_free(struct bell *bell)
{
	struct watch *watch, *next;

	HASH_ITER (hh, bell->watches, watch, next)
		remove_watch(bell, watch);
	event_free(bell->timer);
	free(bell);
}
