/* Fuzzes what reads the states of engines: what is taken is written as it came. */
#include <stdlib.h>
#include <string.h>

#include "codec/engine_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_state state, again;
	struct buf one = BUF_EMPTY, two = BUF_EMPTY;

	if (!engine_state_parse(&state, (const char *)data, size))
		return 0;
	engine_state_write(&one, &state);
	if (!engine_state_parse(&again, one.data, one.len))
		abort();
	engine_state_write(&two, &again);
	if (one.len != two.len || memcmp(one.data, two.data, one.len) != 0 || !engine_state_polls_alike(&state, &again))
		abort();
	engine_state_free(&state);
	engine_state_free(&again);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
