/* Keys, and when they are fetched: see keyring.h. */
#include "front/keyring.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "net/fetch.h"

enum { FILE_MAX = 65536 };

struct keyring {
	const struct options *options; /* Lent. */
	struct keyset *keys;             /* Owned; NULL for none. */
	int64_t fetched_at;            /* On the monotonic clock, as is ... */
	int64_t next_at;               /* ... when another fetch may begin. */
	bool is_failing;
	struct fetcher *fetcher;       /* NULL if they come from a file. */
	struct fetch *fetch;           /* Under way. */
	keyring_fetched_fn *fetched;
	void *arg;
};

/* ---- A file ---- */

/* NULL, after a log line, if there are no keys in it. */
static struct keyset *
read_file(const char *path)
{
	struct buf text;
	const char *wrong = secret_read(&text, path, FILE_MAX);
	struct keyset *keys = wrong ? NULL : keyset_read(text.data, text.len, &wrong);

	secret_wipe(&text);
	if (keys)
		log_info("--auth-key-file %s: %zu keys that can be used", path, keyset_count(keys));
	else
		log_error("--auth-key-file %s: %s", path, wrong);
	return keys;
}

bool
keyring_check_file(const char *path)
{
	struct keyset *keys = read_file(path);

	keyset_free(keys);
	return keys != NULL;
}

/* False, after a log line, if there are no keys in it; then those from before stay. */
static bool
load_file(struct keyring *ring)
{
	struct keyset *keys = read_file(ring->options->auth_key_file);

	if (!keys)
		return false;
	keyset_free(ring->keys);
	ring->keys = keys;
	return true;
}

void
keyring_reload(struct keyring *ring)
{
	if (!ring->fetcher)
		load_file(ring);
}

/* ---- A URL ---- */

static void
fail(struct keyring *ring, const char *why)
{
	metric_add(AUTH_KEYS_ERRORS, 1);
	if (!ring->is_failing)
		log_warning("--auth-jwks: %s", why);
	ring->is_failing = true;
}

static void
take(struct keyring *ring, struct keyset *keys)
{
	if (ring->is_failing || !ring->keys)
		log_info("--auth-jwks: %zu keys that can be used", keyset_count(keys));
	ring->is_failing = false;
	ring->fetched_at = clock_mono_ms();
	keyset_free(ring->keys);
	ring->keys = keys;
}

static void
on_fetched(void *arg, const struct fetch_answer *answer)
{
	struct keyring *ring = arg;
	struct buf status = BUF_EMPTY;
	const char *wrong = NULL;
	struct keyset *keys;

	ring->fetch = NULL;
	if (answer->outcome != FETCH_ANSWERED) {
		fail(ring, answer->detail);
	} else if (answer->status != 200) {
		buf_addf(&status, "the answer has the status %d", answer->status);
		fail(ring, status.data);
	} else if ((keys = keyset_read_published(answer->body, answer->len, &wrong))) {
		take(ring, keys);
	} else {
		buf_addf(&status, "the answer %s", wrong);
		fail(ring, status.data);
	}
	buf_free(&status);
	ring->fetched(ring->arg);
}

static void
start_fetch(struct keyring *ring)
{
	static const struct fetch_header accept = {"Accept", "application/jwk-set+json, application/json"};
	const struct options *o = ring->options;
	struct fetch_request request = {.method = "GET", .url = o->auth_jwks, .headers = &accept, .headers_count = 1,
	    .timeout_ms = o->auth_jwks_timeout_ms, .max_answer = o->auth_jwks_size};

	metric_add(AUTH_KEYS_FETCHES, 1);
	ring->next_at = clock_mono_ms() + o->auth_jwks_cooldown_ms;
	ring->fetch = fetch_start(ring->fetcher, &request, on_fetched, ring);
}

bool
keyring_refresh(struct keyring *ring)
{
	if (ring->fetcher && !ring->fetch && clock_mono_ms() >= ring->next_at)
		start_fetch(ring);
	return ring->fetch != NULL;
}

const struct keyset *
keyring_keys(struct keyring *ring)
{
	int64_t age = clock_mono_ms() - ring->fetched_at;

	if (ring->fetcher && ring->keys && age >= ring->options->auth_jwks_max_age_ms)
		keyring_refresh(ring);
	if (ring->fetcher && age >= ring->options->auth_jwks_max_age_ms + ring->options->auth_jwks_stale_ms)
		return NULL;
	return ring->keys;
}

/* ---- Life ---- */

struct keyring *
keyring_new(struct event_base *base, const struct options *o, keyring_fetched_fn *fetched, void *arg)
{
	struct fetcher_config config = {.concurrency = 1, .ca_file = o->ca_file};
	struct keyring *ring = mem_zero(1, sizeof *ring);

	ring->options = o;
	ring->fetched = fetched;
	ring->arg = arg;
	if (*o->auth_jwks) {
		ring->fetcher = fetcher_new(base, &config);
		start_fetch(ring);
	} else if (!load_file(ring)) {
		free(ring);
		return NULL;
	}
	return ring;
}

void
keyring_free(struct keyring *ring)
{
	if (!ring)
		return;
	fetcher_free(ring->fetcher);
	keyset_free(ring->keys);
	free(ring);
}
