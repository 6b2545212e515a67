/* Cursors as text: see cursor.h for the form. */
#include "codec/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* An entry id up to the next "~" or the end; moves *p there. */
static bool
take_position(const char **p, struct entry_id *position)
{
	size_t len = strcspn(*p, "~");

	if (!entry_id_parse(position, *p, len))
		return false;
	*p += len;
	return true;
}

static bool
take_rooms(const char *p, struct cursor *cursor, size_t max_rooms)
{
	size_t count = 0;

	for (const char *q = p; *q; q++)
		count += *q == '~';
	if (count > max_rooms)
		return false;
	cursor->rooms = count ? mem_zero(count, sizeof *cursor->rooms) : NULL;
	while (*p) {
		struct cursor_room *room = &cursor->rooms[cursor->count++];

		if (*p++ != '~' || strlen(p) <= NAME_LEN || !name_parse(&room->room, p, NAME_LEN) || p[NAME_LEN] != '.')
			return false;
		p += NAME_LEN + 1;
		if (!take_position(&p, &room->position))
			return false;
	}
	return true;
}

bool
cursor_parse(struct cursor *cursor, const char *text, size_t max_rooms)
{
	const char *p = text;

	*cursor = (struct cursor){0};
	if (strncmp(p, "1.", 2) != 0)
		return false;
	p += 2;
	if (*p != 'd' && *p != '-')
		return false;
	cursor->dirty = *p++ == 'd';
	if (*p++ != '.' || !take_position(&p, &cursor->mailbox) || !take_rooms(p, cursor, max_rooms)) {
		cursor_free(cursor);
		return false;
	}
	return true;
}

void
cursor_write(struct buf *b, const struct cursor *cursor)
{
	char id[ENTRY_ID_SIZE];

	buf_adds(b, cursor->dirty ? "1.d." : "1.-.");
	buf_adds(b, entry_id_format(id, cursor->mailbox));
	for (size_t i = 0; i < cursor->count; i++) {
		buf_adds(b, "~");
		buf_add(b, cursor->rooms[i].room.s, NAME_LEN);
		buf_adds(b, ".");
		buf_adds(b, entry_id_format(id, cursor->rooms[i].position));
	}
}

void
cursor_free(struct cursor *cursor)
{
	free(cursor->rooms);
	*cursor = (struct cursor){0};
}

struct cursor
cursor_copy(const struct cursor *cursor)
{
	struct cursor copy = *cursor;

	copy.rooms = copy.count ? (struct cursor_room *)mem_copy(cursor->rooms, cursor->count * sizeof *cursor->rooms) : NULL;
	return copy;
}

bool
cursor_equal(const struct cursor *a, const struct cursor *b)
{
	if (a->dirty != b->dirty || entry_id_compare(a->mailbox, b->mailbox) != 0 || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!name_equal(&a->rooms[i].room, &b->rooms[i].room) || entry_id_compare(a->rooms[i].position, b->rooms[i].position) != 0)
			return false;
	return true;
}

void
cursor_move(struct cursor *cursor, const struct name *room, struct entry_id position)
{
	struct entry_id *known = room ? (struct entry_id *)cursor_find(cursor, room) : &cursor->mailbox;

	cursor->dirty |= !room;
	if (known) {
		*known = position;
		return;
	}
	cursor->rooms = mem_resize(cursor->rooms, cursor->count + 1, sizeof *cursor->rooms);
	cursor->rooms[cursor->count++] = (struct cursor_room){*room, position};
}

void
cursor_catch_up(struct cursor *cursor, const struct cursor *other)
{
	if (entry_id_compare(other->mailbox, cursor->mailbox) > 0)
		cursor_move(cursor, NULL, other->mailbox);
	for (size_t i = 0; i < other->count; i++) {
		const struct cursor_room *room = &other->rooms[i];
		const struct entry_id *known = cursor_find(cursor, &room->room);

		if (!known || entry_id_compare(room->position, *known) > 0)
			cursor_move(cursor, &room->room, room->position);
	}
}

const struct entry_id *
cursor_find(const struct cursor *cursor, const struct name *room)
{
	for (size_t i = 0; i < cursor->count; i++)
		if (name_equal(&cursor->rooms[i].room, room))
			return &cursor->rooms[i].position;
	return NULL;
}
