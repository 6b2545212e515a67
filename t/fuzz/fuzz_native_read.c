/*
 * Fuzzes what a client reads of a gateway: openings, batches, messages, gaps, results, problems.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/native_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_opened(const char *text, size_t len)
{
	struct native_opened opened = {0};

	if (native_read_opened(&opened, text, len) && opened.cursor.len == 0)
		abort();
	native_opened_free(&opened);
}

static void
read_batch(const char *text, size_t len)
{
	struct native_batch batch = {0};
	struct native_received message = {0};
	struct native_missing gap = {0};
	struct jspan value;
	size_t at = 0;

	if (native_read_batch(&batch, text, len)) {
		while (jspan_next_element(batch.messages, &at, &value))
			if (native_read_message(&message, value) && (message.data.text < text || message.data.text + message.data.len > text + len))
				abort();
		at = 0;
		while (batch.gaps.text && jspan_next_element(batch.gaps, &at, &value))
			native_read_gap(&gap, value);
	}
	native_missing_free(&gap);
	native_received_free(&message);
	native_batch_free(&batch);
}

static void
read_sent(const char *text, size_t len)
{
	struct native_problem problem = {0};
	struct jspan results, value;
	uint64_t seq;
	size_t at = 0;

	native_read_problem(&problem, text, len);
	if (native_read_sent(&seq, &results, text, len))
		while (jspan_next_element(results, &at, &value))
			native_read_refusal(&problem, value);
	native_problem_free(&problem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_copy(data, size);

	read_opened(text, size);
	read_batch(text, size);
	read_sent(text, size);
	free(text);
	return 0;
}
