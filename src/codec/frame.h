/*
 * Frames of clients that know nothing of events, as messages: a text has the event "text" and a string as its data, a binary one the
 * event "binary" and the same in base64.
 */
#ifndef CODEC_FRAME_H
#define CODEC_FRAME_H

#include "base/buf.h"
#include "codec/jspan.h"
#include "codec/message.h"

enum frame_kind { FRAME_UNREAD, FRAME_NONE, FRAME_TEXT, FRAME_BINARY };

struct jspan frame_event(enum frame_kind kind);

/* The frame that message is, and its text or base64 in out (cleared first); NONE if it is something else. */
enum frame_kind frame_read(struct buf *out, const struct message *message);

/* The same with the bytes of a binary one, in message->frame, for the many of a room who get it. */
enum frame_kind frame_share(struct message *message);

#endif
