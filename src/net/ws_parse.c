/* Messages out of frames: see ws_parse.h. */
#include "net/ws_parse.h"

#include <assert.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/log.h"

static ssize_t
on_recv(uint8_t *p, size_t len, int flags, void *arg)
{
	struct ws_parser *parser = arg;
	int n = evbuffer_remove(parser->input, p, len);

	(void)flags;
	if (n <= 0)
		return -1;
	parser->held += (size_t)n;
	return n;
}

void
ws_parser_init(struct ws_parser *parser, size_t max)
{
	*parser = (struct ws_parser){.max = max};
}

static void
free_frames(struct ws_parser *parser)
{
	if (parser->frames)
		wslay_frame_context_free(parser->frames);
	parser->frames = NULL;
}

void
ws_parser_free(struct ws_parser *parser)
{
	free_frames(parser);
	buf_free(&parser->message);
}

bool
ws_parser_is_idle(const struct ws_parser *parser)
{
	return parser->held == 0 && parser->left == 0 && parser->type == 0;
}

static void
need_frames(struct ws_parser *parser)
{
	static const struct wslay_frame_callbacks callbacks = {.recv_callback = on_recv};

	if (!parser->frames && wslay_frame_context_init(&parser->frames, &callbacks, parser) != 0) {
		log_error("out of memory for a WebSocket's frames");
		abort();
	}
}

/* ---- Frames ---- */

static size_t
header_length(const struct wslay_frame_iocb *frame)
{
	return 2u + (frame->payload_length > UINT16_MAX ? 8u : frame->payload_length > 125 ? 2u : 0u) + (frame->mask ? 4u : 0u);
}

/* What is wrong with the frame that begins here: a code for closing, or 0. */
static unsigned
check_frame(const struct ws_parser *parser, const struct wslay_frame_iocb *frame)
{
	size_t before = 0;

	if (!frame->mask || frame->rsv)
		return WS_PROTOCOL_ERROR;
	switch (frame->opcode) {
	case WS_PING:
	case WS_PONG:
	case WS_CLOSE:
		return 0; /* wslay has looked at its length and FIN. */
	case WS_TEXT:
	case WS_BINARY:
		if (parser->type)
			return WS_PROTOCOL_ERROR;
		break;
	case WS_CONTINUATION:
		if (!parser->type)
			return WS_PROTOCOL_ERROR;
		before = parser->message.len;
		break;
	default:
		return WS_PROTOCOL_ERROR;
	}
	return frame->payload_length > parser->max - before ? WS_TOO_BIG : 0;
}

static unsigned
begin_frame(struct ws_parser *parser, const struct wslay_frame_iocb *frame)
{
	unsigned wrong = check_frame(parser, frame);

	parser->held -= header_length(frame);
	parser->left = frame->payload_length;
	if (frame->opcode == WS_TEXT || frame->opcode == WS_BINARY) {
		parser->type = frame->opcode;
		parser->utf8 = (struct utf8){0};
	} else if (wslay_is_ctrl_frame(frame->opcode)) {
		parser->control_len = 0;
	}
	return wrong;
}

/* ---- Control frames ---- */

/* RFC 6455 7.4: which codes may be in a close frame, those that IANA has added since among them. */
static bool
is_close_code(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void
read_close(const struct ws_parser *parser, struct ws_event *event)
{
	const unsigned char *p = (const unsigned char *)parser->control;

	event->code = WS_NO_CODE;
	if (parser->control_len == 0)
		return;
	event->code = WS_PROTOCOL_ERROR;
	if (parser->control_len == 1 || !is_close_code((unsigned)p[0] << 8 | p[1]))
		return;
	event->data += 2;
	event->len -= 2;
	event->code = WS_BAD_TEXT;
	if (utf8_check(event->data, event->len))
		event->code = (unsigned)p[0] << 8 | p[1];
}

static bool
take_control(struct ws_parser *parser, const struct wslay_frame_iocb *frame, struct ws_event *event)
{
	assert(parser->control_len + frame->data_length <= WS_CONTROL_MAX);
	memcpy(parser->control + parser->control_len, frame->data, frame->data_length);
	parser->control_len = (uint8_t)(parser->control_len + frame->data_length);
	if (parser->left > 0)
		return false;
	*event = (struct ws_event){frame->opcode, 0, parser->control, parser->control_len};
	if (event->opcode == WS_CLOSE)
		read_close(parser, event);
	return true;
}

/* ---- Messages ---- */

static bool
take_data(struct ws_parser *parser, const struct wslay_frame_iocb *frame, struct ws_event *event)
{
	bool whole = frame->fin && parser->left == 0;

	*event = (struct ws_event){parser->type, 0, (const char *)frame->data, frame->data_length};
	if (parser->type == WS_TEXT &&
	    (!utf8_read(&parser->utf8, frame->data, frame->data_length) || (whole && !utf8_is_whole(&parser->utf8)))) {
		event->code = WS_BAD_TEXT;
		return true;
	}
	/* Most messages come at once: they are not copied. */
	if (!whole || parser->message.len > 0) {
		buf_add(&parser->message, frame->data, frame->data_length);
		event->data = parser->message.data;
		event->len = parser->message.len;
	}
	if (whole)
		parser->type = 0;
	return whole;
}

static bool
take_part(struct ws_parser *parser, const struct wslay_frame_iocb *frame, struct ws_event *event)
{
	unsigned wrong = parser->left == 0 ? begin_frame(parser, frame) : 0;

	if (wrong) {
		*event = (struct ws_event){.opcode = WS_CLOSE, .code = wrong};
		return true;
	}
	parser->held -= frame->data_length;
	parser->left -= frame->data_length;
	return wslay_is_ctrl_frame(frame->opcode) ? take_control(parser, frame, event) : take_data(parser, frame, event);
}

bool
ws_parse(struct ws_parser *parser, struct evbuffer *input, struct ws_event *event)
{
	struct wslay_frame_iocb frame;
	ssize_t n;

	parser->input = input;
	if (parser->type == 0)
		buf_free(&parser->message);
	need_frames(parser);
	while ((n = wslay_frame_recv(parser->frames, &frame)) >= 0)
		if (take_part(parser, &frame, event))
			return true;
	if (n != WSLAY_ERR_WANT_READ) {
		*event = (struct ws_event){.opcode = WS_CLOSE, .code = WS_PROTOCOL_ERROR};
		return true;
	}
	if (parser->held == 0 && parser->left == 0)
		free_frames(parser);
	return false;
}
