/* Fuzzes what reads payloads of Engine.IO: what was read is written again as it came, up to where it went wrong. */
#include <stdlib.h>
#include <string.h>

#include "codec/engineio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engineio_packet packet;
	struct buf written = BUF_EMPTY;
	enum engineio_step step;
	size_t at = 0;

	while ((step = engineio_next((const char *)data, size, &at, &packet)) == ENGINEIO_PACKET) {
		if (packet.binary)
			engineio_write_binary(&written, packet.data, packet.len);
		else
			engineio_write(&written, packet.type, packet.data, packet.len);
	}
	if (written.len > size || (step == ENGINEIO_END && written.len != size))
		abort();
	if (written.len > 0 && memcmp(written.data, data, written.len) != 0)
		abort();
	buf_free(&written);
	return 0;
}
