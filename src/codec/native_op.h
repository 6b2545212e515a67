/*
 * Operations as the native protocol and the API of backends write them: pollgate-protocol(7), pollgate-api(7).
 *
 * Each function returns false, with *p->error set, on what is wrong.  What it reads is lent by the document.
 */
#ifndef CODEC_NATIVE_OP_H
#define CODEC_NATIVE_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "codec/jspan.h"
#include "codec/native.h"
#include "codec/op.h"

struct native_parse {
	const struct native_limits *limits;
	struct native_error *error;
	struct buf text; /* A string, unescaped. */
};

/* Set *error; returns false. */
__attribute__((format(printf, 3, 4))) bool native_fail(struct native_error *error, const char *code, const char *format, ...);

/* An operation of a client's; of a backend's, with the session whose it is. */
bool native_op_parse(struct native_parse *p, struct client_op *op, struct jspan value);
bool native_op_order(struct native_parse *p, struct client_op *op, struct jspan value);

/* Parts of operations: an event's name; the id of a session, which is called `what`; an object with the members of a join; a backend's send; a room's name; the user that a message is for; data of at most max bytes. */
bool native_op_event(struct native_parse *p, struct client_op *op, struct jspan event);
bool native_op_id(struct native_parse *p, struct name *id, struct jspan value, const char *what);
bool native_op_join(struct native_parse *p, struct client_op *op, struct jspan value);
bool native_op_publish(struct native_parse *p, struct client_op *op, struct jspan value);
bool native_op_room(struct native_parse *p, struct client_op *op, struct jspan room);
bool native_op_user(struct native_parse *p, struct client_op *op, struct jspan user);
bool native_op_data(struct native_parse *p, struct jspan *to, struct jspan data, size_t max);

#endif
