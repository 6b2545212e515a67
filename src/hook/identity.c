/* The token by which a private backend knows the gateway: see private.h. */
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "codec/jwt.h"
#include "hook/private.h"

#define HOST "metadata.google.internal"
#define PATH "/computeMetadata/v1/instance/service-accounts/default/identity"
#define TIMEOUT_MS 5000
#define ANSWER_MAX 16384
#define EARLY_MS 300000     /* So long before its end it is renewed, or halfway when less is left. */
#define RETRY_FIRST_MS 500  /* After a failure, and twice that after the next one, ... */
#define RETRY_MOST_MS 30000 /* ... up to this. */

struct identity {
	char *url; /* Owned. */
	struct fetcher *fetcher;
	struct fetch *fetch; /* Under way. */
	struct event *timer; /* To fetch, again or for the first time. */
	unsigned failures;   /* In a row. */
	struct buf header;   /* "Bearer TOKEN"; empty for none. */
	unsigned number;     /* Counts tokens. */
	int64_t until;       /* When it ends by the wall clock, as is ... */
	int64_t renew_at;    /* ... when another one is to be fetched. */
	bool replaces;       /* It came for one that was refused. */
	bool was_refused;    /* So will the next one. */
	identity_fn *fetched;
	void *arg;
};

/* ---- Fetching ---- */

static void start_fetch(struct identity *identity);

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct identity *identity = arg;

	(void)fd, (void)what;
	if (!identity->fetch)
		start_fetch(identity);
}

static void
fetch_in(struct identity *identity, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_add(identity->timer, &tv);
}

static void
fail(struct identity *identity, const char *why)
{
	int64_t most = RETRY_FIRST_MS;
	uint32_t random;

	metric_add(HOOK_TOKEN_ERRORS, 1);
	if (identity->failures == 0)
		log_warning("--hook-auth: the metadata server: %s", why);
	for (unsigned i = 0; i < identity->failures && most < RETRY_MOST_MS; i++)
		most *= 2;
	if (most > RETRY_MOST_MS)
		most = RETRY_MOST_MS;
	identity->failures++;
	evutil_secure_rng_get_bytes(&random, sizeof random);
	fetch_in(identity, most / 2 + random % (most / 2));
}

/* NULL, or what is wrong. */
static const char *
read_token(int64_t *until, const char *text, size_t len)
{
	static const struct jwt_rules rules = {.issuer = ""};
	struct jwt jwt;
	const char *wrong = jwt_read(&jwt, text, len);

	*until = wrong ? 0 : jwt_until(&jwt, &rules);
	jwt_free(&jwt);
	if (wrong)
		return "the answer is no token";
	return *until > clock_wall_ms() ? NULL : "the token has ended already, or has no end: is this machine's clock right?";
}

static void
take(struct identity *identity, const char *text, size_t len)
{
	const char *wrong;
	int64_t until, left;

	while (len > 0 && strchr("\r\n", text[len - 1]))
		len--;
	wrong = read_token(&until, text, len);
	if (wrong) {
		fail(identity, wrong);
		return;
	}
	if (identity->failures > 0 || identity->number == 0)
		log_info("--hook-auth: there is a token");
	secret_wipe(&identity->header);
	buf_addf(&identity->header, "Bearer %.*s", (int)len, text);
	identity->number++;
	identity->failures = 0;
	identity->replaces = identity->was_refused;
	identity->was_refused = false;
	left = until - clock_wall_ms();
	left -= left / 2 < EARLY_MS ? left / 2 : EARLY_MS;
	identity->until = until;
	identity->renew_at = clock_wall_ms() + left;
	fetch_in(identity, left);
}

