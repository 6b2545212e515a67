/*
 * Lists of all sessions and rooms, read in parts while others come and go.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

#define MANY 400

static struct name
numbered(size_t i)
{
	char text[16];

	snprintf(text, sizeof(text), "listed-%zu", i);
	return session_named(text);
}

static const char *
title_of(size_t i)
{
	static char title[32];

	snprintf(title, sizeof(title), "room-%zu", i);
	return title;
}

struct found {
	unsigned times[2 * MANY];
	size_t parts, others;
	bool right; /* Away, data, members are as they should be. */
	bool ended;
};

static void
find_sessions(struct found *found, const struct answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct store_member *m = &a->members[i];
		size_t n = strncmp(m->id.s, "S-listed-", 9) == 0 ? (size_t)atoi(m->id.s + 9) : 2 * MANY;
		char data[24];

		snprintf(data, sizeof(data), "<%zu>", n);
		if (n < 2 * MANY)
			found->times[n]++;
		else
			found->others++;
		found->right &= n >= 2 * MANY || (!m->away && strcmp(m->data, data) == 0 && m->len == strlen(data));
	}
}

static void
find_rooms(struct found *found, const struct answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct store_room *r = &a->listed[i];
		size_t n = strncmp(r->title, "room-", 5) == 0 ? (size_t)atoi(r->title + 5) : 2 * MANY;

		if (n < 2 * MANY)
			found->times[n]++;
		else
			found->others++;
		found->right &= n >= 2 * MANY || (r->members == (n % 2) && !is_zero(r->last));
	}
}

/* Walk over all of them; between runs in the middle of it. */
static void
walk(struct kit *k, struct found *found, uint32_t max, bool rooms, void (*between)(struct kit *))
{
	struct entry_id at = id_of(0, 0);
	struct answer *a;

	*found = (struct found){.right = true};
	do {
		a = await(rooms ? start_list_rooms(k, at, max) : start_list_sessions(k, at, max));
		if (rooms)
			find_rooms(found, a);
		else
			find_sessions(found, a);
		if (++found->parts == 3 && between)
			between(k);
		at = a->last;
	} while (a->status == STORE_OK && a->more && found->parts < 10000);
	found->ended = a->status == STORE_OK && !a->more;
}

/* How many of those from first to end (excluded) were not found. */
static size_t
missed(const struct found *found, size_t first, size_t end)
{
	size_t n = 0;

	for (; first < end; first++)
		n += found->times[first] == 0;
	return n;
}

static void
open_some(struct kit *k, size_t first, size_t end)
{
	for (; first < end; first++) {
		struct name id = numbered(first);
		char data[24];

		snprintf(data, sizeof(data), "<%zu>", first);
		start_open(k, &id, data);
	}
	await(start_sweep(k));
}

static void
open_more(struct kit *k)
{
	open_some(k, MANY, 2 * MANY);
	for (size_t i = 0; i < MANY / 10; i++) {
		struct name id = numbered(i);

		await(start_close(k, &id, "$leave"));
	}
}

static void
test_sessions(struct kit *k)
{
	struct found *found = mem_zero(1, sizeof(*found));

	walk(k, found, 100, false, NULL);
	ok(found->ended && found->others == 0, "nobody is listed where nobody is");
	open_some(k, 0, MANY);
	walk(k, found, 10, false, NULL);
	ok(found->ended && missed(found, 0, MANY) == 0 && found->others == 0, "all sessions are listed, part by part");
	ok(found->right, "with their data");
	ok(found->parts > 3, "not all at once");
	walk(k, found, 20, false, open_more);
	is_int((int64_t)missed(found, MANY / 10, MANY), 0, "those that are there all the while are listed, whoever comes and goes");
	walk(k, found, 1000, false, NULL);
	is_int((int64_t)missed(found, MANY / 10, 2 * MANY), 0, "those that came are there");
	is_int((int64_t)missed(found, 0, MANY / 10), MANY / 10, "those that went are not");
	ok(await(start_list_sessions(k, id_of(UINT64_MAX, UINT64_MAX), 10))->status == STORE_OK, "a place that is none does no harm");
	free(found);
}

static void
make_rooms(struct kit *k, size_t first, size_t end)
{
	struct name id = session_named("roomy");
	struct store_op op;

	for (; first < end; first++) {
		id = numbered(MANY + first / 20);
		op = first % 2 ? op_join(title_of(first), "$join") : op_room(title_of(first), "x");
		apply_one(k, &id, 0, op);
	}
}

static void
make_more_rooms(struct kit *k)
{
	make_rooms(k, MANY, 2 * MANY);
}

static void
test_rooms(struct kit *k)
{
	struct found *found = mem_zero(1, sizeof(*found));
	struct name id = numbered(MANY);

	walk(k, found, 100, true, NULL);
	ok(found->ended && missed(found, 0, MANY) == MANY, "no room is listed where there is none");
	make_rooms(k, 0, MANY);
	walk(k, found, 10, true, NULL);
	ok(found->ended && missed(found, 0, MANY) == 0, "all rooms are listed, part by part");
	ok(found->right, "with how many are in them");
	walk(k, found, 20, true, make_more_rooms);
	is_int((int64_t)missed(found, 0, MANY), 0, "those that are there all the while are listed, whatever is made meanwhile");
	apply_one(k, &id, 0, op_leave(title_of(1), "$leave"));
	walk(k, found, 1000, true, NULL);
	is_int((int64_t)missed(found, 0, 2 * MANY), 1, "one that was forgotten is not");
	free(found);
}

static void
test_away(struct kit *k)
{
	struct name id = open_session(k, "listed-away", "", NULL);
	enum store_presence_result result = STORE_PRESENCE_NONE;
	struct answer *a;

	kit_until(k, result != STORE_PRESENCE_NONE || (result = await(start_lapse(k, &id, "$away", "$leave"))->result));
	a = await(start_list_sessions(k, id_of(0, 0), 100));
	while (a->more && a->count == 0)
		a = await(start_list_sessions(k, a->last, 100));
	ok(a->count == 1 && name_equal(&a->members[0].id, &id) && a->members[0].away && a->members[0].len == 0, "who is away is listed as such");
}

void
contract_list(const struct contract *contract)
{
	struct kit k;

	kit_start(&k, contract, &kit_limits);
	test_sessions(&k);
	test_rooms(&k);
	kit_end(&k, "lists");
	kit_start(&k, contract, &kit_brief);
	test_away(&k);
	kit_end(&k, "lists of who is away");
}
