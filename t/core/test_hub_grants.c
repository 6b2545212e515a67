/*
 * A hub that reads sessions only as long as their grants hold.
 */
#include <event2/event.h>

#include "base/clock.h"
#include "kit.h"

/* Grants that hold for so long from now; 0 for ever. */
static void
grant_for(struct world *w, const struct name *id, int64_t ms)
{
	char json[64];

	snprintf(json, sizeof json, "{\"until\":%lld}", ms ? (long long)(clock_wall_ms() + ms) : 0);
	grant(w, id, json);
}

static bool
is_refused(struct world *w, const struct name *id, const struct cursor *cursor)
{
	struct probe probe;
	bool refused;

	probe_start(w, &probe, id, cursor);
	refused = reaches(w, &probe.ends, 1) && probe.why == SINK_EXPIRED && probe.batches == 0;
	probe_stop(&probe);
	return refused;
}

static void
test_none(struct world *w)
{
	struct cursor cursor;
	struct name id = open_session(w, &cursor);

	send_to(w, &id, &id, "one");
	ok(is_refused(w, &id, &cursor), "a session without grants is not read");
	ok(is_refused(w, &id, NULL), "nor without a cursor");
	grant(w, &id, "nonsense");
	ok(is_refused(w, &id, &cursor), "nor with grants that are none");
	grant(w, &id, "{\"until\":1}");
	ok(is_refused(w, &id, &cursor), "nor with some that are over");
	ok(!hub_has(w->hub, &id), "then it has no sink");
}

static void
test_some(struct world *w)
{
	struct cursor cursor;
	struct name id = open_session(w, &cursor);
	struct probe probe;

	send_to(w, &id, &id, "one");
	grant_for(w, &id, 0);
	probe_start(w, &probe, &id, &cursor);
	ok(reaches(w, &probe.batches, 1) && probe.ends == 0, "one with grants is read");
	probe_stop(&probe);
	grant_for(w, &id, 60000);
	probe_start(w, &probe, &id, &cursor);
	ok(reaches(w, &probe.batches, 1) && probe.ends == 0, "also with grants that have an end");
	is_string(probe.got.data, "/one | ", "nothing is lost meanwhile");
	probe_stop(&probe);
}

static void
test_end(struct world *w)
{
	struct cursor cursor;
	struct name id = open_session(w, &cursor);
	struct probe probe;
	int64_t began = clock_mono_ms();

	grant_for(w, &id, 100);
	probe_start(w, &probe, &id, &cursor);
	reaches(w, &probe.caught_up, 1);
	ok(reaches(w, &probe.ends, 1) && probe.why == SINK_EXPIRED, "when they end so does the sink");
	ok(clock_mono_ms() - began >= 95, "not before");
	probe_stop(&probe);
	send_to(w, &id, &id, "behind");
	grant_for(w, &id, 0);
	probe_start(w, &probe, &id, &cursor);
	ok(reaches(w, &probe.batches, 1), "with new ones it reads on");
	is_string(probe.got.data, "/behind | ", "what came meanwhile");
	probe_stop(&probe);
}

static void
test_renewed(struct world *w)
{
	struct cursor cursor;
	struct name id = open_session(w, &cursor);
	struct probe probe;

	grant_for(w, &id, 300);
	probe_start(w, &probe, &id, &cursor);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	grant_for(w, &id, 60000);
	pass(w, 400);
	is_int(probe.ends, 0, "grants that are renewed in time end nothing");
	grant_for(w, &id, 200);
	ok(reaches(w, &probe.ends, 1) && probe.why == SINK_EXPIRED, "nor last longer than the last ones");
	probe_stop(&probe);
}

static void
test_taken_away(struct world *w)
{
	struct cursor cursor;
	struct name id = open_session(w, &cursor);
	struct probe probe;

	grant_for(w, &id, 0);
	probe_start(w, &probe, &id, &cursor);
	probe.then = PROBE_KEEPS;
	reaches(w, &probe.caught_up, 1);
	grant(w, &id, "");
	ok(reaches(w, &probe.ends, 1) && probe.why == SINK_EXPIRED, "grants that are taken away end the sink");
	probe_stop(&probe);
}

static void
test_without(void)
{
	struct world w;
	struct cursor cursor;
	struct name id;
	struct probe probe;

	world_new(&w, &(struct world_options){0});
	id = open_session(&w, &cursor);
	grant(&w, &id, "{\"until\":1}");
	send_to(&w, &id, &id, "one");
	probe_start(&w, &probe, &id, &cursor);
	ok(reaches(&w, &probe.batches, 1), "a hub that needs none does not look at them");
	probe_stop(&probe);
	world_free(&w);
}

int
main(void)
{
	struct world w;

	world_new(&w, &(struct world_options){.needs_grants = true});
	test_none(&w);
	test_some(&w);
	test_end(&w);
	test_renewed(&w);
	test_taken_away(&w);
	world_free(&w);
	test_without();
	return done();
}
