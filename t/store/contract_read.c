/*
 * Reading mailboxes and logs from any position, in parts, and backwards.
 */
#include <stdlib.h>

#include "contract_kit.h"
#include "contract_parts.h"

#define COUNT 20

/* A stream of COUNT entries "0", "1" ...; ids[0] is where it begins, ids[i + 1] the id of entry i. */
struct filled {
	bool is_room;
	struct name name;
	struct entry_id ids[COUNT + 1];
};

static struct answer *
read_filled(struct kit *k, const struct filled *f, struct entry_id after, uint32_t entries, size_t bytes)
{
	return await(f->is_room ? start_read_room(k, &f->name, after, entries, bytes)
	                        : start_read_mailbox(k, &f->name, after, entries, bytes));
}

static void
fill(struct kit *k, struct filled *f, const struct name *by)
{
	struct store_op ops[COUNT];
	char texts[COUNT][4];
	struct answer *a;
	size_t i;

	for (i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%zu", i);
		ops[i] = f->is_room ? op_room("read", texts[i]) : op_send(&f->name, texts[i]);
	}
	a = apply(k, by, 0, ops, COUNT);
	for (i = 0; i < a->count; i++)
		f->ids[i + 1] = a->results[i].id;
}

static void
test_anywhere(struct kit *k, const struct filled *f, const char *kind)
{
	size_t i, j, wrong = 0;

	for (i = 0; i <= COUNT; i++) {
		struct answer *a = read_filled(k, f, f->ids[i], 1000, 100000);

		wrong += a->status != STORE_OK || a->count != COUNT - i || a->gap || a->more || !same_id(a->last, f->ids[COUNT]);
		for (j = 0; j < a->count; j++)
			wrong += !same_id(a->entries[j].id, f->ids[i + j + 1]) || (size_t)atoi(a->entries[j].payload) != i + j;
	}
	is_int((int64_t)wrong, 0, kind);
}

static void
test_in_parts(struct kit *k, const struct filled *f)
{
	static const uint32_t parts[] = {1, 7, 19, 20, 21};
	size_t i, wrong = 0;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct entry_id at = f->ids[0];
		size_t read = 0;
		struct answer *a;

		do {
			a = read_filled(k, f, at, parts[i], 100000);
			wrong += a->count > parts[i] || a->gap || a->count == 0;
			read += a->count;
			at = a->last;
			wrong += a->more != (read < COUNT) || !same_id(at, f->ids[read]);
		} while (a->more && read <= COUNT && a->status == STORE_OK);
		wrong += read != COUNT;
	}
	is_int((int64_t)wrong, 0, "a stream can be read in parts: no more entries than asked for, and told when there are more");
}

static void
test_bytes(struct kit *k)
{
	struct entry_id at, base;
	struct name id = open_session(k, "bytes", "", &base);
	size_t i, j, read = 0, wrong = 0, most = 0;
	char text[1001];
	struct answer *a;

	for (i = 0; i < 10; i++) {
		memset(text, (int)('0' + i), sizeof(text));
		text[i == 4 ? 1000 : 100] = '\0';
		do_one(k, &id, op_send(&id, text));
	}
	at = base;
	do {
		size_t bytes = 0;

		a = await(start_read_mailbox(k, &id, at, 1000, 250));
		for (j = 0; j < a->count; j++) {
			bytes += a->entries[j].len;
			wrong += a->entries[j].payload[0] != (char)('0' + read + j);
		}
		wrong += (bytes > 250 && a->count != 1) || a->count == 0 || a->gap;
		most = a->count > most ? a->count : most;
		read += a->count;
		at = a->last;
	} while (a->more && read <= 10 && a->status == STORE_OK);
	ok(wrong == 0 && read == 10, "a view has no more bytes than asked for, but for a single entry that has more by itself");
	is_int((int64_t)most, 2, "and as many entries as fit");
}

static void
test_positions(struct kit *k, const struct filled *f)
{
	struct entry_id last = f->ids[COUNT], far = id_of(last.ms + 1000000, 0);
	struct answer *a = read_filled(k, f, far, 1000, 100000);

	ok(a->status == STORE_OK && a->count == 0 && a->gap, "a position that the stream has not reached is a gap");
	ok(same_id(a->gap_from, far) && same_id(a->gap_to, last), "from there to where the stream stands");
	is_id(a->last, last, "which is where the reader goes on");
	a = read_filled(k, f, id_of(0, 0), 1000, 100000);
	ok(a->gap && is_zero(a->gap_from) && a->count == COUNT,
	    "a position before the stream's beginning is a gap, with all entries behind it");
	is_id(a->gap_to, f->ids[0], "up to the beginning");
}

