/*
 * The last id of each stream: what is not greater came before, and is not given out again.
 */
#ifndef POLLCAT_SEEN_H
#define POLLCAT_SEEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/name.h"

struct seen;

struct seen *seen_new(void);
void seen_free(struct seen *seen);

/* room: empty for the mailbox; copied.  False if id is not greater than the last one, else it is the last one now. */
bool seen_take(struct seen *seen, const char *room, struct entry_id id);

/* What follows in this stream comes after id, even if it is lower than what was seen. */
void seen_set(struct seen *seen, const char *room, struct entry_id id);
void seen_clear(struct seen *seen);

/* As lines "ID ROOM"; false for a line that is none. */
void seen_write(const struct seen *seen, struct buf *b);
bool seen_read(struct seen *seen, const char *line);

#endif
