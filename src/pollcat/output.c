#include "pollcat/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "pollcat/report.h"

struct output {
	const struct cat_options *options; /* Lent. */
	struct seen *seen;                 /* Lent. */
	bool terminal;
	uint64_t count;
	struct native_received message;
	struct native_missing gap;
	struct buf line;
};

struct output *
output_new(const struct cat_options *options, struct seen *seen)
{
	struct output *output = mem_zero(1, sizeof *output);

	output->options = options;
	output->seen = seen;
	output->terminal = isatty(STDOUT_FILENO);
	return output;
}

void
output_free(struct output *output)
{
	if (!output)
		return;
	native_received_free(&output->message);
	native_missing_free(&output->gap);
	buf_free(&output->line);
	free(output);
}

static void
end_line(struct output *output)
{
	struct buf *line = &output->line;

	if (output->terminal && line->len > 0)
		report_tame(line->data, line->len, "\t\n");
	buf_add(line, "\n", 1);
	fwrite(line->data, 1, line->len, stdout);
	buf_clear(line);
}

/* JSON on one line: raw line ends in it are white space between values. */
static void
add_json(struct buf *b, struct jspan value)
{
	size_t start = b->len;

	buf_add(b, value.text, value.len);
	for (size_t i = start; i < b->len; i++)
		if (b->data[i] == '\n' || b->data[i] == '\r')
			b->data[i] = ' ';
}

void
output_id(struct output *output, const struct name *id)
{
	buf_addf(&output->line, output->options->json ? "{\"session\":\"%s\"}" : "%s", id->s);
	end_line(output);
}

static void
write_message(struct output *output, struct jspan document, bool gateway)
{
	const struct native_received *message = &output->message;
	struct buf text = BUF_EMPTY;

	if (output->options->json) {
		add_json(&output->line, document);
	} else if (gateway) {
		buf_addf(&output->line, "%s %s ", message->event.data, message->from.s);
		add_json(&output->line, message->data);
	} else if (jspan_string(message->data, &text)) {
		buf_add(&output->line, text.data, text.len);
	} else {
		add_json(&output->line, message->data);
	}
	end_line(output);
	buf_free(&text);
}

bool
output_messages(struct output *output, struct jspan messages)
{
	const struct cat_options *o = output->options;
	struct native_received *message = &output->message;
	struct jspan document;
	size_t at = 0;

	while ((o->count == 0 || output->count < o->count) && jspan_next_element(messages, &at, &document)) {
		bool gateway;

		if (!native_read_message(message, document))
			return false;
		gateway = message->event.len > 0 && message->event.data[0] == '$';
		if (!seen_take(output->seen, message->room.len ? message->room.data : "", message->id) || (gateway && !o->presence))
			continue;
		output->count += !gateway;
		write_message(output, document, gateway);
	}
	return true;
}

bool
output_gaps(struct output *output, struct jspan gaps)
{
	struct native_missing *gap = &output->gap;
	char from[ENTRY_ID_SIZE], to[ENTRY_ID_SIZE];
	struct jspan document;
	size_t at = 0;

	while (jspan_next_element(gaps, &at, &document)) {
		if (!native_read_gap(gap, document))
			return false;
		seen_set(output->seen, gap->room.len ? gap->room.data : "", gap->to);
		report("messages may be missing%s%s, after %s up to %s", gap->room.len ? " in room " : " of those sent to this session",
		    gap->room.len ? gap->room.data : "", entry_id_format(from, gap->from), entry_id_format(to, gap->to));
		if (output->options->json) {
			buf_adds(&output->line, "{\"gap\":");
			add_json(&output->line, document);
			buf_adds(&output->line, "}");
			end_line(output);
		}
	}
	return true;
}

uint64_t
output_count(const struct output *output)
{
	return output->count;
}

bool
output_flush(struct output *output, bool *broken)
{
	(void)output;
	*broken = false;
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	*broken = errno != EPIPE;
	if (*broken)
		report("standard output: %s", strerror(errno));
	return false;
}