static void
test_unknown(struct kit *k)
{
	struct name room = room_named("never-made");

	is_status(await(start_read_room(k, &room, id_of(1, 0), 10, 1000)), STORE_GONE,
	    "a room that does not exist cannot be read");
	is_status(await(start_read_tail(k, &room, id_of(UINT64_MAX, 0), 10)), STORE_GONE, "nor its end");
}

static void
test_tail(struct kit *k, const struct filled *f)
{
	struct entry_id end = id_of(UINT64_MAX, 0), upto = end;
	struct answer *a = await(start_read_tail(k, &f->name, end, 5));
	size_t read = 0, wrong = 0;

	is_entries(a, "15 16 17 18 19", "a room's last entries come oldest first");
	ok(a->more && !a->gap, "and it is told that there are some before them");
	is_id(a->last, f->ids[16], "with the first one's id, to go on before it");
	a = await(start_read_tail(k, &f->name, f->ids[10], 3));
	is_entries(a, "7 8 9", "or the last ones at or before any position");
	while (read <= COUNT) {
		a = await(start_read_tail(k, &f->name, upto, 6));
		if (a->count == 0)
			break;
		read += a->count;
		wrong += !same_id(a->last, f->ids[COUNT - read + 1]) || !same_id(a->entries[0].id, a->last);
		wrong += (size_t)atoi(a->entries[0].payload) != COUNT - read || (!a->more && read < COUNT);
		upto = a->last;
		upto = upto.seq ? id_of(upto.ms, upto.seq - 1) : id_of(upto.ms - 1, UINT64_MAX);
		if (!a->more)
			break;
	}
	ok(wrong == 0 && read == COUNT, "so a log can be read backwards to its beginning");
	a = await(start_read_tail(k, &f->name, f->ids[0], 5));
	ok(a->status == STORE_OK && a->count == 0 && !a->more, "before which there is nothing");
}

static void
test_view(struct kit *k)
{
	enum { ROOMS = 9 };
	struct entry_id base, since[ROOMS];
	struct name id = open_session(k, "view", "", &base);
	struct answer *a;
	char title[16];
	size_t i, j, found = 0;

	for (i = 0; i < ROOMS; i++) {
		snprintf(title, sizeof(title), "view-%zu", i);
		since[i] = do_one(k, &id, op_join(title, "$join"));
	}
	do_one(k, &id, op_leave("view-4", "$leave"));
	a = read_mailbox(k, &id, base);
	for (i = 0; i < a->rooms_count; i++) {
		struct name room = room_named(a->rooms[i].title);

		j = (size_t)atoi(a->rooms[i].title + 5);
		found += j < ROOMS && j != 4 && name_equal(&room, &a->rooms[i].room) && same_id(a->rooms[i].since, since[j]);
	}
	ok(a->rooms_count == ROOMS - 1 && found == ROOMS - 1,
	    "who reads a mailbox is told the session's rooms, with titles and positions");
	ok(!a->away, "and that it is not away");
	do_one(k, &id, op_send(&id, "x"));
	is_int((int64_t)await(start_read_mailbox(k, &id, base, 1, 1))->rooms_count, ROOMS - 1, "also when there are entries");
}

void
contract_read(const struct contract *contract)
{
	struct kit k;
	struct filled mailbox = {.is_room = false}, room = {.is_room = true};
	struct name other;

	kit_start(&k, contract, &kit_limits);
	other = open_session(&k, "read-other", "", NULL);
	mailbox.name = open_session(&k, "read", "", &mailbox.ids[0]);
	fill(&k, &mailbox, &other);
	test_anywhere(&k, &mailbox, "a mailbox can be read on from each of its entries, and from its beginning");
	test_in_parts(&k, &mailbox);
	test_positions(&k, &mailbox);

	/* Whoever makes a room knows no position before its first entry: one who sends first and leaves reads from there. */
	room.name = room_named("read");
	room.ids[0] = do_one(&k, &other, op_join("read", "$join"));
	fill(&k, &room, &other);
	test_anywhere(&k, &room, "a log can be read on from each of its entries, and from where one entered");
	test_in_parts(&k, &room);
	test_bytes(&k);
	test_unknown(&k);
	test_view(&k);
	kit_end(&k, "reading");

	kit_start(&k, contract, &kit_limits);
	other = open_session(&k, "tail-other", "", NULL);
	fill(&k, &room, &other);
	room.ids[0] = read_room(&k, "read", id_of(0, 0))->gap_to;
	test_positions(&k, &room);
	test_tail(&k, &room);
	kit_end(&k, "reading backwards");
}
