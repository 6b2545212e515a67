#include "contract_kit.h"

#include <assert.h>
#include <stdlib.h>

const struct store_limits kit_limits = {
    .away_after_ms = 600000,
    .session_ttl_ms = 900000,
    .room_ttl_ms = 86400000,
    .mailbox_max = 100,
    .room_max = 200,
    .max_sessions = 100000,
    .max_rooms = 10000,
    .rooms_per_session = 32,
    .user_sessions_max = 100,
    .orders_max = 100000,
    .orders_ttl_ms = 60000,
    .queue_max = 1000,
};

struct store_limits kit_brief;
int kit_slowness = 1;

void
kit_prepare(void)
{
	const char *slowness = getenv("TEST_SLOWNESS");

	if (slowness && atoi(slowness) > 1)
		kit_slowness = atoi(slowness);
	kit_brief = kit_limits;
	kit_brief.away_after_ms = 300 * kit_slowness;
	kit_brief.session_ttl_ms = 900 * kit_slowness;
}

/* ---- The ear ---- */

static void
hear(struct ear *ear, enum heard kind, const struct name *stream, struct entry_id prev, const struct store_entry *entry)
{
	struct notice *n;

	if (ear->count == ear->room) {
		ear->room = ear->room ? 2 * ear->room : 64;
		ear->notices = mem_resize(ear->notices, ear->room, sizeof(*ear->notices));
	}
	n = &ear->notices[ear->count++];
	*n = (struct notice){.kind = kind, .stream = *stream, .prev = prev};
	if (entry) {
		n->id = entry->id;
		n->len = entry->len;
		if (entry->payload)
			n->payload = kit_keep(ear->kit, entry->payload, entry->len);
	}
	if (ear->on_notice) {
		struct notice copy = *n;

		ear->on_notice(ear->kit, &copy);
	}
}

static void
on_entry(void *arg, const struct name *stream, struct entry_id prev, const struct store_entry *entry)
{
	hear(arg, HEARD_ENTRY, stream, prev, entry);
}

static void
on_changed(void *arg, const struct name *stream)
{
	hear(arg, HEARD_CHANGED, stream, id_of(0, 0), NULL);
}

static void
on_closed(void *arg, const struct name *session)
{
	hear(arg, HEARD_CLOSED, session, id_of(0, 0), NULL);
}

static void
on_taken(void *arg, const struct store_sink *sink)
{
	hear(arg, HEARD_TAKEN, &sink->session, id_of((uint64_t)sink->since, sink->yields), NULL);
}

static void
on_queued(void *arg, const struct name *queue)
{
	hear(arg, HEARD_QUEUED, queue, id_of(0, 0), NULL);
}

static const struct store_listener listener = {on_entry, on_changed, on_closed, on_taken};

size_t
heard_count(const struct ear *ear, enum heard kind, const struct name *stream)
{
	size_t i, n = 0;

	for (i = 0; i < ear->count; i++)
		n += ear->notices[i].kind == kind && name_equal(&ear->notices[i].stream, stream);
	return n;
}

const struct notice *
heard_entry(const struct ear *ear, const struct name *stream, struct entry_id id)
{
	size_t i;

	for (i = 0; i < ear->count; i++) {
		const struct notice *n = &ear->notices[i];

		if (n->kind == HEARD_ENTRY && same_id(n->id, id) && name_equal(&n->stream, stream))
			return n;
	}
	return NULL;
}

void
ear_clear(struct ear *ear)
{
	ear->count = 0;
}

static struct ear *
ear_here(struct kit *k)
{
	return k->at == k->first ? &k->ear : &k->ear_second;
}

/* A subscription takes its time, and there is no call that waits for it: so knock until it opens. */
static void
knock(struct kit *k, const struct name *prober, struct store_op op)
{
	int64_t deadline = clock_mono_ms() + KIT_LIMIT_MS;
	struct ear *ear = ear_here(k);

	while (clock_mono_ms() < deadline) {
		struct entry_id id = do_one(k, prober, op);
		int64_t patience = clock_mono_ms() + 50;

		while (!heard_entry(ear, &op.target, id) && clock_mono_ms() < patience)
			kit_turn(k);
		if (heard_entry(ear, &op.target, id))
			break;
	}
	ear_clear(ear);
}

