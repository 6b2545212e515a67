#include "pollcat/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pollcat/report.h"

enum { BLOCK = 16384 };

struct input {
	size_t max;
	input_line *take;
	void *arg;
	uint64_t number;
	bool too_long; /* The line that is being read. */
	struct buf line;
};

struct input *
input_new(size_t max, input_line *take, void *arg)
{
	struct input *input = mem_zero(1, sizeof *input);

	input->max = max;
	input->take = take;
	input->arg = arg;
	return input;
}

void
input_free(struct input *input)
{
	if (!input)
		return;
	buf_free(&input->line);
	free(input);
}

static void
add_part(struct input *input, const char *p, size_t len)
{
	if (len > input->max - input->line.len)
		input->too_long = true;
	if (!input->too_long)
		buf_add(&input->line, p, len);
}

static void
end_line(struct input *input)
{
	const char *line = input->line.data ? input->line.data : "";

	input->take(input->arg, ++input->number, input->too_long ? NULL : line, input->line.len);
	input->too_long = false;
	buf_clear(&input->line);
}

bool
input_read(struct input *input)
{
	char block[BLOCK];
	const char *p = block;
	ssize_t n = read(STDIN_FILENO, block, sizeof block);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n < 0)
		report("standard input: %s", strerror(errno));
	if (n <= 0) {
		if (input->line.len > 0 || input->too_long)
			end_line(input);
		return false;
	}
	for (const char *end = block + n, *newline; p < end; p = newline + 1) {
		newline = memchr(p, '\n', (size_t)(end - p));
		add_part(input, p, (size_t)((newline ? newline : end) - p));
		if (!newline)
			break;
		end_line(input);
	}
	return true;
}
