/*
 * The contract of store.h on a real Redis.  What only Redis can do to us is in test_store_redis_failures.c.
 */
#include <signal.h>

#include "../redis_server.h"
#include "contract.h"
#include "contract_kit.h"

struct place {
	struct redis_server server;
	int made; /* Each store has a prefix of its own. */
};

static struct store *
make_on(struct place *place, struct event_base *base, const struct store_limits *limits)
{
	char url[64], prefix[16];
	struct store_redis_options options = {url, prefix, 0};

	snprintf(url, sizeof url, "redis://127.0.0.1:%d", place->server.port);
	snprintf(prefix, sizeof prefix, "t%d", place->made);
	return store_redis_new(base, &options, limits);
}

static struct store *
make(void *arg, struct event_base *base, const struct store_limits *limits)
{
	struct place *place = arg;

	place->made++;
	return make_on(place, base, limits);
}

static struct store *
make_other(void *arg, struct event_base *base, const struct store_limits *limits)
{
	return make_on(arg, base, limits);
}

int
main(void)
{
	struct place place = {.made = 0};
	/* Redis trims streams by whole nodes of 100 entries. */
	const struct contract contract = {.make = make, .make_other = make_other, .arg = &place, .slack = 100};

	signal(SIGPIPE, SIG_IGN);
	redis_server_start(&place.server);
	contract_run(&contract);
	redis_server_end(&place.server);
	return done();
}
