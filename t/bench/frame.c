#include "frame.h"

#include <stdint.h>
#include <string.h>

#include "util.h"

const char frames_handshake[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

size_t
frame_write(char *out, size_t size, const char *text, size_t len)
{
	size_t bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8, header = 2 + bytes + 4;

	if (header + len > size)
		die("a frame above %zu bytes", size);
	out[0] = (char)(0x80 | FRAME_TEXT);
	out[1] = (char)(0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127));
	for (size_t i = 0; i < bytes; i++)
		out[2 + i] = (char)((uint64_t)len >> 8 * (bytes - 1 - i));
	memset(out + 2 + bytes, 0, 4);
	memcpy(out + header, text, len);
	return header + len;
}

bool
frame_read(struct frame *frame, const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t bytes;

	if (len < 2)
		return false;
	bytes = (p[1] & 0x7f) < 126 ? 0 : (p[1] & 0x7f) == 126 ? 2 : 8;
	if (len < 2 + bytes)
		return false;
	frame->opcode = p[0] & 0x0f;
	frame->len = bytes ? 0 : p[1] & 0x7f;
	for (size_t i = 0; i < bytes; i++)
		frame->len = frame->len << 8 | p[2 + i];
	frame->data = data + 2 + bytes;
	frame->size = 2 + bytes + frame->len;
	return len >= frame->size;
}
