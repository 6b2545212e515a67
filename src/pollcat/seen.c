#include "pollcat/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct stream {
	char *room; /* Owned. */
	struct entry_id last;
};

struct seen { /* A mailbox and the room that is joined. */
	size_t count;
	struct stream *streams; /* Owned. */
};

struct seen *
seen_new(void)
{
	return mem_zero(1, sizeof(struct seen));
}

void
seen_clear(struct seen *seen)
{
	for (size_t i = 0; i < seen->count; i++)
		free(seen->streams[i].room);
	seen->count = 0;
}

void
seen_free(struct seen *seen)
{
	if (!seen)
		return;
	seen_clear(seen);
	free(seen->streams);
	free(seen);
}

static struct stream *
find(struct seen *seen, const char *room)
{
	for (size_t i = 0; i < seen->count; i++)
		if (strcmp(seen->streams[i].room, room) == 0)
			return &seen->streams[i];
	seen->streams = mem_resize(seen->streams, seen->count + 1, sizeof *seen->streams);
	seen->streams[seen->count] = (struct stream){.room = mem_string(room)};
	return &seen->streams[seen->count++];
}

bool
seen_take(struct seen *seen, const char *room, struct entry_id id)
{
	struct stream *stream = find(seen, room);

	if (entry_id_compare(id, stream->last) <= 0)
		return false;
	stream->last = id;
	return true;
}

void
seen_set(struct seen *seen, const char *room, struct entry_id id)
{
	find(seen, room)->last = id;
}

void
seen_write(const struct seen *seen, struct buf *b)
{
	char id[ENTRY_ID_SIZE];

	for (size_t i = 0; i < seen->count; i++)
		buf_addf(b, "%s %s\n", entry_id_format(id, seen->streams[i].last), seen->streams[i].room);
}

bool
seen_read(struct seen *seen, const char *line)
{
	size_t len = strcspn(line, " ");
	struct entry_id id;

	if (line[len] != ' ' || !entry_id_parse(&id, line, len))
		return false;
	seen_set(seen, line + len + 1, id);
	return true;
}
