/*
 * The cursor: how far a client has read, opaque to it, carried in the query of its next poll.
 *
 *     1.<flags>.<mailbox>[~<room>.<position>]...
 *
 * flags: "d" (dirty: the answer that carried it held mailbox entries, so the
 * next poll acknowledges something), else "-".  Positions are entry ids.  All characters are unreserved in URLs (RFC 3986
 * section 2.3).  Nothing in it is secret and nothing is trusted: what a session may read is decided by the store.
 */
#ifndef CODEC_CURSOR_H
#define CODEC_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"

struct cursor_room {
	struct name room;
	struct entry_id position;
};

struct cursor {
	bool dirty;
	struct entry_id mailbox;
	size_t count;
	struct cursor_room *rooms; /* Owned. */
};

/* False on anything that cursor_write would not have written with at most max_rooms rooms; *cursor needs no freeing then. */
bool cursor_parse(struct cursor *cursor, const char *text, size_t max_rooms);
void cursor_write(struct buf *b, const struct cursor *cursor);
void cursor_free(struct cursor *cursor);

/* To be freed. */
struct cursor cursor_copy(const struct cursor *cursor);
/* With the same rooms in the same order. */
bool cursor_equal(const struct cursor *a, const struct cursor *b);
/* Move on to this position, in the mailbox (room NULL: the cursor is dirty then) or in a room that may be new to it. */
void cursor_move(struct cursor *cursor, const struct name *room, struct entry_id position);

/* The same for all positions of other that are later, or that the cursor does not have. */
void cursor_catch_up(struct cursor *cursor, const struct cursor *other);

/* The position in that room, or NULL. */
const struct entry_id *cursor_find(const struct cursor *cursor, const struct name *room);

#endif