static void
on_fetched(void *arg, const struct fetch_answer *answer)
{
	struct identity *identity = arg;
	const char *flavor;
	char status[32];

	identity->fetch = NULL;
	if (answer->outcome != FETCH_ANSWERED) {
		fail(identity, answer->detail);
	} else if (!(flavor = fetch_header(answer, "Metadata-Flavor")) || strcmp(flavor, "Google") != 0) {
		fail(identity, "somebody else answers: the answer has no Metadata-Flavor: Google");
	} else if (answer->status != 200) {
		snprintf(status, sizeof status, "status %d", answer->status);
		fail(identity, status);
	} else {
		take(identity, answer->body, answer->len);
	}
	identity->fetched(identity->arg);
}

static void
start_fetch(struct identity *identity)
{
	static const struct fetch_header flavor = {"Metadata-Flavor", "Google"};
	struct fetch_request request = {.method = "GET", .url = identity->url, .headers = &flavor, .headers_count = 1,
	    .timeout_ms = TIMEOUT_MS, .max_answer = ANSWER_MAX};

	metric_add(HOOK_TOKEN_FETCHES, 1);
	event_del(identity->timer);
	identity->fetch = fetch_start(identity->fetcher, &request, on_fetched, identity);
}

/* ---- Using it ---- */

const char *
identity_header(struct identity *identity)
{
	int64_t now = clock_wall_ms();

	/* The timer does this, unless the machine stood still, or its clock was set. */
	if (now >= identity->renew_at && !identity->fetch && identity->failures == 0)
		start_fetch(identity);
	return identity->header.len > 0 && now < identity->until ? identity->header.data : NULL;
}

unsigned
identity_number(const struct identity *identity)
{
	return identity->number;
}

bool
identity_is_coming(const struct identity *identity)
{
	return identity->fetch != NULL;
}

void
identity_refused(struct identity *identity, unsigned number)
{
	if (number != identity->number || identity->replaces || identity->was_refused)
		return;
	log_warning("--hook-auth: the backend refused a token: fetching another one");
	identity->was_refused = true;
	if (!identity->fetch && identity->failures == 0)
		start_fetch(identity);
}

/* ---- Life ---- */

static void
add_encoded(struct buf *b, const char *text, size_t len)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < len; i++)
		buf_addf(b, memchr(plain, text[i], sizeof plain - 1) ? "%c" : "%%%02X", (unsigned char)text[i]);
}

/* NULL, after a log line, if the environment names a host that is none. */
static char *
make_url(const struct options *o)
{
	const char *host = getenv("GCE_METADATA_HOST"); /* As in Google's own libraries. */
	const char *audience = *o->hook_audience ? o->hook_audience : o->hook, *wrong;
	size_t len = strlen(audience);
	struct buf url = BUF_EMPTY;

	if (!*o->hook_audience) {
		size_t scheme = (size_t)(strstr(o->hook, "://") + 3 - o->hook);

		len = scheme + strcspn(o->hook + scheme, "/?#");
	}
	buf_addf(&url, "http://%s" PATH "?audience=", host && *host ? host : HOST);
	add_encoded(&url, audience, len);
	buf_adds(&url, "&format=full");
	wrong = fetch_check_url(url.data);
	if (!wrong)
		return url.data;
	log_error("GCE_METADATA_HOST takes HOST or HOST:PORT: the URL that it gives %s", wrong);
	buf_free(&url);
	return NULL;
}

struct identity *
identity_new(struct event_base *base, const struct options *o, identity_fn *fetched, void *arg)
{
	char *url = make_url(o);
	struct identity *identity;

	if (!url)
		return NULL;
	identity = mem_zero(1, sizeof *identity);
	identity->url = url;
	identity->fetched = fetched;
	identity->arg = arg;
	identity->fetcher = fetcher_new(base, &(struct fetcher_config){.concurrency = 1});
	identity->timer = evtimer_new(base, on_timer, identity);
	start_fetch(identity);
	return identity;
}

void
identity_free(struct identity *identity)
{
	if (!identity)
		return;
	fetcher_free(identity->fetcher);
	event_free(identity->timer);
	secret_wipe(&identity->header);
	free(identity->url);
	free(identity);
}
