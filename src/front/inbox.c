/* What a WebSocket's client has sent: see inbox.h. */
#include "front/inbox.h"

#include <stdlib.h>

#include "base/mem.h"

void
inbox_init(struct inbox *inbox)
{
	STAILQ_INIT(&inbox->items);
	inbox->cost = 0;
}

void
inbox_free(struct inbox *inbox)
{
	while (!inbox_is_empty(inbox))
		inbox_drop_first(inbox);
}

void
inbox_add(struct inbox *inbox, enum ws_opcode opcode, const struct buf *data, size_t more)
{
	struct inbox_item *item = mem_zero(1, sizeof *item);

	*item = (struct inbox_item){.opcode = opcode, .data = *data, .cost = sizeof *item + data->room + more};
	STAILQ_INSERT_TAIL(&inbox->items, item, in_items);
	inbox->cost += item->cost;
}

bool
inbox_is_empty(const struct inbox *inbox)
{
	return STAILQ_EMPTY(&inbox->items);
}

struct inbox_item *
inbox_first(const struct inbox *inbox)
{
	return STAILQ_FIRST(&inbox->items);
}

void
inbox_drop_first(struct inbox *inbox)
{
	struct inbox_item *item = STAILQ_FIRST(&inbox->items);

	STAILQ_REMOVE_HEAD(&inbox->items, in_items);
	inbox->cost -= item->cost;
	buf_free(&item->data);
	free(item);
}
