/* Payloads of Engine.IO: see engineio.h. */
#include "codec/engineio.h"

#include <string.h>

#include "base/utf8.h"
#include "codec/base64.h"

bool
engineio_read(struct engineio_packet *packet, const char *text, size_t len)
{
	if (len == 0)
		return false;
	*packet = (struct engineio_packet){ENGINEIO_MESSAGE, *text == 'b', text + 1, len - 1};
	if (packet->binary)
		return base64_check(packet->data, packet->len);
	if (*text < '0' || *text > '6')
		return false;
	packet->type = (enum engineio_type)(*text - '0');
	return utf8_check(packet->data, packet->len);
}

enum engineio_step
engineio_next(const char *payload, size_t len, size_t *at, struct engineio_packet *packet)
{
	const char *start = payload + *at, *end;

	if (*at > len)
		return ENGINEIO_END;
	end = memchr(start, ENGINEIO_SEPARATOR, len - *at);
	if (!end)
		end = payload + len;
	*at = (size_t)(end - payload) + 1;
	return engineio_read(packet, start, (size_t)(end - start)) ? ENGINEIO_PACKET : ENGINEIO_WRONG;
}

static void
add_packet(struct buf *payload, char type, const char *data, size_t len)
{
	static const char separator = ENGINEIO_SEPARATOR;

	if (payload->len > 0)
		buf_add(payload, &separator, 1);
	buf_add(payload, &type, 1);
	buf_add(payload, data, len);
}

void
engineio_write(struct buf *payload, enum engineio_type type, const char *data, size_t len)
{
	add_packet(payload, (char)('0' + (int)type), data, len);
}

void
engineio_write_binary(struct buf *payload, const char *base64, size_t len)
{
	add_packet(payload, 'b', base64, len);
}

void
engineio_write_open(struct buf *payload, const struct engineio_handshake *handshake)
{
	struct buf json = BUF_EMPTY;

	buf_addf(&json, "{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%lld,\"pingTimeout\":%lld,\"maxPayload\":%zu}",
	    handshake->sid, handshake->websocket ? "\"websocket\"" : "", (long long)handshake->ping_interval_ms,
	    (long long)handshake->ping_timeout_ms, handshake->max_payload);
	engineio_write(payload, ENGINEIO_OPEN, json.data, json.len);
	buf_free(&json);
}

const char *
engineio_error_words(enum engineio_error error)
{
	static const char *const messages[] = {
		[ENGINEIO_UNKNOWN_TRANSPORT] = "Transport unknown",
		[ENGINEIO_UNKNOWN_SID] = "Session ID unknown",
		[ENGINEIO_BAD_METHOD] = "Bad handshake method",
		[ENGINEIO_BAD_REQUEST] = "Bad request",
		[ENGINEIO_FORBIDDEN] = "Forbidden",
		[ENGINEIO_BAD_VERSION] = "Unsupported protocol version",
	};

	return messages[error];
}

void
engineio_write_error(struct buf *b, enum engineio_error error)
{
	buf_addf(b, "{\"code\":%d,\"message\":\"%s\"}", (int)error, engineio_error_words(error));
}