void
watch_session(struct kit *k, const struct name *id)
{
	store_watch(k->at, id);
	knock(k, id, op_send(id, "knock"));
}

void
watch_room(struct kit *k, const struct name *prober, const char *title)
{
	struct name room = room_named(title);

	store_watch(k->at, &room);
	knock(k, prober, op_room(title, "knock"));
}

/* ---- The kit ---- */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

void
kit_start(struct kit *k, const struct contract *contract, const struct store_limits *limits)
{
	struct timeval often = {0, 5000};

	memset(k, 0, sizeof(*k));
	k->contract = contract;
	k->base = event_base_new();
	k->tick = event_new(k->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(k->tick, &often);
	k->ear.kit = k->ear_second.kit = k;
	k->at = k->first = contract->make(contract->arg, k->base, limits);
	store_listen(k->first, &listener, &k->ear);
	store_listen_queues(k->first, on_queued, &k->ear);
}

bool
kit_start_two(struct kit *k, const struct contract *contract, const struct store_limits *limits)
{
	if (!contract->make_other)
		return false;
	kit_start(k, contract, limits);
	k->second = contract->make_other(contract->arg, k->base, limits);
	store_listen(k->second, &listener, &k->ear_second);
	store_listen_queues(k->second, on_queued, &k->ear_second);
	return true;
}

void
kit_end(struct kit *k, const char *about)
{
	struct answer *a;
	size_t early = 0, missing = 0, again = 0;

	store_free(k->second);
	store_free(k->first);
	while ((a = k->answers)) {
		early += a->early;
		missing += a->times == 0 && !a->cancelled;
		again += a->times > (a->cancelled ? 0 : 1);
		k->answers = a->next;
		free(a);
	}
	if (!ok(early + missing + again == 0, "%s: each callback ran once, after the call that asked had returned", about))
		printf("#   early: %zu, missing: %zu, too often: %zu\n", early, missing, again);
	event_free(k->tick);
	event_base_free(k->base);
	while (k->kept_count > 0)
		free(k->kept[--k->kept_count]);
	free(k->kept);
	free(k->ear.notices);
	free(k->ear_second.notices);
}

void
kit_turn(struct kit *k)
{
	event_base_loop(k->base, EVLOOP_ONCE);
}

void *
kit_keep(struct kit *k, const void *p, size_t len)
{
	void *copy = mem_copy(p, len);

	if (k->kept_count == k->kept_room) {
		k->kept_room = k->kept_room ? 2 * k->kept_room : 256;
		k->kept = mem_resize(k->kept, k->kept_room, sizeof(*k->kept));
	}
	return k->kept[k->kept_count++] = copy;
}

/* ---- Looking at answers ---- */

struct entry_id
id_of(uint64_t ms, uint64_t seq)
{
	return (struct entry_id){ms, seq};
}

bool
same_id(struct entry_id a, struct entry_id b)
{
	return entry_id_compare(a, b) == 0;
}

bool
is_zero(struct entry_id id)
{
	return id.ms == 0 && id.seq == 0;
}

void
is_id(struct entry_id got, struct entry_id wanted, const char *what)
{
	char a[ENTRY_ID_SIZE], b[ENTRY_ID_SIZE];

	is_string(entry_id_format(a, got), entry_id_format(b, wanted), what);
}

void
is_entries(const struct answer *a, const char *wanted, const char *what)
{
	char got[8192] = "";
	size_t i, len = 0;

	for (i = 0; i < a->count && len < sizeof(got); i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%.*s", i ? " " : "", (int)a->entries[i].len,
		    a->entries[i].payload);
	is_string(got, wanted, what);
}

void
is_codes(const struct answer *a, const enum store_result_code *codes, size_t n, const char *what)
{
	size_t i;
	bool same = a->status == STORE_OK && a->count == n;

	for (i = 0; same && i < n; i++)
		same = a->results[i].code == codes[i];
	if (ok(same, "%s", what))
		return;
	printf("#   status %d, %zu results:", a->status, a->count);
	for (i = 0; i < a->count; i++)
		printf(" %d", a->results[i].code);
	printf("\n");
}

void
is_status(const struct answer *a, enum store_status wanted, const char *what)
{
	is_int(a->times == 1 ? (int)a->status : -1, (int)wanted, what);
}
