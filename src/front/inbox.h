/*
 * What a WebSocket's client has sent and what waits until that before it is done.  It counts the memory that it takes, so that its
 * owner can stop reading from the client.
 */
#ifndef FRONT_INBOX_H
#define FRONT_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "net/ws.h"

struct inbox_item {
	STAILQ_ENTRY(inbox_item) in_items;
	enum ws_opcode opcode;
	struct buf data; /* Owned. */
	size_t cost;
};

struct inbox {
	STAILQ_HEAD(, inbox_item) items; /* The oldest first. */
	size_t cost;                     /* Of all of them, in bytes. */
};

void inbox_init(struct inbox *);
void inbox_free(struct inbox *); /* Empty; may be used again. */

/* Takes data.  more: bytes that it is to count for besides those that it has. */
void inbox_add(struct inbox *, enum ws_opcode opcode, const struct buf *data, size_t more);
bool inbox_is_empty(const struct inbox *);
struct inbox_item *inbox_first(const struct inbox *);
void inbox_drop_first(struct inbox *);

#endif
